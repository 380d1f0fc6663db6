//! The one writer of a namespace: `room` makes room in both files, `put` stages a commit there, `durable` makes the
//! commit durable through the journal, `checkpoint` covers what was published and closes cleanly. `fast_path` appends
//! one plain record. This module holds the order of these steps, and what happens when any of them fails.
//!
//! Lock order: `sync` (one checkpoint, sync or close at a time), then `groups` (one commit at a time).

mod checkpoint;
mod codecs;
mod durable;
mod fast_path;
mod files;
pub mod flusher;
pub mod group;
pub mod payloads;
mod poison;
mod put;
mod room;

use crate::error::{Error, ErrorKind, Result};
use crate::files::index::{self, Index};
use crate::files::journal::{self, FrameRoom, Journal};
use crate::files::live::Live;
use crate::format::log::{self, SIZE_WORD_BYTES, record_end};
use crate::format::name::Stem;
use crate::format::number::Base;
use crate::limits::CHECKPOINT_BYTES_MAX;
use crate::namespace::Namespace;
use crate::recovery::Opened;
use crate::storage::{CommitWord, File, Tail};
use crate::util::sync::{Arc, Mutex, MutexGuard};
use crate::writer::group::{Groups, Queue};
use crate::writer::payloads::{Appended, Payloads};
use checkpoint::Checkpoints;
use codecs::Codecs;
use files::{Lost, WriterFiles};
use poison::Unfinished;
use room::RoomRequests;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The staging: the ends of both files, and what is staged there. Only the thread that holds the lock of `groups`
/// touches it.
///
/// Invariants:
/// 1. A commit moves `count`, `end` and `time_ns` only after its bytes, its entries and its frame are put.
/// 2. `covered_count <= published.0 <= count` and `published.1 <= end`, and none of them goes back.
/// 3. In fast mode `published` is `(count, end)` whenever the lock is free and the namespace is not poisoned.
/// 4. While `zeros_unsynced` is set, no append stages anything.
/// 5. `journal` is there exactly if `Writer::journal` is.
#[derive(Debug)]
struct Staging {
    log: Box<dyn Tail>,
    index: Box<dyn Tail>,
    word: Box<dyn CommitWord>,
    /// Staged so far.
    count: u64,
    end: u64,
    time_ns: i64,
    commits: u64,
    /// Count and end published so far; in fast mode the same as those staged.
    published: (u64, u64),
    /// The journal of a durable writer.
    journal: Option<Journal>,
    /// The count that a synced checkpoint covers.
    covered_count: u64,
    /// Whether staged records have to be synced where they are, since their frame does not hold them.
    in_place: bool,
    /// Whether entries of an append that failed may still be on disk: until their zeros are synced no entry takes their
    /// place.
    zeros_unsynced: bool,
    /// A buffer for the journal's next frames.
    spare: Vec<u8>,
    /// How many checkpoints have failed since the log was opened.
    failed_checkpoints: u64,
    /// Why the last of them failed.
    checkpoint_error: Option<Error>,
    /// The ends at which more room is asked for.
    requests: RoomRequests,
    closing: bool,
}

type StagingGuard<'a> = MutexGuard<'a, Queue<Option<Staging>>>;

/// The writer of one namespace.
///
/// Invariants:
/// 1. `poisoned` of the namespace is never cleared: an append or a checkpoint that takes its lock afterwards is
///    refused.
/// 2. What is visible changes only under the lock of `groups`, and never goes back.
/// 3. Only `close` takes the staging, after `closing` was set and everything staged was committed or had failed.
/// 4. Nothing before `covered_end` has to be flushed: both files were synced after it was published.
#[derive(Debug)]
pub struct Writer {
    namespace: Arc<Namespace>,
    log: Arc<dyn File>,
    index: Index,
    live: Option<Live>,
    /// The journal file of a durable writer.
    journal: Option<Arc<dyn File>>,
    /// The staging; `None` once closed. The ends of both files are dropped with it. The lock is released with the last
    /// use of the file.
    groups: Groups<Option<Staging>>,
    sync: Mutex<Checkpoints>,
    lock: Mutex<Option<Arc<dyn File>>>,
    files: WriterFiles,
    /// Why the namespace is poisoned, if it is because one of the files is not what it was.
    lost: OnceLock<Lost>,
    /// The end of the records that the last checkpoint covers.
    covered_end: AtomicU64,
    /// Whether a half of the journal waits for a checkpoint.
    half_waits: AtomicBool,
    /// How long a write and sync of the journal is assumed to take: as long as the last one took, but at most twice as
    /// long as was assumed before. So one slow sync changes little.
    group_sync_ns: AtomicU64,
    /// Whether an append asked for room. [`Writer::make_room_ahead`] clears this and makes the room.
    is_room_asked: AtomicBool,
    /// Bytes after which a flush is due without waiting for the interval.
    flush_bytes: u64,
    codecs: Codecs,
}

