//! Makes the files match the plan, one durable step after the other.

use super::plan::{BesideRecords, Plan, Recovery, Unindexed};
use super::replay;
use super::site::Site;
use crate::error::Result;
use crate::files::index::{self, Index};
use crate::files::journal::{self, FoundJournal, Journal};
use crate::files::live::Live;
use crate::files::new_file::NewFile;
use crate::format::PAGE_SIZE_BYTES;
use crate::format::index::{CHECKPOINT_OFFSETS, Checkpoint, Mode, State, entries_end};
use crate::format::log;
use crate::format::number::Outer;
use crate::recovery::rebuild::{self, PreparedIndex};
use crate::recovery::salvage;
use crate::recovery::scan::{self, Bytes, Point};
use crate::report::Report;
use crate::storage::File;
use crate::util::memory;
use crate::util::random;
use crate::util::sync::Arc;
use std::path::PathBuf;

/// A namespace ready to be written.
///
/// Invariants:
/// 1. `checkpoint` says `point`, and both files end there or beyond, synced up to there.
/// 2. `journal` is there exactly if the mode of `checkpoint` is durable.
#[derive(Debug)]
pub struct Opened {
    /// Holds the writer's lock as long as it lives.
    pub lock: Arc<dyn File>,
    pub log: Arc<dyn File>,
    pub index: Index,
    /// `None` where there can be no live page: readers of other processes check for themselves.
    pub live: Option<Live>,
    pub point: Point,
    /// The checkpoint on disk, synced, and the slot it is in.
    pub checkpoint: Checkpoint,
    pub slot: usize,
    /// The journal of a durable writer.
    pub journal: Option<Journal>,
    pub report: Report,
}

/// What kind of writer the namespace is opened for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// How long its journal is to be; `None` in fast mode, which has none.
    pub journal_size_bytes: Option<u64>,
}

impl Wanted {
    fn mode(self) -> Mode {
        if self.journal_size_bytes.is_some() { Mode::Durable } else { Mode::Fast }
    }
}

/// Makes the files match `plan`, for the writer that is `wanted`. `prepared` is its journal.
pub fn carry_out(
    site: &Site<'_>,
    plan: Plan,
    lock: Arc<dyn File>,
    log: Arc<dyn File>,
    wanted: Wanted,
    prepared: Option<NewFile>,
) -> Result<Opened> {
    let size_before = log.metadata().map_err(site.failed("looking at"))?.size_bytes;
    let writer = NewWriter { mode: wanted.mode(), epoch: random::epoch()?, prepared };
    let epoch = writer.epoch;
    let mut report = plan.report();
    let Mended { index, point, checkpoint, slot, journal, salvage } = match plan {
        Plan::Create => create(site, log.as_ref(), writer)?,
        Plan::Continue { index, from, slot, point } => {
            // O22: nothing counts after the entries; a hole there would get blocks with the first entry.
            cut(site, index.file.as_ref(), entries_end(point.count))?;
            let journal = replace_journal(site, writer.prepared)?;
            let (checkpoint, slot) = write_checkpoint(site, &index, &from, slot, &point, writer.mode, epoch)?;
            Mended { index, point, checkpoint, slot, journal, salvage: None }
        }
        Plan::Recover(recovery) => recover(site, log.as_ref(), recovery, size_before, writer)?,
        Plan::Adopt { point, damaged_index, journal, .. } => {
            adopt(site, log.as_ref(), point, damaged_index, journal.as_ref(), writer)?
        }
    };
    let journal = journal.zip(wanted.journal_size_bytes);
    let journal = journal.map(|(file, size_bytes)| Journal::new(file, size_bytes, index.log_id, epoch, site.base));
    report.salvage = salvage;
    report.trimmed_bytes = size_before.saturating_sub(point.end);
    Ok(Opened { lock, log, index, live: None, point, checkpoint, slot, journal, report })
}

/// The writer the files are made ready for.
struct NewWriter {
    mode: Mode,
    epoch: u64,
    prepared: Option<NewFile>,
}

/// What became of the files.
struct Mended {
    index: Index,
    point: Point,
    checkpoint: Checkpoint,
    slot: usize,
    journal: Option<Arc<dyn File>>,
    /// Where the copy of the bytes that were cut off is; `None` when nothing was kept.
    salvage: Option<PathBuf>,
}

fn create(site: &Site<'_>, log: &dyn File, writer: NewWriter) -> Result<Mended> {
    let journal = replace_journal(site, writer.prepared)?;
    let (prepared, checkpoint, slot) = prepare_index(site, log, Point::START, writer.mode, writer.epoch)?;
    let index = prepared.install(site.storage, &site.stem)?;
    // Last: once the count is written, the namespace exists for every process.
    log.write_at(log::COUNT_OFFSET, &log::word(0)).and_then(|()| log.sync()).map_err(site.failed("writing"))?;
    Ok(Mended { index, point: Point::START, checkpoint, slot, journal, salvage: None })
}

