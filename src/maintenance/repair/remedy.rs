//! What is to be done about a log that cannot be opened, or has damaged records that opening does not look at. Reads
//! only.

use super::Repair;
use super::assess::{Assessment, Damage, DamagedPart, Sources, Span, after_gap, assess, follow};
use crate::error::{Error, ErrorKind, Result};
use crate::files::index::{self, Header, Index, Run};
use crate::files::journal::FoundJournal;
use crate::format::log::HEADER_SIZE_BYTES;
use crate::format::number::Outer;
use crate::recovery::layout;
use crate::recovery::salvage::Stretches;
use crate::recovery::scan::{Bytes, Point};
use crate::recovery::{self, Plan, Site, Unindexed, examine, from_the_beginning, journal_beside, read_index};
use crate::report::{Outcome, Report};
use crate::storage::{File, OpenMode};
use crate::util::memory;
use std::ops::Range;

/// The state of a log.
pub enum Diagnosis {
    /// The log opens, perhaps only if its count holds, and every record is as it should be. The plan is the one to open
    /// it.
    Sound {
        plan: Plan,
        report: Report,
    },
    Damaged {
        remedy: Remedy,
        report: Report,
    },
}

/// What to make of a damaged log, and which of its bytes must be kept first.
pub struct Remedy {
    /// The records that remain: their count, and where they end.
    pub point: Point,
    pub index: IndexRemedy,
    /// Bytes of the record file that will be changed or cut off; [`Remedy::each_stretch`] has them all.
    pub stretches: Stretches,
    /// The bytes after the records.
    rest: Option<Range<u64>>,
}

/// What becomes of the index file.
pub enum IndexRemedy {
    /// Its entries stay, except those of damaged records; the entries of the journal's records follow them.
    Mended(Box<Own>),
    /// There is no usable index file: the records are indexed again.
    Rebuilt,
}

/// A log with an index file of its own.
pub struct Own {
    pub index: Index,
    /// Where the namespace begins, and whether its segment ends early, as the newest checkpoint says.
    pub first: Outer,
    pub ends_early: bool,
    /// The records that the checkpoint covers, then the stretches passed over after these; the index file has room for
    /// `entries`.
    spans: Vec<Span>,
    entries: u64,
    pub assessment: Assessment,
    /// The journal that is laid over the files from the points in `followed` on.
    pub journal: Option<FoundJournal>,
    followed: Vec<Point>,
    /// The end of the records in files and journal, and how many of these records are good but not covered by the
    /// checkpoint.
    point: Point,
    recovered: u64,
    /// Records after `point` that exist and have no entries.
    pub unindexed: Option<Unindexed>,
}

impl Own {
    fn sources(&self) -> Sources<'_> {
        Sources { index: &self.index, entries: self.entries, journal: self.journal.as_ref(), room_bytes: None }
    }

    /// How many records the checkpoint covers.
    fn covered_count(&self) -> u64 {
        self.spans.first().map_or(0, |covered| covered.to.count)
    }

    /// The end of the records that the checkpoint covers, and so of the bytes that are on the disk for certain.
    pub fn covered_end(&self) -> u64 {
        self.spans.first().map_or(HEADER_SIZE_BYTES, |covered| covered.to.end)
    }

    /// Where following files and journal began, and where it led each time: to a stretch passed over, or to the end.
    pub fn followed(&self) -> impl Iterator<Item = (Point, Point)> {
        let passed_over = self.spans.iter().skip(1).map(|span| span.start);
        self.followed.iter().copied().zip(passed_over.chain([self.point]))
    }

    /// Calls `each` with every damage of `log`; the damage is searched for again.
    pub fn each_damage(
        &self,
        site: &Site<'_>,
        log: &dyn File,
        each: &mut dyn FnMut(&Damage<'_>) -> Result<()>,
    ) -> Result<()> {
        if self.assessment.damaged == 0 {
            return Ok(());
        }
        let size_bytes = log.metadata().map_err(site.failed("looking at"))?.size_bytes;
        // The first assessment has checked what a count claims.
        assess(
            &site.with_count()?,
            &mut site.bytes(log, size_bytes)?,
            self.sources(),
            &self.spans,
            Assessment::default(),
            each,
        )
        .map(drop)
    }
}

