//! What is wrong with a log that has a side file of its own: every record checked, and for each that is bad what can be done. Reads only.
//!
//! A valid entry says where its record begins, so the records between two of them lie in a known stretch of the file, whatever else is
//! damaged, and keep their numbers. Beyond the checkpoint nothing is certain but what verifies, as in every recovery.

use crate::error::{Error, ErrorKind, Result};
use crate::format::Checksum;
use crate::format::index::{Checkpoint, Entry};
use crate::format::journal::Frame;
use crate::format::log::{HEADER_SIZE_BYTES, SIZE_WORD_BYTES, word};
use crate::index::{Index, Run};
use crate::journal::{Body, Found};
use crate::layout::{self, Led, Place};
use crate::recovery::{Site, replay};
use crate::salvage::Stretches;
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
    /// Where its bytes are.
    pub fn range(&self) -> Range<u64> {
        self.entry.offset..self.end
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
    /// Records that are not as they should be, and where the first is.
    pub damaged: u64,
    pub first: Option<(u64, u64)>,
    /// Of these: those that are to be quarantined, and those that get a new entry.
    pub quarantined: u64,
    pub unindexed: u64,
    /// Whether a size word is wrong, and nothing else of its record.
    pub has_wrong_size: bool,
    /// Records that are as their entries say, or lead from one that is to the next.
    pub verified: u64,
    /// Records that an earlier repair quarantined.
    pub known_bad: u64,
    /// What has to be kept of those that are to be quarantined.
    pub stretches: Stretches,
    /// Up to where the file has them.
    pub base: Point,
}

/// Which records are assessed.
#[derive(Clone, Copy, Debug)]
pub struct Covered {
    /// The checkpoint that covers them.
    pub from: Checkpoint,
    /// How many entries the side file has room for.
    pub entries: u64,
}

/// Checks the records that are `covered`, or those up to where the file ends, and calls `each` with every damage, in order: they are found
/// again rather than remembered, since there may be as many as records.
///
/// # Errors
/// `E_AMBIGUOUS` for records without entries that lie in a hole, unless the count holds.
pub fn assess(
    site: &Site<'_>,
    bytes: &mut Bytes<'_>,
    index: &Index,
    covered: Covered,
    each: &mut dyn FnMut(&Damage) -> Result<()>,
) -> Result<Assessment> {
    let Covered { from, entries } = covered;
    let (mut run, mut assessor) = (Run::default(), Assessor::new(site, bytes, from.count, each));
    let first = if from.count > 0 { run.entry(index, 0, from.count)?.copied() } else { None };
    let first = first.filter(|entry| entry.offset == HEADER_SIZE_BYTES);
    let mut known = Known { number: 0, offset: HEADER_SIZE_BYTES, entry: first };
    let mut number = 1;
    while number <= from.count {
        // Behind the last entry that is there, only the checkpoint knows a place.
        let next = match run.next_valid(index, number..from.count.min(entries), site.watch)? {
            Some((number, entry)) => Known { number, offset: entry.offset, entry: Some(entry) },
            None => Known { number: from.count, offset: from.end, entry: None },
        };
        number = next.number + 1;
        // An entry that leaves no room for the records around it says nothing, valid or not.
        let (before, behind) = (next.number - known.number, from.count - next.number);
        let is_possible = next.offset.saturating_sub(known.offset) / SIZE_WORD_BYTES >= before
            && from.end.saturating_sub(next.offset) / SIZE_WORD_BYTES >= behind;
        if !is_possible {
            continue;
        }
        if next.offset > assessor.bytes.file_end {
            break;
        }
        assessor.check_stretch(known, &next)?;
        known = next;
    }
    site.watch.map_or(Ok(()), |watch| watch.tell(from.count, from.count))?;
    let mut found = assessor.found;
    found.base = Point { count: known.number, end: known.offset, ..found.base };
    Ok(found)
}

/// The work on one record after the other.
struct Assessor<'a, 'b> {
    site: &'a Site<'a>,
    bytes: &'a mut Bytes<'b>,
    /// How many records there are in all.
    total: u64,
    each: &'a mut dyn FnMut(&Damage) -> Result<()>,
    found: Assessment,
}

impl<'a, 'b> Assessor<'a, 'b> {
    fn new(
        site: &'a Site<'a>,
        bytes: &'a mut Bytes<'b>,
        total: u64,
        each: &'a mut dyn FnMut(&Damage) -> Result<()>,
    ) -> Assessor<'a, 'b> {
        let found = Assessment {
            damaged: 0,
            first: None,
            quarantined: 0,
            unindexed: 0,
            has_wrong_size: false,
            verified: 0,
            known_bad: 0,
            stretches: Stretches::default(),
            base: Point::START,
        };
        Assessor { site, bytes, total, each, found }
    }

