//! The pool: a thread that waits for a reader gets one that is given back, or learns that the pool was closed. No
//! reader is lost.

use super::super::pool::Pool;
use super::waiting::spawn;
use crate::error::ErrorKind;
use crate::util::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

/// Three threads, one reader.
pub fn give_back() {
    let pool = Arc::new(Pool::new(vec![7]).unwrap());
    let take_and_give_back = |pool: Arc<Pool<i32>>| move || assert_eq!(*pool.acquire(None).unwrap(), 7);
    let others = [spawn(take_and_give_back(Arc::clone(&pool))), spawn(take_and_give_back(Arc::clone(&pool)))];
    take_and_give_back(Arc::clone(&pool))();
    for other in others {
        other.join().unwrap();
    }
    assert_eq!(pool.usage(), (1, 0));
}

/// Two threads take the same reader one after the other, in any order. What the first did with the reader happens
/// before the second uses it.
pub fn hand_over() {
    let pool = Arc::new(Pool::new(vec![AtomicU32::new(0)]).unwrap());
    // Loads and stores without an order of their own: only the pool orders them.
    let use_it = |pool: Arc<Pool<AtomicU32>>| {
        move || {
            let Some(reader) = pool.try_acquire() else { return 0 };
            reader.store(reader.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            1
        }
    };
    let other = spawn(use_it(Arc::clone(&pool)));
    let uses = use_it(Arc::clone(&pool))() + use_it(Arc::clone(&pool))() + other.join().unwrap();
    assert_eq!(pool.try_acquire().unwrap().load(Ordering::Relaxed), uses);
}

/// The pool is dropped while a reader is on loan. Another thread gives that reader back.
pub fn outlived() {
    let reader = Arc::new(());
    let watch = Arc::downgrade(&reader);
    let pool = Pool::new(vec![reader]).unwrap();
    let held = pool.try_acquire().unwrap();
    let giving_back = spawn(move || drop(held));
    drop(pool);
    giving_back.join().unwrap();
    assert!(watch.upgrade().is_none(), "nothing keeps the reader");
}

/// One thread holds the reader, one waits for it, one closes.
pub fn close() {
    let reader = Arc::new(());
    let watch = Arc::downgrade(&reader);
    let pool = Arc::new(Pool::new(vec![reader]).unwrap());
    let held = pool.acquire(None).unwrap();
    let (waiter, closer) = (Arc::clone(&pool), Arc::clone(&pool));
    let waiting = spawn(move || match waiter.acquire(None) {
        Ok(reader) => drop(reader),
        Err(error) => assert_eq!(error.kind, ErrorKind::Closed),
    });
    let closing = spawn(move || closer.close());
    drop(held);
    waiting.join().unwrap();
    closing.join().unwrap();
    assert!(watch.upgrade().is_none(), "a closed pool keeps no reader");
    assert_eq!(pool.acquire(None).map(drop).unwrap_err().kind, ErrorKind::Closed);
}
