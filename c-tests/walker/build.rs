//! Compiles the C of the walker, with every warning an error.

fn main() {
    println!("cargo:rerun-if-changed=walker.c");
    println!("cargo:rerun-if-changed=../check/walk.h");
    let flags = ["-std=c11", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wstrict-prototypes"];
    let mut build = cc::Build::new();
    build.file("walker.c").include("..").warnings(true).extra_warnings(true).warnings_into_errors(true);
    for flag in flags {
        build.flag(flag);
    }
    build.compile("walker");
}
