//! Making a side file: for a new log, or for records that have none.

use crate::error::{Error, ErrorKind, Result};
use crate::format::codecs::ChainIds;
use crate::format::in_memory;
use crate::format::index::{
    CHECKPOINT_OFFSETS, Checkpoint, ENTRY_BYTES, Entry, HEADER_SIZE_BYTES, Identity, Mode, PAGE_SIZE_BYTES, State,
    entries_end,
};
use crate::index::{self, Index};
use crate::memory;
use crate::random;
use crate::scan::{self, Bytes, Found, Point};
use crate::storage::{File, Storage, now_ns, remove_if_there, temporary_name};
use crate::sync::Arc;
use std::io;

/// Entries gathered before they are written.
const RUN_BYTES: usize = 64 << 10;

/// A side file that is complete and durable under a temporary name.
#[derive(Debug)]
pub struct PreparedIndex(Index);

impl PreparedIndex {
    /// Gives it its name, in place of the one that may be there.
    pub fn install(self, storage: &dyn Storage, namespace: &str) -> Result<Index> {
        let name = index::file_name(namespace);
        let renamed = storage.rename(&temporary_name(&name), &name).and_then(|()| storage.sync_directory());
        renamed
            .map_err(|error| Error::os(format_args!("installing {}", storage.path().join(&name).display()), &error))?;
        Ok(self.0)
    }
}

/// Makes a side file for the record file `log` as `fill` does, to be installed; a failure leaves nothing of it.
pub fn prepare(
    storage: &dyn Storage,
    namespace: &str,
    log: &dyn File,
    fill: impl FnOnce(Arc<dyn File>) -> Result<Index>,
) -> Result<PreparedIndex> {
    let temporary = temporary_name(&index::file_name(namespace));
    let failed =
        |error: io::Error| Error::os(format_args!("making {}", storage.path().join(&temporary).display()), &error);
    remove_if_there(storage, &temporary).map_err(failed)?;
    let filled = storage.create_beside(log, &temporary).map_err(failed).and_then(|file| {
        let index = fill(file)?;
        index.file.sync().map_err(failed)?;
        Ok(index)
    });
    if filled.is_err() {
        // What was written of it may be what fills the disk.
        let _ = storage.remove(&temporary);
    }
    filled.map(PreparedIndex)
}

/// Prepares the side file of `namespace` for the records of `log` up to `to`, with an open checkpoint of `epoch` in the slot answered;
/// the record file is synced first. `codecs` are those that whoever creates it asks for.
pub fn prepare_new(
    storage: &dyn Storage,
    namespace: &str,
    log: &dyn File,
    to: Point,
    mode: Mode,
    epoch: u64,
    codecs: ChainIds,
) -> Result<(PreparedIndex, Checkpoint, usize)> {
    log.sync().map_err(|error| Error::os("syncing a record file before it is indexed", &error))?;
    let newest = Checkpoint { seq: 2, count: to.count, end: to.end, state: State::Open, mode, epoch };
    // Of records that are there nobody knows yet what they went through.
    let codecs = (to.count == 0).then_some(codecs);
    let prepared = prepare(storage, namespace, log, |file| fill_index(file, log, newest, codecs))?;
    Ok((prepared, newest, 1))
}

/// An index in memory, for reading records that have no side file, up to `to`.
pub fn scratch_index(storage: &dyn Storage, log: &dyn File, to: Point) -> Result<Index> {
    let file = storage.scratch().map_err(|error| Error::os("making an index in memory", &error))?;
    fill_index(
        file,
        log,
        Checkpoint { seq: 2, count: to.count, end: to.end, state: State::Clean, mode: Mode::Fast, epoch: 0 },
        None,
    )
}

