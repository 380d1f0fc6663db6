//! What opening or repairing takes out of a log's files is kept beside them, under the first number that is free.

use crate::error::{Error, ErrorKind, Result, no_memory};
use crate::storage::{File, OpenMode, Storage, remove_if_there};
use std::io;

/// The most files of one name kept.
const KEPT_MAX: u32 = 10_000;
const COPY_CHUNK_BYTES: usize = 256 << 10;

/// Copies the bytes `from..to` of `file`, the record file of `namespace`, to `NAME.salvage-K`, holes as holes; durable when it returns
/// the name. What cannot be copied whole leaves nothing.
///
/// # Errors
/// `E_NO_SPACE` and others when the copy cannot be made.
pub fn keep(storage: &dyn Storage, namespace: &str, file: &dyn File, from: u64, to: u64) -> Result<String> {
    let name = free_name(storage, &format!("{namespace}.salvage"))?;
    let temporary = format!("{namespace}.salvage.tmp");
    let path = storage.path().join(&name);
    let failed = |error: io::Error| {
        let what = format_args!("keeping {} bytes from offset {from} on in {}", to - from, path.display());
        Error::os(what, &error).at(0, from)
    };
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(COPY_CHUNK_BYTES).map_err(|_| no_memory("a copy buffer", COPY_CHUNK_BYTES as u64))?;
    buffer.resize(COPY_CHUNK_BYTES, 0);
    remove_if_there(storage, &temporary).map_err(failed)?;
    let kept = storage
        .open(&temporary, OpenMode::CreateNew)
        .and_then(|copy| {
            copy_range(file, from, to, copy.as_ref(), &mut buffer)?;
            copy.sync()
        })
        .and_then(|()| storage.rename(&temporary, &name))
        .and_then(|()| storage.sync_directory());
    if kept.is_err() {
        // What was written of it may be what fills the disk.
        let _ = storage.remove(&temporary);
    }
    kept.map(|()| name).map_err(failed)
}

fn copy_range(file: &dyn File, from: u64, to: u64, copy: &dyn File, buffer: &mut [u8]) -> io::Result<()> {
    copy.set_size(to - from)?;
    let mut at = from;
    while let Some(data) = file.next_data(at)?.filter(|data| *data < to) {
        let most = usize::try_from(to - data).unwrap_or(usize::MAX).min(buffer.len());
        let read = file.read_at(data, &mut buffer[..most])?;
        if read == 0 {
            break;
        }
        copy.write_at(data - from, &buffer[..read])?;
        at = data + read as u64;
    }
    Ok(())
}

/// Renames `name` to `name.bad-K`, durably.
pub fn move_aside(storage: &dyn Storage, name: &str) -> Result<()> {
    let aside = free_name(storage, &format!("{name}.bad"))?;
    storage
        .rename(name, &aside)
        .and_then(|()| storage.sync_directory())
        .map_err(|error| Error::os(format_args!("moving {} aside", storage.path().join(name).display()), &error))
}

/// `name-K`, K the first number that no file has.
fn free_name(storage: &dyn Storage, name: &str) -> Result<String> {
    for number in 1..KEPT_MAX {
        let free = format!("{name}-{number}");
        let there = storage.metadata(&free);
        let there = there.map_err(|error| Error::os(format_args!("looking for {free}"), &error))?;
        if there.is_none() {
            return Ok(free);
        }
    }
    let message = format!("too many {}-K; remove some", storage.path().join(name).display());
    Err(Error::new(ErrorKind::Exists, message))
}
