//! Opening for writing: look, decide, and only then change anything.
//!
//! `prepare` takes the lock and calls `examine`, which reads the files and returns a `Plan` or a refusal. Nothing is
//! written before that. `Prepared::finish` carries out the plan in the order that docs/durability.md argues for, so
//! that a crash between any two steps leaves the same content to be found.

mod carry_out;
mod creation;
mod examine;
pub mod layout;
pub mod leftovers;
mod plan;
pub mod rebuild;
mod refusals;
pub mod replay;
pub mod salvage;
pub mod scan;
mod site;
#[cfg(test)]
mod tests;
mod unindexed;

pub use carry_out::{Opened, Wanted, rewrite};
pub use creation::Creation;
pub use examine::{
    examine, from_the_beginning, journal_beside, read_index, refuse_if_index_knows_records, refuse_other_segment,
    unknown_to_index_file, usable_identity,
};
pub use plan::{BesideRecords, Plan, Recovery, Unindexed};
pub use site::Site;

use crate::codec::Chain;
use crate::error::{Error, ErrorKind, Result};
use crate::files::journal;
use crate::files::live::Live;
use crate::format::log;
use crate::report::Report;
use crate::storage::{File, Meta, OpenMode, Storage};
use crate::util::sync::Arc;
use std::time::Instant;

/// How often the lock is tried again because the path came to name another file.
const LOCK_TRIES: usize = 8;

/// A namespace that is locked and can be opened; nothing is written yet.
pub struct Prepared<'a> {
    site: Site<'a>,
    lock: Arc<dyn File>,
    log: Arc<dyn File>,
    plan: Plan,
    started: Instant,
}

/// Locks `namespace` and decides what opening it requires, or refuses. If the namespace did not exist, the returned
/// [`Creation`] removes what the opening makes of it, unless the opening completes and keeps it.
pub fn prepare<'a>(
    storage: &'a dyn Storage,
    namespace: &'a str,
    named: &'a Chain,
) -> Result<(Prepared<'a>, Option<Creation<'a>>)> {
    let started = Instant::now();
    let site = Site::new(storage, namespace, named)?;
    let (lock, mode) = acquire_lock(&site, Absent::Create)?;
    let mut creation = (mode == OpenMode::CreateNew).then(|| Creation::of_new(&site, Arc::clone(&lock)));
    Live::clear_ready(storage, namespace);
    let log = storage.open(&log::file_name(&site.stem), OpenMode::Write).map_err(site.failed("opening"))?;
    let plan = examine(&site, log.as_ref(), examine::read_index(&site)?)?;
    if creation.is_none() && matches!(plan, Plan::Create) {
        let short = Creation::of_short(&site, Arc::clone(&lock));
        creation = Some(short.map_err(site.failed("reading"))?);
    }
    Ok((Prepared { site, lock, log, plan, started }, creation))
}

/// What opening a namespace for writing would do, found out under its lock. A repair uses it to mend what opening
/// refuses.
pub struct Inspected {
    pub lock: Arc<dyn File>,
    pub log: Arc<dyn File>,
    pub opening: Result<Plan>,
}

/// Locks the namespace at `site`, which must exist, and inspects it; nothing is written, not even to the live page.
pub fn inspect(site: &Site<'_>) -> Result<Inspected> {
    let (lock, _) = acquire_lock(site, Absent::Refuse)?;
    let log = site.storage.open(&log::file_name(&site.stem), OpenMode::Write).map_err(site.failed("opening"))?;
    let opening = examine::read_index(site).and_then(|index| examine(site, log.as_ref(), index));
    Ok(Inspected { lock, log, opening })
}

/// Carries out `plan` for a namespace that was inspected, and closes the namespace cleanly.
pub fn finish(site: &Site<'_>, lock: Arc<dyn File>, log: Arc<dyn File>, plan: Plan) -> Result<Report> {
    let failed = site.failed("writing its last checkpoint");
    let started = Instant::now();
    Live::clear_ready(site.storage, site.namespace);
    let site = Site::of(site.storage, site.namespace, site.base, site.named)?;
    let opened = Prepared { site, lock, log, plan, started }.finish(Wanted { journal_size_bytes: None })?;
    opened.index.write_clean(&opened.checkpoint, opened.slot).map_err(failed)?;
    // Readers of other processes use the files from here on.
    if let Some(live) = &opened.live {
        let _ = live.set_ready_epoch(0);
    }
    Ok(opened.report)
}

/// Refuses what opening by `plan` would refuse for lack of room or of a name.
pub fn refuse_without_room(site: &Site<'_>, log: &dyn File, plan: &Plan) -> Result<()> {
    refusals::without_name(site, plan)?;
    refusals::without_room(site, log, plan)
}

