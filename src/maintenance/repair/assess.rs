//! What is wrong with a log that has its own index file. Checks every record, and finds for each bad one what can be
//! done. Reads only.
//!
//! A valid entry says where its record begins. So the records between two valid entries lie in a known stretch of the
//! file, whatever else is damaged, and keep their numbers. Beyond the checkpoint, the records that verify are certain,
//! as in every recovery. So are the bytes between them and a later record, if the record's entry and bytes prove it or
//! the journal gives its place. Nothing else is certain there.

use crate::error::{Error, ErrorKind, Result};
use crate::files::index::{Index, Run};
use crate::files::journal::{FoundJournal, FrameBody, Records};
use crate::format::Checksum;
use crate::format::index::{Entry, entries_end};
use crate::format::journal::Frame;
use crate::format::log::{SIZE_WORD_BYTES, word};
use crate::recovery::layout::{self, Led, Place};
use crate::recovery::salvage::Stretches;
use crate::recovery::scan::{self, Bytes, Point};
use crate::recovery::{Site, replay};
use std::fmt::Display;
use std::ops::Range;
use std::path::Path;

/// What is wrong with a record, and so what is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamagedPart {
    /// Only its size word is wrong: with the size that the entries give, the checksum is right (R1).
    Size,
    /// Only its entry is wrong: the sizes lead from the record before to the record after, and the journal has no other
    /// bytes for it (R2).
    Entry,
    /// Its bytes are wrong, and the journal has the right ones.
    Replayed,
    /// Its bytes are wrong, or nothing says that they are right: it is quarantined (R3).
    Bytes,
}

/// A record below the checkpoint that is not as it should be.
#[derive(Clone, Copy, Debug)]
pub struct Damage<'a> {
    pub number: u64,
    pub fault: DamagedPart,
    /// The entry that the record is to get, and where the record ends.
    pub entry: Entry,
    pub end: u64,
    /// The bytes that the record is to get, size word included, unless its bytes stay as they are.
    pub replayed: Option<FrameBody<'a>>,
}

impl Damage<'_> {
    /// Where its bytes are.
    pub fn range(&self) -> Range<u64> {
        self.entry.offset..self.end
    }
}

/// A point whose place an entry, the journal or the checkpoint gives.
#[derive(Clone, Copy, Debug)]
struct Known {
    number: u64,
    offset: u64,
    /// The entry of the record that begins there.
    entry: Option<Entry>,
}

impl Known {
    /// Whether this point leaves room for the records between `before` and itself.
    fn follows(&self, before: &Known) -> bool {
        self.offset.saturating_sub(before.offset) / SIZE_WORD_BYTES >= self.number - before.number
    }
}

/// What was found of the records assessed.
#[derive(Clone, Copy, Debug)]
pub struct Assessment {
    /// Records that are not as they should be, and where the first is.
    pub damaged: u64,
    pub first: Option<(u64, u64)>,
    /// How many of these are to be quarantined, and how many get a new entry.
    pub quarantined: u64,
    pub unindexed: u64,
    /// Whether a size word is wrong, and nothing else of its record.
    pub has_wrong_size: bool,
    /// Records that match their entries, or whose sizes lead from such a record to the next one.
    pub verified: u64,
    /// Records that an earlier repair quarantined.
    pub known_bad: u64,
    /// The bytes to keep of the records that are to be quarantined.
    pub stretches: Stretches,
    /// How far the file has the records.
    pub base: Point,
}

/// Records whose beginning and end are known.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub start: Point,
    /// The end, which a checkpoint, the journal or the last of the records gives.
    pub to: Point,
}

/// What records are checked against.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    pub index: &'a Index,
    /// How many entries the index file has room for.
    pub entries: u64,
    pub journal: Option<&'a FoundJournal>,
    /// How much room there is for a new index file, where that must still be checked.
    pub room_bytes: Option<u64>,
}

