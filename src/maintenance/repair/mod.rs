//! Mends what opening refuses. Bytes that are replaced or cut off, and may be of use, are copied aside first. The
//! record numbers stay.
//!
//! `assess` finds out what is wrong with every record, `remedy` decides, and `mend` carries out the remedy. Wherever a
//! repair is interrupted, the order of its steps leaves a log that can be repaired again, with nothing lost. Without
//! [`Repair::apply`] a repair ends with the report.

mod assess;
mod mend;
mod remedy;

use crate::codec::Chain;
use crate::error::Result;
use crate::options::{Options, check_name};
use crate::recovery::{self, Inspected, Site, inspect};
use crate::report::{Outcome, Report};
use crate::storage::{Storage, open_directory};
use crate::util::memory;
use crate::util::progress::Progress;
use crate::util::sync::Arc;
use remedy::{Diagnosis, diagnose};
use std::path::Path;
use std::time::Instant;

/// What a repair may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// Change the files; otherwise only say what would be done.
    pub apply: bool,
    /// Believe the count where zeros may or may not be empty records, and where nothing but the count says that records
    /// lie in a hole.
    pub accept_count: bool,
}

/// Repairs namespace `name` in `directory`, or says what a repair would do. No process may have it open for writing.
///
/// `progress` gets the records checked and the total; if it returns `false`, the repair ends with nothing changed.
///
/// # Errors
/// Whatever prevents the repair: errors of opening other than damage are passed on, and nothing is changed.
pub fn repair(
    directory: impl AsRef<Path>,
    name: &str,
    options: &Options,
    how: Repair,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Report> {
    check_name(name)?;
    options.check()?;
    let storage = open_directory(directory.as_ref(), options.io, true)?;
    repair_on(&storage, name, options, how, progress)
}

/// Repairs on a given engine, for tests.
#[doc(hidden)]
pub fn repair_on(
    storage: &Arc<dyn Storage>,
    name: &str,
    options: &Options,
    how: Repair,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Report> {
    let started = Instant::now();
    let named = Chain::new(&options.codecs)?;
    let (progress, unwatched) = (Progress::new(progress), Site::new(storage.as_ref(), name, &named)?);
    let site = Site::new(storage.as_ref(), name, &named)?.watched(Some(&progress));
    let Inspected { lock, log, opening } = inspect(&site)?;
    let mut report = match diagnose(&site, log.as_ref(), opening, how)? {
        Diagnosis::Sound { plan, report } if !how.apply => {
            recovery::refuse_without_room(&site, log.as_ref(), &plan)?;
            report
        }
        Diagnosis::Sound { plan, report } => {
            let opened = recovery::finish(&unwatched, lock, log, plan)?;
            let done = Report { bad_records: report.bad_records, ..opened };
            match report.outcome {
                Outcome::Damaged => Report {
                    outcome: Outcome::Repaired,
                    finding: report.finding,
                    first_bad_number: report.first_bad_number,
                    first_bad_offset: report.first_bad_offset,
                    ..done
                },
                _ => done,
            }
        }
        Diagnosis::Damaged { remedy, report } => {
            mend::refuse_without_room(&site, log.as_ref(), &remedy)?;
            if how.apply {
                let kept = mend::mend(&unwatched, &log, &remedy)?;
                let salvage = kept.map(|name| memory::path(storage.path(), &name)).transpose()?;
                Report { outcome: Outcome::Repaired, salvage, ..report }
            } else {
                report
            }
        }
    };
    report.duration = started.elapsed();
    Ok(report)
}
