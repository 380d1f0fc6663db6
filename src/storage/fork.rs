//! What happens to the writer's locks when the host forks.
//!
//! A forked child shares the parent's open files, and an open-file-description lock lives as long as any descriptor of
//! its open file. Without help a child could keep a log locked long after its parent is gone. So the descriptors that
//! carry locks are kept in a table, and a child closes its copies before it does anything else here. It does so in the
//! handler that `fork` runs, or else, as after `_Fork` or a `clone` of the host's own, in its first call.
//!
//! A child recognises itself by a page that the kernel fills with zeros in every copy of the process
//! (`MADV_WIPEONFORK`, Linux 4.14). The page holds a count of forks. By this count the rest of the library knows that a
//! handle was made by another process, without asking the kernel. On older kernels only the handler shows a child what
//! it is. A child that shares memory with its parent, as after `vfork`, has the parent's page and is taken for one of
//! its threads.
#![allow(unsafe_code, reason = "pthread_atfork, the page, and close in the child")]

use super::{FileId, descriptor};
use crate::util::cancel;
use crate::util::memory::{self, Refused};
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// Locked descriptors per piece of the table.
const SLOT_COUNT: usize = 512;
/// The entry of a slot without a descriptor (real descriptors are 3 or more).
const EMPTY: u64 = 0;
/// The entry of a slot that is being filled.
const TAKEN: u64 = 1;
/// The entry of a slot whose descriptor the host closed.
const LOST: u64 = 2;

/// A descriptor in the table, and the file it was opened for: a host may close descriptors that it does not know, and
/// give the number to another file.
///
/// Invariants:
/// 1. `device` and `inode` are stored before an entry above `LOST` is, and do not change while that entry is there.
#[derive(Debug)]
struct DescriptorSlot {
    /// [`EMPTY`], [`TAKEN`], [`LOST`], or a serial number in the upper half and the descriptor in the lower half.
    /// Serial numbers repeat after 2^32 entries.
    entry: AtomicU64,
    device: AtomicU64,
    inode: AtomicU64,
}

impl DescriptorSlot {
    const fn new() -> Self {
        DescriptorSlot { entry: AtomicU64::new(EMPTY), device: AtomicU64::new(0), inode: AtomicU64::new(0) }
    }

    /// Gives the slot up. Release: what was read of it happens before another thread fills it.
    fn empty(&self) {
        self.entry.store(EMPTY, Ordering::Release);
    }

    /// The descriptor of `entry`, which is one of this slot's entries, and its file; `None` where there is none.
    fn descriptor(&self, entry: u64) -> Option<(RawFd, FileId)> {
        let id = FileId { device: self.device.load(Ordering::Relaxed), inode: self.inode.load(Ordering::Relaxed) };
        let descriptor = RawFd::try_from(entry & u64::from(u32::MAX)).ok()?;
        (entry > LOST).then_some((descriptor, id))
    }
}

/// A piece of the table. The first is static, further ones are leaked on purpose: the handler may look at any of them
/// at any time.
struct DescriptorChunk {
    slots: [DescriptorSlot; SLOT_COUNT],
    next: AtomicPtr<DescriptorChunk>,
}

impl DescriptorChunk {
    const fn new() -> Self {
        DescriptorChunk { slots: [const { DescriptorSlot::new() }; SLOT_COUNT], next: AtomicPtr::new(ptr::null_mut()) }
    }
}

static FIRST_CHUNK: DescriptorChunk = DescriptorChunk::new();
/// The word that the kernel zeroes in a child: the generation, once [`install`] has run.
static WORD: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());
/// A copy of the word in memory that a child inherits: the child counts on from this value.
static INHERITED: AtomicU64 = AtomicU64::new(0);
/// Whether the kernel zeroes [`WORD`] in a child.
static IS_WIPED: AtomicBool = AtomicBool::new(false);
/// Stands for the generation while a child takes over; no handle has this generation.
const TAKING_OVER: u64 = u64::MAX;

/// The generation of this process: 1 in the process that first used the library, and one more after each fork, so that
/// a child differs from what its parent saw. 0 until [`install`] has run. Makes no system call. Async-signal-safe.
#[must_use]
#[inline]
pub fn generation() -> u64 {
    match word().map_or(0, |word| word.load(Ordering::Acquire)) {
        0 => take_over(),
        generation => generation,
    }
}

fn word() -> Option<&'static AtomicU64> {
    // SAFETY: null, or a word of a mapping that stays for the life of the process, and is only accessed atomically.
    unsafe { WORD.load(Ordering::Acquire).as_ref() }
}

