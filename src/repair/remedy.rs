//! What is to be done about a log that cannot be opened, or has damaged records that opening does not look at. Reads only.

use super::Repair;
use super::assess::{Assessment, Fault, assess, end_by_count, follow};
use crate::error::{Error, ErrorKind, Result};
use crate::format::index::{Checkpoint, Mode, State, entries_end};
use crate::format::log::HEADER_SIZE_BYTES;
use crate::index::{self, Header, Index};
use crate::journal::Found;
use crate::layout;
use crate::progress::Progress;
use crate::recovery::{Plan, Site, journal_beside};
use crate::report::{Outcome, Report};
use crate::scan::{Bytes, Point};
use crate::storage::{File, OpenMode};
use std::ops::Range;

/// How a log is.
pub enum Diagnosis {
    /// It opens, and every record is as it should be: the report of opening it.
    Sound(Report),
    Damaged {
        remedy: Remedy,
        report: Report,
    },
}

/// What to make of a damaged log, and what has to be kept of it before.
pub struct Remedy {
    /// The records that remain: their count, and where they end.
    pub point: Point,
    pub index: SideFile,
    /// Bytes of the record file that will be changed or cut off.
    pub salvage: Vec<Range<u64>>,
}

/// What becomes of the side file.
pub enum SideFile {
    /// Its entries stay, but for those of damaged records; what the journal has goes behind them.
    Mended(Box<Own>),
    /// There is none that could be used: the records are indexed anew.
    Anew,
}

/// A log with a side file of its own.
pub struct Own {
    pub index: Index,
    pub assessment: Assessment,
    /// What is laid over the files from the end of what was assessed on.
    pub journal: Option<Found>,
}

/// Finds out how the log is: `opening` is what opening it would do.
pub fn diagnose(
    site: &Site<'_>,
    log: &dyn File,
    opening: Result<Plan>,
    how: Repair,
    progress: &mut Progress<'_>,
) -> Result<Diagnosis> {
    if let Err(error) = opening.as_ref()
        && !is_repairable(error.kind)
    {
        return opening.map(|plan| Diagnosis::Sound(plan.report()));
    }
    let size_bytes = log.metadata().map_err(site.failed("looking at"))?.size_bytes;
    let mut bytes = Bytes::new(log, size_bytes)?;
    let header_count = bytes.size_word(0)?;
    let forecast = opening.as_ref().ok().map(Plan::report);
    let refusal = opening.err();
    let mended = forecast.as_ref().and_then(|forecast| forecast.finding).unwrap_or(ErrorKind::Corrupt);
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
    let own = match usable_index(site)? {
        Some((header, index)) => {
            let (from, own) = assess_own(site, &mut bytes, &header, index, header_count, progress)?;
            report.header_count = report.header_count.max(from.count);
            Some((from, own))
        }
        None => None,
    };
    let (is_sound, known_bad) = own
        .as_ref()
        .map_or((true, 0), |(_, Own { assessment, .. })| (assessment.damages.is_empty(), assessment.known_bad));
    if let Some(forecast) = forecast.filter(|_| is_sound) {
        return Ok(Diagnosis::Sound(Report { bad_records: known_bad, ..forecast }));
    }
    let remedy = match own {
        Some((from, own)) if is_of_this_log(&mut bytes, site, &from, &own, finding)? => {
            mend_own(site, &mut bytes, own, &mut report)?
        }
        Some(_) => index_anew(site, &mut bytes, refusal, None, &mut report)?,
        None => index_anew(site, &mut bytes, refusal, Some(how), &mut report)?,
    };
    report.count = remedy.point.count;
    report.trimmed_bytes = remedy.salvage.iter().map(|range| range.end - range.start).sum();
    Ok(Diagnosis::Damaged { remedy, report })
}

/// Whether a refusal to open says something about damage, which a repair can do something about.
fn is_repairable(kind: ErrorKind) -> bool {
    use ErrorKind::{Ambiguous, Corrupt, Mismatch, Missing, Truncated};
    matches!(kind, Ambiguous | Corrupt | Mismatch | Missing | Truncated)
}

/// The side file with its identity, if that can be read.
fn usable_index(site: &Site<'_>) -> Result<Option<(Header, Index)>> {
    let failed = |error| Error::os(format_args!("reading {}", site.index_path.display()), &error);
    let file = match site.storage.open(&index::file_name(site.namespace), OpenMode::Read) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let header = Header::read(file.as_ref()).map_err(failed)?;
    // One of a newer format was refused before.
    let Ok(log_id) = header.identity.as_ref().map(|identity| identity.log_id) else { return Ok(None) };
    Ok(Some((header, Index { file, log_id })))
}

