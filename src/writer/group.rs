//! Group commit: one of the threads whose commits wait for the same disk leads, and writes all commits that are staged.
//!
//! ```text
//!   every thread, under the lock:   stage (bytes, entries, frame), take a ticket
//!   the first without a leader:     gather; take all that is staged; unlock; write and sync; lock; publish;
//!                                   give up the lead; unlock; wake
//!   the others:                     sleep until their ticket is committed, or no thread leads
//! ```
//!
//! Groups are taken in the order of their tickets, and the lead passes only after the publish: what is published never
//! goes back. No thread is created for group commit. Once a group has failed, nothing is committed any more, and every
//! caller gets the error of that group.
//!
//! Threads often commit again as soon as their group is committed. If the next leader did not wait for these threads,
//! each group would have only half of the commits, and there would be twice as many syncs. So a leader first gathers:
//! it waits, until a deadline, for the expected number of commits. Gathering has an exponential back-off: after a
//! deadline has passed, the next group is taken without a wait, and after each further one twice as many groups are.

use crate::error::{Error, Result};
use crate::util::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

/// The most groups that the back-off takes without a wait. It is large enough that threads that pause between their
/// commits lose little time.
const BACKOFF_GROUPS_MAX: u64 = 64;

/// The commit queue, and a condition to wait for its changes.
#[derive(Debug)]
pub struct Groups<S> {
    queue: Mutex<Queue<S>>,
    /// A group was committed or has failed, or something else happened that a thread waits for.
    changed: Condvar,
    /// The leader that gathers has nothing more to wait for.
    gathered: Condvar,
}

/// The staged state and the tickets.
///
/// Invariants:
/// 1. `committed <= staged`, and neither goes back.
/// 2. Every commit with a ticket up to `committed` is published.
/// 3. `is_led` is set from before a leader gathers a group until that group is published or has failed, so one group is
///    written at a time.
/// 4. Once `failed` is set it stays set, no group is taken, and `committed` stays as it is.
#[derive(Debug)]
pub struct Queue<S> {
    pub state: S,
    staged: u64,
    committed: u64,
    /// How many commits the next group is expected to have: those of the last group, whose threads may commit again,
    /// and those that were staged while that group was written. The models set it.
    pub expected: u64,
    is_gathering: bool,
    /// How many threads wait in [`Groups::wait_for_room`].
    waiting_for_room: u64,
    /// How many of the next groups are taken without a wait.
    backoff_left: u64,
    /// How many groups will be taken without a wait when the next deadline passes.
    backoff_groups: u64,
    is_led: bool,
    failed: Option<Error>,
}

/// How the leader commits a group.
pub trait Commit<S> {
    type Group;
    /// Fails if something forbids a commit in flight. Called before a group is written, and again before it is
    /// published.
    fn refuse(&self) -> Result<()>;
    /// Until when a leader may wait for more commits; `None`: it does not wait.
    fn gather_until(&self) -> Option<Instant>;
    /// Takes everything that is staged; called under the lock.
    fn take(&self, state: &mut S) -> Self::Group;
    /// Makes a group durable; called without the lock.
    fn write(&self, group: &Self::Group) -> Result<()>;
    /// Shows a durable group to readers and wakes them; called under the lock.
    fn publish(&self, state: &mut S, group: Self::Group) -> Result<()>;
}

impl<S> Groups<S> {
    pub fn new(state: S) -> Groups<S> {
        let queue = Queue {
            state,
            staged: 0,
            committed: 0,
            expected: 0,
            is_gathering: false,
            waiting_for_room: 0,
            backoff_left: 0,
            backoff_groups: 1,
            is_led: false,
            failed: None,
        };
        Groups { queue: Mutex::new(queue), changed: Condvar::new(), gathered: Condvar::new() }
    }

