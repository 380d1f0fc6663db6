//! The layers of the library, as directories and files of `src`: each uses only those below it. docs/architecture.svg
//! shows them; `IMMUTA_BLESS=1 cargo test --test layers` draws it again.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[path = "support/sources.rs"]
mod sources;

use sources::sources;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

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

/// What the C interface may use besides what every user of the crate has. The boundary words errors, notices forks,
/// takes memory that may be refused, and defers the cancellation of threads.
const OF_THE_BOUNDARY: [&str; 5] = ["error::Shortened", "error::no_memory", "error::within", "storage::fork", "util::"];

/// The uses in `source`, of `module`, that the layers do not allow, with their lines.
fn offences<'a>(module: &str, source: &'a str) -> Vec<(usize, &'a str)> {
    let row = row_of(module);
    let end = source.find("\n#[cfg(test)]\nmod tests {").unwrap_or(source.len());
    let lines = source[..end].lines().enumerate().map(|(index, line)| (index + 1, line));
    let uses = lines.flat_map(|(number, line)| used_in(line).map(move |used| (number, used)));
    let is_pair = |used: &str| matches!((module, used), ("error", "util") | ("util", "error"));
    uses.filter(|(_, used)| *used != module && !is_pair(used))
        // What lib.rs exports again is for users of the crate, the C interface among them. Elsewhere in the crate an
        // item is named by its module.
        .filter(|(_, used)| row_of(used).map_or(module != "ffi", |used| Some(used) <= row))
        .collect()
}

/// The names in `source` that begin with `crate::`, with their lines. Names in braces count one by one.
fn names_used(source: &str) -> Vec<(usize, String)> {
    let lines = source.lines().map(|line| line.split("//").next().unwrap_or_default());
    let code = lines.collect::<Vec<_>>().join(
        "
",
    );
    let mut found = Vec::new();
    for (at, prefix) in code.match_indices("crate::") {
        let (number, rest) = (code[..=at].lines().count(), &code[at + prefix.len()..]);
        let listed = rest.strip_prefix('{').map(|inner| &inner[..inner.find("};").unwrap_or(inner.len())]);
        let end =
            rest.find(|letter: char| !letter.is_alphanumeric() && !matches!(letter, '_' | ':')).unwrap_or(rest.len());
        let names = listed.unwrap_or(&rest[..end]).split(',').map(|name| name.trim().to_owned());
        found.extend(names.filter(|name| !name.is_empty()).map(|name| (number, name)));
    }
    found
}

/// What `lib.rs` exports for everybody, by name.
fn exports(root: &str) -> BTreeSet<String> {
    let public = root.split("pub use ").skip(1).filter(|rest| !rest.starts_with('{'));
    let items = public.map(|rest| rest.split(';').next().unwrap_or_default());
    let names =
        items.flat_map(|item| item.trim_end_matches('}').split(['{', ',', ':']).map(|name| name.trim().to_owned()));
    names.filter(|name| !name.is_empty()).collect()
}

/// The uses in `source`, of the C interface, that are neither among `exported` nor of the boundary, with their lines.
fn inner_uses(source: &str, exported: &BTreeSet<String>) -> Vec<(usize, String)> {
    let is_allowed = |used: &str| OF_THE_BOUNDARY.iter().any(|allowed| used.starts_with(allowed));
    let is_public = |used: &str| used.starts_with("codec::") || used.starts_with("limits::") || exported.contains(used);
    let mut found = names_used(source);
    found.retain(|(_, used)| !is_allowed(used) && !is_public(used));
    let up = source.lines().enumerate().filter(|(_, line)| line.contains("super::super"));
    found.extend(up.map(|(index, _)| (index + 1, "super::super".to_owned())));
    found
}

/// The functions that the C interface calls although they are not public. Adding one is a decision, so this is a list.
const INNER_FUNCTIONS: [&str; 4] = ["append_staged", "has_named_codecs", "parts_within", "try_clone"];

#[test]
fn the_c_interface_stands_on_the_public_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let exported = exports(&fs::read_to_string(root.join("lib.rs")).unwrap());
    assert!(exported.contains("Log") && exported.contains("scan") && !exported.contains("scan_on"), "{exported:?}");
    let (mut found, mut inner) = (Vec::new(), BTreeSet::<&str>::new());
    let (c_files, other_files): (Vec<_>, Vec<_>) =
        sources(&root).into_iter().partition(|path| path.starts_with(root.join("ffi")));
    let others: String = other_files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let inner_functions: BTreeSet<_> = others
        .split("pub(crate) fn ")
        .skip(1)
        .map(|rest| &rest[..rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap()])
        .filter(|name| !OF_THE_BOUNDARY.iter().any(|allowed| allowed.ends_with(&format!("::{name}"))))
        .collect();
    for path in c_files {
        let (file, source) =
            (path.strip_prefix(&root).unwrap().display().to_string(), fs::read_to_string(&path).unwrap());
        found.extend(
            inner_uses(&source, &exported).into_iter().map(|(number, used)| format!("src/{file}:{number}: {used}")),
        );
        inner.extend(inner_functions.iter().copied().filter(|name| source.contains(&format!(".{name}("))));
    }
    assert!(found.is_empty(), "the C interface uses what no other program can:\n{}", found.join("\n"));
    assert_eq!(inner.into_iter().collect::<Vec<_>>(), INNER_FUNCTIONS);
}

#[test]
fn a_use_that_is_not_public_is_found() {
    let exported = exports(
        "mod a;\n#[doc(hidden)]\npub use {\n    a::scan_on,\n};\npub use a::{Log, b::scan};\npub use c::d::Io;\n",
    );
    assert!(["Log", "scan", "Io"].iter().all(|name| exported.contains(*name)) && !exported.contains("scan_on"));
    let found = |source: &str| inner_uses(source, &exported);
    assert_eq!(found("use crate::util::memory;\nuse crate::{Log, scan};\nuse crate::error::no_memory;\n"), []);
    assert_eq!(found("\nuse crate::log::Log;\n"), [(2, "log::Log".to_owned())]);
    assert_eq!(
        found("use crate::{\n    Log,\n    log::catalogue::names,\n};\n"),
        [(1, "log::catalogue::names".to_owned())]
    );
    assert_eq!(found("use crate::{scan_on};"), [(1, "scan_on".to_owned())]);
    assert_eq!(found("use super::super::log::Log;"), [(1, "super::super".to_owned())]);
}

#[test]
fn each_layer_uses_only_those_below_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut modules) = (Vec::new(), BTreeSet::new());
    for path in sources(&root) {
        let file = path.strip_prefix(&root).unwrap();
        let module = module_of(file);
        assert!(
            row_of(module).is_some(),
            "src/{} belongs to no layer; name its module in tests/layers.rs",
            file.display()
        );
        modules.insert(module.to_owned());
        for (number, used) in offences(module, &fs::read_to_string(&path).unwrap()) {
            found.push(format!("src/{}:{number}: {module} uses {used}, which is not below it", file.display()));
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
