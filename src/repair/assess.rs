//! What is wrong with a log that has a side file of its own: every record checked, and for each that is bad what can be done. Reads only.
//!
//! A valid entry says where its record begins, so the records between two of them lie in a known stretch of the file, whatever else is
//! damaged, and keep their numbers. Beyond the checkpoint nothing is certain but what verifies, as in every recovery.

use crate::error::{Error, ErrorKind, Result, no_memory};
use crate::format::Checksum;
use crate::format::index::{Checkpoint, Entry};
use crate::format::journal::Frame;
use crate::format::log::{HEADER_SIZE_BYTES, SIZE_WORD_BYTES, word};
use crate::index::{Index, Run};
use crate::journal::Found;
use crate::layout;
use crate::progress::Progress;
use crate::recovery::replay;
use crate::scan::{self, Bytes, Point};
use std::ops::Range;
use std::path::Path;

/// What is wrong with a record, and so what is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Only its size word: with the one that the entries tell, the checksum is right.
    Size,
    /// Only its entry: the sizes lead from the record before to the one behind.
    Entry,
    /// Its bytes, or nothing says that they are right: quarantined.
    Bytes,
}

/// A record below the checkpoint that is not as it should be.
#[derive(Clone, Copy, Debug)]
pub struct Damage {
    pub number: u64,
    pub fault: Fault,
    /// The entry it is to get, and where it ends.
    pub entry: Entry,
    pub end: u64,
}

impl Damage {
    /// The size word it is to have.
    pub fn size_word(&self) -> [u8; 8] {
        word(self.end - self.entry.offset - SIZE_WORD_BYTES)
    }
}

/// A point whose place an entry, or the checkpoint, tells.
#[derive(Clone, Copy, Debug)]
struct Known {
    number: u64,
    offset: u64,
    /// Of the record that begins there.
    entry: Option<Entry>,
}

/// What was found of the records that a checkpoint covers.
#[derive(Debug)]
pub struct Assessment {
    /// In order of their numbers.
    pub damages: Vec<Damage>,
    /// Records that are as their entries say, or lead from one that is to the next.
    pub verified: u64,
    /// Records that an earlier repair quarantined.
    pub known_bad: u64,
    /// Up to where the file has them.
    pub base: Point,
}

/// Checks the records up to the checkpoint `from`, or to where the file ends; the side file has room for `entries`.
pub fn assess(
    bytes: &mut Bytes<'_>,
    index: &Index,
    from: &Checkpoint,
    entries: u64,
    progress: &mut Progress<'_>,
) -> Result<Assessment> {
    let (mut known_run, mut found) = (Run::default(), Assessment::new());
    let mut entry = |number| known_run.entry(index, number, from.count).map(Option::<&Entry>::copied);
    let first = if from.count > 0 { entry(0)? } else { None };
    let first = first.filter(|entry| entry.offset == HEADER_SIZE_BYTES);
    let mut known = Known { number: 0, offset: HEADER_SIZE_BYTES, entry: first };
    // Behind the last entry that the side file has room for, only the checkpoint knows a place.
    for number in (1..from.count.min(entries)).chain((from.count > 0).then_some(from.count)) {
        progress.step(number - 1, from.count)?;
        let next = if number == from.count {
            Some(Known { number, offset: from.end, entry: None })
        } else {
            entry(number)?.map(|entry| Known { number, offset: entry.offset, entry: Some(entry) })
        };
        // An entry that leaves no room for the records around it says nothing, valid or not.
        let is_possible = |next: &Known| {
            let (before, behind) = (number - known.number, from.count - number);
            next.offset.saturating_sub(known.offset) / SIZE_WORD_BYTES >= before
                && from.end.saturating_sub(next.offset) / SIZE_WORD_BYTES >= behind
        };
        let Some(next) = next.filter(is_possible) else { continue };
        if next.offset > bytes.file_end {
            break;
        }
        found.check_stretch(bytes, known, &next)?;
        known = next;
    }
    progress.tell(from.count, from.count)?;
    found.base.count = known.number;
    found.base.end = known.offset;
    Ok(found)
}

impl Assessment {
    fn new() -> Assessment {
        Assessment { damages: Vec::new(), verified: 0, known_bad: 0, base: Point::START }
    }

