//! The files of one namespace as a reader has them open, and the index it makes itself where there is none.

use crate::error::{Error, ErrorKind, Result};
use crate::files::index::{self, Header, Index, Run};
use crate::files::journal::FoundJournal;
use crate::format::log;
use crate::recovery::layout;
use crate::recovery::rebuild;
use crate::recovery::replay;
use crate::recovery::scan::{Bytes, Point};
use crate::recovery::{self, BesideRecords, Plan, Site};
use crate::storage::{CommitWord, File, FileId, OpenMode, Storage};
use crate::util::memory;
use crate::util::sync::Arc;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// The most records indexed in memory, 24 bytes each.
const SCRATCH_RECORDS_MAX: u64 = 1 << 24;

/// The files of one namespace as a reader has them open.
#[derive(Debug)]
pub(super) struct ReaderFiles {
    pub(super) log: Arc<dyn File>,
    pub(super) log_id: FileId,
    pub(super) index: Index,
    /// `None` when there is no usable index file and the index is in memory.
    pub(super) index_id: Option<FileId>,
    pub(super) word: Box<dyn CommitWord>,
    /// The size of the record file when it was asked for last.
    log_size_bytes: AtomicU64,
}

impl ReaderFiles {
    pub(super) fn open(site: &Site<'_>) -> Result<ReaderFiles> {
        let Site { storage, stem, .. } = *site;
        let log_name = log::file_name(&stem);
        let log = open_file(storage, &log_name)?;
        let log_meta = log.metadata().map_err(|error| failed("looking at", storage, &log_name, &error))?;
        if log_meta.size_bytes < log::HEADER_SIZE_BYTES {
            return Err(too_short(site, log_meta.size_bytes)?.of(&memory::path(storage.path(), &log_name)?));
        }
        let (index, index_id) = match open_index(site)? {
            Some((index, id)) => (index, Some(id)),
            None => (index_records(site, log.as_ref(), log_meta.size_bytes)?, None),
        };
        let word = log.commit_word(false).map_err(|error| failed("mapping", storage, &log_name, &error))?;
        let log_size_bytes = AtomicU64::new(log_meta.size_bytes);
        Ok(ReaderFiles { log, log_id: log_meta.id, index, index_id, word, log_size_bytes })
    }

    /// The size of the record file now.
    pub(super) fn log_size_bytes(&self) -> io::Result<u64> {
        let size_bytes = self.log.metadata()?.size_bytes;
        self.log_size_bytes.store(size_bytes, Ordering::Relaxed);
        Ok(size_bytes)
    }

    /// `end`, or the end of the record file if that comes first. Asks for the size only where the file was shorter the
    /// last time: a writer at work makes room far ahead, and each look asks again.
    pub(super) fn within_log(&self, end: u64) -> io::Result<u64> {
        if end <= self.log_size_bytes.load(Ordering::Relaxed) {
            return Ok(end);
        }
        Ok(end.min(self.log_size_bytes()?))
    }

    /// Whether a reader of `before` can go on with these files.
    pub(super) fn continue_from(&self, before: &ReaderFiles) -> bool {
        let now_indexed = before.index_id.is_none() && self.log_id == before.log_id;
        now_indexed || self.index.log_id == before.index.log_id
    }
}

/// The refusal of a record file of `size_bytes`, too few for a count. Such a file is half made, unless an index file
/// may know a record.
fn too_short(site: &Site<'_>, size_bytes: u64) -> Result<Error> {
    let (storage, name) = (site.storage, index::file_name(&site.stem));
    let index_file = storage.metadata(&name).map_err(|error| failed("looking at", storage, &name, &error))?;
    let knows_none = match open_index(site)? {
        None => index_file.is_none_or(|meta| meta.size_bytes == 0),
        Some((index, _)) => {
            let header =
                Header::read(index.file.as_ref()).map_err(|error| failed("reading", storage, &name, &error))?;
            header.newest().is_some_and(|(newest, _)| newest.count == 0)
                && Run::default().entry(&index, 0, 1)?.is_none()
        }
    };
    Ok(if knows_none {
        let cause =
            format_args!("it is no namespace yet, with {size_bytes} bytes: it is being made, or its maker was killed");
        Error::new(ErrorKind::NotFound, cause).advising("opening it for writing makes it whole")
    } else {
        let cause = format_args!("it has {size_bytes} bytes and no record to read, but its index file may know some");
        Error::new(ErrorKind::Truncated, cause).advising("restore it from a copy")
    })
}

