//! Compiles the contenders, which are written in C, and says how the benchmark is linked with them and the library.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=contenders");
    println!("cargo::rerun-if-changed=../include/immuta.h");
    let out_dir = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let mut build = cc::Build::new();
    build.files(sources()).include("../include").std("c11").opt_level(3).debug(false).cargo_metadata(false);
    // As a program is compiled, not as a library: what may be replaced from outside is not inlined.
    build.pic(false).flag("-fPIE");
    build.warnings(true).extra_warnings(true).warnings_into_errors(true);
    for warning in ["-Wpedantic", "-Wconversion", "-Wshadow", "-Wstrict-prototypes"] {
        build.flag(warning);
    }
    build.compile("contenders");

    // TARGET/PROFILE/build/PACKAGE/out. The library is the one that is installed, as `make lib` leaves it.
    let library_dir = out_dir.ancestors().nth(4).expect("OUT_DIR lies in a target directory").join("stage");
    let library_dir = library_dir.display();
    for argument in [
        format!("{}/libcontenders.a", out_dir.display()),
        format!("-L{library_dir}"),
        "-limmuta".to_string(),
        format!("-Wl,-rpath,{library_dir}"),
    ] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    println!(
        "cargo::rustc-env=RUSTC_VERSION={}",
        version_of(&PathBuf::from(std::env::var_os("RUSTC").expect("RUSTC")))
    );
    println!("cargo::rustc-env=C_COMPILER_VERSION={}", version_of(build.get_compiler().path()));
}

fn sources() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("contenders").expect("there is a directory contenders");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "c"));
    paths.sort();
    paths
}

/// The first line of what a compiler says about its version.
fn version_of(compiler: &Path) -> String {
    let output = Command::new(compiler).arg("--version").output().expect("a compiler says its version");
    String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_string()
}
