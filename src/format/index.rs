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
//!             132 zero                           4092 u32 crc32c(bytes 0..4092)
//!
//!   checkpoint  0 u64 seq     8 u64 count    16 u64 end    24 u32 state    28 u32 mode    32 u64 epoch
//!              40 zero     4092 u32 crc32c(log id, bytes 0..4092)
//!
//!   entry       0 u64 bits 0-46 offset, 61 quarantined, 62 adopted, 63 last of its batch
//!               8 i64 append time, ns since 1970 (0 unknown)
//!              16 u32 crc32c(size word, payload)                           20 u32 crc32c(log id, number, bytes 0..20)
//! ```
//!
//! A codec count of 2^32 - 1 means "unknown": the log was adopted, and the chain page has its codecs as soon as
//! something was appended; see `codecs`.

use super::codecs::{self, ChainField};
use super::field::Field;
use super::log::{self, SIZE_WORD_BYTES};
use super::{LogId, PAGE_CRC, PAGE_SIZE_BYTES, Page, crc32c_of_words, in_memory, is_sealed, seal};
use crate::limits::OFFSET_LIMIT_BYTES;

/// What follows `.` in the file's name.
pub const SUFFIX: &str = "idx";
pub const HEADER_SIZE_BYTES: u64 = 4 * PAGE_SIZE_BYTES as u64;
pub const ENTRY_SIZE_BYTES: u64 = 24;
/// The size of an entry as a size in memory.
pub const ENTRY_BYTES: usize = in_memory(ENTRY_SIZE_BYTES);
/// Checkpoints A and B.
pub const CHECKPOINT_OFFSETS: [u64; 2] = [PAGE_SIZE_BYTES as u64, 2 * PAGE_SIZE_BYTES as u64];
pub const VERSION: u32 = 1;

/// No writer lives long enough to count so far, so a valid `seq` always has a larger one after it.
const SEQ_LIMIT: u64 = u64::MAX / 2;
const MAGIC: [u8; 8] = *b"\x89IMX\r\n\x1a\n";
const LAST_OF_BATCH: u64 = 1 << 63;
const ADOPTED: u64 = 1 << 62;
const QUARANTINED: u64 = 1 << 61;

/// The two sizes as page 0 records them.
const HEADER_SIZE_FIELD: u32 = 16384;
const ENTRY_SIZE_FIELD: u32 = 24;
const _: () = assert!(HEADER_SIZE_FIELD as u64 == HEADER_SIZE_BYTES && ENTRY_SIZE_FIELD as u64 == ENTRY_SIZE_BYTES);

const _: () = assert!(OFFSET_LIMIT_BYTES - 1 < QUARANTINED && HEADER_SIZE_BYTES > CHECKPOINT_OFFSETS[1]);
const _: () = assert!(Identity::CODECS.end() < PAGE_CRC.offset() && Checkpoint::EPOCH.end() < PAGE_CRC.offset());
const _: () = assert!(Identity::CODECS.offset() == 64 && Entry::BOUND_CRC.end() == ENTRY_BYTES);

/// Where entry `number` lies; `None` beyond any file.
pub fn entry_offset(number: u64) -> Option<u64> {
    number.checked_mul(ENTRY_SIZE_BYTES)?.checked_add(HEADER_SIZE_BYTES).filter(|offset| i64::try_from(*offset).is_ok())
}

/// Where the entries of `count` records end; `u64::MAX`, which no file reaches, if no file can hold them.
pub fn entries_end(count: u64) -> u64 {
    entry_offset(count).unwrap_or(u64::MAX)
}

/// Page 0: which log this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub log_id: LogId,
    pub created_ns: i64,
    /// The ids of the codec chain in the order applied; `None`: unknown here, the log was adopted.
    pub codecs: Option<codecs::ChainIds>,
}

/// Why page 0 is not an identity this version can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// No magic, or the checksum does not match: not an identity at all.
    Damaged,
    /// A well-formed identity with something this version does not know.
    Newer { version: u32, incompatible: u64 },
}

impl Identity {
    const MAGIC: Field<[u8; 8]> = Field::at(0);
    const VERSION: Field<u32> = Field::after(Self::MAGIC);
    const HEADER_SIZE: Field<u32> = Field::after(Self::VERSION);
    const ENTRY_SIZE: Field<u32> = Field::after(Self::HEADER_SIZE);
    const ZERO: Field<u32> = Field::after(Self::ENTRY_SIZE);
    const COMPATIBLE: Field<u64> = Field::after(Self::ZERO);
    const INCOMPATIBLE: Field<u64> = Field::after(Self::COMPATIBLE);
    const LOG_ID: Field<LogId> = Field::after(Self::INCOMPATIBLE);
    const CREATED: Field<i64> = Field::after(Self::LOG_ID);
    const CODECS: Field<ChainField> = Field::after(Self::CREATED);

