//! `util` of the library, with locks and atomics that loom controls.

#[path = "../../../src/util/memory.rs"]
pub mod memory;
pub mod sync;
