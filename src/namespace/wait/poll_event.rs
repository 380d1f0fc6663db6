//! How event loops wait: each stream has an eventfd, which is set when the stream should be asked.
//!
//! ```text
//!   stream:   clear the eventfd; list it, armed = 1; fence(SeqCst); is there a reason to go? say so
//!   writer:   store H (Release); fence(SeqCst); if armed: set the eventfds of those whose record is there, unlist them
//! ```
//!
//! As with sleepers, either the stream sees the record or the writer sees that the eventfd is listed. An eventfd is
//! cleared before the stream looks, so what sets it after that is not lost. While no eventfd is listed, a writer takes
//! no lock.

use crate::error::{Result, no_memory};
use crate::storage::EventFd;
use crate::util::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::util::sync::{Arc, Mutex};

/// The eventfd of one stream.
#[derive(Debug)]
pub struct PollEvent {
    event: EventFd,
    /// The record the stream wants. This field and the next one change only under the lock of the list.
    position: AtomicU64,
    is_listed: AtomicBool,
}

impl PollEvent {
    pub fn new(event: EventFd) -> PollEvent {
        PollEvent { event, position: AtomicU64::new(0), is_listed: AtomicBool::new(false) }
    }

    /// Makes the event loop ask the stream. Async-signal-safe.
    pub fn set(&self) {
        self.event.set();
    }

    pub fn event(&self) -> &EventFd {
        &self.event
    }
}

/// The armed eventfds of one namespace.
///
/// Invariants:
/// 1. Whenever the lock of `list` is free, `is_any_armed` is set exactly if `list` is not empty.
/// 2. Whenever the lock of `list` is free, `is_listed` of an eventfd is set exactly if `list` has it.
/// 3. An eventfd is set for a record only under the lock, and leaves the list at the same time.
#[derive(Debug)]
pub struct PollEvents {
    is_any_armed: AtomicBool,
    list: Mutex<Vec<Arc<PollEvent>>>,
}

impl PollEvents {
    pub fn new() -> PollEvents {
        PollEvents { is_any_armed: AtomicBool::new(false), list: Mutex::new(Vec::new()) }
    }

    pub fn is_any_armed(&self) -> bool {
        self.is_any_armed.load(Ordering::Relaxed)
    }

    /// Arms `poll_event`: it is set, once, when record `position` is visible. Returns whether the list was empty
    /// before.
    pub fn arm(&self, poll_event: &Arc<PollEvent>, position: u64) -> Result<bool> {
        let mut list = self.list.lock();
        poll_event.position.store(position, Ordering::Relaxed);
        if poll_event.is_listed.load(Ordering::Relaxed) {
            return Ok(false);
        }
        list.try_reserve(1).map_err(|_| no_memory("the list of armed streams", list.len() as u64 * 8))?;
        list.push(Arc::clone(poll_event));
        poll_event.is_listed.store(true, Ordering::Relaxed);
        self.is_any_armed.store(true, Ordering::Relaxed);
        Ok(list.len() == 1)
    }

    /// Takes `poll_event` off the list: no writer sets it after this.
    pub fn disarm(&self, poll_event: &Arc<PollEvent>) {
        self.retain(|listed| !Arc::ptr_eq(listed, poll_event));
    }

    /// Sets the eventfds whose record is among the first `count`.
    pub fn set_below(&self, count: u64) {
        self.set_where(|poll_event| poll_event.position.load(Ordering::Relaxed) < count);
    }

    pub fn set_all(&self) {
        self.set_where(|_| true);
    }

    /// Sets eventfds under the lock, so that none that was disarmed is set any more.
    fn set_where(&self, is_due: impl Fn(&PollEvent) -> bool) {
        self.retain(|poll_event| {
            let is_due = is_due(poll_event);
            if is_due {
                poll_event.set();
            }
            !is_due
        });
    }

    fn retain(&self, mut stays: impl FnMut(&Arc<PollEvent>) -> bool) {
        let mut list = self.list.lock();
        list.retain(|poll_event| {
            let stays = stays(poll_event);
            poll_event.is_listed.store(stays, Ordering::Relaxed);
            stays
        });
        self.is_any_armed.store(!list.is_empty(), Ordering::Relaxed);
    }
}