fn prepare_index(
    site: &Site<'_>,
    log: &dyn File,
    point: Point,
    mode: Mode,
    epoch: u64,
) -> Result<(PreparedIndex, Checkpoint, usize)> {
    let newest = rebuild::first_checkpoint(point, mode, epoch, Outer::START);
    let prepared = rebuild::prepare_new(site.storage, &site.stem, log, newest, site.named.ids(), None)?;
    Ok((prepared, newest, rebuild::FIRST_SLOT))
}

fn recover(
    site: &Site<'_>,
    log: &dyn File,
    recovery: Recovery,
    size_before: u64,
    mut writer: NewWriter,
) -> Result<Mended> {
    let Recovery { mut index, from, slot, point, journal, unindexed, salvage, .. } = recovery;
    let complete =
        |Unindexed { from, to }: Unindexed| rebuild::prepare_completed(site.storage, &site.stem, log, &index, from, to);
    let completed = unindexed.map(complete).transpose()?;
    let salvage = if salvage {
        let kept = salvage::keep(site.storage, &site.stem, log, point.end, size_before)?;
        Some(memory::path(site.storage.path(), &kept)?)
    } else {
        None
    };
    if let Some(completed) = completed {
        index = completed.install(site.storage, &site.stem)?;
    }
    mend(site, log, &index, &from, slot, &point, journal.as_ref())?;
    // A checkpoint in durable mode is never without a journal: invariant 2 of `Opened`. A journal whose frames are
    // needed stays until a checkpoint covers them.
    let is_first = journal.is_none() && writer.prepared.is_some();
    let installed = if is_first { replace_journal(site, writer.prepared.take())? } else { None };
    let (checkpoint, slot) = write_checkpoint(site, &index, &from, slot, &point, writer.mode, writer.epoch)?;
    let journal = if is_first { installed } else { replace_journal(site, writer.prepared)? };
    log.set_size(point.end).map_err(site.failed("cutting"))?;
    index.file.set_size(entries_end(point.count)).map_err(site.failed("cutting its index file"))?;
    sync_both(site, log, &index)?;
    Ok(Mended { index, point, checkpoint, slot, journal, salvage })
}

/// Every step that can fail for lack of room, or of a name, comes before anything is given up.
fn adopt(
    site: &Site<'_>,
    log: &dyn File,
    point: Point,
    damaged_index: bool,
    journal: Option<&BesideRecords>,
    writer: NewWriter,
) -> Result<Mended> {
    let (index_name, journal_name) = (index::file_name(&site.stem), journal::file_name(site.namespace));
    let aside = |name: &str, is_wanted: bool| is_wanted.then(|| salvage::aside(site.storage, name)).transpose();
    let index_aside = aside(&index_name, damaged_index)?;
    let journal_aside = aside(&journal_name, matches!(journal, Some(BesideRecords::Stale)))?;
    reach(site, log, point.end)?;
    // No checkpoint says which bytes a failed sync has left only in the cache.
    rewrite(site, log, 0, point.end)?;
    if let Some(BesideRecords::Continues(found)) = journal {
        replay::lay(found, |frame, body| replay::write(site, log, None, frame, body))?;
        log.write_at(log::COUNT_OFFSET, &log::word(point.count)).map_err(site.failed("writing"))?;
    }
    let (prepared, checkpoint, slot) = prepare_index(site, log, point, writer.mode, writer.epoch)?;
    // Without the journal, only the size of the record file shows that zeros at the end are empty records.
    log.set_size(point.end).and_then(|()| log.sync()).map_err(site.failed("cutting"))?;
    if let Some(aside) = journal_aside {
        salvage::move_aside(site.storage, log, &journal_name, &aside)?;
    }
    let journal = replace_journal(site, writer.prepared)?;
    if let Some(aside) = index_aside {
        salvage::move_aside(site.storage, log, &index_name, &aside)?;
    }
    let index = prepared.install(site.storage, &site.stem)?;
    Ok(Mended { index, point, checkpoint, slot, journal, salvage: None })
}

/// Installs the new journal, or removes an old one where there is to be no journal.
fn replace_journal(site: &Site<'_>, prepared: Option<NewFile>) -> Result<Option<Arc<dyn File>>> {
    if let Some(prepared) = prepared {
        return prepared.install(site.storage, &journal::file_name(site.namespace)).map(Some);
    }
    journal::remove(site.storage, site.namespace).map_err(site.failed("removing its journal"))?;
    Ok(None)
}

