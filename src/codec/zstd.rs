//! A Zstandard frame (RFC 8878), by the C library.
//!
//! Decoding is one call into a buffer of the size that the input usually needs, or into a larger one after that. A
//! streaming decoder would allocate the window that a frame's header claims.

use super::sink::buffer;
use super::{Sink, Transform, failed, level_in};
use crate::error::{Error, Result, no_memory};
use zstd_safe::zstd_sys::ZSTD_ErrorCode as Code;
use zstd_safe::{CCtx, CParameter, DCtx, ErrorCode, compress_bound, get_error_name, is_error_kind};

/// The first buffer has room for this, or for what the input makes at `USUAL_RATIO`.
const BUFFER_BYTES_MIN: u64 = 64 << 10;
const USUAL_RATIO: u64 = 8;
/// How much larger the next buffer is, so that the attempts together cost little more than the last.
const GROWTH: u64 = 4;
const LEVEL_DEFAULT: i32 = 3;

#[derive(Debug)]
pub struct Zstd {
    level: i32,
}

impl Zstd {
    pub fn new(level: i32) -> Result<Zstd> {
        Ok(Zstd { level: level_in(level, -7..=22, LEVEL_DEFAULT)? })
    }
}

impl Transform for Zstd {
    fn encode(&self, data: &[u8], out: &mut Sink) -> Result<()> {
        let mut frame = buffer(compress_bound(data.len()) as u64)?;
        let mut encoder = CCtx::try_create().ok_or_else(no_context)?;
        encoder.set_parameter(CParameter::CompressionLevel(self.level)).map_err(error_of)?;
        encoder.compress2(&mut frame, data).map_err(error_of)?;
        out.put(frame)
    }

    fn decode(&self, data: &[u8], out: &mut Sink) -> Result<()> {
        let size = zstd_safe::find_frame_compressed_size(data).map_err(error_of)?;
        if size != data.len() {
            return Err(failed("bytes follow the frame"));
        }
        let claimed = zstd_safe::get_frame_content_size(data).map_err(|_| failed("not a Zstandard frame"))?;
        let most = out.room_bytes();
        if claimed.is_some_and(|claimed| claimed > most) {
            return Err(out.overflow());
        }
        let enough = claimed.unwrap_or(most);
        let mut decoder = DCtx::try_create().ok_or_else(no_context)?;
        let mut capacity = BUFFER_BYTES_MIN.max(data.len() as u64 * USUAL_RATIO).min(enough);
        loop {
            let mut payload = buffer(capacity)?;
            match decoder.decompress(&mut payload, data) {
                Ok(_) => return out.put(payload),
                Err(code) if !is_error_kind(code, Code::ZSTD_error_dstSize_tooSmall) => return Err(error_of(code)),
                Err(_) if capacity < enough => capacity = capacity.saturating_mul(GROWTH).min(enough),
                Err(_) if claimed.is_none() => return Err(out.overflow()),
                Err(_) => return Err(failed("more bytes than the frame's header says")),
            }
        }
    }
}

fn error_of(code: ErrorCode) -> Error {
    if is_error_kind(code, Code::ZSTD_error_memory_allocation) { no_context() } else { failed(get_error_name(code)) }
}

fn no_context() -> Error {
    no_memory("a Zstandard context", 0)
}
