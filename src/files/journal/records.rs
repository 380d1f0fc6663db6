//! Looking single records up in a journal's frames: their bytes, and where in the record file they belong.

use super::read::{FoundJournal, FrameBody, Frames, Half};
use crate::error::Result;
use crate::format::journal::Frame;
use crate::format::log::{SIZE_WORD_BYTES, Word, value_of};

impl FoundJournal {
    /// A search for single records in the journal.
    pub fn records(&self) -> Records<'_> {
        Records { found: self, halves: self.halves.iter(), frames: None, frame: None }
    }
}

/// Looks records up in the frames, in the order of their numbers.
#[derive(Debug)]
pub struct Records<'a> {
    found: &'a FoundJournal,
    halves: std::slice::Iter<'a, Half>,
    frames: Option<Frames<'a>>,
    /// The records of the frame read last.
    frame: Option<FrameRecords<'a>>,
}

/// The records of one frame, in order. Only their size words are read.
#[derive(Clone, Copy, Debug)]
struct FrameRecords<'a> {
    found: &'a FoundJournal,
    frame: Frame,
    /// Where the frame's bytes begin in the journal.
    body_at: u64,
    /// The number of the next record, and where that record begins in the journal.
    next: u64,
    at: u64,
}

impl<'a> FrameRecords<'a> {
    /// Where in the record file the next record belongs.
    fn offset(&self) -> u64 {
        self.frame.offset + (self.at - self.body_at)
    }

    /// Takes the next record; `None` when the frame has no more of them.
    fn take(&mut self) -> Result<Option<FrameBody<'a>>> {
        let left_bytes = self.body_at + self.frame.body_bytes() - self.at;
        let mut size_word = Word::default();
        if left_bytes == 0 || !self.found.read_at(self.at, &mut size_word)? {
            return Ok(None);
        }
        let size_bytes = value_of(&size_word).checked_add(SIZE_WORD_BYTES);
        let Some(size_bytes) = size_bytes.filter(|size_bytes| *size_bytes <= left_bytes) else { return Ok(None) };
        let record = FrameBody { found: self.found, at: self.at, size_bytes, loaded: &[] };
        (self.next, self.at) = (self.next + 1, self.at + size_bytes);
        Ok(Some(record))
    }
}

impl<'a> Records<'a> {
    /// The offset and the bytes of record `number`, size word included; `None` when no frame has them. Each call must
    /// ask for a later record.
    pub fn get(&mut self, number: u64) -> Result<Option<(u64, FrameBody<'a>)>> {
        while let Some(records) = self.frame_to(number + 1)?.filter(|records| records.next <= number) {
            let (this, offset) = (records.next, records.offset());
            let Some(record) = records.take()? else { break };
            if this == number {
                return Ok(Some((offset, record)));
            }
        }
        Ok(None)
    }

    /// The first record, from `number` on, whose beginning a frame states, and the offset of that beginning. The end of
    /// a frame counts as such a beginning, too. Each call must ask for a later record.
    pub fn place(&mut self, number: u64) -> Result<Option<(u64, u64)>> {
        while let Some(records) = self.frame_to(number)? {
            if records.next >= number {
                return Ok(Some((records.next, records.offset())));
            }
            if records.take()?.is_none() {
                return Ok(records.frame.end_number().zip(records.frame.end()));
            }
        }
        Ok(None)
    }

