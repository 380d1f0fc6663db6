//! `include/immuta.h` is generated from `src/ffi` and committed; these tests generate it again and compare.
//!
//! After a change to the exported functions or their documentation, write the file with
//! `IMMUTA_BLESS=1 cargo test --package immuta-header`.

use immuta_header::{generate, project, read, version};
use std::sync::LazyLock;

const HEADER_PATH: &str = "include/immuta.h";

/// The committed header. Where `IMMUTA_BLESS` is set, the test generates the file first.
static HEADER: LazyLock<String> = LazyLock::new(|| {
    if std::env::var_os("IMMUTA_BLESS").is_some() {
        std::fs::write(project(HEADER_PATH), generate()).expect("the header can be written");
    }
    read(HEADER_PATH)
});

#[test]
fn the_header_is_what_the_sources_say() {
    let (expected, found) = (generate(), &*HEADER);
    if *found != expected {
        let same = found.lines().zip(expected.lines()).take_while(|(found, expected)| found == expected).count();
        panic!(
            "{HEADER_PATH} differs from line {} on:\n  there:     {}\n  generated: {}\n\
             If the change is meant: IMMUTA_BLESS=1 cargo test --package immuta-header",
            same + 1,
            found.lines().nth(same).unwrap_or("(end)"),
            expected.lines().nth(same).unwrap_or("(end)"),
        );
    }
}

#[test]
fn the_version_macros_are_those_of_cargo_toml() {
    let (header, version) = (&*HEADER, version());
    let value_of = |name: &str| {
        let define = format!("#define IMMUTA_VERSION_{name} ");
        header.lines().find_map(|line| line.strip_prefix(&define)).unwrap_or_else(|| panic!("no line {define:?}"))
    };
    assert_eq!(value_of("STRING"), format!("\"{version}\""));
    assert_eq!(format!("{}.{}.{}", value_of("MAJOR"), value_of("MINOR"), value_of("PATCH")), version);
    let number = value_of("NUMBER");
    assert_eq!(number, "((IMMUTA_VERSION_MAJOR << 16) | (IMMUTA_VERSION_MINOR << 8) | IMMUTA_VERSION_PATCH)");
}

#[test]
fn the_header_declares_every_exported_function() {
    let header = &*HEADER;
    let mut count = 0;
    for entry in std::fs::read_dir(project("src/ffi")).expect("src/ffi is a directory") {
        let path = entry.expect("src/ffi can be listed").path();
        if path.is_dir() {
            continue; // tests
        }
        let source = std::fs::read_to_string(&path).expect("sources can be read");
        for line in source.lines() {
            let Some((_, function)) = line.split_once("extern \"C\" fn immuta_") else { continue };
            let name: String = function.chars().take_while(|c| *c == '_' || c.is_ascii_alphanumeric()).collect();
            assert!(header.contains(&format!("immuta_{name}(")), "{}: immuta_{name} is not declared", path.display());
            count += 1;
        }
    }
    println!("{count} functions are declared");
    assert_eq!(
        header.lines().filter(|line| line.ends_with(");") && !line.starts_with("//")).count(),
        count + 6,
        "functions, the three callback types, the three of a codec, and nothing else"
    );
}
