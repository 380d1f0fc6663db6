//! Where the next frames go in the journal. They are gathered in memory while they are staged, and become one write.

use crate::error::{Result, no_memory};
use crate::format::journal::{
    FRAME_HEADER_BYTES, FRAME_HEADER_SIZE_BYTES, Frame, HalfHeader, body_bytes_max, half_offsets,
};
use crate::format::number::Base;
use crate::format::{LogId, PAGE_SIZE_BYTES};
use crate::storage::File;
use crate::util::random;
use crate::util::sync::Arc;

/// The journal of one writer. Frames are pushed in the order of their records.
///
/// Invariants:
/// 1. `position <= half_end`: a frame is pushed only after `find_room` has found room for it.
/// 2. While `pending` is not empty, it goes to the bytes of the file from `pending_at` to `position`.
/// 3. A half is begun only while no frame is pending, and after a synced checkpoint covers the frames that the half
///    has.
/// 4. `sequence` counts the frames over both halves, and `generation` the halves begun: neither goes back.
#[derive(Debug)]
pub struct Journal {
    pub file: Arc<dyn File>,
    size_bytes: u64,
    log_id: LogId,
    epoch: u64,
    /// The base of the segment whose records the frames hold.
    base: Base,
    /// Generation of the half being filled; 0 before the first.
    generation: u64,
    salt: u64,
    /// Where in the file the next frame goes, and where its half ends.
    position: u64,
    half_end: u64,
    sequence: u64,
    /// For each half: the count after its last frame.
    counts: [u64; 2],
    /// Frames that are pushed and not yet taken, and where they go.
    pending: Vec<u8>,
    pending_at: u64,
    pending_frames: u64,
}

/// Where a frame finds room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameRoom {
    /// After the frames pushed before.
    Here,
    /// In the other half, once the pending frames are taken.
    AfterPending,
    /// In the other half, once a checkpoint covers the frames it has.
    AfterCheckpoint,
}

/// Frames as one write.
#[derive(Debug)]
pub struct Write {
    pub at: u64,
    pub bytes: Vec<u8>,
}

impl Journal {
    pub fn new(file: Arc<dyn File>, size_bytes: u64, log_id: LogId, epoch: u64, base: Base) -> Journal {
        Journal {
            file,
            size_bytes,
            log_id,
            epoch,
            base,
            generation: 0,
            salt: 0,
            position: 0,
            half_end: 0,
            sequence: 0,
            counts: [0; 2],
            pending: Vec::new(),
            pending_at: 0,
            pending_frames: 0,
        }
    }

    /// How long the file is.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Whether records of `length_bytes` are too long for any frame.
    pub fn is_too_long(&self, length_bytes: u64) -> bool {
        length_bytes > body_bytes_max(self.size_bytes) as u64
    }

    /// Finds room for a frame with a body of `body_bytes` (not too long) whose records begin at `number` and `offset`.
    /// Begins the other half if `covered_count`, which a synced checkpoint covers, allows it. After [`FrameRoom::Here`]
    /// the frame can be pushed.
    pub fn find_room(&mut self, body_bytes: usize, number: u64, offset: u64, covered_count: u64) -> Result<FrameRoom> {
        if self.position + FRAME_HEADER_SIZE_BYTES + body_bytes as u64 > self.half_end {
            if self.pending_frames > 0 {
                return Ok(FrameRoom::AfterPending);
            }
            if self.wants_checkpoint(covered_count) {
                return Ok(FrameRoom::AfterCheckpoint);
            }
            self.reserve(PAGE_SIZE_BYTES + FRAME_HEADER_BYTES + body_bytes)?;
            self.begin_half(number, offset)?;
        }
        self.reserve(FRAME_HEADER_BYTES + body_bytes)?;
        Ok(FrameRoom::Here)
    }

    /// Whether the half that is not being filled waits for a checkpoint beyond `covered_count`.
    pub fn wants_checkpoint(&self, covered_count: u64) -> bool {
        self.counts[half_of(self.generation + 1)] > covered_count
    }

    fn reserve(&mut self, bytes: usize) -> Result<()> {
        self.pending.try_reserve(bytes).map_err(|_| no_memory("journal frames", bytes as u64))
    }

    fn begin_half(&mut self, first_number: u64, first_offset: u64) -> Result<()> {
        let salt = u64::from_le_bytes(random::bytes()?);
        self.generation += 1;
        self.salt = salt;
        let header = HalfHeader {
            journal_size_bytes: self.size_bytes,
            log_id: self.log_id,
            epoch: self.epoch,
            generation: self.generation,
            salt,
            first_number,
            first_offset,
            base: self.base,
        };
        let start = half_offsets(self.size_bytes)[half_of(self.generation)];
        self.half_end = start + self.size_bytes / 2;
        self.pending.clear();
        self.pending.extend_from_slice(&header.encode());
        self.pending_at = start;
        self.position = start + self.pending.len() as u64;
        Ok(())
    }

    /// Adds the frame of one commit; `bytes` are the size words and payloads, none if it is in place.
    pub fn push(&mut self, frame: Frame, bytes: &[&[u8]]) {
        let frame = Frame { sequence: self.sequence, ..frame };
        if self.pending.is_empty() {
            self.pending_at = self.position;
        }
        self.pending.extend_from_slice(&frame.encode(self.salt, bytes));
        for part in bytes {
            self.pending.extend_from_slice(part);
        }
        self.position = self.pending_at + self.pending.len() as u64;
        self.sequence += 1;
        self.pending_frames += 1;
        self.counts[half_of(self.generation)] = frame.first_number + frame.count;
    }

    /// Takes all pending frames. `spare`, an old buffer, gets the frames that come next.
    pub fn take(&mut self, mut spare: Vec<u8>) -> Write {
        spare.clear();
        self.pending_frames = 0;
        Write { at: self.pending_at, bytes: std::mem::replace(&mut self.pending, spare) }
    }
}

/// The half that generation `generation` fills, from 1 on.
fn half_of(generation: u64) -> usize {
    usize::from(generation.is_multiple_of(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::simulated::Simulated;

    #[test]
    fn each_half_begun_has_another_salt() {
        let file = Simulated::new().storage().scratch().unwrap();
        let mut journal = Journal::new(file, 64 << 10, [0; 16], 1, Base::FIRST);
        let mut salt_of_next_half = || {
            journal.begin_half(0, 8).unwrap();
            let write = journal.take(Vec::new());
            HalfHeader::decode(write.bytes.first_chunk().unwrap()).unwrap().salt
        };
        assert_ne!(salt_of_next_half(), salt_of_next_half());
    }
}
