//! `sync` of the library, on loom's locks and atomics.

#[path = "../../../src/util/sync/arc.rs"]
mod arc;

pub use arc::Arc;

use loom::sync;
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::time::Instant;

pub use loom::cell::UnsafeCell;

#[derive(Debug)]
pub struct Mutex<T>(sync::Mutex<T>);

/// The lock, and of which mutex it is: a wait takes it again.
#[derive(Debug)]
pub struct MutexGuard<'a, T> {
    held: sync::MutexGuard<'a, T>,
    mutex: &'a Mutex<T>,
}

impl<T> Mutex<T> {
    pub fn new(value: T) -> Self {
        Mutex(sync::Mutex::new(value))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { held: self.0.lock().unwrap_or_else(PoisonError::into_inner), mutex: self }
    }

    /// As `lock`: loom tries every order of the threads, and pauses change none of them.
    pub fn lock_with_backoff(&self) -> MutexGuard<'_, T> {
        self.lock()
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.held
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.held
    }
}

#[derive(Debug)]
pub struct Condvar(sync::Condvar);

impl Condvar {
    pub fn new() -> Self {
        Condvar(sync::Condvar::new())
    }

    /// No time passes in a model. A deadline that has come ends the wait once others could take the lock. A thread with
    /// another deadline, or with none, that is not woken sleeps for ever, which loom reports.
    pub fn wait_until<'a, T>(&self, guard: MutexGuard<'a, T>, deadline: Option<Instant>) -> (MutexGuard<'a, T>, bool) {
        let MutexGuard { held, mutex } = guard;
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            drop(held);
            loom::thread::yield_now();
            return (mutex.lock(), true);
        }
        let held = self.0.wait(held).unwrap_or_else(PoisonError::into_inner);
        (MutexGuard { held, mutex }, false)
    }

    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// Loom's atomics. Those that the library makes in constants, where loom's cannot be made, are made when first used.
pub mod atomic {
    pub use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};

    use loom::sync::atomic;
    use std::ops::Deref;
    use std::ptr;
    use std::sync::OnceLock;

    #[derive(Debug)]
    pub struct AtomicPtr<T>(OnceLock<atomic::AtomicPtr<T>>);

    impl<T> AtomicPtr<T> {
        pub const fn new(value: *mut T) -> Self {
            assert!(value.is_null(), "no model needs another");
            AtomicPtr(OnceLock::new())
        }
    }

    impl<T> From<*mut T> for AtomicPtr<T> {
        fn from(value: *mut T) -> Self {
            AtomicPtr(OnceLock::from(atomic::AtomicPtr::new(value)))
        }
    }

    impl<T> Deref for AtomicPtr<T> {
        type Target = atomic::AtomicPtr<T>;

        fn deref(&self) -> &Self::Target {
            self.0.get_or_init(|| atomic::AtomicPtr::new(ptr::null_mut()))
        }
    }

    #[derive(Debug)]
    pub struct AtomicUsize(usize, OnceLock<atomic::AtomicUsize>);

    impl AtomicUsize {
        pub const fn new(value: usize) -> Self {
            AtomicUsize(value, OnceLock::new())
        }
    }

    impl Deref for AtomicUsize {
        type Target = atomic::AtomicUsize;

        fn deref(&self) -> &Self::Target {
            self.1.get_or_init(|| atomic::AtomicUsize::new(self.0))
        }
    }
}
