//! What the models need of the library's seam to the operating system: the shared page, the futex, the eventfd.

use crate::format::live::{COUNTER, SLEEPERS, WAKES};
use crate::util::sync::atomic::AtomicU32;
use crate::util::sync::{Condvar, Mutex};

/// The words of `NAME.live`, for event counts of several processes.
#[derive(Debug)]
pub struct SharedPage {
    wakes: AtomicU32,
    sleepers: AtomicU32,
    counter: AtomicU32,
}

impl SharedPage {
    pub fn new() -> SharedPage {
        SharedPage { wakes: AtomicU32::new(1), sleepers: AtomicU32::new(0), counter: AtomicU32::new(0) }
    }

    pub fn u32_at(&self, offset: usize) -> &AtomicU32 {
        let words = [(WAKES, &self.wakes), (SLEEPERS, &self.sleepers), (COUNTER, &self.counter)];
        let word = words.into_iter().find_map(|(field, word)| (field.offset() == offset).then_some(word));
        word.unwrap_or_else(|| panic!("no model needs the word at {offset}"))
    }
}

/// A lock around what the kernel does in one step.
#[derive(Debug)]
pub struct EventFd {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl EventFd {
    pub fn new() -> EventFd {
        EventFd { is_set: Mutex::new(false), changed: Condvar::new() }
    }

    pub fn set(&self) {
        *self.is_set.lock() = true;
        self.changed.notify_all();
    }

    pub fn clear(&self) {
        *self.is_set.lock() = false;
    }

    /// What an event loop does: sleeps until it is readable.
    pub fn wait_readable(&self) {
        let mut is_set = self.is_set.lock();
        while !*is_set {
            is_set = self.changed.wait_until(is_set, None).0;
        }
    }
}

pub mod futex {
    //! The kernel compares and sleeps under a lock that a wake takes, too; each word has a queue of its own.

    use crate::util::sync::atomic::{AtomicU32, Ordering};
    use crate::util::sync::{Condvar, Mutex, MutexGuard};
    use std::sync::Arc;
    use std::time::Duration;

    #[derive(Clone, Copy, Debug)]
    pub enum Scope {
        Private,
        Shared,
    }

    #[derive(Clone, Copy, Debug)]
    pub struct FutexWatch<'a> {
        pub word: &'a AtomicU32,
        pub seen: u32,
        pub scope: Scope,
    }

    /// Who sleeps on which word, by address.
    type Queues = Vec<(usize, Arc<Condvar>)>;

    loom::lazy_static! {
        static ref QUEUES: Mutex<Queues> = Mutex::new(Vec::new());
    }

    fn queue(queues: &mut MutexGuard<'_, Queues>, word: &AtomicU32) -> Arc<Condvar> {
        let address = std::ptr::from_ref(word).addr();
        if let Some((_, queue)) = queues.iter().find(|(known, _)| *known == address) {
            return Arc::clone(queue);
        }
        let queue = Arc::new(Condvar::new());
        queues.push((address, Arc::clone(&queue)));
        queue
    }

    /// No time passes in a model.
    pub fn wait(word: &AtomicU32, expected: u32, _timeout: Option<Duration>, _scope: Scope) -> bool {
        let mut queues = QUEUES.lock();
        let queue = queue(&mut queues, word);
        if word.load(Ordering::Relaxed) == expected {
            drop(queue.wait_until(queues, None));
        }
        false
    }

    pub fn wake(word: &AtomicU32, most: u32, _scope: Scope) {
        let mut queues = QUEUES.lock();
        let queue = queue(&mut queues, word);
        if most == 1 {
            queue.notify_one();
        } else {
            queue.notify_all();
        }
    }
}

pub mod fork {
    /// No process forks in a model.
    pub fn generation() -> u64 {
        0
    }
}
