//! A reader's place in a file: a window that follows the reader, or that is over the whole file.
#![allow(unsafe_code, reason = "mapped memory")]

use super::{VIEW_BYTES, Window};
use crate::storage::file::RealFile;
use crate::storage::syscall::BufferedView;
use crate::storage::{View, sys};
use std::io;
use std::ops::Range;

/// The most address space that a window over a whole file takes. Each reader may have two such windows.
const WHOLE_BYTES_MAX: u64 = 4 << 30;
/// The most that a reader leaves out where its stream goes on: the records that other readers of the stream hold.
const GAP_BYTES: usize = 2 << 20;
/// How far beyond the loaded bytes the processor fetches others into its cache for a reader that goes on.
const PREFETCH_DISTANCE_BYTES: usize = 2 << 10;
/// The most that the processor is asked to fetch for one load.
const PREFETCH_BYTES_MAX: usize = 1 << 10;

/// A reader's window. Bytes on pages that could be missing are read into a buffer.
///
/// Invariants:
/// 1. `loaded` lies in `window`, below `known_bytes`, and in `dense`. Where `buffered` is there, `loaded` is empty.
/// 2. `known_bytes` and `dense` hold what was found once: committed bytes are not cut off.
/// 3. Where `is_whole` is set, `window` begins where the file begins, and is replaced only when the file outgrows it.
#[derive(Debug)]
pub(in crate::storage) struct MappedView {
    file: RealFile,
    /// Whether the window is always over the whole file.
    is_whole: bool,
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
    pub(in crate::storage) fn new(file: RealFile) -> MappedView {
        let dense = if file.has_costly_holes() { 0..0 } else { 0..u64::MAX };
        MappedView { file, is_whole: false, window: None, known_bytes: 0, dense, loaded: 0..0, buffered: None }
    }

    /// A view whose window is over the whole file. A load fails where there can be no such window.
    pub(in crate::storage) fn whole(file: RealFile) -> MappedView {
        MappedView { is_whole: true, ..MappedView::new(file) }
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
            let (jumps, goes_on) = self.window.take().map_or((false, false), |before| {
                // The window before is dropped here, so that the address space of one is enough.
                let begins_within = |gap_bytes| (before.start..before.end() + gap_bytes).contains(&range.start);
                (!begins_within(VIEW_BYTES), begins_within(GAP_BYTES as u64))
            });
            let window = self.open_window(range, jumps)?;
            if goes_on {
                window.advise_sequential();
            }
            self.window = Some(window);
        }
        Ok(())
    }

    /// A window around `range`. A reader that jumps gets one over the whole file, since it will jump again. The
    /// file must not be too large, and nothing must limit the address space.
    ///
    /// # Errors
    /// No window over the whole file, where nothing else will do; or the system refuses the mapping.
    fn open_window(&self, range: &Range<u64>, jumps: bool) -> io::Result<Window> {
        let whole_bytes = self.known_bytes.saturating_add(VIEW_BYTES);
        if (jumps || self.is_whole)
            && whole_bytes <= WHOLE_BYTES_MAX
            && !sys::is_address_space_limited()
            && let Ok(whole) = Window::map(&self.file, 0, whole_bytes, false)
        {
            return Ok(whole);
        }
        if self.is_whole { Err(io::ErrorKind::Unsupported.into()) } else { Window::open(&self.file, range, false) }
    }
}

impl View for MappedView {
    fn load(&mut self, offset: u64, size_bytes: usize, committed_end: u64) -> io::Result<()> {
        let end_before = std::mem::take(&mut self.loaded).end;
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
        if let Some(window) = &self.window {
            // Not beyond the committed bytes, where the writer is about to store.
            let committed = window.place(committed_end).unwrap_or(window.map.len());
            // A reader that went on will go on. One that jumped needs these bytes at once.
            let goes_on = (end_before..=end_before + GAP_BYTES).contains(&begin);
            let first = if goes_on { self.loaded.end + PREFETCH_DISTANCE_BYTES } else { begin };
            window.prefetch(first..committed.min(first + size_bytes.min(PREFETCH_BYTES_MAX)));
        }
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