    /// Checks the records from `known` on up to `next`: of the first there may be an entry, of the others there is none.
    fn check_stretch(&mut self, known: Known, next: &Known) -> Result<()> {
        let sizes_lead_there = next.number - known.number == 1 || self.lead(known, next)?;
        let (mut start, mut entry) = (known.offset, known.entry);
        for number in known.number..next.number {
            self.site.watch.map_or(Ok(()), |watch| watch.step(number, self.total))?;
            // At least a size word is left for each record behind it; the last one takes what is left.
            let behind = (next.number - number - 1) * SIZE_WORD_BYTES;
            let own_end = self.bytes.record_end(start)?;
            let end = match own_end {
                Some(end) if behind > 0 && end <= next.offset - behind => end,
                _ => next.offset - behind,
            };
            let crc = checksum(self.bytes, start..end)?;
            let has_own_size = own_end == Some(end);
            let fault = match entry {
                Some(entry) if entry.crc == crc && has_own_size => None,
                Some(entry) if entry.crc == crc => Some(Fault::Size),
                None if sizes_lead_there && has_own_size => Some(Fault::Entry),
                _ => Some(Fault::Bytes),
            };
            let known_entry = entry.take();
            let found = &mut self.found;
            found.known_bad +=
                u64::from(fault != Some(Fault::Bytes) && known_entry.is_some_and(|entry| entry.quarantined));
            found.verified += u64::from(matches!(fault, None | Some(Fault::Entry)));
            found.base.time_ns = known_entry.map_or(found.base.time_ns, |entry| entry.time_ns.max(found.base.time_ns));
            if let Some(fault) = fault {
                // A record that lost its entry was not appended before the one in front of it.
                let lost = Entry {
                    offset: start,
                    time_ns: found.base.time_ns,
                    crc,
                    last_of_batch: true,
                    adopted: true,
                    quarantined: false,
                };
                let entry = known_entry.unwrap_or(lost);
                let quarantined = entry.quarantined || fault == Fault::Bytes;
                let damage = Damage { number, fault, entry: Entry { crc, quarantined, ..entry }, end };
                found.count(self.bytes, &damage)?;
                (self.each)(&damage)?;
            }
            start = end;
        }
        Ok(())
    }

    /// Whether the sizes of the records from `known` on lead to `next`.
    ///
    /// # Errors
    /// `E_AMBIGUOUS` when there is nothing in the file of those between, neither entries nor size words.
    fn lead(&mut self, known: Known, next: &Known) -> Result<bool> {
        let Known { number, offset, entry } = known;
        let begin = Point { count: number, end: offset, time_ns: 0 };
        // Of one with an entry that is enough to know that it is there.
        let begin = match entry {
            Some(_) => self.bytes.record_end(offset)?.map(|end| Point { count: number + 1, end, ..begin }),
            None => Some(begin),
        };
        let led = match begin {
            Some(begin) => layout::leads_to(self.bytes, begin, next.number)?,
            None => None,
        };
        if let Some(led) = led.filter(|led| led.to.end == next.offset) {
            return self.site.confirmed(led).map(|_| true);
        }
        let between = (next.number - number - 1) * SIZE_WORD_BYTES;
        if self.bytes.data_in(offset..next.offset)? >= between {
            return Ok(false);
        }
        let in_hole = Some(Place { number: number + u64::from(entry.is_some()), offset });
        self.site.confirmed(Led { to: Point::START, in_hole }).map(|_| false)
    }
}

impl Assessment {
    fn count(&mut self, bytes: &mut Bytes<'_>, damage: &Damage) -> Result<()> {
        self.damaged += 1;
        self.first = self.first.or(Some((damage.number, damage.entry.offset)));
        match damage.fault {
            Fault::Size => self.has_wrong_size = true,
            Fault::Entry => self.unindexed += 1,
            Fault::Bytes => {
                self.quarantined += 1;
                self.stretches.add(bytes, &damage.range())?;
            }
        }
        Ok(())
    }
}

/// The checksum of the record in `range` as it would be with the size word that belongs there.
fn checksum(bytes: &mut Bytes<'_>, range: Range<u64>) -> Result<u32> {
    let mut checksum = Checksum::new();
    checksum.update(&word(range.end - range.start - SIZE_WORD_BYTES));
    if !bytes.checksum(range.start + SIZE_WORD_BYTES..range.end, &mut checksum)? {
        let message = "the record file became shorter while it was read; stop whoever changes it";
        return Err(Error::new(ErrorKind::Truncated, message).at(0, range.start));
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
    mut lay: impl FnMut(&Frame, &Body<'_>) -> Result<()>,
) -> Result<Point> {
    let Some(journal) = journal else { return scan::forward(bytes, index, from, u64::MAX) };
    let mut laid = from;
    let followed = replay::follow(bytes, index, from, journal, log_path, |frame, body| {
        lay(frame, body)?;
        let time_ns = laid.time_ns.max(frame.time_ns);
        laid = Point { count: frame.first_number + frame.count, end: frame.offset + frame.length_bytes, time_ns };
        Ok(())
    });
    match followed {
        Err(error) if error.kind == ErrorKind::Corrupt => scan::forward(bytes, index, laid, u64::MAX),
        reached => reached,
    }
}
