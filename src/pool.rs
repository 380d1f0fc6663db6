//! A bounded set of readers: taken before a deadline, given back when the guard is dropped, by whatever thread.

use crate::error::{Error, ErrorKind, Result};
use crate::sync::{Condvar, Mutex};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Instant;

/// The readers of one namespace.
#[derive(Debug)]
pub struct Pool<R> {
    state: Mutex<State<R>>,
    freed: Condvar,
    size: u32,
}

#[derive(Debug)]
struct State<R> {
    idle: Vec<Box<Lease<R>>>,
    /// Calls asleep on `freed`: with none, giving back makes no system call.
    waiting: u32,
    closed: bool,
}

impl<R> Pool<R> {
    pub fn new(readers: Vec<R>) -> Arc<Pool<R>> {
        let size = u32::try_from(readers.len()).unwrap_or(u32::MAX);
        let idle = readers.into_iter().map(|reader| Box::new(Lease { reader, pool: None })).collect();
        Arc::new(Pool { state: Mutex::new(State { idle, waiting: 0, closed: false }), freed: Condvar::new(), size })
    }

    /// Takes a reader if one is idle.
    pub fn try_acquire(self: &Arc<Self>) -> Option<Guard<R>> {
        let lease = self.state.lock().idle.pop()?;
        Some(Guard::new(lease, self))
    }

    /// Takes a reader, waiting for one until `deadline` (`None`: without limit).
    ///
    /// # Errors
    /// [`ErrorKind::Pool`] at the deadline, [`ErrorKind::Closed`] once the pool is closed.
    pub fn acquire(self: &Arc<Self>, deadline: Option<Instant>) -> Result<Guard<R>> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return Err(Error::new(ErrorKind::Closed, "the log was shut down"));
            }
            if let Some(lease) = state.idle.pop() {
                return Ok(Guard::new(lease, self));
            }
            let due;
            state.waiting += 1;
            (state, due) = self.freed.wait_until(state, deadline);
            state.waiting -= 1;
            if due && state.idle.is_empty() && !state.closed {
                return Err(self.exhausted());
            }
        }
    }

    fn exhausted(&self) -> Error {
        Error::new(
            ErrorKind::Pool,
            format_args!(
                "all {} readers were held until the deadline; call done on records, or open with more readers",
                self.size
            ),
        )
    }

    /// Ends waits and drops idle readers; held ones are dropped when they come back.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        drop(idle);
        self.freed.notify_all();
    }

    /// How many readers there are, and how many are held.
    pub fn usage(&self) -> (u32, u32) {
        let state = self.state.lock();
        let idle = u32::try_from(state.idle.len()).unwrap_or(u32::MAX);
        (self.size, if state.closed { 0 } else { self.size.saturating_sub(idle) })
    }
}

/// A reader, and while it is on loan the pool it goes back to.
#[derive(Debug)]
struct Lease<R> {
    reader: R,
    pool: Option<Arc<Pool<R>>>,
}

/// A reader on loan: an address, so that it costs nothing to hand on, while the reader stays where it is.
#[derive(Debug)]
pub struct Guard<R> {
    /// Empty only while it is dropped.
    lease: Option<Box<Lease<R>>>,
}

impl<R> Guard<R> {
    fn new(mut lease: Box<Lease<R>>, pool: &Arc<Pool<R>>) -> Guard<R> {
        lease.pool = Some(Arc::clone(pool));
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
        let mut state = pool.state.lock();
        if state.closed {
            // Dropped after the lock is given back: a descriptor is closed by it.
            drop(state);
            drop(lease);
        } else {
            state.idle.push(lease);
            let is_wanted = state.waiting > 0;
            drop(state);
            if is_wanted {
                pool.freed.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_on_loan_to_one_and_comes_back_from_any_thread() {
        let pool = Pool::new(vec![7]);
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
        let pool = Pool::new(vec![Arc::new(())]);
        let watch = Arc::downgrade(&pool.state.lock().idle[0].reader);
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
