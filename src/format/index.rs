//! `NAME.idx`, the index file: a header of four pages, then one 24-byte entry per record.
//!
//! ```text
//!       0       4096           8192           12288   16384     16408     16432
//!       +-------+--------------+--------------+-------+---------+---------+----
//!       | ident | checkpoint A | checkpoint B | chain | entry 0 | entry 1 | ...
//!       +-------+--------------+--------------+-------+---------+---------+----
//!
//!   identity    0 magic 89 49 4D 58 0D 0A 1A 0A     8 u32 version           12 u32 header size     16 u32 entry size
//!              20 u32 zero                         24 u64 compatible flags  32 u64 incompatible flags
//!              40 log id (16 bytes)                56 i64 created, ns       64 u32 codec count   68 u32 codec ids [16]
//!             132 u32 zero                       136 u64 base
//!             144 u64 base of the segment before 152 log id of that segment (16 bytes)
//!             168 u64 end of that segment        176 i64 time of its last record, ns
//!             184 zero                          4092 u32 crc32c(bytes 0..4092)
//!
//!   checkpoint  0 u64 seq     8 u64 count    16 u64 end    24 u32 state    28 u32 mode    32 u64 epoch
//!              40 u64 first   48 u32 ends early   52 zero     4092 u32 crc32c(log id, bytes 0..4092)
//!
//!   entry       0 u64 bits 0-46 offset, 61 quarantined, 62 adopted, 63 last of its batch
//!               8 i64 append time, ns since 1970 (0 unknown)
//!              16 u32 crc32c(size word, payload)                           20 u32 crc32c(log id, number, bytes 0..20)
//! ```
//!
//! A codec count of 2^32 - 1 means "unknown": the log was adopted, and the chain page has its codecs as soon as
//! something was appended; see `codecs`.
//!
//! The incompatible flag 1 says that this is a later segment of a namespace. Without it the fields of page 0 from 136
//! on are zero.

use super::field::Field;
use super::log::{self, SIZE_WORD_BYTES};
use super::number::Outer;
use super::{LogId, PAGE_CRC, PAGE_SIZE_BYTES, Page, crc32c_of_words, in_memory, is_sealed, seal};
use crate::limits::OFFSET_LIMIT_BYTES;

mod identity;

#[cfg(test)]
pub use identity::Place;
pub use identity::{Identity, IdentityError, LATER_SEGMENT, VERSION};

/// What follows `.` in the file's name.
pub const SUFFIX: &str = "idx";
pub const HEADER_SIZE_BYTES: u64 = 4 * PAGE_SIZE_BYTES as u64;
pub const ENTRY_SIZE_BYTES: u64 = 24;
/// The size of an entry as a size in memory.
pub const ENTRY_BYTES: usize = in_memory(ENTRY_SIZE_BYTES);
/// Checkpoints A and B.
pub const CHECKPOINT_OFFSETS: [u64; 2] = [PAGE_SIZE_BYTES as u64, 2 * PAGE_SIZE_BYTES as u64];

/// No writer lives long enough to count so far, so a valid `seq` always has a larger one after it.
const SEQ_LIMIT: u64 = u64::MAX / 2;
const LAST_OF_BATCH: u64 = 1 << 63;
const ADOPTED: u64 = 1 << 62;
const QUARANTINED: u64 = 1 << 61;

const _: () = assert!(OFFSET_LIMIT_BYTES - 1 < QUARANTINED && HEADER_SIZE_BYTES > CHECKPOINT_OFFSETS[1]);
const _: () = assert!(Checkpoint::ENDS_EARLY.offset() == 48 && Checkpoint::ENDS_EARLY.end() < PAGE_CRC.offset());
const _: () = assert!(Entry::BOUND_CRC.end() == ENTRY_BYTES);

/// Where entry `number` lies; `None` beyond any file.
pub fn entry_offset(number: u64) -> Option<u64> {
    number.checked_mul(ENTRY_SIZE_BYTES)?.checked_add(HEADER_SIZE_BYTES).filter(|offset| i64::try_from(*offset).is_ok())
}

/// Where the entries of `count` records end; `u64::MAX`, which no file reaches, if no file can hold them.
pub fn entries_end(count: u64) -> u64 {
    entry_offset(count).unwrap_or(u64::MAX)
}

/// What a checkpoint says about the writer that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A writer has, or had, the log open.
    Open,
    /// The log was closed cleanly: the files end with the records.
    Clean,
    /// A sync or a write failed; recovery treats the checkpoint as open.
    Poisoned,
}

/// When appends are durable. A checkpoint records the mode of its writer, and recovery uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Before they return: a loss of power costs nothing.
    Durable,
    /// After the next flush: a loss of power costs at most what was appended since the last one.
    Fast,
}

impl Mode {
    /// The mode as a checkpoint records it.
    pub(crate) fn number(self) -> u32 {
        match self {
            Mode::Durable => 0,
            Mode::Fast => 1,
        }
    }
}

