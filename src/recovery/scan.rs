//! Reading records in order straight from the files, before anything is trusted: what verifies, and where sizes lead.

use crate::error::{Error, Result};
use crate::files::index::{Index, Run};
use crate::format::index::Entry;
use crate::format::log::{HEADER_SIZE_BYTES, SIZE_WORD_BYTES, Word, record_end, value_of};
use crate::format::{Checksum, in_memory};
use crate::storage::File;
use crate::util::memory;
use crate::util::progress::Watch;
use std::ops::Range;

/// The size of the read buffer, which one call fills. A smaller file gets a smaller buffer, since clearing this one
/// takes longer than everything else in opening a small log.
const CHUNK_BYTES_MAX: u64 = 256 << 10;
/// A file of no bytes still needs a buffer, since the file may have grown after its size was looked at.
const CHUNK_BYTES_MIN: u64 = 4 << 10;

/// A point between two records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Records before it.
    pub count: u64,
    /// Where the next one begins.
    pub end: u64,
    /// The newest append time before it; 0 unknown.
    pub time_ns: i64,
}

impl Point {
    /// Before record 0.
    pub const START: Point = Point { count: 0, end: HEADER_SIZE_BYTES, time_ns: 0 };
}

/// Where a record ends, and its checksum, as computed from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub end: u64,
    pub crc: u32,
}

/// The bytes of a record file, read in order through one buffer.
///
/// Invariants:
/// 1. `buffer[..filled]` are the bytes of the file from `start` on; after a read that failed the caller gives up.
/// 2. `zeros` has only zeros, and another byte or the end of the file follows.
/// 3. `data` has no hole, and a hole or the end of the file follows.
pub struct Bytes<'a> {
    file: &'a dyn File,
    pub file_end: u64,
    start: u64,
    buffer: Vec<u8>,
    filled: usize,
    /// The run of zeros found last.
    zeros: Range<u64>,
    /// The data found last, with a hole after it.
    data: Range<u64>,
    watch: Option<&'a dyn Watch>,
}

