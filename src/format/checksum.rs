//! The checksum of every file: CRC-32C (Castagnoli; iSCSI, RFC 3720). For more than 256 bytes a library computes it:
//! the faster one of two on this processor. For fewer its call would take longer than the work, so there is a loop over
//! the processor's instruction.
#![allow(unsafe_code, reason = "the processor's instruction, where the processor has it")]

use crc_fast::{CrcAlgorithm, Digest};

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

/// The checksum of `bytes`.
#[allow(clippy::inline_always, reason = "else each checksum takes two calls: this function and the loop")]
#[inline(always)]
pub fn crc32c(bytes: &[u8]) -> u32 {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    if bytes.len() <= short::BYTES_MAX && short::is_supported() {
        // SAFETY: the processor has the instruction, which is all that the function needs.
        return unsafe { short::crc32c(bytes) };
    }
    crc32c_of_many(bytes)
}

/// As [`crc32c()`]: `crc_fast` where it can fold 64 bytes at a time, else the processor's instruction in three streams.
#[cfg(target_arch = "x86_64")]
#[inline]
fn crc32c_of_many(bytes: &[u8]) -> u32 {
    let folds = std::is_x86_feature_detected!("avx512vl") && std::is_x86_feature_detected!("vpclmulqdq");
    let compute = if folds { crc_fast::crc32_iscsi } else { crc32c::crc32c };
    compute(bytes)
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn crc32c_of_many(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// The checksum of `words` and `last` as little-endian integers, one after the other.
#[allow(clippy::inline_always, reason = "the words stay in registers, where a call would pass them through memory")]
#[inline(always)]
pub fn crc32c_of_words(words: [u64; 5], last: u32) -> u32 {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    if short::is_supported() {
        let [first, second, third, fourth, fifth] = words;
        // SAFETY: the processor has the instruction, which is all that the function needs.
        return unsafe { short::crc32c_of_words(first, second, third, fourth, fifth, last) };
    }
    crc32c_of_stored_words(words, last)
}

/// As [`crc32c_of_words`], on any processor.
#[cold]
fn crc32c_of_stored_words(words: [u64; 5], last: u32) -> u32 {
    let mut bytes = [0; 44];
    let (of_words, of_last) = bytes.split_at_mut(40);
    of_words.copy_from_slice(words.map(u64::to_le_bytes).as_flattened());
    of_last.copy_from_slice(&last.to_le_bytes());
    crc_fast::crc32_iscsi(&bytes)
}

/// The checksum of `parts`, one after the other.
pub fn crc32c_of(parts: &[&[u8]]) -> u32 {
    if let [only] = parts {
        return crc32c(only);
    }
    let mut checksum = Checksum::new();
    for part in parts {
        checksum.update(part);
    }
    checksum.finish()
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod short;

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK_VALUE: u32 = 0xE306_9283; // of CRC-32C: the checksum of "123456789"

    #[test]
    fn the_checksum_is_crc32c_whatever_the_split() {
        assert_eq!(crc32c(b"123456789"), CHECK_VALUE);
        assert_eq!(crc32c_of(&[b"1234", b"", b"56789"]), CHECK_VALUE);
    }

    #[test]
    fn few_bytes_have_the_checksum_that_many_have() {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(600).map(|byte| byte.wrapping_mul(91) ^ 0x5C).collect();
        for begin in 0..9 {
            for size_bytes in 0..=520 {
                let part = &bytes[begin..begin + size_bytes];
                let mut bytewise = Checksum::new();
                for byte in part {
                    bytewise.update(&[*byte]);
                }
                assert_eq!(crc32c(part), bytewise.finish(), "{size_bytes} bytes from {begin}");
            }
        }
    }

    #[test]
    fn many_bytes_have_the_checksum_that_pieces_of_them_have() {
        let bytes: Vec<u8> =
            (0..70_000_u32).map(|index| (index.wrapping_mul(0x9E37_79B9) >> 17).to_le_bytes()[0]).collect();
        for begin in 0..9 {
            for size_bytes in [257, 300, 511, 767, 768, 769, 1032, 4096, 24_575, 24_576, 24_577, 65_544] {
                let part = &bytes[begin..begin + size_bytes];
                let mut piecewise = Checksum::new();
                for piece in part.chunks(61) {
                    piecewise.update(piece);
                }
                assert_eq!(crc32c(part), piecewise.finish(), "{size_bytes} bytes from {begin}");
            }
        }
    }

    #[test]
    fn words_have_the_checksum_of_their_bytes() {
        for seed in 1..100_u64 {
            let words = [1, 2, 3, 4, 5].map(|index| seed.wrapping_mul(index).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let last = u32::try_from(words[4] >> u32::BITS).unwrap();
            let mut bytes = words.map(u64::to_le_bytes).as_flattened().to_vec();
            bytes.extend_from_slice(&last.to_le_bytes());
            for made in [crc32c_of_words(words, last), crc32c_of_stored_words(words, last)] {
                assert_eq!(made, crc32c(&bytes), "{words:?} and {last}");
            }
        }
    }

    #[test]
    fn zeros_that_are_not_read_count_like_those_that_are() {
        for count in [0, 1, 2, 3, 7, 8, 255, 256, 4096, 65_537] {
            let mut checksum = Checksum::new();
            checksum.update(b"before");
            checksum.update_zeros(count as u64);
            checksum.update(b"behind");
            assert_eq!(checksum.finish(), crc32c_of(&[b"before", &vec![0; count], b"behind"]), "{count} zeros");
        }
    }
}
