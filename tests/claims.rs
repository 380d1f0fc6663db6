//! The claims of files cost nothing: the work and the memory of a call follow the data that exists, however many
//! records or bytes a few blocks claim. Calls made and bytes moved are counted on the simulated engine. Memory is
//! counted by an allocator on real files, since the simulated files are in memory themselves.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[path = "damage/heap.rs"]
mod heap;
#[path = "../fuzz/cases/src/layout.rs"]
#[allow(dead_code, reason = "shared with the fuzzer, which uses the rest")]
mod layout;

#[path = "claims/checking.rs"]
mod checking;
#[path = "claims/forged.rs"]
mod forged;
#[path = "claims/holding.rs"]
mod holding;
#[path = "claims/importing.rs"]
mod importing;
#[path = "claims/mending.rs"]
mod mending;
#[path = "claims/opening.rs"]
mod opening;

use immuta::storage::simulated::Simulated;
use immuta::{Options, Repair, Report, Result, repair_on};

/// The size of one read, and so the cost of any file.
const BUFFER_BYTES: u64 = 256 << 10;

fn options() -> Options {
    let mut options = Options { reader_count: 1, flush_interval: None, ..Options::default() };
    options.add_namespace("a").unwrap();
    options
}

fn read_only() -> Options {
    Options { read_only: true, ..options() }
}

fn repair(disk: &Simulated, how: Repair) -> Result<Report> {
    repair_on(&disk.storage(), "a", &options(), how, &mut |_, _| true)
}

/// What a call costs.
#[derive(Debug)]
struct Cost {
    calls: u64,
    read_bytes: u64,
    written_bytes: u64,
}

/// Runs `act` on `disk`. Returns its result and its cost.
fn cost<T>(disk: &Simulated, act: impl FnOnce() -> Result<T>) -> (Result<T>, Cost) {
    let spent = || (disk.calls(), disk.read_bytes(), disk.written_bytes());
    let before = spent();
    let done = act();
    let after = spent();
    (done, Cost { calls: after.0 - before.0, read_bytes: after.1 - before.1, written_bytes: after.2 - before.2 })
}
