//! How a stream waits: for its next record, then for a descriptor.

use super::{Following, Next, Stream};
use crate::error::{ErrorKind, Result};
use crate::namespace::pool::Guard;
use crate::namespace::record::Reader;
use crate::namespace::wait::{Waiter, Woken};
use crate::options::Deadline;
use crate::util::cancel;
use crate::util::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often a call that waits for a descriptor checks for an interrupt: a signal handler cannot wake that wait.
const POOL_SLICE: Duration = Duration::from_secs(1);

impl Stream {
    /// A descriptor for the record at the position, which is visible.
    #[inline]
    pub(super) fn ready(&mut self, timeout: Option<Duration>) -> Result<Next<Guard<Reader>>> {
        if self.has_record_at_hand()
            && let Some(mut reader) = self.namespace.pool.try_acquire()
        {
            self.namespace.reopen(&mut reader).map_err(|error| self.failed(error))?;
            return Ok(Next::Ready(reader));
        }
        self.wait_until_ready(timeout)
    }

    #[inline(never)]
    fn wait_until_ready(&mut self, timeout: Option<Duration>) -> Result<Next<Guard<Reader>>> {
        // Looking around opens, reads and closes files.
        let _deferred = cancel::defer();
        // A record that is already visible needs no clock.
        let mut deadline = None;
        loop {
            match self.wait_for_record(timeout, &mut deadline)? {
                Next::Ready(()) => {}
                Next::Timeout => return Ok(Next::Timeout),
                Next::Interrupted => return Ok(Next::Interrupted),
            }
            if let Some(mut reader) = self.acquire_reader(timeout, &mut deadline)? {
                self.namespace.reopen(&mut reader).map_err(|error| self.failed(error))?;
                return Ok(Next::Ready(reader));
            }
        }
    }

    /// A descriptor before the deadline; `None` after a slice without one, to look for an interrupt.
    fn acquire_reader(
        &self,
        timeout: Option<Duration>,
        deadline: &mut Option<Deadline>,
    ) -> Result<Option<Guard<Reader>>> {
        let namespace = &self.namespace;
        if let Some(reader) = namespace.pool.try_acquire() {
            return Ok(Some(reader));
        }
        let deadline = deadline.get_or_insert_with(|| Deadline::after(timeout)).0;
        let slice = Instant::now().checked_add(POOL_SLICE);
        let is_last = deadline.is_some_and(|deadline| slice.is_none_or(|slice| deadline <= slice));
        namespace.counters.read.waiters.fetch_add(1, Ordering::Relaxed);
        let acquired = namespace.pool.acquire(if is_last { deadline } else { slice });
        namespace.counters.read.waiters.fetch_sub(1, Ordering::Relaxed);
        match acquired {
            Ok(reader) => Ok(Some(reader)),
            Err(error) if error.kind == ErrorKind::Pool && !is_last => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn wait_for_record(&mut self, timeout: Option<Duration>, deadline: &mut Option<Deadline>) -> Result<Next<()>> {
        if let Some(next) = self.reason_to_go()? {
            return Ok(next);
        }
        let namespace = Arc::clone(&self.namespace);
        let mut waiter = namespace.events.waiter();
        self.look_if_due().map_err(|error| self.failed(error))?;
        loop {
            if let Some(next) = self.reason_to_go()? {
                return Ok(next);
            }
            if timeout == Some(Duration::ZERO) {
                return Ok(Next::Timeout);
            }
            match self.sleep(&mut waiter, deadline.get_or_insert_with(|| Deadline::after(timeout)).0) {
                Woken::Ready | Woken::Perhaps => self.look_if_due().map_err(|error| self.failed(error))?,
                Woken::Look => self.look().map_err(|error| self.failed(error))?,
                Woken::Due => return Ok(if self.has_record()? { Next::Ready(()) } else { Next::Timeout }),
            }
        }
    }

    /// Whether the record at the position was seen already and nothing comes first: no interrupt and no change of the
    /// files. Only a read-only log has to look out for such a change. (After the end of the log the pool lends no
    /// reader.)
    #[inline]
    fn has_record_at_hand(&self) -> bool {
        self.position < self.visible.0 && !self.interrupt.is_raised() && self.following.is_none()
    }

    /// Brings what is visible up to date, where no writer of this process does so.
    fn refresh(&self) {
        if let Some(Following { follower, .. }) = &self.following {
            follower.refresh();
        }
    }

    pub(super) fn look_if_due(&self) -> Result<()> {
        self.following.as_ref().map_or(Ok(()), |following| following.follower.look_if_due())
    }

    pub(super) fn look(&self) -> Result<()> {
        self.following.as_ref().map_or(Ok(()), |following| following.follower.look(None))
    }

    fn look_due_in(&self) -> Duration {
        self.following.as_ref().map_or(Duration::MAX, |following| following.follower.look_due_in())
    }

    /// How often records that streams were shown were rolled back.
    pub(super) fn rollback_count(&self) -> u64 {
        self.following.as_ref().map_or(0, |following| following.follower.rollbacks())
    }

    /// What ends a wait, other than time: an interrupt, the end of the log, or a record.
    fn reason_to_go(&mut self) -> Result<Option<Next<()>>> {
        if self.interrupt.take() {
            return Ok(Some(Next::Interrupted));
        }
        if self.namespace.is_closed() {
            return Err(self.failed(self.namespace.closed_error()));
        }
        Ok(self.has_record()?.then_some(Next::Ready(())))
    }

    pub(super) fn sleep(&self, waiter: &mut Waiter<'_>, deadline: Option<Instant>) -> Woken {
        let namespace = &self.namespace;
        namespace.counters.read.waiters.fetch_add(1, Ordering::Relaxed);
        let woken = waiter.wait(
            deadline,
            || self.look_due_in(),
            || {
                self.refresh();
                let is_ready = namespace.visible.count() > self.position || self.interrupt.is_raised();
                is_ready || namespace.is_closed()
            },
        );
        namespace.counters.read.waiters.fetch_sub(1, Ordering::Relaxed);
        woken
    }

    /// Whether the record at the position is visible; asks the namespace again only when it was not.
    pub(super) fn has_record(&mut self) -> Result<bool> {
        if self.following.is_some() {
            self.follow_files()?;
        }
        if self.position >= self.visible.0 {
            self.refresh();
            self.visible = self.namespace.visible.get();
        }
        Ok(self.position < self.visible.0)
    }
}
