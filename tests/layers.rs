//! The layers of the library, as directories and files of `src`: each uses only those below it. docs/architecture.svg
//! shows them; `IMMUTA_BLESS=1 cargo test --test layers` draws it again.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// From the top down. Those of one row do not use each other, except for `error` and `util`: an error takes memory that
/// may be refused, and memory that is refused is an error.
const LAYERS: [&[&str]; 12] = [
    &["lib"],
    &["ffi"],
    &["maintenance"],
    &["log"],
    &["writer"],
    &["namespace"],
    &["recovery"],
    &["files"],
    &["options", "report"],
    &["codec", "storage"],
    &["format"],
    &["error", "limits", "util"],
];

/// The row of `module`, a file or directory of `src`; 0 is the top.
fn row_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.file_name().unwrap().to_str().unwrap() {
            "tests" | "tests.rs" => {}
            _ if path.is_dir() => sources(&path, found),
            _ => found.push(path),
        }
    }
}

/// The module of `src` that the source `file` belongs to.
fn module_of(file: &Path) -> &str {
    Path::new(file.components().next().unwrap().as_os_str()).file_stem().unwrap().to_str().unwrap()
}

/// The modules that `line` of a source names by `crate::`.
fn used_in(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split("//").next().unwrap_or_default();
    code.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

/// What the C interface may use besides what every user of the crate has: the boundary needs memory that may be
/// refused, forks that are noticed, and threads that are not cancelled.
const OF_THE_BOUNDARY: [&str; 5] = ["error::no_memory", "limits::", "options::within", "storage::fork", "util::"];

/// What `source`, of `module`, uses and must not, by line.
fn offences<'a>(module: &str, source: &'a str) -> Vec<(usize, &'a str)> {
    if module == "ffi" {
        return inner_uses(source);
    }
    let row = row_of(module);
    let end = source.find("\n#[cfg(test)]\nmod tests {").unwrap_or(source.len());
    let lines = source[..end].lines().enumerate().map(|(index, line)| (index + 1, line));
    let uses = lines.flat_map(|(number, line)| used_in(line).map(move |used| (number, used)));
    let is_pair = |used: &str| matches!((module, used), ("error", "util") | ("util", "error"));
    uses.filter(|(_, used)| *used != module && !is_pair(used))
        // What the root exports again is for its users: inside, a thing has the name of its module.
        .filter(|(_, used)| row_of(used).is_none_or(|used| Some(used) <= row))
        .collect()
}

/// The uses in `source`, of the C interface, that are neither public nor of the boundary, by line.
fn inner_uses(source: &str) -> Vec<(usize, &str)> {
    let is_allowed = |used: &str| OF_THE_BOUNDARY.iter().any(|allowed| used.starts_with(allowed));
    let is_public = |used: &str| used.starts_with("codec::") || !used.starts_with(char::is_lowercase);
    let lines =
        source.lines().enumerate().map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()));
    let uses = lines.flat_map(|(number, line)| line.split("crate::").skip(1).map(move |used| (number, used)));
    uses.filter(|(_, used)| !is_allowed(used) && !is_public(used))
        .map(|(number, used)| (number, &used[..used.find([';', ' ']).unwrap_or(used.len())]))
        .collect()
}

#[test]
fn each_layer_uses_only_those_below_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut found, mut modules) = (Vec::new(), Vec::new(), BTreeSet::new());
    sources(&root, &mut files);
    for path in files {
        let file = path.strip_prefix(&root).unwrap();
        let module = module_of(file);
        assert!(
            row_of(module).is_some(),
            "src/{} belongs to no layer; name its module in tests/layers.rs",
            file.display()
        );
        modules.insert(module.to_owned());
        for (number, used) in offences(module, &fs::read_to_string(&path).unwrap()) {
            let why = if module == "ffi" { "which is not of the public interface" } else { "which is not below it" };
            found.push(format!("src/{}:{number}: {module} uses {used}, {why}", file.display()));
        }
    }
    assert!(found.is_empty(), "the layers are listed in tests/layers.rs, from the top down:\n{}", found.join("\n"));
    let listed: BTreeSet<_> = LAYERS.iter().copied().flatten().map(|module| (*module).to_owned()).collect();
    assert_eq!(modules, listed, "each layer that is listed is there");
}

#[test]
fn an_arrow_that_runs_up_is_found() {
    assert_eq!(offences("storage", "use crate::format::log;\nuse crate::options::Io;\n"), [(2, "options")]);
    assert_eq!(offences("codec", "let file = crate::storage::open();"), [(1, "storage")], "beside it is not below it");
    assert_eq!(offences("log", "use crate::{Next, Options};\nuse crate::Stream;\n"), [(1, ""), (2, "Stream")]);
    assert_eq!(offences("log", "// as in crate::ffi\nuse crate::writer::Writer;\n"), []);
    assert_eq!(
        offences("ffi", "use crate::log::Log;\nuse crate::{Log, scan};\nuse crate::util::memory;\n"),
        [(1, "log::Log")]
    );
    assert_eq!(offences("log", "\n#[cfg(test)]\nmod tests {\n    use crate::ffi::status;\n}\n"), []);
}

const BOX_WIDTH: usize = 120;
const BOX_HEIGHT: usize = 30;
const GAP: usize = 14;
const WIDTH: usize = 3 * BOX_WIDTH + 4 * GAP;

/// The layers as a picture: a row for each layer, a box for each module of it.
fn picture() -> String {
    let height = LAYERS.len() * (BOX_HEIGHT + GAP) + GAP;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\">\n\
         <style>\n\
         text {{ font: 14px monospace; text-anchor: middle; fill: #1f2328 }}\n\
         rect {{ fill: #f6f8fa; stroke: #59636e }}\n\
         path {{ stroke: #59636e; fill: none }}\n\
         @media (prefers-color-scheme: dark) {{ text {{ fill: #f0f6fc }} rect {{ fill: #151b23 }} }}\n\
         </style>\n"
    );
    for (index, row) in LAYERS.iter().enumerate() {
        let y = GAP + index * (BOX_HEIGHT + GAP);
        let row_width = row.len() * BOX_WIDTH + (row.len() - 1) * GAP;
        for (place, module) in row.iter().enumerate() {
            let x = (WIDTH - row_width) / 2 + place * (BOX_WIDTH + GAP);
            let (text_x, text_y) = (x + BOX_WIDTH / 2, y + BOX_HEIGHT / 2 + 5);
            writeln!(svg, "<rect x=\"{x}\" y=\"{y}\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"4\"/>")
                .unwrap();
            writeln!(svg, "<text x=\"{text_x}\" y=\"{text_y}\">{module}</text>").unwrap();
        }
        if index + 1 < LAYERS.len() {
            let (x, from) = (WIDTH / 2, y + BOX_HEIGHT);
            writeln!(svg, "<path d=\"M{x} {from} v{GAP} m-4 -5 l4 5 l4 -5\"/>").unwrap();
        }
    }
    svg + "</svg>\n"
}

#[test]
fn the_picture_shows_the_layers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.svg");
    if std::env::var_os("IMMUTA_BLESS").is_some() {
        fs::write(&path, picture()).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), picture(), "IMMUTA_BLESS=1 cargo test --test layers draws it again");
}
