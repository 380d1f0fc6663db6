//! A real file, as both real engines open it; they differ in the tail, the views and the commit word they make from it.

use super::descriptor::{self, Descriptor};
use super::directory::RealDirectory;
use super::engine::Engine;
use super::fork::ParentOnly;
use super::mapping::{MappedTail, MappedView};
use super::names::CName;
use super::syscall::{BufferedView, CallTail, CallWord};
use super::words::MappedWord;
use super::{
    Access, CommitWord, File, FileId, Lock, Meta, Obstacle, OpenMode, SharedPage, Standing, Tail, View, holder, sys,
};
use crate::util::cancel;
use crate::util::memory;
use crate::util::sync::{Arc, Mutex};
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

/// An open regular file, shared with its tail, its views and its commit word.
#[derive(Clone, Debug)]
pub(super) struct RealFile(Arc<OpenFile>);

/// What the clones of a [`RealFile`], its tail, its views and its commit word share.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: Descriptor,
    directory: Arc<RealDirectory>,
    name: CName,
    /// Whether it can be read, written or both: a flag of `open`.
    access: i32,
    /// The size that this handle last gave the file; `u64::MAX` before that. Room beyond it was made before a cut, and
    /// is gone.
    reach_bytes: AtomicU64,
    lock: Mutex<Option<WriterLock>>,
}

impl RealFile {
    /// Opens `name`. Anything but a regular file is refused, with the error that opening it for writing would give.
    pub(super) fn open(directory: Arc<RealDirectory>, name: &str, mode: OpenMode) -> io::Result<RealFile> {
        let (access, creation) = match mode {
            OpenMode::Read => (libc::O_RDONLY, 0),
            OpenMode::Write => (libc::O_RDWR, 0),
            OpenMode::CreateNew => (libc::O_RDWR, libc::O_CREAT | libc::O_EXCL),
        };
        let name = CName::new(name)?;
        directory.check()?;
        let descriptor = sys::open_at(directory.descriptor(), &name, access | creation)?;
        RealFile::opened(directory, name, access, descriptor)
    }

    /// Makes `name`, with the access rights of `access`.
    pub(super) fn create(directory: &Arc<RealDirectory>, name: &str, access: &Access) -> io::Result<RealFile> {
        let name = CName::new(name)?;
        directory.check()?;
        let descriptor = sys::create_at(directory.descriptor(), &name, access.first_mode())?;
        let made = RealFile::opened(Arc::clone(directory), name.clone(), libc::O_RDWR, descriptor);
        let given = made.and_then(|file| access.give_to(file.std()).map(|()| file));
        given.inspect_err(|_| {
            let _ = sys::remove_at(directory.descriptor(), &name);
        })
    }

    fn opened(directory: Arc<RealDirectory>, name: CName, access: i32, descriptor: OwnedFd) -> io::Result<RealFile> {
        match descriptor::found(descriptor.as_fd())?.kind {
            libc::S_IFREG => {}
            libc::S_IFDIR => return Err(sys::error(libc::EISDIR)),
            _ => return Err(sys::error(libc::ENXIO)),
        }
        let file = Descriptor::new(descriptor)?;
        let reach_bytes = AtomicU64::new(u64::MAX);
        RealFile::new(OpenFile { file, directory, name, access, reach_bytes, lock: Mutex::new(None) })
    }

    /// A file in memory, without a name.
    pub(super) fn scratch(directory: Arc<RealDirectory>) -> io::Result<RealFile> {
        let file = Descriptor::new(sys::memory_file()?)?;
        let (name, reach_bytes) = (CName::new("")?, AtomicU64::new(u64::MAX));
        RealFile::new(OpenFile { file, directory, name, access: libc::O_RDWR, reach_bytes, lock: Mutex::new(None) })
    }

    /// As [`File::write_at`], without checking where the descriptor leads, nor the limit.
    pub(super) fn write_unchecked(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let _deferred = cancel::defer();
        self.std().write_all_at(bytes, offset)
    }

    fn new(file: OpenFile) -> io::Result<RealFile> {
        Ok(RealFile(Arc::new(file)?))
    }
}

impl Deref for RealFile {
    type Target = OpenFile;

    fn deref(&self) -> &OpenFile {
        &self.0
    }
}

impl OpenFile {
    pub(super) fn std(&self) -> &std::fs::File {
        self.file.std()
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.fd()
    }

    /// Fails with `ESTALE` unless the descriptor leads to the file that was opened, and a name still leads to it.
    pub(super) fn check(&self) -> io::Result<()> {
        self.file.check()
    }

    pub(super) fn size(&self) -> io::Result<u64> {
        Ok(descriptor::found(self.descriptor())?.size_bytes)
    }

    /// Whether a write up to `end` stays in this file and within the limit of the process. What the write is for may be
    /// omitted: so a closed descriptor is no failure.
    pub(super) fn holds(&self, end: u64) -> io::Result<bool> {
        let found = descriptor::found(self.descriptor())?;
        Ok(found.id == self.file.id() && end <= found.size_bytes && end <= sys::file_size_limit())
    }