    pub fn lock(&self) -> MutexGuard<'_, Queue<S>> {
        self.queue.lock()
    }

    /// As [`Groups::lock`], for a thread that only stores: see [`Mutex::lock_with_backoff`].
    pub fn lock_with_backoff(&self) -> MutexGuard<'_, Queue<S>> {
        self.queue.lock_with_backoff()
    }

    /// Gives the lock up until something changes; the caller looks again.
    pub fn wait<'a>(&'a self, queue: MutexGuard<'a, Queue<S>>) -> MutexGuard<'a, Queue<S>> {
        self.changed.wait_until(queue, None).0
    }

    /// As [`Groups::wait`], for a thread that cannot stage before a group is committed. No leader gathers meanwhile.
    pub fn wait_for_room<'a>(&'a self, mut queue: MutexGuard<'a, Queue<S>>) -> MutexGuard<'a, Queue<S>> {
        queue.waiting_for_room += 1;
        if queue.is_gathering {
            self.gathered.notify_one();
        }
        let mut queue = self.wait(queue);
        queue.waiting_for_room -= 1;
        queue
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
        if queue.is_gathering && queue.is_complete() {
            self.gathered.notify_one();
        }
        while queue.committed < ticket {
            if let Some(failed) = &queue.failed {
                return Err(failed.clone());
            }
            if !queue.is_led {
                return self.lead(queue, how);
            }
            queue = self.wait(queue);
        }
        Ok(())
    }

    /// Commits everything that is staged, which the leader's own commit is part of.
    fn lead<'a, C: Commit<S>>(&'a self, mut queue: MutexGuard<'a, Queue<S>>, how: &C) -> Result<()> {
        queue.is_led = true;
        queue = self.gather(queue, how);
        let to = queue.staged;
        let group = how.take(&mut queue.state);
        drop(queue);
        let lead = Lead(self);
        let written = how.refuse().and_then(|()| how.write(&group));
        let mut queue = self.lock();
        let allowed = written.and_then(|()| how.refuse());
        let outcome = allowed.and_then(|()| how.publish(&mut queue.state, group));
        match &outcome {
            Ok(()) => {
                queue.expected = queue.staged - queue.committed;
                queue.committed = to;
            }
            Err(error) => queue.failed = Some(error.clone()),
        }
        queue.is_led = false;
        std::mem::forget(lead);
        // This releases the lock first: the woken threads need it.
        self.notify(queue);
        outcome
    }

    /// Waits until the expected number of commits is staged, at most until [`Commit::gather_until`]. The caller has the
    /// lead, so no other thread takes a group meanwhile.
    fn gather<'a, C: Commit<S>>(&'a self, mut queue: MutexGuard<'a, Queue<S>>, how: &C) -> MutexGuard<'a, Queue<S>> {
        if queue.backoff_left > 0 {
            queue.backoff_left -= 1;
            return queue;
        }
        if queue.is_gathered() {
            return queue;
        }
        let Some(deadline) = how.gather_until() else { return queue };
        let mut is_late = false;
        queue.is_gathering = true;
        while !is_late && !queue.is_gathered() {
            (queue, is_late) = self.gathered.wait_until(queue, Some(deadline));
        }
        queue.is_gathering = false;
        if queue.is_complete() {
            queue.backoff_groups = queue.backoff_groups.div_ceil(2);
        } else if is_late {
            queue.backoff_left = queue.backoff_groups;
            queue.backoff_groups = (2 * queue.backoff_groups).min(BACKOFF_GROUPS_MAX);
        }
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

impl<S> Queue<S> {
    /// Whether as many commits are staged as are expected.
    fn is_complete(&self) -> bool {
        self.staged - self.committed >= self.expected
    }

    /// Whether a leader has nothing to wait for.
    fn is_gathered(&self) -> bool {
        self.is_complete() || self.waiting_for_room > 0
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
    use std::time::Duration;

    /// Counts what is staged; a group is the count at which it was taken.
    #[derive(Default)]
    struct Counting {
        published: AtomicU64,
        groups: AtomicU64,
        fails_at: u64,
        gather_until: Option<Instant>,
    }

    impl Commit<u64> for Counting {
        type Group = u64;
        fn refuse(&self) -> Result<()> {
            Ok(())
        }
        fn gather_until(&self) -> Option<Instant> {
            self.gather_until
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
        fn gather_until(&self) -> Option<Instant> {
            self.1.gather_until()
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
        groups.lock().expected = 2; // and no leader waits for them
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
    fn a_leader_waits_for_as_many_commits_as_are_expected() {
        let gather_until = Some(Instant::now() + Duration::from_secs(10));
        let (groups, how) = (Groups::new(0), Counting { gather_until, ..Counting::default() });
        let mut queue = groups.lock();
        (queue.expected, queue.backoff_groups) = (2, 8);
        drop(queue);
        std::thread::scope(|scope| {
            scope.spawn(|| append(&groups, &how).unwrap());
            append(&groups, &how).unwrap();
        });
        assert_eq!(how.groups.load(Ordering::Relaxed), 1);
        let queue = groups.lock();
        assert_eq!((queue.expected, queue.backoff_groups), (2, 4), "both may commit again, and the wait was worth it");
    }

    #[test]
    fn a_leader_does_not_wait_for_a_thread_that_waits_for_room() {
        let gather_until = Some(Instant::now() + Duration::from_secs(10));
        let (groups, how) = (Groups::new(0), Counting { gather_until, ..Counting::default() });
        groups.lock().expected = 2;
        std::thread::scope(|scope| {
            scope.spawn(|| append(&groups, &how).unwrap());
            let mut queue = groups.lock();
            while !queue.is_gathering {
                drop(queue);
                std::thread::yield_now();
                queue = groups.lock();
            }
            while queue.committed == 0 {
                queue = groups.wait_for_room(queue);
            }
        });
        let queue = groups.lock();
        assert_eq!((queue.backoff_left, queue.backoff_groups), (0, 1), "no deadline passed");
    }

    #[test]
    fn a_leader_commits_alone_when_its_deadline_passes() {
        let (groups, how) = (Groups::new(0), Counting { gather_until: Some(Instant::now()), ..Counting::default() });
        groups.lock().expected = 2;
        append(&groups, &how).unwrap();
        let queue = groups.lock();
        assert_eq!((queue.expected, queue.backoff_left, queue.backoff_groups), (1, 1, 2));
    }

    #[test]
    fn with_each_deadline_that_passes_more_groups_are_taken_without_a_wait() {
        let (groups, how) = (Groups::new(0), Counting { gather_until: Some(Instant::now()), ..Counting::default() });
        let mut waits = Vec::new();
        for number in 0..300 {
            let mut queue = groups.lock();
            queue.expected = 2; // whatever came before
            if queue.backoff_left == 0 {
                waits.push(number);
            }
            drop(queue);
            append(&groups, &how).unwrap();
        }
        let gaps: Vec<u64> = waits.windows(2).map(|pair| pair[1] - pair[0] - 1).collect();
        assert_eq!(gaps[..8], [1, 2, 4, 8, 16, 32, 64, 64]);
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
