//! Making the files what the plan says, one durable step after the other.

use super::examine::Plan;
use super::{Opened, Site};
use crate::error::{Error, ErrorKind, Result};
use crate::format::index::{CHECKPOINT_OFFSETS, Checkpoint, Mode, State, entry_offset};
use crate::format::log;
use crate::index::{self, Index};
use crate::publish::Live;
use crate::rebuild;
use crate::report::{Outcome, Report};
use crate::scan::Point;
use crate::storage::File;
use std::sync::Arc;

const COPY_CHUNK_BYTES: usize = 256 << 10;

pub fn carry_out(site: &Site<'_>, plan: Plan, lock: Arc<dyn File>, log: Arc<dyn File>, live: Live) -> Result<Opened> {
    let size_before = log.metadata().map_err(site.failed("looking at"))?.size_bytes;
    let epoch = random_u64()?;
    let mut report = Report::default();
    let (index, point, checkpoint, slot) = match plan {
        Plan::Create => {
            log.set_size(log::HEADER_SIZE_BYTES)
                .and_then(|()| log.write_at(0, &log::word(0)))
                .map_err(site.failed("writing"))?;
            let (index, checkpoint, slot) =
                rebuild::create_index(site.storage, site.namespace, log.as_ref(), Point::START, epoch)?;
            (index, Point::START, checkpoint, slot)
        }
        Plan::Continue { index, from, slot, point } => {
            report.outcome = Outcome::Clean;
            report.header_count = point.count;
            let (checkpoint, slot) = write_checkpoint(site, &index, &from, slot, &point, epoch)?;
            (index, point, checkpoint, slot)
        }
        Plan::Recover { index, from, slot, point, header_count } => {
            report.outcome = Outcome::Recovered;
            report.header_count = header_count;
            report.recovered = point.count - from.count;
            rewrite(site, log.as_ref(), from.end, point.end)?;
            let entries = |count| entry_offset(count).unwrap_or(u64::MAX);
            rewrite(site, index.file.as_ref(), entries(from.count), entries(point.count))?;
            if from.seq > 0 {
                let page = from.encode(&index.log_id);
                index
                    .file
                    .write_at(CHECKPOINT_OFFSETS[slot], &page)
                    .map_err(site.failed("writing the side file of"))?;
            }
            sync_both(site, log.as_ref(), &index)?;
            // The writer before may have been killed between creating the files and making their names durable.
            site.storage.sync_directory().map_err(site.failed("syncing the directory of"))?;
            log.write_at(log::COUNT_OFFSET, &log::word(point.count)).map_err(site.failed("writing"))?;
            log.sync().map_err(site.failed("syncing"))?;
            let (checkpoint, slot) = write_checkpoint(site, &index, &from, slot, &point, epoch)?;
            log.set_size(point.end).map_err(site.failed("cutting"))?;
            index.file.set_size(entries(point.count)).map_err(site.failed("cutting the side file of"))?;
            sync_both(site, log.as_ref(), &index)?;
            (index, point, checkpoint, slot)
        }
        Plan::Adopt { point, damaged_index } => {
            report.outcome = Outcome::Adopted;
            report.header_count = point.count;
            report.adopted = point.count;
            if damaged_index {
                rebuild::move_aside(site.storage, &index::file_name(site.namespace))?;
            }
            let (index, checkpoint, slot) =
                rebuild::create_index(site.storage, site.namespace, log.as_ref(), point, epoch)?;
            log.set_size(point.end).and_then(|()| log.sync()).map_err(site.failed("cutting"))?;
            (index, point, checkpoint, slot)
        }
    };
    report.count = point.count;
    report.trimmed_bytes = size_before.saturating_sub(point.end);
    Ok(Opened { lock, log, index, live, point, checkpoint, slot, report })
}

/// Writes the open checkpoint of a new epoch over the older slot, and syncs it.
fn write_checkpoint(
    site: &Site<'_>,
    index: &Index,
    from: &Checkpoint,
    slot: usize,
    point: &Point,
    epoch: u64,
) -> Result<(Checkpoint, usize)> {
    let checkpoint = Checkpoint {
        seq: from.seq + 1,
        count: point.count,
        end: point.end,
        state: State::Open,
        mode: Mode::Fast,
        epoch,
    };
    let slot = 1 - slot;
    index
        .file
        .write_at(CHECKPOINT_OFFSETS[slot], &checkpoint.encode(&index.log_id))
        .and_then(|()| index.file.sync())
        .map_err(site.failed("writing a checkpoint of"))?;
    Ok((checkpoint, slot))
}

/// Writes the bytes that are there once more: after a failed sync they may be only in the cache, and clean.
fn rewrite(site: &Site<'_>, file: &dyn File, from: u64, to: u64) -> Result<()> {
    let mut buffer = vec![0; COPY_CHUNK_BYTES];
    let mut at = from;
    while at < to {
        let most = usize::try_from(to - at).unwrap_or(usize::MAX).min(buffer.len());
        let read = file.read_at(at, &mut buffer[..most]).map_err(site.failed("reading"))?;
        if read == 0 {
            return Err(Error::new(
                ErrorKind::Io,
                format!("{} or its side file ends while it is recovered", site.log_path.display()),
            ));
        }
        file.write_at(at, &buffer[..read]).map_err(site.failed("rewriting"))?;
        at += read as u64;
    }
    Ok(())
}

fn sync_both(site: &Site<'_>, log: &dyn File, index: &Index) -> Result<()> {
    log.sync().map_err(site.failed("syncing"))?;
    index.file.sync().map_err(site.failed("syncing the side file of"))
}

/// A random number that is never 0, which stands for "none".
fn random_u64() -> Result<u64> {
    let bytes = rebuild::random_bytes::<8>()?;
    Ok(u64::from_le_bytes(bytes).max(1))
}
