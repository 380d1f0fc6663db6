//! A bounded set of readers: taken before a deadline, given back by any thread when the guard is dropped.

use crate::error::{Error, ErrorKind, Result};
use crate::util::memory::{self, Refused};
use crate::util::sync::{Arc, Condvar, Mutex};
use std::ops::{Deref, DerefMut};
use std::time::Instant;

/// The readers of one namespace, shared with those on loan.
#[derive(Debug)]
pub struct Pool<R>(Arc<PoolShared<R>>);

impl<R> Clone for Pool<R> {
    fn clone(&self) -> Pool<R> {
        Pool(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct PoolShared<R> {
    state: Mutex<PoolState<R>>,
    freed: Condvar,
    size: u32,
}

/// What changes under the lock.
///
/// Invariants:
/// 1. Until the pool is closed, `idle` has room for all readers, so giving one back needs no memory.
/// 2. Once `closed` is set, `idle` stays empty.
/// 3. A lease in `idle` has no pool, so idle readers do not keep the pool in memory.
#[derive(Debug)]
struct PoolState<R> {
    /// Has room for all readers, so that giving one back needs no memory.
    idle: Vec<Box<Lease<R>>>,
    /// Calls asleep on `freed`. If there are none, giving a reader back makes no system call.
    waiting: u32,
    closed: bool,
}

impl<R> Pool<R> {
    pub fn new(readers: Vec<R>) -> Result<Pool<R>, Refused> {
        let size = u32::try_from(readers.len()).unwrap_or(u32::MAX);
        let mut idle = Vec::new();
        idle.try_reserve_exact(readers.len())?;
        for reader in readers {
            idle.push(memory::boxed(Lease { reader, pool: None })?);
        }
        let state = Mutex::new(PoolState { idle, waiting: 0, closed: false });
        Ok(Pool(Arc::new(PoolShared { state, freed: Condvar::new(), size })?))
    }

    /// Takes a reader if one is idle.
    pub fn try_acquire(&self) -> Option<Guard<R>> {
        let lease = self.0.state.lock().idle.pop()?;
        Some(Guard::new(lease, self))
    }

    /// Takes a reader, waiting for one until `deadline` (`None`: without limit).
    ///
    /// # Errors
    /// [`ErrorKind::Pool`] at the deadline, [`ErrorKind::Closed`] once the pool is closed.
    pub fn acquire(&self, deadline: Option<Instant>) -> Result<Guard<R>> {
        let mut state = self.0.state.lock();
        loop {
            if state.closed {
                return Err(Error::new(ErrorKind::Closed, "the log was shut down"));
            }
            if let Some(lease) = state.idle.pop() {
                return Ok(Guard::new(lease, self));
            }
            let due;
            state.waiting += 1;
            (state, due) = self.0.freed.wait_until(state, deadline);
            state.waiting -= 1;
            if due && state.idle.is_empty() && !state.closed {
                return Err(self.exhausted());
            }
        }
    }

    fn exhausted(&self) -> Error {
        Error::new(ErrorKind::Pool, format_args!("all {} readers were held until the deadline", self.0.size))
            .advising("give records back, or open the log with more readers")
    }

    /// Ends waits and drops idle readers; held ones are dropped when they come back.
    pub fn close(&self) {
        let mut state = self.0.state.lock();
        state.closed = true;
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        drop(idle);
        self.0.freed.notify_all();
    }

    /// How many readers there are, and how many are held.
    pub fn usage(&self) -> (u32, u32) {
        let state = self.0.state.lock();
        let idle = u32::try_from(state.idle.len()).unwrap_or(u32::MAX);
        (self.0.size, if state.closed { 0 } else { self.0.size.saturating_sub(idle) })
    }
}

/// A reader, and while it is on loan the pool it goes back to.
#[derive(Debug)]
struct Lease<R> {
    reader: R,
    pool: Option<Pool<R>>,
}

/// A reader on loan. The guard holds its address, so passing the guard on costs nothing and the reader stays where it
/// is.
#[derive(Debug)]
pub struct Guard<R> {
    /// Empty only while it is dropped.
    lease: Option<Box<Lease<R>>>,
}

impl<R> Guard<R> {
    fn new(mut lease: Box<Lease<R>>, pool: &Pool<R>) -> Guard<R> {
        lease.pool = Some(pool.clone());
        Guard { lease: Some(lease) }
    }
}

impl<R> Deref for Guard<R> {
    type Target = R;
    fn deref(&self) -> &R {
        &self.lease.as_ref().expect("invariant: a guard holds its reader until it is dropped").reader
    }
}

impl<R> DerefMut for Guard<R> {
    fn deref_mut(&mut self) -> &mut R {
        &mut self.lease.as_mut().expect("invariant: a guard holds its reader until it is dropped").reader
    }
}

impl<R> Drop for Guard<R> {
    fn drop(&mut self) {
        let Some(mut lease) = self.lease.take() else { return };
        let Some(pool) = lease.pool.take() else { return };
        let mut state = pool.0.state.lock();
        if state.closed {
            // Dropped after the lock is released, because the drop closes a descriptor.
            drop(state);
            drop(lease);
        } else {
            state.idle.push(lease);
            let is_wanted = state.waiting > 0;
            drop(state);
            if is_wanted {
                pool.0.freed.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync;

    #[test]
    fn a_reader_is_on_loan_to_one_and_comes_back_from_any_thread() {
        let pool = Pool::new(vec![7]).unwrap();
        let guard = pool.acquire(None).unwrap();
        assert_eq!((*guard, pool.usage()), (7, (1, 1)));
        assert_eq!(pool.acquire(Some(Instant::now())).unwrap_err().kind, ErrorKind::Pool);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| *pool.acquire(None).unwrap());
            drop(guard);
            assert_eq!(waiting.join().unwrap(), 7);
        });
        assert_eq!(pool.usage(), (1, 0));
    }

    #[test]
    fn closing_ends_waits_and_keeps_what_is_held() {
        let reader = sync::Arc::new(());
        let watch = sync::Arc::downgrade(&reader);
        let pool = Pool::new(vec![reader]).unwrap();
        let held = pool.acquire(None).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| pool.acquire(None).map(|_| ()).unwrap_err().kind);
            pool.close();
            assert_eq!(waiting.join().unwrap(), ErrorKind::Closed);
        });
        assert!(watch.upgrade().is_some(), "the held reader lives on");
        drop(held);
        assert!(watch.upgrade().is_none(), "and goes when it comes back");
    }
}
