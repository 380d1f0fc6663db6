//! Which layout a record file without an index file has, found by walking its sizes; never a guess.
//!
//! Ours is walked from offset 8 with the first word as the count. Other versions of the Go original wrote a 16-byte
//! header (count, offset of the last record) or none at all.
//!
//! Size words of empty records are zeros, and zeros may lie in a hole, which takes no room. A count can then claim
//! records of which the file holds nothing. Every walk reports the first of these records. Where nothing else confirms
//! them, the file is ambiguous.

use crate::error::{Error, ErrorKind, Result};
use crate::format::log::{HEADER_SIZE_BYTES, SIZE_WORD_BYTES, record_end};
use crate::recovery::scan::{Bytes, Point, only_zeros};
use std::fmt::Display;
use std::path::Path;

/// Files this library extended end at a multiple of this, so it did not make a zero tail in any other file.
const SECTOR_BYTES: u64 = 512;
const HEADER16_SIZE_BYTES: u64 = 16;

/// How a walk of sizes ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walk {
    /// All records of the count were walked; they end here.
    Ends(Led),
    /// Record `number` at `offset` does not lie in the file.
    Leaves { number: u64, offset: u64 },
    /// From record `number` at `offset` on there are only zeros, more or fewer than the count asks for.
    Zeros { number: u64, offset: u64 },
}

/// Where the size word of a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub number: u64,
    pub offset: u64,
}

/// Where sizes lead, and the first record on the way that lies in a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Led {
    pub to: Point,
    pub in_hole: Option<Place>,
}

/// A layout that a file fits exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    pub layout: Layout,
    /// Where its records begin, and where they end.
    pub start: u64,
    pub end: u64,
    pub count: u64,
    /// The first of them that lies in a hole.
    pub in_hole: Option<Place>,
}

/// The layouts that a record file can have.
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

/// The layouts of other versions that the file fits.
fn others(bytes: &mut Bytes<'_>, header_count: u64) -> Result<[Option<Fit>; 2]> {
    let header16 = match walk_header16(bytes, header_count)? {
        Some((Walk::Ends(Led { to: Point { count, end, .. }, in_hole }), true)) if end == bytes.file_end => {
            Some(Fit { layout: Layout::Header16, start: HEADER16_SIZE_BYTES, end, count, in_hole })
        }
        _ => None,
    };
    Ok([header16, fits_headerless(bytes)?])
}

/// The end of `walk` over a file in our layout, if the file ends there, too, or if only zeros follow that a writer of
/// this library may have made (O18).
fn fits_ours(bytes: &mut Bytes<'_>, walk: Walk) -> Result<Option<Led>> {
    match walk {
        Walk::Ends(led) if led.to.end <= bytes.file_end => only_zero_tail(bytes, led),
        _ => Ok(None),
    }
}

/// The layouts of `fits`, in the words of a message.
fn name_all(fits: &[Option<Fit>]) -> impl Display {
    std::fmt::from_fn(move |f| {
        for (index, fit) in fits.iter().flatten().enumerate() {
            write!(f, "{}{}", if index > 0 { " and the one with " } else { "" }, fit.layout.describe())?;
        }
        Ok(())
    })
}

/// The one layout that a file fits, our own included, for a file that is to be imported.
///
/// # Errors
/// `E_LAYOUT` when it fits none, or two; `E_TRUNCATED`, `E_AMBIGUOUS` or `E_CORRUPT` when it fits one up to some
/// record.
pub fn only_fit(bytes: &mut Bytes<'_>, path: &Path) -> Result<Fit> {
    let header_count = bytes.size_word(0)?.unwrap_or(0);
    let ours = walk(bytes, Point::START, header_count)?;
    let own = fits_ours(bytes, ours)?.map(|Led { to: Point { count, end, .. }, in_hole }| Fit {
        layout: Layout::Ours,
        start: HEADER_SIZE_BYTES,
        end,
        count,
        in_hole,
    });
    let [header16, headerless] = others(bytes, header_count)?;
    let fits = [own, header16, headerless];
    let size_bytes = bytes.file_end;
    let mut found = fits.into_iter().flatten();
    match (found.next(), found.next()) {
        (Some(Fit { in_hole: Some(hole), .. }), None) => {
            let way_on = "nothing was imported: if they are records, import a copy that has no holes";
            Err(only_counted(path, hole, way_on))
        }
        (Some(fit), None) => Ok(fit),
        (None, _) => {
            let header16 = walk_header16(bytes, header_count)?.map(|(walk, _)| walk);
            Err(nearest(bytes, path, header_count, [Some(ours), header16])?)
        }
        (Some(_), Some(_)) => {
            let cause = format_args!("a file of {size_bytes} bytes that fits more than one layout");
            let refusal = Error::new(ErrorKind::Layout, cause)
                .comparing("one layout", format_args!("the layout with {}", name_all(&fits)));
            Err(refusal.advising("nothing shows which one is right").advising("nothing was imported").of(path))
        }
    }
}

