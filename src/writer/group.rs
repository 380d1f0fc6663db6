//! Group commit: one of the threads whose commits wait for the same disk leads, and writes all commits that are staged.
//!
//! ```text
//!   every thread, under the lock:   stage (bytes, entries, frame), take a ticket
//!   the first without a leader:     take all that is staged; unlock; write and sync; lock; publish; wake;
//!                                   give up the lead
//!   the others:                     sleep until their ticket is committed, or no thread leads
//! ```
//!
//! Groups are taken in the order of their tickets, and the lead passes only after the publish: what is published never
//! goes back. No thread is created for group commit. Once a group has failed, nothing is committed any more, and every
//! caller gets the error of that group.

use crate::error::{Error, Result};
use crate::util::sync::{Condvar, Mutex, MutexGuard};

/// The commit queue, and a condition to wait for its changes.
#[derive(Debug)]
pub struct Groups<S> {
    queue: Mutex<Queue<S>>,
    /// A group was committed or has failed, or something else happened that a thread waits for.
    changed: Condvar,
}

/// The staged state and the tickets.
///
/// Invariants:
/// 1. `committed <= staged`, and neither goes back.
/// 2. Every commit with a ticket up to `committed` is published.
/// 3. `is_led` is set from the moment a leader takes a group until that group is published or has failed, so one group
///    is written at a time.
/// 4. Once `failed` is set it stays set, no group is taken, and `committed` stays as it is.
#[derive(Debug)]
pub struct Queue<S> {
    pub state: S,
    staged: u64,
    committed: u64,
    is_led: bool,
    failed: Option<Error>,
}

/// How the leader commits a group.
pub trait Commit<S> {
    type Group;
    /// Fails if something forbids a commit in flight. Called before a group is written, and again before it is
    /// published.
    fn refuse(&self) -> Result<()>;
    /// Takes everything that is staged; called under the lock.
    fn take(&self, state: &mut S) -> Self::Group;
    /// Makes a group durable; called without the lock.
    fn write(&self, group: &Self::Group) -> Result<()>;
    /// Shows a durable group to readers and wakes them; called under the lock.
    fn publish(&self, state: &mut S, group: Self::Group) -> Result<()>;
}

impl<S> Groups<S> {
    pub fn new(state: S) -> Groups<S> {
        let queue = Queue { state, staged: 0, committed: 0, is_led: false, failed: None };
        Groups { queue: Mutex::new(queue), changed: Condvar::new() }
    }

    pub fn lock(&self) -> MutexGuard<'_, Queue<S>> {
        self.queue.lock()
    }

    /// Gives the lock up until something changes; the caller looks again.
    pub fn wait<'a>(&'a self, queue: MutexGuard<'a, Queue<S>>) -> MutexGuard<'a, Queue<S>> {
        self.changed.wait_until(queue, None).0
    }

    /// Wakes all threads that wait here, after the caller changed something under the lock that `queue` holds.
    pub fn notify(&self, queue: MutexGuard<'_, Queue<S>>) {
        drop(queue);
        self.changed.notify_all();
    }

    /// Commits what this thread has just staged, with all that others have staged; returns when it is published.
    ///
    /// # Errors
    /// The error of its group, or of an earlier one.
    pub fn commit<'a, C: Commit<S>>(&'a self, mut queue: MutexGuard<'a, Queue<S>>, how: &C) -> Result<()> {
        queue.staged += 1;
        let ticket = queue.staged;
        while queue.committed < ticket {
            if let Some(failed) = &queue.failed {
                return Err(failed.clone());
            }
            queue = if queue.is_led { self.wait(queue) } else { self.lead(queue, how) };
        }
        Ok(())
    }

    fn lead<'a, C: Commit<S>>(&'a self, mut queue: MutexGuard<'a, Queue<S>>, how: &C) -> MutexGuard<'a, Queue<S>> {
        queue.is_led = true;
        let to = queue.staged;
        let group = how.take(&mut queue.state);
        drop(queue);
        let lead = Lead(self);
        let written = how.refuse().and_then(|()| how.write(&group));
        let mut queue = self.lock();
        let allowed = written.and_then(|()| how.refuse());
        match allowed.and_then(|()| how.publish(&mut queue.state, group)) {
            Ok(()) => queue.committed = to,
            Err(error) => queue.failed = Some(error),
        }
        queue.is_led = false;
        std::mem::forget(lead);
        self.changed.notify_all();
        queue
    }

    /// Waits until everything staged is committed or has failed; the caller has made sure that nothing more is staged.
    pub fn settled<'a>(&'a self, mut queue: MutexGuard<'a, Queue<S>>) -> MutexGuard<'a, Queue<S>> {
        while queue.is_led || queue.failed.is_none() && queue.committed < queue.staged {
            queue = self.wait(queue);
        }
        queue
    }
}

