//! What was published: how many records there are, and where they end.

use crate::format::log::HEADER_SIZE_BYTES;
use crate::util::sync::atomic::{AtomicU64, Ordering};

/// How much a reader may see: the records before `count`, whose bytes end at `end`.
///
/// Invariants:
/// 1. A reader that loads `count` before `end` gets an end that covers the count, unless records are rolled back
///    meanwhile.
/// 2. One thread at a time publishes: under the lock of a writer's commit queue, or under `Follower::publishing`.
#[derive(Debug)]
#[repr(align(128))] // the writer stores to it with each append, so nothing else is to share its cache lines
pub struct Visible {
    count: AtomicU64,
    end: AtomicU64,
}

impl Visible {
    pub fn new() -> Visible {
        Visible { count: AtomicU64::new(0), end: AtomicU64::new(HEADER_SIZE_BYTES) }
    }

    /// The end is stored first, so that a reader that sees the count sees an end that covers the count.
    pub fn publish(&self, count: u64, end: u64) {
        self.end.store(end, Ordering::Relaxed);
        self.count.store(count, Ordering::Release);
    }

    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// A count and an end that covers it.
    pub fn get(&self) -> (u64, u64) {
        let count = self.count();
        (count, self.end.load(Ordering::Relaxed))
    }
}
