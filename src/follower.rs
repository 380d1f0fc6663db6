//! What a read-only log may show, found out from the outside: lock, live page, commit word, or the tail verified by itself.

use crate::codec::Chain;
use crate::error::{Error, ErrorKind, Result};
use crate::format::in_memory;
use crate::format::index::{Mode, State};
use crate::format::log::{self, SIZE_WORD_BYTES, record_end};
use crate::index::{self, Header, Index, Run};
use crate::journal;
use crate::layout;
use crate::live::{self, Live, is_this_boot};
use crate::namespace::{ALL_VISIBLE, Namespace, OpenIndex, log_file_name};
use crate::publish::EventCount;
use crate::rebuild;
use crate::report::{Outcome, Report};
use crate::scan::{self, Bytes, Point};
use crate::storage::{CommitWord, File, FileId, OpenMode, Storage};
use crate::sync::{Mutex, RwLock};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many damaged entries at the end are passed over in search of a good one.
const DAMAGED_ENTRIES_MAX: u64 = 1024;
/// The most records indexed in memory, 24 bytes each.
const SCRATCH_RECORDS_MAX: u64 = 1 << 24;
/// Instead of the time of a look that failed.
const FAILED: u64 = u64::MAX;
/// How often a look starts again because a writer came or went meanwhile.
const LOOK_TRIES: usize = 8;

/// The files of one namespace as a reader has them open.
#[derive(Debug)]
struct Files {
    log: Arc<dyn File>,
    log_id: FileId,
    index: Index,
    /// `None` when there is no usable side file and the index is in memory.
    index_id: Option<FileId>,
    word: Box<dyn CommitWord>,
}

impl Files {
    fn open(storage: &dyn Storage, namespace: &str, named: &Chain) -> Result<Files> {
        let log_name = log_file_name(namespace);
        let log = open_file(storage, &log_name)?;
        let log_meta = log.metadata().map_err(|error| failed("looking at", storage, &log_name, &error))?;
        if log_meta.size_bytes < log::HEADER_SIZE_BYTES {
            let message = format!(
                "{} has {} bytes, a record file at least 8; opening it for writing creates it, or says what is missing",
                storage.path().join(&log_name).display(),
                log_meta.size_bytes
            );
            return Err(Error::new(ErrorKind::Truncated, message));
        }
        let (index, index_id) = match open_index(storage, namespace, named)? {
            Some((index, id)) => (index, Some(id)),
            None => (index_records(storage, &log_name, log.as_ref(), log_meta.size_bytes)?, None),
        };
        let word =
            Arc::clone(&log).commit_word(false).map_err(|error| failed("mapping", storage, &log_name, &error))?;
        Ok(Files { log, log_id: log_meta.id, index, index_id, word })
    }

    /// Whether these can be read on with in place of `before`.
    fn continue_from(&self, before: &Files) -> bool {
        let now_indexed = before.index_id.is_none() && self.log_id == before.log_id;
        now_indexed || self.index.log_id == before.index.log_id
    }
}

