//! Checksums of few bytes by the processor's CRC-32C instruction: that of SSE 4.2 on x86-64, that of the CRC extension
//! on aarch64.
#![allow(unsafe_code, reason = "the processor's instruction, where the processor has it")]

/// Up to this size the loop takes less time than `crc_fast`, which computes the checksums of several parts in parallel
/// and combines them. (Measured on x86-64.)
pub const BYTES_MAX: usize = 256;

/// The instruction, for a word of each size: the state of a checksum after the word.
#[cfg(target_arch = "x86_64")]
mod instruction {
    use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u32, _mm_crc32_u64};

    /// Of a checksum. As wide as the instruction for eight bytes leaves it: the upper half is zero.
    pub type State = u64;

    #[inline]
    pub fn is_supported() -> bool {
        std::is_x86_feature_detected!("sse4.2")
    }

    #[inline]
    #[target_feature(enable = "sse4.2")]
    pub fn after_u64(state: State, word: u64) -> State {
        _mm_crc32_u64(state, word)
    }

    #[inline]
    #[target_feature(enable = "sse4.2")]
    pub fn after_u32(state: State, word: u32) -> State {
        _mm_crc32_u32(checksum(state), word).into()
    }

    #[inline]
    #[target_feature(enable = "sse4.2")]
    pub fn after_u8(state: State, byte: u8) -> State {
        _mm_crc32_u8(checksum(state), byte).into()
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the upper half is zero")]
    pub fn checksum(state: State) -> u32 {
        state as u32
    }
}

#[cfg(target_arch = "aarch64")]
mod instruction {
    pub use std::arch::aarch64::{__crc32cb as after_u8, __crc32cd as after_u64, __crc32cw as after_u32};

    pub type State = u32;

    #[inline]
    pub fn is_supported() -> bool {
        std::arch::is_aarch64_feature_detected!("crc")
    }

    #[inline]
    pub fn checksum(state: State) -> u32 {
        state
    }
}

use instruction::{State, after_u8, after_u32, after_u64, checksum};

/// Whether the processor has the instruction.
#[inline]
pub fn is_supported() -> bool {
    instruction::is_supported()
}

/// The checksum of `bytes`: 32 bytes in each turn of the loop, then eight, then four, then one.
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "sse4.2"))]
#[cfg_attr(target_arch = "aarch64", target_feature(enable = "crc"))]
pub fn crc32c(bytes: &[u8]) -> u32 {
    let (fours, rest) = bytes.as_chunks::<32>();
    let mut state = State::from(u32::MAX);
    for four in fours {
        let (words, _) = four.as_chunks();
        for word in words {
            state = after_u64(state, u64::from_le_bytes(*word));
        }
    }
    let (words, mut rest) = rest.as_chunks();
    for word in words {
        state = after_u64(state, u64::from_le_bytes(*word));
    }
    if let Some((word, after)) = rest.split_first_chunk() {
        state = after_u32(state, u32::from_le_bytes(*word));
        rest = after;
    }
    !checksum(rest.iter().fold(state, |state, byte| after_u8(state, *byte)))
}

/// As [`super::crc32c_of_words`]. Each word is an argument of its own, so that it is passed in a register.
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "sse4.2"))]
#[cfg_attr(target_arch = "aarch64", target_feature(enable = "crc"))]
pub fn crc32c_of_words(first: u64, second: u64, third: u64, fourth: u64, fifth: u64, last: u32) -> u32 {
    let mut state = State::from(u32::MAX);
    for word in [first, second, third, fourth, fifth] {
        state = after_u64(state, word);
    }
    !checksum(after_u32(state, last))
}
