//! A bounded set of readers: taken before a deadline, given back by any thread when the guard is dropped.
//!
//! The reader that was given back last waits in a word of its own. So most calls take a reader, and give it back, by
//! one atomic operation:
//!
//! ```text
//!   EMPTY --give back--> reader --take--> EMPTY        compare-and-exchange, without the lock
//!   any --a call waits, or the pool is closed--> SHUT  under the lock; the other calls use the lock then
//!   SHUT --no call waits any more--> EMPTY             under the lock
//! ```
#![allow(unsafe_code, reason = "the word leads to a reader; each block argues its soundness")]

use crate::error::{Error, ErrorKind, Result};
use crate::util::memory::{self, Refused};
use crate::util::sync::atomic::{AtomicPtr, Ordering};
use crate::util::sync::{Arc, Condvar, Mutex};
use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr;
use std::time::Instant;

/// The readers of one namespace. Readers on loan outlive the pool.
#[derive(Debug)]
pub struct Pool<R>(Arc<PoolShared<R>>);

#[derive(Debug)]
struct PoolShared<R> {
    last: LastWord<R>,
    state: Mutex<PoolState<R>>,
    freed: Condvar,
    size: u32,
}

/// What changes under the lock.
///
/// Invariants:
/// 1. Until the pool is closed, `idle` has room for all readers, so giving one back needs no memory.
/// 2. Once `closed` is set, `idle` stays empty.
/// 3. While `waiting` is not 0 or `closed` is set, the word is `SHUT` whenever the lock is free.
#[derive(Debug)]
struct PoolState<R> {
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
        let state = Mutex::new(PoolState { idle, waiting: 0, closed: false });
        let shared = Arc::new(PoolShared { last: LastWord::new(), state, freed: Condvar::new(), size })?;
        let pool = Pool(shared);
        for reader in readers {
            let lease = memory::boxed(Lease { reader, pool: Arc::clone(&pool.0) })?;
            pool.0.state.lock().idle.push(lease);
        }
        Ok(pool)
    }

    /// Takes a reader if one is idle.
    #[inline]
    pub fn try_acquire(&self) -> Option<Guard<R>> {
        let lease = self.0.last.take();
        lease.or_else(|| self.0.state.lock().idle.pop()).map(Guard::new)
    }

    /// Takes a reader, waiting for one until `deadline` (`None`: without limit).
    ///
    /// # Errors
    /// [`ErrorKind::Pool`] at the deadline, [`ErrorKind::Closed`] once the pool is closed.
    pub fn acquire(&self, deadline: Option<Instant>) -> Result<Guard<R>> {
        let shared = &*self.0;
        let mut state = shared.state.lock();
        loop {
            if state.closed {
                return Err(Error::new(ErrorKind::Closed, "the log was shut down"));
            }
            if let Some(lease) = shared.last.shut().or_else(|| state.idle.pop()) {
                shared.reopen(&state);
                return Ok(Guard::new(lease));
            }
            let due;
            state.waiting += 1;
            (state, due) = shared.freed.wait_until(state, deadline);
            state.waiting -= 1;
            if due && state.idle.is_empty() && !state.closed {
                shared.reopen(&state);
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
        let idle = (std::mem::take(&mut state.idle), self.0.last.shut());
        drop(state);
        drop(idle);
        self.0.freed.notify_all();
    }

    /// How many readers there are, and how many are held.
    pub fn usage(&self) -> (u32, u32) {
        let state = self.0.state.lock();
        let idle = u32::try_from(state.idle.len()).unwrap_or(u32::MAX) + u32::from(self.0.last.has_reader());
        (self.0.size, if state.closed { 0 } else { self.0.size.saturating_sub(idle) })
    }
}

impl<R> Drop for Pool<R> {
    /// Each idle reader owns a reference to the pool. Closing drops these readers, so that the pool can be freed.
    fn drop(&mut self) {
        self.close();
    }
}

impl<R> PoolShared<R> {
    /// Lets readers be given back without the lock again, if no call waits. The caller has the lock.
    fn reopen(&self, state: &PoolState<R>) {
        if state.waiting == 0 && !state.closed {
            self.last.reopen();
        }
    }
}

/// The word of the reader that was given back last.
///
/// Invariants:
/// 1. It is `EMPTY`, `SHUT`, or from `Box::into_raw`. The thread that replaces such a pointer owns the box.
/// 2. It becomes `SHUT` and stops being `SHUT` only under the lock of the pool.
/// 3. A reader in it owns the pool, so the word is dropped only when it is empty.
struct LastWord<R> {
    word: AtomicPtr<Lease<R>>,
    /// Lets threads share the word only where they may share the reader: an `AtomicPtr` can always be shared.
    owns: PhantomData<Box<Lease<R>>>,
}

const fn empty<R>() -> *mut Lease<R> {
    ptr::null_mut()
}

/// No box has this address, which is not aligned.
const fn shut<R>() -> *mut Lease<R> {
    ptr::without_provenance_mut(1)
}

impl<R> LastWord<R> {
    fn new() -> LastWord<R> {
        LastWord { word: AtomicPtr::from(empty()), owns: PhantomData }
    }

    /// The reader that was in the word, which is now owned by the caller.
    fn owned(word: *mut Lease<R>) -> Option<Box<Lease<R>>> {
        // SAFETY: invariant 1, and the caller has replaced the pointer.
        (word != empty() && word != shut()).then(|| unsafe { Box::from_raw(word) })
    }

    /// Takes the reader out, if there is one. It does not matter which one: the thread that removes a pointer owns the
    /// reader.
    #[inline]
    fn take(&self) -> Option<Box<Lease<R>>> {
        let seen = self.word.load(Ordering::Relaxed);
        if seen == empty() || seen == shut() {
            return None;
        }
        // Acquire: what its last holder did with the reader happens before this holder uses it.
        let taken = self.word.compare_exchange(seen, empty(), Ordering::Acquire, Ordering::Relaxed);
        taken.ok().and_then(LastWord::owned)
    }

    /// Puts a reader in, unless there is one or the word is shut: then it comes back.
    #[inline]
    fn put(&self, lease: Box<Lease<R>>) -> Option<Box<Lease<R>>> {
        let given = Box::into_raw(lease);
        // Release: see `take`.
        match self.word.compare_exchange(empty(), given, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => None,
            // SAFETY: from `Box::into_raw` just now, and not put in.
            Err(_) => Some(unsafe { Box::from_raw(given) }),
        }
    }

    /// Shuts the word and takes the reader out, if there is one. The caller has the lock of the pool.
    fn shut(&self) -> Option<Box<Lease<R>>> {
        LastWord::owned(self.word.swap(shut(), Ordering::Acquire))
    }

    /// Ends `shut`. The caller has the lock of the pool.
    fn reopen(&self) {
        self.word.store(empty(), Ordering::Relaxed);
    }

    fn has_reader(&self) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        word != empty() && word != shut()
    }
}

