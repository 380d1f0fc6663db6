//! Opening for writing: look, decide, and only then change anything.
//!
//! `examine` reads the files and answers with a `Plan` or with a refusal; nothing is written before it has answered. `Plan`s are
//! carried out in the order docs/durability.md argues for, so that a crash between any two steps leaves the same content to be found.

use crate::error::{Error, ErrorKind, Result};
use crate::format::index::{CHECKPOINT_OFFSETS, Checkpoint, Identity, IdentityError, Mode, State, entry_offset};
use crate::format::log;
use crate::index::{self, Header, Index, Run};
use crate::layout;
use crate::namespace::log_file_name;
use crate::publish::Live;
use crate::rebuild;
use crate::report::{Outcome, Report};
use crate::scan::{self, Bytes, Point};
use crate::storage::{File, OpenMode, Storage};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// How often the lock is tried again because the path came to name another file.
const LOCK_TRIES: usize = 8;
const COPY_CHUNK_BYTES: usize = 256 << 10;

/// A namespace ready to be written.
#[derive(Debug)]
pub struct Opened {
    /// Holds the writer's lock as long as it lives.
    pub lock: Arc<dyn File>,
    pub log: Arc<dyn File>,
    pub index: Index,
    pub live: Live,
    pub point: Point,
    /// The checkpoint on disk, synced, and the slot it is in.
    pub checkpoint: Checkpoint,
    pub slot: usize,
    pub report: Report,
}

/// What is to be done with the files, all refusals excluded.
#[derive(Debug)]
enum Plan {
    /// There is no record: make the files.
    Create,
    /// Closed cleanly, and everything agrees.
    Continue { index: Index, from: Checkpoint, slot: usize, point: Point },
    /// Left by a crash: `point` is where the records end.
    Recover { index: Index, from: Checkpoint, slot: usize, point: Point, header_count: u64 },
    /// No usable side file: index the records, which end at `point`.
    Adopt { point: Point, damaged_index: bool },
}

struct Site<'a> {
    storage: &'a dyn Storage,
    namespace: &'a str,
    log_path: PathBuf,
    index_path: PathBuf,
}

impl Site<'_> {
    fn failed<'e>(&self, doing: &'e str) -> impl Fn(std::io::Error) -> Error + 'e {
        let path = self.log_path.clone();
        move |error| Error::os(format_args!("{doing} {}", path.display()), &error)
    }
}

/// Opens `namespace` for writing, recovering it first if it was not closed cleanly.
pub fn open(storage: &dyn Storage, namespace: &str) -> Result<Opened> {
    let started = Instant::now();
    let site = Site {
        storage,
        namespace,
        log_path: storage.path().join(log_file_name(namespace)),
        index_path: storage.path().join(index::file_name(namespace)),
    };
    let lock = acquire_lock(&site)?;
    Live::clear_ready(storage, namespace);
    let log = storage.open(&log_file_name(namespace), OpenMode::Write).map_err(site.failed("opening"))?;
    let plan = examine(&site, log.as_ref())?;
    let live = Live::attach_writer(storage, namespace)?;
    let mut opened = carry_out(&site, plan, lock, log, live)?;
    opened.report.seconds = started.elapsed().as_secs_f64();
    let epoch = opened.checkpoint.epoch;
    opened
        .live
        .stamp(None)
        .and_then(|()| opened.live.set_ready_epoch(epoch))
        .map_err(site.failed("writing the live page of"))?;
    Ok(opened)
}

/// The identity in `header`; `None` when page 0 is none at all.
///
/// # Errors
/// `E_VERSION` for a newer format, `E_CODEC` for a codec chain.
pub fn usable_identity(header: &Header, path: &Path) -> Result<Option<Identity>> {
    match &header.identity {
        Err(IdentityError::Damaged) => Ok(None),
        Err(IdentityError::Newer { version, incompatible }) => {
            let message = format!(
                "{}: format version {version}, incompatible flags {incompatible:#x} at offset 8; this library reads version {} without flags: use a newer library",
                path.display(),
                crate::format::index::VERSION
            );
            Err(Error::new(ErrorKind::Version, message))
        }
        Ok(identity) => match identity.codecs.as_deref() {
            None | Some([]) => Ok(Some(identity.clone())),
            Some(ids) => {
                let message =
                    format!("{}: the log was written with the codec chain {ids:?}, opened with none", path.display());
                Err(Error::new(ErrorKind::Codec, message))
            }
        },
    }
}

