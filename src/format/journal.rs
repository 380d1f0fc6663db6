//! `NAME.wal`, the redo journal of a durable writer: two halves, each a header page and the frames of one generation.
//!
//! ```text
//!       0        4096                 S/2        S/2 + 4096            S
//!       +--------+-------+-------+----+----------+-------+-------------+
//!       | header | frame | frame |    | header   | frame |             |
//!       +--------+-------+-------+----+----------+-------+-------------+
//!
//!   header      0 magic 89 49 4D 57 0D 0A 1A 0A     8 u32 version     12 u32 header size     16 u64 journal size S
//!              24 log id (16 bytes)                40 u64 epoch       48 u64 generation      56 u64 salt
//!              64 u64 first number                 72 u64 first offset
//!              80 u64 base of the segment         88 zero          4092 u32 crc32c(bytes 0..4092)
//!
//!   frame       0 u64 bits 0-46 length of the records in NAME.log, 63 in place     8 u64 sequence
//!              16 u64 first number      24 u64 record count      32 u64 offset     40 i64 time, ns since 1970
//!              48 u32 crc32c(salt, bytes 0..48, record bytes)    52 the records, byte for byte as in NAME.log
//! ```
//!
//! A frame is one commit. *In place* it has no bytes: they were made durable in `NAME.log` before it was written. The
//! sequence counts the frames of one epoch, over both halves, from 0; the generation counts the halves begun, from 1.

use super::field::Field;
use super::log::SIZE_WORD_BYTES;
use super::number::Base;
use super::{Checksum, LogId, PAGE_CRC, PAGE_SIZE_BYTES, Page, in_memory, is_sealed, seal};
use crate::limits::{JOURNAL_BYTES, OFFSET_LIMIT_BYTES};

/// What follows `.` in the file's name.
pub const SUFFIX: &str = "wal";
pub const HEADER_SIZE_BYTES: u64 = PAGE_SIZE_BYTES as u64;
pub const FRAME_HEADER_BYTES: usize = Frame::CRC.end();
pub const FRAME_HEADER_SIZE_BYTES: u64 = FRAME_HEADER_BYTES as u64;
/// A journal is a multiple of two header pages long, so that both halves begin on a page.
pub const GRAIN_BYTES: u64 = 2 * HEADER_SIZE_BYTES;
pub const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"\x89IMW\r\n\x1a\n";
/// The header size as it is recorded.
const HEADER_SIZE_FIELD: u32 = 4096;
const IN_PLACE: u64 = 1 << 63;
const _: () = assert!(HEADER_SIZE_FIELD as u64 == HEADER_SIZE_BYTES && FRAME_HEADER_BYTES == 52);
const _: () = assert!(HalfHeader::BASE.offset() == 80 && HalfHeader::BASE.end() < PAGE_CRC.offset());

/// The header of a half: which generation its frames are of, and where its first frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HalfHeader {
    pub journal_size_bytes: u64,
    pub log_id: LogId,
    /// The epoch of the writer, as in its checkpoints.
    pub epoch: u64,
    pub generation: u64,
    /// Random, so that a frame of an earlier generation never verifies in this one.
    pub salt: u64,
    /// Records before the first frame.
    pub first_number: u64,
    /// Where the first frame's records begin in the record file.
    pub first_offset: u64,
    /// The base of the segment that the records are in. The numbers here and in the frames count from there.
    pub base: Base,
}

impl HalfHeader {
    const MAGIC: Field<[u8; 8]> = Field::at(0);
    const VERSION: Field<u32> = Field::after(Self::MAGIC);
    const HEADER_SIZE: Field<u32> = Field::after(Self::VERSION);
    const JOURNAL_SIZE: Field<u64> = Field::after(Self::HEADER_SIZE);
    const LOG_ID: Field<LogId> = Field::after(Self::JOURNAL_SIZE);
    const EPOCH: Field<u64> = Field::after(Self::LOG_ID);
    const GENERATION: Field<u64> = Field::after(Self::EPOCH);
    const SALT: Field<u64> = Field::after(Self::GENERATION);
    const FIRST_NUMBER: Field<u64> = Field::after(Self::SALT);
    const FIRST_OFFSET: Field<u64> = Field::after(Self::FIRST_NUMBER);
    const BASE: Field<u64> = Field::after(Self::FIRST_OFFSET);

    pub fn encode(&self) -> Page {
        let mut page = [0; PAGE_SIZE_BYTES];
        Self::MAGIC.set(&mut page, MAGIC);
        Self::VERSION.set(&mut page, VERSION);
        Self::HEADER_SIZE.set(&mut page, HEADER_SIZE_FIELD);
        Self::JOURNAL_SIZE.set(&mut page, self.journal_size_bytes);
        Self::LOG_ID.set(&mut page, self.log_id);
        Self::EPOCH.set(&mut page, self.epoch);
        Self::GENERATION.set(&mut page, self.generation);
        Self::SALT.set(&mut page, self.salt);
        Self::FIRST_NUMBER.set(&mut page, self.first_number);
        Self::FIRST_OFFSET.set(&mut page, self.first_offset);
        Self::BASE.set(&mut page, self.base.field());
        seal(&mut page, &[]);
        page
    }

