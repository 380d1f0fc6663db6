//! Which layout a record file without a side file has, found by walking its sizes; never a guess.
//!
//! Ours is walked from offset 8 with the first word as the count. Other versions of the Go original wrote a 16-byte header
//! (count, offset of the last record) or none at all.

use crate::error::{Error, ErrorKind, Result};
use crate::format::log::{HEADER_SIZE_BYTES, SIZE_WORD_BYTES};
use crate::scan::{Bytes, Point, only_zeros};
use std::path::Path;

/// Files this library extended end at a multiple of this, so a zero tail in any other file is not of its making.
const SECTOR_BYTES: u64 = 512;
const HEADER16_SIZE_BYTES: u64 = 16;

/// How a walk of sizes ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walk {
    /// All records counted, and this is where they end.
    Ends(Point),
    /// Record `number` at `offset` does not lie in the file.
    Leaves { number: u64, offset: u64 },
    /// From record `number` at `offset` on there are only zeros, more or fewer than the count asks for.
    Zeros { number: u64, offset: u64 },
}

/// Where the records of a file in our layout end, having only the file.
///
/// # Errors
/// `E_LAYOUT` for a file of another layout or of two, `E_AMBIGUOUS` when zeros may or may not be records, `E_CORRUPT` when no layout fits.
pub fn recognise(bytes: &mut Bytes<'_>, path: &Path) -> Result<Point> {
    let header_count = bytes.size_word(0)?.unwrap_or(0);
    let file_size = bytes.file_end;
    let ours = walk(bytes, Point::START, header_count)?;
    let mut others = Vec::new();
    if fits_header16(bytes, header_count)? {
        others.push("a 16-byte header (count, last offset)");
    }
    if fits_headerless(bytes)? {
        others.push("no header");
    }
    let fits = match ours {
        Walk::Ends(point) => only_zero_tail(bytes, point)?,
        _ => None,
    };
    match (fits, ours) {
        (Some(point), _) if others.is_empty() => Ok(point),
        (_, _) if !others.is_empty() => {
            let also = if fits.is_some() { ", and also to our own" } else { "" };
            let message = format!(
                "{} ({file_size} bytes) fits the layout with {}{also}, as other versions of the original wrote; it is left untouched: import it into a new namespace",
                path.display(),
                others.join(" and the one with "),
            );
            Err(Error::new(ErrorKind::Layout, message))
        }
        (_, Walk::Ends(Point { count, end, .. })) => Err(ambiguous(
            path,
            count,
            end,
            &format!("after the {count} records counted end at offset {end}, other bytes follow up to {file_size}"),
        )),
        (_, Walk::Zeros { number, offset }) => Err(ambiguous(
            path,
            number,
            offset,
            &format!(
                "from record {number} at offset {offset} on there are only zeros, which may or may not be empty records"
            ),
        )),
        (_, Walk::Leaves { number, offset }) => {
            let message = format!(
                "{}: record {number} at offset {offset} does not lie in the file of {file_size} bytes, the count is {header_count}; restore the file or its side file from a copy",
                path.display()
            );
            Err(Error::new(ErrorKind::Corrupt, message).at(number, offset))
        }
    }
}

fn ambiguous(path: &Path, number: u64, offset: u64, what: &str) -> Error {
    let message = format!(
        "{}: {what}; there is no side file to tell: restore it, or cut the file where the records end",
        path.display()
    );
    Error::new(ErrorKind::Ambiguous, message).at(number, offset)
}

/// Where record `count` begins, if sizes lead there from `from` on; for callers who know where that must be.
pub fn leads_to(bytes: &mut Bytes<'_>, from: Point, count: u64) -> Result<Option<Point>> {
    let mut at = from;
    while at.count < count {
        let empty = bytes.empty_records(at.end, count - at.count)?;
        let next = if empty > 0 {
            Some((at.count + empty, at.end + empty * SIZE_WORD_BYTES))
        } else {
            bytes.record_end(at.end)?.map(|end| (at.count + 1, end))
        };
        let Some((count, end)) = next else { return Ok(None) };
        at = Point { count, end, ..at };
    }
    Ok(Some(at))
}

/// Where the `count` records end that sizes lead over from `from` on, if that is where the file ends.
pub fn leads_to_end(bytes: &mut Bytes<'_>, from: Point, count: u64) -> Result<Option<Point>> {
    Ok(leads_to(bytes, from, count)?.filter(|point| point.end == bytes.file_end))
}

/// As [`leads_to_end`], or if the file ends in zeros, which cannot be records, of a log that was left open.
pub fn leads_to_end_or_zeros(bytes: &mut Bytes<'_>, from: Point, count: u64) -> Result<Option<Point>> {
    match walk(bytes, from, count)? {
        Walk::Ends(point) => only_zero_tail(bytes, point),
        _ => Ok(None),
    }
}

fn only_zero_tail(bytes: &mut Bytes<'_>, point: Point) -> Result<Option<Point>> {
    let is_end =
        point.end == bytes.file_end || bytes.file_end.is_multiple_of(SECTOR_BYTES) && only_zeros(bytes, point.end)?;
    Ok(is_end.then_some(point))
}

/// Walks the records of our layout from `from` to `count`.
fn walk(bytes: &mut Bytes<'_>, from: Point, count: u64) -> Result<Walk> {
    let mut at = from;
    while at.count < count {
        let left = count - at.count;
        let empty = bytes.empty_records(at.end, left)?;
        if empty > 0 {
            let end = at.end + empty * SIZE_WORD_BYTES;
            let ends_there = empty == left && end == bytes.file_end;
            if only_zeros(bytes, at.end)? && !ends_there {
                return Ok(Walk::Zeros { number: at.count, offset: at.end });
            }
            at = Point { count: at.count + empty, end, ..at };
        } else if let Some(end) = bytes.record_end(at.end)? {
            at = Point { count: at.count + 1, end, ..at };
        } else {
            return Ok(Walk::Leaves { number: at.count, offset: at.end });
        }
    }
    Ok(Walk::Ends(at))
}

fn fits_header16(bytes: &mut Bytes<'_>, count: u64) -> Result<bool> {
    let Some(last_offset) = bytes.size_word(HEADER_SIZE_BYTES)? else { return Ok(false) };
    let (mut at, mut last, mut number) = (HEADER16_SIZE_BYTES, 0, 0);
    while number < count {
        let empty = bytes.empty_records(at, count - number)?;
        if empty > 0 {
            last = at + (empty - 1) * SIZE_WORD_BYTES;
            (at, number) = (at + empty * SIZE_WORD_BYTES, number + empty);
        } else if let Some(end) = bytes.record_end(at)? {
            (last, at, number) = (at, end, number + 1);
        } else {
            return Ok(false);
        }
    }
    Ok(at == bytes.file_end && last == last_offset)
}

/// A file of zeros alone is not taken for headerless empty records.
fn fits_headerless(bytes: &mut Bytes<'_>) -> Result<bool> {
    let (mut at, mut has_payload) = (0, false);
    while at < bytes.file_end {
        let empty = bytes.empty_records(at, u64::MAX)?;
        if empty > 0 {
            at += empty * SIZE_WORD_BYTES;
        } else if let Some(end) = bytes.record_end(at)? {
            (at, has_payload) = (end, true);
        } else {
            return Ok(false);
        }
    }
    Ok(has_payload)
}
