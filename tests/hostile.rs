//! Hostile inputs, by number: files, directories and callers that no writer of ours made so, and the answer to each.
//!
//! The table is in docs/durability.md. Numbers that are not here are in `c-tests/suites/hostile.c`: they need the C
//! interface.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[path = "opening/image.rs"]
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
mod image;
#[path = "../fuzz/cases/src/layout.rs"]
#[allow(dead_code, reason = "shared with the fuzzer, which uses the rest")]
mod layout;

#[path = "hostile/around.rs"]
mod around;
#[path = "hostile/index_file.rs"]
mod index_file;
#[path = "hostile/others.rs"]
mod others;
#[path = "hostile/records.rs"]
mod records;
#[path = "hostile/support.rs"]
mod support;