    /// The header in `page`.
    pub fn decode(page: &Page) -> Result<HalfHeader, HalfError> {
        if Self::MAGIC.get(page) != MAGIC || !is_sealed(page, &[]) {
            return Err(HalfError::Torn);
        }
        let (version, journal_size_bytes) = (Self::VERSION.get(page), Self::JOURNAL_SIZE.get(page));
        let is_known_size =
            JOURNAL_BYTES.contains(&journal_size_bytes) && journal_size_bytes.is_multiple_of(GRAIN_BYTES);
        let newer = HalfError::Newer { version, journal_size_bytes };
        if version != VERSION || Self::HEADER_SIZE.get(page) != HEADER_SIZE_FIELD || !is_known_size {
            return Err(newer);
        }
        Ok(HalfHeader {
            journal_size_bytes,
            log_id: Self::LOG_ID.get(page),
            epoch: Self::EPOCH.get(page),
            generation: Self::GENERATION.get(page),
            salt: Self::SALT.get(page),
            first_number: Self::FIRST_NUMBER.get(page),
            first_offset: Self::FIRST_OFFSET.get(page),
            base: Base::new(Self::BASE.get(page)).ok_or(newer)?,
        })
    }
}

/// Why a page is not the header of a half this version can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HalfError {
    /// It was never written, or not as a whole: the half is empty.
    Torn,
    /// A well-formed header with something this version does not know.
    Newer { version: u32, journal_size_bytes: u64 },
}

/// The head of a frame: one commit, and where its records belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The length of the records, size words and payloads, in the record file.
    pub length_bytes: u64,
    /// The records are not in the frame: they were synced where they belong.
    pub in_place: bool,
    pub sequence: u64,
    pub first_number: u64,
    pub count: u64,
    /// The offset of the first record's size word in the record file.
    pub offset: u64,
    /// The time of the append, which all its records share.
    pub time_ns: i64,
}

impl Frame {
    const LENGTH: Field<u64> = Field::at(0);
    const SEQUENCE: Field<u64> = Field::after(Self::LENGTH);
    const FIRST_NUMBER: Field<u64> = Field::after(Self::SEQUENCE);
    const COUNT: Field<u64> = Field::after(Self::FIRST_NUMBER);
    const OFFSET: Field<u64> = Field::after(Self::COUNT);
    const TIME: Field<i64> = Field::after(Self::OFFSET);
    const CRC: Field<u32> = Field::after(Self::TIME);

    /// The head of a frame for `bytes`, which are the records, or nothing if the records are in place.
    pub fn encode(&self, salt: u64, bytes: &[&[u8]]) -> [u8; FRAME_HEADER_BYTES] {
        let mut head = [0; FRAME_HEADER_BYTES];
        let flag = if self.in_place { IN_PLACE } else { 0 };
        Self::LENGTH.set(&mut head, self.length_bytes | flag);
        Self::SEQUENCE.set(&mut head, self.sequence);
        Self::FIRST_NUMBER.set(&mut head, self.first_number);
        Self::COUNT.set(&mut head, self.count);
        Self::OFFSET.set(&mut head, self.offset);
        Self::TIME.set(&mut head, self.time_ns);
        let mut checksum = Frame::checksum(salt, &head);
        for part in bytes {
            checksum.update(part);
        }
        Self::CRC.set(&mut head, checksum.finish());
        head
    }

    /// What `head` says, if any frame can say that. The caller checks the checksum.
    pub fn decode(head: &[u8; FRAME_HEADER_BYTES]) -> Option<Frame> {
        let length = Self::LENGTH.get(head);
        let frame = Frame {
            length_bytes: length & !IN_PLACE,
            in_place: length & IN_PLACE != 0,
            sequence: Self::SEQUENCE.get(head),
            first_number: Self::FIRST_NUMBER.get(head),
            count: Self::COUNT.get(head),
            offset: Self::OFFSET.get(head),
            time_ns: Self::TIME.get(head),
        };
        let least_bytes = frame.count.checked_mul(SIZE_WORD_BYTES)?;
        let is_sound = frame.count > 0 && frame.length_bytes >= least_bytes;
        (is_sound && frame.end()? <= OFFSET_LIMIT_BYTES && frame.end_number().is_some()).then_some(frame)
    }

    /// The checksum that is recorded in `head`.
    pub fn recorded_crc(head: &[u8; FRAME_HEADER_BYTES]) -> u32 {
        Self::CRC.get(head)
    }

