//! The one background thread of a log. It makes checkpoints after the flush interval, or sooner when much was appended.
//! Between checkpoints it makes room in the files, when an append asks for it.
//!
//! It sleeps without a timeout while nothing is to be flushed, so an idle log costs nothing. An append notifies it once
//! for each flush, and once for each request for room.

use crate::error::{Error, Result};
use crate::storage::thread::{self, Thread};
use crate::util::sync::{Arc, Condvar, Mutex};
use crate::writer::{FlushNeed, Writer};
use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering, fence};
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
/// 1. `wanted` and `is_room_wanted` change only under `lock`, so that the thread does not miss a change between its
///    look and its sleep.
/// 2. Once `wanted` is `STOP`, it is `STOP` whenever `lock` is free.
#[derive(Debug)]
struct FlusherShared<W> {
    writers: W,
    /// Read by every append; changed under the lock.
    wanted: AtomicU8,
    /// Whether a writer asks for room; set under the lock.
    is_room_wanted: AtomicBool,
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
        let is_room_wanted = AtomicBool::new(false);
        let (lock, changed) = (Mutex::new(()), Condvar::new());
        let shared = FlusherShared { writers, wanted, is_room_wanted, lock, changed, interval };
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

    /// Called after every append by `writer`. It costs only loads unless the thread has to be notified.
    #[inline]
    pub fn appended(&self, writer: &Writer) {
        if writer.is_room_asked() && !self.shared.is_room_wanted.load(Ordering::Relaxed) {
            self.shared.want_room();
        }
        let wanted = match writer.flush_need() {
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
        let mut due = None;
        loop {
            match self.wait(&mut due) {
                Work::Flush => due = if self.flush() { self.retry_due() } else { None },
                Work::MakeRoom => self.writers.each(&mut Writer::make_room_ahead),
                Work::Stop => return,
            }
        }
    }
}

impl<W: Writers> FlusherShared<W> {
    /// Flushes every writer that needs it. Returns whether a checkpoint was refused and must be tried again.
    fn flush(&self) -> bool {
        let mut is_refused = false;
        self.writers.each(&mut |writer| {
            if writer.flush_need() != FlushNeed::Nothing {
                // A failure that poisoned the namespace leaves nothing to flush; the next append and the close report
                // it.
                is_refused |= writer.checkpoint().is_err() && writer.flush_need() != FlushNeed::Nothing;
            }
        });
        is_refused
    }
}

/// What the thread wakes for.
enum Work {
    Flush,
    MakeRoom,
    Stop,
}

impl<W> FlusherShared<W> {
    #[cold]
    fn want(&self, wanted: u8) {
        let _changing = self.lock.lock();
        self.wanted.fetch_max(wanted, Ordering::Relaxed);
        self.changed.notify_one();
    }

    #[cold]
    fn want_room(&self) {
        let _changing = self.lock.lock();
        self.is_room_wanted.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// When a refused checkpoint is tried again.
    fn retry_due(&self) -> Option<Instant> {
        let after = self.interval.map_or(RETRY_AFTER_MAX, |interval| interval.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX));
        Instant::now().checked_add(after)
    }

    /// Waits for work. `due`: when the next flush is due, if that is known.
    fn wait(&self, due: &mut Option<Instant>) -> Work {
        let mut lock = self.lock.lock();
        loop {
            match self.wanted.load(Ordering::Relaxed) {
                STOP => return Work::Stop,
                NOW => break,
                IN_TIME => *due = due.or_else(|| Instant::now().checked_add(self.interval?)),
                _ => {}
            }
            if due.is_some_and(|due| due <= Instant::now()) {
                break;
            }
            if self.is_room_wanted.swap(false, Ordering::Relaxed) {
                // As below: either an append sees that no room is wanted, or its request is seen here.
                fence(Ordering::SeqCst);
                return Work::MakeRoom;
            }
            (lock, _) = self.changed.wait_until(lock, *due);
        }
        // An append after this notifies the thread again.
        self.wanted.store(NOTHING, Ordering::Relaxed);
        // Pairs with the fence of an append's wake: either it sees NOTHING and asks again, or its bytes are seen here.
        fence(Ordering::SeqCst);
        Work::Flush
    }
}
