//! The pool: a thread that waits for a reader gets one that is given back, or learns that the pool was closed. No
//! reader is lost.

use super::super::pool::Pool;
use super::waiting::spawn;
use crate::error::ErrorKind;
use std::sync::Arc;

/// Three threads, one reader.
pub fn give_back() {
    let pool = Pool::new(vec![7]).unwrap();
    let take_and_give_back = |pool: Pool<i32>| move || assert_eq!(*pool.acquire(None).unwrap(), 7);
    let others = [spawn(take_and_give_back(pool.clone())), spawn(take_and_give_back(pool.clone()))];
    take_and_give_back(pool.clone())();
    for other in others {
        other.join().unwrap();
    }
    assert_eq!(pool.usage(), (1, 0));
}

/// One thread holds the reader, one waits for it, one closes.
pub fn close() {
    let reader = Arc::new(());
    let watch = Arc::downgrade(&reader);
    let pool = Pool::new(vec![reader]).unwrap();
    let held = pool.acquire(None).unwrap();
    let (waiter, closer) = (pool.clone(), pool.clone());
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
