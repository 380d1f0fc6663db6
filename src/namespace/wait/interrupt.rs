//! What ends one stream's wait from outside.

use super::{Bell, EventCount};
use crate::util::sync::Arc;
use crate::util::sync::atomic::{AtomicBool, Ordering};
use std::sync::OnceLock;

/// A request to come back, kept until it is taken, and the stream's bell once it has one.
#[derive(Debug, Default)]
pub struct Interrupt {
    is_raised: AtomicBool,
    bell: OnceLock<Arc<Bell>>,
}

impl Interrupt {
    /// Ends the wait of the stream that sleeps on `events`, or else its next one, which sees what the caller did before.
    /// Async-signal-safe.
    pub fn raise(&self, events: &EventCount) {
        self.is_raised.store(true, Ordering::Release);
        // Its fence lies between the store and the look for a bell, as another lies between a new bell and the look for an interrupt.
        events.wake_sleepers();
        if let Some(bell) = self.bell.get() {
            bell.ring();
        }
    }

    pub fn is_raised(&self) -> bool {
        self.is_raised.load(Ordering::Acquire)
    }

    /// Whether it was raised; it no longer is.
    pub fn take(&self) -> bool {
        self.is_raised.load(Ordering::Relaxed) && self.is_raised.swap(false, Ordering::AcqRel)
    }

    pub fn bell(&self) -> Option<&Arc<Bell>> {
        self.bell.get()
    }

    /// Keeps `bell` for good; only the stream itself gives one, once.
    pub fn set_bell(&self, bell: Arc<Bell>) -> &Arc<Bell> {
        self.bell.get_or_init(|| bell)
    }
}
