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
//!              80 zero                           4092 u32 crc32c(bytes 0..4092)
//!
//!   frame       0 u64 bits 0-46 length of the records in NAME.log, 63 in place     8 u64 sequence
//!              16 u64 first number      24 u64 record count      32 u64 offset     40 i64 time, ns since 1970
//!              48 u32 crc32c(salt, bytes 0..48, record bytes)    52 the record bytes as they stand in NAME.log
//! ```
//!
//! A frame is one commit. *In place* it has no bytes: they were made durable in `NAME.log` before it was written. The
//! sequence counts the frames of one epoch, over both halves, from 0; the generation counts the halves begun, from 1.

use super::index::{LOG_ID_BYTES, LogId};
use super::log::SIZE_WORD_BYTES;
use super::{Checksum, crc32c, in_memory, set, u32_at, u64_at};
use crate::limits::{JOURNAL_BYTES, OFFSET_LIMIT_BYTES};

/// What follows `.` in the file's name.
pub const SUFFIX: &str = "wal";
pub const HEADER_BYTES: usize = 4096;
pub const HEADER_SIZE_BYTES: u64 = HEADER_BYTES as u64;
pub const FRAME_HEADER_BYTES: usize = 52;
pub const FRAME_HEADER_SIZE_BYTES: u64 = FRAME_HEADER_BYTES as u64;
/// A journal is a multiple of two header pages long, so that both halves begin on a page.
pub const GRAIN_BYTES: u64 = 2 * HEADER_SIZE_BYTES;
pub const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"\x89IMW\r\n\x1a\n";
/// The header size as it is recorded.
const HEADER_SIZE_FIELD: u32 = 4096;
const CRC_AT: usize = HEADER_BYTES - 4;
const FRAME_CRC_AT: usize = FRAME_HEADER_BYTES - 4;
const IN_PLACE: u64 = 1 << 63;
const _: () = assert!(HEADER_SIZE_FIELD as u64 == HEADER_SIZE_BYTES && 24 + LOG_ID_BYTES == 40);

/// The header of a half: which generation its frames are of, and where the first continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HalfHeader {
    pub journal_size_bytes: u64,
    pub log_id: LogId,
    /// Of the writer, as in its checkpoint.
    pub epoch: u64,
    pub generation: u64,
    /// Random, so that a frame of an earlier generation never verifies in this one.
    pub salt: u64,
    /// Records before the first frame.
    pub first_number: u64,
    /// Where the first frame's records begin in the record file.
    pub first_offset: u64,
}