impl<'a> Bytes<'a> {
    pub fn new(file: &'a dyn File, file_end: u64) -> Result<Bytes<'a>> {
        let chunk_bytes = file_end.clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
        let buffer = memory::zeroed(in_memory(chunk_bytes), "a read buffer")?;
        Ok(Bytes { file, file_end, start: 0, buffer, filled: 0, zeros: 0..0, data: 0..0, watch: None })
    }

    /// Reports to `watch` what is read; `watch` may end the reading.
    pub fn watched(self, watch: Option<&'a dyn Watch>) -> Bytes<'a> {
        Bytes { watch, ..self }
    }

    /// Some bytes at `offset`, at most `most`; empty at the end of the file.
    pub fn some(&mut self, offset: u64, most: u64) -> Result<&[u8]> {
        let held = offset >= self.start && offset - self.start < self.filled as u64;
        if !held {
            self.filled = self.read(offset)?;
            self.start = offset;
        }
        let from = in_memory(offset - self.start);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let to = self.filled.min(from.saturating_add(most));
        Ok(&self.buffer[from..to])
    }

    fn read(&mut self, offset: u64) -> Result<usize> {
        let read = self.file.read_at(offset, &mut self.buffer).map_err(|error| {
            Error::os(format_args!("reading the record file at offset {offset}"), &error).at(0, offset)
        })?;
        self.watch.map_or(Ok(()), |watch| watch.worked(read as u64))?;
        Ok(read)
    }

    /// The size word at `offset`; `None` when the file ends before it does.
    pub fn size_word(&mut self, offset: u64) -> Result<Option<u64>> {
        let mut word = Word::default();
        let mut have = 0;
        while have < word.len() {
            let piece = self.some(offset + have as u64, (word.len() - have) as u64)?;
            if piece.is_empty() {
                return Ok(None);
            }
            word[have..have + piece.len()].copy_from_slice(piece);
            have += piece.len();
        }
        Ok(Some(value_of(&word)))
    }

    /// The offset of the first byte that is not zero at or after `offset`, or the end of the file; reads only what may
    /// be data.
    pub fn next_not_zero(&mut self, offset: u64) -> Result<u64> {
        if self.zeros.contains(&offset) {
            return Ok(self.zeros.end);
        }
        let mut at = offset;
        while at < self.file_end {
            let Some(data) = self.next_data(at)? else { break };
            let piece = self.some(data, u64::MAX)?;
            if piece.is_empty() {
                break;
            }
            if let Some(place) = piece.iter().position(|byte| *byte != 0) {
                self.zeros = offset..data + place as u64;
                return Ok(self.zeros.end);
            }
            at = data + piece.len() as u64;
        }
        self.zeros = offset..self.file_end;
        Ok(self.file_end)
    }

    /// The offset of the first hole in `range`, if there is one; `range` begins in the file.
    pub fn hole_in(&mut self, range: Range<u64>) -> Result<Option<u64>> {
        if !self.data.contains(&range.start) {
            let hole = self.file.next_hole(range.start);
            let hole = hole.map_err(|error| {
                Error::os(format_args!("looking for a hole at offset {}", range.start), &error).at(0, range.start)
            })?;
            self.data = range.start..hole;
        }
        Ok((self.data.end < range.end).then_some(self.data.end))
    }

    /// How many bytes of `range` are not in holes.
    pub fn data_in(&mut self, range: Range<u64>) -> Result<u64> {
        let (mut at, mut data_bytes) = (range.start, 0);
        while let Some(data) = self.next_data(at)?.filter(|data| *data < range.end) {
            let hole = self.hole_in(data..range.end)?.unwrap_or(range.end);
            data_bytes += hole - data;
            // A file that became shorter meanwhile has no more data.
            at = hole.max(data + 1);
        }
        Ok(data_bytes)
    }

    fn next_data(&self, offset: u64) -> Result<Option<u64>> {
        let next = self.file.next_data(offset);
        let next = next.map_err(|error| Error::os(format_args!("looking for data at offset {offset}"), &error));
        Ok(next?.filter(|data| *data < self.file_end))
    }

    /// How many empty records, at most `most`, lie one after the other from `offset` on: a run of zeros is not walked
    /// one by one.
    pub fn empty_records(&mut self, offset: u64, most: u64) -> Result<u64> {
        if self.size_word(offset)? != Some(0) {
            return Ok(0);
        }
        Ok(((self.next_not_zero(offset)? - offset) / SIZE_WORD_BYTES).min(most))
    }

    /// Where the record at `offset` ends by its size word; `None` when it does not lie in the file.
    pub fn record_end(&mut self, offset: u64) -> Result<Option<u64>> {
        let Some(size) = self.size_word(offset)? else { return Ok(None) };
        Ok(record_end(offset, size).filter(|end| *end <= self.file_end))
    }

    /// The record at `offset`, its checksum computed; `None` when it does not lie in the file.
    pub fn record(&mut self, offset: u64) -> Result<Option<Found>> {
        let Some(end) = self.record_end(offset)? else { return Ok(None) };
        let mut checksum = Checksum::new();
        let is_whole = self.checksum(offset..end, &mut checksum)?;
        Ok(is_whole.then(|| Found { end, crc: checksum.finish() }))
    }

    /// Adds the bytes of `range` to `checksum`; `false` when the file ends before they do.
    pub fn checksum(&mut self, range: Range<u64>, checksum: &mut Checksum) -> Result<bool> {
        let Range { start: mut at, end } = range;
        while at < end {
            let piece = self.some(at, end - at)?;
            if piece.is_empty() {
                return Ok(false);
            }
            checksum.update(piece);
            let is_zeros = piece.iter().all(|byte| *byte == 0);
            at += piece.len() as u64;
            if is_zeros && at < end {
                // A size word may claim a hole of any size: holes are not read.
                let next = self.next_not_zero(at)?.min(end);
                checksum.update_zeros(next - at);
                at = next;
            }
        }
        Ok(true)
    }
}

/// Follows entries and bytes forward from `from` while both verify, but not beyond record `to_count`, and returns the
/// end of the last whole batch.
pub fn forward(bytes: &mut Bytes<'_>, index: &Index, from: Point, to_count: u64) -> Result<Point> {
    Ok(forward_both(bytes, index, from, to_count)?.0)
}

/// As [`forward`]; the second point is the end of the records that verify, whether their last batch is whole or not.
fn forward_both(bytes: &mut Bytes<'_>, index: &Index, from: Point, to_count: u64) -> Result<(Point, Point)> {
    let mut run = Run::default();
    let (mut reached, mut at) = (from, from);
    while at.count < to_count
        && let Some(entry) = run.entry(index, at.count, u64::MAX)?
    {
        let found = if entry.offset == at.end { bytes.record(at.end)? } else { None };
        let Some(found) = found.filter(|found| found.crc == entry.crc) else { break };
        at = Point { count: at.count + 1, end: found.end, time_ns: at.time_ns.max(entry.time_ns) };
        if entry.last_of_batch {
            reached = at;
        }
    }
    Ok((reached, at))
}

/// Calls `each` with the end of every record that its entry and its bytes prove after a gap. The gap begins at `from`,
/// where [`forward`] stopped. Records that continue `from` without a gap are the beginning of a commit in flight. The
/// index file has room for `entries`.
///
/// No byte is read twice: of entries whose records overlap, only the first counts.
pub fn proven_after_gap(
    bytes: &mut Bytes<'_>,
    index: &Index,
    from: Point,
    entries: u64,
    mut each: impl FnMut(Point, Entry),
) -> Result<()> {
    let (_, gap) = forward_both(bytes, index, from, u64::MAX)?;
    let mut check = |bytes: &mut Bytes<'_>, (number, entry): (u64, Entry), next: Option<(u64, Entry)>| {
        let Some(end) = bytes.record_end(entry.offset)? else { return Ok(()) };
        let fits = next.is_none_or(
            |(next_number, next)| {
                if next_number == number + 1 { end == next.offset } else { end <= next.offset }
            },
        );
        if fits && bytes.record(entry.offset)?.is_some_and(|found| found.crc == entry.crc) {
            each(Point { count: number + 1, end, time_ns: entry.time_ns }, entry);
        }
        Ok(())
    };
    let (mut run, mut least, watch) = (Run::default(), gap.end, bytes.watch);
    let mut candidate: Option<(u64, Entry)> = None;
    let mut number = gap.count;
    while let Some((valid, entry)) = run.next_valid(index, number..entries, watch)? {
        number = valid + 1;
        if entry.offset >= least {
            least = entry.offset + SIZE_WORD_BYTES;
            if let Some(before) = candidate.replace((valid, entry)) {
                check(bytes, before, Some((valid, entry)))?;
            }
        }
    }
    candidate.map_or(Ok(()), |last| check(bytes, last, None))
}

/// How first and last record of a cleanly closed log agree with their entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCheck {
    Agree,
    /// The entry of record `number` is damaged.
    Entry {
        number: u64,
    },
    /// Record `number` at `offset` is not what its entry says. `all`: no record that was checked is.
    Record {
        number: u64,
        offset: u64,
        all: bool,
    },
}

