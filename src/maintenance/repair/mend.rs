//! Carries a repair out: copies first, then the new index file in one step, then the record file, then the checkpoint
//! that says clean.
//!
//! If a repair is interrupted before the new index file is in its place, the log is as it was. If it is interrupted
//! later, the new index file shows what the record file still lacks: a size word, the count, the cut. Another repair
//! finds exactly that.

use super::assess::{follow, room_for};
use super::remedy::{IndexRemedy, Own, Remedy};
use crate::error::Result;
use crate::files::index::{self, Index, Run};
use crate::files::journal;
use crate::files::live::Live;
use crate::format::codecs::ChainIds;
use crate::format::index::{CHECKPOINT_OFFSETS, Checkpoint, Mode, entries_end};
use crate::format::log;
use crate::format::name::FileName;
use crate::format::number::Outer;
use crate::recovery::leftovers;
use crate::recovery::rebuild;
use crate::recovery::salvage;
use crate::recovery::scan::{Bytes, Point, only_zeros};
use crate::recovery::{Site, Unindexed, replay, rewrite};
use crate::storage::{File, FileId, OpenMode};
use crate::util::memory::Refused;
use crate::util::random;
use crate::util::sync::Arc;
use std::io;

/// Makes the files match `remedy`; returns the name of the first copy of bytes that were replaced or cut off.
pub fn mend(site: &Site<'_>, log: &Arc<dyn File>, remedy: &Remedy) -> Result<Option<FileName>> {
    site.storage.sync_own_name().map_err(site.failed("syncing the directory's own name for"))?;
    Live::clear_ready(site.storage, site.namespace);
    leftovers::discard(site.storage, site.namespace, &site.stem);
    let before = index_file_id(site)?;
    let mut kept = Vec::new();
    let installed = keep_aside(site, log.as_ref(), remedy, &mut kept).and_then(|()| match &remedy.index {
        IndexRemedy::Mended(own) => install_mended(site, log.as_ref(), own, remedy.point),
        IndexRemedy::Rebuilt => {
            // No checkpoint says which bytes a failed sync has left only in the cache.
            rewrite(site, log.as_ref(), 0, remedy.point.end)?;
            let newest = rebuild::first_checkpoint(remedy.point, Mode::Fast, random::epoch()?, Outer::START);
            let codecs = ChainIds::default();
            let index = rebuild::prepare_new(site.storage, &site.stem, log.as_ref(), newest, codecs, None)?;
            Ok((index.install(site.storage, &site.stem)?, newest, rebuild::FIRST_SLOT))
        }
    });
    if installed.is_err() && index_file_id(site).is_ok_and(|now| now == before) {
        // Copies of bytes that are still in the files are of no use, and may be what fills the disk.
        for name in &kept {
            let _ = site.storage.remove(name);
        }
    }
    let (index, checkpoint, slot) = installed?;
    settle_records(site, log.as_ref(), &index, remedy)?;
    index.write_clean(&checkpoint, slot).map_err(site.failed("writing its last checkpoint"))?;
    journal::remove(site.storage, site.namespace)
        .and_then(|()| site.storage.sync_directory())
        .map_err(site.failed("removing its journal"))?;
    Ok(kept.into_iter().next())
}

/// Which file the index file is; `None` when there is none.
fn index_file_id(site: &Site<'_>) -> Result<Option<FileId>> {
    let meta =
        site.storage.metadata(&index::file_name(&site.stem)).map_err(site.failed("looking for its index file"))?;
    Ok(meta.map(|meta| meta.id))
}

/// Copies everything that will be changed or cut off.
fn keep_aside(site: &Site<'_>, log: &dyn File, remedy: &Remedy, kept: &mut Vec<FileName>) -> Result<()> {
    if remedy.stretches.count > 0 {
        kept.try_reserve(1).map_err(Refused::from)?;
        kept.push(salvage::keep_all(site.storage, &site.stem, log, remedy.stretches.count, |kept| {
            remedy.each_stretch(site, log, &mut |range| kept.add(range))
        })?);
    }
    kept.try_reserve(2).map_err(Refused::from)?;
    kept.extend(salvage::keep_whole(site.storage, log, &index::file_name(&site.stem))?);
    // The journal is kept, whichever of its frames were laid: more frames may follow a damaged one, and cannot be
    // recognised.
    if !is_unused(site, &journal::file_name(site.namespace))? {
        kept.try_reserve(2).map_err(Refused::from)?;
        kept.extend(salvage::keep_whole(site.storage, log, &journal::file_name(site.namespace))?);
    }
    Ok(())
}

/// Whether the file called `name` does not exist, or has nothing but zeros.
fn is_unused(site: &Site<'_>, name: &str) -> Result<bool> {
    let failed = site.failed("looking for its index file");
    let file = match site.storage.open(name, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        opened => opened.map_err(&failed)?,
    };
    let size_bytes = file.metadata().map_err(&failed)?.size_bytes;
    only_zeros(&mut Bytes::new(file.as_ref(), size_bytes)?, 0)
}

/// Replaces the existing index file by one with the mended entries, and those of the journal's records.
fn install_mended(site: &Site<'_>, log: &dyn File, own: &Own, point: Point) -> Result<(Index, Checkpoint, usize)> {
    let epoch = random::epoch()?;
    let newest = rebuild::first_checkpoint(point, Mode::Fast, epoch, own.first);
    let newest = Checkpoint { ends_early: own.ends_early, ..newest };
    let fill = |mended: &Index| fill_mended(site, log, own, &newest, mended);
    let prepared = rebuild::prepare(site.storage, &site.stem, log, own.index.log_id, fill)?;
    Ok((prepared.install(site.storage, &site.stem)?, newest, rebuild::FIRST_SLOT))
}

