//! An engine with a gate before the syncs of each file: a shut gate holds them still until the test lets them through,
//! one by one.

use immuta::storage::{
    self, Access, CommitWord, File, Lock, Meta, Obstacle, OpenMode, SharedPage, Standing, Storage, Tail, View,
};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// The gates of all files, by name.
#[derive(Debug, Default)]
pub struct Gates {
    gates: Mutex<BTreeMap<String, Gate>>,
    changed: Condvar,
}

/// The gate of one file, and what happened there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gate {
    is_shut: bool,
    /// How many syncs may pass although the gate is shut.
    passes: usize,
    /// Syncs held still.
    pub waiting: usize,
    /// Calls of `write_at`, and syncs that passed.
    pub writes: u64,
    pub syncs: u64,
}

impl Gates {
    pub fn get(&self, file: &str) -> Gate {
        self.lock().get(file).copied().unwrap_or_default()
    }

    pub fn shut(&self, file: &str) {
        self.lock().entry(file.to_owned()).or_default().is_shut = true;
    }

    pub fn open_all(&self) {
        self.lock().values_mut().for_each(|gate| gate.is_shut = false);
        self.changed.notify_all();
    }

    /// Lets one sync of `file` pass.
    pub fn let_one_pass(&self, file: &str) {
        self.lock().entry(file.to_owned()).or_default().passes += 1;
        self.changed.notify_all();
    }

    fn pass(&self, file: &str) {
        let mut gates = self.lock();
        gates.entry(file.to_owned()).or_default().waiting += 1;
        loop {
            let gate = gates.entry(file.to_owned()).or_default();
            if !gate.is_shut || gate.passes > 0 {
                gate.passes = gate.passes.saturating_sub(1);
                gate.waiting -= 1;
                gate.syncs += 1;
                return;
            }
            gates = self.changed.wait(gates).unwrap();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Gate>> {
        self.gates.lock().unwrap()
    }
}

/// Another engine's directory, with gates.
#[derive(Debug)]
pub struct Gated {
    pub inner: storage::Arc<dyn Storage>,
    pub gates: Arc<Gates>,
}

impl Storage for Gated {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<storage::Arc<dyn File>> {
        let inner = self.inner.open(name, mode)?;
        // A file that is made under another name is known by the one it gets.
        let name = name.trim_end_matches(".tmp").to_owned();
        Ok(storage::Arc::new(GatedFile { inner, name, gates: Arc::clone(&self.gates) })?.into())
    }

    fn create_beside(&self, record: &dyn File, name: &str) -> io::Result<storage::Arc<dyn File>> {
        let inner = self.inner.create_beside(record, name)?;
        let name = name.trim_end_matches(".tmp").to_owned();
        Ok(storage::Arc::new(GatedFile { inner, name, gates: Arc::clone(&self.gates) })?.into())
    }

    fn metadata(&self, name: &str) -> io::Result<Option<Meta>> {
        self.inner.metadata(name)
    }

    fn scratch(&self) -> io::Result<storage::Arc<dyn File>> {
        self.inner.scratch()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.inner.sync_directory()
    }

    fn sync_own_name(&self) -> io::Result<()> {
        self.inner.sync_own_name()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.inner.free_bytes()
    }

    fn standing(&self) -> io::Result<Standing> {
        self.inner.standing()
    }

    fn path(&self) -> &Path {
        self.inner.path()
    }

    fn maps_files(&self) -> bool {
        self.inner.maps_files()
    }
}

#[derive(Debug)]
struct GatedFile {
    inner: storage::Arc<dyn File>,
    name: String,
    gates: Arc<Gates>,
}

impl File for GatedFile {
    fn metadata(&self) -> io::Result<Meta> {
        self.inner.metadata()
    }

    fn access(&self) -> io::Result<Access> {
        self.inner.access()
    }

    fn take_access(&self, access: &Access) -> io::Result<()> {
        self.inner.take_access(access)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.gates.lock().entry(self.name.clone()).or_default().writes += 1;
        self.inner.write_at(offset, bytes)
    }

    fn set_size(&self, size_bytes: u64) -> io::Result<()> {
        self.inner.set_size(size_bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.gates.pass(&self.name);
        self.inner.sync()
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<u64>> {
        self.inner.next_data(offset)
    }

    fn next_hole(&self, offset: u64) -> io::Result<u64> {
        self.inner.next_hole(offset)
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.inner.try_lock()
    }

    fn remove_unused(&self) -> io::Result<()> {
        self.inner.remove_unused()
    }

    fn standing(&self, name: &str) -> io::Result<Standing> {
        self.inner.standing(name)
    }

    fn set_ready(&self) -> io::Result<()> {
        self.inner.set_ready()
    }

    fn lock_seen(&self) -> io::Result<Lock> {
        self.inner.lock_seen()
    }

    fn obstacle(&self, guess: Option<u32>) -> io::Result<Option<Obstacle>> {
        self.inner.obstacle(guess)
    }

    fn tail(&self) -> io::Result<Box<dyn Tail>> {
        self.inner.tail()
    }

    fn view(&self) -> io::Result<Box<dyn View>> {
        self.inner.view()
    }

    fn commit_word(&self, writable: bool) -> io::Result<Box<dyn CommitWord>> {
        self.inner.commit_word(writable)
    }

    fn shared_page(&self) -> io::Result<Option<SharedPage>> {
        self.inner.shared_page()
    }
}
