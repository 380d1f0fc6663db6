//! The append of one record that nothing stands in the way of: fast mode, room in both files, nothing to be encoded.
//! It does the steps of [`Writer::append`] in the same order, by stores, and omits what only other appends need.

use super::{Staging, Writer};
use crate::error::Result;
use crate::format::crc32c;
use crate::format::index::{Entry, entries_end};
use crate::format::log::record_end;
use crate::storage::now_ns;
use crate::writer::payloads::Appended;
use std::sync::atomic::Ordering;

impl Writer {
    /// Appends one record by stores alone, and writes to `appended_out` where it went. `false`: nothing was appended.
    /// [`Writer::append`] then appends the record, or returns the error.
    ///
    /// # Errors
    /// Publishing failed, which poisoned the namespace.
    #[inline]
    pub fn append_by_stores(&self, payload: &[u8], appended_out: &mut Appended) -> Result<bool> {
        let size_bytes = payload.len() as u64;
        let is_plain = self.journal.is_none() && self.stores_plain_records();
        if !is_plain || size_bytes > self.namespace.max_record_size_bytes {
            return Ok(false);
        }
        // Made before the lock is taken, so that a panic releases the lock first.
        let unfinished = super::Unfinished(self);
        let mut guard = self.groups.lock_with_backoff();
        let Some(staging) = guard.state.as_mut().filter(|staging| staging.takes_stores()) else { return Ok(false) };
        if self.namespace.poisoned.load(Ordering::Acquire) {
            return Ok(false);
        }
        let (number, offset) = (staging.count, staging.end);
        if self.store(staging, payload).is_none() {
            return Ok(false);
        }
        self.ask_for_room(staging);
        let published = self.publish(staging);
        drop(guard);
        drop(unfinished);
        published.map_err(|error| self.failed(error, number, offset))?;
        self.namespace.published();
        *appended_out = Appended { number, offset, stored_size: size_bytes, count: 1 };
        Ok(true)
    }

    /// Stores a record and its entry, steps 3 and 4 of a commit.
    #[inline]
    fn store(&self, staging: &mut Staging, payload: &[u8]) -> Option<()> {
        let (number, offset) = (staging.count, staging.end);
        let size_bytes = payload.len() as u64;
        let end = record_end(offset, size_bytes)?;
        let record = staging.log.store_word_and_bytes(offset, size_bytes, payload)?;
        // Between the stores and the checksum, whose loads would wait for stores that have not reached the cache.
        let time_ns = now_ns().max(staging.time_ns);
        let entry = Entry::written(offset, time_ns, crc32c(record), true);
        let [first, second, third] = entry.words(&self.index.log_id, number);
        staging.index.store_words(entries_end(number), first, second, third)?;
        (staging.count, staging.end, staging.time_ns) = (number + 1, end, time_ns);
        staging.commits += 1;
        Some(())
    }
}

impl Staging {
    /// Whether an append may be staged at once: the writer is not closing, and no zeros need a sync first.
    #[inline]
    fn takes_stores(&self) -> bool {
        !self.closing && !self.zeros_unsynced
    }
}
