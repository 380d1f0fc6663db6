//! The mapping engine: bytes are stored into and read from shared mappings, whose pages are made writable ahead of the
//! stores.
//!
//! Mapped memory is shared with other threads and processes, so the only references made to it are to bytes that are
//! committed and never change again. Everything else is copied through pointers. Pages beyond the end of the file fault
//! when touched: every access is checked against a size the file is known to have.
#![allow(unsafe_code, reason = "mapped memory")]

use super::file::RealFile;
use super::syscall::BufferedView;
use super::{Tail, View, room, sys};
use memmap2::{Advice, MmapOptions, MmapRaw};
use std::io;
use std::ops::Range;

/// The address space of a reader's window, if the process may have that much.
const VIEW_BYTES: u64 = 64 << 20;
/// The address space of a writer's window: larger, because giving up a window costs as much as filling it.
const TAIL_BYTES: u64 = 256 << 20;
/// Windows begin at multiples of this, the size of a huge page.
const WINDOW_ALIGNMENT_BYTES: u64 = 2 << 20;
/// Pages are made writable in steps of this, so that most appends make no system call.
const POPULATE_STEP_BYTES: u64 = 1 << 20;

/// A mapped piece of a file, which may reach beyond the file's end.
#[derive(Debug)]
struct Window {
    map: MmapRaw,
    start: u64,
}

impl Window {
    /// Maps at least `range`, and [`VIEW_BYTES`] or [`TAIL_BYTES`] if the address space has room for them.
    fn open(file: &RealFile, range: &Range<u64>, writable: bool) -> io::Result<Window> {
        let start = range.start - range.start % WINDOW_ALIGNMENT_BYTES;
        let least = range.end.saturating_sub(start).max(1);
        let mut wanted = least.max(if writable { TAIL_BYTES } else { VIEW_BYTES });
        loop {
            let mut options = MmapOptions::new();
            options.offset(start).len(usize::try_from(wanted).map_err(|_| sys::error(libc::ENOMEM))?);
            match if writable { options.map_raw(file.std()) } else { options.map_raw_read_only(file.std()) } {
                Ok(map) => {
                    if writable {
                        // Only advice: a kernel without huge pages in files refuses it, and loses nothing but speed.
                        let _ = map.advise(Advice::HugePage);
                    }
                    return Ok(Window { map, start });
                }
                Err(refusal) if refusal.raw_os_error() == Some(libc::ENOMEM) && wanted > least => {
                    wanted = (wanted / 2).max(least);
                }
                Err(refusal) => return Err(refusal),
            }
        }
    }

    fn end(&self) -> u64 {
        self.start.saturating_add(self.map.len() as u64)
    }

    fn covers(&self, range: &Range<u64>) -> bool {
        self.start <= range.start && range.end <= self.end()
    }

    /// Where the byte at `offset` of the file is in the window; the end of the window counts as in it.
    fn place(&self, offset: u64) -> Option<usize> {
        usize::try_from(offset.checked_sub(self.start)?).ok().filter(|place| *place <= self.map.len())
    }

    /// Makes the pages of `range`, which must lie within the file, writable without a fault that could fail.
    fn populate(&self, range: &Range<u64>) -> io::Result<()> {
        let mut from = range.start;
        while from < range.end {
            let to = from.saturating_add(POPULATE_STEP_BYTES).min(range.end);
            match (self.place(from), self.place(to)) {
                (Some(begin), Some(end)) => populate(&self.map, begin, end - begin)?,
                _ => return Err(io::ErrorKind::InvalidInput.into()),
            }
            from = to;
        }
        Ok(())
    }
}

/// Makes the pages of `size_bytes` from `begin` of a mapping writable, so that no store to them can fault for lack of
/// room.
pub(super) fn populate(map: &MmapRaw, begin: usize, size_bytes: usize) -> io::Result<()> {
    loop {
        match map.advise_range(Advice::PopulateWrite, begin, size_bytes) {
            Err(refusal) => match refusal.raw_os_error() {
                Some(libc::EINTR | libc::EAGAIN) => {}
                // The fault would have been SIGBUS: the file system has no block for the page.
                Some(libc::EFAULT) => return Err(sys::error(libc::ENOSPC)),
                _ => return Err(refusal),
            },
            Ok(()) => return Ok(()),
        }
    }
}

/// The end of a file, written by stores.
///
/// Invariants:
/// 1. Each page of `room` lies in `window` and was made writable, so a store there needs no room on the disk.
/// 2. What is put ends at `room_end` at the latest, which a cut through the same open file lowers.
/// 3. No thread or process but the one that has the tail writes there.
#[derive(Debug)]
pub(super) struct MappedTail {
    file: RealFile,
    window: Option<Window>,
    /// The bytes that can be put: their pages are populated and lie in the window.
    room: Range<u64>,
    /// The bytes that have blocks of their own.
    allocated: Range<u64>,
}

impl MappedTail {
    pub(super) fn new(file: RealFile) -> MappedTail {
        MappedTail { file, window: None, room: 0..0, allocated: 0..0 }
    }

