//! The one writer of a namespace: commits, checkpoints, the clean close, and what happens when any of it fails.
//!
//! Lock order: `sync` (one checkpoint or close at a time), then `tail` (one commit at a time).

use crate::error::{Error, ErrorKind, Result, no_memory};
use crate::format::crc32c;
use crate::format::index::{CHECKPOINT_OFFSETS, Checkpoint, ENTRY_BYTES, Entry, State, entry_offset};
use crate::format::log::{SIZE_WORD_BYTES, record_end, word};
use crate::index::Index;
use crate::namespace::Namespace;
use crate::options::CHECKPOINT_BYTES_MAX;
use crate::payloads::{Appended, Payloads};
use crate::publish::Live;
use crate::rebuild::now_ns;
use crate::recovery::Opened;
use crate::storage::{CommitWord, File, Tail};
use crate::sync::Mutex;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What only the thread that commits touches.
#[derive(Debug)]
struct Ends {
    log: Box<dyn Tail>,
    index: Box<dyn Tail>,
    word: Box<dyn CommitWord>,
    count: u64,
    end: u64,
    time_ns: i64,
}

/// The checkpoints, and who may make one.
#[derive(Debug)]
struct Checkpoints {
    /// The last one written, and where.
    last: Checkpoint,
    slot: usize,
    /// Whether a sync of the side file has succeeded since.
    synced: bool,
    closed: Option<std::result::Result<(), ErrorKind>>,
}

/// The writer of one namespace.
#[derive(Debug)]
pub struct Writer {
    namespace: Arc<Namespace>,
    log: Arc<dyn File>,
    index: Index,
    live: Live,
    /// `None` once closed; the tails go with it, and the lock with the last use of the file.
    tail: Mutex<Option<Ends>>,
    sync: Mutex<Checkpoints>,
    lock: Mutex<Option<Arc<dyn File>>>,
    /// Where the record file's last checkpoint ends.
    covered_end: AtomicU64,
    /// Bytes after which a flush is due without waiting for the interval.
    flush_bytes: u64,
}

impl Writer {
    pub fn new(namespace: Arc<Namespace>, opened: Opened, flush_bytes: u64) -> Result<Writer> {
        let Opened { lock, log, index, live, point, checkpoint, slot, report } = opened;
        let word = Arc::clone(&log)
            .commit_word(true)
            .map_err(|error| Error::os(format_args!("mapping {}", namespace.log_path().display()), &error))?;
        let ends = Ends {
            log: Arc::clone(&log).tail(),
            index: Arc::clone(&index.file).tail(),
            word,
            count: point.count,
            end: point.end,
            time_ns: point.time_ns,
        };
        namespace.visible.publish(point.count, point.end);
        namespace.counters.durable_count.store(point.count, Ordering::Relaxed);
        *namespace.report.lock() = report;
        let flush_bytes = if flush_bytes == 0 { CHECKPOINT_BYTES_MAX } else { flush_bytes.min(CHECKPOINT_BYTES_MAX) };
        let writer = Writer {
            log,
            index,
            live,
            tail: Mutex::new(Some(ends)),
            sync: Mutex::new(Checkpoints { last: checkpoint, slot, synced: true, closed: None }),
            lock: Mutex::new(Some(lock)),
            covered_end: AtomicU64::new(point.end),
            flush_bytes,
            namespace,
        };
        // Readers of other processes that waited for a writer look now.
        writer.namespace.events.notify_all();
        Ok(writer)
    }

    /// Commits `payloads`, all or nothing; `expected_number` refuses when another append was first.
    pub fn append(&self, payloads: Payloads<'_>, expected_number: Option<u64>) -> Result<Appended> {
        let stored_size = self.check_sizes(payloads)?;
        let count = payloads.count();
        let mut tail = self.tail.lock();
        let Some(ends) = tail.as_mut() else { return Err(self.namespace.closed_error()) };
        self.refuse_poisoned()?;
        let (number, offset) = (ends.count, ends.end);
        if let Some(expected) = expected_number.filter(|expected| *expected != number) {
            let message = format!("the next record is {number}, not {expected}; read up to there and decide again");
            return Err(Error::new(ErrorKind::Conflict, message).at(number, offset));
        }
        let appended = Appended { number, offset, stored_size, count };
        if count == 0 {
            return Ok(appended);
        }
        let end = count
            .checked_mul(SIZE_WORD_BYTES)
            .and_then(|words| record_end(offset, stored_size.checked_add(words - SIZE_WORD_BYTES)?));
        let end = end.ok_or_else(|| too_large("the record file would pass 2^47 bytes".into()))?;
        let unfinished = Unfinished(&self.namespace);
        self.make_room(ends, end, count)?;
        match self.commit(ends, payloads, end, count) {
            Ok(()) => {}
            Err(error) => {
                let poisons = self.namespace.poisoned.load(Ordering::Acquire);
                drop(tail);
                if poisons {
                    self.mark_poisoned();
                }
                return Err(error.at(number, offset));
            }
        }
        drop(unfinished);
        drop(tail);
        self.namespace.events.published();
        let counters = &self.namespace.counters;
        counters.appends.fetch_add(count, Ordering::Relaxed);
        counters.commits.fetch_add(1, Ordering::Relaxed);
        Ok(appended)
    }