fn fill_mended(site: &Site<'_>, log: &dyn File, own: &Own, newest: &Checkpoint, mended: &Index) -> Result<()> {
    let Own { index, journal, unindexed, .. } = own;
    let file = mended.file.as_ref();
    let failed = site.failed("making its index file");
    let size_bytes = index.file.metadata().map_err(&failed)?.size_bytes;
    let end = entries_end(newest.count);
    // R13: the header pages are copied, too, and of these only the checkpoints change.
    salvage::copy(index.file.as_ref(), 0..end.min(size_bytes), file, 0, &failed)?;
    file.set_size(end).map_err(&failed)?;
    // As in recovery: bytes that a failed sync has left only in the cache are written again, and from then on they
    // stay.
    rewrite(site, log, own.covered_end().min(newest.end), newest.end)?;
    let mut entries = rebuild::Entries::new(mended)?;
    own.each_damage(site, log, &mut |damage| {
        if let Some(body) = damage.replayed {
            body.pieces(|at, piece| {
                log.write_at(damage.entry.offset + at, piece).map(|()| true).map_err(site.failed("mending"))
            })?;
        }
        entries.add(damage.number, &damage.entry).map_err(&failed)
    })?;
    entries.write().map_err(&failed)?;
    let size_bytes = log.metadata().map_err(&failed)?.size_bytes;
    let mut bytes = Bytes::new(log, size_bytes)?;
    for (from, to) in own.followed() {
        let reached = follow(&mut bytes, index, from, journal.as_ref(), &site.log_path, |frame, body| {
            replay::write(site, log, Some(mended), frame, body)
        })?;
        if reached.count < to.count {
            return Err(site.lost_from_memory(to.count, reached).advising("repair it again"));
        }
    }
    if let Some(Unindexed { from, to }) = unindexed {
        rebuild::write_entries(mended, log, *from, *to, None)?;
    }
    for (seq, offset) in [newest.seq - 1, newest.seq].into_iter().zip(CHECKPOINT_OFFSETS) {
        file.write_at(offset, &Checkpoint { seq, ..*newest }.encode(&index.log_id)).map_err(&failed)?;
    }
    log.sync().map_err(&failed)
}

/// Makes the record file match the new index file: size words and count (R1), end (R4).
fn settle_records(site: &Site<'_>, log: &dyn File, index: &Index, remedy: &Remedy) -> Result<()> {
    let failed = site.failed("mending");
    if let IndexRemedy::Mended(own) = &remedy.index
        && (own.assessment.has_wrong_size || own.assessment.quarantined > 0)
    {
        settle_sizes(site, log, index, own.assessment.base)?;
    }
    log.write_at(log::COUNT_OFFSET, &log::word(remedy.point.count))
        .and_then(|()| log.set_size(remedy.point.end))
        .and_then(|()| log.sync())
        .map_err(&failed)
}

/// Corrects the size words of the records up to `base` that disagree with the entries: each record ends where the next
/// one begins.
fn settle_sizes(site: &Site<'_>, log: &dyn File, index: &Index, base: Point) -> Result<()> {
    let failed = site.failed("mending");
    let (mut run, mut bytes) = (Run::default(), Bytes::new(log, base.end)?);
    let mut at = run.next_valid(index, 0..base.count, None)?;
    while let Some((number, entry)) = at {
        at = run.next_valid(index, number + 1..base.count, None)?;
        let end = at.map_or(base.end, |(_, next)| next.offset);
        let size_bytes = end.saturating_sub(entry.offset + log::SIZE_WORD_BYTES);
        if bytes.size_word(entry.offset)? != Some(size_bytes) {
            log.write_at(entry.offset, &log::word(size_bytes)).map_err(&failed)?;
        }
    }
    Ok(())
}

/// Refuses what carrying out `remedy` would refuse: without names for the copies, or without room for them and the new
/// index file.
pub fn refuse_without_room(site: &Site<'_>, log: &dyn File, remedy: &Remedy) -> Result<()> {
    let mut needed_bytes = blocks(entries_end(remedy.point.count));
    if remedy.stretches.count > 0 {
        salvage::refuse_without_name(site.storage, &site.stem)?;
        needed_bytes = needed_bytes.saturating_add(blocks(remedy.stretches.room_bytes()));
    }
    let (index_name, journal_name) = (index::file_name(&site.stem), journal::file_name(site.namespace));
    let is_journal_kept = !is_unused(site, &journal_name)?;
    for name in [Some(index_name), is_journal_kept.then_some(journal_name)].into_iter().flatten() {
        if let Some(data_bytes) = data_bytes(site, &name)? {
            salvage::aside(site.storage, &name)?;
            needed_bytes = needed_bytes.saturating_add(blocks(data_bytes));
        }
    }
    let size_bytes = log.metadata().map_err(site.failed("looking at"))?.size_bytes;
    // Records that only the journal has go after the bytes of the file.
    needed_bytes = needed_bytes.saturating_add(remedy.point.end.saturating_sub(size_bytes));
    site.refuse_without_room(needed_bytes, room_for(remedy.point.count))
}

/// `size_bytes` in whole blocks, as most file systems give them.
fn blocks(size_bytes: u64) -> u64 {
    size_bytes.checked_next_multiple_of(4096).unwrap_or(u64::MAX)
}

/// How many bytes of the file called `name` are not in holes; `None` when there is no such file.
fn data_bytes(site: &Site<'_>, name: &str) -> Result<Option<u64>> {
    let failed = site.failed("looking for its index file");
    let file = match site.storage.open(name, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(&failed)?,
    };
    let size_bytes = file.metadata().map_err(&failed)?.size_bytes;
    site.bytes(file.as_ref(), size_bytes)?.data_in(0..size_bytes).map(Some)
}
