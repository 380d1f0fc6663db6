//! Checks every record of a namespace against its entry and its bytes, and changes nothing.

use crate::error::{Error, ErrorKind, Result};
use crate::files::index::{CodecsIn, Header, Run};
use crate::format::codecs::CHAIN_PAGE_OFFSET;
use crate::format::index::{Entry, entries_end};
use crate::format::log::{self, HEADER_SIZE_BYTES, SIZE_WORD_BYTES};
use crate::format::name::Stem;
use crate::format::number::Base;
use crate::namespace::Namespace;
use crate::namespace::follower::Follower;
use crate::options::{Options, check_name};
use crate::recovery::scan::Bytes;
use crate::report::{Outcome, Report};
use crate::storage::{OpenMode, Storage, open_directory};
use crate::util::progress::{Progress, Watch};
use crate::util::sync::Arc;
use std::path::Path;
use std::time::Instant;

/// Verifies namespace `name` in `directory`. Beside a writer, it verifies what was visible at the start.
///
/// `progress` gets the records done and the total; if it returns `false`, the check ends.
///
/// # Errors
/// Whatever prevents the check. Damage is no error: the report has the finding, the number of bad records and the first
/// of them.
pub fn verify(
    directory: impl AsRef<Path>,
    name: &str,
    options: &Options,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Report> {
    check_name(name)?;
    verify_on(&open_directory(directory.as_ref(), options.io, false)?, name, options, progress)
}

/// Verifies on a given engine, for tests.
#[doc(hidden)]
pub fn verify_on(
    storage: &Arc<dyn Storage>,
    name: &str,
    options: &Options,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Report> {
    let started = Instant::now();
    let progress = Progress::new(progress);
    let watch: Option<&dyn Watch> = Some(&progress);
    // The records are read through one buffer of its own, so no reader is needed.
    let options = Options { reader_count: 0, ..options.try_clone()? };
    let follower = match Follower::open(storage, 0, name, &options, watch) {
        Err(error) if error.kind.is_of_the_files() => return Ok(unreadable(&error, started)),
        opened => opened?,
    };
    follower.look(watch)?;
    let namespace = follower.namespace();
    let mut report = namespace.report.lock().try_clone()?;
    let (count, end) = namespace.visible.get();
    let log = storage
        .open(&log::file_name(&Stem::of(name, Base::FIRST)), OpenMode::Read)
        .map_err(|error| Error::os("opening", &error).of(namespace.log_path()))?;
    let mut bytes = Bytes::new(log.as_ref(), end)?.watched(watch);
    check_records(namespace, &mut bytes, count, &mut report, &progress)?;
    if report.bad_records > 0 {
        report.outcome = Outcome::Damaged;
        report.finding = report.finding.or(Some(ErrorKind::Corrupt));
    }
    report.duration = started.elapsed();
    Ok(report)
}

fn unreadable(error: &Error, started: Instant) -> Report {
    Report { duration: started.elapsed(), ..Report::damaged(error) }
}

/// Checks the records by their entries, which cut the file into stretches: each is read once at most, whatever entries
/// and sizes claim.
fn check_records(
    namespace: &Namespace,
    bytes: &mut Bytes<'_>,
    count: u64,
    report: &mut Report,
    progress: &dyn Watch,
) -> Result<()> {
    let watch = Some(progress);
    let index = namespace.open_index().index;
    let header = Header::read(index.file.as_ref());
    let header = header.map_err(|error| Error::os("reading its index file", &error).of(namespace.log_path()))?;
    let (entries, has_no_codecs) = (header.entries_in_file(), header.codecs_in() == CodecsIn::Nowhere);
    let end = count.min(entries);
    progress.tell(0, count)?;
    let mut bad =
        Bad { records: count - end, first: (end < count).then(|| (end, entries_end(end))), is_of_record: false };
    let mut run = Run::default();
    let mut at = run.next_valid(&index, 0..end, watch)?;
    // `read_to`: up to where records were read. `expected`: where the next record must begin, unknown after a record
    // whose end is not certain.
    let (mut read_to, mut expected, mut checked) = (HEADER_SIZE_BYTES, Some(HEADER_SIZE_BYTES), 0);
    while let Some((number, entry)) = at {
        progress.step(number, count)?;
        bad.add(checked, number - checked, expected.unwrap_or(0));
        let next = run.next_valid(&index, number + 1..end, watch)?;
        let room = Room::before(next, number, bytes.file_end);
        let body = entry.offset.saturating_add(SIZE_WORD_BYTES);
        let is_first = number > 0 || entry.offset == HEADER_SIZE_BYTES;
        let begins = is_first && entry.offset >= read_to && body <= room.end();
        let fits = if begins { bytes.record_end(entry.offset)?.filter(|end| room.takes(*end)) } else { None };
        let found = if fits.is_some() { bytes.record(entry.offset)? } else { None };
        let good = found.filter(|found| found.crc == entry.crc);
        // A record that a repair quarantined is bad, but its end is known. The same holds for a record whose codecs are
        // no longer known (R13).
        let is_lost = has_no_codecs && good.is_some() && !entry.adopted;
        if is_lost || entry.quarantined || good.is_none() {
            bad.add(number, 1, if is_lost { CHAIN_PAGE_OFFSET } else { entry.offset });
        }
        read_to = fits.unwrap_or(if begins { body } else { read_to });
        expected = good.map(|found| found.end);
        (at, checked) = (next, number + 1);
    }
    bad.add(checked, end - checked, expected.unwrap_or(0));
    report.bad_records += bad.records;
    if let Some(first) = bad.first {
        (report.first_bad_number, report.first_bad_offset) = first;
    }
    // The check is complete, whatever the callback returns now.
    let _ = progress.tell(count, count);
    Ok(())
}

/// How many records are bad, and the first of them.
struct Bad {
    records: u64,
    /// Its number, and where it is, or was expected.
    first: Option<(u64, u64)>,
    /// Whether `first` is a record that was checked. A record after all entries counts as the first only if there is no
    /// other.
    is_of_record: bool,
}

impl Bad {
    fn add(&mut self, number: u64, count: u64, offset: u64) {
        self.records += count;
        if count > 0 && !self.is_of_record {
            (self.first, self.is_of_record) = (Some((number, offset)), true);
        }
    }
}

/// Where a record may end.
#[derive(Clone, Copy)]
enum Room {
    /// Where the next begins, by its entry.
    Exactly(u64),
    /// Up to this offset, which leaves at least a size word for each of the records after it.
    UpTo(u64),
}

impl Room {
    /// The room of record `number`: `next` is the first record after it with a valid entry, or the file ends at
    /// `file_end`.
    fn before(next: Option<(u64, Entry)>, number: u64, file_end: u64) -> Room {
        let Some((next, entry)) = next else { return Room::UpTo(file_end) };
        match next - number - 1 {
            0 => Room::Exactly(entry.offset),
            between => Room::UpTo(entry.offset.saturating_sub(between * SIZE_WORD_BYTES)),
        }
    }

    fn end(self) -> u64 {
        let (Room::Exactly(end) | Room::UpTo(end)) = self;
        end
    }

    fn takes(self, end: u64) -> bool {
        match self {
            Room::Exactly(next) => end == next,
            Room::UpTo(last) => end <= last,
        }
    }
}
