//! Which layout a record file without a side file has, found by walking its sizes; never a guess.
//!
//! Ours is walked from offset 8 with the first word as the count. Other versions of the Go original wrote a 16-byte header
//! (count, offset of the last record) or none at all.

use crate::error::{Error, ErrorKind, Result};
use crate::format::log::{HEADER_SIZE_BYTES, SIZE_WORD_BYTES, record_end};
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

/// A layout that a file fits exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    pub layout: Layout,
    /// Where its records begin, and where they end.
    pub start: u64,
    pub end: u64,
    pub count: u64,
}

/// Layouts there are, in the words of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    Ours,
    Header16,
    Headerless,
}

impl Layout {
    fn describe(self) -> &'static str {
        match self {
            Layout::Ours => "an 8-byte header (count), which is our own",
            Layout::Header16 => "a 16-byte header (count, last offset)",
            Layout::Headerless => "no header",
        }
    }
}

/// What a file fits of the layouts of other versions.
fn others(bytes: &mut Bytes<'_>, header_count: u64) -> Result<Vec<Fit>> {
    let header16 = match walk_header16(bytes, header_count)? {
        Some((Walk::Ends(Point { count, end, .. }), true)) if end == bytes.file_end => {
            Some(Fit { layout: Layout::Header16, start: HEADER16_SIZE_BYTES, end, count })
        }
        _ => None,
    };
    Ok(header16.into_iter().chain(fits_headerless(bytes)?).collect())
}

/// Where `walk`, of a file in our layout, ends, if the file does, too: with zeros that a writer of this library may have made.
fn fits_ours(bytes: &mut Bytes<'_>, walk: Walk) -> Result<Option<Point>> {
    match walk {
        Walk::Ends(point) if point.end <= bytes.file_end => only_zero_tail(bytes, point),
        _ => Ok(None),
    }
}

fn name_all(fits: &[Fit]) -> String {
    fits.iter().map(|fit| fit.layout.describe()).collect::<Vec<_>>().join(" and the one with ")
}

/// The one layout that a file fits, our own included, for a file that is to be imported.
///
/// # Errors
/// `E_LAYOUT` when it fits none, or two; `E_TRUNCATED`, `E_AMBIGUOUS` or `E_CORRUPT` when it fits one up to some record.
pub fn only_fit(bytes: &mut Bytes<'_>, path: &Path) -> Result<Fit> {
    let header_count = bytes.size_word(0)?.unwrap_or(0);
    let ours = walk(bytes, Point::START, header_count)?;
    let own = fits_ours(bytes, ours)?.map(|Point { count, end, .. }| Fit {
        layout: Layout::Ours,
        start: HEADER_SIZE_BYTES,
        end,
        count,
    });
    let fits: Vec<Fit> = own.into_iter().chain(others(bytes, header_count)?).collect();
    let size_bytes = bytes.file_end;
    match fits.as_slice() {
        [fit] => Ok(*fit),
        [] => {
            let header16 = walk_header16(bytes, header_count)?.map(|(walk, _)| walk);
            Err(nearest(bytes, path, header_count, [Some(ours), header16])?)
        }
        several => {
            let message = format_args!(
                "{} ({size_bytes} bytes) fits the layout with {}; there is no way to tell which it is: nothing was imported",
                path.display(),
                name_all(several)
            );
            Err(Error::new(ErrorKind::Layout, message))
        }
    }
}

/// The error for a file that fits no layout: where the walk ended that ran into zeros, or else the one over the most records; of two
/// alike the last, since to ours the last offset of a 16-byte header is the size of one record.
fn nearest(bytes: &mut Bytes<'_>, path: &Path, header_count: u64, walks: [Option<Walk>; 2]) -> Result<Error> {
    let (path, size_bytes) = (path.display(), bytes.file_end);
    let reached = |walk: &Walk| match *walk {
        Walk::Ends(Point { count, end, .. }) => (count, end),
        Walk::Leaves { number, offset } | Walk::Zeros { number, offset } => (number, offset),
    };
    let weight = |walk: &Walk| (matches!(walk, Walk::Zeros { .. }), reached(walk).0);
    let furthest = walks.into_iter().flatten().max_by_key(weight).filter(|walk| reached(walk).0 > 0);
    let Some(furthest) = furthest else {
        let message =
            format_args!("{path} ({size_bytes} bytes) fits no layout that a log may have; nothing was imported");
        return Ok(Error::new(ErrorKind::Layout, message));
    };
    let (number, offset) = reached(&furthest);
    let is_possible_size = bytes.size_word(offset)?.is_none_or(|size| record_end(offset, size).is_some());
    let kind = match furthest {
        Walk::Leaves { .. } if is_possible_size => ErrorKind::Truncated,
        Walk::Zeros { .. } => ErrorKind::Ambiguous,
        _ => ErrorKind::Corrupt,
    };
    let message = format_args!(
        "{path}: {number} records of {header_count} end at offset {offset}, and what follows up to {size_bytes} is not the rest; nothing was imported: restore the file from a copy"
    );
    Ok(Error::new(kind, message).at(number, offset))
}