/// Checks every record that the side file knows, and how far files and journal go on behind them.
fn assess_own(
    site: &Site<'_>,
    bytes: &mut Bytes<'_>,
    header: &Header,
    index: Index,
    header_count: Option<u64>,
    progress: &mut Progress<'_>,
) -> Result<(Checkpoint, Own)> {
    let from = match header.newest() {
        Some((newest, _)) => newest,
        None => from_count(bytes, &index, header_count.unwrap_or(0))?,
    };
    refuse_without_room(site, from.count)?;
    let journal = journal_beside(site, header, &from, &index)?;
    let assessment = assess(bytes, &index, &from, header.entries_in_file(), progress)?;
    Ok((from, Own { index, assessment, journal }))
}

/// In place of a checkpoint: the count, if the last record proves it, else nothing.
fn from_count(bytes: &mut Bytes<'_>, index: &Index, header_count: u64) -> Result<Checkpoint> {
    let (count, end) = match end_by_count(bytes, index, header_count)? {
        Some(end) => (header_count, end),
        None => (0, HEADER_SIZE_BYTES),
    };
    Ok(Checkpoint { seq: 0, count, end, state: State::Open, mode: Mode::Fast, epoch: 0 })
}

/// A hole in a file of no size can hold any number of records without an entry.
fn refuse_without_room(site: &Site<'_>, count: u64) -> Result<()> {
    let free = site.storage.free_bytes().map_err(site.failed("asking for the free space beside"))?;
    if entries_end(count) > free {
        let message = format_args!(
            "{}: a new side file for {count} records takes {} bytes, {free} are free: make room and try again",
            site.log_path.display(),
            entries_end(count)
        );
        return Err(Error::new(ErrorKind::NoSpace, message));
    }
    Ok(())
}

/// Whether the side file belongs to the record file. If not one record is as it says, what the record file's sizes say counts more.
fn is_of_this_log(
    bytes: &mut Bytes<'_>,
    site: &Site<'_>,
    from: &Checkpoint,
    own: &Own,
    finding: ErrorKind,
) -> Result<bool> {
    let Assessment { verified, base, ref damages, .. } = own.assessment;
    // One damaged record alone is no sign of another log: its place is right.
    let has_proof = verified > 0 || from.count == 0 || from.count == 1 && base.count == 1;
    // Indexed anew, damaged records would be taken for good.
    if has_proof && (finding != ErrorKind::Mismatch || !damages.is_empty()) {
        return Ok(true);
    }
    match layout::recognise(bytes, &site.log_path) {
        Err(error) if is_repairable(error.kind) || error.kind == ErrorKind::Layout => {
            // Nothing else explains the file, either: a log that was cut short is still this one.
            let is_sized = damages.iter().any(|damage| damage.fault == Fault::Size);
            Ok(has_proof || is_sized || base.count < from.count)
        }
        walked => walked.map(|_| false),
    }
}

/// The records keep their places and numbers.
fn mend_own(site: &Site<'_>, bytes: &mut Bytes<'_>, own: Own, report: &mut Report) -> Result<Remedy> {
    let base = own.assessment.base;
    let point = follow(bytes, &own.index, base, own.journal.as_ref(), &site.log_path, |_, _| Ok(()))?;
    if let Some(first) = own.assessment.damages.first() {
        (report.first_bad_number, report.first_bad_offset) = (first.number, first.entry.offset);
    }
    report.recovered = point.count - base.count;
    report.adopted = own.assessment.damages.iter().filter(|damage| damage.fault == Fault::Entry).count() as u64;
    report.bad_records = own.assessment.quarantined() + own.assessment.known_bad;
    let mut salvage = own.assessment.damaged_stretches()?;
    salvage.extend(rest_behind(bytes, point.end)?);
    Ok(Remedy { point, index: SideFile::Mended(Box::new(own)), salvage })
}

/// The records get a new side file, as far as their sizes lead; `how` far where that is not certain, or not at all.
fn index_anew(
    site: &Site<'_>,
    bytes: &mut Bytes<'_>,
    refusal: Option<Error>,
    how: Option<Repair>,
    report: &mut Report,
) -> Result<Remedy> {
    let point = match layout::recognise(bytes, &site.log_path) {
        Ok(point) => point,
        Err(error) => {
            let how = how.filter(|_| bytes.file_end >= HEADER_SIZE_BYTES && is_repairable(error.kind));
            let point = how.map(|how| layout::extent(bytes, how.accept_count)).transpose()?.flatten();
            // Where there is none, what opening says is nearest to what happened.
            point.ok_or_else(|| refusal.unwrap_or(error))?
        }
    };
    refuse_without_room(site, point.count)?;
    report.adopted = point.count;
    Ok(Remedy { point, index: SideFile::Anew, salvage: rest_behind(bytes, point.end)?.into_iter().collect() })
}

/// What lies behind the records, unless it is only zeros.
fn rest_behind(bytes: &mut Bytes<'_>, end: u64) -> Result<Option<Range<u64>>> {
    let end = end.min(bytes.file_end);
    let is_empty = bytes.next_not_zero(end)? >= bytes.file_end;
    Ok((!is_empty).then_some(end..bytes.file_end))
}
