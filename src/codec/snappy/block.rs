//! A block in Snappy's format, encoded in memory that was allocated before.
//!
//! ```text
//!   block      varint of the plain size, then elements
//!   literal    (size - 1) << 2, or 60 << 2 and the size - 1 in a byte, or 61 << 2 and it in two | its bytes
//!   copy       (size - 1) << 2 | 2, and how far back in two bytes, of up to 64 bytes made before
//! ```

/// The bits of the hash of four bytes. Each hash has a slot, which says where such bytes were seen last.
const SLOT_BITS: u32 = 12;
/// The least size of a match.
const MATCH_MIN: usize = 4;
/// The greatest size of a copy.
const COPY_MAX: usize = 64;
/// After 2 to this power places in a row without a match, the search looks only at every second place, and so on: what
/// cannot be compressed costs little.
const SKIP_SHIFT: u32 = 5;

/// What encoding remembers of one block.
#[derive(Debug)]
pub struct Encoder {
    seen: [u16; 1 << SLOT_BITS],
}

/// How large a block of `plain_bytes` can become.
pub fn bytes_max(plain_bytes: usize) -> usize {
    32 + plain_bytes + plain_bytes / 6
}

impl Encoder {
    pub fn new() -> Encoder {
        Encoder { seen: [0; 1 << SLOT_BITS] }
    }

    /// Adds the block of `plain`, of at most 64 KiB, to `block`, which has room for it.
    pub fn encode(&mut self, plain: &[u8], block: &mut Vec<u8>) {
        self.seen.fill(0);
        put_varint(plain.len(), block);
        let (mut at, mut literal_from, mut misses) = (0, 0, 1_usize << SKIP_SHIFT);
        while let Some(here) = four_at(plain, at) {
            let slot = (here.wrapping_mul(0x1E35_A7BD) >> (32 - SLOT_BITS)) as usize;
            let candidate = usize::from(self.seen[slot]);
            self.seen[slot] = u16::try_from(at).unwrap_or(u16::MAX);
            if candidate >= at || four_at(plain, candidate) != Some(here) {
                at += misses >> SKIP_SHIFT;
                misses += 1;
                continue;
            }
            put_literal(&plain[literal_from..at], block);
            let more = plain[candidate + MATCH_MIN..].iter().zip(&plain[at + MATCH_MIN..]).take_while(|(a, b)| a == b);
            let size = MATCH_MIN + more.count();
            put_copies(at - candidate, size, block);
            at += size;
            (literal_from, misses) = (at, 1 << SKIP_SHIFT);
        }
        put_literal(&plain[literal_from..], block);
    }
}

fn four_at(plain: &[u8], at: usize) -> Option<u32> {
    plain.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn put_varint(mut number: usize, block: &mut Vec<u8>) {
    while number >= 0x80 {
        block.push(low_byte(number) | 0x80);
        number >>= 7;
    }
    block.push(low_byte(number));
}

fn put_literal(bytes: &[u8], block: &mut Vec<u8>) {
    let Some(size) = bytes.len().checked_sub(1) else { return };
    match size {
        0..60 => block.push(low_byte(size) << 2),
        60..256 => block.extend_from_slice(&[60 << 2, low_byte(size)]),
        _ => block.extend_from_slice(&[61 << 2, low_byte(size), low_byte(size >> 8)]),
    }
    block.extend_from_slice(bytes);
}

/// Adds copies of `size` bytes from `back` bytes before.
fn put_copies(back: usize, size: usize, block: &mut Vec<u8>) {
    let mut left = size;
    while left > 0 {
        let now = left.min(COPY_MAX);
        block.extend_from_slice(&[low_byte(now - 1) << 2 | 2, low_byte(back), low_byte(back >> 8)]);
        left -= now;
    }
}

fn low_byte(number: usize) -> u8 {
    number.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_back_by_the_crate_and_stay_within_their_bound() {
        let mut random = 1_u64;
        let mut noise = |count: usize, kinds: u64| -> Vec<u8> {
            (0..count)
                .map(|_| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    u8::try_from((random >> 33) % kinds).unwrap()
                })
                .collect()
        };
        for size in [0, 1, 3, 4, 5, 59, 60, 61, 255, 256, 257, 1000, 4096, 65_535, 65_536] {
            for plain in
                [vec![7; size], noise(size, 256), noise(size, 2), noise(size, 5), noise(7, 256).repeat(size / 7)]
            {
                let mut block = Vec::with_capacity(bytes_max(plain.len()));
                let room = block.capacity();
                Encoder::new().encode(&plain, &mut block);
                assert_eq!(block.capacity(), room, "{size} bytes needed more room");
                assert_eq!(snap::raw::Decoder::new().decompress_vec(&block).unwrap(), plain, "{size} bytes");
            }
        }
    }
}
