//! What is appended: the same bytes in every language.

/// A prime, so that records that are this many apart are the first ones that are equal.
const PERIOD: u64 = 1_048_573;
pub const RECORD_BYTES_MAX: u64 = 131_072;

/// Record N is the bytes at N * size modulo the period, so that neighbours share nothing that a compressor finds.
pub struct Pool(Vec<u8>);

impl Pool {
    pub fn new() -> Self {
        let mut bytes = Vec::new();
        let mut state = 0u64;
        while bytes.len() < usize(PERIOD) {
            // splitmix64
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let word = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            bytes.extend_from_slice(&(word ^ word >> 31).to_le_bytes());
        }
        bytes.truncate(usize(PERIOD));
        bytes.extend_from_within(..usize(RECORD_BYTES_MAX));
        Pool(bytes)
    }

    pub fn from(&self, number: u64, size: u64) -> Payloads<'_> {
        Payloads { pool: &self.0, size: usize(size), offset: usize(number % PERIOD * size % PERIOD) }
    }
}

pub struct Payloads<'a> {
    pool: &'a [u8],
    size: usize,
    offset: usize,
}

impl<'a> Payloads<'a> {
    #[inline]
    pub fn next(&mut self) -> &'a [u8] {
        let payload = &self.pool[self.offset..self.offset + self.size];
        self.offset += self.size;
        if self.offset >= usize(PERIOD) {
            self.offset -= usize(PERIOD);
        }
        payload
    }
}

pub fn usize(number: u64) -> usize {
    usize::try_from(number).expect("a 64-bit machine")
}
