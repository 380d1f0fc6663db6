//! A record on loan: where it is, and its bytes, checked before any caller sees them.

mod decoded;

use crate::error::{Error, ErrorKind, Result};
use crate::files::index::IndexView;
use crate::format::index::Entry;
use crate::format::log::{SIZE_WORD_BYTES, record_end, value_of};
use crate::format::{crc32c, in_memory};
use crate::namespace::pool::Guard;
use crate::storage::View;
use crate::util::sync::Arc;
use crate::util::time::system_time;
use bitflags::bitflags;
use std::fmt::{self, Display};
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

bitflags! {
    /// What is special about a record.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct RecordFlags: u64 {
        /// The last record of its commit.
        const BATCH_END = 1;
        /// Indexed later: there is no checksum from the time of writing.
        const ADOPTED = 2;
        /// The checksum was not checked.
        const UNVERIFIED = 4;
    }
}

/// One pooled descriptor with what it has mapped or buffered.
#[derive(Debug)]
pub struct Reader {
    /// The record file.
    pub view: Box<dyn View>,
    /// The index file, for streams that jump.
    pub index_view: IndexView,
    /// Which opening of the files it belongs to.
    pub files_serial: u64,
    /// The location of the record that the reader holds, if it holds one alone.
    pub place: Location,
    /// The payload of that record, where the file does not store it as it was appended.
    pub decoded: Option<Vec<u8>>,
    pub records_read: Arc<ReadCount>,
}

/// How many records were read through one reader. Only the thread that holds the reader counts, so it needs no atomic
/// addition.
#[derive(Debug, Default)]
#[repr(align(64))] // other readers are not to share the cache line
pub struct ReadCount(AtomicU64);

impl ReadCount {
    #[inline]
    pub fn add(&self, count: u64) {
        self.0.store(self.get() + count, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is known of a record besides its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordInfo {
    /// The size of the payload in the file, in bytes.
    pub stored_size: u64,
    /// The number of the record, from 0.
    pub number: u64,
    /// Offset of its size word, in bytes.
    pub offset: u64,
    /// When it was appended, ns since 1970 UTC; 0 unknown.
    pub time_ns: i64,
    /// What is special about it.
    pub flags: RecordFlags,
}

impl RecordInfo {
    /// When the record was appended; `None` where that is not known.
    pub fn time(&self) -> Option<SystemTime> {
        (self.time_ns != 0).then(|| system_time(self.time_ns))
    }
}

/// A record: the reader that holds it. Dropping it gives the reader back to the pool.
// Invariants:
// 1. The reader's view has loaded exactly the record at the reader's `place`, from its size word on.
// 2. The size word is that of the place; so is the checksum, unless the flags say `UNVERIFIED`.
// 3. `decoded` of the reader is the payload of this record, or `None`.
#[derive(Debug)]
pub struct Record(Guard<Reader>);

impl Record {
    /// The payload; it stays at this address until the record is dropped.
    pub fn data(&self) -> &[u8] {
        if let Some(decoded) = &self.0.decoded {
            return decoded;
        }
        &self.0.view.loaded()[in_memory(SIZE_WORD_BYTES)..]
    }

    /// Counts the record as read.
    #[inline]
    pub(crate) fn count_as_read(&self) {
        self.0.records_read.add(1);
    }

    /// What is known of the record besides its payload.
    pub fn info(&self) -> RecordInfo {
        self.0.place.info
    }
}

impl AsRef<[u8]> for Record {
    fn as_ref(&self) -> &[u8] {
        self.data()
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // The reader goes back to the pool without the memory of this record.
        self.0.decoded = None;
    }
}

/// Records that follow each other, on loan with one reader.
// Invariants:
// 1. `places` is not empty, and each record begins where the one before ends.
// 2. The reader's view has loaded the bytes of all `places`, from the first one's offset on, and each was checked.
// 3. `decoded` is empty, or has one payload for each of `places`.
#[derive(Debug)]
pub struct Batch {
    reader: Guard<Reader>,
    places: Vec<Location>,
    /// The payloads, where the file does not store them as they were appended.
    decoded: Vec<Vec<u8>>,
}

impl Batch {
    /// How many records it has, at least one.
    #[expect(clippy::len_without_is_empty, reason = "a batch has at least one record")]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Counts the records as read.
    pub(crate) fn count_as_read(&self) {
        self.reader.records_read.add(self.places.len() as u64);
    }

    /// Record `index` of the batch, `index < len()`: its payload, which stays at this address until the batch is
    /// dropped, and its info.
    pub fn get(&self, index: usize) -> (&[u8], RecordInfo) {
        self.record(self.reader.view.loaded(), index)
    }

    /// The records in order: payload and info.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], RecordInfo)> {
        let loaded = self.reader.view.loaded();
        (0..self.len()).map(move |index| self.record(loaded, index))
    }

    /// Record `index`, which is in `loaded`, or else decoded.
    #[inline]
    fn record<'a>(&'a self, loaded: &'a [u8], index: usize) -> (&'a [u8], RecordInfo) {
        let place = &self.places[index];
        if let Some(decoded) = self.decoded.get(index) {
            return (decoded, place.info);
        }
        let span = place.span_from(self.places[0].info.offset);
        (&loaded[span.start + in_memory(SIZE_WORD_BYTES)..span.end], place.info)
    }
}

/// Where a record is said to lie, and what its bytes should be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Location {
    info: RecordInfo,
    crc: u32,
}

