//! The rows of two tables in docs/durability.md: what opening for writing does with what it finds, and what a repair
//! does. Each row has an id. The code that decides the row names the id in a comment, and so does at least one test.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The letter of an opening, and that of a repair.
const LETTERS: [char; 2] = ['O', 'R'];

/// The first cells of the rows, table by table, of the tables in `document` whose first column is called `id`.
fn tables(document: &str) -> Vec<Vec<&str>> {
    let mut found = Vec::new();
    let mut lines = document.lines();
    while lines.by_ref().any(|line| line.starts_with("| id |")) {
        let rows = lines.by_ref().skip(1).map_while(|line| line.strip_prefix("| "));
        found.push(rows.filter_map(|row| row.split(" |").next()).collect());
    }
    found
}

/// The letter and the number of `word`, if it is an id.
fn parsed(word: &str) -> Option<(char, u32)> {
    let letter = LETTERS.into_iter().find(|letter| word.starts_with(*letter))?;
    let digits = &word[letter.len_utf8()..];
    let is_number = !digits.starts_with('0') && digits.bytes().all(|digit| digit.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number).map(|number| (letter, number))
}

/// The comments in `source`, which is Rust or C.
fn comments(source: &str) -> Vec<&str> {
    let (mut found, mut rest) = (Vec::new(), source);
    while let Some(start) = ["//", "/*"].into_iter().filter_map(|mark| rest.find(mark)).min() {
        let (mark, comment) = rest[start..].split_at(2);
        let end = comment.find(if mark == "//" { "\n" } else { "*/" }).unwrap_or(comment.len());
        found.push(&comment[..end]);
        rest = &comment[end..];
    }
    found
}

/// The ids that the comments in `source` name, as whole words.
fn named_in(source: &str) -> BTreeSet<&str> {
    let is_between = |letter: char| !letter.is_alphanumeric() && !"_-".contains(letter);
    comments(source)
        .into_iter()
        .flat_map(|comment| comment.split(is_between))
        .filter(|word| parsed(word).is_some())
        .collect()
}

/// A source, and the ids that it names.
type Naming<'a> = (&'a str, BTreeSet<&'a str>);

/// What is wrong with the ids in `tables`, and with those that the sources in `code` and in `tests` name.
fn offences(tables: &[Vec<&str>], code: &[Naming<'_>], tests: &[Naming<'_>]) -> Vec<String> {
    let mut found = Vec::new();
    for table in tables {
        let ids: Vec<_> = table.iter().map(|id| parsed(id)).collect();
        found.extend(table.iter().zip(&ids).filter(|(_, id)| id.is_none()).map(|(cell, _)| format!("{cell} is no id")));
        let in_order = |pair: &[Option<(char, u32)>]| match pair {
            [Some((one, before)), Some((other, after))] => one == other && before < after,
            _ => true,
        };
        let wrong = ids.windows(2).zip(&table[1..]).filter(|(pair, _)| !in_order(pair));
        found.extend(wrong.map(|(_, cell)| format!("{cell} is not in order")));
    }
    let all: BTreeSet<&str> = tables.iter().flatten().copied().collect();
    if all.len() < tables.iter().map(Vec::len).sum() {
        found.push("an id is given twice".to_owned());
    }
    for (what, sources) in [("no comment in src", code), ("no comment in a test", tests)] {
        let is_named = |id: &&&str| sources.iter().any(|(_, named)| named.contains(**id));
        found.extend(all.iter().filter(|id| !is_named(id)).map(|id| format!("{what} names {id}")));
        for (source, named) in sources {
            found.extend(named.difference(&all).map(|id| format!("{source} names {id}, which no table has")));
        }
    }
    found
}

/// The files in `directory` and below whose names end with one of `endings`.
fn files(directory: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, endings, found);
        } else if endings.iter().any(|ending| path.to_str().unwrap().ends_with(ending)) {
            found.push(path);
        }
    }
}