    /// Whether there is something to flush, and whether so much that it should not wait.
    pub fn flush_need(&self) -> FlushNeed {
        let uncovered = self.namespace.visible.get().1.saturating_sub(self.covered_end.load(Ordering::Relaxed));
        match uncovered {
            0 => FlushNeed::Nothing,
            _ if self.namespace.poisoned.load(Ordering::Relaxed) => FlushNeed::Nothing,
            bytes if bytes >= self.flush_bytes => FlushNeed::Now,
            _ => FlushNeed::InTime,
        }
    }

    fn check_sizes(&self, payloads: Payloads<'_>) -> Result<u64> {
        let (largest, sum) = payloads.sizes().ok_or_else(|| too_large("the sizes overflow".into()))?;
        let limit = self.namespace.max_record_size_bytes;
        if largest > limit {
            return Err(too_large(format!(
                "a record of {largest} bytes; the largest allowed is {limit} (max_record_size)"
            )));
        }
        Ok(sum)
    }

    fn refuse_poisoned(&self) -> Result<()> {
        if self.namespace.poisoned.load(Ordering::Acquire) {
            let message = format!(
                "{}: an earlier write or sync failed, so nothing more is appended; close and open the log again",
                self.namespace.log_path().display()
            );
            return Err(Error::new(ErrorKind::Poisoned, message));
        }
        Ok(())
    }

    /// Room in both files before anything is written: a full disk changes nothing.
    fn make_room(&self, ends: &mut Ends, end: u64, count: u64) -> Result<()> {
        let failed = |what: &str, error: &io::Error| {
            Error::os(format_args!("making room in {what}{}", self.namespace.log_path().display()), error)
        };
        if end > ends.log.room_end() {
            ends.log.make_room(ends.end, end).map_err(|error| failed("", &error))?;
        }
        let to = ends.count.checked_add(count).and_then(entry_offset);
        let to = to.ok_or_else(|| too_large("the side file would pass 2^63 bytes".into()))?;
        if to > ends.index.room_end() {
            let from = entry_offset(ends.count).unwrap_or(u64::MAX);
            ends.index.make_room(from, to).map_err(|error| failed("the side file of ", &error))?;
        }
        Ok(())
    }

    /// Steps 3 to 6 of the protocol: bytes, entries, publish.
    fn commit(&self, ends: &mut Ends, payloads: Payloads<'_>, end: u64, count: u64) -> Result<()> {
        let time_ns = now_ns().max(ends.time_ns);
        let at = entry_offset(ends.count).unwrap_or(u64::MAX);
        match payloads {
            Payloads::One(parts) => {
                let crc = self.put_record(ends, parts, end)?;
                let entry = Entry { offset: ends.end, time_ns, crc, last_of_batch: true, adopted: false };
                let entry = entry.encode(&self.index.log_id, ends.count);
                let put = ends.index.put(at, &[&entry]);
                put.map_err(|error| self.failed_entries(at, entry.len(), &error))?;
            }
            Payloads::Each(records) => {
                let entries = self.put_records(ends, records, time_ns)?;
                let put = ends.index.put(at, &[&entries]);
                put.map_err(|error| self.failed_entries(at, entries.len(), &error))?;
            }
        }
        ends.word.store(ends.count + count).map_err(|error| self.poison("publishing", &error))?;
        (ends.count, ends.end, ends.time_ns) = (ends.count + count, end, time_ns);
        self.namespace.visible.publish(ends.count, ends.end);
        Ok(())
    }