/// Checks the first and the last record of those before `to`.
pub fn check_ends(bytes: &mut Bytes<'_>, index: &Index, to: Point) -> Result<EndCheck> {
    let Some(last) = to.count.checked_sub(1) else { return Ok(EndCheck::Agree) };
    let (mut wrong_count, mut first_wrong) = (0, None);
    let numbers = if last == 0 { &[0][..] } else { &[0, last] };
    for &number in numbers {
        let Some(entry) = Run::default().entry(index, number, to.count)?.copied() else {
            return Ok(EndCheck::Entry { number });
        };
        let found = bytes.record(entry.offset)?;
        let begins = number != 0 || entry.offset == HEADER_SIZE_BYTES;
        // Bytes after `to` may be cut off. A record before the last one that reached there would be damaged then.
        let ends = found.is_some_and(|found| if number == last { found.end == to.end } else { found.end < to.end });
        if found.is_none_or(|found| found.crc != entry.crc) || !begins || !ends {
            wrong_count += 1;
            first_wrong = first_wrong.or(Some((number, entry.offset)));
        }
    }
    Ok(match first_wrong {
        None => EndCheck::Agree,
        Some((number, offset)) => {
            EndCheck::Record { number, offset, all: numbers.len() > 1 && wrong_count == numbers.len() }
        }
    })
}

/// Walks `count` records by their sizes from `from` on, calling `each` with every one; `None` when the sizes leave the
/// file.
pub fn walk(
    bytes: &mut Bytes<'_>,
    from: Point,
    count: u64,
    mut each: impl FnMut(u64, u64, Found) -> Result<()>,
) -> Result<Option<Point>> {
    let mut at = from;
    while at.count < count {
        let Some(found) = bytes.record(at.end)? else { return Ok(None) };
        each(at.count, at.end, found)?;
        at = Point { count: at.count + 1, end: found.end, ..at };
    }
    Ok(Some(at))
}

/// Whether only zeros follow from `offset` on.
pub fn only_zeros(bytes: &mut Bytes<'_>, offset: u64) -> Result<bool> {
    Ok(bytes.next_not_zero(offset)? >= bytes.file_end)
}
