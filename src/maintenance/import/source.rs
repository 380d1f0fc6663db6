//! The file that is imported, and the checks of its copy against it.

use super::PIECE_BYTES;
use crate::codec::Chain;
use crate::error::{Error, ErrorKind, Result, no_memory};
use crate::format::in_memory;
use crate::format::log::{self, SIZE_WORD_BYTES};
use crate::recovery::layout::{self, Fit};
use crate::recovery::scan::Bytes;
use crate::storage::{File, OpenMode, Storage};
use crate::util::memory;
use crate::util::progress::Watch;
use crate::util::sync::Arc;
use std::io;
use std::path::PathBuf;

/// The file to be imported.
pub struct Source {
    pub file: Arc<dyn File>,
    path: PathBuf,
    size_bytes: u64,
    pub fit: Fit,
    /// What stands before the records.
    header: Vec<u8>,
}

impl Source {
    pub fn open(beside: &dyn Storage, file_name: &str, progress: &dyn Watch) -> Result<Source> {
        let path = memory::path(beside.path(), file_name)?;
        let failed = |error| Error::os("reading", &error).of(&path);
        let file = beside.open(file_name, OpenMode::Read).map_err(failed)?;
        let size_bytes = file.metadata().map_err(failed)?.size_bytes;
        let mut bytes = Bytes::new(file.as_ref(), size_bytes)?.watched(Some(progress));
        let fit = layout::only_fit(&mut bytes, &path)?;
        let mut header = memory::zeroed(in_memory(fit.start), "a header")?;
        file.read_at(0, &mut header).map_err(failed)?;
        Ok(Source { file, path, size_bytes, fit, header })
    }

    fn failed(&self, error: &io::Error) -> Error {
        Error::os("reading", error).of(&self.path)
    }

    /// The refusal of a source that has changed.
    pub fn changed(&self) -> Error {
        let message = "it changed while it was imported; nothing was imported: stop the process that writes it";
        Error::new(ErrorKind::Corrupt, message).of(&self.path)
    }

    /// Whether size and header are still what they were.
    pub fn is_unchanged(&self) -> Result<bool> {
        let size_bytes = self.file.metadata().map_err(|error| self.failed(&error))?.size_bytes;
        let mut header = memory::zeroed(self.header.len(), "a header")?;
        self.file.read_at(0, &mut header).map_err(|error| self.failed(&error))?;
        Ok(size_bytes == self.size_bytes && header == self.header)
    }
}

/// Reads both files, which must hold the same records.
pub fn compare(source: &Source, log: &dyn File, progress: &dyn Watch) -> Result<()> {
    let Fit { start, end, .. } = source.fit;
    let total = end - start;
    let mut original = Bytes::new(source.file.as_ref(), source.size_bytes)?;
    let mut copy = Bytes::new(log, log::HEADER_SIZE_BYTES + total)?;
    let (mut done, mut told) = (0, 0);
    while done < total {
        if done >= told {
            progress.tell(total + done, 2 * total)?;
            told = done + PIECE_BYTES;
        }
        let here = original.some(start + done, total - done)?;
        let there = copy.some(log::HEADER_SIZE_BYTES + done, here.len() as u64)?;
        let common = there.len().min(here.len());
        if common == 0 || here[..common] != there[..common] {
            return Err(source.changed());
        }
        let is_zeros = here[..common].iter().all(|byte| *byte == 0);
        done += common as u64;
        if is_zeros && done < total {
            // Holes of both are passed over, and what differs is compared next.
            let here = original.next_not_zero(start + done)? - start;
            let there = copy.next_not_zero(log::HEADER_SIZE_BYTES + done)? - log::HEADER_SIZE_BYTES;
            done = total.min(here).min(there);
        }
    }
    progress.tell(2 * total, 2 * total)
}

/// Checks that every record decodes with the codecs named. The chain is recorded, and then no process could read the
/// log with another one.
pub fn decode_all(
    source: &Source,
    log: &dyn File,
    chain: &Chain,
    limit_bytes: u64,
    progress: &dyn Watch,
) -> Result<()> {
    let Fit { start, count, .. } = source.fit;
    let mut payload = Vec::new();
    let mut at = log::HEADER_SIZE_BYTES;
    let size_bytes = log.metadata().map_err(|error| source.failed(&error))?.size_bytes;
    let mut bytes = Bytes::new(log, size_bytes)?.watched(Some(progress));
    for number in 0..count {
        let offset = start + (at - log::HEADER_SIZE_BYTES);
        let about = |error: Error| {
            error.about(format_args!("record {number} at offset {offset}")).of(&source.path).at(number, offset)
        };
        let end = bytes.record_end(at)?.ok_or_else(|| source.changed())?;
        let stored_bytes = end - at - SIZE_WORD_BYTES;
        if stored_bytes > limit_bytes {
            return Err(about(Error::too_large("the record", limit_bytes, stored_bytes)));
        }
        payload.clear();
        payload.try_reserve(in_memory(stored_bytes)).map_err(|_| no_memory("a record", stored_bytes))?;
        payload.resize(in_memory(stored_bytes), 0);
        log.read_at(at + SIZE_WORD_BYTES, &mut payload).map_err(|error| source.failed(&error))?;
        progress.worked(stored_bytes)?;
        chain.decode(&payload, limit_bytes).map_err(about)?;
        at = end;
    }
    Ok(())
}
