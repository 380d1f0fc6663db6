//! What is to be done about a log that cannot be opened, or has damaged records that opening does not look at. Reads only.

use super::Repair;
use super::assess::{Assessment, Covered, Damage, Fault, assess, end_by_count, follow};
use crate::error::{Error, ErrorKind, Result};
use crate::format::index::{Checkpoint, Mode, State};
use crate::format::log::HEADER_SIZE_BYTES;
use crate::index::{self, Header, Index};
use crate::journal::Found;
use crate::layout;
use crate::recovery::{Plan, Site, examine, journal_beside, read_index};
use crate::report::{Outcome, Report};
use crate::salvage::Stretches;
use crate::scan::{Bytes, Point};
use crate::storage::{File, OpenMode};
use std::ops::Range;

/// How a log is.
pub enum Diagnosis {
    /// It opens, if with a count that holds, and every record is as it should be: how that is done, and the report of it.
    Sound {
        plan: Plan,
        report: Report,
    },
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
    /// Bytes of the record file that will be changed or cut off; [`Remedy::each_stretch`] has them all.
    pub stretches: Stretches,
    /// Those behind the records.
    rest: Option<Range<u64>>,
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
    covered: Covered,
    pub assessment: Assessment,
    /// What is laid over the files from the end of what was assessed on.
    pub journal: Option<Found>,
}

