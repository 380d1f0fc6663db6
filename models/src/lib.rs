//! Loom tries every order in which the concurrent parts of the library can run. It runs the sources of the library
//! itself, compiled against stand-ins for locks, atomics, futex and eventfd that loom controls.
//!
//! `real` is the unchanged library: its models must pass. Each mutant of the table in `mutations.rs` is the library
//! with one order, fence or step weakened: one of its models must fail. This shows that the step is needed, and that
//! the models would notice its loss.
//!
//! To add a part: name its sources in `mutations.rs` and `real.rs`, write a file in `models/`, list it in
//! `models/mod.rs`.

#![allow(dead_code, unused_imports, reason = "of the sources only what the models use is alive here")]
#![allow(clippy::unwrap_used, reason = "a model that unwraps nothing has failed")]
#![allow(clippy::new_without_default, reason = "of types that are public only here")]
#![allow(missing_debug_implementations, reason = "stand-ins are not printed")]

#[path = "../../src/error.rs"]
#[allow(clippy::struct_field_names, reason = "as in the library, where the type is public")]
mod error;
#[path = "../../src/format/mod.rs"]
mod format;
#[path = "../../src/limits.rs"]
mod limits;
pub mod real;
mod storage;
mod util;

use error::{Error, ErrorKind, Result};

/// One model: a few threads, run in every order with at most so many preemptions.
pub struct Model {
    pub name: &'static str,
    pub preemptions_max: usize,
    pub run: fn(),
}

/// A weakened copy of the library and what must notice it.
pub struct Mutant {
    pub name: &'static str,
    pub models: &'static [Model],
    /// The names of the models that are to fail.
    pub caught_by: &'static [&'static str],
}

include!(concat!(env!("OUT_DIR"), "/mutants.rs"));
