//! The state of a simulated disk: files, names, faults and limits.

use super::faults::{Fault, Faults};
use super::handles::TAKEN;
use crate::storage::sys;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// Larger files are refused: they are held in memory.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// The size of a block.
const BLOCK_BYTES: u64 = ZEROS.len() as u64;
const ZEROS: [u8; 4096] = [0; 4096];

/// A change to a file that no sync has covered yet.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Write { offset: usize, bytes: Arc<[u8]> },
    Size(usize),
}

/// What happens just before some call, whichever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The process is killed.
    Kill,
    /// The kernel writes out dirty pages, which fails; the next sync reports the failure.
    LoseWriteback,
    /// Clean pages leave the cache.
    DropCache,
}

/// What a sync that failed leaves of the pages it should have written. They count as clean in every case, and are never
/// written again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncFailure {
    /// Processes go on seeing the new bytes, as on ext4 and XFS.
    #[default]
    KeepsNew,
    /// Processes see the old bytes again, as on btrfs.
    Reverts,
}

/// A file, whatever its name.
#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    /// What processes see. Copies of a disk share these bytes, and the safe ones, until the bytes change.
    pub(super) cached: Arc<Vec<u8>>,
    /// The bytes that are safe on the disk.
    pub(super) durable: Arc<Vec<u8>>,
    /// The changes that lead from the safe bytes to the cached ones, in order.
    pub(super) changes: Vec<Change>,
    /// How far the file has blocks of its own.
    pub(super) allocated_bytes: u64,
    /// The open file that holds the writer's lock.
    pub(super) locked_by: Option<u64>,
    /// The open file that announced with the lock that its writer is ready.
    pub(super) ready_by: Option<u64>,
    /// Whether a process outside of the simulation, which may only read the file, holds a read lock.
    pub(super) is_read_locked: bool,
    /// Whether writing the file out has failed since the last sync, and no process has learned of it.
    pub(super) failure_untold: bool,
}

impl Inode {
    /// Cuts the file or extends it with zeros.
    pub(super) fn resize(&mut self, size: usize) {
        if size != self.cached.len() {
            Arc::make_mut(&mut self.cached).resize(size, 0);
            self.changes.push(Change::Size(size));
        }
        self.allocated_bytes = self.allocated_bytes.min((size as u64).next_multiple_of(BLOCK_BYTES));
    }

    /// Writes, extending the file if need be; the caller has found room for it.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = offset.saturating_add(bytes.len());
        if end > self.cached.len() {
            self.resize(end);
        }
        let cached: &mut Vec<u8> = Arc::make_mut(&mut self.cached);
        overlay(cached, offset, bytes);
        self.changes.push(Change::Write { offset, bytes: bytes.into() });
    }

    /// Makes everything safe.
    pub(super) fn sync(&mut self) {
        if self.changes.is_empty() {
            return;
        }
        let durable = Arc::make_mut(&mut self.durable);
        for change in self.changes.drain(..) {
            change.apply(durable);
        }
    }

    /// The offset of the first byte at or after `offset` that is not zero in the cache or on the disk.
    pub(super) fn next_data(&self, offset: u64) -> Option<u64> {
        let start = usize::try_from(offset).ok()?;
        let first = |bytes: &[u8]| first_nonzero(bytes.get(start..)?);
        let cached = first(&self.cached);
        let end = cached.map_or(self.cached.len(), |data| start + data).min(self.durable.len());
        first(&self.durable[..end]).or(cached).map(|data| offset + data as u64)
    }

    /// The offset of the first hole at or after `offset`, or the end of the file. Blocks of zeros are holes.
    pub(super) fn next_hole(&self, offset: u64) -> u64 {
        let size_bytes = self.cached.len() as u64;
        let mut begin = offset - offset % BLOCK_BYTES;
        while begin < size_bytes {
            let end = (begin + BLOCK_BYTES).min(size_bytes);
            let block = Disk::size(begin).ok().zip(Disk::size(end).ok()).map_or(0..0, |(begin, end)| begin..end);
            let is_zero = |bytes: &[u8]| {
                first_nonzero(&bytes[block.start.min(bytes.len())..block.end.min(bytes.len())]).is_none()
            };
            if is_zero(&self.cached) && is_zero(&self.durable) {
                return begin.max(offset);
            }
            begin = end;
        }
        size_bytes
    }

    /// Fails a sync. The written pages count as clean from now on and are never written again. Changes of the size are
    /// still to be written.
    pub(super) fn fail_sync(&mut self, how: SyncFailure) {
        self.changes.retain(|change| matches!(change, Change::Size(_)));
        if how == SyncFailure::Reverts {
            self.drop_cache();
        }
    }

    /// Makes processes see what is on disk, with the changes that are still to be written there.
    pub(super) fn drop_cache(&mut self) {
        let mut cached = self.durable.to_vec();
        self.changes.iter().for_each(|change| change.apply(&mut cached));
        self.cached = Arc::new(cached);
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Size(size) => bytes.resize(*size, 0),
            Change::Write { offset, bytes: written } => overlay(bytes, *offset, written),
        }
    }
}

