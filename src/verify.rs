//! Checks every record of a namespace against its entry and its bytes, and changes nothing.

use crate::codec::Chain;
use crate::error::{Error, ErrorKind, Result};
use crate::follower::Follower;
use crate::format::codecs::CHAIN_PAGE_OFFSET;
use crate::format::index::entries_end;
use crate::format::log;
use crate::index::{CodecsIn, Header, Run};
use crate::namespace::{Namespace, Parts};
use crate::options::{Options, check_name};
use crate::progress::Progress;
use crate::report::{Outcome, Report};
use crate::scan::Bytes;
use crate::storage::{OpenMode, Storage, open_directory};
use crate::sync::Arc;
use std::path::Path;
use std::time::Instant;

/// Verifies namespace `name` in `directory`, also beside a writer: then what was visible at the start.
///
/// `progress` is told records done and in all; answering `false` ends the check.
///
/// # Errors
/// What keeps it from checking. Damage is no error: the report's finding, the number of bad records and the first of them tell.
pub fn verify(
    directory: &Path,
    name: &str,
    options: &Options,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Report> {
    check_name(name)?;
    verify_on(&open_directory(directory, options.io, false)?, name, options, progress)
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
    let (follower, index, events) = match Follower::open(storage.as_ref(), name, &Chain::new(&options.codecs)?) {
        Err(error) if error.kind.is_of_the_files() => return Ok(unreadable(&error, started)),
        opened => opened?,
    };
    // The records are read through one buffer of its own, so no reader is needed.
    let parts = Parts { index, events, follower: Some(follower), ringer: None, readers: Vec::new() };
    let namespace = Namespace::new(0, name, Arc::clone(storage), options, parts)?;
    namespace.look()?;
    let mut report = namespace.report.lock().clone();
    let (count, end) = namespace.visible.get();
    let log = storage
        .open(&log::file_name(name), OpenMode::Read)
        .map_err(|error| Error::os(format_args!("opening {}", namespace.log_path().display()), &error))?;
    let mut bytes = Bytes::new(log.as_ref(), end)?;
    check_records(&namespace, &mut bytes, count, &mut report, &mut Progress(progress))?;
    if report.bad_records > 0 {
        report.outcome = Outcome::Damaged;
        report.finding = report.finding.or(Some(ErrorKind::Corrupt));
    }
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

fn unreadable(error: &Error, started: Instant) -> Report {
    Report { seconds: started.elapsed().as_secs_f64(), ..Report::damaged(error) }
}

fn check_records(
    namespace: &Namespace,
    bytes: &mut Bytes<'_>,
    count: u64,
    report: &mut Report,
    progress: &mut Progress<'_>,
) -> Result<()> {
    let index = namespace.open_index().index;
    let (mut run, mut has_found) = (Run::default(), false);
    // Where the next record must begin; unknown after one whose end is not to be trusted.
    let mut expected = Some(crate::format::log::HEADER_SIZE_BYTES);
    let header = Header::read(index.file.as_ref());
    let header = header.map_err(|error| {
        Error::os(format_args!("reading the side file of {}", namespace.log_path().display()), &error)
    })?;
    let (entries, has_no_codecs) = (header.entries_in_file(), header.codecs_in() == CodecsIn::Nowhere);
    report.bad_records += count.saturating_sub(entries);
    if entries < count {
        (report.first_bad_number, report.first_bad_offset) = (entries, entries_end(entries));
    }
    for number in 0..count.min(entries) {
        progress.step(number, count)?;
        let entry = run.entry(&index, number, count)?;
        let found = match entry {
            Some(entry) if expected.is_none_or(|expected| expected == entry.offset) => bytes.record(entry.offset)?,
            _ => None,
        };
        let good = entry.zip(found).filter(|(entry, found)| entry.crc == found.crc);
        // One that a repair quarantined is bad, but where it ends is known; so is one whose codecs nobody knows any more.
        let is_lost = has_no_codecs && good.is_some_and(|(entry, _)| !entry.adopted);
        if is_lost || good.is_none_or(|(entry, _)| entry.quarantined) {
            if !has_found {
                has_found = true;
                report.first_bad_number = number;
                let offset = entry.map(|entry| entry.offset).or(expected).unwrap_or(0);
                report.first_bad_offset = if is_lost { CHAIN_PAGE_OFFSET } else { offset };
            }
            report.bad_records += 1;
        }
        expected = good.map(|(_, found)| found.end);
    }
    // It is done, whatever the callback says now.
    let _ = progress.tell(count, count);
    Ok(())
}