    /// The frame whose records reach up to the one before `number`, or beyond; `None` when there is none.
    fn frame_to(&mut self, number: u64) -> Result<Option<&mut FrameRecords<'a>>> {
        while self.frame.is_none_or(|records| records.frame.end_number().is_none_or(|end| end < number)) {
            if !self.advance()? {
                return Ok(None);
            }
        }
        Ok(self.frame.as_mut())
    }

    /// Reads the next frame; `false` when there is none.
    fn advance(&mut self) -> Result<bool> {
        loop {
            if let Some(frames) = &mut self.frames
                && let Some((frame, body)) = frames.next()?
            {
                let (body_at, next) = (body.at, frame.first_number);
                self.frame = Some(FrameRecords { found: self.found, frame, body_at, next, at: body_at });
                return Ok(true);
            }
            // A half that came to its end is not read again.
            self.frames = self.halves.next().map(|half| self.found.frames(half));
            if self.frames.is_none() {
                return Ok(false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::files::journal::{FoundJournal, find};
    use crate::format::journal::{Frame, HalfHeader};
    use crate::format::number::Base;
    use crate::storage::simulated::Simulated;

    const JOURNAL_BYTES: u64 = 1 << 20;
    const HALF: HalfHeader = HalfHeader {
        journal_size_bytes: JOURNAL_BYTES,
        log_id: *b"0123456789abcdef",
        epoch: 3,
        generation: 1,
        salt: 7,
        first_number: 5,
        first_offset: 100,
        base: Base::FIRST,
    };

    /// A journal whose first half has `frames`, each with its bytes.
    fn journal(disk: &Simulated, frames: &[(Frame, &[u8])]) -> FoundJournal {
        let mut file = HALF.encode().to_vec();
        for (frame, body) in frames {
            file.extend(frame.encode(HALF.salt, &[body]));
            file.extend(*body);
        }
        file.resize(1 << 20, 0);
        disk.write_file("a.wal", &file);
        find(disk.storage().as_ref(), "a", Base::FIRST).unwrap().unwrap()
    }

    fn frame(sequence: u64, first_number: u64, count: u64, offset: u64, length_bytes: u64) -> Frame {
        Frame { length_bytes, in_place: false, sequence, first_number, count, offset, time_ns: 0 }
    }

    /// Three records, of which the second is empty, and two of which the first claims more than there is.
    const THREE: &[u8] = b"\x03\0\0\0\0\0\0\0abc\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0z";
    const TOO_LONG: &[u8] = b"\x09\0\0\0\0\0\0\0abcdefgh";

    #[test]
    fn records_are_found_by_their_numbers_and_so_are_their_places() {
        let in_place = Frame { in_place: true, ..frame(1, 8, 2, 128, 5000) };
        let frames = [(frame(0, 5, 3, 100, 28), THREE), (in_place, b""), (frame(2, 10, 2, 5128, 16), TOO_LONG)];
        let disk = Simulated::new();
        let found = journal(&disk, &frames);
        let mut records = found.records();
        let mut get = |number| records.get(number).unwrap().map(|(offset, body)| (offset, body.size_bytes()));
        assert_eq!((get(4), get(6), get(7)), (None, Some((111, 8)), Some((119, 9))));
        assert_eq!((get(8), get(10), get(11), get(12)), (None, None, None, None), "in place, damaged, beyond");
        let mut records = found.records();
        let mut place = |number| records.place(number).unwrap();
        assert_eq!(
            (place(2), place(6), place(7), place(8)),
            (Some((5, 100)), Some((6, 111)), Some((7, 119)), Some((8, 128)))
        );
        assert_eq!((place(9), place(10), place(11)), (Some((10, 5128)), Some((10, 5128)), Some((12, 5144))));
        assert_eq!(place(13), None);
    }

    #[test]
    fn a_frame_that_does_not_verify_is_read_once_however_many_records_are_asked_for() {
        const CLAIMED: u64 = JOURNAL_BYTES / 4;
        let disk = Simulated::new();
        let found = journal(&disk, &[(frame(0, 5, 1, 100, CLAIMED), b"")]);
        let (mut records, before) = (found.records(), disk.read_bytes());
        for number in 5..100 {
            assert!(records.get(number).unwrap().is_none());
        }
        let read = disk.read_bytes() - before;
        assert!((CLAIMED..2 * CLAIMED).contains(&read), "{read} bytes");
    }
}
