//! Every byte on disk: one file per file kind, each with its drawing, its encoder and its decoder.
//!
//! All integers are little-endian. Nothing here does input or output, and nothing here trusts what it decodes. The
//! caller checks lengths and offsets against the sizes of the files before they are used. docs/format.md has the same
//! drawings in prose.

mod checksum;
pub mod codecs;
mod field;
pub mod index;
pub mod journal;
pub mod live;
pub mod log;
pub mod name;
pub mod number;

pub use checksum::{Checksum, crc32c, crc32c_of, crc32c_of_words};
use field::Field;

/// The size of each header page of the index file and of the journal, and of the live page.
pub const PAGE_SIZE_BYTES: usize = 4096;
pub type Page = [u8; PAGE_SIZE_BYTES];
/// Random bits that bind every entry, checkpoint and journal to one log.
pub type LogId = [u8; 16];

/// The checksum of a header page, over all bytes before it.
const PAGE_CRC: Field<u32> = Field::at(PAGE_SIZE_BYTES - 4);

/// Writes the checksum to the end of the page. It covers the page and `bound`, which says what the page belongs to.
fn seal(page: &mut Page, bound: &[u8]) {
    let crc = crc32c_of(&[bound, &page[..PAGE_CRC.offset()]]);
    PAGE_CRC.set(page, crc);
}

/// Whether the checksum of `page` is the one that [`seal`] writes with `bound`.
fn is_sealed(page: &Page, bound: &[u8]) -> bool {
    crc32c_of(&[bound, &page[..PAGE_CRC.offset()]]) == PAGE_CRC.get(page)
}

/// `value` as a size in memory: lossless, because the library is built for 64-bit machines only.
#[expect(clippy::cast_possible_truncation, reason = "usize has 64 bits; lib.rs refuses others")]
pub const fn in_memory(value: u64) -> usize {
    value as usize
}