    fn put_record(&self, ends: &mut Ends, parts: &[&[u8]], end: u64) -> Result<u32> {
        let size_word = word(end - ends.end - SIZE_WORD_BYTES);
        let crc = if let [only] = parts {
            let put = ends.log.put(ends.end, &[&size_word, only]);
            put.map_err(|error| self.failed_bytes(&error))?;
            crc32c(&[&size_word, only])
        } else {
            let mut all: Vec<&[u8]> = Vec::new();
            all.try_reserve_exact(parts.len() + 1)
                .map_err(|_| no_memory("a list of parts", parts.len() as u64 * 16))?;
            all.push(&size_word);
            all.extend_from_slice(parts);
            ends.log.put(ends.end, &all).map_err(|error| self.failed_bytes(&error))?;
            crc32c(&all)
        };
        Ok(crc)
    }

    /// Puts the records of a batch and returns their entries.
    fn put_records(&self, ends: &mut Ends, records: &[&[u8]], time_ns: i64) -> Result<Vec<u8>> {
        let refused = |_| no_memory("a batch", records.len() as u64 * 64);
        let (mut entries, mut words, mut all) = (Vec::new(), Vec::new(), Vec::new());
        entries.try_reserve_exact(records.len() * ENTRY_BYTES).map_err(refused)?;
        words.try_reserve_exact(records.len()).map_err(refused)?;
        all.try_reserve_exact(records.len() * 2).map_err(refused)?;
        words.extend(records.iter().map(|record| word(record.len() as u64)));
        let mut offset = ends.end;
        for (index, (record, size_word)) in records.iter().zip(&words).enumerate() {
            let crc = crc32c(&[size_word, record]);
            let entry = Entry { offset, time_ns, crc, last_of_batch: index + 1 == records.len(), adopted: false };
            entries.extend_from_slice(&entry.encode(&self.index.log_id, ends.count + index as u64));
            all.push(size_word.as_slice());
            all.push(record);
            offset += SIZE_WORD_BYTES + record.len() as u64;
        }
        ends.log.put(ends.end, &all).map_err(|error| self.failed_bytes(&error))?;
        Ok(entries)
    }

    /// Record bytes beyond the end mean nothing without an entry, so a known lack of room leaves no trace.
    fn failed_bytes(&self, error: &io::Error) -> Error {
        if is_lack_of_room(error) {
            return Error::os(format_args!("writing {}", self.namespace.log_path().display()), error);
        }
        self.poison("writing", error)
    }

    /// Entries beyond the count could be taken for records after a crash: they are zeroed, or the namespace is poisoned.
    fn failed_entries(&self, at: u64, size: usize, error: &io::Error) -> Error {
        let zeros = [0; 4096];
        let zeroed = (0..size).step_by(zeros.len()).all(|done| {
            let left = zeros.len().min(size - done);
            self.index.file.write_at(at + done as u64, &zeros[..left]).is_ok()
        });
        if is_lack_of_room(error) && zeroed {
            return Error::os(format_args!("writing the side file of {}", self.namespace.log_path().display()), error);
        }
        self.poison("writing the side file of", error)
    }

    /// After a write or sync whose outcome is unknown nothing more is written, until the log is opened again.
    fn poison(&self, doing: &str, error: &io::Error) -> Error {
        self.namespace.poisoned.store(true, Ordering::Release);
        self.namespace.events.notify_all();
        let path = self.namespace.log_path();
        let mut made = Error::os(format_args!("{doing} {}", path.display()), error);
        made.message.push_str(
            "; the namespace is poisoned: an append in flight may or may not be there when the log is opened again, reads go on",
        );
        made
    }

    /// Leaves a note on disk, as well as that can be done, without endangering the last synced checkpoint.
    fn mark_poisoned(&self) {
        let mut checkpoints = self.sync.lock();
        // Once closed, the files may be another writer's.
        if checkpoints.closed.is_none() {
            self.mark_poisoned_in(&mut checkpoints);
        }
    }

    fn mark_poisoned_in(&self, checkpoints: &mut Checkpoints) {
        let mark = Checkpoint { seq: checkpoints.last.seq + 1, state: State::Poisoned, ..checkpoints.last };
        let slot = if checkpoints.synced { 1 - checkpoints.slot } else { checkpoints.slot };
        // A mark that cannot be written changes nothing: an open checkpoint is recovered the same way.
        let _ = self.index.file.write_at(CHECKPOINT_OFFSETS[slot], &mark.encode(&self.index.log_id));
    }

