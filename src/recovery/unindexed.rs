//! A record file without an index file: recovery has only the sizes to use, and a journal that continues where they
//! end.

use super::plan::{BesideRecords, Plan};
use super::refusals;
use super::replay;
use super::site::Site;
use crate::error::{Error, ErrorKind, Result};
use crate::files::index;
use crate::files::journal::{self, FoundJournal, FrameBody};
use crate::format::journal::Frame;
use crate::format::log;
use crate::recovery::layout::{self, Led};
use crate::recovery::scan::{Bytes, Point, only_zeros};

/// Decides what to do with the records; reads only.
pub fn examine(site: &Site<'_>, bytes: &mut Bytes<'_>) -> Result<Plan> {
    let damaged_index = site.storage.metadata(&index::file_name(&site.stem)).map_err(site.failed("looking at"))?;
    let damaged_index = damaged_index.is_some_and(|meta| meta.size_bytes > 0);
    let is_short = bytes.file_end < log::HEADER_SIZE_BYTES;
    let header_count = bytes.size_word(0)?.unwrap_or(0);
    let (point, journal) = match journal_with_frames(site)? {
        // O19; O17 where the record file is too short for a count.
        Some(journal) => match follow(site, bytes, header_count, &journal)? {
            Some(point) => (point, Some(BesideRecords::Continues(journal))),
            None if is_short => return Err(refusals::known_to_journal(&journal.path)),
            None => (site.recognise(bytes)?, Some(BesideRecords::Stale)),
        },
        // O17: the index file may know records, and cannot be read.
        None if is_short && damaged_index => return Err(refusals::unknown_records(site)),
        // O1: no file knows a record.
        None if is_short => return Ok(Plan::Create),
        // O18: only the sizes say where the records are.
        None => (site.recognise(bytes)?, None),
    };
    Ok(Plan::Adopt { point, header_count, damaged_index, journal })
}

/// The journal, if it has any frame. Those of another segment count, too: they are records, and must not be removed as
/// if they were none.
pub fn journal_with_frames(site: &Site<'_>) -> Result<Option<FoundJournal>> {
    let found = unless_directory(journal::find(site.storage, site.namespace, site.base))?;
    let Some(found) = found else { return Ok(None) };
    Ok(if found.has_frames()? || found.has_frames_of_others()? { Some(found) } else { None })
}

/// The journal in `found`. A directory that has the journal's name is no journal.
pub fn unless_directory(found: Result<Option<FoundJournal>>) -> Result<Option<FoundJournal>> {
    found.or_else(|error| if error.os_error == libc::EISDIR { Ok(None) } else { Err(error) })
}

/// Where the records end with the frames of `journal` laid over them; `None` when the sizes do not lead to where the
/// journal begins.
///
/// # Errors
/// `E_MISMATCH` when frames do not follow each other, or disagree with bytes in the file (O19); `E_AMBIGUOUS` when
/// other bytes follow (O20).
fn follow(site: &Site<'_>, bytes: &mut Bytes<'_>, header_count: u64, journal: &FoundJournal) -> Result<Option<Point>> {
    let Some(first) = journal.halves.first().map(|half| half.header) else { return Ok(None) };
    // The records before a half were synced, and the count with them.
    let begin = layout::leads_to(bytes, Point::START, first.first_number)?;
    let begins = |led: &Led| led.to.end == first.first_offset && led.to.count <= header_count;
    let Some(led) = begin.filter(begins) else { return Ok(None) };
    let mut reached = site.confirmed(led)?;
    for half in &journal.halves {
        let header = half.header;
        let is_same_writer = (header.log_id, header.epoch) == (first.log_id, first.epoch);
        if !is_same_writer || (header.first_number, header.first_offset) != (reached.count, reached.end) {
            return Err(disagrees(site, journal, &reached));
        }
        let mut frames = journal.frames(half);
        while let Some((frame, body)) = frames.next()? {
            reached = over(site, bytes, reached, &frame, &body)?.ok_or_else(|| disagrees(site, journal, &reached))?;
        }
    }
    if header_count > reached.count {
        let all = layout::leads_to_end_or_zeros(bytes, reached, header_count)?;
        return site.confirmed(all.ok_or_else(|| disagrees(site, journal, &reached))?).map(Some);
    }
    if !only_zeros(bytes, reached.end)? {
        let Point { count, end, .. } = reached;
        let cause = format_args!(
            "other bytes follow the {count} records that count and journal ({}) know, which end at offset {end}",
            journal.name()
        );
        let refusal = Error::new(ErrorKind::Ambiguous, cause).advising("restore the index file, which is missing");
        return Err(refusal.repairable().of(&site.log_path).at(count, end));
    }
    Ok(Some(reached))
}

/// Where the records of `frame` end, if the frame begins at `reached` and agrees with the bytes in the file.
fn over(
    site: &Site<'_>,
    bytes: &mut Bytes<'_>,
    reached: Point,
    frame: &Frame,
    body: &FrameBody<'_>,
) -> Result<Option<Point>> {
    if (frame.first_number, frame.offset) != (reached.count, reached.end) {
        return Ok(None);
    }
    let (Some(count), Some(end)) = (frame.end_number(), frame.end()) else { return Ok(None) };
    if frame.in_place {
        let led = layout::leads_to(bytes, reached, count)?.filter(|led| led.to.end == end);
        return led.map(|led| site.confirmed(led)).transpose();
    }
    let is_whole = body.records(frame.count, |_| Ok(()))?;
    // Where the file has zeros, or ends, the frame brings the bytes that belong there.
    let is_same = |there, expected| there == expected || there == 0;
    Ok((is_whole && replay::agrees(bytes, frame.offset, body, true, is_same)?).then_some(Point {
        count,
        end,
        time_ns: 0,
    }))
}

fn disagrees(site: &Site<'_>, journal: &FoundJournal, reached: &Point) -> Error {
    let Point { count, end, .. } = *reached;
    let cause = format_args!(
        "from record {count} at offset {end} on, the journal {} and the record file disagree, \
         and no index file shows which is right",
        journal.name()
    );
    let refusal = Error::new(ErrorKind::Mismatch, cause).advising("restore the index file");
    refusal.repairable().of(&site.log_path).at(count, end)
}
