//! Where the records of a stream are: their entries in the index file, and the places in the record file.

use super::Stream;
use crate::error::{Error, ErrorKind, Result, no_memory};
use crate::files::index::IndexView;
use crate::format::index::{Entry, entry_offset};
use crate::namespace::record::{self, Location, Reader};

/// Bytes a batch spans at most, unless its first record alone is larger.
const BATCH_SPAN_BYTES_MAX: u64 = 64 << 20;

impl Stream {
    /// Goes to the first record appended at `time_ns` or later.
    pub(super) fn go_to_time(&mut self, time_ns: i64) -> Result<()> {
        let (mut low, mut high) = (0, self.namespace.visible.count());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry(middle)?.time_ns < time_ns {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.go_to(low);
        Ok(())
    }

    fn entry(&mut self, number: u64) -> Result<&Entry> {
        self.valid_entry(&mut IndexView::Refused, number, number + 1)?.ok_or_else(|| damaged_entry(number))
    }

    /// The entry of record `number`; `None` when it is damaged. Further entries may be read, but never entry `limit` or
    /// beyond.
    #[inline]
    fn valid_entry(&mut self, view: &mut IndexView, number: u64, limit: u64) -> Result<Option<&Entry>> {
        if self.following.is_none() {
            return self.run.entry_through(view, &self.index.index, number, limit);
        }
        // The view may be of other files, since those of a log that is followed can be replaced.
        if !self.run.holds(number) {
            self.read_on(number, limit)?;
        }
        self.run.entry(&self.index.index, number, limit)
    }

    /// The location of record `number`. The record ends where the next begins or, if it is the last, where its size
    /// word says, which `reader` reads.
    #[inline]
    pub(super) fn place(
        &mut self,
        reader: &mut Reader,
        number: u64,
        count: u64,
        committed_end: u64,
    ) -> Result<Location> {
        let entry = self.valid_entry(&mut reader.index_view, number, count)?.ok_or_else(|| damaged_entry(number))?;
        if entry.quarantined {
            return Err(Location::quarantined(number, entry.offset));
        }
        let place = Location::of(number, entry);
        let next = if number + 1 < count { self.valid_entry(&mut reader.index_view, number + 1, count)? } else { None };
        let end = match next {
            Some(next) => next.offset,
            None => record::end_by_size_word(reader, &place, committed_end)?,
        };
        place.ending_at(end, committed_end, self.namespace.max_record_size_bytes)
    }

    /// The locations of the records of a batch; it ends before the first record that cannot be located.
    pub(super) fn places(
        &mut self,
        reader: &mut Reader,
        max_records: usize,
        max_bytes: usize,
        count: u64,
        end: u64,
    ) -> Result<Vec<Location>> {
        let most = u64::try_from(max_records).unwrap_or(u64::MAX).min(count - self.position);
        let mut places = Places { list: Vec::new(), most, payload_bytes: 0, max_bytes: max_bytes as u64 };
        let mut has_room = true;
        while has_room {
            match self.place(reader, self.position + places.count(), count, end) {
                Ok(place) => has_room = places.add(place)? && self.add_at_hand(&mut places, end)?,
                Err(error) if places.list.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(places.list)
    }

    /// Adds the records whose entry and next entry were read already. Returns whether the batch has room for others.
    fn add_at_hand(&self, places: &mut Places, committed_end: u64) -> Result<bool> {
        let (log_id, max_record_size_bytes) = (&self.index.index.log_id, self.namespace.max_record_size_bytes);
        let mut number = self.position + places.count();
        let held = self.run.held_from(number);
        places.reserve(held.len())?;
        let Some((first, others)) = held.split_first() else { return Ok(places.has_room()) };
        let mut entry = Entry::decode(first, log_id, number);
        for bytes in others {
            let next = Entry::decode(bytes, log_id, number + 1);
            let (Some(this), Some(Entry { offset: end, .. })) = (entry, next) else { break };
            let located = Location::of(number, &this).ending_at(end, committed_end, max_record_size_bytes);
            let (Ok(place), false) = (located, this.quarantined) else {
                break; // the caller locates this record again by `place`, which returns the error
            };
            if !places.add(place)? {
                return Ok(false);
            }
            (number, entry) = (number + 1, next);
        }
        Ok(places.has_room())
    }
}

/// The locations of a batch.
struct Places {
    list: Vec<Location>,
    /// How many records the batch has at most.
    most: u64,
    payload_bytes: u64,
    max_bytes: u64,
}

impl Places {
    fn count(&self) -> u64 {
        self.list.len() as u64
    }

    fn has_room(&self) -> bool {
        self.count() < self.most
    }

    /// Adds the location of the next record, unless the batch ends before it. Returns whether the batch has room for
    /// others.
    #[allow(
        clippy::inline_always,
        reason = "a call passes the location through memory, and its loads wait for the stores"
    )]
    #[inline(always)]
    fn add(&mut self, place: Location) -> Result<bool> {
        self.payload_bytes = self.payload_bytes.saturating_add(place.info().stored_size);
        if let (Some(first), Some(last)) = (self.list.first(), self.list.last())
            && (place.info().offset != last.end()
                || self.payload_bytes > self.max_bytes
                || place.end() - first.info().offset > BATCH_SPAN_BYTES_MAX)
        {
            return Ok(false);
        }
        if self.list.len() == self.list.capacity() {
            self.reserve(1)?;
        }
        self.list.push(place);
        Ok(self.has_room())
    }

    /// Makes room for the locations of `count` further records, or for as many as the batch may still have.
    fn reserve(&mut self, count: usize) -> Result<()> {
        let left = usize::try_from(self.most - self.count()).unwrap_or(usize::MAX);
        let list_bytes = self.list.len() * size_of::<Location>();
        self.list.try_reserve(count.min(left)).map_err(|_| no_memory("a batch", list_bytes as u64))
    }
}

#[cold]
fn damaged_entry(number: u64) -> Error {
    let at = entry_offset(number).unwrap_or(0);
    let cause = format_args!("the index entry of record {number}, at offset {at} of the index file, is damaged");
    record::skippable(Error::new(ErrorKind::Corrupt, cause), number, at)
}