    /// Makes everything published so far durable.
    ///
    /// # Errors
    /// A failed sync poisons the namespace; it is not tried again.
    pub fn checkpoint(&self) -> Result<()> {
        let mut checkpoints = self.sync.lock();
        if checkpoints.closed.is_some() {
            return Err(self.namespace.closed_error());
        }
        let (count, end) = match self.tail.lock().as_ref() {
            Some(ends) => (ends.count, ends.end),
            None => return Err(self.namespace.closed_error()),
        };
        self.refuse_poisoned()?;
        if count == checkpoints.last.count {
            return Ok(());
        }
        self.cover(&mut checkpoints, count, end)
    }

    /// Syncs both files, then writes a checkpoint over the older one.
    fn cover(&self, checkpoints: &mut Checkpoints, count: u64, end: u64) -> Result<()> {
        let _unfinished = Unfinished(&self.namespace);
        let synced = self.log.sync().and_then(|()| self.index.file.sync());
        if let Err(error) = synced {
            let made = self.poison("syncing", &error);
            self.mark_poisoned_in(checkpoints);
            return Err(made);
        }
        let next = Checkpoint { seq: checkpoints.last.seq + 1, count, end, state: State::Open, ..checkpoints.last };
        let slot = 1 - checkpoints.slot;
        if let Err(error) = self.index.file.write_at(CHECKPOINT_OFFSETS[slot], &next.encode(&self.index.log_id)) {
            // The one before was synced just now, so it stands whatever became of this one.
            return Err(self.poison("writing a checkpoint of", &error));
        }
        (checkpoints.last, checkpoints.slot, checkpoints.synced) = (next, slot, false);
        self.covered_end.store(end, Ordering::Relaxed);
        self.namespace.counters.durable_count.store(count, Ordering::Relaxed);
        self.namespace.counters.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Ends appending and leaves the files as exactly the records; repeatable, with the first answer.
    pub fn close(&self) -> Result<()> {
        let mut checkpoints = self.sync.lock();
        if let Some(outcome) = checkpoints.closed {
            return outcome.map_err(|kind| {
                Error::new(kind, format!("closing {} failed before", self.namespace.log_path().display()))
            });
        }
        let ends = self.tail.lock().take();
        let outcome = match ends {
            Some(Ends { count, end, .. }) if !self.namespace.poisoned.load(Ordering::Acquire) => {
                self.close_cleanly(&mut checkpoints, count, end)
            }
            _ => self.refuse_poisoned(),
        };
        checkpoints.closed = Some(outcome.as_ref().copied().map_err(|error| error.kind));
        drop(checkpoints);
        // Readers of other processes go by the files from here on.
        let _ = self.live.set_ready_epoch(0);
        drop(self.lock.lock().take());
        self.namespace.events.notify_all();
        outcome
    }

    fn close_cleanly(&self, checkpoints: &mut Checkpoints, count: u64, end: u64) -> Result<()> {
        self.cover(checkpoints, count, end)?;
        self.settle(checkpoints, "syncing", || self.index.file.sync())?;
        checkpoints.synced = true;
        let index_end = entry_offset(count).unwrap_or(u64::MAX);
        self.settle(checkpoints, "cutting", || {
            self.log.set_size(end)?;
            self.index.file.set_size(index_end)?;
            self.log.sync()?;
            self.index.file.sync()
        })?;
        let clean = Checkpoint { seq: checkpoints.last.seq + 1, state: State::Clean, ..checkpoints.last };
        let slot = 1 - checkpoints.slot;
        self.settle(checkpoints, "writing the last checkpoint of", || {
            self.index.file.write_at(CHECKPOINT_OFFSETS[slot], &clean.encode(&self.index.log_id))?;
            self.index.file.sync()
        })
    }

    /// One step of closing: a failure poisons.
    fn settle(&self, checkpoints: &mut Checkpoints, doing: &str, step: impl FnOnce() -> io::Result<()>) -> Result<()> {
        step().map_err(|error| {
            let made = self.poison(doing, &error);
            self.mark_poisoned_in(checkpoints);
            made
        })
    }
}

/// Poisons the namespace when a panic unwinds through a commit or a checkpoint: nobody knows how far it came.
struct Unfinished<'a>(&'a Namespace);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poisoned.store(true, Ordering::Release);
            self.0.events.notify_all();
        }
    }
}

/// When the flusher is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushNeed {
    Nothing,
    InTime,
    Now,
}

fn too_large(message: String) -> Error {
    Error::new(ErrorKind::TooLarge, message)
}

fn is_lack_of_room(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG))
}
