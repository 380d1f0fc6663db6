//! A descriptor for event loops that is readable while it is set.

use super::descriptor::Descriptor;
use super::sys;
use crate::util::cancel;
use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;

/// An eventfd: close-on-exec, never blocking, with a number of at least 3.
///
/// A host that closes descriptors it does not know may have given the eventfd's number to a file: that file is not
/// touched. (The kernel gives all descriptors that are no files the same inode, so another eventfd cannot be
/// distinguished.)
#[derive(Debug)]
pub struct EventFd(Descriptor);

impl EventFd {
    pub fn new() -> io::Result<EventFd> {
        Descriptor::new(sys::event_counter()?).map(EventFd)
    }

    /// Makes it readable. Async-signal-safe.
    pub fn set(&self) {
        let _deferred = cancel::defer();
        if self.0.check().is_ok() {
            // It fails only when the counter is full, and then it is readable.
            let _ = self.0.std().write(&1_u64.to_le_bytes());
        }
    }

    /// Makes it unreadable.
    pub fn clear(&self) {
        let _deferred = cancel::defer();
        if self.0.check().is_ok() {
            // It fails only when the counter is zero, and then there is nothing to clear.
            let _ = self.0.std().read(&mut [0; size_of::<u64>()]);
        }
    }

    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.fd()
    }
}