impl Prepared<'_> {
    /// Carries out the plan and announces to waiting readers of other processes that a writer is ready.
    pub fn finish(self, wanted: Wanted) -> Result<Opened> {
        let Prepared { site, lock, log, plan, started } = self;
        // The process that made the directory may have been killed before this sync. Or it may have copied a log into
        // the directory that was closed cleanly elsewhere.
        site.storage.sync_own_name().map_err(site.failed("syncing the directory's own name for"))?;
        // A recovery that was interrupted may have left half of what it made.
        leftovers::discard(site.storage, site.namespace, &site.stem);
        let live = Live::attach_writer(site.storage, site.namespace, log.as_ref());
        let live = live.and_then(|live| live.stamp().map(|()| live));
        // Before anything is written: no room for the journal is a refusal like any other (O29).
        let prepare = |size_bytes| journal::prepare(site.storage, site.namespace, log.as_ref(), size_bytes);
        let prepared = wanted.journal_size_bytes.map(prepare).transpose()?;
        // The lock is held until everything that a refused opening has made is removed. Without the lock, the files
        // removed could be those that the next opener has just made.
        let held = Arc::clone(&lock);
        let opened = refusals::without_room(&site, log.as_ref(), &plan)
            .and_then(|()| carry_out::carry_out(&site, plan, lock, log, wanted, prepared));
        if opened.is_err() {
            leftovers::discard(site.storage, site.namespace, &site.stem);
        }
        drop(held);
        let mut opened = opened?;
        opened.report.duration = started.elapsed();
        // The lock first: a reader that sees the epoch asks for the lock.
        let is_announced = opened.lock.set_ready().and(live).and_then(|live| {
            live.set_ready_epoch(opened.checkpoint.epoch)?;
            Ok(live)
        });
        match is_announced {
            Ok(live) => opened.live = Some(live),
            // Lock byte and live page only help: without them, readers of other processes check for themselves.
            Err(error) => opened.report.live = Some(Error::os("", &error).kind),
        }
        Ok(opened)
    }
}

/// What to do about a record file that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absent {
    /// Make an empty one, unless an index file or a journal knows records.
    Create,
    Refuse,
}

/// Locks the record file; also returns how it was opened.
fn acquire_lock(site: &Site<'_>, absent: Absent) -> Result<(Arc<dyn File>, OpenMode)> {
    let name = log::file_name(&site.stem);
    for _ in 0..LOCK_TRIES {
        let known = site.storage.metadata(&name).map_err(site.failed("looking at"))?;
        let mode = match known {
            Some(meta) if !meta.is_regular => {
                let message = "it is not a regular file; move it out of the way";
                return Err(Error::new(ErrorKind::NotRegular, message).of(&site.log_path));
            }
            Some(_) => OpenMode::Write,
            None => {
                examine::refuse_if_index_knows_records(site)?;
                if absent == Absent::Refuse {
                    let message = "there is no such file; check directory and name";
                    return Err(Error::new(ErrorKind::NotFound, message).of(&site.log_path));
                }
                OpenMode::CreateNew
            }
        };
        let file = match site.storage.open(&name, mode) {
            Err(error) if matches!(error.kind(), std::io::ErrorKind::AlreadyExists | std::io::ErrorKind::NotFound) => {
                continue;
            }
            opened => opened.map_err(site.failed("opening"))?,
        };
        let locked = lock(site, &name, file.as_ref());
        if mode == OpenMode::CreateNew && locked.is_err() {
            let _ = file.remove_unused();
        }
        if let Some(held) = locked? {
            // If another opener has written to the file before the lock was taken, this opening has not made it.
            return Ok((file, if held.size_bytes == 0 { mode } else { OpenMode::Write }));
        }
    }
    Err(Error::new(ErrorKind::Locked, "other writers come and go; try again").of(&site.log_path))
}

/// Locks `file`; `None` when the caller is to try again: the lock was released meanwhile, or `name` leads to another
/// file.
fn lock(site: &Site<'_>, name: &str, file: &dyn File) -> Result<Option<Meta>> {
    if !file.try_lock().map_err(site.failed("locking"))? {
        let guess = Live::writer_pid(site.storage, site.namespace);
        let obstacle = file.obstacle(guess).map_err(site.failed("asking for its lock"))?;
        return obstacle.map_or(Ok(None), |obstacle| Err(refusals::locked(site, obstacle)));
    }
    let now = site.storage.metadata(name).map_err(site.failed("looking at"))?;
    let held = file.metadata().map_err(site.failed("looking at"))?;
    Ok(now.is_some_and(|now| now.id == held.id).then_some(held))
}