/// The part of `source` that is code, and the tests at its end.
fn parts(source: &str) -> (&str, &str) {
    source.split_at(source.find("\n#[cfg(test)]\nmod tests {").unwrap_or(source.len()))
}

#[test]
fn every_row_is_named_by_the_code_that_decides_it_and_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for directory in ["src", "tests", "c-tests/suites"] {
        files(&root.join(directory), &[".rs", ".c", ".cpp", ".h"], &mut paths);
    }
    // The ids in this file are made up.
    paths.retain(|path| path != &root.join("tests/rows.rs"));
    let sources: Vec<(String, String)> = paths
        .iter()
        .map(|path| (path.strip_prefix(root).unwrap().display().to_string(), fs::read_to_string(path).unwrap()))
        .collect();
    let (mut code, mut tests) = (Vec::new(), Vec::new());
    for (name, source) in &sources {
        let is_test = !name.starts_with("src/") || name.ends_with("/tests.rs") || name.contains("/tests/");
        let (of_code, of_tests) = if is_test { ("", source.as_str()) } else { parts(source) };
        code.push((name.as_str(), named_in(of_code)));
        tests.push((name.as_str(), named_in(of_tests)));
    }
    let document = fs::read_to_string(root.join("docs/durability.md")).unwrap();
    let tables = tables(&document);
    assert_eq!(tables.len(), LETTERS.len(), "the tables of openings and of repairs in docs/durability.md");
    let found = offences(&tables, &code, &tests);
    assert!(found.is_empty(), "the rows of the tables in docs/durability.md:\n{}", found.join("\n"));
}

#[test]
fn an_id_is_a_whole_word_of_a_comment() {
    let rust = "// O1: as (R2), O12.\nlet at = O3; /// not O_CREAT, -O4, O5x, xO6, O07 or O\n";
    assert_eq!(named_in(rust), BTreeSet::from(["O1", "O12", "R2"]));
    let c = "/* Row O1 and\n * row R2. */ int O3 = O4; // O5\n/* O6";
    assert_eq!(named_in(c), BTreeSet::from(["O1", "O5", "O6", "R2"]));
    assert_eq!(parts("fn a() {}\n\n#[cfg(test)]\nmod tests {\n}"), ("fn a() {}\n", "\n#[cfg(test)]\nmod tests {\n}"));
}

#[test]
fn an_id_that_is_missing_or_too_many_is_found() {
    let document = "a | b\n| id | found |\n|---|---|\n| O1 | a |\n| O2 | b |\n\n\
                    | a | b |\n|---|---|\n| O3 | c |\n\n\
                    | id | found |\n|---|---|\n| R1 | c |";
    let tables = tables(document);
    assert_eq!(tables, [vec!["O1", "O2"], vec!["R1"]]);
    let naming = |name, ids: &[&'static str]| [(name, ids.iter().copied().collect())];
    let all = ["O1", "O2", "R1"];
    let (code, tests) = (naming("src/a.rs", &all), naming("tests/a.rs", &all));
    assert_eq!(offences(&tables, &code, &tests), [""; 0]);
    assert_eq!(offences(&tables, &naming("a", &all[1..]), &tests), ["no comment in src names O1"]);
    assert_eq!(offences(&tables, &code, &naming("a", &all[..2])), ["no comment in a test names R1"]);
    let more = naming("src/b.rs", &["O1", "O2", "O3", "R1"]);
    assert_eq!(offences(&tables, &more, &tests), ["src/b.rs names O3, which no table has"]);
    assert_eq!(offences(&tables, &code, &more), ["src/b.rs names O3, which no table has"]);
    let swapped = [vec!["O2", "O1"], vec!["R1"]];
    assert_eq!(offences(&swapped, &code, &tests), ["O1 is not in order"]);
    let twice = [vec!["O1", "O2", "O2"], vec!["R1"]];
    assert_eq!(offences(&twice, &code, &tests), ["O2 is not in order", "an id is given twice"]);
    let none = [vec!["O1", "O2", "c"], vec!["R1"]];
    assert_eq!(offences(&none, &code, &tests)[0], "c is no id");
}