impl Writer {
    pub fn new(namespace: Arc<Namespace>, opened: Opened, flush_bytes: Option<u64>) -> Result<Writer> {
        let Opened { lock, log, index, live, point, checkpoint, slot, journal, report } = opened;
        let failed = |error| Error::os("mapping", &error).of(namespace.log_path());
        let word = log.commit_word(true).map_err(failed)?;
        let (log_tail, index_tail) = (log.tail().map_err(failed)?, index.file.tail().map_err(failed)?);
        let journal_file = journal.as_ref().map(|journal| Arc::clone(&journal.file));
        let staging = Staging {
            log: log_tail,
            index: index_tail,
            word,
            count: point.count,
            end: point.end,
            time_ns: point.time_ns,
            commits: 0,
            published: (point.count, point.end),
            journal,
            covered_count: point.count,
            in_place: false,
            zeros_unsynced: false,
            spare: Vec::new(),
            failed_checkpoints: 0,
            checkpoint_error: None,
            requests: RoomRequests::new(),
            closing: false,
        };
        namespace.visible.publish(point.count, point.end);
        namespace.counters.flushed_count.store(point.count, Ordering::Release);
        namespace.counters.is_durable.store(journal_file.is_some(), Ordering::Relaxed);
        *namespace.report.lock() = report;
        let flush_bytes = flush_bytes.map_or(CHECKPOINT_BYTES_MAX, |bytes| bytes.min(CHECKPOINT_BYTES_MAX));
        let stem = Stem::of(&namespace.name, Base::FIRST);
        let named = [(log::file_name(&stem), &log), (index::file_name(&stem), &index.file)];
        let journal_named = journal_file.as_ref().map(|file| (journal::file_name(&namespace.name), file));
        let open = named.into_iter().chain(journal_named).map(|(name, file)| (name, Arc::clone(file)));
        let files = WriterFiles::new(&namespace.storage, open)?;
        let writer = Writer {
            log,
            index,
            live,
            journal: journal_file,
            groups: Groups::new(Some(staging)),
            sync: Mutex::new(Checkpoints::new(checkpoint, slot)),
            lock: Mutex::new(Some(lock)),
            files,
            lost: OnceLock::new(),
            covered_end: AtomicU64::new(point.end),
            half_waits: AtomicBool::new(false),
            group_sync_ns: AtomicU64::new(durable::FIRST_SYNC_NS),
            is_room_asked: AtomicBool::new(false),
            flush_bytes,
            codecs: Codecs::new(namespace.open_index()),
            namespace,
        };
        // Readers of other processes that waited for a writer look now.
        writer.namespace.events.notify_all();
        Ok(writer)
    }

    /// Commits `payloads`, all or nothing; `expected_number` refuses when another append was first.
    #[inline]
    pub fn append(&self, payloads: Payloads<'_>, expected_number: Option<u64>) -> Result<Appended> {
        let stored_size = payloads.check_sizes(self.namespace.max_record_size_bytes)?;
        let count = payloads.count();
        // Made before the lock is taken, so that a panic releases the lock first.
        let unfinished = Unfinished(self);
        if count > 0 {
            self.record_codecs()?;
        }
        let (guard, appended) = self.reserve(count, stored_size, expected_number)?;
        if count == 0 {
            return Ok(appended);
        }
        let committed = self.stage(guard, payloads, appended).and_then(|guard| self.commit(guard));
        drop(unfinished);
        committed.map(|()| appended).map_err(|error| self.failed(error, appended.number, appended.offset))
    }

    /// Adds the place of record `number` to the error of its append, and marks the files if the namespace is poisoned.
    /// The caller does not hold the lock.
    #[cold]
    fn failed(&self, error: Error, number: u64, offset: u64) -> Error {
        if self.namespace.poisoned.load(Ordering::Acquire) {
            self.mark_poisoned();
        }
        error.at(number, offset)
    }

    /// Takes the lock and finds where `count` records of `stored_size` payload bytes go, after the wait for room in the
    /// journal.
    #[inline]
    fn reserve(
        &self,
        count: u64,
        stored_size: u64,
        expected_number: Option<u64>,
    ) -> Result<(StagingGuard<'_>, Appended)> {
        let mut guard = self.groups.lock();
        let mut failed_before = None;
        loop {
            if self.open_staging(&mut guard)?.zeros_unsynced {
                guard = self.sync_zeros(guard)?;
            }
            let staging = self.open_staging(&mut guard)?;
            let (number, offset) = (staging.count, staging.end);
            if let Some(expected) = expected_number.filter(|expected| *expected != number) {
                return Err(conflict(expected, number).at(number, offset));
            }
            let appended = Appended { number, offset, stored_size, count };
            if count == 0 {
                return Ok((guard, appended));
            }
            match self.find_room_in_journal(staging, end_of(appended)?)? {
                FrameRoom::Here => return Ok((guard, appended)),
                FrameRoom::AfterPending => {}
                FrameRoom::AfterCheckpoint => {
                    // The reason for a refused checkpoint may last. So the append returns the first such error, and
                    // waits for no second checkpoint.
                    let before = *failed_before.get_or_insert(staging.failed_checkpoints);
                    if let Some(error) =
                        staging.checkpoint_error.as_ref().filter(|_| staging.failed_checkpoints > before)
                    {
                        return Err(error.clone().at(number, offset));
                    }
                }
            }
            guard = self.groups.wait_for_room(guard);
        }
    }

