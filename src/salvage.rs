//! What opening or repairing takes out of a log's files is kept beside them, under the first number that is free.

use crate::error::{Error, ErrorKind, Result};
use crate::memory;
use crate::storage::{File, OpenMode, Storage, remove_if_there, temporary_name};
use std::io;
use std::ops::Range;

/// The most files of one name kept.
const KEPT_MAX: u32 = 10_000;
const COPY_CHUNK_BYTES: usize = 256 << 10;

/// Copies the bytes `from..to` of `file`, the record file of `namespace`, to `NAME.salvage-K`, holes as holes; durable when it returns
/// the name. What cannot be copied whole leaves nothing.
///
/// # Errors
/// `E_NO_SPACE` and others when the copy cannot be made.
pub fn keep(storage: &dyn Storage, namespace: &str, file: &dyn File, from: u64, to: u64) -> Result<String> {
    keep_as(storage, file, &name_of(namespace), file, from..to)
}

/// What the copies of a namespace's records are called, but for their number.
pub fn name_of(namespace: &str) -> String {
    format!("{namespace}.salvage")
}

/// What the copies of the file called `name` are called, but for their number.
pub fn name_beside(name: &str) -> String {
    format!("{name}.bad")
}

/// Copies the whole file called `name`, beside the record file `log`, to `name.bad-K` in the same way; `None` when there is no such file.
pub fn keep_whole(storage: &dyn Storage, log: &dyn File, name: &str) -> Result<Option<String>> {
    let failed =
        |error: io::Error| Error::os(format_args!("keeping a copy of {}", storage.path().join(name).display()), &error);
    let file = match storage.open(name, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let size_bytes = file.metadata().map_err(failed)?.size_bytes;
    keep_as(storage, log, &name_beside(name), file.as_ref(), 0..size_bytes).map(Some)
}

fn keep_as(storage: &dyn Storage, log: &dyn File, prefix: &str, file: &dyn File, range: Range<u64>) -> Result<String> {
    let name = free_name(storage, prefix)?;
    let temporary = temporary_name(prefix);
    let path = storage.path().join(&name);
    let (from, size_bytes) = (range.start, range.end - range.start);
    let failed = |error: io::Error| {
        let what = format_args!("keeping {size_bytes} bytes from offset {from} on in {}", path.display());
        Error::os(what, &error).at(0, from)
    };
    remove_if_there(storage, &temporary).map_err(failed)?;
    let copied = storage.create_beside(log, &temporary).map_err(failed).and_then(|copied| {
        copy(file, range, copied.as_ref(), 0, failed)?;
        copied.sync().and_then(|()| storage.rename(&temporary, &name)).map_err(failed)
    });
    if copied.is_err() {
        // What was written of it may be what fills the disk.
        let _ = storage.remove(&temporary);
    }
    copied?;
    storage.sync_directory().map_err(failed)?;
    Ok(name)
}

/// Copies `range` of `file` to the offset `at` of `copy`, which ends there; holes as holes.
///
/// # Errors
/// What `failed` makes of those of reading and writing; `UnexpectedEof` when `file` is shorter than it was.
pub fn copy(
    file: &dyn File,
    range: Range<u64>,
    copy: &dyn File,
    at: u64,
    failed: impl Fn(io::Error) -> Error,
) -> Result<()> {
    let mut buffer = memory::zeroed(COPY_CHUNK_BYTES, "a copy buffer")?;
    copy.set_size(at + (range.end - range.start)).map_err(&failed)?;
    let mut next = range.start;
    while let Some(data) = file.next_data(next).map_err(&failed)?.filter(|data| *data < range.end) {
        let most = usize::try_from(range.end - data).unwrap_or(usize::MAX).min(buffer.len());
        let read = file.read_at(data, &mut buffer[..most]).map_err(&failed)?;
        if read == 0 {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        copy.write_at(at + (data - range.start), &buffer[..read]).map_err(&failed)?;
        next = data + read as u64;
    }
    Ok(())
}

/// What the file called `name` is to be called when it is moved aside: `name.bad-K`.
///
/// # Errors
/// `E_EXISTS` when there are too many of them.
pub fn aside(storage: &dyn Storage, name: &str) -> Result<String> {
    free_name(storage, &name_beside(name))
}

/// Renames `name`, beside the record file `log`, to `aside`, durably.
pub fn move_aside(storage: &dyn Storage, log: &dyn File, name: &str, aside: &str) -> Result<()> {
    // It is kept for good, and may have records in it. That of another user keeps the access it has.
    let _ = log.access().and_then(|access| storage.open(name, OpenMode::Read)?.take_access(&access));
    storage
        .rename(name, aside)
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
    let message = "there are too many such files with a number after the name; remove some";
    Err(Error::new(ErrorKind::Exists, message).of(&storage.path().join(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::simulated::Simulated;

    #[test]
    fn names_come_to_an_end_with_an_error_and_nothing_is_overwritten() {
        let disk = Simulated::new();
        for number in 1..KEPT_MAX {
            disk.write_file(&format!("a.idx.bad-{number}"), b"kept");
        }
        disk.write_file("a.idx", b"damaged");
        let storage = disk.storage();
        let log = storage.open("a.log", OpenMode::CreateNew).unwrap();
        assert_eq!(
            keep_whole(storage.as_ref(), log.as_ref(), "a.idx").map_err(|error| error.kind),
            Err(ErrorKind::Exists)
        );
        assert_eq!(aside(storage.as_ref(), "a.idx").map_err(|error| error.kind), Err(ErrorKind::Exists));
        assert_eq!(disk.read_file("a.idx").as_deref(), Some(b"damaged".as_slice()));
        storage.remove("a.idx.bad-77").unwrap();
        move_aside(storage.as_ref(), log.as_ref(), "a.idx", &aside(storage.as_ref(), "a.idx").unwrap()).unwrap();
        assert_eq!(disk.read_file("a.idx.bad-77").as_deref(), Some(b"damaged".as_slice()), "the first number free");
        assert_eq!(disk.read_file("a.idx"), None);
    }
}