/// The error for a file that fits no layout. It reports the walk that ran into zeros, or else the walk over the most
/// records. Of two equal walks it reports the last, since our layout takes the last offset of a 16-byte header for the
/// size of one record.
fn nearest(bytes: &mut Bytes<'_>, path: &Path, header_count: u64, walks: [Option<Walk>; 2]) -> Result<Error> {
    let size_bytes = bytes.file_end;
    let reached = |walk: &Walk| match *walk {
        Walk::Ends(Led { to: Point { count, end, .. }, .. }) => (count, end),
        Walk::Leaves { number, offset } | Walk::Zeros { number, offset } => (number, offset),
    };
    let weight = |walk: &Walk| (matches!(walk, Walk::Zeros { .. }), reached(walk).0);
    let furthest = walks.into_iter().flatten().max_by_key(weight).filter(|walk| reached(walk).0 > 0);
    let Some(furthest) = furthest else {
        let cause = format_args!("a file of {size_bytes} bytes that fits no layout a log may have");
        return Ok(Error::new(ErrorKind::Layout, cause).advising("nothing was imported").of(path));
    };
    let (number, offset) = reached(&furthest);
    let is_possible_size = bytes.size_word(offset)?.is_none_or(|size| record_end(offset, size).is_some());
    let kind = match furthest {
        Walk::Leaves { .. } if is_possible_size => ErrorKind::Truncated,
        Walk::Zeros { .. } => ErrorKind::Ambiguous,
        _ => ErrorKind::Corrupt,
    };
    let cause = format_args!("what follows offset {offset} of {size_bytes} bytes is not the rest of the records");
    Ok(Error::new(kind, cause)
        .comparing(format_args!("{header_count} records"), number)
        .advising("nothing was imported: restore the file from a copy")
        .of(path)
        .at(number, offset))
}

/// Where the records of a file in our layout end, found from the file alone. `count_holds`: the caller vouches for the
/// count.
///
/// # Errors
/// `E_LAYOUT` for a file of another layout or of two (O23). `E_AMBIGUOUS` when zeros may or may not be records (O20),
/// or only the count says that they are (O21). `E_CORRUPT` when no layout fits (O20).
pub fn recognise(bytes: &mut Bytes<'_>, path: &Path, count_holds: bool) -> Result<Point> {
    let header_count = bytes.size_word(0)?.unwrap_or(0);
    let file_size = bytes.file_end;
    let ours = walk(bytes, Point::START, header_count)?;
    // If the count holds, records in a hole are no sign of another layout.
    let others = others(bytes, header_count)?.map(|fit| fit.filter(|fit| !count_holds || fit.in_hole.is_none()));
    let fits_others = others.iter().any(Option::is_some);
    let fits = fits_ours(bytes, ours)?;
    match (fits, ours) {
        (Some(Led { to, in_hole }), _) if !fits_others => match in_hole.filter(|_| !count_holds) {
            Some(hole) => Err(only_counted(path, hole, RESTORE_OR_ACCEPT)),
            None => Ok(to),
        },
        (_, _) if fits_others => {
            let also = if fits.is_some() { ", and also our own" } else { "" };
            let cause = format_args!(
                "a file of {file_size} bytes that fits the layout with {}, of other versions of the original{also}",
                name_all(&others),
            );
            let refusal = Error::new(ErrorKind::Layout, cause);
            Err(refusal.advising("it was not changed: import it into a new namespace").of(path))
        }
        (_, Walk::Ends(Led { in_hole: Some(hole), .. })) if !count_holds => {
            Err(only_counted(path, hole, RESTORE_OR_ACCEPT))
        }
        (_, Walk::Ends(Led { to: Point { count, end, .. }, .. })) => Err(ambiguous(
            path,
            count,
            end,
            format_args!("after the {count} records counted end at offset {end}, other bytes follow up to {file_size}"),
        )),
        (_, Walk::Zeros { number, offset }) if !count_holds && has_hole(bytes, header_count, number, offset)? => {
            // A repair keeps nothing of a file without a single record.
            let cut = std::fmt::from_fn(|f| match number {
                0 => Ok(()),
                _ => write!(f, "; if they are none, cut the file at offset {offset} and call immuta_repair"),
            });
            let cause = format_args!(
                "from record {number} at offset {offset} on there are only zeros, some of them in a hole, \
                 which may or may not be empty records"
            );
            let refusal = Error::new(ErrorKind::Ambiguous, cause);
            Err(refusal.advising(format_args!("{RESTORE_OR_ACCEPT}{cut}")).of(path).at(number, offset))
        }
        (_, Walk::Zeros { number, offset }) => Err(ambiguous(
            path,
            number,
            offset,
            format_args!(
                "from record {number} at offset {offset} on there are only zeros, which may or may not be empty records"
            ),
        )),
        (_, Walk::Leaves { number, offset }) => {
            let cause =
                format_args!("record {number} at offset {offset} does not lie in the file of {file_size} bytes");
            let refusal = Error::new(ErrorKind::Corrupt, cause)
                .comparing(format_args!("{header_count} records by the count"), number)
                .advising("restore the file or its index file from a copy")
                .of(path)
                .at(number, offset);
            // A repair keeps nothing of a file without a single record: it may be any file.
            Err(if number == 0 { refusal } else { refusal.repairable() })
        }
    }
}

