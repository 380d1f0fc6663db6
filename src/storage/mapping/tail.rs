//! The end of a file, which one writer fills by stores: its window, and the room that was made writable in it.
#![allow(unsafe_code, reason = "mapped memory")]

use super::ahead::{FilledEnd, WritableEnd};
use super::zeros::{self, ZEROS_BYTES_MAX};
use super::{Window, populate};
use crate::storage::engine::PAGE_BYTES_MAX;
use crate::storage::file::RealFile;
use crate::storage::{Tail, room};
use crate::util::sync::Arc;
use std::io;
use std::ops::Range;

/// Pages are made writable in steps that end at multiples of this, so that most appends make no system call.
const POPULATE_STEP_BYTES: u64 = ZEROS_BYTES_MAX as u64;
const _: () = assert!(POPULATE_STEP_BYTES.is_multiple_of(PAGE_BYTES_MAX));
/// How far beyond what is written another thread makes pages writable.
pub const ROOM_AHEAD_BYTES: u64 = 8 << 20;

/// A writer's window, and how far its pages are writable.
///
/// Invariants:
/// 1. The pages of `room_start..writable_end` lie in the window and were made writable. Those beyond the reach of the
///    file were cut off since. They are no room, and `make_room` lowers `writable_end` before it extends the file
///    again.
/// 2. Only the tail lowers `writable_end`, to the end of a file that was cut. A thread that makes room ahead raises it
///    to an end that the file had when the tail was asked, and no refused extension cuts the file below that.
#[derive(Debug)]
struct WriteWindow {
    file: RealFile,
    window: Window,
    filled_end: Arc<FilledEnd>,
    room_start: u64,
    writable_end: WritableEnd,
}

impl WriteWindow {
    fn open(file: &RealFile, range: &Range<u64>, filled_end: Arc<FilledEnd>) -> io::Result<WriteWindow> {
        let window = Window::open(file, range, true)?;
        let (room_start, writable_end) = (range.start, WritableEnd::new(range.start));
        Ok(WriteWindow { file: file.clone(), window, filled_end, room_start, writable_end })
    }

    /// Makes the pages up to `end`, which must lie within the file, writable without a fault that could fail. `goes_on`
    /// is asked before each step.
    fn populate_to(&self, end: u64, goes_on: impl Fn() -> bool) -> io::Result<()> {
        self.writable_end.raise(end, POPULATE_STEP_BYTES, |step| {
            if !goes_on() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            // What stands in the way of zeros is no failure: the pages are then made when they are populated.
            self.filled_end.fill(step, |rest| drop(zeros::write(&self.file, rest)));
            match (self.window.place(step.start), self.window.place(step.end)) {
                (Some(begin), Some(stop)) => populate(&self.window.map, begin, stop - begin),
                _ => Err(io::ErrorKind::InvalidInput.into()),
            }
        })
    }
}

/// Room that a thread without the tail can make, so that the writer need not.
#[derive(Debug)]
pub struct RoomAhead {
    window: Arc<WriteWindow>,
    end: u64,
}

impl RoomAhead {
    /// Makes the room, as long as `goes_on` says so before each step, and returns whether it could. A refusal changes
    /// nothing: the writer meets it when it needs the room.
    pub fn make(&self, goes_on: impl Fn() -> bool) -> bool {
        self.window.populate_to(self.end, goes_on).is_ok()
    }
}

/// The end of a file, written by stores.
///
/// Invariants:
/// 1. What is put lies in the room of `window`, so a store there needs no room on the disk.
/// 2. What is put ends at `room_end` at the latest, which a cut through the same open file lowers.
/// 3. No thread or process but the one that has the tail writes there.
#[derive(Debug)]
pub(in crate::storage) struct MappedTail {
    file: RealFile,
    filled_end: Arc<FilledEnd>,
    window: Option<Arc<WriteWindow>>,
    /// The bytes that have blocks of their own.
    allocated: Range<u64>,
}

impl MappedTail {
    pub(in crate::storage) fn new(file: RealFile) -> io::Result<MappedTail> {
        let filled_end = Arc::new(FilledEnd::new())?;
        Ok(MappedTail { file, filled_end, window: None, allocated: 0..0 })
    }

    /// Where the blocks end on which this tail may make room.
    fn blocks_end(&self) -> u64 {
        self.allocated.end.min(self.file.reach())
    }

    /// The bytes that can be put.
    #[inline]
    fn room(&self) -> Range<u64> {
        self.window.as_ref().map_or(0..0, |window| window.room_start..window.writable_end.get().min(self.file.reach()))
    }

