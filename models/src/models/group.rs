//! Group commit: when an append returns, its records were published, in order. After a failure or a poison nothing is
//! published, and no thread waits for ever.

use super::super::group::{Commit, Groups};
use super::waiting::spawn;
use crate::error::{Error, ErrorKind, Result};
use crate::util::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Staged records are a count; a group is the count that it reaches.
struct Writer {
    groups: Groups<Staged>,
    poisoned: AtomicBool,
    fails: bool,
    gather_until: Instant,
    written: AtomicU64,
    published: AtomicU64,
}

struct Staged {
    count: u64,
    has_room: bool,
    /// Every thread that takes the lock from now on can see the poison.
    is_poison_told: bool,
}

struct Group {
    count: u64,
    is_poison_told: bool,
}

impl Writer {
    /// The deadline of a leader has passed already.
    fn new(fails: bool, has_room: bool) -> Arc<Writer> {
        Writer::gathering(fails, has_room, Instant::now())
    }

    fn gathering(fails: bool, has_room: bool, gather_until: Instant) -> Arc<Writer> {
        Arc::new(Writer {
            gather_until,
            groups: Groups::new(Staged { count: 0, has_room, is_poison_told: false }),
            poisoned: AtomicBool::new(false),
            fails,
            written: AtomicU64::new(0),
            published: AtomicU64::new(0),
        })
    }

    /// As the library's append: refused once poisoned, waiting for room, then staged and committed.
    fn append(&self) -> Result<()> {
        let mut queue = self.groups.lock();
        loop {
            self.refuse()?;
            if queue.state.has_room {
                break;
            }
            queue = self.groups.wait_for_room(queue);
        }
        queue.state.count += 1;
        let number = queue.state.count;
        self.groups.commit(queue, self)?;
        assert!(self.published.load(Ordering::Acquire) >= number, "acknowledged before it was published");
        Ok(())
    }

    /// As a checkpoint that fails.
    fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
        let mut queue = self.groups.lock();
        queue.state.is_poison_told = true;
        self.groups.notify(queue);
    }
}

impl Commit<Staged> for Writer {
    type Group = Group;

    fn refuse(&self) -> Result<()> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Poisoned, "poisoned"));
        }
        Ok(())
    }

    fn gather_until(&self) -> Option<Instant> {
        Some(self.gather_until)
    }

    fn take(&self, staged: &mut Staged) -> Group {
        Group { count: staged.count, is_poison_told: staged.is_poison_told }
    }

    fn write(&self, group: &Group) -> Result<()> {
        assert!(!group.is_poison_told, "written after the poison");
        if self.fails {
            return Err(Error::new(ErrorKind::Io, "the disk"));
        }
        let before = self.written.swap(group.count, Ordering::AcqRel);
        assert!(before < group.count, "two leaders wrote, or an older group after a newer one");
        Ok(())
    }

    fn publish(&self, staged: &mut Staged, Group { count, .. }: Group) -> Result<()> {
        assert!(!staged.is_poison_told, "published after the poison");
        assert!(
            self.written.load(Ordering::Acquire) == count,
            "a later group was written before this one was published"
        );
        let before = self.published.swap(count, Ordering::AcqRel);
        assert!(before < count, "what is published went back");
        Ok(())
    }
}

fn append_from(writer: &Arc<Writer>) -> loom::thread::JoinHandle<Result<()>> {
    let writer = Arc::clone(writer);
    spawn(move || writer.append())
}

/// Three threads append.
pub fn order() {
    let writer = Writer::new(false, true);
    let others = [append_from(&writer), append_from(&writer)];
    writer.append().unwrap();
    for other in others {
        other.join().unwrap().unwrap();
    }
    assert_eq!(writer.published.load(Ordering::Acquire), 3);
    drop(writer.groups.settled(writer.groups.lock()));
}

/// A writer that expects two commits, and waits for them as long as it takes.
fn patient() -> Arc<Writer> {
    let writer = Writer::gathering(false, true, Instant::now() + Duration::from_hours(1));
    writer.groups.lock().expected = 2;
    writer
}

/// Two threads append, and one leads both commits.
pub fn gather() {
    let writer = patient();
    let other = append_from(&writer);
    writer.append().unwrap();
    other.join().unwrap().unwrap();
    assert_eq!(writer.groups.lock().expected, 2, "one group of two");
}

/// One of the two threads that are expected waits for room, which the group of the other makes.
pub fn gather_beside_a_thread_without_room() {
    let writer = patient();
    let other = append_from(&writer);
    let mut queue = writer.groups.lock();
    while writer.published.load(Ordering::Acquire) == 0 {
        queue = writer.groups.wait_for_room(queue);
    }
    drop(queue);
    other.join().unwrap().unwrap();
}

/// The disk refuses: every thread gets the error.
pub fn failure() {
    let writer = Writer::new(true, true);
    let other = append_from(&writer);
    assert_eq!(writer.append().unwrap_err().kind, ErrorKind::Io);
    assert_eq!(other.join().unwrap().unwrap_err().kind, ErrorKind::Io);
    drop(writer.groups.settled(writer.groups.lock()));
}

/// A checkpoint fails while two threads append: each is either published before or told.
pub fn poison() {
    let writer = Writer::new(false, true);
    let (other, poisoner) = (append_from(&writer), Arc::clone(&writer));
    let poisoning = spawn(move || poisoner.poison());
    let outcomes = [writer.append(), other.join().unwrap()];
    poisoning.join().unwrap();
    let acknowledged = outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64;
    assert!(writer.published.load(Ordering::Acquire) >= acknowledged);
    assert_eq!(writer.append().unwrap_err().kind, ErrorKind::Poisoned);
    drop(writer.groups.settled(writer.groups.lock()));
}

/// A checkpoint fails that two threads wait for.
pub fn poison_while_waiting_for_room() {
    let writer = Writer::new(false, false);
    let (other, poisoner) = (append_from(&writer), Arc::clone(&writer));
    let poisoning = spawn(move || poisoner.poison());
    assert_eq!(writer.append().unwrap_err().kind, ErrorKind::Poisoned);
    assert_eq!(other.join().unwrap().unwrap_err().kind, ErrorKind::Poisoned);
    poisoning.join().unwrap();
}