/// Makes every child that is forked from now on know that it is one.
///
/// # Errors
/// `ENOMEM` when there is no memory for it.
pub fn install() -> io::Result<()> {
    static OUTCOME: OnceLock<i32> = OnceLock::new();
    match *OUTCOME.get_or_init(|| map_word().map_or_else(|failure| failure, install_handler)) {
        0 => {}
        number => return Err(io::Error::from_raw_os_error(number)),
    }
    // Another thread of this child is just taking over. It would close whatever is opened before it is done.
    while generation() == TAKING_OVER {
        std::thread::yield_now();
    }
    Ok(())
}

/// A word on a page that is filled with zeros in a child, where the kernel can do that.
fn map_word() -> Result<&'static AtomicU64, i32> {
    let failure = || io::Error::last_os_error().raw_os_error().unwrap_or(libc::ENOMEM);
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping, of one page at least, which nothing else knows.
    let page = unsafe { libc::mmap(ptr::null_mut(), size_of::<AtomicU64>(), access, kind, -1, 0) };
    if page == libc::MAP_FAILED {
        return Err(failure());
    }
    // SAFETY: the page just mapped. An older kernel refuses the advice, and then `fork` alone is noticed, by the
    // handler.
    let advised = unsafe { libc::madvise(page, size_of::<AtomicU64>(), libc::MADV_WIPEONFORK) };
    IS_WIPED.store(advised == 0, Ordering::Relaxed);
    // SAFETY: aligned to a page, large enough, and never unmapped.
    Ok(unsafe { AtomicU64::from_ptr(page.cast()) })
}

fn install_handler(word: &'static AtomicU64) -> i32 {
    INHERITED.store(1, Ordering::Relaxed);
    word.store(1, Ordering::Relaxed);
    WORD.store(ptr::from_ref(word).cast_mut(), Ordering::Release);
    // SAFETY: `in_child` is a function for the life of the process (the library is linked so that it is never
    // unloaded). It does only what a forked child of a process with threads may do.
    unsafe { libc::pthread_atfork(None, None, Some(in_child)) }
}

/// `fork` runs this in the child, so that the locks are released at once. Where the kernel does not wipe the page, this
/// function does. Where the kernel does, another handler of the host may have used the library before this one, and
/// what it opened belongs to the child.
unsafe extern "C" fn in_child() {
    if let Some(word) = word().filter(|_| !IS_WIPED.load(Ordering::Relaxed)) {
        word.store(0, Ordering::Relaxed);
    }
    let _own = generation();
}

/// What a child does first in this library. Only the forking thread lives on in the child, and memory may be in any
/// state. So this function uses atomics, `fstat` and `close`, and nothing else. A second thread of the child, or a
/// signal handler, does not wait for the first: both find that the parent's handles are forked.
#[cold]
fn take_over() -> u64 {
    let Some(word) = word() else { return 0 };
    if let Err(now) = word.compare_exchange(0, TAKING_OVER, Ordering::Acquire, Ordering::Acquire) {
        return now;
    }
    let generation = INHERITED.fetch_add(1, Ordering::Relaxed) + 1;
    close_inherited();
    word.store(generation, Ordering::Release);
    generation
}

/// Closes the child's copies of the descriptors that carry locks, except a number that leads to another file by now:
/// that number is the host's.
fn close_inherited() {
    let mut chunk = Some(&FIRST_CHUNK);
    while let Some(piece) = chunk {
        for slot in &piece.slots {
            let entry = slot.entry.swap(EMPTY, Ordering::Acquire);
            let Some((descriptor, id)) = slot.descriptor(entry) else { continue };
            if descriptor::id_of(descriptor).is_ok_and(|found| found == id) {
                let _deferred = cancel::defer();
                // SAFETY: the child's copy of a descriptor whose owner, seeing another generation, will never use or
                // close it.
                unsafe { libc::close(descriptor) };
            }
        }
        chunk = next_chunk(piece);
    }
}

fn next_chunk(chunk: &DescriptorChunk) -> Option<&'static DescriptorChunk> {
    // SAFETY: null, or a leaked chunk that is never freed and only accessed through shared references.
    unsafe { chunk.next.load(Ordering::Acquire).as_ref() }
}

/// A descriptor whose copy is closed in every forked child.
///
/// Invariants:
/// 1. In the process that made it, `slot` has `entry` until the drop, unless the lock was taken again through another
///    descriptor.
/// 2. The descriptor is used and closed only in the process whose generation is `generation`.
#[derive(Debug)]
pub(super) struct ParentOnly {
    descriptor: ManuallyDrop<OwnedFd>,
    slot: &'static DescriptorSlot,
    entry: u64,
    generation: u64,
}