    /// Where `size_bytes` from `offset` on are in memory, if they lie in the room: in the window and in the file, on
    /// pages that are writable. No other thread or process writes there (one tail per file, one writer per log), and
    /// none reads there before the commit word covers the bytes.
    #[inline]
    fn place_in_room(&self, offset: u64, size_bytes: usize) -> Option<*mut u8> {
        let end = offset.checked_add(size_bytes as u64)?;
        let window = self.window.as_ref()?;
        if offset < window.room_start || end > window.writable_end.get().min(self.file.reach()) {
            return None;
        }
        // SAFETY: `place` returns only places in the mapping, and the room, where `end` lies, is in the window.
        Some(unsafe { window.window.map.as_mut_ptr().add(window.window.place(offset)?) })
    }

    /// Maps and populates `from..to`, and beyond it up to the next step, as far as blocks are allocated.
    fn open_room(&mut self, from: u64, to: u64) -> io::Result<()> {
        let is_usable = |window: &&Arc<WriteWindow>| window.room_start <= from && window.window.covers(&(from..to));
        let window = if let Some(window) = self.window.as_ref().filter(is_usable) {
            Arc::clone(window)
        } else {
            self.file.check()?;
            Arc::new(WriteWindow::open(&self.file, &(from..to), Arc::clone(&self.filled_end))?)?
        };
        let step_end = to.checked_next_multiple_of(POPULATE_STEP_BYTES).unwrap_or(to);
        window.populate_to(step_end.min(self.blocks_end()).min(window.window.end()), || true)?;
        self.window = Some(window);
        Ok(())
    }
}

impl Drop for MappedTail {
    /// A file without a tail may be cut, which a write of zeros would undo.
    fn drop(&mut self) {
        self.filled_end.stop();
    }
}

impl Tail for MappedTail {
    fn make_room(&mut self, from: u64, to: u64) -> io::Result<()> {
        room::check_range(from, to)?;
        if let Some(window) = &self.window {
            // Pages that were cut off are no longer writable: before the file is extended again, which hides the cut.
            window.writable_end.lower(self.file.reach());
        }
        let room = self.room();
        if room.start <= from && to <= room.end {
            return Ok(());
        }
        if self.allocated.start <= from && !self.must_extend(to) {
            return self.open_room(from, to);
        }
        let before = self.allocated.clone();
        let extended = room::extend(&self.file, from, to)?;
        self.allocated = from..extended.new_bytes;
        self.open_room(from, to).map_err(|refusal| {
            self.allocated = before;
            room::cut_back(&self.file, extended.old_bytes, refusal)
        })
    }

    fn room_end(&self) -> u64 {
        self.room().end
    }

    fn must_extend(&self, to: u64) -> bool {
        to > self.blocks_end()
    }

    fn room_ahead(&self, from: u64) -> Option<RoomAhead> {
        let window = self.window.as_ref()?;
        let possible = self.blocks_end().min(window.window.end());
        let wanted = from.saturating_add(ROOM_AHEAD_BYTES).checked_next_multiple_of(POPULATE_STEP_BYTES)?;
        let end = wanted.min(possible);
        (end > window.writable_end.get()).then(|| RoomAhead { window: Arc::clone(window), end })
    }

    fn put(&mut self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        self.store_parts(offset, parts).map(drop).ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    fn store_parts(&mut self, offset: u64, parts: &[&[u8]]) -> Option<&[u8]> {
        let size_bytes = parts.iter().try_fold(0_usize, |sum, part| sum.checked_add(part.len()))?;
        let begin = self.place_in_room(offset, size_bytes)?;
        let mut at = begin;
        for part in parts {
            // SAFETY: all parts lie in the room; see `MappedTail::place_in_room`. The sources are ordinary memory,
            // never a mapping of bytes not yet committed.
            at = unsafe {
                at.copy_from_nonoverlapping(part.as_ptr(), part.len());
                at.add(part.len())
            };
        }
        // SAFETY: the bytes were stored just now, and do not change while they are borrowed: this tail stores others
        // only when it is borrowed again.
        Some(unsafe { std::slice::from_raw_parts(begin, size_bytes) })
    }

    #[inline]
    fn store_word_and_bytes(&mut self, offset: u64, word: u64, bytes: &[u8]) -> Option<&[u8]> {
        let word = word.to_le_bytes();
        let size_bytes = word.len().checked_add(bytes.len())?;
        let begin = self.place_in_room(offset, size_bytes)?;
        // SAFETY: as in `store_parts`. An array of bytes needs no alignment.
        unsafe {
            begin.cast::<[u8; size_of::<u64>()]>().write(word);
            begin.add(word.len()).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            Some(std::slice::from_raw_parts(begin, size_bytes))
        }
    }

    #[inline]
    fn store_words(&mut self, offset: u64, first: u64, second: u64, third: u64) -> Option<()> {
        let words = [first, second, third].map(u64::to_le_bytes);
        let begin = self.place_in_room(offset, words.as_flattened().len())?;
        // SAFETY: as in `store_parts`. Arrays of bytes need no alignment.
        unsafe { begin.cast::<[[u8; size_of::<u64>()]; 3]>().write(words) };
        Some(())
    }
}
