//! Generates `include/immuta.h` from `src/ffi`, and `include/immuta.cdef` from that header.
//!
//! This is a package of its own so that no other test waits for cbindgen to compile.

#![allow(clippy::missing_panics_doc, reason = "only tests call it, and an unreadable source fails them")]

mod cdef;
mod enums;
mod sections;

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The path of a file, given relative to the directory of the project.
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The text of a file of the project.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(project(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The header as it should be.
pub fn header() -> String {
    let mut config = cbindgen::Config::from_file(project("cbindgen.toml")).expect("cbindgen.toml is valid");
    config.header = Some(first_page());
    config.after_includes = Some(version_macros() + "\n" + include_str!("compiler.h").trim_end());
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in sections::sources() {
        builder = builder.with_src(project(&format!("src/ffi/{source}.rs")));
    }
    let mut header = Vec::new();
    builder.generate().expect("cbindgen understands the sources").write(&mut header);
    let header = polish(&String::from_utf8(header).expect("the header is UTF-8"));
    sections::arrange(&header)
}

/// `include/immuta.cdef` as it should be beside `header`.
pub fn cdef(header: &str) -> String {
    cdef::declarations(header)
}

/// The module documentation of `src/ffi/mod.rs`: what all functions have in common.
fn first_page() -> String {
    let source = read("src/ffi/mod.rs");
    let mut page = String::from("/*\n");
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    for line in lines.filter(|line| !line.contains("```")) {
        writeln!(page, " *{line}").expect("memory");
    }
    page + " *\n * Generated from src/ffi by c-tests/header: edit there. */"
}

/// The version of the library, from the Cargo.toml of the project.
pub fn version() -> String {
    let cargo = read("Cargo.toml");
    let version = cargo.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    version.expect("Cargo.toml has a version").to_owned()
}

fn version_macros() -> String {
    let mut macros = String::from("\n// The version of this header; immuta_version_number() is that of the library.\n");
    let version = version();
    for (part, number) in ["MAJOR", "MINOR", "PATCH"].into_iter().zip(version.split(['.', '-', '+'])) {
        writeln!(macros, "#define IMMUTA_VERSION_{part} {number}").expect("memory");
    }
    macros
        + "#define IMMUTA_VERSION_NUMBER "
        + "((IMMUTA_VERSION_MAJOR << 16) | (IMMUTA_VERSION_MINOR << 8) | IMMUTA_VERSION_PATCH)\n"
        + &format!("#define IMMUTA_VERSION_STRING \"{version}\"\n")
}

/// Types go by their short names once they are declared, for which cbindgen has no setting.
fn polish(header: &str) -> String {
    let mut polished = String::with_capacity(header.len());
    for line in header.lines() {
        if line.starts_with("typedef struct") {
            writeln!(polished, "{line}").expect("memory");
        } else {
            writeln!(polished, "{}", line.replace("struct immuta_", "immuta_")).expect("memory");
        }
    }
    polished
}