/// The side file; `None` when there is none, or one without an identity.
fn open_index(storage: &dyn Storage, namespace: &str, named: &Chain) -> Result<Option<(Index, FileId)>> {
    let name = index::file_name(namespace);
    let file = match open_file(storage, &name) {
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let id = file.metadata().map_err(|error| failed("looking at", storage, &name, &error))?.id;
    let header = Header::read(file.as_ref()).map_err(|error| failed("reading", storage, &name, &error))?;
    let identity = crate::recovery::usable_identity(&header, named, &storage.path().join(&name))?;
    Ok(identity.map(|identity| (Index { file, log_id: identity.log_id }, id)))
}

/// Indexes in memory the records of a file that nobody writes.
fn index_records(storage: &dyn Storage, name: &str, log: &dyn File, size_bytes: u64) -> Result<Index> {
    let path = storage.path().join(name);
    if log.is_locked().map_err(|error| failed("asking for the lock of", storage, name, &error))? {
        let message = format!("{} has no side file yet and a writer holds it; try again", path.display());
        return Err(Error::new(ErrorKind::NotFound, message));
    }
    let point = layout::recognise(&mut Bytes::new(log, size_bytes)?, &path)?;
    if point.count > SCRATCH_RECORDS_MAX {
        let message = format!(
            "{} has no side file and {} records, too many to index in memory; open it for writing once to index them on disk",
            path.display(),
            point.count
        );
        return Err(Error::new(ErrorKind::NoMemory, message));
    }
    rebuild::scratch_index(storage, log, point)
}

fn open_file(storage: &dyn Storage, name: &str) -> Result<Arc<dyn File>> {
    storage.open(name, OpenMode::Read).map_err(|error| failed("opening", storage, name, &error))
}

fn failed(doing: &str, storage: &dyn Storage, name: &str, error: &std::io::Error) -> Error {
    Error::os(format_args!("{doing} {}", storage.path().join(name).display()), error)
}

/// Who decides what is visible, as of the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Authority {
    /// A writer that is ready, with this epoch: the commit word.
    Writer { epoch: u64 },
    /// A writer that is recovering: the checkpoint.
    Recovery,
    /// Nobody holds the lock: the files themselves, verified when they were like this.
    Files { header_count: u64, log_size_bytes: u64, checkpoint_seq: u64, index_size_bytes: u64 },
}

#[derive(Debug)]
struct Following {
    files: Files,
    live: Option<Live>,
    authority: Authority,
    /// What the live page said at the last look.
    epoch_seen: u64,
}

/// Follows one namespace from outside its writer.
#[derive(Debug)]
pub struct Follower {
    following: RwLock<Following>,
    /// One thread at a time looks.
    looking: Mutex<()>,
    /// One thread at a time moves what is visible on; taken while holding nothing but `looking`.
    publishing: Mutex<()>,
    started: Instant,
    /// Milliseconds after `started` of the last look, or [`FAILED`].
    last_look_ms: AtomicU64,
    rollbacks: AtomicU64,
    rolled_back_to: AtomicU64,
}

/// What a look found.
#[derive(Clone, Copy, Debug)]
struct Sight {
    authority: Authority,
    point: Point,
    outcome: Outcome,
    finding: Option<ErrorKind>,
    header_count: u64,
    recovered: u64,
    /// What the live page said.
    epoch: u64,
}

impl Follower {
    /// Opens the files of `namespace` for following, and the index and words its streams use.
    pub fn open(storage: &dyn Storage, namespace: &str, named: &Chain) -> Result<(Follower, OpenIndex, EventCount)> {
        let files = Files::open(storage, namespace, named)?;
        let live = Live::attach_reader(storage, namespace);
        let index = OpenIndex::new(files.index.clone(), named, &storage.path().join(index::file_name(namespace)))?;
        let events = EventCount::new(live.as_ref().and_then(Live::page), false);
        let generation = live.as_ref().and_then(Live::snapshot).map_or(0, |snapshot| snapshot.generation);
        let follower = Follower {
            following: RwLock::new(Following { files, live, authority: Authority::Recovery, epoch_seen: 0 }),
            looking: Mutex::new(()),
            publishing: Mutex::new(()),
            started: Instant::now(),
            last_look_ms: AtomicU64::new(0),
            rollbacks: AtomicU64::new(generation),
            rolled_back_to: AtomicU64::new(u64::MAX),
        };
        Ok((follower, index, events))
    }

    /// Goes by the commit word while the writer of the last look is ready; otherwise nothing changes before the next look.
    pub fn refresh(&self, namespace: &Namespace) {
        let following = self.following.read();
        let Authority::Writer { epoch } = following.authority else { return };
        let Some(live) = &following.live else { return };
        if live.ready_epoch() != epoch {
            return;
        }
        let Ok(count) = following.files.word.load() else { return };
        if count <= namespace.visible.count() {
            return;
        }
        let rollbacks = self.rollbacks.load(Ordering::Acquire);
        let end = end_of(&following.files, count);
        drop(following);
        let _one = self.publishing.lock();
        let is_current = rollbacks == self.rollbacks.load(Ordering::Acquire);
        if is_current && count > namespace.visible.count() {
            namespace.visible.publish(count, end);
        }
    }