    /// Puts bytes, entries and frame where [`Writer::reserve`] found room for them.
    #[inline]
    fn stage<'a>(
        &'a self,
        mut guard: StagingGuard<'a>,
        payloads: Payloads<'_>,
        appended: Appended,
    ) -> Result<StagingGuard<'a>> {
        let staging = self.open_staging(&mut guard)?;
        let (end, count) = (end_of(appended)?, appended.count);
        match self.make_room(staging, end, count).and_then(|()| self.put(staging, payloads, end, count)) {
            Ok(()) => {
                self.ask_for_room(staging);
                Ok(guard)
            }
            // The error says that the append left no trace. So the zeros are synced before it: a loss of power must not
            // leave entries of this append, nor mix them with those of a later one.
            Err(error) if staging.zeros_unsynced => self.sync_zeros(guard).and(Err(error)),
            Err(error) => Err(error),
        }
    }

    /// Makes what is staged durable, if that is the mode, and shows it.
    #[inline]
    fn commit(&self, mut guard: StagingGuard<'_>) -> Result<()> {
        // What is staged is not refused any more, whatever became of the namespace meanwhile: an error would say that
        // the records are not there.
        let staging = guard.state.as_mut().expect("invariant: a writer is not closed while its lock is held");
        if staging.journal.is_some() {
            return self.groups.commit(guard, self);
        }
        self.publish(staging)?;
        drop(guard);
        self.namespace.published();
        Ok(())
    }

    /// The largest record that can be appended.
    pub fn max_record_size_bytes(&self) -> u64 {
        self.namespace.max_record_size_bytes
    }

    /// Whether there is something to flush, and whether so much that it should not wait.
    #[inline]
    pub fn flush_need(&self) -> FlushNeed {
        if self.namespace.poisoned.load(Ordering::Relaxed) {
            return FlushNeed::Nothing;
        }
        if self.journal.is_some() {
            let half_waits = self.half_waits.load(Ordering::Relaxed);
            return if half_waits { FlushNeed::Now } else { FlushNeed::Nothing };
        }
        let uncovered = self.namespace.visible.get().1.saturating_sub(self.covered_end.load(Ordering::Relaxed));
        match uncovered {
            0 => FlushNeed::Nothing,
            bytes if bytes >= self.flush_bytes => FlushNeed::Now,
            _ => FlushNeed::InTime,
        }
    }

    /// The staging, unless the writer is closed or poisoned.
    #[inline]
    fn open_staging<'a>(&self, guard: &'a mut StagingGuard<'_>) -> Result<&'a mut Staging> {
        match guard.state.as_mut() {
            Some(staging) if !staging.closing && !self.namespace.poisoned.load(Ordering::Acquire) => Ok(staging),
            staging => Err(self.refusal(staging.is_none_or(|staging| staging.closing))),
        }
    }

    #[cold]
    fn refusal(&self, is_closed: bool) -> Error {
        if is_closed { self.namespace.closed_error() } else { self.poisoned_error() }
    }

    /// Shows everything staged to readers of this process and, through the commit word, to all others.
    #[inline]
    fn publish(&self, staging: &mut Staging) -> Result<()> {
        self.publish_to(staging, staging.count, staging.end, staging.commits)
    }

    #[inline]
    fn publish_to(&self, staging: &mut Staging, count: u64, end: u64, commits: u64) -> Result<()> {
        staging.word.store(count).map_err(|error| self.poison("publishing", &error))?;
        let counters = &self.namespace.counters;
        // The lock is held, so these need no atomic addition.
        let appends = counters.appends.load(Ordering::Relaxed) + (count - staging.published.0);
        counters.appends.store(appends, Ordering::Relaxed);
        counters.commits.store(commits, Ordering::Relaxed);
        staging.published = (count, end);
        self.namespace.visible.publish(count, end);
        Ok(())
    }
}

#[cold]
fn conflict(expected_number: u64, number: u64) -> Error {
    Error::new(ErrorKind::Conflict, "the next record has another number")
        .comparing(expected_number, number)
        .advising("read up to there and decide again")
}

/// Where the records of `appended` end.
#[inline]
fn end_of(appended: Appended) -> Result<u64> {
    let Appended { offset, stored_size, count, .. } = appended;
    let end = count
        .checked_mul(SIZE_WORD_BYTES)
        .and_then(|words| record_end(offset, stored_size.checked_add(words - SIZE_WORD_BYTES)?));
    end.ok_or_else(|| too_large("the record file would pass 2^47 bytes"))
}

/// When the flusher is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushNeed {
    Nothing,
    InTime,
    Now,
}

fn too_large(message: &str) -> Error {
    Error::new(ErrorKind::TooLarge, message)
}

#[cfg(test)]
mod tests;
