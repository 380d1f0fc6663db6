//! A record on loan: where it is, and its bytes, checked before anyone sees them.

use crate::error::{Error, ErrorKind, Result};
use crate::format::in_memory;
use crate::format::index::Entry;
use crate::format::log::{SIZE_WORD_BYTES, record_end};
use crate::pool::Guard;
use crate::storage::View;
use std::io;
use std::ops::Range;

/// The last record of its commit.
pub const FLAG_BATCH_END: u64 = 1;
/// Indexed later: there is no checksum from the time of writing.
pub const FLAG_ADOPTED: u64 = 2;
/// The checksum was not checked.
pub const FLAG_UNVERIFIED: u64 = 4;

/// One pooled descriptor with what it has mapped or buffered.
#[derive(Debug)]
pub struct Reader {
    pub view: Box<dyn View>,
    /// Which opening of the files it belongs to.
    pub files_serial: u64,
}

/// What is known of a record besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordInfo {
    /// Payload bytes as they stand in the file.
    pub stored_size: u64,
    /// Counted from 0.
    pub number: u64,
    /// Of its size word, in bytes.
    pub offset: u64,
    /// When it was appended, ns since 1970 UTC; 0 unknown.
    pub time_ns: i64,
    /// `FLAG_*`.
    pub flags: u64,
}

/// A record; dropping it gives its reader back to the pool.
#[derive(Debug)]
pub struct Record {
    reader: Guard<Reader>,
    info: RecordInfo,
}

impl Record {
    /// The payload; it stays at this address until the record is dropped.
    pub fn data(&self) -> &[u8] {
        self.reader.view.loaded().get(in_memory(SIZE_WORD_BYTES)..).unwrap_or_default()
    }

    pub fn info(&self) -> RecordInfo {
        self.info
    }
}

/// Records that follow each other, on loan with one reader.
#[derive(Debug)]
pub struct Batch {
    reader: Guard<Reader>,
    records: Vec<(Range<usize>, RecordInfo)>,
}

impl Batch {
    #[expect(clippy::len_without_is_empty, reason = "a batch has at least one record")]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Record `index` of the batch, `index < len()`: its payload, at this address until the batch is dropped, and the rest.
    pub fn get(&self, index: usize) -> (&[u8], RecordInfo) {
        let (range, info) = &self.records[index];
        (self.reader.view.loaded().get(range.clone()).unwrap_or_default(), *info)
    }
}

/// Where a record is said to lie: its entry, and where the next begins.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub number: u64,
    pub entry: Entry,
    pub end: u64,
}

impl Place {
    /// The bytes of size word and payload.
    pub fn span_bytes(&self) -> u64 {
        self.end - self.entry.offset
    }

    fn info(&self, verified: bool) -> RecordInfo {
        let flags = [
            (self.entry.last_of_batch, FLAG_BATCH_END),
            (self.entry.adopted, FLAG_ADOPTED),
            (!verified, FLAG_UNVERIFIED),
        ];
        RecordInfo {
            stored_size: self.span_bytes() - SIZE_WORD_BYTES,
            number: self.number,
            offset: self.entry.offset,
            time_ns: self.entry.time_ns,
            flags: flags.iter().filter(|(set, _)| *set).map(|(_, flag)| flag).sum(),
        }
    }

    /// Checks size word and checksum of this record in `bytes`, its span.
    fn check(&self, bytes: &[u8], verify: bool) -> Result<()> {
        let size = bytes.first_chunk::<8>().map_or(u64::MAX, |word| u64::from_le_bytes(*word));
        let expected = self.span_bytes() - SIZE_WORD_BYTES;
        if size != expected {
            return Err(self.corrupt(&format!("its size word says {size} bytes, the index {expected}")));
        }
        let crc = if verify { crc_fast::crc32_iscsi(bytes) } else { self.entry.crc };
        if crc != self.entry.crc {
            return Err(self.corrupt(&format!("its checksum is {crc:#010x}, expected {:#010x}", self.entry.crc)));
        }
        Ok(())
    }

    fn corrupt(&self, what: &str) -> Error {
        let Place { number, entry: Entry { offset, .. }, .. } = *self;
        let message =
            format!("record {number} at offset {offset} is damaged: {what}; seek to {} to pass over it", number + 1);
        Error::new(ErrorKind::Corrupt, message).at(number, offset)
    }
}

/// Where the record at `offset` ends by its own size word.
pub fn end_by_size_word(reader: &mut Reader, number: u64, offset: u64, committed_end: u64) -> Result<u64> {
    let body = record_end(offset, 0).filter(|body| *body <= committed_end);
    let Some(body) = body else {
        let message = format!(
            "record {number} would begin at offset {offset}, the records end at {committed_end}; seek to {} to pass over it",
            number + 1
        );
        return Err(Error::new(ErrorKind::Corrupt, message).at(number, offset));
    };
    load(reader, number, offset, body, committed_end)?;
    let size = reader.view.loaded().first_chunk::<8>().map_or(u64::MAX, |word| u64::from_le_bytes(*word));
    Ok(record_end(offset, size).unwrap_or(u64::MAX))
}

/// Reads and checks the record at `place`.
pub fn read(mut reader: Guard<Reader>, place: &Place, committed_end: u64, verify: bool) -> Result<Record> {
    load(&mut reader, place.number, place.entry.offset, place.end, committed_end)?;
    place.check(reader.view.loaded(), verify)?;
    Ok(Record { reader, info: place.info(verify) })
}

/// Reads and checks the records at `places`, which follow each other; those before the first bad one are returned.
pub fn read_batch(mut reader: Guard<Reader>, places: &[Place], committed_end: u64, verify: bool) -> Result<Batch> {
    let (Some(first), Some(last)) = (places.first(), places.last()) else {
        return Err(Error::new(ErrorKind::Argument, "a batch has at least one record"));
    };
    let mut places = places;
    if let Err(error) = load(&mut reader, first.number, first.entry.offset, last.end, committed_end) {
        // What cannot be read together may be read in part: the first record alone, so that the next call names the bad one.
        places = &places[..1];
        load(&mut reader, first.number, first.entry.offset, first.end, committed_end).map_err(|_| error)?;
    }
    let mut records = Vec::new();
    records
        .try_reserve_exact(places.len())
        .map_err(|_| crate::error::no_memory("a batch", (places.len() * size_of::<RecordInfo>()) as u64))?;
    for place in places {
        let start = in_memory(place.entry.offset - first.entry.offset);
        let end = in_memory(place.end - first.entry.offset);
        let bytes = reader.view.loaded().get(start..end).unwrap_or_default();
        match place.check(bytes, verify) {
            Ok(()) => records.push((start + in_memory(SIZE_WORD_BYTES)..end, place.info(verify))),
            Err(error) if records.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    Ok(Batch { reader, records })
}

fn load(reader: &mut Reader, number: u64, offset: u64, end: u64, committed_end: u64) -> Result<()> {
    let size = usize::try_from(end - offset)
        .map_err(|_| Error::new(ErrorKind::TooLarge, "a record does not fit into memory").at(number, offset))?;
    reader.view.load(offset, size, committed_end).map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            let message =
                format!("the record file ends before record {number} at offset {offset} does; restore it from a copy");
            Error::new(ErrorKind::Truncated, message).at(number, offset)
        } else {
            Error::os(format_args!("reading record {number} at offset {offset}"), &error).at(number, offset)
        }
    })
}