    /// Whether touching a hole of the file in memory takes a page of the file system.
    pub(super) fn has_costly_holes(&self) -> bool {
        self.directory.has_costly_holes()
    }

    /// Whether the commit word can be mapped for reading.
    fn has_first_page(&self) -> bool {
        !self.has_costly_holes() || matches!(sys::next_hole(self.descriptor(), 0), Ok(Some(1..)))
    }

    /// How far room can reach at most.
    pub(super) fn reach(&self) -> u64 {
        self.reach_bytes.load(Ordering::Relaxed)
    }

    /// Remembers that the file was extended to `size_bytes`.
    pub(super) fn reaches(&self, size_bytes: u64) {
        self.reach_bytes.store(size_bytes, Ordering::Relaxed);
    }

    /// Changes the size, after asking whether the process may.
    pub(super) fn resize(&self, size_bytes: u64) -> io::Result<()> {
        if size_bytes > sys::file_size_limit() && size_bytes > self.size()? {
            return Err(sys::file_too_large());
        }
        self.check()?;
        self.std().set_len(size_bytes)
    }

    /// Cuts the file back to its size from before a failed extension, which frees the blocks beyond that size.
    pub(super) fn cut(&self, size_bytes: u64) -> io::Result<()> {
        self.check()?;
        self.std().set_len(size_bytes)?;
        self.reach_bytes.fetch_min(size_bytes, Ordering::Relaxed);
        Ok(())
    }

    /// The same file, opened once more by its name.
    fn reopen(&self) -> io::Result<OwnedFd> {
        let again = sys::open_at(self.directory.descriptor(), &self.name, self.access)?;
        if descriptor::found(again.as_fd())?.id != self.file.id() {
            return Err(sys::error(libc::ESTALE)); // replaced since it was opened
        }
        Ok(again)
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if self.directory.is_disowned() {
            self.file.disown();
        }
    }
}

impl File for RealFile {
    fn metadata(&self) -> io::Result<Meta> {
        let found = descriptor::found(self.descriptor())?;
        Ok(Meta { id: found.id, size_bytes: found.size_bytes, is_regular: found.kind == libc::S_IFREG })
    }

    fn standing(&self, name: &str) -> io::Result<Standing> {
        if let Some(lock) = &*self.lock.lock() {
            if lock.is_superseded() {
                self.directory.disown();
            }
            if !lock.is_kept() {
                return Ok(Standing::Closed); // and the lock with it
            }
        }
        self.file.standing_under(self.directory.descriptor(), name)
    }

    fn is_lock_superseded(&self) -> bool {
        self.lock.lock().as_ref().is_some_and(WriterLock::is_superseded)
    }

    fn access(&self) -> io::Result<Access> {
        Access::of(self.std())
    }

    fn take_access(&self, access: &Access) -> io::Result<()> {
        // The owner of the log may have linked another user's file here, to be given that file.
        if descriptor::found(self.descriptor())?.links > 1 {
            return Err(sys::error(libc::EMLINK));
        }
        access.give_to(self.std())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let _deferred = cancel::defer();
        fill(buffer, |rest, done| self.std().read_at(rest, offset.saturating_add(done as u64)))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.check()?;
        self.may_reach(offset.saturating_add(bytes.len() as u64))?;
        self.write_unchecked(offset, bytes)
    }

    fn may_reach(&self, end_bytes: u64) -> io::Result<()> {
        // No file ends there, whatever the limit.
        let is_beyond_all = i64::try_from(end_bytes).is_err();
        if is_beyond_all || end_bytes > sys::file_size_limit() { Err(sys::file_too_large()) } else { Ok(()) }
    }