impl ParentOnly {
    /// Takes over `descriptor`, of the file `id`. It must not carry a lock yet: a child forked just before this call
    /// would keep the lock.
    pub(super) fn new(descriptor: OwnedFd, id: FileId) -> io::Result<ParentOnly> {
        install()?;
        let (slot, entry) = take_slot(descriptor.as_raw_fd(), id)?;
        Ok(ParentOnly { descriptor: ManuallyDrop::new(descriptor), slot, entry, generation: generation() })
    }

    /// Leaves the number to the host, which closed the descriptor and may have opened another.
    pub(super) fn disown(self) {
        self.slot.empty();
        std::mem::forget(self);
    }

    /// Marks the other entries of this file as lost. To be called after the lock was taken through this descriptor. The
    /// kernel would have refused the lock while another descriptor of this process held it, so the host has closed
    /// those descriptors.
    pub(super) fn supersede_others(&self) {
        let own = self.slot.descriptor(self.entry).map(|(_, id)| id);
        let mut chunk = Some(&FIRST_CHUNK);
        while let Some(piece) = chunk {
            for slot in piece.slots.iter().filter(|slot| !ptr::eq(*slot, self.slot)) {
                let entry = slot.entry.load(Ordering::Acquire);
                if slot.descriptor(entry).is_some_and(|(_, id)| Some(id) == own) {
                    // An entry that another descriptor has put into the slot meanwhile has another serial number, and
                    // stays.
                    let _ = slot.entry.compare_exchange(entry, LOST, Ordering::Relaxed, Ordering::Relaxed);
                }
            }
            chunk = next_chunk(piece);
        }
    }

    /// Whether this process has taken the lock of the file again since, through another descriptor: the host had closed
    /// this descriptor.
    pub(super) fn is_superseded(&self) -> bool {
        self.generation == generation() && self.slot.entry.load(Ordering::Relaxed) != self.entry
    }

    /// Whether the descriptor still leads to the file it was opened for and still holds that file's lock. In a forked
    /// child: true.
    pub(super) fn is_kept(&self) -> bool {
        let Some(own) = self.get() else { return true };
        let is_ours = |(_, id)| match descriptor::id_of(own.as_raw_fd()) {
            Ok(found) => found == id,
            Err(refusal) => refusal.raw_os_error() != Some(libc::EBADF),
        };
        !self.is_superseded() && self.slot.descriptor(self.entry).is_some_and(is_ours)
    }

    /// The descriptor; `None` in a forked child, where its number may mean anything by now.
    pub(super) fn get(&self) -> Option<BorrowedFd<'_>> {
        (self.generation == generation()).then(|| self.descriptor.as_fd())
    }
}

impl Drop for ParentOnly {
    /// The slot is emptied first: the number may lead to another file of the process as soon as it is closed.
    fn drop(&mut self) {
        if self.generation == generation() {
            self.slot.empty();
            let _deferred = cancel::defer();
            // SAFETY: dropped once, here, and not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.descriptor) };
        }
    }
}

/// Puts `descriptor`, of the file `id`, into a free slot, and returns the slot and its entry.
fn take_slot(descriptor: RawFd, id: FileId) -> Result<(&'static DescriptorSlot, u64), Refused> {
    static SERIAL: AtomicU32 = AtomicU32::new(1);
    let mut chunk = &FIRST_CHUNK;
    loop {
        for slot in &chunk.slots {
            if slot.entry.compare_exchange(EMPTY, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                slot.device.store(id.device, Ordering::Relaxed);
                slot.inode.store(id.inode, Ordering::Relaxed);
                let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
                let entry = u64::from(serial) << 32 | u64::from(descriptor.unsigned_abs());
                slot.entry.store(entry, Ordering::Release);
                return Ok((slot, entry));
            }
        }
        chunk = match next_chunk(chunk) {
            Some(next) => next,
            None => add_chunk(chunk)?,
        };
    }
}

