//! A process's view of a simulated disk: its directory and its open files, lost when it is killed.

use super::disk::{Disk, Inode, overlay};
use super::faults::Fault;
use super::places::{SimulatedTail, SimulatedView, SimulatedWord};
use crate::format::log;
use crate::storage::room::NewSize;
use crate::storage::{
    Access, CommitWord, File, FileId, Lock, Meta, Obstacle, OpenMode, SharedPage, Standing, Storage, Tail, View, sys,
};
use crate::util::sync::{Arc, Mutex};
use std::ffi::OsStr;
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync;
use std::sync::atomic::{AtomicU64, Ordering};

/// The inode of the host's own file, to which all descriptors that the host took lead.
pub(super) const TAKEN: u64 = 0;
/// The number of the only device there is.
const DEVICE: u64 = 1;

/// The directory, as one process sees it.
#[derive(Debug)]
pub(super) struct SimulatedStorage {
    disk: sync::Arc<Mutex<Disk>>,
    epoch: u64,
}

impl SimulatedStorage {
    pub(super) fn new(disk: sync::Arc<Mutex<Disk>>) -> Self {
        let epoch = disk.lock().epoch();
        SimulatedStorage { disk, epoch }
    }

    fn file(&self, number: u64, handle: u64, writable: bool, has_name: bool) -> io::Result<Arc<dyn File>> {
        let (disk, reach_bytes) = (sync::Arc::clone(&self.disk), AtomicU64::new(u64::MAX));
        let file = OpenedFile { disk, epoch: self.epoch, number, handle, writable, has_name, reach_bytes };
        Ok(Arc::new(SimulatedFile(Arc::new(file)?))?.into())
    }
}

fn meta(number: u64, inode: &Inode) -> Meta {
    Meta { id: FileId { device: DEVICE, inode: number }, size_bytes: inode.cached.len() as u64, is_regular: true }
}

impl Storage for SimulatedStorage {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut disk = self.disk.lock();
        disk.call(self.epoch)?;
        let number = match (disk.names.get(name).copied(), mode) {
            (None, OpenMode::CreateNew) => {
                let number = disk.next_number();
                disk.inodes.insert(number, Inode::default());
                disk.change_names(vec![(name.to_owned(), Some(number))]);
                number
            }
            (Some(_), OpenMode::CreateNew) => return Err(sys::error(libc::EEXIST)),
            (None, _) => return Err(sys::error(libc::ENOENT)),
            (Some(number), _) => number,
        };
        let (handle, writable) = (disk.next_number(), mode != OpenMode::Read);
        disk.open_files += 1;
        drop(disk);
        self.file(number, handle, writable, true)
    }

    fn create_beside(&self, _record: &dyn File, name: &str) -> io::Result<Arc<dyn File>> {
        self.open(name, OpenMode::CreateNew)
    }

    fn scratch(&self) -> io::Result<Arc<dyn File>> {
        let mut disk = self.disk.lock();
        disk.call(self.epoch)?;
        let (number, handle) = (disk.next_number(), disk.next_number());
        disk.inodes.insert(number, Inode::default());
        disk.open_files += 1;
        drop(disk);
        self.file(number, handle, true, false)
    }

    fn metadata(&self, name: &str) -> io::Result<Option<Meta>> {
        let mut disk = self.disk.lock();
        disk.call(self.epoch)?;
        Ok(disk.names.get(name).and_then(|number| Some(meta(*number, disk.inodes.get(number)?))))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.call(self.epoch)?;
        let number = *disk.names.get(from).ok_or_else(|| sys::error(libc::ENOENT))?;
        disk.change_names(vec![(from.to_owned(), None), (to.to_owned(), Some(number))]);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.call(self.epoch)?;
        let number = *disk.names.get(name).ok_or_else(|| sys::error(libc::ENOENT))?;
        if Path::new(name).extension() == Some(OsStr::new(log::SUFFIX)) && disk.inode(number)?.locked_by.is_none() {
            disk.unlocked_removals += 1;
        }
        disk.change_names(vec![(name.to_owned(), None)]);
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut disk = self.disk.lock();
        disk.call(self.epoch)?;
        Ok(disk.names.keys().cloned().collect())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let mut disk = self.disk.lock();
        disk.call(self.epoch)?;
        Ok(disk.free_bytes())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.call(self.epoch)?;
        disk.sync_names();
        Ok(())
    }

    fn sync_own_name(&self) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.call(self.epoch)?;
        disk.own_name_is_durable = true;
        Ok(())
    }

    fn standing(&self) -> io::Result<Standing> {
        let mut disk = self.disk.lock();
        disk.call(self.epoch)?;
        Ok(if disk.is_directory_moved { Standing::Moved } else { Standing::Kept })
    }

    fn path(&self) -> &Path {
        Path::new("simulated")
    }

    fn maps_files(&self) -> bool {
        false
    }
}

