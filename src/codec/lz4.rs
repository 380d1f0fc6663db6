//! An LZ4 frame, written and read here, block by block. The crate's writer ends the process when memory is refused. Its
//! reader takes a frame that is cut off for a complete one, and allocates the block size that the header claims. The
//! frames written here have independent blocks of 64 KiB.
//!
//! ```text
//!   magic 04 22 4D 18 | FLG | BD | content size, 8 bytes if FLG says so | HC |
//!   { block size, bit 31: not compressed | block | xxh32 of the block if FLG says so } ... | 00 00 00 00 |
//!   xxh32 of the content if FLG says so
//! ```

use super::sink::buffer;
use super::{Sink, Transform, failed, level_in};
use crate::error::{Error, Result};
use crate::util::memory;
use lz4_flex::block::{
    CompressTable, DecompressError, compress_into_with_table, decompress_into_with_dict, get_maximum_output_size,
};
use twox_hash::XxHash32;

const MAGIC: u32 = 0x184D_2204;
/// Linked blocks refer back this far.
const WINDOW_BYTES: usize = 64 << 10;
/// A byte of a compressed block stands for at most this many bytes.
const RATIO_MAX: usize = 255;

const FLG_VERSION_MASK: u8 = 0b1100_0010; // with the reserved bit
const FLG_VERSION: u8 = 0b0100_0000;
const FLG_INDEPENDENT: u8 = 1 << 5;
const FLG_BLOCK_CHECKSUMS: u8 = 1 << 4;
const FLG_CONTENT_SIZE: u8 = 1 << 3;
const FLG_CONTENT_CHECKSUM: u8 = 1 << 2;
const FLG_DICTIONARY: u8 = 1;
const BLOCK_NOT_COMPRESSED: u32 = 1 << 31;
const END_MARK: u32 = 0;
/// The block size in the header, and in bytes, of the frames written here.
const BD_64_KIB: u8 = 4 << 4;
const BLOCK_BYTES: usize = 64 << 10;

#[derive(Debug)]
pub struct Lz4;

impl Lz4 {
    pub fn new(level: i32) -> Result<Lz4> {
        level_in(level, 0..=0, 0).map(|_| Lz4)
    }
}

impl Transform for Lz4 {
    fn encode(&self, data: &[u8], out: &mut Sink) -> Result<()> {
        let descriptor = [FLG_VERSION | FLG_INDEPENDENT, BD_64_KIB];
        out.write(&MAGIC.to_le_bytes())?;
        out.write(&descriptor)?;
        out.write(&[header_checksum(&descriptor)])?;
        let mut table = memory::boxed(CompressTable::large())?;
        let mut made = memory::zeroed(get_maximum_output_size(BLOCK_BYTES.min(data.len())), "a block")?;
        for block in data.chunks(BLOCK_BYTES) {
            let size = compress_into_with_table(block, &mut made, &mut table);
            let size = size.map_err(|_| failed("the encoder stopped"))?;
            // A block that does not become smaller is stored uncompressed.
            let (stored, flag) = if size < block.len() { (&made[..size], 0) } else { (block, BLOCK_NOT_COMPRESSED) };
            let word = u32::try_from(stored.len()).expect("invariant: a block has 4 MiB at most") | flag;
            out.write(&word.to_le_bytes())?;
            out.write(stored)?;
        }
        out.write(&END_MARK.to_le_bytes())
    }

    fn decode(&self, data: &[u8], out: &mut Sink) -> Result<()> {
        let mut input = Input(data);
        let frame = Lz4Frame::read(&mut input)?;
        if frame.content_bytes.is_some_and(|claimed| claimed > out.room_bytes()) {
            return Err(out.overflow());
        }
        loop {
            let word = input.u32()?;
            if word == END_MARK {
                break;
            }
            let block = input.take((word & !BLOCK_NOT_COMPRESSED) as usize)?;
            if frame.has(FLG_BLOCK_CHECKSUMS) && input.u32()? != XxHash32::oneshot(0, block) {
                return Err(failed("a block does not match its checksum"));
            }
            if block.len() > frame.block_bytes_max {
                return Err(failed("a block is larger than the frame's header says"));
            }
            if word & BLOCK_NOT_COMPRESSED == 0 {
                frame.decompress(block, out)?;
            } else {
                out.write(block)?;
            }
        }
        if frame.has(FLG_CONTENT_CHECKSUM) && input.u32()? != XxHash32::oneshot(0, out.written()) {
            return Err(failed("the content does not match its checksum"));
        }
        if frame.content_bytes.is_some_and(|claimed| claimed != out.written().len() as u64) {
            return Err(failed("the content is not as long as the frame's header says"));
        }
        if !input.0.is_empty() {
            return Err(failed("bytes follow the frame"));
        }
        Ok(())
    }
}

/// What the header of a frame says.
struct Lz4Frame {
    flags: u8,
    block_bytes_max: usize,
    content_bytes: Option<u64>,
}

impl Lz4Frame {
    fn read(input: &mut Input<'_>) -> Result<Lz4Frame> {
        if input.u32()? != MAGIC {
            return Err(failed("not an LZ4 frame"));
        }
        let descriptor = input.0;
        let [flags, sizes] = *input.array::<2>()?;
        // Bits 4 to 6 are the block size; 4 to 7 are defined: 64 KiB, 256 KiB, 1 MiB, 4 MiB.
        if flags & FLG_VERSION_MASK != FLG_VERSION || sizes & 0x0F != 0 || !(4..=7).contains(&(sizes >> 4)) {
            return Err(failed("an LZ4 frame of a kind not known"));
        }
        if flags & FLG_DICTIONARY != 0 {
            return Err(failed("the frame needs a dictionary"));
        }
        let content_bytes =
            if flags & FLG_CONTENT_SIZE == 0 { None } else { Some(u64::from_le_bytes(*input.array()?)) };
        let described = &descriptor[..descriptor.len() - input.0.len()];
        let [checksum] = *input.array::<1>()?;
        if header_checksum(described) != checksum {
            return Err(failed("the frame's header does not match its checksum"));
        }
        Ok(Lz4Frame { flags, block_bytes_max: 1 << (8 + 2 * (sizes >> 4)), content_bytes })
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn decompress(&self, block: &[u8], out: &mut Sink) -> Result<()> {
        // One byte more than the room distinguishes a payload over the limit from one that reaches it.
        let room = usize::try_from(out.room_bytes()).unwrap_or(usize::MAX).saturating_add(1);
        let most = self.block_bytes_max.min(block.len().saturating_mul(RATIO_MAX));
        let mut made = buffer(most.min(room) as u64)?;
        made.resize(most.min(room), 0);
        let written = out.written();
        let before = if self.has(FLG_INDEPENDENT) { written.len() } else { written.len().saturating_sub(WINDOW_BYTES) };
        match decompress_into_with_dict(block, &mut made, &written[before..]) {
            Ok(count) => {
                made.truncate(count);
                out.put(made)
            }
            Err(DecompressError::OutputTooSmall { .. }) if room < most => Err(out.overflow()),
            Err(error) => Err(failed(error)),
        }
    }
}

/// What is left of the input.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(cut_off)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N]> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(cut_off)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(|bytes| u32::from_le_bytes(*bytes))
    }
}

fn header_checksum(described: &[u8]) -> u8 {
    let [_, checksum, ..] = XxHash32::oneshot(0, described).to_le_bytes();
    checksum
}

fn cut_off() -> Error {
    failed("the frame is cut off")
}