    pub fn encode(&self) -> Page {
        let mut page = [0; PAGE_SIZE_BYTES];
        Self::MAGIC.set(&mut page, MAGIC);
        Self::VERSION.set(&mut page, VERSION);
        Self::HEADER_SIZE.set(&mut page, HEADER_SIZE_FIELD);
        Self::ENTRY_SIZE.set(&mut page, ENTRY_SIZE_FIELD);
        Self::LOG_ID.set(&mut page, self.log_id);
        Self::CREATED.set(&mut page, self.created_ns);
        Self::CODECS.set(&mut page, codecs::encode(self.codecs.as_deref()));
        seal(&mut page, &[]);
        page
    }

    pub fn decode(page: &Page) -> Result<Identity, IdentityError> {
        if Self::MAGIC.get(page) != MAGIC || !is_sealed(page, &[]) {
            return Err(IdentityError::Damaged);
        }
        let (version, incompatible) = (Self::VERSION.get(page), Self::INCOMPATIBLE.get(page));
        let sizes = (Self::HEADER_SIZE.get(page), Self::ENTRY_SIZE.get(page));
        let newer = IdentityError::Newer { version, incompatible };
        if version != VERSION || incompatible != 0 || sizes != (HEADER_SIZE_FIELD, ENTRY_SIZE_FIELD) {
            return Err(newer);
        }
        let codecs = codecs::decode(&Self::CODECS.get(page)).map_err(|_| newer)?;
        Ok(Identity { log_id: Self::LOG_ID.get(page), created_ns: Self::CREATED.get(page), codecs })
    }
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
}

impl Checkpoint {
    const SEQ: Field<u64> = Field::at(0);
    const COUNT: Field<u64> = Field::after(Self::SEQ);
    const END: Field<u64> = Field::after(Self::COUNT);
    const STATE: Field<u32> = Field::after(Self::END);
    const MODE: Field<u32> = Field::after(Self::STATE);
    const EPOCH: Field<u64> = Field::after(Self::MODE);

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
        let (seq, count, end) = (Self::SEQ.get(page), Self::COUNT.get(page), Self::END.get(page));
        let least_end = count.checked_mul(SIZE_WORD_BYTES)?.checked_add(log::HEADER_SIZE_BYTES)?;
        let is_possible = if count == 0 { end == least_end } else { end >= least_end && end <= OFFSET_LIMIT_BYTES };
        let epoch = Self::EPOCH.get(page);
        (is_possible && seq < SEQ_LIMIT).then_some(Checkpoint { seq, count, end, state, mode, epoch })
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
        let checkpoint =
            Checkpoint { seq: 9, count: 2, end: 40, state: State::Clean, mode: Mode::Fast, epoch: u64::MAX };
        let page = checkpoint.encode(&ID);
        assert_eq!(Checkpoint::decode(&page, &ID), Some(checkpoint));
        assert_eq!(Checkpoint::decode(&page, b"fedcba9876543210"), None);
        assert_eq!(Checkpoint::decode(&[0; PAGE_SIZE_BYTES], &ID), None, "a zero page");
        let mut damaged = page;
        damaged[2000] ^= 1;
        assert_eq!(Checkpoint::decode(&damaged, &ID), None, "unused bytes are covered");
        let impossible = Checkpoint { end: 16, ..checkpoint }.encode(&ID);
        assert_eq!(Checkpoint::decode(&impossible, &ID), None, "two records need 24 bytes at least");
        let impossible = Checkpoint { count: 0, ..checkpoint }.encode(&ID);
        assert_eq!(Checkpoint::decode(&impossible, &ID), None, "no records end where they begin");
        for (field, value) in [(24, 0), (24, 4), (28, 2)] {
            let mut unknown = page;
            unknown[field] = value;
            seal(&mut unknown, &ID);
            assert_eq!(
                Checkpoint::decode(&unknown, &ID),
                None,
                "a state or mode that no writer writes: {value} at {field}"
            );
        }
    }

    #[test]
    fn an_identity_reads_back_and_a_newer_one_is_told_from_a_damaged_one() {
        for codecs in [None, Some(vec![]), Some(vec![1, 0x10000])].map(|ids| ids.map(codecs::ChainIds::from_iter)) {
            let identity = Identity { log_id: ID, created_ns: 1, codecs };
            assert_eq!(Identity::decode(&identity.encode()), Ok(identity));
        }
        let mut page = Identity { log_id: ID, created_ns: 1, codecs: None }.encode();
        page[8] = 2;
        assert_eq!(Identity::decode(&page), Err(IdentityError::Damaged));
        seal(&mut page, &[]);
        assert_eq!(Identity::decode(&page), Err(IdentityError::Newer { version: 2, incompatible: 0 }));
    }
}
