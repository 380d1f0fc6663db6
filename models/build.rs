//! Makes the mutants: for each mutation a copy of the sources under test, changed in one place, and a table of them.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

include!("mutations.rs");

fn main() {
    let crate_dir = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the crate is"));
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where the output goes"));
    let library = crate_dir.join("../src");
    let models = crate_dir.join("src/models/mod.rs");
    let (mut modules, mut table) = (String::new(), String::from("pub const MUTANTS: &[Mutant] = &[\n"));
    for mutation in MUTATIONS {
        let Mutation { name, caught_by, .. } = mutation;
        let directory = out_dir.join(name);
        for source in SOURCES {
            copy(&library, source, &directory, mutation);
        }
        let module = out_dir.join(format!("{name}.rs"));
        fs::write(&module, module_of(&directory, &models)).expect("the output can be written");
        writeln!(modules, "#[path = \"{}\"]\nmod {name};", module.display()).expect("memory");
        writeln!(table, "    Mutant {{ name: {name:?}, models: {name}::models::ALL, caught_by: &{caught_by:?} }},")
            .expect("memory");
    }
    fs::write(out_dir.join("mutants.rs"), format!("{modules}\n{table}];\n")).expect("the output can be written");
    println!("cargo::rustc-cfg=loom");
    println!("cargo::rerun-if-changed=mutations.rs");
    println!("cargo::rerun-if-changed=build.rs");
}

/// Copies `source`, a file or a directory of files, and changes what the mutation is about.
fn copy(library: &Path, source: &str, directory: &Path, mutation: &Mutation) {
    let from = library.join(source);
    println!("cargo::rerun-if-changed={}", from.display());
    if from.is_dir() {
        for entry in fs::read_dir(&from).expect("sources can be listed") {
            let name = entry.expect("sources can be listed").file_name();
            copy(library, &format!("{source}/{}", name.display()), directory, mutation);
        }
        return;
    }
    let mut text = fs::read_to_string(&from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    if source == mutation.file {
        let count = text.matches(mutation.from).count();
        assert!(count == 1, "{}: {:?} is there {count} times in {source}", mutation.name, mutation.from);
        text = text.replace(mutation.from, mutation.to);
    }
    let to = directory.join(source);
    fs::create_dir_all(to.parent().expect("a file has a directory")).expect("the output can be written");
    fs::write(to, text).expect("the output can be written");
}

/// A copy of the library as a module, and the models beside it.
fn module_of(directory: &Path, models: &Path) -> String {
    let mut module = String::from(
        "#![allow(warnings, unused, unsafe_code, clippy::all, clippy::pedantic, clippy::undocumented_unsafe_blocks)]\n",
    );
    writeln!(module, "#[path = \"{}\"]\npub mod models;", models.display()).expect("memory");
    for source in SOURCES {
        let is_file = Path::new(source).extension().is_some();
        let file = if is_file { (*source).to_owned() } else { format!("{source}/mod.rs") };
        let name = Path::new(source).file_stem().expect("a source has a name");
        writeln!(module, "#[path = \"{}\"]\nmod {};", directory.join(file).display(), name.display()).expect("memory");
    }
    module
}
