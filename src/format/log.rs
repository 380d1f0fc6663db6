//! `NAME.log`, the record file. Its layout is public and never changes:
//!
//! ```text
//!   0       8            16                                  E
//!   +-------+------------+----------------+------------+-----+-----------
//!   |   H   | size (u64) | payload bytes  | size (u64) | ... | not the log
//!   +-------+------------+----------------+------------+-----+-----------
//!   count   record 0 at offset 8            record 1
//! ```
//!
//! No padding, no checksum, no magic. H, the commit word, is the number of records; a record's number counts from 0 and
//! its offset is that of its size word. A cleanly closed file ends at E. An open file ends at a multiple of 64 KiB from
//! the first append on.

use super::field::Field;
use super::in_memory;
use super::name::{FileName, Stem};

/// Where the commit word lies.
pub const COUNT_OFFSET: u64 = 0;
/// The size of the commit word, and so the offset of record 0.
pub const HEADER_SIZE_BYTES: u64 = 8;
/// The size of a record's size word.
pub const SIZE_WORD_BYTES: u64 = 8;
/// What follows `.` in the file's name.
pub const SUFFIX: &str = "log";

/// The name of the record file of the segment with `stem`.
pub fn file_name(stem: &Stem) -> FileName {
    stem.file_name(SUFFIX)
}

/// The offset just after the record at `offset` with a payload of `size_bytes`; `None` when no file can hold it.
pub fn record_end(offset: u64, size_bytes: u64) -> Option<u64> {
    offset.checked_add(SIZE_WORD_BYTES)?.checked_add(size_bytes).filter(|end| *end <= crate::limits::OFFSET_LIMIT_BYTES)
}

/// A size word, or the commit word, as it stands in the file.
pub type Word = [u8; in_memory(SIZE_WORD_BYTES)];

pub fn word(value: u64) -> Word {
    value.to_le_bytes()
}

/// The value of the size word, or of the commit word, that `bytes` begin with. They contain the whole word.
#[inline]
pub fn value_of(bytes: &[u8]) -> u64 {
    const WORD: Field<u64> = Field::at(0);
    WORD.get(bytes)
}