/// Where the records of a file in our layout end, having only the file.
///
/// # Errors
/// `E_LAYOUT` for a file of another layout or of two, `E_AMBIGUOUS` when zeros may or may not be records, `E_CORRUPT` when no layout fits.
pub fn recognise(bytes: &mut Bytes<'_>, path: &Path) -> Result<Point> {
    let header_count = bytes.size_word(0)?.unwrap_or(0);
    let file_size = bytes.file_end;
    let ours = walk(bytes, Point::START, header_count)?;
    let others = others(bytes, header_count)?;
    let fits = fits_ours(bytes, ours)?;
    match (fits, ours) {
        (Some(point), _) if others.is_empty() => Ok(point),
        (_, _) if !others.is_empty() => {
            let also = if fits.is_some() { ", and also to our own" } else { "" };
            let message = format_args!(
                "{} ({file_size} bytes) fits the layout with {}{also}, as other versions of the original wrote; it is left untouched: import it into a new namespace",
                path.display(),
                name_all(&others),
            );
            Err(Error::new(ErrorKind::Layout, message))
        }
        (_, Walk::Ends(Point { count, end, .. })) => Err(ambiguous(
            path,
            count,
            end,
            format_args!("after the {count} records counted end at offset {end}, other bytes follow up to {file_size}"),
        )),
        (_, Walk::Zeros { number, offset }) => Err(ambiguous(
            path,
            number,
            offset,
            format_args!(
                "from record {number} at offset {offset} on there are only zeros, which may or may not be empty records"
            ),
        )),
        (_, Walk::Leaves { number, offset }) => {
            let message = format_args!(
                "{}: record {number} at offset {offset} does not lie in the file of {file_size} bytes, the count is {header_count}; restore the file or its side file from a copy",
                path.display()
            );
            Err(Error::new(ErrorKind::Corrupt, message).at(number, offset))
        }
    }
}

/// Where the records of a file in our layout end which [`recognise`] does not take for certain: as many as its sizes lead to. Zeros at the
/// end are no records, or as many as the count says if `count_holds`; `None`: the file has no such place.
pub fn extent(bytes: &mut Bytes<'_>, count_holds: bool) -> Result<Option<Point>> {
    let header_count = bytes.size_word(0)?.unwrap_or(0);
    Ok(match walk(bytes, Point::START, header_count)? {
        Walk::Ends(point) => Some(point),
        Walk::Zeros { number, offset } if !count_holds => Some(Point { count: number, end: offset, time_ns: 0 }),
        Walk::Zeros { number, offset } => {
            let end = (header_count - number).checked_mul(SIZE_WORD_BYTES).and_then(|zeros| offset.checked_add(zeros));
            let end = end.filter(|end| *end <= bytes.file_end);
            end.map(|end| Point { count: header_count, end, time_ns: 0 })
        }
        // Not one record: this may be any file.
        Walk::Leaves { number: 0, .. } => None,
        Walk::Leaves { number, offset } => Some(Point { count: number, end: offset, time_ns: 0 }),
    })
}

fn ambiguous(path: &Path, number: u64, offset: u64, what: std::fmt::Arguments<'_>) -> Error {
    let message = format_args!(
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

/// Walks `count` records behind a header of 16 bytes, and whether the last begins where that says; `None` without such a header.
fn walk_header16(bytes: &mut Bytes<'_>, count: u64) -> Result<Option<(Walk, bool)>> {
    let Some(last_offset) = bytes.size_word(HEADER_SIZE_BYTES)? else { return Ok(None) };
    let (mut at, mut last) = (Point { count: 0, end: HEADER16_SIZE_BYTES, time_ns: 0 }, 0);
    while at.count < count {
        let empty = bytes.empty_records(at.end, count - at.count)?;
        if empty > 0 {
            last = at.end + (empty - 1) * SIZE_WORD_BYTES;
            at = Point { count: at.count + empty, end: at.end + empty * SIZE_WORD_BYTES, time_ns: 0 };
        } else if let Some(end) = bytes.record_end(at.end)? {
            last = at.end;
            at = Point { count: at.count + 1, end, time_ns: 0 };
        } else {
            return Ok(Some((Walk::Leaves { number: at.count, offset: at.end }, false)));
        }
    }
    Ok(Some((Walk::Ends(at), last == last_offset)))
}

/// A file of zeros alone is not taken for headerless empty records.
fn fits_headerless(bytes: &mut Bytes<'_>) -> Result<Option<Fit>> {
    let (mut at, mut count, mut has_payload) = (0, 0, false);
    while at < bytes.file_end {
        let empty = bytes.empty_records(at, u64::MAX)?;
        if empty > 0 {
            (at, count) = (at + empty * SIZE_WORD_BYTES, count + empty);
        } else if let Some(end) = bytes.record_end(at)? {
            (at, count, has_payload) = (end, count + 1, true);
        } else {
            return Ok(None);
        }
    }
    Ok(has_payload.then_some(Fit { layout: Layout::Headerless, start: 0, end: at, count }))
}