/// Pages 1 and 2: up to where both files are known to be on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub seq: u64,
    /// Records covered.
    pub count: u64,
    /// The offset just after the last of them in the record file.
    pub end: u64,
    pub state: State,
    pub mode: Mode,
    /// Random for each time a writer opens the log.
    pub epoch: u64,
    /// The outer number of the first record that is part of the namespace. Only that of its last segment counts.
    pub first: Outer,
    /// A repair has left this segment with fewer records than there were between its base and the next one.
    pub ends_early: bool,
}

impl Checkpoint {
    const SEQ: Field<u64> = Field::at(0);
    const COUNT: Field<u64> = Field::after(Self::SEQ);
    const END: Field<u64> = Field::after(Self::COUNT);
    const STATE: Field<u32> = Field::after(Self::END);
    const MODE: Field<u32> = Field::after(Self::STATE);
    const EPOCH: Field<u64> = Field::after(Self::MODE);
    const FIRST: Field<u64> = Field::after(Self::EPOCH);
    const ENDS_EARLY: Field<u32> = Field::after(Self::FIRST);

    pub fn encode(&self, log_id: &LogId) -> Page {
        let mut page = [0; PAGE_SIZE_BYTES];
        let state: u32 = match self.state {
            State::Open => 1,
            State::Clean => 2,
            State::Poisoned => 3,
        };
        Self::SEQ.set(&mut page, self.seq);
        Self::COUNT.set(&mut page, self.count);
        Self::END.set(&mut page, self.end);
        Self::STATE.set(&mut page, state);
        Self::MODE.set(&mut page, self.mode.number());
        Self::EPOCH.set(&mut page, self.epoch);
        Self::FIRST.set(&mut page, self.first.field());
        Self::ENDS_EARLY.set(&mut page, u32::from(self.ends_early));
        seal(&mut page, log_id);
        page
    }

    /// The checkpoint in `page`; `None` when it is not one of the log `log_id`.
    pub fn decode(page: &Page, log_id: &LogId) -> Option<Checkpoint> {
        if !is_sealed(page, log_id) {
            return None;
        }
        let state = match Self::STATE.get(page) {
            1 => State::Open,
            2 => State::Clean,
            3 => State::Poisoned,
            _ => return None,
        };
        let mode = match Self::MODE.get(page) {
            0 => Mode::Durable,
            1 => Mode::Fast,
            _ => return None,
        };
        let ends_early = match Self::ENDS_EARLY.get(page) {
            0 => false,
            1 => true,
            _ => return None,
        };
        let first = Outer::of_field(Self::FIRST.get(page))?;
        let (seq, count, end) = (Self::SEQ.get(page), Self::COUNT.get(page), Self::END.get(page));
        let least_end = count.checked_mul(SIZE_WORD_BYTES)?.checked_add(log::HEADER_SIZE_BYTES)?;
        let is_possible = if count == 0 { end == least_end } else { end >= least_end && end <= OFFSET_LIMIT_BYTES };
        let epoch = Self::EPOCH.get(page);
        (is_possible && seq < SEQ_LIMIT).then_some(Checkpoint {
            seq,
            count,
            end,
            state,
            mode,
            epoch,
            first,
            ends_early,
        })
    }
}

/// One record's entry: where it is, when it was appended, what its bytes were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub offset: u64,
    pub time_ns: i64,
    pub crc: u32,
    pub last_of_batch: bool,
    /// The record was indexed later; the checksum is not from the time of writing.
    pub adopted: bool,
    /// A repair found the record damaged. The checksum is that of the bytes the repair left, which no reader is given.
    pub quarantined: bool,
}

/// The checksum of an entry. It covers the log id, the record number, and the entry before the checksum.
#[allow(clippy::inline_always, reason = "as the functions that call it")]
#[inline(always)]
fn bound_crc(log_id: &LogId, number: u64, place: u64, time_ns: i64, crc: u32) -> u32 {
    let (id, _) = log_id.as_chunks();
    let [first, second] = [id[0], id[1]].map(u64::from_le_bytes);
    crc32c_of_words([first, second, number, place, time_ns.cast_unsigned()], crc)
}

impl Entry {
    const PLACE: Field<u64> = Field::at(0);
    const TIME: Field<i64> = Field::after(Self::PLACE);
    const CRC: Field<u32> = Field::after(Self::TIME);
    const BOUND_CRC: Field<u32> = Field::after(Self::CRC);

    /// The entry of a record whose checksum was made when it was appended.
    #[inline]
    pub fn written(offset: u64, time_ns: i64, crc: u32, last_of_batch: bool) -> Entry {
        Entry { offset, time_ns, crc, last_of_batch, adopted: false, quarantined: false }
    }

    /// Whether `self` and `other`, entries of the same number, can be entries of the same record. An entry that was
    /// indexed later has its own time, and one that a repair found damaged has its own checksum.
    pub fn is_of_the_same_record(&self, other: &Entry) -> bool {
        let has_same_time = self.time_ns == other.time_ns || self.adopted || other.adopted;
        let has_same_crc = self.crc == other.crc || self.quarantined || other.quarantined;
        self.offset == other.offset && has_same_time && has_same_crc
    }

