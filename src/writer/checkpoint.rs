//! Covering what was published: checkpoints, the mark of a poisoned namespace, the clean close.

use super::{StagingGuard, Unfinished, Writer};
use crate::error::{Error, ErrorKind, Result};
use crate::files::journal;
use crate::format::PAGE_SIZE_BYTES;
use crate::format::index::{CHECKPOINT_OFFSETS, Checkpoint, State, entries_end};
use std::io;
use std::sync::atomic::Ordering;

/// The checkpoints, and who may make one.
///
/// Invariants:
/// 1. At any time one of the two pages is on disk for certain: the one in `slot` if `synced`, else the other one.
/// 2. A page is written over only while the other one is on disk for certain.
/// 3. Mode and epoch of `last` are those of this opening, and `last.count` never goes back.
/// 4. Once `closed` is set, no page is written: the files may be another writer's.
#[derive(Debug)]
pub struct Checkpoints {
    /// The last checkpoint that was written, and its slot.
    last: Checkpoint,
    slot: usize,
    /// Whether a sync of the index file has succeeded since then.
    synced: bool,
    pub(super) closed: Option<std::result::Result<(), ErrorKind>>,
}

impl Checkpoints {
    /// `last` is on disk, in `slot`.
    pub fn new(last: Checkpoint, slot: usize) -> Checkpoints {
        Checkpoints { last, slot, synced: true, closed: None }
    }
}

impl Writer {
    /// Wakes the threads that wait for the journal. Marks the namespace as poisoned on disk, as well as that can be
    /// done without endangering the last synced checkpoint.
    pub(super) fn mark_poisoned(&self) {
        self.groups.notify(self.groups.lock());
        let mut checkpoints = self.sync.lock();
        // Once closed, the files may be another writer's: invariant 4.
        if checkpoints.closed.is_none() {
            self.mark_poisoned_in(&mut checkpoints);
        }
    }

    fn mark_poisoned_in(&self, checkpoints: &mut Checkpoints) {
        if self.lost.get().is_some() {
            return;
        }
        let mark = Checkpoint { seq: checkpoints.last.seq + 1, state: State::Poisoned, ..checkpoints.last };
        let slot = if checkpoints.synced { 1 - checkpoints.slot } else { checkpoints.slot };
        // A mark that cannot be written changes nothing: an open checkpoint is recovered the same way.
        let _ = self.index.file.write_at(CHECKPOINT_OFFSETS[slot], &mark.encode(&self.index.log_id));
    }

    /// Makes everything published so far durable in its place.
    ///
    /// # Errors
    /// A failed sync poisons the namespace; it is not tried again. `E_NO_SPACE`: this process may not write the
    /// checkpoint now.
    pub fn checkpoint(&self) -> Result<()> {
        let mut checkpoints = self.sync.lock();
        if checkpoints.closed.is_some() {
            return Err(self.namespace.closed_error());
        }
        let published = self.groups.lock().state.as_ref().map(|staging| staging.published);
        let (count, end) = published.ok_or_else(|| self.namespace.closed_error())?;
        self.refuse_poisoned()?;
        let covered = match self.check_files() {
            Ok(()) if count != checkpoints.last.count => self.cover(&mut checkpoints, count, end),
            checked => checked,
        };
        drop(checkpoints);
        if let Err(error) = &covered {
            let mut guard = self.groups.lock();
            if let Some(staging) = guard.state.as_mut() {
                staging.failed_checkpoints += 1;
                staging.checkpoint_error = Some(error.clone());
            }
            self.groups.notify(guard);
        }
        covered
    }

