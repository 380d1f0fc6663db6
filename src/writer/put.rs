//! Putting a commit: its bytes, its entries and its journal frame, where readers do not look yet.

use super::{Staging, Writer};
use crate::error::{Error, Result, no_memory};
use crate::format::index::{ENTRY_BYTES, Entry, entries_end};
use crate::format::log::{SIZE_WORD_BYTES, Word, word};
use crate::format::{crc32c, crc32c_of};
use crate::storage::now_ns;
use crate::util::memory;
use crate::writer::payloads::Payloads;
use std::io;

/// The largest record, with its size word, that is put together before it is put into the file.
pub(super) const SMALL_RECORD_BYTES: usize = 256;

/// How many records of a batch are stored before their checksums are made: enough that these find the bytes in the
/// cache, and few enough that the lists fit on a small stack.
const STORED_TOGETHER: usize = 32;

impl Writer {
    /// Steps 3 and 4 of a commit, and the frame for step 5. The caller has made room for all of them.
    pub(super) fn put(&self, staging: &mut Staging, payloads: Payloads<'_>, end: u64, count: u64) -> Result<()> {
        let time_ns = now_ns().max(staging.time_ns);
        match payloads {
            Payloads::One(parts) => self.put_record(staging, parts, end, time_ns)?,
            Payloads::Each(records) => self.put_records(staging, records, end, time_ns)?,
        }
        (staging.count, staging.end, staging.time_ns) = (staging.count + count, end, time_ns);
        staging.commits += 1;
        Ok(())
    }

    fn put_record(&self, staging: &mut Staging, parts: &[&[u8]], end: u64, time_ns: i64) -> Result<()> {
        let size_word = word(end - staging.end - SIZE_WORD_BYTES);
        if let [only] = parts {
            // In one piece a small record has one checksum to make and one copy to the file.
            let mut piece = [0; SMALL_RECORD_BYTES];
            if let Some(record) = piece.get_mut(..size_word.len() + only.len()) {
                record[..size_word.len()].copy_from_slice(&size_word);
                record[size_word.len()..].copy_from_slice(only);
                return self.put_one(staging, &[record], end, time_ns);
            }
            return self.put_one(staging, &[&size_word, only], end, time_ns);
        }
        let mut all: Vec<&[u8]> = Vec::new();
        all.try_reserve_exact(parts.len() + 1).map_err(|_| no_memory("a list of parts", parts.len() as u64 * 16))?;
        all.push(&size_word);
        all.extend_from_slice(parts);
        self.put_one(staging, &all, end, time_ns)
    }

    /// Puts one record, `bytes` being its size word and its parts.
    fn put_one(&self, staging: &mut Staging, bytes: &[&[u8]], end: u64, time_ns: i64) -> Result<()> {
        staging.log.put(staging.end, bytes).map_err(|error| self.failed_bytes(&error))?;
        let entry = Entry::written(staging.end, time_ns, crc32c_of(bytes), true);
        self.put_entries(staging, &entry.encode(&self.index.log_id, staging.count))?;
        staging.push_frame(bytes, end, 1, time_ns);
        Ok(())
    }

    /// Puts the records of a batch.
    fn put_records(&self, staging: &mut Staging, records: &[&[u8]], end: u64, time_ns: i64) -> Result<()> {
        if staging.journal.is_none() && self.store_records(staging, records, time_ns).is_some() {
            return Ok(());
        }
        let refused = |_| no_memory("a batch", records.len() as u64 * 64);
        let mut entries = memory::with_room(records.len() * ENTRY_BYTES, "index entries")?;
        let (mut words, mut all) = (Vec::new(), Vec::new());
        words.try_reserve_exact(records.len()).map_err(refused)?;
        all.try_reserve_exact(records.len() * 2).map_err(refused)?;
        words.extend(records.iter().map(|record| word(record.len() as u64)));
        let mut offset = staging.end;
        for (index, (record, size_word)) in records.iter().zip(&words).enumerate() {
            let last_of_batch = index + 1 == records.len();
            let entry = Entry::written(offset, time_ns, crc32c_of(&[size_word, record]), last_of_batch);
            entries.extend_from_slice(&entry.encode(&self.index.log_id, staging.count + index as u64));
            all.push(size_word.as_slice());
            all.push(record);
            offset += SIZE_WORD_BYTES + record.len() as u64;
        }
        staging.log.put(staging.end, &all).map_err(|error| self.failed_bytes(&error))?;
        self.put_entries(staging, &entries)?;
        staging.push_frame(&all, end, records.len() as u64, time_ns);
        Ok(())
    }