/// Copies `bytes` over `target` at `offset`, as far as `target` reaches.
pub(super) fn overlay(target: &mut [u8], offset: usize, bytes: &[u8]) {
    let rest = target.get_mut(offset..).unwrap_or_default();
    let count = rest.len().min(bytes.len());
    let (old, new) = (rest.split_at_mut(count).0, bytes.split_at(count).0);
    old.copy_from_slice(new);
}

/// What a name means: an inode, or nothing.
pub(super) type NameChange = Vec<(String, Option<u64>)>;

/// The whole disk.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    pub(super) inodes: BTreeMap<u64, Inode>,
    pub(super) names: BTreeMap<String, u64>,
    pub(super) durable_names: BTreeMap<String, u64>,
    /// Changes of names since the directory was last synced; each happens whole or not at all.
    pub(super) name_changes: Vec<NameChange>,
    /// Whether the directory itself survives a loss of power.
    pub(super) own_name_is_durable: bool,
    epoch: u64,
    numbers: u64,
    calls: u64,
    pub(super) faults: Faults,
    /// The events, each with the index of the call before which it happens.
    events: Vec<(u64, Event)>,
    pub(super) sync_failure: SyncFailure,
    pub(super) read_bytes: u64,
    pub(super) written_bytes: u64,
    /// The process closed all open files up to this handle, and opened a file of its own that has their descriptors.
    pub(super) taken_handles: u64,
    /// Whether the directory was moved.
    pub(super) is_directory_moved: bool,
    /// Record files that were removed while no open file held their lock.
    pub(super) unlocked_removals: u64,
    /// Open files of processes that were not killed.
    pub(super) open_files: u64,
    capacity_bytes: u64,
}

impl Default for Disk {
    fn default() -> Self {
        Disk {
            inodes: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            name_changes: Vec::new(),
            own_name_is_durable: true,
            epoch: 0,
            numbers: 0,
            calls: 0,
            faults: Faults::default(),
            events: Vec::new(),
            sync_failure: SyncFailure::default(),
            read_bytes: 0,
            written_bytes: 0,
            taken_handles: 0,
            is_directory_moved: false,
            unlocked_removals: 0,
            open_files: 0,
            capacity_bytes: u64::MAX,
        }
    }
}

impl Disk {
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Fails for handles opened before the last kill.
    pub(super) fn check_epoch(&self, epoch: u64) -> io::Result<()> {
        if epoch == self.epoch { Ok(()) } else { Err(sys::error(libc::EIO)) }
    }

    /// Counts a call from a process of `epoch` and returns the fault it is to suffer, if any; an interrupted call is
    /// made again.
    pub(super) fn begin(&mut self, epoch: u64) -> io::Result<Option<Fault>> {
        loop {
            self.check_epoch(epoch)?;
            let index = self.calls;
            if !self.events.is_empty() {
                self.meet_events(index);
                self.check_epoch(epoch)?;
            }
            self.calls += 1;
            let fault = self.faults.meet(index);
            if fault != Some(Fault::Interrupt) {
                return Ok(fault);
            }
        }
    }

    /// Whether a fault is planned for a call from now on.
    pub(super) fn may_fail(&self) -> bool {
        self.faults.has_any_from(self.calls)
    }

    /// Makes every event happen that is to happen before call `index`.
    fn meet_events(&mut self, index: u64) {
        let due: Vec<Event> = self.events.iter().filter(|(at, _)| *at == index).map(|(_, event)| *event).collect();
        for event in due {
            match event {
                Event::Kill => self.kill(),
                Event::LoseWriteback => self.lose_writeback(),
                Event::DropCache => self.inodes.values_mut().for_each(Inode::drop_cache),
            }
        }
    }

    fn lose_writeback(&mut self) {
        for inode in self.inodes.values_mut().filter(|inode| !inode.changes.is_empty()) {
            inode.fail_sync(self.sync_failure);
            inode.failure_untold = true;
        }
    }

    /// As [`Disk::begin`], for calls that change nothing when refused.
    pub(super) fn call(&mut self, epoch: u64) -> io::Result<()> {
        let refusal = self.begin(epoch)?.and_then(Fault::refusal);
        refusal.map_or(Ok(()), |number| Err(sys::error(number)))
    }

