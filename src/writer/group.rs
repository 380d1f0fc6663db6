//! Group commit: of the threads whose commits wait for the same disk one leads, and writes for all that are staged.
//!
//! ```text
//!   every thread, under the lock:   stage (bytes, entries, frame), take a ticket
//!   the first without a leader:     take all that is staged; unlock; write and sync; lock; publish; wake; give up the lead
//!   the others:                     sleep until their ticket is committed, or nobody leads
//! ```
//!
//! Groups are taken in the order of their tickets, and the lead passes only after the publish: what is published never goes back.
//! No thread is created for it. Once a group has failed nothing is committed any more, and everybody gets its error.

use crate::error::{Error, Result};
use crate::util::sync::{Condvar, Mutex, MutexGuard};

/// What is staged, and whose turn it is.
#[derive(Debug)]
pub struct Groups<S> {
    turns: Mutex<Turns<S>>,
    /// A group was committed or has failed, or something else happened that somebody waits for.
    changed: Condvar,
}

/// The staged state and the tickets.
#[derive(Debug)]
pub struct Turns<S> {
    pub state: S,
    staged: u64,
    committed: u64,
    is_led: bool,
    failed: Option<Error>,
}

/// How the leader commits a group.
pub trait Commit<S> {
    type Group;
    /// What forbids a commit in flight, if anything does: asked before a group is written, and again before it is published.
    fn refuse(&self) -> Result<()>;
    /// Everything staged so far; under the lock.
    fn take(&self, state: &mut S) -> Self::Group;
    /// Makes a group durable; without the lock.
    fn write(&self, group: &Self::Group) -> Result<()>;
    /// Shows a durable group to readers and wakes them; under the lock.
    fn publish(&self, state: &mut S, group: Self::Group) -> Result<()>;
}

impl<S> Groups<S> {
    pub fn new(state: S) -> Groups<S> {
        let turns = Turns { state, staged: 0, committed: 0, is_led: false, failed: None };
        Groups { turns: Mutex::new(turns), changed: Condvar::new() }
    }

    pub fn lock(&self) -> MutexGuard<'_, Turns<S>> {
        self.turns.lock()
    }

    /// Gives the lock up until something changes; the caller looks again.
    pub fn wait<'a>(&'a self, turns: MutexGuard<'a, Turns<S>>) -> MutexGuard<'a, Turns<S>> {
        self.changed.wait_until(turns, None).0
    }

    /// Wakes everybody who waits here, after the caller changed something under the lock that is `turns`.
    pub fn notify(&self, turns: MutexGuard<'_, Turns<S>>) {
        drop(turns);
        self.changed.notify_all();
    }

    /// Commits what this thread has just staged, with all that others have staged; returns when it is published.
    ///
    /// # Errors
    /// That of its group, or of an earlier one.
    pub fn commit<'a, C: Commit<S>>(&'a self, mut turns: MutexGuard<'a, Turns<S>>, how: &C) -> Result<()> {
        turns.staged += 1;
        let ticket = turns.staged;
        while turns.committed < ticket {
            if let Some(failed) = &turns.failed {
                return Err(failed.clone());
            }
            turns = if turns.is_led { self.wait(turns) } else { self.lead(turns, how) };
        }
        Ok(())
    }

    fn lead<'a, C: Commit<S>>(&'a self, mut turns: MutexGuard<'a, Turns<S>>, how: &C) -> MutexGuard<'a, Turns<S>> {
        turns.is_led = true;
        let to = turns.staged;
        let group = how.take(&mut turns.state);
        drop(turns);
        let lead = Lead(self);
        let written = how.refuse().and_then(|()| how.write(&group));
        let mut turns = self.lock();
        let allowed = written.and_then(|()| how.refuse());
        match allowed.and_then(|()| how.publish(&mut turns.state, group)) {
            Ok(()) => turns.committed = to,
            Err(error) => turns.failed = Some(error),
        }
        turns.is_led = false;
        std::mem::forget(lead);
        self.changed.notify_all();
        turns
    }

    /// Waits until everything staged is committed or has failed; the caller has made sure that nothing more is staged.
    pub fn settled<'a>(&'a self, mut turns: MutexGuard<'a, Turns<S>>) -> MutexGuard<'a, Turns<S>> {
        while turns.is_led || turns.failed.is_none() && turns.committed < turns.staged {
            turns = self.wait(turns);
        }
        turns
    }
}

/// Gives the lead up when a panic unwinds through the leader, so that nobody waits for it.
struct Lead<'a, S>(&'a Groups<S>);

impl<S> Drop for Lead<'_, S> {
    fn drop(&mut self) {
        let mut turns = self.0.lock();
        turns.is_led = false;
        let kind = crate::error::ErrorKind::Panic;
        turns.failed =
            Some(Error::new(kind, "the thread that led this commit panicked; the append may or may not be there"));
        self.0.notify(turns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Counts what is staged; the group is how far.
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
        let mut turns = groups.lock();
        turns.state += 1;
        let number = turns.state;
        groups.commit(turns, how)?;
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
                let mut turns = self.0.lock();
                turns.state += 1;
                turns.staged += 1;
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
            let mut turns = groups.lock();
            turns.state += 1;
            groups.commit(turns, &how).unwrap();
            let turns = groups.lock();
            (turns.staged, turns.committed, how.1.published.load(Ordering::Relaxed))
        };
        assert_eq!(stage_and_commit(), (2, 1, 1), "staged, committed, published");
        assert_eq!(stage_and_commit(), (3, 3, 3));
    }

    #[test]
    fn nothing_is_settled_between_two_leaders() {
        let (groups, how) = (Groups::new(0), Counting::default());
        // Somebody has staged and does not lead yet.
        let mut turns = groups.lock();
        turns.state += 1;
        turns.staged += 1;
        drop(turns);
        let (looks, looked) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let settling = scope.spawn(|| {
                let turns = groups.lock();
                looks.send(()).unwrap();
                let turns = groups.settled(turns);
                (turns.staged, turns.committed)
            });
            // It has the lock until it has decided.
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
