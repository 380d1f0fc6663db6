//! Locks, atomics and cells, for which the models have stand-ins. The locks are those of the standard library: a futex
//! word each, and no table that all locks of the process share. A forked child would inherit such a table with threads
//! in it that are gone, and wait for them.
//!
//! Their poison is ignored: a panic is contained at the boundary, and the namespace's own poison marks what the panic
//! left half done.

mod arc;

pub use arc::Arc;

use std::cell;
use std::hint::spin_loop;
use std::sync::{self, PoisonError, TryLockError};
use std::time::Instant;

pub use std::sync::atomic;
pub use std::sync::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};

/// How many pauses the processor makes before a second look at a lock, and before the last one: one to twenty
/// microseconds where a pause takes 40 ns.
const PAUSES_MIN: u32 = 32;
const PAUSES_MAX: u32 = 512;

#[derive(Debug, Default)]
pub struct Mutex<T>(sync::Mutex<T>);

impl<T> Mutex<T> {
    pub const fn new(value: T) -> Self {
        Mutex(sync::Mutex::new(value))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`Mutex::lock`], for threads that hold the lock for less than a microsecond and soon take it again. Looking
    /// at a lock takes its cache line away from the thread that holds it. So a thread that finds the lock held pauses
    /// before it looks again, each time twice as long, and sleeps at last. Meanwhile the other thread takes the lock
    /// many times, and its cache lines stay where they are.
    #[inline]
    pub fn lock_with_backoff(&self) -> MutexGuard<'_, T> {
        self.try_lock().unwrap_or_else(|| self.back_off())
    }

    #[cold]
    fn back_off(&self) -> MutexGuard<'_, T> {
        let mut pauses = PAUSES_MIN;
        while pauses <= PAUSES_MAX {
            (0..pauses).for_each(|_| spin_loop());
            if let Some(guard) = self.try_lock() {
                return guard;
            }
            pauses *= 2;
        }
        self.lock()
    }

    #[inline]
    fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

#[derive(Debug, Default)]
pub struct RwLock<T>(sync::RwLock<T>);

impl<T> RwLock<T> {
    pub const fn new(value: T) -> Self {
        RwLock(sync::RwLock::new(value))
    }

    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
pub struct Condvar(sync::Condvar);

impl Condvar {
    pub const fn new() -> Self {
        Condvar(sync::Condvar::new())
    }

    /// Gives the lock up, sleeps until it is notified, wakes spuriously or reaches `deadline`, and takes the lock
    /// again. Returns `true` if the deadline came.
    pub fn wait_until<'a, T>(&self, guard: MutexGuard<'a, T>, deadline: Option<Instant>) -> (MutexGuard<'a, T>, bool) {
        let Some(deadline) = deadline else {
            return (self.0.wait(guard).unwrap_or_else(PoisonError::into_inner), false);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let (guard, result) = self.0.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner);
        (guard, result.timed_out())
    }

    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// A place that its user knows to have exclusively; the models' stand-in notices when that is wrong.
#[derive(Debug)]
pub struct UnsafeCell<T>(cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub const fn new(value: T) -> Self {
        UnsafeCell(cell::UnsafeCell::new(value))
    }

    /// Calls `act` with the place of the value: the caller argues that nothing else touches it meanwhile.
    pub fn with_mut<R>(&self, act: impl FnOnce(*mut T) -> R) -> R {
        act(self.0.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn a_thread_that_backs_off_waits_until_the_lock_is_free() {
        const NAME: &str = "backs-off";
        const HANG_LIMIT: Duration = Duration::from_mins(1);
        let is_asleep = || {
            let tasks = fs::read_dir("/proc/self/task").unwrap();
            let stats = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
            stats.into_iter().any(|stat| stat.contains(&format!("({NAME}) S")))
        };
        let mutex = Mutex::new(1);
        thread::scope(|scope| {
            let mut guard = mutex.lock();
            let waiting = thread::Builder::new().name(NAME.into()).spawn_scoped(scope, || *mutex.lock_with_backoff());
            let begun = Instant::now();
            while !is_asleep() {
                assert!(begun.elapsed() < HANG_LIMIT, "it does not wait");
                thread::yield_now();
            }
            *guard = 2;
            drop(guard);
            assert_eq!(waiting.unwrap().join().unwrap(), 2);
        });
    }

    #[test]
    fn threads_that_back_off_hold_the_lock_one_at_a_time() {
        let mutex = Mutex::new((0, 0));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..100_000 {
                        let mut pair = mutex.lock_with_backoff();
                        pair.0 += 1;
                        assert_eq!(pair.0, pair.1 + 1);
                        pair.1 = pair.0;
                    }
                });
            }
        });
        assert_eq!(*mutex.lock(), (300_000, 300_000));
    }
}
