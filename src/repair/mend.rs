//! Carrying a repair out: copies first, then the new side file in one step, then the record file, then the mark that all is well.
//!
//! Cut before the new side file is in its place, the log is as it was. Cut later, the new side file tells what the record file is still
//! short of: a size word, the count, the cut; another repair finds just that.

use super::assess::follow;
use super::remedy::{Own, Remedy, SideFile};
use crate::error::Result;
use crate::format::codecs::ChainIds;
use crate::format::index::{CHECKPOINT_OFFSETS, Checkpoint, Mode, State, entries_end};
use crate::format::log;
use crate::index::{self, Index};
use crate::journal;
use crate::leftovers;
use crate::live::{self, Live};
use crate::random;
use crate::rebuild;
use crate::recovery::{Site, replay};
use crate::salvage;
use crate::scan::{Bytes, Point, only_zeros};
use crate::storage::{File, FileId, OpenMode};
use crate::sync::Arc;
use std::io;

/// Makes the files what `remedy` says; the name of the first copy of what had to give way.
pub fn mend(site: &Site<'_>, log: &Arc<dyn File>, remedy: &Remedy) -> Result<Option<String>> {
    site.storage.sync_own_name().map_err(site.failed("syncing the directory's own name for"))?;
    Live::clear_ready(site.storage, site.namespace);
    leftovers::discard(site.storage, site.namespace);
    let before = side_file_id(site)?;
    let mut kept = Vec::new();
    let installed = keep_aside(site, log.as_ref(), remedy, &mut kept).and_then(|()| match &remedy.index {
        SideFile::Mended(own) => install_mended(site, log.as_ref(), own, remedy.point),
        SideFile::Anew => {
            let epoch = random::epoch()?;
            let (index, newest, slot) = rebuild::prepare_new(
                site.storage,
                site.namespace,
                log.as_ref(),
                remedy.point,
                Mode::Fast,
                epoch,
                ChainIds::default(),
            )?;
            Ok((index.install(site.storage, site.namespace)?, newest, slot))
        }
    });
    if installed.is_err() && side_file_id(site).is_ok_and(|now| now == before) {
        // Copies of what is still there help nobody, and may be what fills the disk.
        for name in &kept {
            let _ = site.storage.remove(name);
        }
    }
    let (index, checkpoint, slot) = installed?;
    settle_records(site, log.as_ref(), remedy)?;
    index.write_clean(&checkpoint, slot).map_err(site.failed("writing the last checkpoint of"))?;
    journal::remove(site.storage, site.namespace)
        .and_then(|()| site.storage.sync_directory())
        .map_err(site.failed("removing the journal of"))?;
    tell_readers(site, log.as_ref(), remedy.point.count);
    Ok(kept.into_iter().next())
}

/// Which file the side file is; `None` when there is none.
fn side_file_id(site: &Site<'_>) -> Result<Option<FileId>> {
    let meta = site.storage.metadata(&index::file_name(site.namespace)).map_err(site.failed("looking beside"))?;
    Ok(meta.map(|meta| meta.id))
}

/// Copies everything that will be changed or cut off.
fn keep_aside(site: &Site<'_>, log: &dyn File, remedy: &Remedy, kept: &mut Vec<String>) -> Result<()> {
    for range in &remedy.salvage {
        kept.push(salvage::keep(site.storage, site.namespace, log, range.start, range.end)?);
    }
    kept.extend(salvage::keep_whole(site.storage, log, &index::file_name(site.namespace))?);
    // Whatever was laid of it: behind a damaged frame there may be more, which nobody can tell.
    if !is_unused(site, &journal::file_name(site.namespace))? {
        kept.extend(salvage::keep_whole(site.storage, log, &journal::file_name(site.namespace))?);
    }
    Ok(())
}

/// Whether the file called `name` is not there, or has nothing but zeros.
fn is_unused(site: &Site<'_>, name: &str) -> Result<bool> {
    let failed = site.failed("looking beside");
    let file = match site.storage.open(name, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        opened => opened.map_err(&failed)?,
    };
    let size_bytes = file.metadata().map_err(&failed)?.size_bytes;
    only_zeros(&mut Bytes::new(file.as_ref(), size_bytes)?, 0)
}

/// Puts a side file with the mended entries, and those of the journal's records, in the place of the one that is there.
fn install_mended(site: &Site<'_>, log: &dyn File, own: &Own, point: Point) -> Result<(Index, Checkpoint, usize)> {
    let epoch = random::epoch()?;
    let newest = Checkpoint { seq: 2, count: point.count, end: point.end, state: State::Open, mode: Mode::Fast, epoch };
    let prepared = rebuild::prepare(site.storage, site.namespace, log, |file| {
        fill_mended(site, log, own, &newest, file.as_ref())?;
        Ok(Index { file, log_id: own.index.log_id })
    })?;
    Ok((prepared.install(site.storage, site.namespace)?, newest, 1))
}

fn fill_mended(site: &Site<'_>, log: &dyn File, own: &Own, newest: &Checkpoint, file: &dyn File) -> Result<()> {
    let Own { index, assessment, journal, .. } = own;
    let failed = site.failed("making a side file for");
    let size_bytes = index.file.metadata().map_err(&failed)?.size_bytes;
    let end = entries_end(newest.count);
    salvage::copy(index.file.as_ref(), 0..end.min(size_bytes), file, 0, &failed)?;
    file.set_size(end).map_err(&failed)?;
    for damage in &assessment.damages {
        let entry = damage.entry.encode(&index.log_id, damage.number);
        file.write_at(entries_end(damage.number), &entry).map_err(&failed)?;
    }
    let size_bytes = log.metadata().map_err(&failed)?.size_bytes;
    let mut bytes = Bytes::new(log, size_bytes)?;
    follow(&mut bytes, index, assessment.base, journal.as_ref(), &site.log_path, |frame, records| {
        let entries = replay::entries(&index.log_id, frame, records)?;
        log.write_at(frame.offset, records)
            .and_then(|()| file.write_at(entries_end(frame.first_number), &entries))
            .map_err(&failed)
    })?;
    for (seq, offset) in [newest.seq - 1, newest.seq].into_iter().zip(CHECKPOINT_OFFSETS) {
        file.write_at(offset, &Checkpoint { seq, ..*newest }.encode(&index.log_id)).map_err(&failed)?;
    }
    log.sync().map_err(&failed)
}

/// Makes the record file what the new side file says: size words, count, end.
fn settle_records(site: &Site<'_>, log: &dyn File, remedy: &Remedy) -> Result<()> {
    let failed = site.failed("mending");
    if let SideFile::Mended(own) = &remedy.index {
        for damage in &own.assessment.damages {
            log.write_at(damage.entry.offset, &damage.size_word()).map_err(&failed)?;
        }
    }
    log.write_at(log::COUNT_OFFSET, &log::word(remedy.point.count))
        .and_then(|()| log.set_size(remedy.point.end))
        .and_then(|()| log.sync())
        .map_err(&failed)
}

/// Readers that wait may have seen records that are gone. Where they cannot be told, they look by themselves.
fn tell_readers(site: &Site<'_>, log: &dyn File, count: u64) {
    let name = live::file_name(site.namespace);
    if let Ok(Some(_)) = site.storage.metadata(&name)
        && let Ok(live) = Live::attach_writer(site.storage, site.namespace, log)
    {
        let _ = live.stamp(Some(count));
    }
}
