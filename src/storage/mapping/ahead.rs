//! How far the pages of a file were made ahead of its data: what the writer shares with the thread that makes room
//! ahead. Both make the same pages in the same way, so neither depends on the other.

use crate::util::sync::Mutex;
use crate::util::sync::atomic::{AtomicU64, Ordering};
use std::io;
use std::ops::Range;

/// How far zeros were written ahead of the data of a file.
///
/// Invariants:
/// 1. Zeros are written only from this end on, under the lock, and the end never goes back. Room ends here at the
///    latest, so zeros never overwrite what was stored into room.
/// 2. Once it is `u64::MAX`, no write is in progress, and none begins.
#[derive(Debug)]
pub struct FilledEnd(Mutex<u64>);

impl FilledEnd {
    pub fn new() -> FilledEnd {
        FilledEnd(Mutex::new(0))
    }

    /// Calls `write` for those bytes of `range` that were not filled before. Waits while another thread fills.
    pub fn fill(&self, range: &Range<u64>, write: impl FnOnce(&Range<u64>)) {
        let mut end = self.0.lock();
        let rest = range.start.max(*end)..range.end;
        if !rest.is_empty() {
            *end = rest.end;
            write(&rest);
        }
    }

    /// Waits until nothing is being filled, and lets no more begin.
    pub fn stop(&self) {
        *self.0.lock() = u64::MAX;
    }
}

/// How far the pages of a window are writable. Threads that raise it at once each begin where the pages are writable
/// already, so none leaves a gap.
#[derive(Debug)]
pub struct WritableEnd(AtomicU64);

impl WritableEnd {
    pub fn new(start: u64) -> WritableEnd {
        WritableEnd(AtomicU64::new(start))
    }

    /// Acquire: what made the pages happens before stores into them.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Lowers it to `end`, where the file was cut.
    pub fn lower(&self, end: u64) {
        self.0.fetch_min(end, Ordering::AcqRel);
    }

    /// Raises it to `end`, in steps that end at multiples of `step_bytes`. `make` makes the pages of a step writable.
    pub fn raise(&self, end: u64, step_bytes: u64, make: impl Fn(&Range<u64>) -> io::Result<()>) -> io::Result<()> {
        let mut from = self.get();
        while from < end {
            let to = (from - from % step_bytes).saturating_add(step_bytes).min(end);
            make(&(from..to))?;
            from = self.0.fetch_max(to, Ordering::AcqRel).max(to);
        }
        Ok(())
    }
}
