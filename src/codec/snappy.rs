//! Snappy in its framing format: a stream identifier, then chunks of up to 64 KiB with a CRC-32C each.
//!
//! ```text
//!   chunk    u8 kind     u24 size of what follows     u32 masked crc32c of the plain bytes | body
//! ```
//!
//! The format has no end mark: a stream that is cut between two chunks is a shorter stream. Other encoders make no
//! bytes at all of an empty payload. The crate reads the blocks. Its encoder ends the process when memory is refused,
//! so `block` writes them instead.

mod block;

use super::{Sink, Transform, failed, level_in};
use crate::error::Result;
use crate::format::crc32c;
use crate::util::memory;
use block::Encoder;

/// What every stream begins with.
const STREAM_IDENTIFIER: &[u8; 10] = b"\xff\x06\x00\x00sNaPpY";
const COMPRESSED: u8 = 0x00;
const PLAIN: u8 = 0x01;
const IDENTIFIER: u8 = 0xFF;
/// Kinds from here on may be passed over.
const SKIPPABLE_MIN: u8 = 0x80;
/// The most plain bytes of a chunk.
const CHUNK_BYTES: usize = 64 << 10;
const CHECKSUM_BYTES: usize = 4;

#[derive(Debug)]
pub struct Snappy;

impl Snappy {
    pub fn new(level: i32) -> Result<Snappy> {
        level_in(level, 0..=0, 0).map(|_| Snappy)
    }
}

impl Transform for Snappy {
    fn encode(&self, data: &[u8], out: &mut Sink) -> Result<()> {
        out.write(STREAM_IDENTIFIER)?;
        if data.is_empty() {
            return Ok(());
        }
        let mut encoder = memory::boxed(Encoder::new())?;
        let mut made = memory::with_room(block::bytes_max(CHUNK_BYTES.min(data.len())), "a chunk")?;
        for plain in data.chunks(CHUNK_BYTES) {
            made.clear();
            encoder.encode(plain, &mut made);
            // A chunk that does not become an eighth smaller is not worth the time of decoding.
            let (kind, body) =
                if made.len() < plain.len() - plain.len() / 8 { (COMPRESSED, &made[..]) } else { (PLAIN, plain) };
            let [size @ .., _] =
                u32::try_from(CHECKSUM_BYTES + body.len()).expect("invariant: a chunk has 64 KiB").to_le_bytes();
            out.write(&[kind])?;
            out.write(&size)?;
            out.write(&masked_checksum(plain).to_le_bytes())?;
            out.write(body)?;
        }
        Ok(())
    }

    fn decode(&self, data: &[u8], out: &mut Sink) -> Result<()> {
        let mut decoder = snap::raw::Decoder::new();
        let mut plain = Vec::new();
        let (mut rest, mut is_first) = (data, true);
        while !rest.is_empty() {
            let (&[kind, a, b, c], after) = rest.split_first_chunk().ok_or_else(cut_off)?;
            let size = u32::from_le_bytes([a, b, c, 0]) as usize;
            let (chunk, after) = after.split_at_checked(size).ok_or_else(cut_off)?;
            if is_first && kind != IDENTIFIER {
                return Err(failed("not a Snappy stream"));
            }
            (rest, is_first) = (after, false);
            match kind {
                IDENTIFIER if chunk == &STREAM_IDENTIFIER[4..] => {}
                COMPRESSED | PLAIN => {
                    let (checksum, body) = chunk.split_first_chunk().ok_or_else(cut_off)?;
                    let body = if kind == PLAIN { body } else { decompress(&mut decoder, body, &mut plain)? };
                    if body.len() > CHUNK_BYTES {
                        return Err(failed("a chunk is larger than the format allows"));
                    }
                    if masked_checksum(body) != u32::from_le_bytes(*checksum) {
                        return Err(failed("a chunk does not match its checksum"));
                    }
                    out.write(body)?;
                }
                SKIPPABLE_MIN..IDENTIFIER => {}
                _ => return Err(failed("a chunk of a kind not known")),
            }
        }
        Ok(())
    }
}

/// The plain bytes of one block, in `plain`.
fn decompress<'a>(decoder: &mut snap::raw::Decoder, block: &[u8], plain: &'a mut Vec<u8>) -> Result<&'a [u8]> {
    let size = snap::raw::decompress_len(block).ok().filter(|size| *size <= CHUNK_BYTES);
    let size = size.ok_or_else(|| failed("a chunk is larger than the format allows"))?;
    if plain.is_empty() {
        *plain = memory::zeroed(CHUNK_BYTES, "a chunk")?;
    }
    let made = decoder.decompress(block, &mut plain[..size]).map_err(|_| failed("a damaged chunk"))?;
    Ok(&plain[..made])
}

/// The format masks the checksum, because a checksum over data that contains its own checksum is weak.
fn masked_checksum(plain: &[u8]) -> u32 {
    crc32c(plain).rotate_right(15).wrapping_add(0xA282_EAD8)
}

fn cut_off() -> crate::error::Error {
    failed("the stream is cut off")
}