impl Remedy {
    /// Calls `each` with every stretch of `log` that has to be kept.
    pub fn each_stretch(
        &self,
        site: &Site<'_>,
        log: &dyn File,
        each: &mut dyn FnMut(Range<u64>) -> Result<()>,
    ) -> Result<()> {
        if let IndexRemedy::Mended(own) = &self.index {
            own.each_damage(site, log, &mut |damage| match damage.fault {
                DamagedPart::Bytes => each(damage.range()),
                DamagedPart::Size | DamagedPart::Entry | DamagedPart::Replayed => Ok(()),
            })?;
        }
        self.rest.clone().map_or(Ok(()), each)
    }
}

/// Finds out how the log is: `opening` is what opening it would do.
pub fn diagnose(site: &Site<'_>, log: &dyn File, opening: Result<Plan>, how: Repair) -> Result<Diagnosis> {
    let size_bytes = log.metadata().map_err(site.failed("looking at"))?.size_bytes;
    let mut bytes = site.bytes(log, size_bytes)?;
    let header_count = bytes.size_word(0)?;
    let (opening, refusal) = match opening {
        Ok(plan) => (Some(plan), None),
        Err(error) => (if how.accept_count { plan_with_count(site, log, &error)? } else { None }, Some(error)),
    };
    let mended = opening.as_ref().and_then(|plan| plan.report().finding).unwrap_or(ErrorKind::Corrupt);
    let finding = refusal.as_ref().map_or(mended, |error| error.kind);
    let (number, offset) = refusal.as_ref().map_or((0, 0), |error| (error.number, error.offset));
    let mut report = Report {
        outcome: Outcome::Damaged,
        finding: Some(finding),
        header_count: header_count.unwrap_or(0),
        first_bad_number: number,
        first_bad_offset: offset,
        ..Report::default()
    };
    let index_file = usable_index(site)?;
    // The log has an index file of its own, so its layout is ours. Only the program that appended to it has another
    // one.
    let is_theirs = |error: &Error| error.kind == ErrorKind::Layout && index_file.is_some();
    // R12: a repair mends damage only.
    if opening.is_none()
        && let Some(error) = refusal.as_ref().filter(|error| !is_repairable(error.kind) && !is_theirs(error))
    {
        return Err(error.clone());
    }
    // Records that opening would cut off after a gap are kept in their place here.
    let is_cut = opening.as_ref().is_none_or(Plan::is_cut_short);
    let believing = site.with_count()?;
    let site = if how.accept_count { &believing } else { site };
    let own = match index_file {
        Some((header, index)) => {
            let own = assess_own(site, &mut bytes, &header, index, header_count.unwrap_or(0), is_cut)?;
            report.header_count = report.header_count.max(own.covered_count());
            Some(own)
        }
        None => None,
    };
    let (is_sound, known_bad) =
        own.as_ref().map_or((true, 0), |Own { assessment, .. }| (assessment.damaged == 0, assessment.known_bad));
    if let Some(plan) = opening.filter(|_| is_sound) {
        let trimmed_bytes = size_bytes.saturating_sub(plan.end());
        let foreseen = Report { bad_records: known_bad, trimmed_bytes, ..plan.report() };
        let report = match refusal {
            None => foreseen,
            Some(_) => Report {
                outcome: Outcome::Damaged,
                finding: report.finding,
                first_bad_number: report.first_bad_number,
                first_bad_offset: report.first_bad_offset,
                ..foreseen
            },
        };
        return Ok(Diagnosis::Sound { plan, report });
    }
    // R8: only a count says what its records are.
    let is_refused = own.is_some() && !how.accept_count;
    if let Some(error) = refusal.as_ref().filter(|error| is_refused && error.kind == ErrorKind::Ambiguous) {
        return Err(error.clone());
    }
    let remedy = match own {
        Some(own) if is_of_this_log(&mut bytes, site, &own, finding)? => mend_own(&mut bytes, own, &mut report)?,
        Some(_) => index_again(site, &mut bytes, refusal, None, &mut report)?,
        None => index_again(site, &mut bytes, refusal, Some(how), &mut report)?,
    };
    report.count = remedy.point.count;
    report.trimmed_bytes = remedy.stretches.bytes;
    Ok(Diagnosis::Damaged { remedy, report })
}