/// Whether there is a hole where `header_count` claims empty records, from record `number` at `offset` on.
fn has_hole(bytes: &mut Bytes<'_>, header_count: u64, number: u64, offset: u64) -> Result<bool> {
    let end = end_of_zeros(header_count, number, offset).filter(|end| *end <= bytes.file_end);
    Ok(bytes.hole_in(offset..end.unwrap_or(bytes.file_end))?.is_some())
}

/// Where the empty records end that `header_count` claims from record `number` at `offset` on.
fn end_of_zeros(header_count: u64, number: u64, offset: u64) -> Option<u64> {
    (header_count - number).checked_mul(SIZE_WORD_BYTES).and_then(|zeros| offset.checked_add(zeros))
}

/// The end of the records of a file in our layout that [`recognise`] is not certain about: as many records as the sizes
/// lead to. Zeros at the end are no records, or as many as the count says if `count_holds`. Without `count_holds`,
/// zeros in a hole are neither (R7). `None`: the file has no such end (R9).
pub fn extent(bytes: &mut Bytes<'_>, count_holds: bool) -> Result<Option<Point>> {
    let header_count = bytes.size_word(0)?.unwrap_or(0);
    Ok(match walk(bytes, Point::START, header_count)? {
        Walk::Ends(Led { to, in_hole }) => (count_holds || in_hole.is_none()).then_some(to),
        Walk::Zeros { number, offset } => {
            if count_holds {
                let end = end_of_zeros(header_count, number, offset).filter(|end| *end <= bytes.file_end);
                return Ok(end.map(|end| Point { count: header_count, end, time_ns: 0 }));
            }
            let are_there = !has_hole(bytes, header_count, number, offset)?;
            are_there.then_some(Point { count: number, end: offset, time_ns: 0 })
        }
        // Not one record: this may be any file.
        Walk::Leaves { number: 0, .. } => None,
        Walk::Leaves { number, offset } => Some(Point { count: number, end: offset, time_ns: 0 }),
    })
}

/// What is to be done about records that only a count claims.
const RESTORE_OR_ACCEPT: &str = "nothing was changed: restore the index file, \
                                 or, if they are records, call immuta_repair with IMMUTA_REPAIR_ACCEPT_COUNT";

/// The refusal of a log whose records from `hole` on lie in a hole, where no entry confirms them (O21).
pub fn only_counted(path: &Path, hole: Place, way_on: &str) -> Error {
    let Place { number, offset } = hole;
    let cause = format_args!(
        "record {number} at offset {offset} and others lie in a hole, and only a count says that they are there"
    );
    Error::new(ErrorKind::Ambiguous, cause).advising(way_on).of(path).at(number, offset)
}

/// The point that sizes lead to, if its records exist; records in a hole are accepted only if `count_holds`.
pub fn confirmed(led: Led, count_holds: bool, path: &Path) -> Result<Point> {
    match led.in_hole.filter(|_| !count_holds) {
        Some(hole) => Err(only_counted(path, hole, RESTORE_OR_ACCEPT)),
        None => Ok(led.to),
    }
}

fn ambiguous(path: &Path, number: u64, offset: u64, what: std::fmt::Arguments<'_>) -> Error {
    Error::new(ErrorKind::Ambiguous, format_args!("{what}, and no index file shows where the records end"))
        .advising("restore the index file, or cut the record file where the records end")
        .repairable()
        .of(path)
        .at(number, offset)
}

/// Where the records end that a writer of the 16-byte layout appended after `from`, so that there are `count` in all.
/// Such a writer puts the offset of the last record where our layout has the size of the first (O24, R6).
pub fn appended_with_header16(bytes: &mut Bytes<'_>, from: Point, count: u64) -> Result<Option<Led>> {
    if from.count == 0 || count <= from.count {
        return Ok(None);
    }
    let last_offset = bytes.size_word(HEADER_SIZE_BYTES)?;
    let last = leads_to(bytes, from, count - 1)?;
    if last.is_none_or(|last| Some(last.to.end) != last_offset) {
        return Ok(None);
    }
    leads_to(bytes, from, count)
}

