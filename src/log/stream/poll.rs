//! Streams in event loops: a descriptor to poll in place of a thread that waits.

use super::{Following, Stream};
use crate::error::{Error, Result};
use crate::namespace::wait::PollEvent;
use crate::storage::EventFd;
use crate::util::sync::Arc;
use std::os::fd::BorrowedFd;

/// What arming a stream found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// The descriptor becomes readable when there is a reason to call.
    Armed,
    /// There is a reason to call now.
    Ready,
}

impl Stream {
    /// The descriptor for event loops to poll, the same one each time, open as long as the stream and its interrupters.
    ///
    /// # Errors
    /// [`ErrorKind::Limit`](crate::ErrorKind::Limit) when no descriptor or no thread is available;
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed).
    pub fn poll_fd(&mut self) -> Result<BorrowedFd<'_>> {
        Ok(self.poll_event()?.event().descriptor())
    }

    /// Arms the descriptor: it becomes readable, once, when the record at the position is visible, on an interrupt, and
    /// at the end of the log.
    ///
    /// # Errors
    /// As [`Stream::poll_fd`], which need not be called before.
    pub fn poll_arm(&mut self) -> Result<Poll> {
        if self.namespace.is_closed() {
            return Ok(Poll::Ready);
        }
        let poll_event = Arc::clone(self.poll_event()?);
        let armed = self.namespace.events.arm(&poll_event, self.position);
        let is_first = armed.map_err(|error| error.in_namespace(self.namespace.number))?;
        if let Some(Following { notifier, .. }) = self.following.as_ref().filter(|_| is_first) {
            notifier.tell();
        }
        // What fails here fails again in the next call, which reports the error.
        let looked = self.look_if_due().is_ok();
        let is_record_there = !looked || self.has_record().unwrap_or(true);
        let is_ready = is_record_there || self.interrupt.is_raised() || self.namespace.is_closed();
        Ok(if is_ready { Poll::Ready } else { Poll::Armed })
    }

    fn poll_event(&self) -> Result<&Arc<PollEvent>> {
        if let Some(poll_event) = self.interrupt.poll_event() {
            return Ok(poll_event);
        }
        let made = self.new_poll_event().map_err(|error| error.in_namespace(self.namespace.number))?;
        Ok(self.interrupt.set_poll_event(Arc::new(made)?))
    }

    fn new_poll_event(&self) -> Result<PollEvent> {
        if self.namespace.is_closed() {
            return Err(self.namespace.closed_error());
        }
        let event = EventFd::new().map_err(|error| Error::os("making a descriptor for event loops", &error))?;
        if let Some(Following { follower, notifier }) = &self.following {
            notifier.serve(follower)?;
        }
        Ok(PollEvent::new(event))
    }

    /// Disarms the eventfd of this stream: only an interrupt sets it after this.
    pub(super) fn disarm(&self) {
        if let Some(poll_event) = self.interrupt.poll_event() {
            self.namespace.events.disarm(poll_event);
        }
    }
}