    /// Syncs both files, then writes a checkpoint over the older one.
    fn cover(&self, checkpoints: &mut Checkpoints, count: u64, end: u64) -> Result<()> {
        let _unfinished = Unfinished(self);
        let synced = self.log.sync().and_then(|()| self.index.file.sync());
        if let Err(error) = synced {
            let made = self.poison("syncing", &error);
            self.mark_poisoned_in(checkpoints);
            return Err(made);
        }
        checkpoints.synced = true;
        // A file size limit below the checkpoints is only a refusal, because nothing of this checkpoint is written yet.
        // The records are safe all the same.
        let refused = |error| Error::os("writing a checkpoint", &error).of(self.namespace.log_path());
        self.index.file.may_reach(CHECKPOINT_OFFSETS[1] + PAGE_SIZE_BYTES as u64).map_err(refused)?;
        let next = Checkpoint { seq: checkpoints.last.seq + 1, count, end, state: State::Open, ..checkpoints.last };
        let slot = 1 - checkpoints.slot;
        if let Err(error) = self.index.file.write_at(CHECKPOINT_OFFSETS[slot], &next.encode(&self.index.log_id)) {
            // The checkpoint before this one was synced just now, so it stands whatever became of this one.
            return Err(self.poison("writing a checkpoint", &error));
        }
        (checkpoints.last, checkpoints.slot, checkpoints.synced) = (next, slot, false);
        if self.journal.is_some() {
            // Only what a synced checkpoint covers may be overwritten in the journal: invariant 3 of `Journal`.
            self.settle(checkpoints, "syncing a checkpoint", || self.index.file.sync())?;
            checkpoints.synced = true;
            self.covered(count);
        }
        self.namespace.counters.flushed_count.store(count, Ordering::Release);
        self.covered_end.store(end, Ordering::Relaxed);
        self.namespace.counters.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Syncs the index file, in which entries of an append that failed were zeroed, and takes the lock of `guard`
    /// again.
    pub(super) fn sync_zeros<'a>(&'a self, guard: StagingGuard<'a>) -> Result<StagingGuard<'a>> {
        drop(guard);
        let mut checkpoints = self.sync.lock();
        if checkpoints.closed.is_some() {
            return Ok(self.groups.lock());
        }
        self.refuse_poisoned()?;
        self.settle(&mut checkpoints, "syncing", || self.index.file.sync())?;
        checkpoints.synced = true;
        let mut guard = self.groups.lock();
        if let Some(staging) = guard.state.as_mut() {
            staging.zeros_unsynced = false;
        }
        Ok(guard)
    }

    /// Ends appending and leaves files that hold exactly the records; repeatable, with the first answer.
    pub fn close(&self) -> Result<()> {
        self.refuse_appends();
        let mut checkpoints = self.sync.lock();
        if let Some(outcome) = checkpoints.closed {
            return outcome.map_err(|kind| Error::new(kind, "closing it failed before").of(self.namespace.log_path()));
        }
        let published = self.groups.lock().state.take().map(|staging| staging.published);
        let outcome = match published {
            Some((count, end)) if !self.namespace.poisoned.load(Ordering::Acquire) => {
                self.close_cleanly(&mut checkpoints, count, end)
            }
            _ => self.refuse_poisoned(),
        };
        checkpoints.closed = Some(outcome.as_ref().copied().map_err(|error| error.kind));
        drop(checkpoints);
        // Readers of other processes use the files from here on.
        if let Some(live) = &self.live {
            let _ = live.set_ready_epoch(0);
        }
        drop(self.lock.lock().take());
        self.namespace.events.notify_all();
        outcome
    }

    /// Waits until commits in flight have ended, and lets no more begin.
    fn refuse_appends(&self) {
        let mut guard = self.groups.lock();
        if let Some(staging) = guard.state.as_mut() {
            staging.closing = true;
        }
        self.groups.notify(guard);
        drop(self.groups.settled(self.groups.lock()));
    }

    fn close_cleanly(&self, checkpoints: &mut Checkpoints, count: u64, end: u64) -> Result<()> {
        self.check_files()?;
        self.cover(checkpoints, count, end)?;
        if !checkpoints.synced {
            self.settle(checkpoints, "syncing", || self.index.file.sync())?;
            checkpoints.synced = true;
        }
        let index_end = entries_end(count);
        self.settle(checkpoints, "cutting", || {
            self.log.set_size(end)?;
            self.index.file.set_size(index_end)?;
            self.log.sync()?;
            self.index.file.sync()
        })?;
        let clean = Checkpoint { seq: checkpoints.last.seq + 1, state: State::Clean, ..checkpoints.last };
        let slot = 1 - checkpoints.slot;
        self.settle(checkpoints, "writing its last checkpoint", || {
            self.index.file.write_at(CHECKPOINT_OFFSETS[slot], &clean.encode(&self.index.log_id))?;
            self.index.file.sync()
        })?;
        if self.journal.is_some() {
            // A journal that stays is ignored beside a clean checkpoint, and removed by the next writer.
            let _ = journal::remove(self.namespace.storage.as_ref(), &self.namespace.name);
        }
        Ok(())
    }

    /// One step that needs the lock of `checkpoints`: a failure poisons.
    pub(super) fn settle(
        &self,
        checkpoints: &mut Checkpoints,
        doing: &str,
        step: impl FnOnce() -> io::Result<()>,
    ) -> Result<()> {
        step().map_err(|error| {
            let made = self.poison(doing, &error);
            self.mark_poisoned_in(checkpoints);
            made
        })
    }
}
