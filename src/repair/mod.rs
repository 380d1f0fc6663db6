//! Mending what opening refuses: what has to give way and may be of use is copied aside first, and the record numbers stay.
//!
//! `assess` finds out what is wrong with every record, `remedy` decides, `mend` carries it out, in an order that leaves something to be
//! repaired again, with nothing lost, wherever it is cut. Without [`Repair::apply`] it ends with the report.

mod assess;
mod mend;
mod remedy;

use crate::codec::Chain;
use crate::error::Result;
use crate::log::Log;
use crate::options::{Options, check_name};
use crate::progress::Progress;
use crate::recovery::{Site, inspect};
use crate::report::{Outcome, Report};
use crate::storage::{Storage, open_directory};
use crate::sync::Arc;
use remedy::{Diagnosis, diagnose};
use std::path::Path;
use std::time::Instant;

/// What a repair may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// Change the files; otherwise only say what would be done.
    pub apply: bool,
    /// Where zeros may or may not be empty records, believe the count.
    pub accept_count: bool,
}

/// Repairs namespace `name` in `directory`, or says what a repair would do. Nobody may have it open for writing.
///
/// `progress` is told records checked and in all; answering `false` ends the repair with nothing changed.
///
/// # Errors
/// What keeps it from being repaired: other errors of opening than damage are passed on, and nothing is changed.
pub fn repair(
    directory: &Path,
    name: &str,
    options: &Options,
    how: Repair,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Report> {
    check_name(name)?;
    options.check()?;
    let storage = open_directory(directory, options.io, true)?;
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
    let site = Site::new(storage.as_ref(), name, &named);
    let inspected = inspect(&site)?;
    let (lock, log) = (inspected.lock, inspected.log);
    let mut report = match diagnose(&site, log.as_ref(), inspected.opening, how, &mut Progress(progress))? {
        Diagnosis::Sound(forecast) if !how.apply => forecast,
        Diagnosis::Sound(forecast) => {
            drop((log, lock));
            Report { bad_records: forecast.bad_records, ..open_and_close(storage, name, options)? }
        }
        Diagnosis::Damaged { report, .. } if !how.apply => report,
        Diagnosis::Damaged { remedy, report } => {
            let kept = mend::mend(&site, &log, &remedy)?;
            let salvage = kept.map_or(String::new(), |name| storage.path().join(name).display().to_string());
            Report { outcome: Outcome::Repaired, salvage, ..report }
        }
    };
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

/// What mends a log that is not damaged, only left by a crash.
fn open_and_close(storage: &Arc<dyn Storage>, name: &str, options: &Options) -> Result<Report> {
    let options = Options { namespaces: vec![name.to_owned()], read_only: false, ..options.clone() };
    let log = Log::open_on(Arc::clone(storage), &options)?;
    let report = log.report(0)?;
    log.shutdown()?;
    Ok(report)
}
