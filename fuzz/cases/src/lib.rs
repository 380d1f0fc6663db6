//! What the fuzzer does with its inputs: one module for each target, each with a `run` that panics when a promise is
//! broken.
//!
//! `tests/replay.rs` runs the committed corpus through the same functions, without fuzzer and sanitizer.

#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a finding")]

pub mod codecs;
pub mod index_file;
pub mod interface;
pub mod journal;
pub mod operations;
pub mod record_file;

mod forge;
mod judge;
mod layout;

/// A target: what it is called, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 6] = [
    ("record_file", record_file::run),
    ("index_file", index_file::run),
    ("journal", journal::run),
    ("operations", operations::run),
    ("codecs", codecs::run),
    ("interface", interface::run),
];