/// Gives the lead up when a panic unwinds through the leader, so that no thread waits for that leader.
struct Lead<'a, S>(&'a Groups<S>);

impl<S> Drop for Lead<'_, S> {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.is_led = false;
        let kind = crate::error::ErrorKind::Panic;
        queue.failed =
            Some(Error::new(kind, "the thread that led this commit panicked; the append may or may not be there"));
        self.0.notify(queue);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Counts what is staged; a group is the count at which it was taken.
    #[derive(Default)]
    struct Counting {
        published: AtomicU64,
        groups: AtomicU64,
        fails_at: u64,
    }

    impl Commit<u64> for Counting {
        type Group = u64;
        fn refuse(&self) -> Result<()> {
            Ok(())
        }
        fn take(&self, state: &mut u64) -> u64 {
            *state
        }
        fn write(&self, group: &u64) -> Result<()> {
            assert!(*group < 1000, "told to panic");
            if self.fails_at > 0 && *group >= self.fails_at {
                return Err(Error::new(ErrorKind::Io, "told to fail"));
            }
            Ok(())
        }
        fn publish(&self, _: &mut u64, group: u64) -> Result<()> {
            assert!(self.published.fetch_max(group, Ordering::Relaxed) < group, "went back");
            self.groups.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    fn append(groups: &Groups<u64>, how: &Counting) -> Result<()> {
        let mut queue = groups.lock();
        queue.state += 1;
        let number = queue.state;
        groups.commit(queue, how)?;
        assert!(how.published.load(Ordering::Relaxed) >= number, "acknowledged before it was published");
        Ok(())
    }

    #[test]
    fn every_commit_is_published_before_it_returns_and_in_order() {
        let (groups, how) = (Arc::new(Groups::new(0)), Counting::default());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..50).for_each(|_| append(&groups, &how).unwrap()));
            }
        });
        assert_eq!(how.published.load(Ordering::Relaxed), 400);
        drop(groups.settled(groups.lock()));
    }

    /// Another thread stages while the first group is being written.
    struct Overtaken<'a>(&'a Groups<u64>, Counting);

    impl Commit<u64> for Overtaken<'_> {
        type Group = u64;
        fn refuse(&self) -> Result<()> {
            Ok(())
        }
        fn take(&self, state: &mut u64) -> u64 {
            self.1.take(state)
        }
        fn write(&self, group: &u64) -> Result<()> {
            if *group == 1 {
                let mut queue = self.0.lock();
                queue.state += 1;
                queue.staged += 1;
            }
            self.1.write(group)
        }
        fn publish(&self, state: &mut u64, group: u64) -> Result<()> {
            self.1.publish(state, group)
        }
    }

    #[test]
    fn what_is_staged_while_a_group_is_written_belongs_to_the_next() {
        let groups = Groups::new(0);
        let how = Overtaken(&groups, Counting::default());
        let stage_and_commit = || {
            let mut queue = groups.lock();
            queue.state += 1;
            groups.commit(queue, &how).unwrap();
            let queue = groups.lock();
            (queue.staged, queue.committed, how.1.published.load(Ordering::Relaxed))
        };
        assert_eq!(stage_and_commit(), (2, 1, 1), "staged, committed, published");
        assert_eq!(stage_and_commit(), (3, 3, 3));
    }

    #[test]
    fn nothing_is_settled_between_two_leaders() {
        let (groups, how) = (Groups::new(0), Counting::default());
        // A thread has staged and does not lead yet.
        let mut queue = groups.lock();
        queue.state += 1;
        queue.staged += 1;
        drop(queue);
        let (looks, looked) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let settling = scope.spawn(|| {
                let queue = groups.lock();
                looks.send(()).unwrap();
                let queue = groups.settled(queue);
                (queue.staged, queue.committed)
            });
            // The settling thread has the lock until it has decided.
            looked.recv().unwrap();
            append(&groups, &how).unwrap();
            assert_eq!(settling.join().unwrap(), (2, 2));
        });
    }

    #[test]
    fn after_a_failure_nothing_is_committed() {
        let (groups, how) = (Groups::new(0), Counting { fails_at: 2, ..Counting::default() });
        append(&groups, &how).unwrap();
        assert_eq!(append(&groups, &how).unwrap_err().kind, ErrorKind::Io);
        assert_eq!(append(&groups, &how).unwrap_err().kind, ErrorKind::Io);
        assert_eq!(how.published.load(Ordering::Relaxed), 1);
        drop(groups.settled(groups.lock()));
    }

    #[test]
    fn a_leader_that_panics_leaves_nobody_waiting() {
        let (groups, how) = (Groups::new(999), Counting::default());
        let led = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| append(&groups, &how)));
        assert!(led.is_err());
        assert_eq!(append(&groups, &how).unwrap_err().kind, ErrorKind::Panic);
        drop(groups.settled(groups.lock()));
    }
}
