//! Link arguments of the shared library, and nothing else: no code generation, no network, no probing.
//!
//! - SONAME: programs ask the loader for this name. While the version is 0.x each minor release may break the
//!   interface and has a name of its own; from 1.0 on only a major release does. The rule is cargo-c's, so that
//!   every way of building gives the same file.
//! - `-z nodelete`: `dlclose` leaves the library in place, because thread-local destructors of Rust's standard
//!   library would otherwise run code that is gone.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let (major, minor) = (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
    let abi = if major == "0" { format!("0.{minor}") } else { major.to_string() };
    println!("cargo::rustc-link-arg-cdylib=-Wl,-soname,libimmuta.so.{abi}");
    println!("cargo::rustc-link-arg-cdylib=-Wl,-z,nodelete");
}
