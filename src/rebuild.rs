//! Making a side file: for a new log, or for records that have none.

use crate::error::{Error, ErrorKind, Result};
use crate::format::in_memory;
use crate::format::index::{
    CHECKPOINT_OFFSETS, Checkpoint, HEADER_SIZE_BYTES, Identity, Mode, PAGE_SIZE_BYTES, State, entry_offset,
};
use crate::index::{self, Index};
use crate::random;
use crate::scan::{self, Bytes, Point};
use crate::storage::{File, OpenMode, Storage, now_ns, remove_if_there};
use std::io;
use std::sync::Arc;

/// Entries gathered before they are written.
const RUN_BYTES: usize = 64 << 10;
/// The most files of one name kept aside.
const ASIDE_MAX: u32 = 10_000;

/// Creates the side file of `namespace` for the records of `log` up to `to`, with an open checkpoint of `epoch`, and makes both durable.
/// `codecs` are those that whoever creates it asks for.
pub fn create_index(
    storage: &dyn Storage,
    namespace: &str,
    log: &dyn File,
    to: Point,
    mode: Mode,
    epoch: u64,
    codecs: &[u32],
) -> Result<(Index, Checkpoint, usize)> {
    let name = index::file_name(namespace);
    let path = storage.path().join(&name);
    let failed = |error: io::Error| Error::os(format_args!("creating {}", path.display()), &error);
    log.sync().map_err(failed)?;
    let temporary = format!("{name}.tmp");
    remove_if_there(storage, &temporary).map_err(failed)?;
    let newest = Checkpoint { seq: 2, count: to.count, end: to.end, state: State::Open, mode, epoch };
    let created = storage.open(&temporary, OpenMode::CreateNew).map_err(failed).and_then(|file| {
        // Of records that are there nobody knows yet what they went through.
        let index = fill_index(file, log, newest, (to.count == 0).then(|| codecs.to_vec()))?;
        index.file.sync().and_then(|()| storage.rename(&temporary, &name)).map_err(failed)?;
        Ok(index)
    });
    if created.is_err() {
        // What was written of it may be what fills the disk.
        let _ = storage.remove(&temporary);
    }
    storage.sync_directory().map_err(failed)?;
    Ok((created?, newest, 1))
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
fn fill_index(file: Arc<dyn File>, log: &dyn File, newest: Checkpoint, codecs: Option<Vec<u32>>) -> Result<Index> {
    let identity = Identity { log_id: random::bytes()?, created_ns: now_ns(), codecs };
    let index = Index { file, log_id: identity.log_id };
    write_entries(&index, log, Point { count: newest.count, end: newest.end, time_ns: 0 })?;
    let mut header = vec![0; in_memory(HEADER_SIZE_BYTES)];
    header[..PAGE_SIZE_BYTES].copy_from_slice(&identity.encode());
    for (seq, offset) in [newest.seq - 1, newest.seq].into_iter().zip(CHECKPOINT_OFFSETS) {
        let page = Checkpoint { seq, ..newest }.encode(&index.log_id);
        header[in_memory(offset)..][..PAGE_SIZE_BYTES].copy_from_slice(&page);
    }
    index.file.write_at(0, &header).map_err(|error| Error::os("writing the header of a side file", &error))?;
    Ok(index)
}

fn write_entries(index: &Index, log: &dyn File, to: Point) -> Result<()> {
    let failed = |error: io::Error| Error::os("writing index entries", &error);
    let mut bytes = Bytes::new(log, to.end)?;
    let mut run: Vec<u8> = Vec::with_capacity(RUN_BYTES);
    let mut at = entry_offset(0).unwrap_or(HEADER_SIZE_BYTES);
    let reached = scan::walk(&mut bytes, Point::START, to.count, |number, offset, found| {
        run.extend_from_slice(&scan::adopted_entry(&index.log_id, number, offset, found));
        if run.len() + 24 > RUN_BYTES {
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

/// Renames `name` to `name.bad-K`, K the first number free.
pub fn move_aside(storage: &dyn Storage, name: &str) -> Result<()> {
    let failed =
        |error: io::Error| Error::os(format_args!("moving {} aside", storage.path().join(name).display()), &error);
    for number in 1..ASIDE_MAX {
        let aside = format!("{name}.bad-{number}");
        if storage.metadata(&aside).map_err(failed)?.is_none() {
            storage.rename(name, &aside).map_err(failed)?;
            return storage.sync_directory().map_err(failed);
        }
    }
    Err(Error::new(ErrorKind::Exists, format!("too many {name}.bad-K; remove some")))
}
