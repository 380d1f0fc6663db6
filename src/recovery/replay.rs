//! Laying the journal over the files: which frames continue the records, and where the records end with them.

use super::refusals::READ_ONLY_SERVES;
use super::site::Site;
use crate::error::{Error, ErrorKind, Result};
use crate::files::index::Index;
use crate::files::journal::{BodyRecord, FoundJournal, FrameBody};
use crate::format::index::Entry;
use crate::format::journal::Frame;
use crate::recovery::rebuild::Entries;
use crate::recovery::scan::{self, Bytes, Point};
use crate::storage::File;
use std::path::Path;

/// Follows records from `from` on: those in the files up to the first frame, those in the frames, and those in the
/// files after the last frame. Returns where they end. Calls `lay` with every frame that brings records, and with their
/// bytes.
///
/// # Errors
/// `E_CORRUPT` when a frame beyond the checkpoint does not begin where the records end, or does not fit there:
/// acknowledged records are missing.
pub fn follow(
    bytes: &mut Bytes<'_>,
    index: &Index,
    from: Point,
    journal: &FoundJournal,
    log_path: &Path,
    mut lay: impl FnMut(&Frame, &FrameBody<'_>) -> Result<()>,
) -> Result<Point> {
    let mut reached = from;
    for half in &journal.halves {
        // The records before a half were acknowledged before the half was begun.
        let begins = Begin { number: half.header.first_number, offset: half.header.first_offset };
        reached = go_to(bytes, index, reached, begins, journal, log_path)?;
        let mut frames = journal.frames(half);
        while let Some((frame, body)) = frames.next()? {
            let begins = Begin { number: frame.first_number, offset: frame.offset };
            let end = frame.end_number().unwrap_or(u64::MAX);
            // Covered by the checkpoint. No writer makes a frame that goes back before the end of the frames before it.
            if end <= from.count {
                continue;
            }
            reached = go_to(bytes, index, reached, begins, journal, log_path)?;
            let is_whole = frame.in_place || body.records(frame.count, |_| Ok(()))?;
            let fits = reached.count == begins.number && is_whole;
            let next = if frame.in_place { scan::forward(bytes, index, reached, end)? } else { after(reached, &frame) };
            if !fits || next.count != end || Some(next.end) != frame.end() {
                return Err(missing(begins, reached, journal, log_path));
            }
            if !frame.in_place {
                lay(&frame, &body)?;
            }
            reached = next;
        }
    }
    scan::forward(bytes, index, reached, u64::MAX)
}

/// Calls `lay` with every frame that brings records, and with their bytes.
pub fn lay(journal: &FoundJournal, mut lay: impl FnMut(&Frame, &FrameBody<'_>) -> Result<()>) -> Result<()> {
    for half in &journal.halves {
        let mut frames = journal.frames(half);
        while let Some((frame, body)) = frames.next()? {
            if !frame.in_place {
                lay(&frame, &body)?;
            }
        }
    }
    Ok(())
}

/// Where a frame or a half begins.
#[derive(Clone, Copy)]
struct Begin {
    number: u64,
    offset: u64,
}

/// Follows the records in the files up to `begins`, unless `begins` lies before `reached`.
fn go_to(
    bytes: &mut Bytes<'_>,
    index: &Index,
    reached: Point,
    begins: Begin,
    journal: &FoundJournal,
    log_path: &Path,
) -> Result<Point> {
    if begins.number < reached.count {
        return Ok(reached);
    }
    let there = scan::forward(bytes, index, reached, begins.number)?;
    if (there.count, there.end) != (begins.number, begins.offset) {
        return Err(missing(begins, there, journal, log_path));
    }
    Ok(there)
}

fn after(reached: Point, frame: &Frame) -> Point {
    Point {
        count: reached.count + frame.count,
        end: reached.end + frame.length_bytes,
        time_ns: reached.time_ns.max(frame.time_ns),
    }
}

fn missing(begins: Begin, reached: Point, journal: &FoundJournal, log_path: &Path) -> Error {
    let what = if begins.number > reached.count { "acknowledged records are missing" } else { "it is damaged" };
    Error::new(ErrorKind::Corrupt, format_args!("{what} before the records of the journal {}", journal.name()))
        .comparing(
            format_args!("{} records up to offset {}", begins.number, begins.offset),
            format_args!("{} that verify, up to offset {}", reached.count, reached.end),
        )
        .advising("nothing was changed: restore a copy")
        .advising(READ_ONLY_SERVES)
        .repairable()
        .of(log_path)
        .at(reached.count, reached.end)
}

/// Writes the records of `frame`, which `body` holds, into the record file `log`, and their entries into the index
/// file, if there is one.
pub fn write(
    site: &Site<'_>,
    log: &dyn File,
    index: Option<&Index>,
    frame: &Frame,
    body: &FrameBody<'_>,
) -> Result<()> {
    let failed = site.failed("replaying its journal");
    body.pieces(|at, piece| log.write_at(frame.offset + at, piece).map_err(&failed).map(|()| true))?;
    let Some(index) = index else { return Ok(()) };
    let mut entries = Entries::new(index)?;
    body.records(frame.count, |BodyRecord { index, start, crc }| {
        let last_of_batch = index + 1 == frame.count;
        let entry = Entry::written(frame.offset + start, frame.time_ns, crc, last_of_batch);
        entries.add(frame.first_number + index, &entry).map_err(&failed)
    })?;
    entries.write().map_err(&failed)
}

/// Whether each byte of `body` equals the file's byte, from `offset` on, according to `is_same`. Where the file ends
/// before the body, the result is `beyond_end`.
pub fn agrees(
    bytes: &mut Bytes<'_>,
    offset: u64,
    body: &FrameBody<'_>,
    beyond_end: bool,
    is_same: impl Fn(u8, u8) -> bool,
) -> Result<bool> {
    body.pieces(|at, expected| {
        let mut done = 0;
        while done < expected.len() {
            let rest = &expected[done..];
            let there = bytes.some(offset + at + done as u64, rest.len() as u64)?;
            if there.is_empty() {
                return Ok(beyond_end);
            }
            if !there.iter().zip(rest).all(|(there, expected)| is_same(*there, *expected)) {
                return Ok(false);
            }
            done += there.len();
        }
        Ok(true)
    })
}
