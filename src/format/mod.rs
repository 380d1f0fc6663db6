//! Every byte on disk: one file per file kind, each with its drawing, its encoder and its decoder.
//!
//! All integers are little-endian. Nothing here does input or output, and nothing here trusts what it decodes. The
//! caller checks lengths and offsets against the sizes of the files before they are used. docs/format.md has the same
//! drawings in prose.

pub mod codecs;
mod field;
pub mod index;
pub mod journal;
pub mod live;
pub mod log;
pub mod name;

use crc_fast::{CrcAlgorithm, Digest};
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
    let crc = crc32c(&[bound, &page[..PAGE_CRC.offset()]]);
    PAGE_CRC.set(page, crc);
}

/// Whether the checksum of `page` is the one that [`seal`] writes with `bound`.
fn is_sealed(page: &Page, bound: &[u8]) -> bool {
    crc32c(&[bound, &page[..PAGE_CRC.offset()]]) == PAGE_CRC.get(page)
}

/// `value` as a size in memory: lossless, because the library is built for 64-bit machines only.
#[expect(clippy::cast_possible_truncation, reason = "usize has 64 bits; lib.rs refuses others")]
pub const fn in_memory(value: u64) -> usize {
    value as usize
}

/// A checksum of bytes that come piece by piece.
#[derive(Debug)]
pub struct Checksum(Digest);

impl Default for Checksum {
    fn default() -> Checksum {
        Checksum::new()
    }
}

impl Checksum {
    pub fn new() -> Checksum {
        Checksum(Digest::new(CrcAlgorithm::Crc32Iscsi))
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// As [`Checksum::update`] with `count` zeros, which need not be in memory.
    pub fn update_zeros(&mut self, count: u64) {
        let mut zeros = Digest::new(CrcAlgorithm::Crc32Iscsi);
        zeros.update(&[0]);
        let mut left = count;
        while left > 0 {
            if left % 2 == 1 {
                self.0.combine(&zeros);
            }
            let half = zeros;
            zeros.combine(&half);
            left /= 2;
        }
    }

    pub fn finish(&self) -> u32 {
        u32::try_from(self.0.finalize()).expect("invariant: a CRC-32 has 32 bits")
    }
}

/// The checksum of every file: CRC-32C (Castagnoli; iSCSI, RFC 3720), over `parts` one after the other.
pub fn crc32c(parts: &[&[u8]]) -> u32 {
    if let [only] = parts {
        return crc_fast::crc32_iscsi(only);
    }
    let mut checksum = Checksum::new();
    for part in parts {
        checksum.update(part);
    }
    checksum.finish()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_is_crc32c_whatever_the_split() {
        assert_eq!(super::crc32c(&[b"123456789"]), 0xE306_9283, "the check value of CRC-32C");
        assert_eq!(super::crc32c(&[b"1234", b"", b"56789"]), 0xE306_9283);
    }

    #[test]
    fn zeros_that_are_not_read_count_like_those_that_are() {
        for count in [0, 1, 2, 3, 7, 8, 255, 256, 4096, 65_537] {
            let mut checksum = super::Checksum::new();
            checksum.update(b"before");
            checksum.update_zeros(count as u64);
            checksum.update(b"behind");
            assert_eq!(checksum.finish(), super::crc32c(&[b"before", &vec![0; count], b"behind"]), "{count} zeros");
        }
    }
}