    /// Checks the records from `known` on up to `next`: of the first there may be an entry, of the others there is none.
    fn check_stretch(&mut self, bytes: &mut Bytes<'_>, known: Known, next: &Known) -> Result<()> {
        let count = next.number - known.number;
        let begin = Point { count: known.number, end: known.offset, time_ns: 0 };
        let led = if count == 1 { None } else { layout::leads_to(bytes, begin, next.number)? };
        let sizes_lead_there = count == 1 || led.is_some_and(|led| led.end == next.offset);
        let (mut start, mut entry) = (known.offset, known.entry);
        for number in known.number..next.number {
            // At least a size word is left for each record behind it; the last one takes what is left.
            let behind = (next.number - number - 1) * SIZE_WORD_BYTES;
            let own_end = bytes.record_end(start)?;
            let end = match own_end {
                Some(end) if behind > 0 && end <= next.offset - behind => end,
                _ => next.offset - behind,
            };
            let crc = checksum(bytes, start..end)?;
            let has_own_size = own_end == Some(end);
            let fault = match entry {
                Some(entry) if entry.crc == crc && has_own_size => None,
                Some(entry) if entry.crc == crc => Some(Fault::Size),
                None if sizes_lead_there && has_own_size => Some(Fault::Entry),
                _ => Some(Fault::Bytes),
            };
            let known_entry = entry.take();
            self.known_bad +=
                u64::from(fault != Some(Fault::Bytes) && known_entry.is_some_and(|entry| entry.quarantined));
            self.verified += u64::from(matches!(fault, None | Some(Fault::Entry)));
            self.base.time_ns = known_entry.map_or(self.base.time_ns, |entry| entry.time_ns.max(self.base.time_ns));
            if let Some(fault) = fault {
                // A record that lost its entry was not appended before the one in front of it.
                let lost = Entry {
                    offset: start,
                    time_ns: self.base.time_ns,
                    crc,
                    last_of_batch: true,
                    adopted: true,
                    quarantined: false,
                };
                let entry = known_entry.unwrap_or(lost);
                let quarantined = entry.quarantined || fault == Fault::Bytes;
                self.damaged(Damage { number, fault, entry: Entry { crc, quarantined, ..entry }, end })?;
            }
            start = end;
        }
        Ok(())
    }

    fn damaged(&mut self, damage: Damage) -> Result<()> {
        let bytes = (self.damages.len() * size_of::<Damage>()) as u64;
        self.damages.try_reserve(1).map_err(|_| no_memory("a list of damaged records", bytes))?;
        self.damages.push(damage);
        Ok(())
    }

    /// How many records are to be quarantined.
    pub fn quarantined(&self) -> u64 {
        self.damages.iter().filter(|damage| damage.fault == Fault::Bytes).count() as u64
    }

    /// The stretches of the record file whose records are to be quarantined, those that touch as one.
    pub fn damaged_stretches(&self) -> Result<Vec<Range<u64>>> {
        let mut stretches: Vec<Range<u64>> = Vec::new();
        for damage in self.damages.iter().filter(|damage| damage.fault == Fault::Bytes) {
            if let Some(last) = stretches.last_mut().filter(|last| last.end == damage.entry.offset) {
                last.end = damage.end;
                continue;
            }
            let bytes = (stretches.len() * size_of::<Range<u64>>()) as u64;
            stretches.try_reserve(1).map_err(|_| no_memory("a list of damaged stretches", bytes))?;
            stretches.push(damage.entry.offset..damage.end);
        }
        Ok(stretches)
    }
}

/// The checksum of the record in `range` as it would be with the size word that belongs there.
fn checksum(bytes: &mut Bytes<'_>, range: Range<u64>) -> Result<u32> {
    let mut checksum = Checksum::new();
    checksum.update(&word(range.end - range.start - SIZE_WORD_BYTES));
    let mut at = range.start + SIZE_WORD_BYTES;
    while at < range.end {
        let piece = bytes.some(at, range.end - at)?;
        if piece.is_empty() {
            let message = "the record file became shorter while it was read; stop whoever changes it";
            return Err(Error::new(ErrorKind::Truncated, message).at(0, at));
        }
        checksum.update(piece);
        at += piece.len() as u64;
    }
    Ok(checksum.finish())
}

/// The end that the count H proves where no checkpoint can be read: that of a last record which is as its entry says.
pub fn end_by_count(bytes: &mut Bytes<'_>, index: &Index, header_count: u64) -> Result<Option<u64>> {
    let Some(last) = header_count.checked_sub(1) else { return Ok(None) };
    let Some(entry) = Run::default().entry(index, last, header_count)?.copied() else { return Ok(None) };
    let found = bytes.record(entry.offset)?;
    Ok(found.filter(|found| found.crc == entry.crc).map(|found| found.end))
}

/// Goes on from `from` through files and journal for as long as records verify, calling `lay` with the frames on the way.
pub fn follow(
    bytes: &mut Bytes<'_>,
    index: &Index,
    from: Point,
    journal: Option<&Found>,
    log_path: &Path,
    mut lay: impl FnMut(&Frame, &[u8]) -> Result<()>,
) -> Result<Point> {
    let Some(journal) = journal else { return scan::forward(bytes, index, from, u64::MAX) };
    let mut laid = from;
    let followed = replay::follow(bytes, index, from, journal, log_path, |frame, records| {
        lay(frame, records)?;
        let time_ns = laid.time_ns.max(frame.time_ns);
        laid = Point { count: frame.first_number + frame.count, end: frame.offset + frame.length_bytes, time_ns };
        Ok(())
    });
    match followed {
        Err(error) if error.kind == ErrorKind::Corrupt => scan::forward(bytes, index, laid, u64::MAX),
        reached => reached,
    }
}
