//! `sync` of the library, on loom's locks and atomics.

use loom::sync;
use std::sync::PoisonError;
use std::time::Instant;

pub use loom::sync::{MutexGuard, atomic};

#[derive(Debug)]
pub struct Mutex<T>(sync::Mutex<T>);

impl<T> Mutex<T> {
    pub fn new(value: T) -> Self {
        Mutex(sync::Mutex::new(value))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok()
    }
}

#[derive(Debug)]
pub struct Condvar(sync::Condvar);

impl Condvar {
    pub fn new() -> Self {
        Condvar(sync::Condvar::new())
    }

    /// No deadline ever comes in a model: whoever is not woken sleeps for ever, which loom reports.
    pub fn wait_until<'a, T>(&self, guard: MutexGuard<'a, T>, _deadline: Option<Instant>) -> (MutexGuard<'a, T>, bool) {
        (self.0.wait(guard).unwrap_or_else(PoisonError::into_inner), false)
    }

    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}