impl<R> Debug for LastWord<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastWord").field("has_reader", &self.has_reader()).finish_non_exhaustive()
    }
}

/// A reader, and the pool it goes back to.
#[derive(Debug)]
struct Lease<R> {
    reader: R,
    pool: Arc<PoolShared<R>>,
}

/// A reader on loan. The guard holds its address, so passing the guard on costs nothing and the reader stays where it
/// is.
#[derive(Debug)]
pub struct Guard<R> {
    /// Empty only while it is dropped.
    lease: Option<Box<Lease<R>>>,
}

impl<R> Guard<R> {
    fn new(lease: Box<Lease<R>>) -> Guard<R> {
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
    #[inline]
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        // Once the reader is in the word, another thread may take it, and with the reader the pool.
        let last: *const LastWord<R> = &raw const lease.pool.last;
        // SAFETY: the lease owns the pool, so the word is there until the exchange puts the lease in. After that `put`
        // does not touch the word. The reference may dangle then, since all of the word is an atomic.
        if let Some(lease) = unsafe { &*last }.put(lease) {
            give_back(lease);
        }
    }
}

/// Gives a reader back under the lock.
#[cold]
fn give_back<R>(lease: Box<Lease<R>>) {
    // Another thread may take the reader, and with the reader the pool, before this call ends.
    let pool = Arc::clone(&lease.pool);
    let mut state = pool.state.lock();
    if state.closed {
        // Dropped after the lock is released, because the drop closes a descriptor.
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