/// Checks the records of `spans`, each span up to where the file ends, and adds to what was `found` before. Calls
/// `each` with every damage, in order. Damage is found again rather than remembered, because as many records may be
/// damaged as there are.
///
/// # Errors
/// `E_AMBIGUOUS` for records without entries that lie in a hole, unless the count holds. `E_NO_SPACE` if it holds, but
/// there is no room for these entries.
pub fn assess(
    site: &Site<'_>,
    bytes: &mut Bytes<'_>,
    sources: Sources<'_>,
    spans: &[Span],
    found: Assessment,
    each: &mut dyn FnMut(&Damage<'_>) -> Result<()>,
) -> Result<Assessment> {
    let total = spans.last().map_or(0, |span| span.to.count);
    let [journal, places] = [(); 2].map(|()| sources.journal.map(FoundJournal::records));
    let mut assessor = Assessor { site, bytes, total, each, found, journal, places, room_bytes: sources.room_bytes };
    for span in spans {
        assessor.check_span(sources.index, span, sources.entries)?;
    }
    site.watch.map_or(Ok(()), |watch| watch.tell(total, total))?;
    Ok(assessor.found)
}

/// The work on one record after the other.
struct Assessor<'a, 'b> {
    site: &'a Site<'a>,
    bytes: &'a mut Bytes<'b>,
    /// How many records there are in all.
    total: u64,
    each: &'a mut dyn FnMut(&Damage<'_>) -> Result<()>,
    found: Assessment,
    journal: Option<Records<'a>>,
    /// The same journal, in a search that is ahead of the one in `journal`.
    places: Option<Records<'a>>,
    room_bytes: Option<u64>,
}

impl Assessor<'_, '_> {
    /// Checks the records of `span`, and moves the base to where the file has them.
    fn check_span(&mut self, index: &Index, span: &Span, entries: u64) -> Result<()> {
        let (Span { start, to }, mut run) = (*span, Run::default());
        let first = if to.count > start.count { run.entry(index, start.count, to.count)?.copied() } else { None };
        let first = first.filter(|entry| entry.offset == start.end);
        let mut known = Known { number: start.count, offset: start.end, entry: first };
        self.found.base.time_ns = self.found.base.time_ns.max(start.time_ns);
        let end = Known { number: to.count, offset: to.end, entry: None };
        let mut number = start.count + 1;
        while number <= to.count {
            // After the last existing entry, the end of the span is the only known place.
            let next = match run.next_valid(index, number..to.count.min(entries), self.site.watch)? {
                Some((number, entry)) => Known { number, offset: entry.offset, entry: Some(entry) },
                None => end,
            };
            number = next.number + 1;
            // An entry that leaves no room for the records around it says nothing, valid or not.
            if !next.follows(&known) || !end.follows(&next) {
                continue;
            }
            // R4: the log ends where the file does.
            if next.offset > self.bytes.file_end {
                break;
            }
            self.check_between(known, &next)?;
            known = next;
        }
        self.found.base = Point { count: known.number, end: known.offset, ..self.found.base };
        Ok(())
    }

    /// Checks the records from `known` on up to `next`, between which there is no entry. Where their sizes do not lead
    /// to `next`, the places that the journal gives cut them into shorter stretches.
    fn check_between(&mut self, mut known: Known, next: &Known) -> Result<()> {
        let goes_by_journal = self.places.is_some() && !self.lead(known, next)?;
        let mut number = known.number + 1;
        while goes_by_journal && let Some(place) = self.place(number)?.filter(|place| place.number < next.number) {
            number = place.number + 1;
            if place.follows(&known) && next.follows(&place) {
                self.check_stretch(known, &place)?;
                known = place;
            }
        }
        self.check_stretch(known, next)
    }

    /// The first place that the journal gives, from record `number` on.
    fn place(&mut self, number: u64) -> Result<Option<Known>> {
        let Some(places) = &mut self.places else { return Ok(None) };
        Ok(places.place(number)?.map(|(number, offset)| Known { number, offset, entry: None }))
    }

