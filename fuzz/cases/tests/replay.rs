//! The corpus of the fuzzer, and every input that was ever a finding, once through their targets.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

use std::path::{Path, PathBuf};

fn inputs(directory: &Path) -> Vec<PathBuf> {
    let mut inputs: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    inputs
}

fn replay(name: &str) {
    let (_, run) = immuta_fuzz_cases::TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(name);
    let inputs = inputs(&corpus);
    assert!(!inputs.is_empty(), "{} is empty", corpus.display());
    for input in &inputs {
        let bytes = std::fs::read(input).unwrap();
        std::panic::catch_unwind(|| run(&bytes)).unwrap_or_else(|_| panic!("{}", input.display()));
    }
    println!("{name}: {} inputs", inputs.len());
}

#[test]
fn record_file() {
    replay("record_file");
}

#[test]
fn index_file() {
    replay("index_file");
}

#[test]
fn journal() {
    replay("journal");
}

#[test]
fn operations() {
    replay("operations");
}

#[test]
fn codecs() {
    replay("codecs");
}

#[test]
fn interface() {
    replay("interface");
}
