//! Bytes that opening or repairing removes from a log's files are kept beside these files, under the first free number.

use crate::error::{Error, ErrorKind, Result};
use crate::files::new_file::NewFile;
use crate::format::name::{FileName, Stem};
use crate::recovery::scan::Bytes;
use crate::storage::{File, OpenMode, Storage};
use crate::util::memory;
use std::io;
use std::ops::Range;
use std::path::Path;

/// The numbers of kept files are below this, so the search for a free number ends.
const KEPT_MAX: u32 = 10_000;
const COPY_CHUNK_BYTES: usize = 256 << 10;

/// Where a file that holds several stretches begins; each stretch follows its offset and its length, words of 8 bytes.
const STRETCHES_MAGIC: [u8; 8] = *b"\x89IMS\r\n\x1a\n";
const STRETCH_HEADER_SIZE_BYTES: u64 = 16;
/// A stretch that is not longer than this is taken to have no holes.
const SMALL_BYTES: u64 = 64 << 10;

/// Stretches of a record file, in order; those side by side are one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stretches {
    pub count: u64,
    pub bytes: u64,
    /// How many of these bytes are not in holes. A small stretch counts whole.
    data_bytes: u64,
    last_end: u64,
}

impl Stretches {
    /// Adds `range` of `bytes`.
    pub fn add(&mut self, bytes: &mut Bytes<'_>, range: &Range<u64>) -> Result<()> {
        let size_bytes = range.end - range.start;
        if self.count == 0 || range.start != self.last_end {
            self.count += 1;
        }
        self.data_bytes += if size_bytes > SMALL_BYTES { bytes.data_in(range.clone())? } else { size_bytes };
        self.bytes += size_bytes;
        self.last_end = range.end;
        Ok(())
    }

    /// How much room the file with these stretches takes.
    pub fn room_bytes(&self) -> u64 {
        let layout = if self.count > 1 { 8 + self.count * STRETCH_HEADER_SIZE_BYTES } else { 0 };
        layout.saturating_add(self.data_bytes)
    }
}

/// Copies the bytes `from..to` of `file`, the record file with `stem`, to `NAME.salvage-K`, holes as holes. The copy is
/// durable when the name is returned. A copy that cannot be completed leaves nothing.
///
/// # Errors
/// `E_NO_SPACE` and others when the copy cannot be made.
pub fn keep(storage: &dyn Storage, stem: &Stem, file: &dyn File, from: u64, to: u64) -> Result<FileName> {
    keep_all(storage, stem, file, 1, |kept| kept.add(from..to))
}

/// As [`keep`], of `count` stretches, which `visit` adds in order.
pub fn keep_all(
    storage: &dyn Storage,
    stem: &Stem,
    file: &dyn File,
    count: u64,
    visit: impl FnOnce(&mut Kept<'_>) -> Result<()>,
) -> Result<FileName> {
    keep_as(storage, file, &name_of(stem), |copy, path| {
        let mut kept = Kept { file, copy, path, is_one: count <= 1, at: 0, open: None };
        if !kept.is_one {
            kept.write(&STRETCHES_MAGIC)?;
        }
        visit(&mut kept)?;
        kept.close()
    })
}

/// The name of the copies of records of the segment with `stem`, without the number.
pub fn name_of(stem: &Stem) -> FileName {
    stem.file_name("salvage")
}

/// A file that is given one stretch after the other.
pub struct Kept<'a> {
    file: &'a dyn File,
    copy: &'a dyn File,
    path: &'a Path,
    is_one: bool,
    at: u64,
    /// The last stretch, which the next range may continue.
    open: Option<Range<u64>>,
}

impl Kept<'_> {
    /// Adds the bytes in `range` of the record file.
    pub fn add(&mut self, range: Range<u64>) -> Result<()> {
        if let Some(open) = self.open.as_mut().filter(|open| open.end == range.start) {
            open.end = range.end;
            return Ok(());
        }
        self.close()?;
        self.open = Some(range);
        Ok(())
    }

    /// Copies the open stretch.
    fn close(&mut self) -> Result<()> {
        let Some(range) = self.open.take() else { return Ok(()) };
        let size_bytes = range.end - range.start;
        if !self.is_one {
            self.write(&range.start.to_le_bytes())?;
            self.write(&size_bytes.to_le_bytes())?;
        }
        copy(self.file, range.clone(), self.copy, self.at, |error| self.failed(&range, &error))?;
        self.at += size_bytes;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.copy.write_at(self.at, bytes).map_err(|error| self.failed(&(0..0), &error))?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn failed(&self, range: &Range<u64>, error: &io::Error) -> Error {
        let (size_bytes, from) = (range.end - range.start, range.start);
        Error::os(format_args!("keeping {size_bytes} bytes from offset {from} on"), error).of(self.path).at(0, from)
    }
}

