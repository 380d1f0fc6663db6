//! Locks of the boundary. Those of the standard library: a futex word each, and no table that all locks share, which a
//! forked child would inherit with threads in it that are gone.
//!
//! A panic under a lock was contained, and what it left half done is poisoned by the core, so the locks' own poison is
//! passed over.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// The lock, as soon as it is free.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lock, if it is free.
pub fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Whether somebody has the lock now.
pub fn is_locked<T>(mutex: &Mutex<T>) -> bool {
    try_lock(mutex).is_none()
}
