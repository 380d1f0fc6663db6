//! What a look finds: who decides what is visible, and how far that reaches.

use super::FollowState;
use super::files::{ReaderFiles, complete};
use crate::error::{Error, ErrorKind, Result};
use crate::files::index::{Header, Index, Run};
use crate::format::index::Entry;
use crate::format::log::{self, record_end};
use crate::namespace::Namespace;
use crate::recovery::scan::{self, Point};
use crate::recovery::{self, Plan, Recovery, Site, Unindexed};
use crate::report::{Outcome, Report};
use crate::util::progress::Watch;
use crate::util::sync::Arc;

/// How many damaged entries at the end are passed over in search of a good one.
const DAMAGED_ENTRIES_MAX: u64 = 1024;

/// Who decides what is visible, as of the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Authority {
    /// A writer that is ready, as its lock says: the commit word decides. The epoch is that of the live page, 0 without
    /// one.
    Writer { epoch: u64 },
    /// A writer that recovers, or cannot say that it is ready: the records that verify, up to the commit word.
    Unready,
    /// No process holds the lock: the files themselves, verified when they had these values.
    Files { header_count: u64, log_size_bytes: u64, checkpoint_seq: u64, index_size_bytes: u64 },
}

impl Authority {
    /// Whether the writer that holds the lock may wake no thread here, as far as the live page says.
    pub(super) fn is_silent(self) -> bool {
        matches!(self, Authority::Unready | Authority::Writer { epoch: 0 })
    }
}

/// What a look found.
///
/// Invariants:
/// 1. `completed` is there only where no process holds the lock.
/// 2. `is_final` is not set where a journal, or the mending of a refused log, may bring records back.
#[derive(Debug)]
pub(super) struct Observation {
    pub(super) authority: Authority,
    pub(super) point: Point,
    /// The report of this look; its count is that of `point`.
    pub(super) report: Report,
    /// Whether nothing can bring back what is missing here.
    pub(super) is_final: bool,
    /// What the live page said, which is a hint.
    pub(super) epoch: u64,
    /// The index in memory to use in place of an index file that does not know all records.
    pub(super) completed: Option<Index>,
}

impl Observation {
    fn new(authority: Authority, point: Point, report: Report) -> Observation {
        Observation { authority, point, report, is_final: false, epoch: 0, completed: None }
    }
}

/// The end of the last of `count` records, and its entry. Where that entry is damaged, the end of the last record
/// before it that has a good one. A record beyond that end is refused when it is read.
pub(super) fn end_of(files: &ReaderFiles, count: u64, namespace: &Namespace) -> Result<(u64, Option<Entry>)> {
    let failed = |error| unreadable(namespace, &error);
    for number in (count.saturating_sub(DAMAGED_ENTRIES_MAX)..count).rev() {
        let mut word = log::Word::default();
        let Some(entry) = Run::default().entry(&files.index, number, number + 1)?.copied() else { continue };
        files.log.read_at(entry.offset, &mut word).map_err(failed)?;
        if let Some(end) = record_end(entry.offset, log::value_of(&word)) {
            return Ok((files.within_log(end).map_err(failed)?, (number + 1 == count).then_some(entry)));
        }
    }
    Ok((log::HEADER_SIZE_BYTES, None))
}

pub(super) fn of_writer(files: &ReaderFiles, epoch: u64, namespace: &Namespace) -> Result<Observation> {
    let count = files.word.load().map_err(|error| unreadable(namespace, &error))?;
    files.log_size_bytes().map_err(|error| unreadable(namespace, &error))?;
    let (end, _) = end_of(files, count, namespace)?;
    let point = Point { count, end, time_ns: 0 };
    // The page may still be that of a killed writer, because this writer could not write it. Then this writer wakes no
    // reader.
    let header = Header::read(files.index.file.as_ref()).map_err(|error| unreadable(namespace, &error))?;
    let is_of_this_writer = header.newest().is_none_or(|(newest, _)| newest.epoch == epoch);
    let authority = Authority::Writer { epoch: if is_of_this_writer { epoch } else { 0 } };
    Ok(Observation { is_final: true, epoch, ..Observation::new(authority, point, live(count, count)) })
}

