//! What ends one stream's wait from outside.

use super::{EventCount, PollEvent};
use crate::util::sync::Arc;
use crate::util::sync::atomic::{AtomicBool, Ordering};
use std::sync::OnceLock;

/// A request to end a wait, kept until it is taken, and the stream's eventfd once the stream has one.
#[derive(Debug, Default)]
pub struct Interrupt {
    is_raised: AtomicBool,
    poll_event: OnceLock<Arc<PollEvent>>,
}

impl Interrupt {
    /// Ends the wait of the stream that sleeps on `events`, or else its next wait. The stream then sees what the caller
    /// did before. Async-signal-safe.
    pub fn raise(&self, events: &EventCount) {
        self.is_raised.store(true, Ordering::Release);
        // The fence of this call lies between the store and the look for an eventfd. Another fence lies between a new
        // eventfd and the look for an interrupt.
        events.wake_sleepers();
        if let Some(poll_event) = self.poll_event.get() {
            poll_event.set();
        }
    }

    pub fn is_raised(&self) -> bool {
        self.is_raised.load(Ordering::Acquire)
    }

    /// Whether the interrupt was raised. It is not raised any more after this.
    pub fn take(&self) -> bool {
        self.is_raised.load(Ordering::Relaxed) && self.is_raised.swap(false, Ordering::AcqRel)
    }

    pub fn poll_event(&self) -> Option<&Arc<PollEvent>> {
        self.poll_event.get()
    }

    /// Keeps `poll_event` for good; only the stream itself gives one, once.
    pub fn set_poll_event(&self, poll_event: Arc<PollEvent>) -> &Arc<PollEvent> {
        self.poll_event.get_or_init(|| poll_event)
    }
}