    /// The entry of record `number` in the log `log_id`.
    #[inline]
    pub fn encode(&self, log_id: &LogId, number: u64) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes.copy_from_slice(self.words(log_id, number).map(u64::to_le_bytes).as_flattened());
        bytes
    }

    /// The entry as three little-endian words: place, time, and the two checksums.
    #[allow(
        clippy::inline_always,
        reason = "a call would store the fields one by one and load them together, and that load waits for the stores"
    )]
    #[inline(always)]
    pub fn words(&self, log_id: &LogId, number: u64) -> [u64; 3] {
        let flag = |is_set, bit| if is_set { bit } else { 0 };
        let flags =
            flag(self.last_of_batch, LAST_OF_BATCH) | flag(self.adopted, ADOPTED) | flag(self.quarantined, QUARANTINED);
        let place = self.offset | flags;
        let bound_crc = bound_crc(log_id, number, place, self.time_ns, self.crc);
        [place, self.time_ns.cast_unsigned(), u64::from(self.crc) | u64::from(bound_crc) << u32::BITS]
    }

    /// The entry of record `number` in `bytes`; `None` when they are not that record's entry in the log `log_id`.
    #[allow(
        clippy::inline_always,
        reason = "a call returns the entry through memory, which slows reading records of 100 bytes by 3 %"
    )]
    #[inline(always)]
    pub fn decode(bytes: &[u8], log_id: &LogId, number: u64) -> Option<Entry> {
        let bytes: &[u8; ENTRY_BYTES] = bytes.try_into().ok()?;
        let (word, time_ns, crc) = (Self::PLACE.get(bytes), Self::TIME.get(bytes), Self::CRC.get(bytes));
        if bound_crc(log_id, number, word, time_ns, crc) != Self::BOUND_CRC.get(bytes) {
            return None;
        }
        let offset = word & !(LAST_OF_BATCH | ADOPTED | QUARANTINED);
        (offset < OFFSET_LIMIT_BYTES).then_some(Entry {
            offset,
            time_ns,
            crc,
            last_of_batch: word & LAST_OF_BATCH != 0,
            adopted: word & ADOPTED != 0,
            quarantined: word & QUARANTINED != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: LogId = *b"0123456789abcdef";

    #[test]
    fn an_entry_reads_back_and_is_bound_to_its_log_and_number() {
        let entry = Entry::written(8, -5, 7, true);
        for flagged in [Entry { adopted: true, ..entry }, Entry { quarantined: true, last_of_batch: false, ..entry }] {
            assert_eq!(Entry::decode(&flagged.encode(&ID, 3), &ID, 3), Some(flagged));
        }
        let bytes = entry.encode(&ID, 3);
        assert_eq!(Entry::decode(&bytes, &ID, 3), Some(entry));
        assert_eq!(Entry::decode(&bytes, &ID, 4), None, "another number");
        assert_eq!(Entry::decode(&bytes, b"fedcba9876543210", 3), None, "another log");
        assert_eq!(Entry::decode(&[0; 24], &ID, 0), None, "zeros are no entry");
        for bit in 0..24 * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Entry::decode(&damaged, &ID, 3), None, "bit {bit}");
        }
    }

    #[test]
    fn a_checkpoint_reads_back_and_a_damaged_or_foreign_one_does_not() {
        let checkpoint = Checkpoint {
            seq: 9,
            count: 2,
            end: 40,
            state: State::Clean,
            mode: Mode::Fast,
            epoch: u64::MAX,
            first: Outer::START,
            ends_early: false,
        };
        let page = checkpoint.encode(&ID);
        assert_eq!(Checkpoint::decode(&page, &ID), Some(checkpoint));
        assert_eq!(page[40..PAGE_CRC.offset()], [0; PAGE_SIZE_BYTES - 44], "the bytes of a log that was never trimmed");
        let of_a_trimmed_log =
            Checkpoint { first: Outer::of_field((1 << 63) - 1).unwrap(), ends_early: true, ..checkpoint };
        assert_eq!(Checkpoint::decode(&of_a_trimmed_log.encode(&ID), &ID), Some(of_a_trimmed_log));
        assert_eq!(Checkpoint::decode(&page, b"fedcba9876543210"), None);
        assert_eq!(Checkpoint::decode(&[0; PAGE_SIZE_BYTES], &ID), None, "a zero page");
        let mut damaged = page;
        damaged[2000] ^= 1;
        assert_eq!(Checkpoint::decode(&damaged, &ID), None, "unused bytes are covered");
        let impossible = Checkpoint { end: 16, ..checkpoint }.encode(&ID);
        assert_eq!(Checkpoint::decode(&impossible, &ID), None, "two records need 24 bytes at least");
        let impossible = Checkpoint { count: 0, ..checkpoint }.encode(&ID);
        assert_eq!(Checkpoint::decode(&impossible, &ID), None, "no records end where they begin");
        for (field, value) in [(24, 0), (24, 4), (28, 2), (47, 0x80), (48, 2)] {
            let mut unknown = page;
            unknown[field] = value;
            seal(&mut unknown, &ID);
            assert_eq!(Checkpoint::decode(&unknown, &ID), None, "what no writer writes: {value} at {field}");
        }
    }
}
