//! What opening for writing does with the files, decided before anything is changed.

use crate::error::ErrorKind;
use crate::files::index::Index;
use crate::files::journal::FoundJournal;
use crate::format::index::Checkpoint;
use crate::format::log;
use crate::recovery::scan::Point;
use crate::report::{Outcome, Report};

/// What is to be done with the files, all refusals excluded.
#[derive(Debug)]
pub enum Plan {
    /// There is no record: make the files.
    Create,
    /// Closed cleanly, and everything agrees.
    Continue { index: Index, from: Checkpoint, slot: usize, point: Point },
    /// Left by a crash, or changed since it was closed.
    Recover(Recovery),
    /// No usable index file: index the records, which end at `point`.
    Adopt { point: Point, header_count: u64, damaged_index: bool, journal: Option<BesideRecords> },
}

/// How a log with an index file is mended.
///
/// Invariants:
/// 1. `from.count <= point.count` and `from.end <= point.end`.
/// 2. Each record from `from` to `point` verifies by entry and bytes, or is in a frame of `journal`, or lies in
///    `unindexed`.
/// 3. `unindexed` ends at `from` or at `point`.
/// 4. If `salvage` is set, bytes that are not zero follow `point`.
/// 5. If `is_cut_short` is set, `finding` is `Corrupt`.
#[derive(Debug)]
pub struct Recovery {
    pub index: Index,
    pub from: Checkpoint,
    pub slot: usize,
    /// Where the records end.
    pub point: Point,
    pub header_count: u64,
    /// The journal to lay over the files before that.
    pub journal: Option<FoundJournal>,
    /// Records that exist and have no entries.
    pub unindexed: Option<Unindexed>,
    /// Whether the bytes after the records may be of use, so that a copy of them must be kept.
    pub salvage: bool,
    /// Whether records after `point` are missing that may have been acknowledged.
    pub is_cut_short: bool,
    /// What was found wrong and can be mended.
    pub finding: Option<ErrorKind>,
}

/// Records known by their sizes only.
#[derive(Clone, Copy, Debug)]
pub struct Unindexed {
    pub from: Point,
    pub to: Point,
}

/// How a journal relates to records that have no index file.
#[derive(Debug)]
pub enum BesideRecords {
    /// The frames of the journal continue where these records end.
    Continues(FoundJournal),
    /// They do not: the journal is from another time.
    Stale,
}

impl Plan {
    /// Whether the plan cuts off records that may have been acknowledged.
    pub fn is_cut_short(&self) -> bool {
        matches!(self, Plan::Recover(Recovery { is_cut_short: true, .. }))
    }

    /// The end of the records that the plan leaves.
    pub fn end(&self) -> u64 {
        match self {
            Plan::Create => log::HEADER_SIZE_BYTES,
            Plan::Continue { point, .. } | Plan::Adopt { point, .. } | Plan::Recover(Recovery { point, .. }) => {
                point.end
            }
        }
    }

    /// The report of an opening by this plan, as far as it is known in advance.
    pub fn report(&self) -> Report {
        match self {
            Plan::Create => Report::default(),
            Plan::Continue { point: Point { count, .. }, .. } => {
                Report { outcome: Outcome::Clean, count: *count, header_count: *count, ..Report::default() }
            }
            Plan::Recover(recovery) => recovery.report(),
            Plan::Adopt { point: Point { count, .. }, header_count, .. } => Report {
                outcome: Outcome::Adopted,
                count: *count,
                header_count: *header_count,
                adopted: *count,
                ..Report::default()
            },
        }
    }
}

impl Recovery {
    fn report(&self) -> Report {
        let Recovery { from, point, header_count, unindexed, is_cut_short, finding, .. } = self;
        let (indexed, adopted) = match unindexed {
            Some(Unindexed { from, to }) => (to.count, to.count - from.count),
            None => (from.count, 0),
        };
        Report {
            outcome: Outcome::Recovered,
            finding: *finding,
            count: point.count,
            header_count: *header_count,
            recovered: point.count - indexed,
            adopted,
            first_bad_number: if *is_cut_short { point.count } else { 0 },
            first_bad_offset: if *is_cut_short { point.end } else { 0 },
            ..Report::default()
        }
    }
}