    /// How long the last look may be relied on; zero after one that failed.
    pub fn look_due_in(&self, namespace: &Namespace) -> Duration {
        let last_look_ms = self.last_look_ms.load(Ordering::Relaxed);
        if last_look_ms == FAILED {
            return Duration::ZERO;
        }
        let since = Duration::from_millis(self.now_ms().saturating_sub(last_look_ms));
        namespace.events.look_interval().saturating_sub(since)
    }

    /// Whether the last look is older than anyone may rely on, or the writer is another.
    pub fn is_look_due(&self, namespace: &Namespace) -> bool {
        if self.look_due_in(namespace).is_zero() {
            return true;
        }
        let following = self.following.read();
        let page_epoch = following.live.as_ref().filter(|live| live.page().is_some()).map(Live::ready_epoch);
        page_epoch.is_some_and(|epoch| epoch != following.epoch_seen)
    }

    pub fn rollback(&self) -> (u64, u64) {
        (self.rollbacks.load(Ordering::Acquire), self.rolled_back_to.load(Ordering::Acquire))
    }

    /// The mode of the newest checkpoint on disk, and how many records it makes certain to be there.
    pub fn durability(&self) -> (Mode, u64) {
        let following = self.following.read();
        // An index in memory has no checkpoint on disk.
        let index = following.files.index_id.map(|_| &following.files.index);
        let header = index.and_then(|index| Header::read(index.file.as_ref()).ok());
        let Some((newest, _)) = header.and_then(|header| header.newest()) else { return (Mode::Fast, 0) };
        let is_at_work = following.authority == Authority::Writer { epoch: newest.epoch };
        let all = newest.mode == Mode::Durable && is_at_work;
        (newest.mode, if all { ALL_VISIBLE } else { newest.count })
    }

    /// Finds out anew who decides, and what is visible; wakes the sleepers of this process when that changed.
    pub fn look(&self, namespace: &Namespace) -> Result<()> {
        self.try_look(namespace).inspect_err(|_| {
            // Whoever asks next looks again, and is told, too.
            self.last_look_ms.store(FAILED, Ordering::Relaxed);
        })
    }

