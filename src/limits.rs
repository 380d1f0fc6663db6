//! The bounds of what a log can be.

use std::ops::RangeInclusive;

/// Offsets of records stay below this many bytes (they have 47 bits in an index entry).
pub const OFFSET_LIMIT_BYTES: u64 = 1 << 47;
/// How many pooled readers a namespace can have.
pub const READER_COUNT: RangeInclusive<u32> = 1..=4096;
/// The bounds of the setting for the largest record of a log, in bytes.
pub const RECORD_BYTES: RangeInclusive<u64> = 1..=OFFSET_LIMIT_BYTES - 1;
/// The most codecs that payloads of a log can go through.
pub const CODECS_MAX: usize = 16;
/// The longest namespace name, in bytes.
pub const NAME_BYTES_MAX: usize = 200;
/// A fast-mode writer makes a checkpoint after this many bytes, whatever the flush interval.
pub const CHECKPOINT_BYTES_MAX: u64 = 1 << 30;

/// The shortest and the longest journal of a durable writer, in bytes.
pub const JOURNAL_BYTES: RangeInclusive<u64> = 64 << 10..=1 << 30;