    /// The checksum of `salt` and `head`. The caller adds the record bytes that follow.
    pub fn checksum(salt: u64, head: &[u8; FRAME_HEADER_BYTES]) -> Checksum {
        let mut checksum = Checksum::new();
        checksum.update(&salt.to_le_bytes());
        checksum.update(&head[..Self::CRC.offset()]);
        checksum
    }

    /// Bytes that follow the head.
    pub fn body_bytes(&self) -> u64 {
        if self.in_place { 0 } else { self.length_bytes }
    }

    /// Where its records end in the record file.
    pub fn end(&self) -> Option<u64> {
        self.offset.checked_add(self.length_bytes)
    }

    /// The number of the record after its last.
    pub fn end_number(&self) -> Option<u64> {
        self.first_number.checked_add(self.count)
    }
}

/// The offsets of the two halves of a journal of `size_bytes`.
pub fn half_offsets(size_bytes: u64) -> [u64; 2] {
    [0, size_bytes / 2]
}

/// The longest frame body that fits into a half of a journal of `size_bytes`.
pub fn body_bytes_max(size_bytes: u64) -> usize {
    in_memory((size_bytes / 2).saturating_sub(HEADER_SIZE_BYTES + FRAME_HEADER_SIZE_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: HalfHeader = HalfHeader {
        journal_size_bytes: 65536,
        log_id: *b"0123456789abcdef",
        epoch: 3,
        generation: 7,
        salt: 0x1122_3344_5566_7788,
        first_number: 5,
        first_offset: 100,
        base: Base::FIRST,
    };
    const FRAME: Frame =
        Frame { length_bytes: 11, in_place: false, sequence: 2, first_number: 5, count: 1, offset: 100, time_ns: 9 };

    #[test]
    fn a_header_reads_back_and_no_damaged_one_does() {
        let page = HEADER.encode();
        assert_eq!(HalfHeader::decode(&page), Ok(HEADER));
        assert_eq!(page[80..PAGE_CRC.offset()], [0; PAGE_CRC.offset() - 80], "the bytes of a first segment");
        let of_a_later_segment = HalfHeader { base: Base::new(9).unwrap(), ..HEADER };
        assert_eq!(HalfHeader::decode(&of_a_later_segment.encode()), Ok(of_a_later_segment));
        for at in [0, 8, 16, 47, 63, 79, 2000, 4095] {
            let mut damaged = page;
            damaged[at] ^= 1;
            assert_eq!(HalfHeader::decode(&damaged), Err(HalfError::Torn), "byte {at}");
        }
        for journal_size_bytes in [0, 4096, 57344, 65537, 2 << 30] {
            let page = HalfHeader { journal_size_bytes, ..HEADER }.encode();
            let refused = Err(HalfError::Newer { version: VERSION, journal_size_bytes });
            assert_eq!(HalfHeader::decode(&page), refused, "a journal of {journal_size_bytes} bytes");
        }
        let mut page = HEADER.encode();
        HalfHeader::BASE.set(&mut page, 1 << 63);
        seal(&mut page, &[]);
        let refused = Err(HalfError::Newer { version: VERSION, journal_size_bytes: HEADER.journal_size_bytes });
        assert_eq!(HalfHeader::decode(&page), refused, "no segment begins there");
    }

    #[test]
    fn a_frame_verifies_under_its_own_salt_only() {
        let bytes: &[u8] = b"\x03\0\0\0\0\0\0\0abc";
        let head = FRAME.encode(HEADER.salt, &[&bytes[..8], &bytes[8..]]);
        assert_eq!(Frame::decode(&head), Some(FRAME));
        let verifies = |salt, bytes: &[u8]| {
            let mut checksum = Frame::checksum(salt, &head);
            checksum.update(bytes);
            checksum.finish() == Frame::recorded_crc(&head)
        };
        assert!(verifies(HEADER.salt, bytes));
        assert!(!verifies(HEADER.salt + 1, bytes), "of another generation");
        assert!(!verifies(HEADER.salt, &bytes[..10]), "cut");
        let in_place = Frame { in_place: true, ..FRAME };
        assert_eq!(Frame::decode(&in_place.encode(1, &[])), Some(in_place));
        assert_eq!(in_place.body_bytes(), 0);
    }

    #[test]
    fn what_no_frame_can_say_is_none() {
        for impossible in [
            Frame { count: 0, ..FRAME },
            Frame { count: 2, ..FRAME },
            Frame { count: u64::MAX, ..FRAME },
            Frame { offset: OFFSET_LIMIT_BYTES, ..FRAME },
            Frame { first_number: u64::MAX, ..FRAME },
            Frame { length_bytes: u64::MAX >> 1, ..FRAME },
        ] {
            assert_eq!(Frame::decode(&impossible.encode(1, &[])), None, "{impossible:?}");
        }
        assert_eq!(Frame::decode(&[0; FRAME_HEADER_BYTES]), None, "zeros");
    }
}