/// The index file; `None` when there is none, or one without an identity.
fn open_index(site: &Site<'_>) -> Result<Option<(Index, FileId)>> {
    let Site { storage, stem, .. } = *site;
    let name = index::file_name(&stem);
    let file = match open_file(storage, &name) {
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let id = file.metadata().map_err(|error| failed("looking at", storage, &name, &error))?.id;
    let header = Header::read(file.as_ref()).map_err(|error| failed("reading", storage, &name, &error))?;
    let identity = recovery::usable_identity(&header, site)?;
    Ok(identity.map(|identity| (Index { file, log_id: identity.log_id }, id)))
}

/// Indexes in memory the records of a file that no writer holds: those a writer would find, without those that only the
/// journal holds.
fn index_records(site: &Site<'_>, log: &dyn File, size_bytes: u64) -> Result<Index> {
    if log.is_locked().map_err(site.failed("asking for its lock"))? {
        let message = "it has no index file yet and a writer holds it; try again";
        return Err(Error::new(ErrorKind::NotFound, message).of(&site.log_path));
    }
    let point = match recovery::examine(site, log, None)? {
        Plan::Adopt { point, journal: Some(BesideRecords::Continues(journal)), .. } => {
            in_file(&mut site.bytes(log, size_bytes)?, &journal, point)?
        }
        Plan::Adopt { point, .. } => point,
        // The file became too short to hold a record just now.
        _ => Point::START,
    };
    refuse_too_many(site, point.count)?;
    rebuild::scratch_index(site.storage, log, point, site.watch)
}

/// Indexes in memory the records that the index file does not know and a writer would index.
pub(super) fn complete(site: &Site<'_>, files: &ReaderFiles, from: Point, to: Point) -> Result<Index> {
    refuse_too_many(site, to.count)?;
    rebuild::scratch_completed(site.storage, files.log.as_ref(), &files.index, from, to, site.watch)
}

fn refuse_too_many(site: &Site<'_>, count: u64) -> Result<()> {
    if count <= SCRATCH_RECORDS_MAX {
        return Ok(());
    }
    let refusal =
        Error::new(ErrorKind::TooLarge, "no index file knows all records, and there are too many to index in memory")
            .comparing(format_args!("at most {SCRATCH_RECORDS_MAX} records"), count);
    Err(refusal.advising("open it for writing once to index them on disk").of(&site.log_path))
}

/// The last point up to which the record file alone has the records. Those up to `all` end with the frames of
/// `journal`, or after them.
fn in_file(bytes: &mut Bytes<'_>, journal: &FoundJournal, all: Point) -> Result<Point> {
    let first_number = journal.halves.first().map_or(0, |half| half.header.first_number);
    let Some(led) = layout::leads_to(bytes, Point::START, first_number)? else { return Ok(Point::START) };
    let mut reached = led.to;
    for half in &journal.halves {
        let mut frames = journal.frames(half);
        while let Some((frame, body)) = frames.next()? {
            let (Some(count), Some(end)) = (frame.end_number(), frame.end()) else { return Ok(reached) };
            if !replay::agrees(bytes, frame.offset, &body, false, |there, expected| there == expected)? {
                return Ok(reached);
            }
            reached = Point { count, end, time_ns: 0 };
        }
    }
    Ok(all)
}

fn open_file(storage: &dyn Storage, name: &str) -> Result<Arc<dyn File>> {
    storage.open(name, OpenMode::Read).map_err(|error| failed("opening", storage, name, &error))
}

fn failed(doing: &str, storage: &dyn Storage, name: &str, error: &std::io::Error) -> Error {
    Error::os(doing, error).of_file(storage.path(), name)
}
