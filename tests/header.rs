//! `include/immuta.h` is generated from `src/ffi` and committed; these tests generate it again and compare.
//!
//! After a change to the exported functions or their documentation, write the file with
//! `IMMUTA_BLESS=1 cargo test --test header`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

const HEADER_PATH: &str = "include/immuta.h";

/// The files whose items the header shows, in this order.
const SOURCES: [&str; 15] = [
    "status",
    "error",
    "library",
    "sink",
    "codec",
    "options",
    "log",
    "namespace",
    "figures",
    "append",
    "txn",
    "stream",
    "poll",
    "record",
    "maintenance",
];

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(project(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The header as it is there, after it was written anew if that is asked for.
static HEADER: LazyLock<String> = LazyLock::new(|| {
    if std::env::var_os("IMMUTA_BLESS").is_some() {
        std::fs::write(project(HEADER_PATH), generate()).expect("the header can be written");
    }
    read(HEADER_PATH)
});

/// The header as it should be.
fn generate() -> String {
    let mut config = cbindgen::Config::from_file(project("cbindgen.toml")).expect("cbindgen.toml is valid");
    config.header = Some(first_page());
    config.after_includes = Some(version_macros());
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SOURCES {
        builder = builder.with_src(project(&format!("src/ffi/{source}.rs")));
    }
    let mut header = Vec::new();
    builder.generate().expect("cbindgen understands the sources").write(&mut header);
    polish(&String::from_utf8(header).expect("the header is UTF-8"))
}

/// The module documentation of `src/ffi/mod.rs`: what all functions have in common.
fn first_page() -> String {
    let source = read("src/ffi/mod.rs");
    let mut page = String::from("/*\n");
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    for line in lines.filter(|line| !line.contains("```")) {
        writeln!(page, " *{line}").expect("memory");
    }
    page + " *\n * Generated from src/ffi by tests/header.rs: edit there. */"
}

fn version_macros() -> String {
    let mut macros = String::from("\n// The version of this header; immuta_version_number() is that of the library.\n");
    let version = [
        ("MAJOR", env!("CARGO_PKG_VERSION_MAJOR")),
        ("MINOR", env!("CARGO_PKG_VERSION_MINOR")),
        ("PATCH", env!("CARGO_PKG_VERSION_PATCH")),
    ];
    for (part, number) in version {
        writeln!(macros, "#define IMMUTA_VERSION_{part} {number}").expect("memory");
    }
    macros
        + "#define IMMUTA_VERSION_NUMBER "
        + "((IMMUTA_VERSION_MAJOR << 16) | (IMMUTA_VERSION_MINOR << 8) | IMMUTA_VERSION_PATCH)\n"
        + concat!("#define IMMUTA_VERSION_STRING \"", env!("CARGO_PKG_VERSION"), "\"")
}

/// Two things cbindgen has no setting for: `#define NAME -1` becomes `#define NAME (-1)`, so that the macro is one
/// operand wherever it is put, and types go by their short names once they are declared.
fn polish(header: &str) -> String {
    let mut polished = String::with_capacity(header.len());
    for line in header.lines() {
        if let Some((define, number)) = line.rsplit_once(" -").filter(|(define, _)| define.starts_with("#define ")) {
            writeln!(polished, "{define} (-{number})").expect("memory");
        } else if line.starts_with("typedef struct") {
            writeln!(polished, "{line}").expect("memory");
        } else {
            writeln!(polished, "{}", line.replace("struct immuta_", "immuta_")).expect("memory");
        }
    }
    polished
}

#[test]
fn the_header_is_what_the_sources_say() {
    let (expected, found) = (generate(), &*HEADER);
    if *found != expected {
        let same = found.lines().zip(expected.lines()).take_while(|(found, expected)| found == expected).count();
        panic!(
            "{HEADER_PATH} differs from line {} on:\n  there:     {}\n  generated: {}\n\
             If the change is meant: IMMUTA_BLESS=1 cargo test --test header",
            same + 1,
            found.lines().nth(same).unwrap_or("(end)"),
            expected.lines().nth(same).unwrap_or("(end)"),
        );
    }
}

#[test]
fn the_version_macros_are_those_of_cargo_toml() {
    let cargo = read("Cargo.toml");
    let version = cargo.lines().find_map(|line| line.strip_prefix("version = ")).expect("Cargo.toml has a version");
    let header = &*HEADER;
    let value_of = |name: &str| {
        let define = format!("#define IMMUTA_VERSION_{name} ");
        header.lines().find_map(|line| line.strip_prefix(&define)).unwrap_or_else(|| panic!("no line {define:?}"))
    };
    assert_eq!(value_of("STRING"), version);
    assert_eq!(format!("\"{}.{}.{}\"", value_of("MAJOR"), value_of("MINOR"), value_of("PATCH")), version);
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
