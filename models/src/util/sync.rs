//! `sync` of the library, on loom's locks and atomics.

#[path = "../../../src/util/sync/arc.rs"]
mod arc;

pub use arc::Arc;

use loom::sync;
use std::sync::PoisonError;
use std::time::Instant;

pub use loom::cell::UnsafeCell;
pub use loom::sync::MutexGuard;

#[derive(Debug)]
pub struct Mutex<T>(sync::Mutex<T>);

impl<T> Mutex<T> {
    pub fn new(value: T) -> Self {
        Mutex(sync::Mutex::new(value))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub struct Condvar(sync::Condvar);

impl Condvar {
    pub fn new() -> Self {
        Condvar(sync::Condvar::new())
    }

    /// No deadline ever comes in a model: a thread that is not woken sleeps for ever, which loom reports.
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