/// Makes `file` a side file under a new log id: the entries of all records up to `newest`, then the header with it in slot B and its
/// predecessor, alike, in slot A.
fn fill_index(file: Arc<dyn File>, log: &dyn File, newest: Checkpoint, codecs: Option<ChainIds>) -> Result<Index> {
    let identity = Identity { log_id: random::bytes()?, created_ns: now_ns(), codecs };
    let index = Index { file, log_id: identity.log_id };
    write_entries(&index, log, Point::START, Point { count: newest.count, end: newest.end, time_ns: 0 })?;
    let mut header = memory::zeroed(in_memory(HEADER_SIZE_BYTES), "the header of a side file")?;
    header[..PAGE_SIZE_BYTES].copy_from_slice(&identity.encode());
    for (seq, offset) in [newest.seq - 1, newest.seq].into_iter().zip(CHECKPOINT_OFFSETS) {
        let page = Checkpoint { seq, ..newest }.encode(&index.log_id);
        header[in_memory(offset)..][..PAGE_SIZE_BYTES].copy_from_slice(&page);
    }
    index.file.write_at(0, &header).map_err(|error| Error::os("writing the header of a side file", &error))?;
    Ok(index)
}

/// Prepares a copy of the side file `index` that has entries for the records of `log` from `from` to `to`, too, and none behind.
pub fn prepare_completed(
    storage: &dyn Storage,
    namespace: &str,
    log: &dyn File,
    index: &Index,
    from: Point,
    to: Point,
) -> Result<PreparedIndex> {
    let failed = |error: io::Error| {
        let path = storage.path().join(index::file_name(namespace));
        Error::os(format_args!("completing {}", path.display()), &error)
    };
    prepare(storage, namespace, log, |file| {
        copy(index.file.as_ref(), file.as_ref(), entries_end(from.count), failed)?;
        let completed = Index { file, log_id: index.log_id };
        write_entries(&completed, log, from, to)?;
        Ok(completed)
    })
}

/// As [`prepare_completed`], in memory, for reading.
pub fn scratch_completed(
    storage: &dyn Storage,
    log: &dyn File,
    index: &Index,
    from: Point,
    to: Point,
) -> Result<Index> {
    let failed = |error: io::Error| Error::os("completing an index in memory", &error);
    let file = storage.scratch().map_err(failed)?;
    copy(index.file.as_ref(), file.as_ref(), entries_end(from.count), failed)?;
    let completed = Index { file, log_id: index.log_id };
    write_entries(&completed, log, from, to)?;
    Ok(completed)
}

fn copy(from: &dyn File, to: &dyn File, size_bytes: u64, failed: impl Fn(io::Error) -> Error) -> Result<()> {
    let mut buffer = memory::zeroed(RUN_BYTES, "a copy buffer")?;
    let mut at = 0;
    while at < size_bytes {
        let most = usize::try_from(size_bytes - at).unwrap_or(usize::MAX).min(buffer.len());
        let read = from.read_at(at, &mut buffer[..most]).map_err(&failed)?;
        if read == 0 {
            // What it does not have is damaged, and made anew, or comes with the journal's frames, which are laid over later.
            break;
        }
        to.write_at(at, &buffer[..read]).map_err(&failed)?;
        at += read as u64;
    }
    Ok(())
}

/// Writes the entries of the records of `log` from `from` to `to`, which nobody knows but by their sizes. They are not older than the
/// record before them.
fn write_entries(index: &Index, log: &dyn File, from: Point, to: Point) -> Result<()> {
    let failed = |error: io::Error| Error::os("writing index entries", &error);
    let mut bytes = Bytes::new(log, to.end)?;
    let mut run = memory::with_room(RUN_BYTES, "index entries")?;
    let mut at = entries_end(from.count);
    let reached = scan::walk(&mut bytes, from, to.count, |number, offset, found| {
        let Found { crc, .. } = found;
        let entry =
            Entry { offset, time_ns: from.time_ns, crc, last_of_batch: true, adopted: true, quarantined: false };
        run.extend_from_slice(&entry.encode(&index.log_id, number));
        if run.len() + ENTRY_BYTES > RUN_BYTES {
            index.file.write_at(at, &run).map_err(failed)?;
            at += run.len() as u64;
            run.clear();
        }
        Ok(())
    })?;
    if reached.map(|point| point.end) != Some(to.end) {
        return Err(Error::new(
            ErrorKind::Corrupt,
            "the record file changed while it was indexed; stop whoever writes it",
        ));
    }
    index.file.write_at(at, &run).map_err(failed)
}
