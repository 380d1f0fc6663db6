//! A descriptor for event loops that is readable while it is set.

use super::{cancel, sys};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

/// An eventfd: close-on-exec, never blocking, at least 3.
#[derive(Debug)]
pub struct EventFd(File);

impl EventFd {
    pub fn new() -> io::Result<EventFd> {
        sys::event_counter().map(File::from).map(EventFd)
    }

    /// Makes it readable. Async-signal-safe.
    pub fn set(&self) {
        let _deferred = cancel::defer();
        // It fails only when the counter is full, and then it is readable.
        let _ = (&self.0).write(&1_u64.to_le_bytes());
    }

    /// Makes it unreadable.
    pub fn clear(&self) {
        let _deferred = cancel::defer();
        // It fails only when the counter is zero, and then there is nothing to clear.
        let _ = (&self.0).read(&mut [0; size_of::<u64>()]);
    }

    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
