//! Numbers of records come in two kinds, inner and outer (`src/format/number.rs`). Their types keep them apart. Only at
//! a few doors does a number become one of these types, or stop being one: this test lists who may use the doors.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[path = "support/sources.rs"]
mod sources;

use sources::sources;
use std::fs;
use std::path::Path;

/// A door: what is written in a source that uses it, and the files and directories of `src` that may.
type Door = (&'static str, &'static [&'static str]);

/// What the pages of the files and the names of segments say.
const DOORS: [Door; 3] = [("Outer::of_field", &["format"]), ("Base::new", &["format"]), (".field()", &["format"])];

/// The lines of `source`, the file `name` of `src`, that use a door which is closed to that file.
fn offences(name: &Path, source: &str) -> Vec<String> {
    let end = source.find("\n#[cfg(test)]\nmod tests {").unwrap_or(source.len());
    let lines = source[..end].lines().map(|line| line.split("//").next().unwrap_or_default());
    let closed = DOORS.iter().filter(|(_, users)| !users.iter().any(|user| name.starts_with(user)));
    let closed: Vec<_> = closed.map(|(door, _)| door).collect();
    let offences = lines.zip(1..).flat_map(|(line, number)| {
        let used = closed.iter().filter(move |door| line.contains(**door));
        used.map(move |door| format!("src/{}:{number}: {door}", name.display()))
    });
    offences.collect()
}

#[test]
fn outer_numbers_are_made_and_taken_apart_at_few_places() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let found: Vec<_> = sources(&root)
        .iter()
        .flat_map(|path| offences(path.strip_prefix(&root).unwrap(), &fs::read_to_string(path).unwrap()))
        .collect();
    assert!(found.is_empty(), "the users of each door are listed in tests/numbers.rs:\n{}", found.join("\n"));
}

#[test]
fn a_use_at_another_place_is_found() {
    let found = |name: &str, source: &str| offences(Path::new(name), source);
    assert_eq!(found("recovery/scan.rs", "\nlet n = base.field() + 1;"), ["src/recovery/scan.rs:2: .field()"]);
    assert_eq!(found("files/index.rs", "Outer::of_field(1)"), ["src/files/index.rs:1: Outer::of_field"]);
    assert_eq!(found("format/name.rs", "base.field(), Base::new(7), Outer::of_field(7)"), [""; 0]);
    assert_eq!(found("log/stream/locate.rs", "let n = 1; // not Base::new(1)"), [""; 0]);
    assert_eq!(found("writer/put.rs", "\n#[cfg(test)]\nmod tests {\n    Base::new(1)\n}\n"), [""; 0]);
}
