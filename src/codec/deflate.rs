//! Raw DEFLATE (RFC 1951): no header, no checksum, no length.

use super::{Sink, Transform, failed, level_in};
use crate::error::Result;
use crate::format::in_memory;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Output goes to the sink in pieces of this size.
const CHUNK_BYTES: usize = 16 << 10;
const LEVEL_DEFAULT: i32 = 6;

#[derive(Debug)]
pub struct Deflate {
    level: Compression,
}

impl Deflate {
    pub fn new(level: i32) -> Result<Deflate> {
        let level = level_in(level, 1..=9, LEVEL_DEFAULT)?;
        Ok(Deflate { level: Compression::new(level.unsigned_abs()) })
    }
}

impl Transform for Deflate {
    fn encode(&self, data: &[u8], out: &mut Sink) -> Result<()> {
        let mut encoder = Compress::new(self.level, false);
        let mut chunk = [0; CHUNK_BYTES];
        loop {
            let (rest, made_before) = (&data[in_memory(encoder.total_in())..], encoder.total_out());
            let status = encoder.compress(rest, &mut chunk, FlushCompress::Finish).map_err(failed)?;
            let made = in_memory(encoder.total_out() - made_before);
            out.write(&chunk[..made])?;
            match status {
                Status::StreamEnd => return Ok(()),
                _ if made == 0 => return Err(failed("the encoder stopped")),
                _ => {}
            }
        }
    }

    fn decode(&self, data: &[u8], out: &mut Sink) -> Result<()> {
        let mut decoder = Decompress::new(false);
        let mut chunk = [0; CHUNK_BYTES];
        loop {
            let (rest, made_before) = (&data[in_memory(decoder.total_in())..], decoder.total_out());
            let status = decoder
                .decompress(rest, &mut chunk, FlushDecompress::None)
                .map_err(|_| failed("not a DEFLATE stream"))?;
            let made = in_memory(decoder.total_out() - made_before);
            out.write(&chunk[..made])?;
            match status {
                Status::StreamEnd if decoder.total_in() == data.len() as u64 => return Ok(()),
                Status::StreamEnd => return Err(failed("bytes follow the end of the stream")),
                _ if made == 0 && decoder.total_in() == data.len() as u64 => {
                    return Err(failed("the stream is cut off"));
                }
                _ => {}
            }
        }
    }
}