/// The chunk after `last`: a new one, or the one another thread added meanwhile.
fn add_chunk(last: &DescriptorChunk) -> Result<&'static DescriptorChunk, Refused> {
    let added = Box::into_raw(memory::boxed(DescriptorChunk::new())?);
    match last.next.compare_exchange(ptr::null_mut(), added, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: just leaked; never freed from now on.
        Ok(_) => Ok(unsafe { &*added }),
        Err(theirs) => {
            // SAFETY: `added` came from `Box::into_raw` and was not published; `theirs` is a leaked chunk, never freed.
            unsafe {
                drop(Box::from_raw(added));
                Ok(&*theirs)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::storage::Io;
    use crate::storage::{FileId, OpenMode, open_directory};
    use std::collections::BTreeSet;
    use std::io::{self, Read, Write};
    use std::sync::atomic::Ordering;

    /// Waits for `child` and answers with its exit code; `None` when it did not exit by itself.
    fn exit_code(child: libc::pid_t) -> Option<i32> {
        let mut status = 0;
        // SAFETY: `status` is writable; the child is ours and not waited for elsewhere.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        (waited == child && libc::WIFEXITED(status)).then(|| libc::WEXITSTATUS(status))
    }

    #[test]
    fn a_child_neither_keeps_nor_releases_the_lock() -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let storage = open_directory(directory.path(), Io::Auto, true).map_err(io::Error::other)?;
        let file = storage.open("a", OpenMode::CreateNew)?;
        file.write_at(0, &[0; 8])?;
        assert!(file.try_lock()?);
        let (mut tail, word) = (file.tail()?, file.commit_word(true)?);
        tail.make_room(8, 16)?;
        let before = super::generation();
        let (mut from_parent, mut to_child) = io::pipe()?;
        // SAFETY: the child only reads a descriptor, drops the file (which takes no lock and allocates nothing) and
        // exits.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let counted = super::generation() == before + 1;
            drop((tail, word, file));
            drop(to_child);
            let released = from_parent.read(&mut [0]).is_ok_and(|count| count == 1);
            // SAFETY: ends the child without running anything of the test harness.
            unsafe { libc::_exit(if counted && released { 42 } else { 1 }) };
        }
        assert!(child > 0, "fork: {}", io::Error::last_os_error());
        let other = storage.open("a", OpenMode::Write)?;
        assert_eq!(super::generation(), before, "the parent is what it was");
        assert!(other.is_locked()?, "the parent's lock is there, whatever the child does");
        drop((tail, word, file));
        assert!(other.try_lock()?, "and gone with the parent's file, while the child still lives");
        to_child.write_all(b"x")?;
        assert_eq!(exit_code(child), Some(42), "the child counted the fork and lived until told");
        Ok(())
    }

    #[test]
    fn a_lock_dies_with_its_process_whatever_its_children_do() -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let storage = open_directory(directory.path(), Io::Auto, true).map_err(io::Error::other)?;
        let (mut from_test, mut to_grandchild) = io::pipe()?;
        let (mut from_grandchild, mut to_test) = io::pipe()?;
        // SAFETY: the child opens and locks a file and forks a child that only waits; both end without running anything
        // else.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let file = storage.open("a", OpenMode::CreateNew);
            let locked = file.as_ref().is_ok_and(|file| file.try_lock().unwrap_or(false));
            // SAFETY: as above.
            if unsafe { libc::fork() } == 0 {
                drop(to_grandchild);
                let _ready = to_test.write_all(b"1");
                let _told = from_test.read(&mut [0]);
                let _alive = to_test.write_all(b"2");
            }
            // SAFETY: as a killed process ends: nothing is dropped, nothing unlocked.
            unsafe { libc::_exit(i32::from(!locked)) };
        }
        drop(to_test);
        assert_eq!(exit_code(child), Some(0), "the child locked the file, forked and ended");
        assert_eq!(from_grandchild.read(&mut [0])?, 1, "its own child runs");
        let file = storage.open("a", OpenMode::Write)?;
        assert!(file.try_lock()?, "the lock ended with its process");
        to_grandchild.write_all(b"x")?;
        assert_eq!(from_grandchild.read(&mut [0])?, 1, "while the other lived on");
        Ok(())
    }

    #[test]
    fn there_is_a_slot_for_every_lock() {
        let none = FileId { device: u64::MAX, inode: u64::MAX };
        // A descriptor that is never open, for a child forked by another test meanwhile.
        let slots: Vec<_> = (0..3 * super::SLOT_COUNT).map(|_| super::take_slot(i32::MAX, none).unwrap()).collect();
        let places: BTreeSet<usize> = slots.iter().map(|(slot, _)| std::ptr::from_ref(*slot).addr()).collect();
        assert_eq!(places.len(), slots.len(), "each has a slot of its own, in three chunks or more");
        assert!(slots.iter().all(|(slot, entry)| slot.entry.swap(super::EMPTY, Ordering::Relaxed) == *entry));
    }
}