/// How the log that opening refuses with `error` is opened where its count holds, if nothing else is needed.
fn plan_with_count(site: &Site<'_>, log: &dyn File, error: &Error) -> Result<Option<Plan>> {
    if !matches!(error.kind, ErrorKind::Ambiguous | ErrorKind::Layout) {
        return Ok(None);
    }
    match examine(&site.with_count()?, log, read_index(site)?) {
        Err(error) if error.kind.is_of_the_files() => Ok(None),
        opening => opening.map(Some),
    }
}

/// Whether a refusal to open is about damage, which a repair may mend.
fn is_repairable(kind: ErrorKind) -> bool {
    use ErrorKind::{Ambiguous, Corrupt, Mismatch, Missing, Truncated};
    matches!(kind, Ambiguous | Corrupt | Mismatch | Missing | Truncated)
}

/// The index file with its identity, if the identity can be read.
///
/// # Errors
/// `E_MISMATCH` if the index file is that of another segment (R12).
fn usable_index(site: &Site<'_>) -> Result<Option<(Header, Index)>> {
    let failed = |error| Error::os("reading", &error).of(&site.index_path);
    let file = match site.storage.open(&index::file_name(&site.stem), OpenMode::Read) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let header = Header::read(file.as_ref()).map_err(failed)?;
    // An index file of a newer format was refused before.
    let Ok(identity) = &header.identity else { return Ok(None) };
    recovery::refuse_other_segment(identity, site)?;
    let log_id = identity.log_id;
    Ok(Some((header, Index { file, log_id })))
}

/// Checks every record that the index file knows: those that the checkpoint covers, and those after them for as long as
/// files and journal continue. Where they do not continue, and `passes_gaps` is set, the bytes before the next certain
/// record are passed over.
fn assess_own(
    site: &Site<'_>,
    bytes: &mut Bytes<'_>,
    header: &Header,
    index: Index,
    header_count: u64,
    passes_gaps: bool,
) -> Result<Own> {
    let from = header.newest().map_or_else(from_the_beginning, |(newest, _)| newest);
    let (journal, entries) = (journal_beside(site, header, &from, &index)?, header.entries_in_file());
    let covered = Span { start: Point::START, to: Point { count: from.count, end: from.end, time_ns: 0 } };
    let room_bytes = Some(site.free_bytes()?);
    let sources = Sources { index: &index, entries, journal: journal.as_ref(), room_bytes };
    let check = |bytes: &mut Bytes<'_>, span, found| assess(site, bytes, sources, &[span], found, &mut |_| Ok(()));
    let mut assessment = check(bytes, covered, Assessment::default())?;
    let mut spans = memory::list([covered].into_iter())?;
    let mut followed = memory::list([assessment.base].into_iter())?;
    let (base, quarantined) = (assessment.base, assessment.quarantined);
    let go_on =
        |bytes: &mut Bytes<'_>, from| follow(bytes, &index, from, journal.as_ref(), &site.log_path, |_, _| Ok(()));
    let mut point = go_on(bytes, assessment.base)?;
    while passes_gaps && let Some(span) = after_gap(bytes, sources, point)? {
        match check(bytes, span, assessment) {
            // Nothing exists of the records between, neither entries nor bytes.
            Err(error) if error.kind == ErrorKind::Ambiguous => break,
            found => assessment = found?,
        }
        memory::push(&mut spans, span)?;
        memory::push(&mut followed, assessment.base)?;
        point = assessment.base;
        if (point.count, point.end) != (span.to.count, span.to.end) {
            break;
        }
        point = go_on(bytes, point)?;
    }
    let recovered = point.count - base.count - (assessment.quarantined - quarantined);
    let unindexed = unknown_records(site, bytes, header, &index, header_count, point)?;
    let (first, ends_early) = (from.first, from.ends_early);
    Ok(Own { index, first, ends_early, spans, entries, assessment, journal, followed, point, recovered, unindexed })
}

