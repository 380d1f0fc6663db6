//! The simulated engine: a disk in memory whose process can be killed, whose power can fail and whose calls can be
//! refused.
//!
//! A file consists of its bytes as the process sees them (the cache), its safe bytes (the disk proper), and the changes
//! since a sync last made both equal. So does a directory. A kill leaves the cache. A loss of power leaves the safe
//! bytes and any part of the changes. Everything random comes from a seed, so every failure can be reproduced.

mod disk;
mod faults;
mod handles;
mod places;
mod power;

use super::{self as storage, Storage};
use crate::util::sync::Mutex;
use disk::{Disk, Event};
use handles::{SimulatedStorage, TAKEN};
use std::sync::Arc;

pub use disk::SyncFailure;
pub use faults::{Fault, Part};
pub use power::{Fill, Loss, Mood};

/// A disk with one directory; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct Simulated {
    disk: Arc<Mutex<Disk>>,
}

impl Simulated {
    /// An empty disk without limit and without faults.
    #[must_use]
    pub fn new() -> Self {
        Simulated::default()
    }

    /// As [`Simulated::new`], but a process has just made the directory, and was killed before it made the directory's
    /// own name durable.
    #[must_use]
    pub fn in_new_directory() -> Self {
        let simulated = Simulated::new();
        simulated.disk.lock().own_name_is_durable = false;
        simulated
    }

    /// The directory, as a process started now sees it.
    #[must_use]
    pub fn storage(&self) -> storage::Arc<dyn Storage> {
        let storage = SimulatedStorage::new(Arc::clone(&self.disk));
        storage::Arc::new(storage).expect("tests have memory").into()
    }

    /// Kills the process: what was opened before answers EIO from now on and changes nothing more, its locks are
    /// released, and every byte that it wrote stays, synced or not.
    pub fn kill(&self) {
        self.disk.lock().kill();
    }

    /// Kills the process just before the call with this index, counted like [`Simulated::calls`].
    pub fn kill_at_call(&self, index: u64) {
        self.disk.lock().at_call(index, Event::Kill);
    }

    /// Makes the kernel try to write out all dirty pages just before the call with this index, and fail. The bytes that
    /// were to be written are forgotten. The next sync of each file reports this, though it makes safe what was written
    /// since. A process that is killed before that sync never learns of it.
    pub fn lose_writeback_at_call(&self, index: u64) {
        self.disk.lock().at_call(index, Event::LoseWriteback);
    }

    /// From just before the call with this index on, processes see what is on disk and what is still to be written
    /// there. Bytes that a failed sync has left only in the cache are gone without a restart.
    pub fn drop_cache_at_call(&self, index: u64) {
        self.disk.lock().at_call(index, Event::DropCache);
    }

    /// What a refused sync leaves from now on.
    pub fn set_sync_failure(&self, how: SyncFailure) {
        self.disk.lock().sync_failure = how;
    }

    /// Another disk that is like this one now; no process of this one reaches it.
    #[must_use]
    pub fn copy(&self) -> Simulated {
        let mut disk = self.disk.lock().clone();
        disk.kill();
        Simulated { disk: Arc::new(Mutex::new(disk)) }
    }

    /// Cuts the power: kills the process and keeps what was synced and, chosen by `seed`, some of what was not. Returns
    /// the kind of loss.
    pub fn power_loss(&self, seed: u64) -> Loss {
        let loss = Loss::chosen_by(seed);
        self.power_loss_like(loss, seed);
        loss
    }

    /// As [`Simulated::power_loss`], with the kind of loss given.
    pub fn power_loss_like(&self, loss: Loss, seed: u64) {
        self.disk.lock().lose_power(loss, seed);
    }

    /// How many calls were made so far: everything that is a system call in a real engine.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.disk.lock().calls()
    }

    /// How many bytes were read so far.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.disk.lock().read_bytes
    }

    /// How many bytes were written so far.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.disk.lock().written_bytes
    }

    /// Refuses the call with this index with an operating system error number; if `sticky`, all later ones too.
    pub fn fail_call(&self, index: u64, os_error: i32, sticky: bool) {
        self.strike_call(index, Fault::Refuse(os_error), sticky);
    }

    /// Makes the call with this index, counted like [`Simulated::calls`], suffer `fault`; if `sticky`, all later ones
    /// too.
    pub fn strike_call(&self, index: u64, fault: Fault, sticky: bool) {
        self.disk.lock().faults.plan(index, fault, sticky);
    }

    /// Removes all faults and events that are planned.
    pub fn clear_faults(&self) {
        self.disk.lock().clear_faults();
    }

    /// How many faults calls have met so far.
    #[must_use]
    pub fn faults_met(&self) -> u64 {
        self.disk.lock().faults.met()
    }

    /// How many record files were removed so far while no open file held their lock.
    #[must_use]
    pub fn unlocked_removals(&self) -> u64 {
        self.disk.lock().unlocked_removals
    }

    /// How many files are open in processes that were not killed.
    #[must_use]
    pub fn open_files(&self) -> u64 {
        self.disk.lock().open_files
    }

    /// Lets all files together have blocks for at most `bytes`; files that have blocks keep them.
    pub fn set_capacity(&self, bytes: u64) {
        self.disk.lock().set_capacity(bytes);
    }

    /// Another process renames the file `from` to `to`, or removes its name if there is no `to`.
    ///
    /// # Panics
    /// When there is no file of that name.
    pub fn move_file(&self, from: &str, to: Option<&str>) {
        let mut disk = self.disk.lock();
        let number = disk.names.get(from).copied().expect("a file to move");
        let gone = (from.to_owned(), None);
        disk.change_names(to.map(|to| (to.to_owned(), Some(number))).into_iter().chain([gone]).collect());
    }

    /// Another process moves the directory, with everything in it.
    pub fn move_directory(&self) {
        self.disk.lock().is_directory_moved = true;
    }

    /// The process closes every open file, its own and the library's. With each of their descriptors it opens a file of
    /// its own, which contains `bytes`.
    pub fn take_descriptors(&self, bytes: &[u8]) {
        self.disk.lock().take_descriptors(bytes);
    }

    /// The content of the file that [`Simulated::take_descriptors`] opened.
    #[must_use]
    pub fn taken_file(&self) -> Vec<u8> {
        self.disk.lock().inodes.get(&TAKEN).map(|inode| inode.cached.to_vec()).unwrap_or_default()
    }

    /// Another process, which may only read the file, takes a read lock on it (or releases it).
    ///
    /// # Panics
    /// When there is no file of that name.
    pub fn set_read_lock(&self, name: &str, is_held: bool) {
        let mut disk = self.disk.lock();
        let number = disk.names.get(name).copied();
        let inode = number.and_then(|number| disk.inodes.get_mut(&number));
        inode.expect("a file to lock").is_read_locked = is_held;
    }

    /// The bytes of a file as a process sees them; `None` when there is none of that name.
    #[must_use]
    pub fn read_file(&self, name: &str) -> Option<Vec<u8>> {
        self.disk.lock().read_file(name)
    }

    /// Makes `bytes` the content of a file, safe at once. The file is created if there is none.
    pub fn write_file(&self, name: &str, bytes: &[u8]) {
        self.disk.lock().write_file(name, bytes);
    }
}

#[cfg(test)]
mod tests;