    fn try_look(&self, namespace: &Namespace) -> Result<()> {
        let looking = self.looking.lock();
        self.last_look_ms.store(self.now_ms(), Ordering::Relaxed);
        let before = namespace.visible.count();
        self.follow_paths(namespace)?;
        let sight = self.see(namespace)?;
        let mut following = self.following.write();
        following.authority = sight.authority;
        following.epoch_seen = sight.epoch;
        drop(following);
        let Point { count, end, .. } = sight.point;
        let publishing = self.publishing.lock();
        let rolled_back = self.note_rollback();
        if count > namespace.visible.count() || rolled_back {
            namespace.visible.publish(count, end);
        }
        drop(publishing);
        drop(looking);
        self.fill_report(namespace, &sight);
        if rolled_back || namespace.visible.count() != before {
            namespace.events.notify_process();
        }
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Maps anew what lies under the paths now, if it is another file of the same log.
    fn follow_paths(&self, namespace: &Namespace) -> Result<()> {
        let storage = namespace.storage.as_ref();
        let id = |name: String| storage.metadata(&name).ok().flatten().map(|meta| meta.id);
        let log_id = id(log_file_name(&namespace.name));
        let index_id = id(index::file_name(&namespace.name));
        let live_id = id(live::file_name(&namespace.name));
        let following = self.following.read();
        let same_files = log_id == Some(following.files.log_id) && index_id == following.files.index_id;
        let same_live = live_id == following.live.as_ref().and_then(Live::id);
        drop(following);
        if !same_files {
            let files = match Files::open(storage, &namespace.name, namespace.named_codecs()) {
                Err(error) if error.kind == ErrorKind::Codec => return Err(error),
                opened => opened.ok(),
            };
            let files = files.filter(|files| files.continue_from(&self.following.read().files)).ok_or_else(|| {
                let message = format!(
                    "{} was replaced by another log, or removed; open it again",
                    namespace.log_path().display()
                );
                Error::new(ErrorKind::Replaced, message)
            })?;
            namespace.replace_index(files.index.clone())?;
            self.following.write().files = files;
        }
        if !same_live && let Some(live) = Live::attach_reader(storage, &namespace.name) {
            if let Some(page) = live.page() {
                namespace.events.move_to(page);
            }
            self.following.write().live = Some(live);
        }
        Ok(())
    }

    /// Whether a writer rolled back what readers may have seen, since the last look.
    fn note_rollback(&self) -> bool {
        let Some(now) = self.following.read().live.as_ref().and_then(Live::snapshot) else { return false };
        let before = self.rollbacks.load(Ordering::Acquire);
        if now.generation == before {
            return false;
        }
        let missed_some = now.generation != before.wrapping_add(1);
        let least = if missed_some { 0 } else { now.rolled_back_to };
        self.rolled_back_to.store(least, Ordering::Release);
        self.rollbacks.store(now.generation, Ordering::Release);
        true
    }

    fn see(&self, namespace: &Namespace) -> Result<Sight> {
        for _ in 0..LOOK_TRIES {
            let following = self.following.read();
            let log = following.files.log.as_ref();
            let is_locked = || {
                log.is_locked().map_err(|error| {
                    Error::os(format_args!("asking for the lock of {}", namespace.log_path().display()), &error)
                })
            };
            let ready_epoch = || match following.live.as_ref().and_then(Live::snapshot) {
                Some(page) if is_this_boot(&page.boot_id) => page.ready_epoch,
                _ => 0,
            };
            let (locked, epoch) = (is_locked()?, ready_epoch());
            let sight = match (locked, epoch) {
                (true, 0) => of_checkpoint(&following.files, namespace)?,
                (true, epoch) => of_writer(&following.files, epoch, namespace)?,
                (false, _) => of_files(&following, namespace)?,
            };
            if is_locked()? == locked && ready_epoch() == epoch {
                return Ok(Sight { epoch, ..sight });
            }
        }
        let message = format!(
            "writers of {} come and go faster than a reader can look; try again",
            namespace.log_path().display()
        );
        Err(Error::new(ErrorKind::Io, message))
    }

    fn fill_report(&self, namespace: &Namespace, sight: &Sight) {
        let mut report = namespace.report.lock();
        let seconds = if report.seconds == 0.0 { self.started.elapsed().as_secs_f64() } else { report.seconds };
        let first_bad = sight.finding.map_or((0, 0), |_| (sight.point.count, sight.point.end));
        *report = Report {
            outcome: sight.outcome,
            finding: sight.finding,
            count: sight.point.count,
            header_count: sight.header_count,
            recovered: sight.recovered,
            first_bad_number: first_bad.0,
            first_bad_offset: first_bad.1,
            seconds,
            ..Report::default()
        };
    }
}

/// The end of the last of `count` records. Where its entry is damaged, that of the last record before it whose entry is not: what
/// lies beyond is refused as it is read.
fn end_of(files: &Files, count: u64) -> u64 {
    let file_size_bytes = files.log.metadata().map_or(0, |meta| meta.size_bytes);
    for number in (count.saturating_sub(DAMAGED_ENTRIES_MAX)..count).rev() {
        let mut word = [0; in_memory(SIZE_WORD_BYTES)];
        let Some(entry) = Run::default().entry(&files.index, number, count).ok().flatten().copied() else { continue };
        if files.log.read_at(entry.offset, &mut word).is_ok()
            && let Some(end) = record_end(entry.offset, u64::from_le_bytes(word))
        {
            return end.min(file_size_bytes);
        }
    }
    log::HEADER_SIZE_BYTES
}

fn of_writer(files: &Files, epoch: u64, namespace: &Namespace) -> Result<Sight> {
    let count = files.word.load().map_err(|error| unreadable(namespace, &error))?;
    let point = Point { count, end: end_of(files, count), time_ns: 0 };
    let authority = Authority::Writer { epoch };
    Ok(Sight { authority, point, outcome: Outcome::Live, finding: None, header_count: count, recovered: 0, epoch: 0 })
}

fn of_checkpoint(files: &Files, namespace: &Namespace) -> Result<Sight> {
    let header = Header::read(files.index.file.as_ref()).map_err(|error| unreadable(namespace, &error))?;
    let header_count = files.word.load().map_err(|error| unreadable(namespace, &error))?;
    let point =
        header.newest().map_or(Point::START, |(newest, _)| Point { count: newest.count, end: newest.end, time_ns: 0 });
    let authority = Authority::Recovery;
    Ok(Sight { authority, point, outcome: Outcome::Live, finding: None, header_count, recovered: 0, epoch: 0 })
}

fn of_files(following: &Following, namespace: &Namespace) -> Result<Sight> {
    let files = &following.files;
    let header = Header::read(files.index.file.as_ref()).map_err(|error| unreadable(namespace, &error))?;
    let header_count = files.word.load().map_err(|error| unreadable(namespace, &error))?;
    let log_size_bytes = files.log.metadata().map_err(|error| unreadable(namespace, &error))?.size_bytes;
    let (newest, _) = header.newest().unzip();
    let authority = Authority::Files {
        header_count,
        log_size_bytes,
        checkpoint_seq: newest.map_or(0, |newest| newest.seq),
        index_size_bytes: header.file_size_bytes,
    };
    if authority == following.authority {
        let (count, end) = namespace.visible.get();
        let known = namespace.report.lock();
        let point = Point { count, end, time_ns: 0 };
        let Report { outcome, finding, recovered, .. } = *known;
        return Ok(Sight { authority, point, outcome, finding, header_count, recovered, epoch: 0 });
    }
    let from = newest.map_or(Point::START, |newest| Point { count: newest.count, end: newest.end, time_ns: 0 });
    // An index in memory was made for this very file, zeros past its end included.
    let clean = newest.is_some_and(|newest| {
        let size_fits = newest.end == log_size_bytes || files.index_id.is_none();
        newest.state == State::Clean && newest.count == header_count && size_fits
    });
    let mut bytes = Bytes::new(files.log.as_ref(), log_size_bytes)?;
    let sound = scan::check_ends(&mut bytes, &files.index, from)? == scan::Ends::Agree;
    if clean {
        let (outcome, finding) = match (sound, files.index_id) {
            (false, _) => (Outcome::Damaged, Some(ErrorKind::Corrupt)),
            (true, None) => (Outcome::Adopted, None),
            (true, Some(_)) => (Outcome::Clean, None),
        };
        return Ok(Sight { authority, point: from, outcome, finding, header_count, recovered: 0, epoch: 0 });
    }
    let reached = scan::forward(&mut bytes, &files.index, from, u64::MAX)?;
    let finding = if log_size_bytes < from.end {
        Some(ErrorKind::Truncated)
    } else if !sound
        || header_count < from.count
        || header_count > reached.count && !is_in_journal(files, &header, namespace)?
    {
        Some(ErrorKind::Corrupt)
    } else {
        None
    };
    let outcome = if finding.is_some() { Outcome::Damaged } else { Outcome::Recovered };
    Ok(Sight {
        authority,
        point: reached,
        outcome,
        finding,
        header_count,
        recovered: reached.count - from.count,
        epoch: 0,
    })
}

/// Whether the rest may be in the journal of the durable writer that left the log: the next writer will lay it over the files.
fn is_in_journal(files: &Files, header: &Header, namespace: &Namespace) -> Result<bool> {
    let Some((newest, _)) = header.newest().filter(|(newest, _)| newest.mode == Mode::Durable) else {
        return Ok(false);
    };
    let found = journal::find(namespace.storage.as_ref(), &namespace.name)?;
    match found.map(|found| found.of(&files.index.log_id, Some(newest.epoch))) {
        Some(found) => found.has_frames(),
        None => Ok(false),
    }
}

fn unreadable(namespace: &Namespace, error: &std::io::Error) -> Error {
    Error::os(format_args!("reading {} or its side file", namespace.log_path().display()), error)
}