/// Where record `count` begins, if sizes lead there from `from` on; for callers that know where that must be.
pub fn leads_to(bytes: &mut Bytes<'_>, from: Point, count: u64) -> Result<Option<Led>> {
    let mut led = Led { to: from, in_hole: None };
    while led.to.count < count {
        if step(bytes, &mut led, count)?.is_none() {
            return Ok(None);
        }
    }
    Ok(Some(led))
}

/// The end of the first `count` records, if sizes lead there from `from` on, and the file ends there.
pub fn leads_to_end(bytes: &mut Bytes<'_>, from: Point, count: u64) -> Result<Option<Led>> {
    Ok(leads_to(bytes, from, count)?.filter(|led| led.to.end == bytes.file_end))
}

/// As [`leads_to_end`], for a log that was left open: zeros that cannot be records may follow.
pub fn leads_to_end_or_zeros(bytes: &mut Bytes<'_>, from: Point, count: u64) -> Result<Option<Led>> {
    match walk(bytes, from, count)? {
        Walk::Ends(led) => only_zero_tail(bytes, led),
        _ => Ok(None),
    }
}

fn only_zero_tail(bytes: &mut Bytes<'_>, led: Led) -> Result<Option<Led>> {
    let end = led.to.end;
    let is_end = end == bytes.file_end || bytes.file_end.is_multiple_of(SECTOR_BYTES) && only_zeros(bytes, end)?;
    Ok(is_end.then_some(led))
}

/// Advances over one record, or over a run of empty ones, up to record `count` at most. Returns where the last of them
/// begins, or `None` when there is no record.
fn step(bytes: &mut Bytes<'_>, led: &mut Led, count: u64) -> Result<Option<u64>> {
    let Point { count: number, end: offset, .. } = led.to;
    let empty = bytes.empty_records(offset, count - number)?;
    if empty == 0 {
        let Some(end) = bytes.record_end(offset)? else { return Ok(None) };
        led.to = Point { count: number + 1, end, ..led.to };
        return Ok(Some(offset));
    }
    let end = offset + empty * SIZE_WORD_BYTES;
    if led.in_hole.is_none() {
        led.in_hole = bytes.hole_in(offset..end)?.map(|hole| {
            let before = (hole - offset) / SIZE_WORD_BYTES;
            Place { number: number + before, offset: offset + before * SIZE_WORD_BYTES }
        });
    }
    led.to = Point { count: number + empty, end, ..led.to };
    Ok(Some(end - SIZE_WORD_BYTES))
}

/// Walks the records of our layout from `from` to `count`.
fn walk(bytes: &mut Bytes<'_>, from: Point, count: u64) -> Result<Walk> {
    let mut led = Led { to: from, in_hole: None };
    while led.to.count < count {
        let Point { count: number, end: offset, .. } = led.to;
        let Some(last) = step(bytes, &mut led, count)? else { return Ok(Walk::Leaves { number, offset }) };
        let is_empty = led.to.end - last == SIZE_WORD_BYTES;
        let ends_there = led.to.count == count && led.to.end == bytes.file_end;
        if is_empty && !ends_there && only_zeros(bytes, offset)? {
            return Ok(Walk::Zeros { number, offset });
        }
    }
    Ok(Walk::Ends(led))
}

/// Walks `count` records after a 16-byte header. Also returns whether the last record begins where the header says.
/// `None` without such a header.
fn walk_header16(bytes: &mut Bytes<'_>, count: u64) -> Result<Option<(Walk, bool)>> {
    let Some(last_offset) = bytes.size_word(HEADER_SIZE_BYTES)? else { return Ok(None) };
    let to = Point { count: 0, end: HEADER16_SIZE_BYTES, time_ns: 0 };
    let (mut led, mut last) = (Led { to, in_hole: None }, 0);
    while led.to.count < count {
        let Point { count: number, end: offset, .. } = led.to;
        match step(bytes, &mut led, count)? {
            Some(begin) => last = begin,
            None => return Ok(Some((Walk::Leaves { number, offset }, false))),
        }
    }
    Ok(Some((Walk::Ends(led), last == last_offset)))
}

/// A file of zeros alone is not taken for headerless empty records.
fn fits_headerless(bytes: &mut Bytes<'_>) -> Result<Option<Fit>> {
    let mut led = Led { to: Point { count: 0, end: 0, time_ns: 0 }, in_hole: None };
    let mut has_payload = false;
    while led.to.end < bytes.file_end {
        let Some(last) = step(bytes, &mut led, u64::MAX)? else { return Ok(None) };
        has_payload |= led.to.end - last > SIZE_WORD_BYTES;
    }
    let Led { to: Point { count, end, .. }, in_hole } = led;
    Ok(has_payload.then_some(Fit { layout: Layout::Headerless, start: 0, end, count, in_hole }))
}