/// Locks the record file, creating an empty one when there is nothing and no side file knows better.
fn acquire_lock(site: &Site<'_>) -> Result<Arc<dyn File>> {
    let name = log_file_name(site.namespace);
    for _ in 0..LOCK_TRIES {
        let known = site.storage.metadata(&name).map_err(site.failed("looking at"))?;
        let mode = match known {
            Some(meta) if !meta.is_regular => {
                let message = format!("{} is not a regular file; move it out of the way", site.log_path.display());
                return Err(Error::new(ErrorKind::NotRegular, message));
            }
            Some(_) => OpenMode::Write,
            None => {
                refuse_if_index_knows_records(site)?;
                OpenMode::CreateNew
            }
        };
        let file = match site.storage.open(&name, mode) {
            Err(error) if matches!(error.kind(), std::io::ErrorKind::AlreadyExists | std::io::ErrorKind::NotFound) => {
                continue;
            }
            opened => opened.map_err(site.failed("opening"))?,
        };
        if !file.try_lock().map_err(site.failed("locking"))? {
            break;
        }
        let now = site.storage.metadata(&name).map_err(site.failed("looking at"))?;
        let held = file.metadata().map_err(site.failed("looking at"))?;
        if now.is_some_and(|now| now.id == held.id) {
            return Ok(file);
        }
    }
    let pid = Live::writer_pid(site.storage, site.namespace);
    let hint = pid.map_or(String::new(), |pid| format!(" (process {pid}, by its own word)"));
    let message =
        format!("{} is locked by another writer{hint}; open read-only, or close that writer", site.log_path.display());
    Err(Error::new(ErrorKind::Locked, message))
}

/// A side file that knows records must not become the side file of an empty log.
fn refuse_if_index_knows_records(site: &Site<'_>) -> Result<()> {
    let Some((header, _)) = read_index(site)? else { return Ok(()) };
    let Some(identity) = usable_identity(&header, &site.index_path)? else { return Ok(()) };
    let counted = header.checkpoints.iter().flatten().map(|checkpoint| checkpoint.count).max().unwrap_or(0);
    let first = match open_index(site, &identity)? {
        Some(index) => Run::default().entry(&index, 0, 1)?,
        None => None,
    };
    if counted == 0 && first.is_none() {
        return Ok(());
    }
    let message = format!(
        "{} is missing, but {} knows {} records; restore the record file, or move the side file away to begin anew",
        site.log_path.display(),
        site.index_path.display(),
        counted.max(1)
    );
    Err(Error::new(ErrorKind::Missing, message))
}

/// The side file's header; `None` when there is no side file or an empty one.
fn read_index(site: &Site<'_>) -> Result<Option<(Header, Arc<dyn File>)>> {
    let failed = |error| Error::os(format_args!("reading {}", site.index_path.display()), &error);
    match site.storage.open(&index::file_name(site.namespace), OpenMode::Write) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
        Ok(file) => {
            let header = Header::read(file.as_ref()).map_err(failed)?;
            Ok((header.file_size_bytes > 0).then_some((header, file)))
        }
    }
}

fn open_index(site: &Site<'_>, identity: &Identity) -> Result<Option<Index>> {
    Ok(read_index(site)?.map(|(_, file)| Index { file, log_id: identity.log_id }))
}