/// The name of the copies of the file called `name`, without the number.
pub fn name_beside(name: &str) -> FileName {
    FileName::new(name, "bad")
}

/// Copies the whole file called `name`, beside the record file `log`, to `name.bad-K` in the same way; `None` when
/// there is no such file.
pub fn keep_whole(storage: &dyn Storage, log: &dyn File, name: &str) -> Result<Option<FileName>> {
    let failed = |error: io::Error| Error::os("keeping a copy", &error).of_file(storage.path(), name);
    let file = match storage.open(name, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let size_bytes = file.metadata().map_err(failed)?.size_bytes;
    let copy_all = |kept: &dyn File, _: &Path| copy(file.as_ref(), 0..size_bytes, kept, 0, failed);
    keep_as(storage, log, &name_beside(name), copy_all).map(Some)
}

/// Makes `prefix-K` beside the record file `log`, filled by `fill`, durably.
fn keep_as(
    storage: &dyn Storage,
    log: &dyn File,
    prefix: &str,
    fill: impl FnOnce(&dyn File, &Path) -> Result<()>,
) -> Result<FileName> {
    let name = free_name(storage, prefix)?;
    let path = memory::path(storage.path(), &name)?;
    NewFile::make(storage, prefix, log, |copy| fill(copy.as_ref(), &path))?.install(storage, &name)?;
    Ok(name)
}

/// Finds out whether another file with stretches of the record file with `stem` can be named.
///
/// # Errors
/// `E_EXISTS` when there are too many of them.
pub fn refuse_without_name(storage: &dyn Storage, stem: &Stem) -> Result<()> {
    free_name(storage, &name_of(stem)).map(drop)
}

/// Copies `range` of `file` to the offset `at` of `copy`, which ends there; holes as holes.
///
/// # Errors
/// What `failed` makes of errors of reading and writing; `UnexpectedEof` when `file` is shorter than it was.
pub fn copy(
    file: &dyn File,
    range: Range<u64>,
    copy: &dyn File,
    at: u64,
    failed: impl Fn(io::Error) -> Error,
) -> Result<()> {
    copy.set_size(at + (range.end - range.start)).map_err(&failed)?;
    copy_data(file, range, copy, at, failed)
}

/// Copies `range` of `file` over the bytes at the offset `at` of `copy`, except holes, which are neither read nor
/// written.
///
/// # Errors
/// As [`copy`].
pub fn copy_data(
    file: &dyn File,
    range: Range<u64>,
    copy: &dyn File,
    at: u64,
    failed: impl Fn(io::Error) -> Error,
) -> Result<()> {
    let in_memory = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX).min(COPY_CHUNK_BYTES);
    let mut buffer = memory::zeroed(in_memory(range.end - range.start), "a copy buffer")?;
    let (mut next, mut hole) = (range.start, range.start);
    while let Some(data) = file.next_data(next).map_err(&failed)?.filter(|data| *data < range.end) {
        if data >= hole {
            hole = file.next_hole(data).map_err(&failed)?.min(range.end);
        }
        let most = in_memory(hole.saturating_sub(data));
        let read = file.read_at(data, &mut buffer[..most]).map_err(&failed)?;
        if read == 0 {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        copy.write_at(at + (data - range.start), &buffer[..read]).map_err(&failed)?;
        next = data + read as u64;
    }
    Ok(())
}

/// The new name of the file called `name` when it is moved aside: `name.bad-K`.
///
/// # Errors
/// `E_EXISTS` when there are too many of them.
pub fn aside(storage: &dyn Storage, name: &str) -> Result<FileName> {
    free_name(storage, &name_beside(name))
}

/// Renames `name`, beside the record file `log`, to `aside`, durably.
pub fn move_aside(storage: &dyn Storage, log: &dyn File, name: &str, aside: &str) -> Result<()> {
    // The file is kept for good, and may have records in it. A file of another user keeps the access it has.
    let _ = log.access().and_then(|access| storage.open(name, OpenMode::Read)?.take_access(&access));
    storage
        .rename(name, aside)
        .and_then(|()| storage.sync_directory())
        .map_err(|error| Error::os("moving it aside", &error).of_file(storage.path(), name))
}

/// `name-K`, K the first number that no file has.
fn free_name(storage: &dyn Storage, name: &str) -> Result<FileName> {
    for number in 1..KEPT_MAX {
        let free = FileName::of(format_args!("{name}-{number}"));
        let there = storage.metadata(&free);
        let there = there.map_err(|error| Error::os(format_args!("looking for {free}"), &error))?;
        if there.is_none() {
            return Ok(free);
        }
    }
    let message = "there are too many such files with a number K; remove some";
    Err(Error::new(ErrorKind::Exists, message).of_file(storage.path(), &FileName::of(format_args!("{name}-K"))))
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
