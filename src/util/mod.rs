//! What every layer may use: locks, memory that may be refused, random numbers, progress, times, and the end of the
//! process.

pub mod abort;
pub mod append_list;
pub mod cancel;
pub mod memory;
pub mod progress;
pub mod random;
pub mod sync;
pub mod time;