/// Decides what to do; reads only.
fn examine(site: &Site<'_>, log: &dyn File) -> Result<Plan> {
    let file_size = log.metadata().map_err(site.failed("looking at"))?.size_bytes;
    let mut bytes = Bytes::new(log, file_size)?;
    let found = match read_index(site)? {
        Some((header, file)) => usable_identity(&header, &site.index_path)?.map(|identity| (header, file, identity)),
        None => None,
    };
    let Some((header, file, identity)) = found else {
        if file_size < log::HEADER_SIZE_BYTES {
            return Ok(Plan::Create);
        }
        let point = layout::recognise(&mut bytes, &site.log_path)?;
        let damaged_index =
            site.storage.metadata(&index::file_name(site.namespace)).map_err(site.failed("looking at"))?.is_some();
        return Ok(Plan::Adopt { point, damaged_index });
    };
    let index = Index { file, log_id: identity.log_id };
    let header_count = bytes.size_word(0)?;
    let (from, slot) = header.newest().unwrap_or((from_the_beginning(), 1));
    refuse_lost_records(site, &header, &from, header_count, file_size)?;
    let Some(header_count) = header_count else {
        if Run::default().entry(&index, 0, 1)?.is_none() {
            return Ok(Plan::Create);
        }
        let message = format!(
            "{} has {file_size} bytes, but its side file knows a record; restore it from a copy",
            site.log_path.display()
        );
        return Err(Error::new(ErrorKind::Truncated, message).at(0, file_size));
    };
    let start = Point { count: from.count, end: from.end, time_ns: last_time(&index, from.count)? };
    if from.state == State::Clean && header_count == from.count && file_size == from.end {
        refuse_wrong_ends(site, &mut bytes, &index, start)?;
        return Ok(Plan::Continue { index, from, slot, point: start });
    }
    if from.mode == Mode::Durable {
        let message =
            format!("{} was left by a durable writer; this version cannot replay its journal", site.log_path.display());
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let point = if from.state == State::Clean { start } else { scan::forward(&mut bytes, &index, start)? };
    if header_count > point.count {
        return Err(refuse_ahead(site, &from, header_count, &point));
    }
    Ok(Plan::Recover { index, from, slot, point, header_count })
}

/// What recovery starts from when neither checkpoint can be read: everything is verified.
fn from_the_beginning() -> Checkpoint {
    Checkpoint { seq: 0, count: 0, end: log::HEADER_SIZE_BYTES, state: State::Open, mode: Mode::Fast, epoch: 0 }
}

fn last_time(index: &Index, count: u64) -> Result<i64> {
    let Some(last) = count.checked_sub(1) else { return Ok(0) };
    Ok(Run::default().entry(index, last, count)?.map_or(0, |entry| entry.time_ns))
}

/// Refuses when something that was synced is not there.
fn refuse_lost_records(
    site: &Site<'_>,
    header: &Header,
    from: &Checkpoint,
    header_count: Option<u64>,
    file_size: u64,
) -> Result<()> {
    let Checkpoint { count, end, .. } = *from;
    if file_size < end && count > 0 {
        let message = format!(
            "{} has {file_size} bytes, but {count} records up to offset {end} were synced; restore it from a copy (opening read-only serves what is left)",
            site.log_path.display()
        );
        return Err(Error::new(ErrorKind::Truncated, message).at(count, file_size));
    }
    if let Some(header_count) = header_count.filter(|header_count| *header_count < count) {
        let message = format!(
            "{}: the count at offset 0 is {header_count}, but {count} records were synced; restore it from a copy (opening read-only serves what verifies)",
            site.log_path.display()
        );
        return Err(Error::new(ErrorKind::Corrupt, message).at(header_count, 0));
    }
    if header.entries_in_file() < count {
        let message = format!(
            "{} has room for {} entries, but {count} records were synced; restore it, or move it away to have the records indexed anew",
            site.index_path.display(),
            header.entries_in_file()
        );
        return Err(Error::new(ErrorKind::Truncated, message).at(header.entries_in_file(), header.file_size_bytes));
    }
    Ok(())
}

/// The refusal when the count is beyond what verifies: which of the reasons it is, is a later version's to mend.
fn refuse_ahead(site: &Site<'_>, from: &Checkpoint, header_count: u64, point: &Point) -> Error {
    let Point { count, end, .. } = *point;
    let path = site.log_path.display();
    if from.state == State::Clean {
        let message = format!(
            "{path}: the count at offset 0 is {header_count}, but it was closed with {count} records up to offset {end}: the side file is of another time or another log; restore the one that belongs to it"
        );
        return Error::new(ErrorKind::Mismatch, message).at(count, end);
    }
    let message = format!(
        "{path}: the count at offset 0 is {header_count}, but only {count} records up to offset {end} verify; nothing was changed (opening read-only serves those)"
    );
    Error::new(ErrorKind::Corrupt, message).at(count, end)
}

/// First and last record must match their entries, or the side file is not this log's.
fn refuse_wrong_ends(site: &Site<'_>, bytes: &mut Bytes<'_>, index: &Index, to: Point) -> Result<()> {
    let path = site.log_path.display();
    let refusal = match scan::check_ends(bytes, index, to)? {
        scan::Ends::Agree => return Ok(()),
        scan::Ends::Entry { number } => {
            let message = format!(
                "{}: the entry of record {number} is damaged; restore the side file, or move it away to have the records indexed anew",
                site.index_path.display()
            );
            Error::new(ErrorKind::Corrupt, message).at(number, entry_offset(number).unwrap_or(0))
        }
        scan::Ends::Record { number, offset, all: true } => {
            let message = format!(
                "{path}: neither the first nor the last record matches its entry; the side file is of another log: restore the one that belongs to it"
            );
            Error::new(ErrorKind::Mismatch, message).at(number, offset)
        }
        scan::Ends::Record { number, offset, all: false } => {
            let message = format!(
                "{path}: record {number} at offset {offset} does not match its checksum; restore it from a copy (opening read-only serves the others)"
            );
            Error::new(ErrorKind::Corrupt, message).at(number, offset)
        }
    };
    Err(refusal)
}

fn carry_out(site: &Site<'_>, plan: Plan, lock: Arc<dyn File>, log: Arc<dyn File>, live: Live) -> Result<Opened> {
    let size_before = log.metadata().map_err(site.failed("looking at"))?.size_bytes;
    let epoch = random_u64()?;
    let mut report = Report::default();
    let (index, point, checkpoint, slot) = match plan {
        Plan::Create => {
            log.set_size(log::HEADER_SIZE_BYTES)
                .and_then(|()| log.write_at(0, &log::word(0)))
                .map_err(site.failed("writing"))?;
            let (index, checkpoint, slot) =
                rebuild::create_index(site.storage, site.namespace, log.as_ref(), Point::START, epoch)?;
            (index, Point::START, checkpoint, slot)
        }
        Plan::Continue { index, from, slot, point } => {
            report.outcome = Outcome::Clean;
            report.header_count = point.count;
            let (checkpoint, slot) = write_checkpoint(site, &index, &from, slot, &point, epoch)?;
            (index, point, checkpoint, slot)
        }
        Plan::Recover { index, from, slot, point, header_count } => {
            report.outcome = Outcome::Recovered;
            report.header_count = header_count;
            report.recovered = point.count - from.count;
            rewrite(site, log.as_ref(), from.end, point.end)?;
            let entries = |count| entry_offset(count).unwrap_or(u64::MAX);
            rewrite(site, index.file.as_ref(), entries(from.count), entries(point.count))?;
            if from.seq > 0 {
                let page = from.encode(&index.log_id);
                index
                    .file
                    .write_at(CHECKPOINT_OFFSETS[slot], &page)
                    .map_err(site.failed("writing the side file of"))?;
            }
            sync_both(site, log.as_ref(), &index)?;
            log.write_at(log::COUNT_OFFSET, &log::word(point.count)).map_err(site.failed("writing"))?;
            log.sync().map_err(site.failed("syncing"))?;
            let (checkpoint, slot) = write_checkpoint(site, &index, &from, slot, &point, epoch)?;
            log.set_size(point.end).map_err(site.failed("cutting"))?;
            index.file.set_size(entries(point.count)).map_err(site.failed("cutting the side file of"))?;
            sync_both(site, log.as_ref(), &index)?;
            (index, point, checkpoint, slot)
        }
        Plan::Adopt { point, damaged_index } => {
            report.outcome = Outcome::Adopted;
            report.header_count = point.count;
            report.adopted = point.count;
            if damaged_index {
                rebuild::move_aside(site.storage, &index::file_name(site.namespace))?;
            }
            let (index, checkpoint, slot) =
                rebuild::create_index(site.storage, site.namespace, log.as_ref(), point, epoch)?;
            log.set_size(point.end).and_then(|()| log.sync()).map_err(site.failed("cutting"))?;
            (index, point, checkpoint, slot)
        }
    };
    report.count = point.count;
    report.trimmed_bytes = size_before.saturating_sub(point.end);
    Ok(Opened { lock, log, index, live, point, checkpoint, slot, report })
}

/// Writes the open checkpoint of a new epoch over the older slot, and syncs it.
fn write_checkpoint(
    site: &Site<'_>,
    index: &Index,
    from: &Checkpoint,
    slot: usize,
    point: &Point,
    epoch: u64,
) -> Result<(Checkpoint, usize)> {
    let checkpoint = Checkpoint {
        seq: from.seq + 1,
        count: point.count,
        end: point.end,
        state: State::Open,
        mode: Mode::Fast,
        epoch,
    };
    let slot = 1 - slot;
    index
        .file
        .write_at(CHECKPOINT_OFFSETS[slot], &checkpoint.encode(&index.log_id))
        .and_then(|()| index.file.sync())
        .map_err(site.failed("writing a checkpoint of"))?;
    Ok((checkpoint, slot))
}

/// Writes the bytes that are there once more: after a failed sync they may be only in the cache, and clean.
fn rewrite(site: &Site<'_>, file: &dyn File, from: u64, to: u64) -> Result<()> {
    let mut buffer = vec![0; COPY_CHUNK_BYTES];
    let mut at = from;
    while at < to {
        let most = usize::try_from(to - at).unwrap_or(usize::MAX).min(buffer.len());
        let read = file.read_at(at, &mut buffer[..most]).map_err(site.failed("reading"))?;
        if read == 0 {
            return Err(Error::new(
                ErrorKind::Io,
                format!("{} or its side file ends while it is recovered", site.log_path.display()),
            ));
        }
        file.write_at(at, &buffer[..read]).map_err(site.failed("rewriting"))?;
        at += read as u64;
    }
    Ok(())
}

fn sync_both(site: &Site<'_>, log: &dyn File, index: &Index) -> Result<()> {
    log.sync().map_err(site.failed("syncing"))?;
    index.file.sync().map_err(site.failed("syncing the side file of"))
}

/// A random number that is never 0, which stands for "none".
fn random_u64() -> Result<u64> {
    let bytes = rebuild::random_bytes::<8>()?;
    Ok(u64::from_le_bytes(bytes).max(1))
}