    /// Maps and populates `from..to`, and beyond it up to the next step, as far as blocks are allocated.
    fn open_room(&mut self, from: u64, to: u64) -> io::Result<()> {
        let fresh = match &self.window {
            Some(window) if window.covers(&(from..to)) => None,
            _ => {
                self.file.check()?;
                Some(Window::open(&self.file, &(from..to), true)?)
            }
        };
        let Some(window) = fresh.as_ref().or(self.window.as_ref()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let step_end = to.checked_next_multiple_of(POPULATE_STEP_BYTES).unwrap_or(to);
        let end = step_end.min(self.allocated.end).min(window.end());
        let continues = fresh.is_none() && self.room.contains(&from);
        window.populate(&(if continues { self.room.end } else { from }..end))?;
        self.room = if continues { self.room.start } else { from }..end;
        if fresh.is_some() {
            self.window = fresh;
        }
        Ok(())
    }
}

impl Tail for MappedTail {
    fn make_room(&mut self, from: u64, to: u64) -> io::Result<()> {
        room::check_range(from, to)?;
        if self.room.start <= from && to <= self.room_end() {
            return Ok(());
        }
        // Bytes cut off since then are no longer populated.
        self.room.end = self.room_end();
        if self.allocated.start <= from && to <= self.allocated.end.min(self.file.reach()) {
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
        self.room.end.min(self.file.reach())
    }

    fn put(&mut self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        room::check_put(&(self.room.start..self.room_end()), offset, parts)?;
        let place = self.window.as_ref().and_then(|window| Some((window, window.place(offset)?)));
        let Some((window, mut place)) = place else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        for part in parts {
            // SAFETY: all parts lie in the room, which lies in the window and in the file and is populated. No other
            // thread or process writes there (one tail per file, one writer per log), and none reads the bytes before
            // the commit word covers them. The source is ordinary memory, never a mapping of bytes not yet committed.
            unsafe { window.map.as_mut_ptr().add(place).copy_from_nonoverlapping(part.as_ptr(), part.len()) };
            place += part.len();
        }
        Ok(())
    }
}

/// A reader's window. Bytes on pages that could be missing are read into a buffer.
///
/// Invariants:
/// 1. `loaded` lies in `window`, below `known_bytes`, and in `dense`. Where `buffered` is there, `loaded` is empty.
/// 2. `known_bytes` and `dense` hold what was found once: committed bytes are not cut off.
#[derive(Debug)]
pub(super) struct MappedView {
    file: RealFile,
    window: Option<Window>,
    /// The file was at least this long when last asked.
    known_bytes: u64,
    /// Where touching a page is known to need no room: everywhere, or on tmpfs in a range without holes.
    dense: Range<u64>,
    /// The loaded bytes, within the window; none where the buffer has them.
    loaded: Range<usize>,
    buffered: Option<BufferedView>,
}

impl MappedView {
    pub(super) fn new(file: RealFile) -> MappedView {
        let dense = if file.has_costly_holes() { 0..0 } else { 0..u64::MAX };
        MappedView { file, window: None, known_bytes: 0, dense, loaded: 0..0, buffered: None }
    }

    /// Whether it is known already that no page of `range` lies in a hole.
    #[inline]
    fn is_known_dense(&self, range: &Range<u64>) -> bool {
        self.dense.start <= range.start && range.end <= self.dense.end
    }

    /// Whether no page of `range` lies in a hole. What is known only grows: a reader that follows a writer asks the
    /// system once for all pages that the writer has made writable.
    fn is_dense(&mut self, range: &Range<u64>) -> bool {
        if self.is_known_dense(range) {
            return true;
        }
        let continues = self.dense.start <= range.start && range.start <= self.dense.end;
        let start = if continues { self.dense.start } else { range.start };
        let asked = if continues { self.dense.end } else { range.start };
        // If the system does not answer, the range is read as if it lay in a hole.
        let hole = sys::next_hole(self.file.descriptor(), asked).ok().flatten().unwrap_or(asked);
        self.dense = start..hole;
        range.end <= hole
    }

    /// Maps the file around `range`. Where a page of `range` could be missing, the bytes are read into the buffer
    /// instead.
    #[cold]
    fn prepare(&mut self, range: &Range<u64>, size_bytes: usize, committed_end: u64) -> io::Result<()> {
        let covered = self.window.as_ref().is_some_and(|window| window.covers(range));
        if range.end > self.known_bytes || !covered {
            self.known_bytes = self.file.size()?;
        }
        if range.end > self.known_bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !self.is_dense(range) {
            let buffered = self.buffered.get_or_insert_with(|| BufferedView::new(self.file.clone()));
            return buffered.load(range.start, size_bytes, committed_end);
        }
        self.buffered = None;
        if !covered {
            self.window = None; // first, so that the address space of one is enough
            self.window = Some(Window::open(&self.file, range, false)?);
        }
        Ok(())
    }
}

impl View for MappedView {
    fn load(&mut self, offset: u64, size_bytes: usize, committed_end: u64) -> io::Result<()> {
        self.loaded = 0..0;
        let end = offset.checked_add(size_bytes as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        let range = offset..end;
        let covered = self.window.as_ref().is_some_and(|window| window.covers(&range));
        if !covered || end > self.known_bytes || !self.is_known_dense(&range) || self.buffered.is_some() {
            self.prepare(&range, size_bytes, committed_end)?;
            if self.buffered.is_some() {
                return Ok(());
            }
        }
        let begin = self.window.as_ref().and_then(|window| window.place(offset));
        let begin = begin.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.loaded = begin..begin + size_bytes;
        Ok(())
    }

    fn loaded(&self) -> &[u8] {
        if let Some(buffered) = &self.buffered {
            return buffered.loaded();
        }
        let Some(window) = &self.window else {
            debug_assert!(self.loaded.is_empty(), "what is loaded lies in a window");
            return &[];
        };
        // SAFETY: `load` checked that the range lies in the window and in the file and that its pages exist. Its caller
        // checked that the range is committed and so never changes again. The window stays mapped until the next `load`
        // or the drop, which borrow the view mutably.
        unsafe { std::slice::from_raw_parts(window.map.as_ptr().add(self.loaded.start), self.loaded.len()) }
    }
}
