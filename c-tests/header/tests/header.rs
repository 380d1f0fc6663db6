//! `include/immuta.h` and `include/immuta.cdef` are generated from `src/ffi` and committed; these tests generate them
//! again and compare.
//!
//! After a change to the exported functions or their documentation, write the files with
//! `IMMUTA_BLESS=1 cargo test --package immuta-header`.

use immuta_header::{cdef, header, project, read, version};
use std::sync::LazyLock;

const HEADER_PATH: &str = "include/immuta.h";
const CDEF_PATH: &str = "include/immuta.cdef";

/// The committed header. Where `IMMUTA_BLESS` is set, the test generates both files first.
static HEADER: LazyLock<String> = LazyLock::new(|| {
    if std::env::var_os("IMMUTA_BLESS").is_some() {
        let generated = header();
        std::fs::write(project(HEADER_PATH), &generated).expect("the header can be written");
        std::fs::write(project(CDEF_PATH), cdef(&generated)).expect("the cdef can be written");
    }
    read(HEADER_PATH)
});

fn assert_same(path: &str, found: &str, expected: &str) {
    if found != expected {
        let same = found.lines().zip(expected.lines()).take_while(|(found, expected)| found == expected).count();
        panic!(
            "{path} differs from line {} on:\n  there:     {}\n  generated: {}\n\
             If the change is meant: IMMUTA_BLESS=1 cargo test --package immuta-header",
            same + 1,
            found.lines().nth(same).unwrap_or("(end)"),
            expected.lines().nth(same).unwrap_or("(end)"),
        );
    }
}

#[test]
fn the_header_is_what_the_sources_say() {
    assert_same(HEADER_PATH, &HEADER, &header());
}

#[test]
fn the_cdef_is_what_the_header_declares() {
    let header = &*HEADER;
    assert_same(CDEF_PATH, &read(CDEF_PATH), &cdef(header));
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

#[test]
fn every_type_and_callback_is_inside_extern_c() {
    let (before, _) = HEADER.split_once("extern \"C\" {").expect("the header has an extern \"C\"");
    assert!(!before.contains("\ntypedef ") && !before.contains("\nenum "), "a type is declared before extern \"C\"");
}