/// Writes everything past the checkpoint `from` again, the journal's frames over it, then the checkpoint. Makes all of
/// this durable with the count.
fn mend(
    site: &Site<'_>,
    log: &dyn File,
    index: &Index,
    from: &Checkpoint,
    slot: usize,
    point: &Point,
    journal: Option<&FoundJournal>,
) -> Result<()> {
    // After a power loss the files may be shorter than the records in the journal need.
    reach(site, log, point.end)?;
    reach(site, index.file.as_ref(), entries_end(point.count))?;
    rewrite(site, log, from.end, point.end)?;
    rewrite(site, index.file.as_ref(), entries_end(from.count), entries_end(point.count))?;
    if let Some(journal) = journal {
        lay_over(site, log, index, from, journal)?;
    }
    if from.seq > 0 {
        let page = CHECKPOINT_OFFSETS[slot];
        rewrite(site, index.file.as_ref(), page, page + PAGE_SIZE_BYTES as u64)?;
    }
    refuse_if_gone(site, log, index, from, point)?;
    sync_both(site, log, index)?;
    // The previous writer may have been killed between creating the files and making their names durable.
    site.storage.sync_directory().map_err(site.failed("syncing its directory"))?;
    log.write_at(log::COUNT_OFFSET, &log::word(point.count)).map_err(site.failed("writing"))?;
    log.sync().map_err(site.failed("syncing"))
}

/// Refuses if bytes that verified are gone. They may have been only in the cache, and may have left it before they were
/// written again. After that write they stay.
fn refuse_if_gone(site: &Site<'_>, log: &dyn File, index: &Index, from: &Checkpoint, point: &Point) -> Result<()> {
    let from = Point { count: from.count, end: from.end, time_ns: 0 };
    let there = scan::forward(&mut Bytes::new(log, point.end)?, index, from, point.count)?;
    if (there.count, there.end) == (point.count, point.end) {
        return Ok(());
    }
    Err(site.lost_from_memory(point.count, there).advising("open it again"))
}

/// Writes the journal's frames, and the entries of their records, over the files.
fn lay_over(site: &Site<'_>, log: &dyn File, index: &Index, from: &Checkpoint, journal: &FoundJournal) -> Result<()> {
    let size_bytes = log.metadata().map_err(site.failed("looking at"))?.size_bytes;
    let mut bytes = Bytes::new(log, size_bytes)?;
    let from = Point { count: from.count, end: from.end, time_ns: 0 };
    replay::follow(&mut bytes, index, from, journal, &site.log_path, |frame, body| {
        replay::write(site, log, Some(index), frame, body)
    })?;
    Ok(())
}

/// Extends `file` to `size_bytes` if it is shorter.
fn reach(site: &Site<'_>, file: &dyn File, size_bytes: u64) -> Result<()> {
    let now = file.metadata().map_err(site.failed("looking at"))?.size_bytes;
    if now < size_bytes {
        file.set_size(size_bytes).map_err(site.failed("extending"))?;
    }
    Ok(())
}

/// Cuts the index file `file` to `size_bytes` if it is longer.
fn cut(site: &Site<'_>, file: &dyn File, size_bytes: u64) -> Result<()> {
    let now = file.metadata().map_err(site.failed("looking at its index file"))?.size_bytes;
    if now > size_bytes { file.set_size(size_bytes).map_err(site.failed("cutting its index file")) } else { Ok(()) }
}

/// Writes the open checkpoint of a new epoch over the older slot, and syncs it.
fn write_checkpoint(
    site: &Site<'_>,
    index: &Index,
    from: &Checkpoint,
    slot: usize,
    point: &Point,
    mode: Mode,
    epoch: u64,
) -> Result<(Checkpoint, usize)> {
    // What is not about this opening is carried on.
    let older =
        Checkpoint { seq: from.seq + 1, count: point.count, end: point.end, state: State::Open, mode, epoch, ..*from };
    let checkpoint = Checkpoint { seq: from.seq + 2, ..older };
    let write =
        |slot: usize, page: Checkpoint| index.file.write_at(CHECKPOINT_OFFSETS[slot], &page.encode(&index.log_id));
    // Where neither page could be read, both are made again.
    let mended = if from.seq == 0 { write(slot, older) } else { Ok(()) };
    let slot = 1 - slot;
    mended
        .and_then(|()| write(slot, checkpoint))
        .and_then(|()| index.file.sync())
        .map_err(site.failed("writing a checkpoint"))?;
    Ok((checkpoint, slot))
}

/// Writes the existing bytes again: after a failed sync they may be only in the cache, and clean.
pub fn rewrite(site: &Site<'_>, file: &dyn File, from: u64, to: u64) -> Result<()> {
    salvage::copy_data(file, from..to, file, from, site.failed("rewriting"))
}

fn sync_both(site: &Site<'_>, log: &dyn File, index: &Index) -> Result<()> {
    log.sync().map_err(site.failed("syncing"))?;
    index.file.sync().map_err(site.failed("syncing its index file"))
}