/// An open file, shared as a real one is.
#[derive(Clone, Debug)]
pub(super) struct SimulatedFile(Arc<OpenedFile>);

impl Deref for SimulatedFile {
    type Target = OpenedFile;

    fn deref(&self) -> &OpenedFile {
        &self.0
    }
}

#[derive(Debug)]
pub(super) struct OpenedFile {
    disk: sync::Arc<Mutex<Disk>>,
    epoch: u64,
    number: u64,
    /// The number of this open file. The lock of an inode belongs to one open file.
    handle: u64,
    writable: bool,
    /// Whether a name led to it when it was opened.
    has_name: bool,
    /// As in a real file: room beyond this size was made before a cut, and is gone.
    reach_bytes: AtomicU64,
}

impl OpenedFile {
    /// Makes one call that reads or changes the inode. A refused call leaves the inode alone.
    pub(super) fn call<R>(&self, work: impl FnOnce(&mut Inode) -> R) -> io::Result<R> {
        let mut disk = self.disk.lock();
        disk.call(self.epoch)?;
        let number = self.led_to(&disk);
        disk.inode(number).map(work)
    }

    /// The inode that the descriptor leads to.
    fn led_to(&self, disk: &Disk) -> u64 {
        if self.handle <= disk.taken_handles { TAKEN } else { self.number }
    }

    /// What became of the file, as a real file finds it.
    fn look(&self, disk: &Disk) -> Standing {
        if self.led_to(disk) != self.number {
            return Standing::Closed;
        }
        let is_named = disk.names.values().any(|number| *number == self.number);
        if self.has_name && !is_named { Standing::Removed } else { Standing::Kept }
    }

    /// Checks what the real engines check before they change the file. The check does not count as a call: faults can
    /// meet enough others.
    fn check(&self) -> io::Result<()> {
        let disk = self.disk.lock();
        disk.check_epoch(self.epoch)?;
        if self.look(&disk) == Standing::Kept { Ok(()) } else { Err(sys::error(libc::ESTALE)) }
    }

    pub(super) fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(sys::error(libc::EBADF)) }
    }

    /// Fails once the process was killed.
    pub(super) fn check_alive(&self) -> io::Result<()> {
        self.disk.lock().check_epoch(self.epoch)
    }

    /// How far room can reach at most.
    pub(super) fn reach(&self) -> u64 {
        self.reach_bytes.load(Ordering::Relaxed)
    }

    /// Whether a fault is planned for a call from now on.
    pub(super) fn may_fail(&self) -> bool {
        self.disk.lock().may_fail()
    }

    /// Writes `parts` one after the other, in one call, or in more if a transfer is short. A refused call leaves half
    /// of the rest.
    pub(super) fn write(&self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        self.check_writable()?;
        let bytes = parts.concat();
        let (mut rest, mut at) = (bytes.as_slice(), offset);
        let mut disk = self.disk.lock();
        loop {
            let fault = disk.begin(self.epoch)?;
            let (now, later) = rest.split_at(fault.map_or(rest.len(), |fault| fault.part_of(rest.len())));
            if !now.is_empty() {
                let number = self.led_to(&disk);
                disk.allocate(number, at.saturating_add(now.len() as u64))?;
                disk.inode(number)?.write(Disk::size(at)?, now);
                disk.written_bytes += now.len() as u64;
            }
            if let Some(number) = fault.and_then(Fault::refusal) {
                return Err(sys::error(number));
            }
            if later.is_empty() {
                return Ok(());
            }
            (rest, at) = (later, at + now.len() as u64);
        }
    }

    /// Extends the file as the real engines do.
    pub(super) fn extend(&self, to: u64) -> io::Result<u64> {
        self.check_writable()?;
        self.check()?;
        let mut disk = self.disk.lock();
        disk.call(self.epoch)?;
        let plan = NewSize::new(disk.inode(self.number)?.cached.len() as u64, to, u64::MAX)?;
        let end = match disk.allocate(self.number, plan.wanted_bytes) {
            Ok(()) => plan.wanted_bytes,
            Err(_) => disk.allocate(self.number, plan.least_bytes).map(|()| plan.least_bytes)?,
        };
        disk.inode(self.number)?.resize(Disk::size(end)?);
        self.reach_bytes.store(end, Ordering::Relaxed);
        Ok(end)
    }
}

impl File for SimulatedFile {
    fn metadata(&self) -> io::Result<Meta> {
        let number = self.led_to(&self.disk.lock());
        self.call(|inode| meta(number, inode))
    }

    /// Does not count as a call: callers look at the directory first, and faults can meet that call.
    fn standing(&self, name: &str) -> io::Result<Standing> {
        let disk = self.disk.lock();
        disk.check_epoch(self.epoch)?;
        let standing = self.look(&disk);
        let is_in_place = disk.names.get(name) == Some(&self.number);
        Ok(if standing == Standing::Kept && !is_in_place { Standing::Moved } else { standing })
    }

