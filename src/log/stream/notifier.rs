//! The one background thread of a read-only log: waits for the writers of other processes in place of the streams whose
//! eventfds are armed.
//!
//! It sleeps without a timeout while nothing is armed. Otherwise it is a sleeper like any thread in a waiting call: it
//! watches the wake counters of all namespaces with armed eventfds at once, and looks at the files when the last look
//! is too long ago.

use crate::error::{Error, Result, no_memory};
use crate::namespace::follower::Follower;
use crate::namespace::wait::POLL_INTERVAL;
use crate::storage::futex::{self, FutexWatch, Scope, WATCHES_MAX};
use crate::storage::thread::{self, Thread};
use crate::util::sync::{Arc, Mutex};
use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// The thread, once it is wanted.
#[derive(Debug)]
pub struct Notifier {
    shared: Arc<NotifierShared>,
    thread: Mutex<Option<Thread>>,
}

#[derive(Debug, Default)]
struct NotifierShared {
    /// The followers of the namespaces that may have armed eventfds. They are dropped when the notifier is stopped.
    served: Mutex<Vec<Arc<Follower>>>,
    /// Changes after anything that the thread has to know.
    changes: AtomicU32,
    is_stopped: AtomicBool,
}

impl Notifier {
    pub fn new() -> Result<Notifier> {
        Ok(Notifier { shared: Arc::new(NotifierShared::default())?, thread: Mutex::default() })
    }

    /// Serves the streams of `follower` from now on; starts the thread unless it runs.
    ///
    /// # Errors
    /// No thread or memory is available, or the notifier was stopped.
    pub fn serve(&self, follower: &Arc<Follower>) -> Result<()> {
        let mut thread = self.thread.lock();
        if self.shared.is_stopped.load(Ordering::Relaxed) {
            return Err(follower.namespace().closed_error());
        }
        let mut served = self.shared.served.lock();
        if !served.iter().any(|known| Arc::ptr_eq(known, follower)) {
            served.try_reserve(1).map_err(|_| no_memory("the namespaces with event loops", served.len() as u64 * 8))?;
            served.push(Arc::clone(follower));
        }
        if thread.is_none() {
            let started = Thread::start(&self.shared);
            *thread = Some(started.map_err(|error| Error::os("starting the thread for event loops", &error))?);
        }
        Ok(())
    }

    /// Makes the thread check which eventfds are armed.
    pub fn tell(&self) {
        self.shared.tell();
    }

    /// Ends the thread and waits for it; repeatable.
    pub fn stop(&self) {
        let mut thread = self.thread.lock();
        self.shared.is_stopped.store(true, Ordering::Relaxed);
        self.shared.tell();
        if let Some(thread) = thread.take() {
            thread.join();
        }
        self.shared.served.lock().clear();
    }
}

impl thread::Body for NotifierShared {
    const NAME: &'static CStr = c"immuta-notify";

    fn run(&self) {
        let mut armed = Vec::new();
        loop {
            let own =
                FutexWatch { word: &self.changes, seen: self.changes.load(Ordering::Acquire), scope: Scope::Private };
            if self.is_stopped.load(Ordering::Relaxed) {
                return;
            }
            if self.collect_armed(&mut armed) {
                watch_and_sleep(own, &armed);
            } else {
                futex::wait(own.word, own.seen, Some(POLL_INTERVAL), own.scope);
            }
        }
    }
}

impl NotifierShared {
    fn tell(&self) {
        self.changes.fetch_add(1, Ordering::Release);
        futex::wake(&self.changes, 1, Scope::Private);
    }

    /// The namespaces with armed eventfds; `false` when there is no memory for the list.
    fn collect_armed(&self, armed: &mut Vec<Arc<Follower>>) -> bool {
        let served = self.served.lock();
        armed.clear();
        let has_room = armed.try_reserve(served.len()).is_ok();
        if has_room {
            armed.extend(served.iter().filter(|follower| follower.namespace().events.is_any_armed()).cloned());
        }
        has_room
    }
}

/// One round of a sleeper, for all namespaces at once: watch, look, set what is due, sleep until something changes or a
/// look is due.
fn watch_and_sleep(own: FutexWatch<'_>, armed: &[Arc<Follower>]) {
    let mut watches = [own; WATCHES_MAX];
    let (mut count, mut longest): (usize, Option<Duration>) = (1, None);
    for follower in armed {
        let watch = follower.namespace().events.watch();
        if let Some(place) = watches.get_mut(count) {
            *place = watch;
        }
        count += 1;
        follower.set_due();
        let due_in = follower.look_due_in();
        longest = Some(longest.map_or(due_in, |longest| longest.min(due_in)));
    }
    let slept = count <= WATCHES_MAX && futex::wait_any(&watches[..count], longest);
    if !slept {
        // This kernel cannot wait on several words at once, or not on this many: sleep on the own word, with short
        // looks at the others.
        let slice = longest.map(|longest| longest.min(POLL_INTERVAL));
        futex::wait(own.word, own.seen, slice, own.scope);
    }
}
