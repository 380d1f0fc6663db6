//! Snappy in its framing format: a stream identifier, then chunks of up to 64 KiB with a CRC-32C each.
//!
//! The format has no end mark: a stream that is cut between two chunks is a shorter stream. No bytes at all are what other encoders
//! make of an empty payload.

use super::{Sink, Transform, failed, level_in};
use crate::error::Result;
use snap::read::FrameDecoder;
use snap::write::FrameEncoder;
use std::io::{Read, Write};

/// What every stream begins with. The encoder writes it with the first byte; an empty payload gets it from here.
const STREAM_IDENTIFIER: &[u8; 10] = b"\xff\x06\x00\x00sNaPpY";
const CHUNK_BYTES: usize = 16 << 10;

#[derive(Debug)]
pub struct Snappy;

impl Snappy {
    pub fn new(level: i32) -> Result<Snappy> {
        level_in(level, 0..=0, 0).map(|_| Snappy)
    }
}

impl Transform for Snappy {
    fn encode(&self, data: &[u8], out: &mut Sink) -> Result<()> {
        if data.is_empty() {
            return out.write(STREAM_IDENTIFIER);
        }
        let mut encoder = FrameEncoder::new(out);
        encoder.write_all(data).and_then(|()| encoder.flush()).map_err(failed)
    }

    fn decode(&self, data: &[u8], out: &mut Sink) -> Result<()> {
        let mut decoder = FrameDecoder::new(data);
        let mut chunk = [0; CHUNK_BYTES];
        loop {
            match decoder.read(&mut chunk).map_err(failed)? {
                0 => return Ok(()),
                made => out.write(&chunk[..made])?,
            }
        }
    }
}