impl HalfHeader {
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut page = [0; HEADER_BYTES];
        set(&mut page, 0, &MAGIC);
        set(&mut page, 8, &VERSION.to_le_bytes());
        set(&mut page, 12, &HEADER_SIZE_FIELD.to_le_bytes());
        set(&mut page, 16, &self.journal_size_bytes.to_le_bytes());
        set(&mut page, 24, &self.log_id);
        set(&mut page, 40, &self.epoch.to_le_bytes());
        set(&mut page, 48, &self.generation.to_le_bytes());
        set(&mut page, 56, &self.salt.to_le_bytes());
        set(&mut page, 64, &self.first_number.to_le_bytes());
        set(&mut page, 72, &self.first_offset.to_le_bytes());
        let crc = crc32c(&[&page[..CRC_AT]]);
        set(&mut page, CRC_AT, &crc.to_le_bytes());
        page
    }

    /// The header in `page`.
    pub fn decode(page: &[u8; HEADER_BYTES]) -> Result<HalfHeader, HalfError> {
        if page[..8] != MAGIC || crc32c(&[&page[..CRC_AT]]) != u32_at(page, CRC_AT) {
            return Err(HalfError::Torn);
        }
        let (version, journal_size_bytes) = (u32_at(page, 8), u64_at(page, 16));
        let is_known_size =
            JOURNAL_BYTES.contains(&journal_size_bytes) && journal_size_bytes.is_multiple_of(GRAIN_BYTES);
        if version != VERSION || u32_at(page, 12) != HEADER_SIZE_FIELD || !is_known_size {
            return Err(HalfError::Newer { version, journal_size_bytes });
        }
        let mut log_id = [0; LOG_ID_BYTES];
        log_id.copy_from_slice(&page[24..24 + LOG_ID_BYTES]);
        Ok(HalfHeader {
            journal_size_bytes,
            log_id,
            epoch: u64_at(page, 40),
            generation: u64_at(page, 48),
            salt: u64_at(page, 56),
            first_number: u64_at(page, 64),
            first_offset: u64_at(page, 72),
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
    /// Size words and payloads, as they stand in the record file.
    pub length_bytes: u64,
    /// The records are not in the frame: they were synced where they belong.
    pub in_place: bool,
    pub sequence: u64,
    pub first_number: u64,
    pub count: u64,
    /// Of the first record's size word in the record file.
    pub offset: u64,
    /// All its records share it.
    pub time_ns: i64,
}

impl Frame {
    /// The head of a frame for `bytes`, the records unless they are in place.
    pub fn encode(&self, salt: u64, bytes: &[&[u8]]) -> [u8; FRAME_HEADER_BYTES] {
        let mut head = [0; FRAME_HEADER_BYTES];
        let flag = if self.in_place { IN_PLACE } else { 0 };
        set(&mut head, 0, &(self.length_bytes | flag).to_le_bytes());
        set(&mut head, 8, &self.sequence.to_le_bytes());
        set(&mut head, 16, &self.first_number.to_le_bytes());
        set(&mut head, 24, &self.count.to_le_bytes());
        set(&mut head, 32, &self.offset.to_le_bytes());
        set(&mut head, 40, &self.time_ns.to_le_bytes());
        let mut checksum = Frame::checksum(salt, &head);
        for part in bytes {
            checksum.update(part);
        }
        set(&mut head, FRAME_CRC_AT, &checksum.finish().to_le_bytes());
        head
    }

    /// What `head` says, if it can be true of any frame; its checksum is the caller's to check.
    pub fn decode(head: &[u8; FRAME_HEADER_BYTES]) -> Option<Frame> {
        let frame = Frame {
            length_bytes: u64_at(head, 0) & !IN_PLACE,
            in_place: u64_at(head, 0) & IN_PLACE != 0,
            sequence: u64_at(head, 8),
            first_number: u64_at(head, 16),
            count: u64_at(head, 24),
            offset: u64_at(head, 32),
            time_ns: u64_at(head, 40).cast_signed(),
        };
        let least_bytes = frame.count.checked_mul(SIZE_WORD_BYTES)?;
        let is_sound = frame.count > 0 && frame.length_bytes >= least_bytes;
        (is_sound && frame.end()? <= OFFSET_LIMIT_BYTES && frame.end_number().is_some()).then_some(frame)
    }

    /// What `head` says its checksum is.
    pub fn recorded_crc(head: &[u8; FRAME_HEADER_BYTES]) -> u32 {
        u32_at(head, FRAME_CRC_AT)
    }

    /// The checksum under `salt` of `head`, to go on with the record bytes behind it.
    pub fn checksum(salt: u64, head: &[u8; FRAME_HEADER_BYTES]) -> Checksum {
        let mut checksum = Checksum::new();
        checksum.update(&salt.to_le_bytes());
        checksum.update(&head[..FRAME_CRC_AT]);
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
    };
    const FRAME: Frame =
        Frame { length_bytes: 11, in_place: false, sequence: 2, first_number: 5, count: 1, offset: 100, time_ns: 9 };

    #[test]
    fn a_header_reads_back_and_no_damaged_one_does() {
        let page = HEADER.encode();
        assert_eq!(HalfHeader::decode(&page), Ok(HEADER));
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