impl Location {
    /// The location of record `number` by its entry, which does not say where the record ends: see
    /// [`Location::ending_at`].
    #[inline]
    pub fn of(number: u64, entry: &Entry) -> Location {
        let flags = RecordFlags::from_bits_retain(
            u64::from(entry.last_of_batch) * RecordFlags::BATCH_END.bits()
                + u64::from(entry.adopted) * RecordFlags::ADOPTED.bits(),
        );
        let info = RecordInfo { stored_size: 0, number, offset: entry.offset, time_ns: entry.time_ns, flags };
        Location { info, crc: entry.crc }
    }

    /// The refusal of a record that a repair found damaged: whatever its bytes are now, they are not what was appended.
    #[cold]
    pub fn quarantined(number: u64, offset: u64) -> Error {
        let cause = format_args!("record {number} at offset {offset} was found damaged by a repair and is quarantined");
        skippable(Error::new(ErrorKind::Corrupt, cause), number, offset)
    }

    /// The location of this record if it ends at `end`. Refuses an end before that of the size word, after the
    /// committed end, or beyond the largest record.
    #[allow(
        clippy::inline_always,
        reason = "a call returns the location through memory, and its loads wait for the stores"
    )]
    #[inline(always)]
    pub fn ending_at(self, end: u64, committed_end: u64, max_record_size_bytes: u64) -> Result<Location> {
        let RecordInfo { number, offset, .. } = self.info;
        let body = record_end(offset, 0).unwrap_or(u64::MAX);
        if end < body || end > committed_end {
            return Err(misplaced(number, offset, end, committed_end));
        }
        let stored_size = end - body;
        if stored_size > max_record_size_bytes {
            return Err(too_large(number, offset, stored_size, max_record_size_bytes));
        }
        Ok(Location { info: RecordInfo { stored_size, ..self.info }, ..self })
    }

    pub fn info(&self) -> &RecordInfo {
        &self.info
    }

    /// Where the record ends and the next begins.
    pub fn end(&self) -> u64 {
        self.info.offset + SIZE_WORD_BYTES + self.info.stored_size
    }

    /// The bytes of size word and payload, counted from `offset`.
    fn span_from(&self, offset: u64) -> Range<usize> {
        in_memory(self.info.offset - offset)..in_memory(self.end() - offset)
    }

    /// Checks size word and checksum of this record in `bytes`, its span.
    #[allow(clippy::inline_always, reason = "a call for each record slows batches of 100 bytes by 4 %")]
    #[inline(always)]
    fn check(&mut self, bytes: &[u8], verify: bool) -> Result<()> {
        let size = value_of(bytes);
        if size != self.info.stored_size {
            let expected = self.info.stored_size;
            return Err(self.damaged("its size word is wrong", format_args!("{expected} bytes"), size));
        }
        if !verify {
            self.info.flags |= RecordFlags::UNVERIFIED;
            return Ok(());
        }
        let crc = crc32c(bytes);
        if crc != self.crc {
            let [expected, found] = [self.crc, crc].map(Checksum);
            return Err(self.damaged("its checksum is wrong", expected, found));
        }
        Ok(())
    }

    #[cold]
    fn damaged(&self, what: &str, expected: impl Display, found: impl Display) -> Error {
        let RecordInfo { number, offset, .. } = self.info;
        let cause = format_args!("record {number} at offset {offset} is damaged: {what}");
        skippable(Error::new(ErrorKind::Corrupt, cause).comparing(expected, found), number, offset)
    }
}