    /// A number not given out before.
    pub(super) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn inode(&mut self, number: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&number).ok_or_else(|| sys::error(libc::EIO))
    }

    /// Gives the file blocks up to `end`, or refuses.
    pub(super) fn allocate(&mut self, number: u64, end: u64) -> io::Result<()> {
        if end > FILE_BYTES_MAX {
            return Err(sys::error(libc::EFBIG));
        }
        let used_bytes: u64 = self.inodes.values().map(|inode| inode.allocated_bytes).sum();
        let capacity_bytes = self.capacity_bytes;
        let inode = self.inode(number)?;
        let needed = end.next_multiple_of(BLOCK_BYTES);
        let missing = needed.saturating_sub(inode.allocated_bytes);
        if missing > 0 && used_bytes.saturating_add(missing) > capacity_bytes {
            return Err(sys::error(libc::ENOSPC));
        }
        inode.allocated_bytes += missing;
        Ok(())
    }

    /// `bytes` as a size in memory.
    pub(super) fn size(bytes: u64) -> io::Result<usize> {
        usize::try_from(bytes).ok().filter(|_| bytes <= FILE_BYTES_MAX).ok_or_else(|| sys::error(libc::EFBIG))
    }

    /// Changes names, all of `change` at once.
    pub(super) fn change_names(&mut self, change: NameChange) {
        apply_names(&mut self.names, &change);
        self.name_changes.push(change);
    }

    pub(super) fn sync_names(&mut self) {
        self.name_changes.clear();
        self.durable_names.clone_from(&self.names);
    }

    pub(super) fn kill(&mut self) {
        self.epoch += 1;
        self.events.clear();
        self.open_files = 0;
        let named = self.names.values().chain(self.durable_names.values()).copied();
        let once_named = self.name_changes.iter().flatten().filter_map(|(_, number)| *number);
        let reachable: Vec<u64> = named.chain(once_named).chain([TAKEN]).collect();
        self.inodes.retain(|number, inode| {
            inode.locked_by = None;
            // A process that opens the file from now on does not learn of it.
            inode.failure_untold = false;
            reachable.contains(number)
        });
    }

    /// Makes the process close all open files, and open a file of its own, with these bytes, in their place.
    pub(super) fn take_descriptors(&mut self, bytes: &[u8]) {
        self.taken_handles = self.next_number();
        self.inodes.values_mut().for_each(|inode| inode.locked_by = None);
        self.inodes.entry(TAKEN).or_default().cached = Arc::new(bytes.to_vec());
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    pub(super) fn at_call(&mut self, index: u64, event: Event) {
        self.events.push((index, event));
    }

    pub(super) fn clear_faults(&mut self) {
        self.faults.clear();
        self.events.clear();
    }

    pub(super) fn free_bytes(&self) -> u64 {
        let used_bytes: u64 = self.inodes.values().map(|inode| inode.allocated_bytes).sum();
        self.capacity_bytes.saturating_sub(used_bytes)
    }

    pub(super) fn set_capacity(&mut self, bytes: u64) {
        self.capacity_bytes = bytes;
    }

    pub(super) fn read_file(&self, name: &str) -> Option<Vec<u8>> {
        Some(self.inodes.get(self.names.get(name)?)?.cached.to_vec())
    }

    pub(super) fn write_file(&mut self, name: &str, bytes: &[u8]) {
        let number = self.names.get(name).copied().unwrap_or_else(|| self.next_number());
        self.names.insert(name.to_owned(), number);
        self.durable_names.insert(name.to_owned(), number);
        let inode = self.inodes.entry(number).or_default();
        inode.cached = Arc::new(bytes.to_vec());
        inode.durable = Arc::clone(&inode.cached);
        inode.changes.clear();
        inode.allocated_bytes = (bytes.len() as u64).next_multiple_of(BLOCK_BYTES);
    }
}

pub(super) fn apply_names(names: &mut BTreeMap<String, u64>, change: &NameChange) {
    for (name, meaning) in change {
        match meaning {
            Some(number) => names.insert(name.clone(), *number),
            None => names.remove(name),
        };
    }
}

/// The place of the first byte that is not zero. It compares whole blocks: byte by byte, the crash tests spent most of
/// their time here.
fn first_nonzero(bytes: &[u8]) -> Option<usize> {
    let (number, block) = bytes.chunks(ZEROS.len()).enumerate().find(|(_, block)| **block != ZEROS[..block.len()])?;
    let place = block.iter().position(|byte| *byte != 0)?;
    Some(number * ZEROS.len() + place)
}