    fn set_size(&self, size_bytes: u64) -> io::Result<()> {
        self.resize(size_bytes)?;
        self.reach_bytes.fetch_min(size_bytes, Ordering::Relaxed);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let _deferred = cancel::defer();
        self.std().sync_data()?;
        self.check() // after the sync: if that synced another file, these bytes are not safe
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<u64>> {
        match sys::next_data(self.descriptor(), offset) {
            Err(refusal) if matches!(refusal.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => {
                Ok((offset < self.size()?).then_some(offset))
            }
            other => other,
        }
    }

    fn next_hole(&self, offset: u64) -> io::Result<u64> {
        match sys::next_hole(self.descriptor(), offset) {
            Ok(Some(hole)) => Ok(hole),
            Err(refusal) if !matches!(refusal.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => Err(refusal),
            _ => self.size(),
        }
    }

    fn try_lock(&self) -> io::Result<bool> {
        let mut held = self.lock.lock();
        if held.is_none() {
            *held = WriterLock::take(self.reopen()?, self.file.id())?;
        }
        Ok(held.is_some())
    }

    fn remove_unused(&self) -> io::Result<()> {
        // The lock is taken through the descriptor there is: a second one may be refused.
        let is_locked = self.lock.lock().is_some()
            || match sys::lock(self.descriptor()) {
                Ok(is_locked) => is_locked,
                // Where there are no locks, no other process gets one, either.
                Err(refusal) => sys::has_no_locks(&refusal),
            };
        let named = sys::metadata_at(self.directory.descriptor(), &self.name)?;
        if is_locked && named.is_some_and(|meta| meta.id == self.file.id() && meta.size_bytes == 0) {
            sys::remove_at(self.directory.descriptor(), &self.name)?;
        }
        Ok(())
    }

    fn set_ready(&self) -> io::Result<()> {
        let held = self.lock.lock();
        let kept = held.as_ref().filter(|lock| lock.is_kept());
        let lock = kept.and_then(|lock| lock.descriptor.as_ref()).and_then(ParentOnly::get);
        lock.map_or(Err(sys::error(libc::ENOLCK)), sys::leave_ready_byte)
    }

    fn lock_seen(&self) -> io::Result<Lock> {
        match &*self.lock.lock() {
            Some(_) => Ok(Lock::Free), // ours, so no other writer's
            None => sys::lock_seen(self.descriptor()),
        }
    }

    fn obstacle(&self, guess: Option<u32>) -> io::Result<Option<Obstacle>> {
        if self.lock.lock().is_some() {
            return Ok(None); // ours, so no other writer's
        }
        let Some((is_read_lock, pid)) = sys::lock_in_the_way(self.descriptor())? else { return Ok(None) };
        let kind = if is_read_lock { "READ" } else { "WRITE" };
        let holder = match pid {
            Some(pid) => Some(pid),
            None => holder::find(self.metadata()?.id, kind, guess),
        };
        Ok(Some(Obstacle { is_read_lock, holder }))
    }

    fn tail(&self) -> io::Result<Box<dyn Tail>> {
        Ok(match self.directory.engine() {
            Engine::Mmap => memory::boxed(MappedTail::new(self.clone())?)?,
            Engine::Syscall => memory::boxed(CallTail::new(self.clone()))?,
        })
    }

    fn view(&self) -> io::Result<Box<dyn View>> {
        Ok(match self.directory.engine() {
            Engine::Mmap => memory::boxed(MappedView::new(self.clone()))?,
            Engine::Syscall => memory::boxed(BufferedView::new(self.clone()))?,
        })
    }

    fn whole_view(&self) -> io::Result<Option<Box<dyn View>>> {
        Ok(match self.directory.engine() {
            Engine::Mmap => Some(memory::boxed(MappedView::whole(self.clone()))?),
            Engine::Syscall => None,
        })
    }

    fn commit_word(&self, writable: bool) -> io::Result<Box<dyn CommitWord>> {
        Ok(match self.directory.engine() {
            Engine::Mmap if writable || self.has_first_page() => memory::boxed(MappedWord::new(self, writable)?)?,
            Engine::Mmap | Engine::Syscall => memory::boxed(CallWord::new(self.clone(), writable)?)?,
        })
    }

    fn shared_page(&self) -> io::Result<Option<SharedPage>> {
        match self.directory.engine() {
            Engine::Mmap => SharedPage::new(self).map(Some),
            Engine::Syscall => Ok(None),
        }
    }
}

/// The writer's lock, on an open file of its own: a mapping would keep that file open, and so locked, in a forked
/// child.
#[derive(Debug)]
struct WriterLock {
    /// There until the drop.
    descriptor: Option<ParentOnly>,
}

impl WriterLock {
    /// Locks the file `id` through `descriptor`; `None` when the lock is held elsewhere.
    fn take(descriptor: OwnedFd, id: FileId) -> io::Result<Option<WriterLock>> {
        let descriptor = ParentOnly::new(descriptor, id)?;
        match descriptor.get() {
            Some(own) if sys::lock(own)? => {
                descriptor.supersede_others();
                Ok(Some(WriterLock { descriptor: Some(descriptor) }))
            }
            _ => Ok(None),
        }
    }

    /// Whether this process has taken the lock again since, through another descriptor.
    fn is_superseded(&self) -> bool {
        self.descriptor.as_ref().is_some_and(ParentOnly::is_superseded)
    }

    /// Whether the lock is still held through the descriptor.
    fn is_kept(&self) -> bool {
        self.descriptor.as_ref().is_none_or(ParentOnly::is_kept)
    }
}

impl Drop for WriterLock {
    /// Unlocks explicitly: a child forked while the descriptor is being closed would otherwise inherit the lock.
    fn drop(&mut self) {
        let is_kept = self.is_kept();
        let Some(descriptor) = self.descriptor.take() else { return };
        if !is_kept {
            return descriptor.disown();
        }
        if let Some(own) = descriptor.get() {
            let _closing_releases_it_too = sys::unlock(own);
        }
    }
}

/// Calls `read` with the bytes done so far until the buffer is full or the input ends; returns the total.
pub(super) fn fill(
    buffer: &mut [u8],
    mut read: impl FnMut(&mut [u8], usize) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match read(rest, done) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(failure) if failure.kind() == io::ErrorKind::Interrupted => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(done)
}