    fn access(&self) -> io::Result<Access> {
        self.check_alive()?;
        Ok(Access::anybodys())
    }

    fn take_access(&self, _access: &Access) -> io::Result<()> {
        self.check_alive()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut disk = self.disk.lock();
        let mut done = 0;
        loop {
            let fault = disk.begin(self.epoch)?;
            if let Some(number) = fault.and_then(Fault::refusal) {
                return Err(sys::error(number));
            }
            let number = self.led_to(&disk);
            let cached = &disk.inode(number)?.cached;
            let at = usize::try_from(offset).ok().and_then(|offset| offset.checked_add(done));
            let rest = at.and_then(|at| cached.get(at..)).unwrap_or_default();
            let wanted = rest.len().min(buffer.len() - done);
            let count = fault.map_or(wanted, |fault| fault.part_of(wanted));
            overlay(buffer, done, &rest[..count]);
            done += count;
            disk.read_bytes += count as u64;
            if count == wanted {
                return Ok(done);
            }
        }
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.check()?;
        self.write(offset, &[bytes])
    }

    fn set_size(&self, size_bytes: u64) -> io::Result<()> {
        self.check_writable()?;
        self.check()?;
        let size = Disk::size(size_bytes)?;
        self.call(|inode| inode.resize(size))?;
        self.reach_bytes.fetch_min(size_bytes, Ordering::Relaxed);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let (fault, how) = (disk.begin(self.epoch)?, disk.sync_failure);
        let number = self.led_to(&disk);
        let inode = disk.inode(number)?;
        let untold = std::mem::take(&mut inode.failure_untold);
        let refusal = fault.and_then(Fault::refusal);
        match refusal {
            Some(_) => inode.fail_sync(how),
            None => inode.sync(),
        }
        refusal.or(untold.then_some(libc::EIO)).map_or(Ok(()), |number| Err(sys::error(number)))?;
        drop(disk);
        self.check()
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<u64>> {
        self.call(|inode| inode.next_data(offset))
    }

    fn next_hole(&self, offset: u64) -> io::Result<u64> {
        self.call(|inode| inode.next_hole(offset))
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.check_writable()?;
        self.call(|inode| !inode.is_read_locked && *inode.locked_by.get_or_insert(self.handle) == self.handle)
    }

    fn remove_unused(&self) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.call(self.epoch)?;
        let number = self.led_to(&disk);
        let inode = disk.inode(number)?;
        let is_unused = inode.locked_by.is_none_or(|holder| holder == self.handle) && inode.cached.is_empty();
        let name = disk.names.iter().find(|(_, named)| **named == number).map(|(name, _)| name.clone());
        if let Some(name) = name.filter(|_| is_unused) {
            disk.change_names(vec![(name, None)]);
        }
        Ok(())
    }

    fn set_ready(&self) -> io::Result<()> {
        self.call(|inode| inode.ready_by = Some(self.handle))
    }

    fn lock_seen(&self) -> io::Result<Lock> {
        self.call(|inode| match inode.locked_by {
            Some(holder) if holder == self.handle => Lock::Free,
            Some(holder) if inode.ready_by == Some(holder) => Lock::Ready,
            Some(_) => Lock::Held,
            None => Lock::Free,
        })
    }

    /// The outside process with the read lock is process 1; the process of a writer is unknown.
    fn obstacle(&self, _guess: Option<u32>) -> io::Result<Option<Obstacle>> {
        let is_locked = self.is_locked()?;
        let is_read_lock = self.call(|inode| inode.is_read_locked)?;
        Ok((is_locked || is_read_lock).then_some(Obstacle { is_read_lock, holder: is_read_lock.then_some(1) }))
    }

    fn tail(&self) -> io::Result<Box<dyn Tail>> {
        Ok(Box::new(SimulatedTail::new(self.clone())))
    }

    fn view(&self) -> io::Result<Box<dyn View>> {
        Ok(Box::new(SimulatedView::new(self.clone())))
    }

    fn commit_word(&self, writable: bool) -> io::Result<Box<dyn CommitWord>> {
        Ok(Box::new(SimulatedWord::new(self.clone(), writable)?))
    }

    fn shared_page(&self) -> io::Result<Option<SharedPage>> {
        Ok(None)
    }
}

impl Drop for OpenedFile {
    fn drop(&mut self) {
        let mut disk = self.disk.lock();
        if disk.check_epoch(self.epoch).is_ok() {
            disk.open_files -= 1;
        }
        if let Ok(inode) = disk.inode(self.number) {
            inode.locked_by = inode.locked_by.filter(|holder| *holder != self.handle);
        }
    }
}