impl Own {
    /// Calls `each` with every damage of `log`, which is found again.
    pub fn each_damage(
        &self,
        site: &Site<'_>,
        log: &dyn File,
        each: &mut dyn FnMut(&Damage) -> Result<()>,
    ) -> Result<()> {
        if self.assessment.damaged == 0 {
            return Ok(());
        }
        let size_bytes = log.metadata().map_err(site.failed("looking at"))?.size_bytes;
        // What a count claims was weighed the first time.
        assess(&site.with_count(), &mut site.bytes(log, size_bytes)?, &self.index, self.covered, each).map(drop)
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
        if let SideFile::Mended(own) = &self.index {
            own.each_damage(site, log, &mut |damage| match damage.fault {
                Fault::Bytes => each(damage.range()),
                Fault::Size | Fault::Entry => Ok(()),
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
    if opening.is_none()
        && let Some(error) = refusal.as_ref().filter(|error| !is_repairable(error.kind))
    {
        return Err(error.clone());
    }
    let believing = site.with_count();
    let site = if how.accept_count { &believing } else { site };
    let own = match usable_index(site)? {
        Some((header, index)) => {
            let own = assess_own(site, &mut bytes, &header, index, header_count)?;
            report.header_count = report.header_count.max(own.covered.from.count);
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
    // Only a count says what its records are.
    let is_refused = own.is_some() && !how.accept_count;
    if let Some(error) = refusal.as_ref().filter(|error| is_refused && error.kind == ErrorKind::Ambiguous) {
        return Err(error.clone());
    }
    let remedy = match own {
        Some(own) if is_of_this_log(&mut bytes, site, &own, finding)? => mend_own(site, &mut bytes, own, &mut report)?,
        Some(_) => index_anew(site, &mut bytes, refusal, None, &mut report)?,
        None => index_anew(site, &mut bytes, refusal, Some(how), &mut report)?,
    };
    report.count = remedy.point.count;
    report.trimmed_bytes = remedy.stretches.bytes;
    Ok(Diagnosis::Damaged { remedy, report })
}

/// How the log that opening refuses with `error` is opened where its count holds, if that is all it takes.
fn plan_with_count(site: &Site<'_>, log: &dyn File, error: &Error) -> Result<Option<Plan>> {
    if !matches!(error.kind, ErrorKind::Ambiguous | ErrorKind::Layout) {
        return Ok(None);
    }
    match examine(&site.with_count(), log, read_index(site)?) {
        Err(error) if error.kind.is_of_the_files() => Ok(None),
        opening => opening.map(Some),
    }
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

/// Checks every record that the side file knows.
fn assess_own(
    site: &Site<'_>,
    bytes: &mut Bytes<'_>,
    header: &Header,
    index: Index,
    header_count: Option<u64>,
) -> Result<Own> {
    let from = match header.newest() {
        Some((newest, _)) => newest,
        None => from_count(bytes, &index, header_count.unwrap_or(0))?,
    };
    let journal = journal_beside(site, header, &from, &index)?;
    let covered = Covered { from, entries: header.entries_in_file() };
    let assessment = assess(site, bytes, &index, covered, &mut |_| Ok(()))?;
    Ok(Own { index, covered, assessment, journal })
}

/// In place of a checkpoint: the count, if the last record proves it, else nothing.
fn from_count(bytes: &mut Bytes<'_>, index: &Index, header_count: u64) -> Result<Checkpoint> {
    let (count, end) = match end_by_count(bytes, index, header_count)? {
        Some(end) => (header_count, end),
        None => (0, HEADER_SIZE_BYTES),
    };
    Ok(Checkpoint { seq: 0, count, end, state: State::Open, mode: Mode::Fast, epoch: 0 })
}

/// Whether the side file belongs to the record file. If not one record is as it says, what the record file's sizes say counts more.
fn is_of_this_log(bytes: &mut Bytes<'_>, site: &Site<'_>, own: &Own, finding: ErrorKind) -> Result<bool> {
    let Assessment { verified, base, damaged, has_wrong_size, .. } = own.assessment;
    let from = &own.covered.from;
    // One damaged record alone is no sign of another log: its place is right.
    let has_proof = verified > 0 || from.count == 0 || from.count == 1 && base.count == 1;
    // Indexed anew, damaged records would be taken for good.
    if has_proof && (finding != ErrorKind::Mismatch || damaged > 0) {
        return Ok(true);
    }
    match site.recognise(bytes) {
        Err(error) if is_repairable(error.kind) || error.kind == ErrorKind::Layout => {
            // Nothing else explains the file, either: a log that was cut short is still this one.
            Ok(has_proof || has_wrong_size || base.count < from.count)
        }
        walked => walked.map(|_| false),
    }
}

/// The records keep their places and numbers.
fn mend_own(site: &Site<'_>, bytes: &mut Bytes<'_>, own: Own, report: &mut Report) -> Result<Remedy> {
    let base = own.assessment.base;
    let point = follow(bytes, &own.index, base, own.journal.as_ref(), &site.log_path, |_, _| Ok(()))?;
    let Assessment { first, unindexed, quarantined, known_bad, mut stretches, .. } = own.assessment;
    if let Some(first) = first {
        (report.first_bad_number, report.first_bad_offset) = first;
    }
    report.recovered = point.count - base.count;
    report.adopted = unindexed;
    report.bad_records = quarantined + known_bad;
    let rest = rest_behind(bytes, point.end)?;
    rest.as_ref().map_or(Ok(()), |rest| stretches.add(bytes, rest))?;
    Ok(Remedy { point, index: SideFile::Mended(Box::new(own)), stretches, rest })
}

/// The records get a new side file, as far as their sizes lead; `how` far where that is not certain, or not at all.
fn index_anew(
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
            // Where there is none, what opening says is nearest to what happened.
            point.ok_or_else(|| refusal.unwrap_or(error))?
        }
    };
    report.adopted = point.count;
    let (rest, mut stretches) = (rest_behind(bytes, point.end)?, Stretches::default());
    rest.as_ref().map_or(Ok(()), |rest| stretches.add(bytes, rest))?;
    Ok(Remedy { point, index: SideFile::Anew, stretches, rest })
}

/// What lies behind the records, unless it is only zeros.
fn rest_behind(bytes: &mut Bytes<'_>, end: u64) -> Result<Option<Range<u64>>> {
    let end = end.min(bytes.file_end);
    let is_empty = bytes.next_not_zero(end)? >= bytes.file_end;
    Ok((!is_empty).then_some(end..bytes.file_end))
}