    /// Checks the records from `known` on up to `next`: the first may have an entry, the others have none.
    fn check_stretch(&mut self, known: Known, next: &Known) -> Result<()> {
        let sizes_lead_there = self.lead(known, next)?;
        let (mut start, mut entry) = (known.offset, known.entry);
        for number in known.number..next.number {
            self.site.watch.map_or(Ok(()), |watch| watch.step(number, self.total))?;
            // At least a size word is left for each record after it; the last one takes the rest.
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
                Some(entry) if entry.crc == crc => Some(DamagedPart::Size),
                None if sizes_lead_there && has_own_size => Some(DamagedPart::Entry),
                _ => Some(DamagedPart::Bytes),
            };
            let known_entry = entry.take();
            let replayed = match (&mut self.journal, fault) {
                (Some(journal), Some(DamagedPart::Bytes | DamagedPart::Entry)) => {
                    as_it_was(journal, number, start..end, known_entry.as_ref())?
                }
                _ => None,
            };
            // For a record that only lost its entry, the journal shows whether the bytes in the file are right.
            let replayed = replayed.filter(|(_, right)| fault != Some(DamagedPart::Entry) || *right != crc);
            let (fault, crc) = match replayed {
                Some((_, crc)) => (Some(DamagedPart::Replayed), crc),
                None => (fault, crc),
            };
            let found = &mut self.found;
            found.known_bad +=
                u64::from(fault != Some(DamagedPart::Bytes) && known_entry.is_some_and(|entry| entry.quarantined));
            found.verified += u64::from(matches!(fault, None | Some(DamagedPart::Entry | DamagedPart::Replayed)));
            found.base.time_ns = known_entry.map_or(found.base.time_ns, |entry| entry.time_ns.max(found.base.time_ns));
            if let Some(fault) = fault {
                // A record that lost its entry was not appended before the record that precedes it.
                let lost = Entry {
                    offset: start,
                    time_ns: found.base.time_ns,
                    crc,
                    last_of_batch: true,
                    adopted: true,
                    quarantined: false,
                };
                let entry = known_entry.unwrap_or(lost);
                let quarantined = entry.quarantined || fault == DamagedPart::Bytes;
                let entry = Entry { crc, quarantined, ..entry };
                let damage = Damage { number, fault, entry, end, replayed: replayed.map(|(body, _)| body) };
                found.count(self.bytes, &damage)?;
                (self.each)(&damage)?;
            }
            start = end;
        }
        Ok(())
    }

    /// Whether the sizes of the records from `known` on lead to `next`; a single record ends there, whatever its size
    /// word says.
    ///
    /// # Errors
    /// `E_AMBIGUOUS` when the file holds nothing of the records between, neither entries nor size words.
    fn lead(&mut self, known: Known, next: &Known) -> Result<bool> {
        let Known { number, offset, entry } = known;
        if next.number == number + 1 {
            return Ok(true);
        }
        let begin = Point { count: number, end: offset, time_ns: 0 };
        // For a record with an entry, the entry is enough to know that the record exists.
        let begin = match entry {
            Some(_) => self.bytes.record_end(offset)?.map(|end| Point { count: number + 1, end, ..begin }),
            None => Some(begin),
        };
        let led = match begin {
            Some(begin) => layout::leads_to(self.bytes, begin, next.number)?,
            None => None,
        };
        if let Some(led) = led.filter(|led| led.to.end == next.offset) {
            return self.weigh(led, next.number).map(|()| true);
        }
        let between = (next.number - number - 1) * SIZE_WORD_BYTES;
        if self.bytes.data_in(offset..next.offset)? >= between {
            return Ok(false);
        }
        let in_hole = Some(Place { number: number + u64::from(entry.is_some()), offset });
        self.weigh(Led { to: Point::START, in_hole }, next.number).map(|()| false)
    }

    /// Refuses records without entries that lie in a hole, up to record `count`, unless the count holds and there is
    /// room for their entries (R8). Otherwise these records would be checked one by one before the room is looked at.
    fn weigh(&self, led: Led, count: u64) -> Result<()> {
        self.site.confirmed(led)?;
        let needed_bytes = entries_end(count);
        match self.room_bytes.filter(|room_bytes| led.in_hole.is_some() && *room_bytes < needed_bytes) {
            Some(room_bytes) => Err(self.site.without_room(needed_bytes, room_bytes, room_for(count))),
            None => Ok(()),
        }
    }
}

