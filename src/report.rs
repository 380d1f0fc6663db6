//! What an open or a verification found, and the figures of an open namespace.

use crate::error::{Error, ErrorKind, Result};
use crate::format::index::Mode;
use crate::storage::Engine;
use crate::util::memory;
use std::path::PathBuf;
use std::time::Duration;

/// What a log was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(i32)]
#[non_exhaustive]
pub enum Outcome {
    /// A new, empty log.
    #[default]
    Created = 1,
    /// It had been closed cleanly.
    Clean = 2,
    /// Left by a crash: the tail was verified (and mended, unless read-only).
    Recovered = 3,
    /// Records without a valid index file were indexed.
    Adopted = 4,
    /// Read-only: a writer has it open.
    Live = 5,
    /// Read-only, or verify: the finding says what is wrong; what verifies is served.
    Damaged = 6,
    /// A repair: the damage that the finding names was mended.
    Repaired = 7,
}

/// What was found when a namespace was opened or verified.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// What the log was found to be.
    pub outcome: Outcome,
    /// What is wrong, if anything is. After an opening, `Corrupt` with an offset means that records from
    /// `first_bad_number` on were appended and are not in the log.
    pub finding: Option<ErrorKind>,
    /// Records in the log.
    pub count: u64,
    /// The count in the record file's first word, as it was found.
    pub header_count: u64,
    /// Records verified beyond the last checkpoint.
    pub recovered: u64,
    /// Records that had no valid entry and were indexed now.
    pub adopted: u64,
    /// Bytes cut from the record file's end.
    pub trimmed_bytes: u64,
    /// Records that do not verify (only a verification reads them all).
    pub bad_records: u64,
    /// The first of them, or the record at which the finding was made. Means something only if `first_bad_offset` is
    /// not 0.
    pub first_bad_number: u64,
    /// The offset of that record, in the file that an error with this finding would name; 0: the finding is about no
    /// record.
    pub first_bad_offset: u64,
    /// How long the opening or the verification took.
    pub duration: Duration,
    /// Where bytes beyond the end were kept; `None` when they were zeros or the rest of a commit that was never
    /// completed.
    pub salvage: Option<PathBuf>,
    /// Why a writer has no live page, if it has none.
    pub live: Option<ErrorKind>,
}

impl Report {
    /// A copy, unless memory for it is refused.
    pub(crate) fn try_clone(&self) -> Result<Report> {
        let salvage = self.salvage.as_ref().map(|path| memory::path(path, "")).transpose()?;
        Ok(Report { salvage, ..*self })
    }

    /// The report of files that, opened for writing, would be refused with `error`.
    pub fn damaged(error: &Error) -> Report {
        Report {
            outcome: Outcome::Damaged,
            finding: Some(error.kind),
            first_bad_number: error.number,
            first_bad_offset: error.offset,
            ..Report::default()
        }
    }
}

/// The figures of one namespace since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Records a reader can see.
    pub count: u64,
    /// Records known to be on disk, at most `count`.
    pub durable_count: u64,
    /// Bytes of the records, with count and size words.
    pub data_bytes: u64,
    /// Size of the record file.
    pub file_bytes: u64,
    /// Size of the index file.
    pub index_bytes: u64,
    /// Size of the journal; 0 where there is none, as in fast mode.
    pub journal_bytes: u64,
    /// Pooled reader descriptors.
    pub readers: u64,
    /// Pooled readers that are lent with a record or a batch now.
    pub readers_in_use: u64,
    /// Open streams.
    pub streams: u64,
    /// Calls waiting for a record now.
    pub waiters: u64,
    /// Records appended.
    pub appends: u64,
    /// Commits: single appends and batches.
    pub commits: u64,
    /// Flushes completed.
    pub syncs: u64,
    /// Records that streams returned.
    pub records_read: u64,
    /// Records that did not verify when they were read.
    pub checksum_failures: u64,
    /// The mode of the writer.
    pub mode: Mode,
    /// The engine of this log.
    pub engine: Engine,
    /// Whether a write or sync has failed, after which nothing is appended until the log is opened again.
    pub is_poisoned: bool,
    /// Whether this log is read-only.
    pub is_read_only: bool,
}
