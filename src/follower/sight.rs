//! What a look finds: who decides what is visible, and how far that reaches.

use super::Following;
use super::files::Files;
use crate::error::{Error, ErrorKind, Result};
use crate::format::in_memory;
use crate::format::index::{Mode, State};
use crate::format::log::{self, SIZE_WORD_BYTES, record_end};
use crate::index::{Header, Run};
use crate::journal;
use crate::namespace::Namespace;
use crate::report::{Outcome, Report};
use crate::scan::{self, Bytes, Point};

/// How many damaged entries at the end are passed over in search of a good one.
const DAMAGED_ENTRIES_MAX: u64 = 1024;

/// Who decides what is visible, as of the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Authority {
    /// A writer that is ready, with this epoch: the commit word.
    Writer { epoch: u64 },
    /// A writer that is recovering: the checkpoint.
    Recovery,
    /// Nobody holds the lock: the files themselves, verified when they were like this.
    Files { header_count: u64, log_size_bytes: u64, checkpoint_seq: u64, index_size_bytes: u64 },
}

/// What a look found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    pub(super) authority: Authority,
    pub(super) point: Point,
    pub(super) outcome: Outcome,
    pub(super) finding: Option<ErrorKind>,
    pub(super) header_count: u64,
    pub(super) recovered: u64,
    /// What the live page said.
    pub(super) epoch: u64,
}

/// The end of the last of `count` records. Where its entry is damaged, that of the last record before it whose entry is not: what
/// lies beyond is refused as it is read.
pub(super) fn end_of(files: &Files, count: u64, namespace: &Namespace) -> Result<u64> {
    let file_size_bytes = files.log.metadata().map_err(|error| unreadable(namespace, &error))?.size_bytes;
    for number in (count.saturating_sub(DAMAGED_ENTRIES_MAX)..count).rev() {
        let mut word = [0; in_memory(SIZE_WORD_BYTES)];
        let Some(entry) = Run::default().entry(&files.index, number, count)?.copied() else { continue };
        files.log.read_at(entry.offset, &mut word).map_err(|error| unreadable(namespace, &error))?;
        if let Some(end) = record_end(entry.offset, u64::from_le_bytes(word)) {
            return Ok(end.min(file_size_bytes));
        }
    }
    Ok(log::HEADER_SIZE_BYTES)
}

pub(super) fn of_writer(files: &Files, epoch: u64, namespace: &Namespace) -> Result<Sight> {
    let count = files.word.load().map_err(|error| unreadable(namespace, &error))?;
    let point = Point { count, end: end_of(files, count, namespace)?, time_ns: 0 };
    let authority = Authority::Writer { epoch };
    Ok(Sight { authority, point, outcome: Outcome::Live, finding: None, header_count: count, recovered: 0, epoch: 0 })
}

pub(super) fn of_checkpoint(files: &Files, namespace: &Namespace) -> Result<Sight> {
    let header = Header::read(files.index.file.as_ref()).map_err(|error| unreadable(namespace, &error))?;
    let header_count = files.word.load().map_err(|error| unreadable(namespace, &error))?;
    let point =
        header.newest().map_or(Point::START, |(newest, _)| Point { count: newest.count, end: newest.end, time_ns: 0 });
    let authority = Authority::Recovery;
    Ok(Sight { authority, point, outcome: Outcome::Live, finding: None, header_count, recovered: 0, epoch: 0 })
}

pub(super) fn of_files(following: &Following, namespace: &Namespace) -> Result<Sight> {
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
    let storage = namespace.storage.as_ref();
    Ok(journal::find_of(storage, &namespace.name, &files.index.log_id, Some(newest.epoch))?.is_some())
}

fn unreadable(namespace: &Namespace, error: &std::io::Error) -> Error {
    Error::os(format_args!("reading {} or its side file", namespace.log_path().display()), error)
}
