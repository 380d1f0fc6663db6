//! Raw DEFLATE (RFC 1951): no header, no checksum, no length.
//!
//! The states of encoder and decoder are on the heap, where memory can be refused: they are too large for the stacks of
//! small threads. The encoder's state is created there directly. The decoder needs no window besides its output.

use super::{Sink, Transform, failed, level_in};
use crate::error::{Result, no_memory};
use crate::format::in_memory;
use crate::util::memory;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use zlib_rs::{DeflateConfig, ReturnCode, compress_bound, compress_slice};

const LEVEL_DEFAULT: i32 = 6;
/// The largest window there is, as `zlib` writes it for streams without a header.
const WINDOW_BITS_RAW: i32 = -15;
/// The smallest buffer for decoding. It doubles as often as needed.
const DECODED_BYTES_MIN: u64 = 4 << 10;
/// About the memory that an encoder with the largest window takes, for the message when it is refused.
const ENCODER_BYTES: u64 = 330 << 10;

#[derive(Debug)]
pub struct Deflate {
    level: i32,
}

impl Deflate {
    pub fn new(level: i32) -> Result<Deflate> {
        Ok(Deflate { level: level_in(level, 1..=9, LEVEL_DEFAULT)? })
    }
}

impl Transform for Deflate {
    fn encode(&self, data: &[u8], out: &mut Sink) -> Result<()> {
        let mut made = zeros(Vec::new(), (compress_bound(data.len()) as u64).min(out.room_bytes()))?;
        let config = DeflateConfig { level: self.level, window_bits: WINDOW_BITS_RAW, ..DeflateConfig::default() };
        match compress_slice(&mut made, data, config) {
            (made, ReturnCode::Ok) => out.write(made),
            (_, ReturnCode::BufError) => Err(out.overflow()),
            (_, ReturnCode::MemError) => Err(no_memory("the state of an encoder", ENCODER_BYTES)),
            _ => Err(failed("the encoder stopped")),
        }
    }

    fn decode(&self, data: &[u8], out: &mut Sink) -> Result<()> {
        let mut decoder = memory::boxed(DecompressorOxide::new())?;
        // One byte more than allowed distinguishes output that ends exactly there from output that goes on.
        let limit_bytes = out.room_bytes().saturating_add(1);
        let mut made = zeros(Vec::new(), (data.len() as u64 * 2).max(DECODED_BYTES_MIN).min(limit_bytes))?;
        let (mut taken, mut made_bytes) = (0, 0);
        loop {
            let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
            let (status, took, added) = decompress(&mut decoder, &data[taken..], &mut made, made_bytes, flags);
            (taken, made_bytes) = (taken + took, made_bytes + added);
            if made_bytes as u64 == limit_bytes {
                return Err(out.overflow());
            }
            match status {
                TINFLStatus::Done if taken == data.len() => {
                    made.truncate(made_bytes);
                    return out.put(made);
                }
                TINFLStatus::Done => return Err(failed("bytes follow the end of the stream")),
                TINFLStatus::HasMoreOutput => {
                    let wanted = (made.len() as u64 * 2).min(limit_bytes);
                    made = zeros(made, wanted)?;
                }
                TINFLStatus::FailedCannotMakeProgress | TINFLStatus::NeedsMoreInput => {
                    return Err(failed("the stream is cut off"));
                }
                _ => return Err(failed("not a DEFLATE stream")),
            }
        }
    }
}

/// `bytes` with zeros after them, `size_bytes` in all.
fn zeros(mut bytes: Vec<u8>, size_bytes: u64) -> Result<Vec<u8>> {
    let size = in_memory(size_bytes);
    bytes.try_reserve_exact(size.saturating_sub(bytes.len())).map_err(|_| no_memory("a payload", size_bytes))?;
    bytes.resize(size, 0);
    Ok(bytes)
}