impl Default for Assessment {
    fn default() -> Assessment {
        Assessment {
            damaged: 0,
            first: None,
            quarantined: 0,
            unindexed: 0,
            has_wrong_size: false,
            verified: 0,
            known_bad: 0,
            stretches: Stretches::default(),
            base: Point::START,
        }
    }
}

impl Assessment {
    fn count(&mut self, bytes: &mut Bytes<'_>, damage: &Damage<'_>) -> Result<()> {
        self.damaged += 1;
        self.first = self.first.or(Some((damage.number, damage.entry.offset)));
        match damage.fault {
            DamagedPart::Size => self.has_wrong_size = true,
            DamagedPart::Entry => self.unindexed += 1,
            DamagedPart::Replayed => {}
            DamagedPart::Bytes => {
                self.quarantined += 1;
                self.stretches.add(bytes, &damage.range())?;
            }
        }
        Ok(())
    }
}

/// What takes the room that a repair of `count` records needs, for the refusal where there is less.
pub fn room_for(count: u64) -> impl Display {
    std::fmt::from_fn(move |f| {
        write!(f, "a repair (copies of what gives way, and a new index file for {count} records)")
    })
}

/// The bytes that the journal has of record `number`, which belongs into `range`, with their checksum. That checksum is
/// the one in the record's entry, if the entry is known.
fn as_it_was<'a>(
    journal: &mut Records<'a>,
    number: u64,
    range: Range<u64>,
    entry: Option<&Entry>,
) -> Result<Option<(FrameBody<'a>, u32)>> {
    let Some((offset, body)) = journal.get(number)? else { return Ok(None) };
    if offset != range.start || offset + body.size_bytes() != range.end {
        return Ok(None);
    }
    let mut checksum = Checksum::new();
    body.pieces(|_, piece| {
        checksum.update(piece);
        Ok(true)
    })?;
    let crc = checksum.finish();
    Ok(entry.is_none_or(|entry| entry.crc == crc).then_some((body, crc)))
}

/// The checksum of the record in `range` as it would be with the size word that belongs there.
fn checksum(bytes: &mut Bytes<'_>, range: Range<u64>) -> Result<u32> {
    let mut checksum = Checksum::new();
    checksum.update(&word(range.end - range.start - SIZE_WORD_BYTES));
    if !bytes.checksum(range.start + SIZE_WORD_BYTES..range.end, &mut checksum)? {
        let message = "the record file became shorter while it was read; stop the process that changes it";
        return Err(Error::new(ErrorKind::Truncated, message).at(0, range.start));
    }
    Ok(checksum.finish())
}

/// The records that can be passed over from `from` on, where files and journal do not continue. They reach to where the
/// journal continues, or else to the end of the last batch that its last entry and its bytes prove.
pub fn after_gap(bytes: &mut Bytes<'_>, sources: Sources<'_>, from: Point) -> Result<Option<Span>> {
    let Sources { index, entries, journal, .. } = sources;
    let mut proven: Option<Point> = None;
    scan::proven_after_gap(bytes, index, from, entries, |point, entry| {
        if entry.last_of_batch {
            proven = Some(point);
        }
    })?;
    for half in journal.into_iter().flat_map(|journal| &journal.halves) {
        let to = Point { count: half.header.first_number, end: half.header.first_offset, time_ns: 0 };
        if to.count > from.count && to.end <= bytes.file_end {
            // Where the index file knows the record there, the two must agree.
            let entry = Run::default().entry(index, to.count, entries)?.copied();
            if entry.is_none_or(|entry| entry.offset == to.end) {
                return Ok(Some(Span { start: from, to }));
            }
        }
    }
    Ok(proven.map(|to| Span { start: from, to }))
}

/// Continues from `from` through files and journal for as long as records verify, calling `lay` with the frames on the
/// way.
pub fn follow(
    bytes: &mut Bytes<'_>,
    index: &Index,
    from: Point,
    journal: Option<&FoundJournal>,
    log_path: &Path,
    mut lay: impl FnMut(&Frame, &FrameBody<'_>) -> Result<()>,
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