#[cold]
fn misplaced(number: u64, offset: u64, end: u64, committed_end: u64) -> Error {
    let cause = format_args!("record {number} at offset {offset} does not end among the records");
    let refusal = Error::new(ErrorKind::Corrupt, cause).comparing(format_args!("at most {committed_end}"), end);
    skippable(refusal, number, offset)
}

#[cold]
fn too_large(number: u64, offset: u64, stored_size: u64, limit_bytes: u64) -> Error {
    Error::too_large(format_args!("record {number}"), limit_bytes, stored_size).at(number, offset)
}

/// Where the record at `place` ends by its own size word.
#[cold]
pub fn end_by_size_word(reader: &mut Reader, place: &Location, committed_end: u64) -> Result<u64> {
    let RecordInfo { number, offset, .. } = place.info;
    let body = record_end(offset, 0).filter(|body| *body <= committed_end);
    let Some(body) = body else {
        let refusal = Error::new(ErrorKind::Corrupt, format_args!("record {number} does not begin among the records"))
            .comparing(format_args!("an offset of at most {}", committed_end.saturating_sub(SIZE_WORD_BYTES)), offset);
        return Err(skippable(refusal, number, offset));
    };
    load(reader, number, offset..body, committed_end)?;
    let size = value_of(reader.view.loaded());
    Ok(record_end(offset, size).unwrap_or(u64::MAX))
}

/// Reads and checks the record at `place`.
#[inline]
pub fn read(mut reader: Guard<Reader>, place: Location, committed_end: u64, verify: bool) -> Result<Record> {
    let this = &mut *reader;
    let RecordInfo { number, offset, .. } = place.info;
    load(this, number, offset..place.end(), committed_end)?;
    this.place = place;
    this.place.check(this.view.loaded(), verify)?;
    Ok(Record(reader))
}

/// Reads and checks the records at `places`, which follow each other, and returns those before the first bad one.
pub fn read_batch(
    mut reader: Guard<Reader>,
    mut places: Vec<Location>,
    committed_end: u64,
    verify: bool,
) -> Result<Batch> {
    let (Some(first), Some(last)) = (places.first(), places.last()) else {
        return Err(Error::new(ErrorKind::Argument, "a batch has at least one record"));
    };
    let RecordInfo { number, offset, .. } = first.info;
    let (first_end, last_end) = (first.end(), last.end());
    if let Err(error) = load(&mut reader, number, offset..last_end, committed_end) {
        // Records that cannot be read together may be readable in part. Only the first is returned, so that the next
        // call names the bad one.
        places.truncate(1);
        load(&mut reader, number, offset..first_end, committed_end).map_err(|_| error)?;
    }
    let mut good_count = 0;
    let loaded = reader.view.loaded();
    for place in &mut places {
        let bytes = &loaded[place.span_from(offset)];
        match place.check(bytes, verify) {
            Ok(()) => good_count += 1,
            Err(error) if good_count == 0 => return Err(error),
            Err(_) => break,
        }
    }
    places.truncate(good_count);
    Ok(Batch { reader, places, decoded: Vec::new() })
}

#[inline]
fn load(reader: &mut Reader, number: u64, range: Range<u64>, committed_end: u64) -> Result<()> {
    let loaded = reader.view.load(range.start, in_memory(range.end - range.start), committed_end);
    loaded.map_err(|error| unread(&error, number, range.start))
}

/// `refusal`, of record `number` at `offset`, with the advice for a reader.
pub fn skippable(refusal: Error, number: u64, offset: u64) -> Error {
    refusal.advising(format_args!("seek to {} to pass over it", number + 1)).at(number, offset)
}

/// A checksum in a message.
struct Checksum(u32);

impl Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

#[cold]
fn unread(error: &io::Error, number: u64, offset: u64) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        let cause = format_args!("the record file ends before record {number} at offset {offset} does");
        return Error::new(ErrorKind::Truncated, cause).advising("restore it from a copy").at(number, offset);
    }
    Error::os(format_args!("reading record {number} at offset {offset}"), error).at(number, offset)
}
