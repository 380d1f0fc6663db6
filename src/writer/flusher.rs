//! The one background thread of a log: makes checkpoints after the flush interval, or sooner when much was appended.
//!
//! It sleeps without a timeout while nothing is to be flushed, so an idle log costs nothing; an append notifies it
//! once.

use crate::error::{Error, Result};
use crate::storage::thread::{self, Thread};
use crate::util::sync::{Arc, Condvar, Mutex};
use crate::writer::{FlushNeed, Writer};
use std::ffi::CStr;
use std::sync::atomic::{AtomicU8, Ordering, fence};
use std::time::{Duration, Instant};

/// What the thread is wanted for; a more urgent value is larger.
const NOTHING: u8 = 0;
const IN_TIME: u8 = 1;
const NOW: u8 = 2;
const STOP: u8 = 3;

/// The longest time until a refused checkpoint is tried again: appends to a full journal wait for it, whatever the
/// flush interval is.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(1);
/// The shortest such time: what refuses a checkpoint may last.
const RETRY_AFTER_MIN: Duration = Duration::from_millis(10);

/// The writers of the namespaces to flush.
pub trait Writers: Send + Sync + 'static {
    /// Calls `act` with each writer that there is now.
    fn each(&self, act: &mut dyn FnMut(&Writer));
}

/// What the thread shares with the threads that append.
///
/// Invariants:
/// 1. `wanted` changes only under `lock`, so that the thread does not miss a change between its look and its sleep.
/// 2. Once `wanted` is `STOP`, it is `STOP` whenever `lock` is free.
#[derive(Debug)]
struct FlusherShared<W> {
    writers: W,
    /// Read by every append; changed under the lock.
    wanted: AtomicU8,
    lock: Mutex<()>,
    changed: Condvar,
    /// `None`: only when much was appended.
    interval: Option<Duration>,
}

/// Flushes the namespaces of one log.
#[derive(Debug)]
pub struct Flusher<W> {
    shared: Arc<FlusherShared<W>>,
    thread: Mutex<Option<Thread>>,
}

impl<W: Writers> Flusher<W> {
    pub fn new(interval: Option<Duration>, writers: W) -> Result<Flusher<W>> {
        let wanted = AtomicU8::new(NOTHING);
        let shared = FlusherShared { writers, wanted, lock: Mutex::new(()), changed: Condvar::new(), interval };
        Ok(Flusher { shared: Arc::new(shared)?, thread: Mutex::new(None) })
    }

    /// Starts the thread unless it runs.
    pub fn start(&self) -> Result<()> {
        let mut thread = self.thread.lock();
        if thread.is_none() {
            let started = Thread::start(&self.shared);
            *thread = Some(started.map_err(|error| Error::os("starting the flush thread", &error))?);
        }
        Ok(())
    }

    /// Called after every append. It costs only a load unless the thread has to be notified.
    pub fn appended(&self, need: FlushNeed) {
        let wanted = match need {
            FlushNeed::Nothing => NOTHING,
            FlushNeed::InTime if self.shared.interval.is_none() => NOTHING,
            FlushNeed::InTime => IN_TIME,
            FlushNeed::Now => NOW,
        };
        if self.shared.wanted.load(Ordering::Relaxed) < wanted {
            self.shared.want(wanted);
        }
    }

    /// Ends the thread and waits for it; repeatable.
    pub fn stop(&self) {
        self.shared.want(STOP);
        if let Some(thread) = self.thread.lock().take() {
            thread.join();
        }
    }
}

impl<W: Writers> thread::Body for FlusherShared<W> {
    const NAME: &'static CStr = c"immuta-flush";

    fn run(&self) {
        let mut is_refused = false;
        while self.wait(is_refused) {
            is_refused = false;
            self.writers.each(&mut |writer| {
                if writer.flush_need() != FlushNeed::Nothing {
                    // A failure that poisoned the namespace leaves nothing to flush; the next append and the close
                    // report it.
                    is_refused |= writer.checkpoint().is_err() && writer.flush_need() != FlushNeed::Nothing;
                }
            });
        }
    }
}

impl<W> FlusherShared<W> {
    fn want(&self, wanted: u8) {
        let _changing = self.lock.lock();
        self.wanted.fetch_max(wanted, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// The time until a refused checkpoint is tried again.
    fn retry_after(&self) -> Duration {
        self.interval.map_or(RETRY_AFTER_MAX, |interval| interval.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX))
    }

    /// Waits until a flush is due, for the first time or again after `is_refused`; `false`: the thread is to end.
    fn wait(&self, is_refused: bool) -> bool {
        let mut lock = self.lock.lock();
        let mut due = if is_refused { Instant::now().checked_add(self.retry_after()) } else { None };
        loop {
            match self.wanted.load(Ordering::Relaxed) {
                STOP => return false,
                NOW => break,
                IN_TIME => due = due.or_else(|| Instant::now().checked_add(self.interval?)),
                _ => {}
            }
            let timed_out;
            (lock, timed_out) = self.changed.wait_until(lock, due);
            if timed_out {
                break;
            }
        }
        // An append after this notifies the thread again.
        let seen = self.wanted.swap(NOTHING, Ordering::Relaxed);
        // Pairs with the fence of an append's wake: either it sees NOTHING and asks again, or its bytes are seen here.
        fence(Ordering::SeqCst);
        if seen == STOP {
            self.wanted.store(STOP, Ordering::Relaxed);
        }
        seen != STOP
    }
}
