//! Bells: how event loops wait. Each is a descriptor of one stream, set when the stream should be asked.
//!
//! ```text
//!   stream:   clear the descriptor; list the bell, armed = 1; fence(SeqCst); is there a reason to go? say so
//!   writer:   store H (Release); fence(SeqCst); if armed: set the descriptors of those whose record is there, unlist them
//! ```
//!
//! As with sleepers, either the stream sees the record or the writer sees the bell; and a descriptor is cleared before the
//! stream looks, so whatever sets it afterwards stays to be seen. With no bell listed a writer takes no lock.

use crate::error::{Result, no_memory};
use crate::storage::EventFd;
use crate::util::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::util::sync::{Arc, Mutex};

/// The descriptor of one stream.
#[derive(Debug)]
pub struct Bell {
    event: EventFd,
    /// The record the stream wants. Changed, as is the next, under the lock of the list.
    position: AtomicU64,
    is_listed: AtomicBool,
}

impl Bell {
    pub fn new(event: EventFd) -> Bell {
        Bell { event, position: AtomicU64::new(0), is_listed: AtomicBool::new(false) }
    }

    /// Has the event loop ask the stream. Async-signal-safe.
    pub fn ring(&self) {
        self.event.set();
    }

    pub fn event(&self) -> &EventFd {
        &self.event
    }
}

/// The bells of one namespace that wait to be rung.
#[derive(Debug)]
pub struct Bells {
    is_any_armed: AtomicBool,
    list: Mutex<Vec<Arc<Bell>>>,
}

impl Bells {
    pub fn new() -> Bells {
        Bells { is_any_armed: AtomicBool::new(false), list: Mutex::new(Vec::new()) }
    }

    pub fn is_any_armed(&self) -> bool {
        self.is_any_armed.load(Ordering::Relaxed)
    }

    /// Has `bell` rung, once, when record `position` is there; whether it is the first of the list.
    pub fn arm(&self, bell: &Arc<Bell>, position: u64) -> Result<bool> {
        let mut list = self.list.lock();
        bell.position.store(position, Ordering::Relaxed);
        if bell.is_listed.load(Ordering::Relaxed) {
            return Ok(false);
        }
        list.try_reserve(1).map_err(|_| no_memory("the list of armed streams", list.len() as u64 * 8))?;
        list.push(Arc::clone(bell));
        bell.is_listed.store(true, Ordering::Relaxed);
        self.is_any_armed.store(true, Ordering::Relaxed);
        Ok(list.len() == 1)
    }

    /// Forgets `bell`; nobody rings it after this.
    pub fn disarm(&self, bell: &Arc<Bell>) {
        self.retain(|listed| !Arc::ptr_eq(listed, bell));
    }

    /// Rings the bells of those whose record is among the first `count`.
    pub fn ring_below(&self, count: u64) {
        self.ring(|bell| bell.position.load(Ordering::Relaxed) < count);
    }

    pub fn ring_all(&self) {
        self.ring(|_| true);
    }

    /// Under the lock, so that a bell that was disarmed is not about to be rung.
    fn ring(&self, is_due: impl Fn(&Bell) -> bool) {
        self.retain(|bell| {
            let is_due = is_due(bell);
            if is_due {
                bell.ring();
            }
            !is_due
        });
    }

    fn retain(&self, mut stays: impl FnMut(&Arc<Bell>) -> bool) {
        let mut list = self.list.lock();
        list.retain(|bell| {
            let stays = stays(bell);
            bell.is_listed.store(stays, Ordering::Relaxed);
            stays
        });
        self.is_any_armed.store(!list.is_empty(), Ordering::Relaxed);
    }
}