    /// Stores the records of a batch, a few at a time, into the room that was made. `None`: the engine cannot store,
    /// and has refused the first group. The caller then puts the batch.
    fn store_records(&self, staging: &mut Staging, records: &[&[u8]], time_ns: i64) -> Option<()> {
        let (mut number, mut offset) = (staging.count, staging.end);
        let mut left = records.len();
        for some in records.chunks(STORED_TOGETHER) {
            let mut words = [Word::default(); STORED_TOGETHER];
            for (size_word, record) in words.iter_mut().zip(some) {
                *size_word = word(record.len() as u64);
            }
            let mut parts: [&[u8]; 2 * STORED_TOGETHER] = [&[]; 2 * STORED_TOGETHER];
            for ((pair, size_word), record) in parts.chunks_exact_mut(2).zip(&words).zip(some) {
                (pair[0], pair[1]) = (size_word, record);
            }
            let mut stored = staging.log.store_parts(offset, &parts[..2 * some.len()])?;
            let mut entries = [[0; ENTRY_BYTES]; STORED_TOGETHER];
            let first = number;
            for (slot, record) in entries.iter_mut().zip(some) {
                let bytes = stored.split_off(..size_of::<Word>() + record.len())?;
                left -= 1;
                *slot = Entry::written(offset, time_ns, crc32c(bytes), left == 0).encode(&self.index.log_id, number);
                (number, offset) = (number + 1, offset + bytes.len() as u64);
            }
            staging.index.store_parts(entries_end(first), &[entries[..some.len()].as_flattened()])?;
        }
        Some(())
    }

    fn put_entries(&self, staging: &mut Staging, entries: &[u8]) -> Result<()> {
        let at = entries_end(staging.count);
        let put = staging.index.put(at, &[entries]);
        put.map_err(|error| self.failed_entries(staging, at, entries.len(), &error))
    }

    /// Record bytes beyond the end mean nothing without an entry, so a known lack of room leaves no trace.
    #[cold]
    fn failed_bytes(&self, error: &io::Error) -> Error {
        if is_lack_of_room(error) {
            return Error::os("writing", error).of(self.namespace.log_path());
        }
        self.poison("writing", error)
    }

    /// Entries beyond the count could be taken for records after a crash: they are zeroed, or the namespace is
    /// poisoned.
    #[cold]
    #[inline(never)] // its zeros would make every append probe the stack
    fn failed_entries(&self, staging: &mut Staging, at: u64, size: usize, error: &io::Error) -> Error {
        if error.raw_os_error() == Some(libc::EFBIG) {
            return Error::os("writing its index file", error).of(self.namespace.log_path()); // nothing was stored
        }
        let zeros = [0; 4096];
        let zeroed = (0..size).step_by(zeros.len()).all(|done| {
            let left = zeros.len().min(size - done);
            self.index.file.write_at(at + done as u64, &zeros[..left]).is_ok()
        });
        if is_lack_of_room(error) && zeroed {
            staging.zeros_unsynced = true;
            return Error::os("writing its index file", error).of(self.namespace.log_path());
        }
        self.poison("writing its index file", error)
    }
}

pub(super) fn is_lack_of_room(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG))
}