/// Uses the records that verify, since a recovery keeps them; a writer at work keeps all records. Records that were
/// shown before are not verified again.
pub(super) fn of_unready(files: &ReaderFiles, namespace: &Namespace, watch: Option<&dyn Watch>) -> Result<Observation> {
    let header = Header::read(files.index.file.as_ref()).map_err(|error| unreadable(namespace, &error))?;
    let header_count = files.word.load().map_err(|error| unreadable(namespace, &error))?;
    let log_size_bytes = files.log_size_bytes().map_err(|error| unreadable(namespace, &error))?;
    let newest = header.newest();
    let covered = newest.map_or(Point::START, |(newest, _)| Point { count: newest.count, end: newest.end, time_ns: 0 });
    let (count, end) = namespace.visible.get();
    let was_shown = covered.count < count && count <= header_count;
    let from = if was_shown { Point { count, end, time_ns: 0 } } else { covered };
    let point = if from.count < header_count {
        let mut bytes = scan::Bytes::new(files.log.as_ref(), log_size_bytes)?.watched(watch);
        scan::forward(&mut bytes, &files.index, from, header_count)?
    } else {
        from
    };
    Ok(Observation::new(Authority::Unready, point, live(point.count, header_count)))
}

fn live(count: u64, header_count: u64) -> Report {
    Report { outcome: Outcome::Live, count, header_count, ..Report::default() }
}

/// Uses the files alone: what the next writer's recovery would find, without the records that only the journal holds.
pub(super) fn of_files(
    following: &FollowState,
    namespace: &Namespace,
    watch: Option<&dyn Watch>,
) -> Result<Observation> {
    let files = &following.files;
    let header = Header::read(files.index.file.as_ref()).map_err(|error| unreadable(namespace, &error))?;
    let header_count = files.word.load().map_err(|error| unreadable(namespace, &error))?;
    let log_size_bytes = files.log_size_bytes().map_err(|error| unreadable(namespace, &error))?;
    let (newest, _) = header.newest().unzip();
    let authority = Authority::Files {
        header_count,
        log_size_bytes,
        checkpoint_seq: newest.map_or(0, |newest| newest.seq),
        index_size_bytes: header.file_size_bytes,
    };
    if authority == following.authority {
        let (count, end) = namespace.visible.get();
        let point = Point { count, end, time_ns: 0 };
        return Ok(Observation::new(authority, point, namespace.report.lock().try_clone()?));
    }
    let site = Site::new(namespace.storage.as_ref(), &namespace.name, namespace.named_codecs())?.watched(watch);
    let index_file = files.index_id.map(|_| (header, Arc::clone(&files.index.file)));
    let plan = match recovery::examine(&site, files.log.as_ref(), index_file) {
        Err(error) if !is_finding(error.kind) => return Err(error),
        plan => plan,
    };
    let from = newest.map_or(Point::START, |newest| Point { count: newest.count, end: newest.end, time_ns: 0 });
    let unindexed = match &plan {
        // A reader cannot reach unindexed records that come after records which only the journal holds.
        Ok(Plan::Recover(Recovery { unindexed: Some(unindexed), journal, .. })) => {
            (journal.is_none() || unindexed.from.count <= from.count).then_some(*unindexed)
        }
        _ => None,
    };
    let (point, completed) = match (&plan, unindexed) {
        (Ok(Plan::Continue { point, .. }), _) => (*point, None),
        (_, Some(Unindexed { from, to })) => (to, Some(complete(&site, files, from, to)?)),
        (_, None) => {
            let mut bytes = site.bytes(files.log.as_ref(), log_size_bytes)?;
            (scan::forward(&mut bytes, &files.index, from, u64::MAX)?, None)
        }
    };
    // More records may come from the journal or, where the opening is refused, when the files are mended.
    let is_final = match &plan {
        Ok(Plan::Create | Plan::Continue { .. }) => true,
        Ok(Plan::Recover(Recovery { journal, .. })) => journal.is_none(),
        Ok(Plan::Adopt { journal, .. }) => journal.is_none(),
        Err(_) => false,
    };
    let report = plan.map_or_else(|error| Report::damaged(&error), |plan| plan.report());
    let report = Report {
        // The finding stays until the files are mended.
        outcome: if report.finding.is_some() { Outcome::Damaged } else { report.outcome },
        count: point.count,
        header_count,
        recovered: report.recovered.min(point.count),
        adopted: report.adopted.min(point.count),
        ..report
    };
    Ok(Observation { is_final, completed, ..Observation::new(authority, point, report) })
}

/// Whether a reader reports this refusal of a writer as a finding, and goes on with the records that verify.
fn is_finding(kind: ErrorKind) -> bool {
    // Only the journal can be the file that cannot be opened or is of a newer version, and a reader does without the
    // journal. An index file like that is refused when it is opened.
    kind.is_of_the_files() || matches!(kind, ErrorKind::Version | ErrorKind::Permission | ErrorKind::NotRegular)
}

fn unreadable(namespace: &Namespace, error: &std::io::Error) -> Error {
    Error::os("reading it or its index file", error).of(namespace.log_path())
}