/// The records after `point` that the count includes and that were appended by a program which does not know index
/// files (R5), or writes a 16-byte header (R6).
fn unknown_records(
    site: &Site<'_>,
    bytes: &mut Bytes<'_>,
    header: &Header,
    index: &Index,
    header_count: u64,
    point: Point,
) -> Result<Option<Unindexed>> {
    let covered = header.newest().map_or(0, |(newest, _)| newest.count);
    if header_count <= point.count || point.count < covered {
        return Ok(None);
    }
    // For a record that the index file knows, nothing but the entry says whether the record is as it was.
    if Run::default().next_valid(index, point.count..header.entries_in_file(), site.watch)?.is_some() {
        return Ok(None);
    }
    let led = match layout::appended_with_header16(bytes, point, header_count)? {
        None => recovery::unknown_to_index_file(site, bytes, header, index, header_count, point)?,
        theirs => theirs,
    };
    led.map(|led| Ok(Unindexed { from: point, to: site.confirmed(led)? })).transpose()
}

/// Whether the index file belongs to the record file. If no record matches its entry, the sizes in the record file
/// count more (R10).
///
/// # Errors
/// `E_LAYOUT` when the record file is then of another layout (R11).
fn is_of_this_log(bytes: &mut Bytes<'_>, site: &Site<'_>, own: &Own, finding: ErrorKind) -> Result<bool> {
    let Assessment { verified, base, damaged, has_wrong_size, .. } = own.assessment;
    let covered_count = own.covered_count();
    let has_none_of_its_records = verified == 0 && own.recovered == 0 && !has_wrong_size;
    if has_none_of_its_records
        && let Err(error) = site.recognise(bytes)
        && error.kind == ErrorKind::Layout
    {
        return Err(error);
    }
    // One damaged record alone is no sign of another log: its place is right.
    let has_proof = verified > 0 || covered_count == 0 || covered_count == 1 && base.count == 1;
    // If the records were indexed again, damaged ones would be taken for good.
    if has_proof && (finding != ErrorKind::Mismatch || damaged > 0) {
        return Ok(true);
    }
    match site.recognise(bytes) {
        Err(error) if is_repairable(error.kind) || error.kind == ErrorKind::Layout => {
            // Nothing else explains the file, either: a log that was cut short is still this log.
            Ok(has_proof || has_wrong_size || base.count < covered_count)
        }
        walked => walked.map(|_| false),
    }
}

/// The records keep their places and numbers. The log ends with the last of them that is certain (R4).
fn mend_own(bytes: &mut Bytes<'_>, own: Own, report: &mut Report) -> Result<Remedy> {
    let point = own.unindexed.map_or(own.point, |unindexed| unindexed.to);
    let Assessment { first, unindexed, quarantined, known_bad, mut stretches, .. } = own.assessment;
    if let Some(first) = first {
        (report.first_bad_number, report.first_bad_offset) = first;
    }
    report.recovered = own.recovered;
    report.adopted = unindexed + (point.count - own.point.count);
    report.bad_records = quarantined + known_bad;
    let rest = rest_behind(bytes, point.end)?;
    rest.as_ref().map_or(Ok(()), |rest| stretches.add(bytes, rest))?;
    Ok(Remedy { point, index: IndexRemedy::Mended(memory::boxed(own)?), stretches, rest })
}

/// The records get a new index file, as far as their sizes lead. Where that is not certain, `how` decides how far, or
/// the repair is refused (R7, R9, R10).
fn index_again(
    site: &Site<'_>,
    bytes: &mut Bytes<'_>,
    refusal: Option<Error>,
    how: Option<Repair>,
    report: &mut Report,
) -> Result<Remedy> {
    let point = match site.recognise(bytes) {
        Ok(point) => point,
        Err(error) => {
            let how = how.filter(|_| bytes.file_end >= HEADER_SIZE_BYTES && is_repairable(error.kind));
            let point = how.map(|how| layout::extent(bytes, how.accept_count)).transpose()?.flatten();
            // Without such a point, the refusal of opening describes best what happened.
            point.ok_or_else(|| refusal.unwrap_or(error))?
        }
    };
    report.adopted = point.count;
    let (rest, mut stretches) = (rest_behind(bytes, point.end)?, Stretches::default());
    rest.as_ref().map_or(Ok(()), |rest| stretches.add(bytes, rest))?;
    Ok(Remedy { point, index: IndexRemedy::Rebuilt, stretches, rest })
}

/// The bytes after the records, unless these are only zeros.
fn rest_behind(bytes: &mut Bytes<'_>, end: u64) -> Result<Option<Range<u64>>> {
    let end = end.min(bytes.file_end);
    let is_empty = bytes.next_not_zero(end)? >= bytes.file_end;
    Ok((!is_empty).then_some(end..bytes.file_end))
}
