//! The mapping engine: bytes are stored into and read from shared mappings, whose pages are made writable ahead of the
//! stores. `tail` has the writer's end of a file, `view` a reader's place in it; this module has what both map.
//!
//! Mapped memory is shared with other threads and processes, so references are made only to bytes that do not change
//! while they are borrowed: bytes that are committed, and bytes that the writer has just stored. Everything else is
//! copied through pointers. Pages beyond the end of the file fault when touched: every access is checked against a size
//! the file is known to have.
#![allow(unsafe_code, reason = "mapped memory")]

mod ahead;
mod tail;
mod view;
mod zeros;

pub(super) use tail::MappedTail;
pub use tail::{ROOM_AHEAD_BYTES, RoomAhead};
pub(super) use view::MappedView;

use super::engine::PAGE_BYTES_MAX;
use super::file::RealFile;
use super::sys;
use memmap2::{Advice, MmapOptions, MmapRaw};
use std::io;
use std::ops::Range;

/// The address space of a reader's window, if the process may have that much.
const VIEW_BYTES: u64 = 64 << 20;
/// The address space of a writer's window: larger, because giving up a window costs as much as filling it.
const TAIL_BYTES: u64 = 256 << 20;
/// Windows begin at multiples of this: of pages of any size, and of huge pages on a machine with pages of 4 KiB.
const WINDOW_ALIGNMENT_BYTES: u64 = 2 << 20;
const _: () = assert!(WINDOW_ALIGNMENT_BYTES.is_multiple_of(PAGE_BYTES_MAX));

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
            match Window::map(file, start, wanted, writable) {
                Err(refusal) if refusal.raw_os_error() == Some(libc::ENOMEM) && wanted > least => {
                    wanted = (wanted / 2).max(least);
                }
                mapped => return mapped,
            }
        }
    }

    fn map(file: &RealFile, start: u64, size_bytes: u64, writable: bool) -> io::Result<Window> {
        let mut options = MmapOptions::new();
        options.offset(start).len(usize::try_from(size_bytes).map_err(|_| sys::error(libc::ENOMEM))?);
        let map = if writable { options.map_raw(file.std())? } else { options.map_raw_read_only(file.std())? };
        if writable && fits_huge_pages(sys::page_bytes()) {
            // Only advice: a kernel without huge pages in files refuses it, and loses nothing but speed.
            let _ = map.advise(Advice::HugePage);
        }
        Ok(Window { map, start })
    }

    fn end(&self) -> u64 {
        self.start.saturating_add(self.map.len() as u64)
    }

    fn covers(&self, range: &Range<u64>) -> bool {
        self.start <= range.start && range.end <= self.end()
    }

    /// Advises the kernel that the window will be read sequentially. The kernel then reads ahead from a missing page.
    /// Without the advice it reads the pages around that page (`do_sync_mmap_readahead` in its `mm/filemap.c`).
    fn advise_sequential(&self) {
        // A refusal costs nothing but speed.
        let _ = self.map.advise(Advice::Sequential);
    }

    /// Asks the processor to fetch into its cache those bytes of `range` that lie in the window.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    fn prefetch(&self, range: Range<usize>) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        const CACHE_LINE_BYTES: usize = 64;
        for line in (range.start..range.end.min(self.map.len())).step_by(CACHE_LINE_BYTES) {
            // SAFETY: the address is in the mapping, and a prefetch faults nowhere.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(self.map.as_ptr().add(line).cast()) };
        }
    }

    /// Only a hint, which this processor is not given: nothing was measured on it.
    #[cfg(not(target_arch = "x86_64"))]
    #[expect(clippy::unused_self, reason = "as the one above")]
    fn prefetch(&self, _range: Range<usize>) {}

    /// Where the byte at `offset` of the file is in the window; the end of the window counts as in it.
    fn place(&self, offset: u64) -> Option<usize> {
        usize::try_from(offset.checked_sub(self.start)?).ok().filter(|place| *place <= self.map.len())
    }
}

/// Whether windows and files are laid out for huge pages, where a page has `page_bytes`. A huge page has as many pages
/// as a page has page table entries: 2 MiB of pages of 4 KiB, 32 MiB of 16 KiB, 512 MiB of 64 KiB. For files advised to
/// use huge pages, the kernel may read or allocate a whole one at the first touch.
fn fits_huge_pages(page_bytes: u64) -> bool {
    const TABLE_ENTRY_BYTES: u64 = 8;
    page_bytes * (page_bytes / TABLE_ENTRY_BYTES) <= WINDOW_ALIGNMENT_BYTES
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huge_pages_are_advised_only_where_they_are_as_small_as_the_steps_in_which_files_grow() {
        assert!(fits_huge_pages(4 << 10));
        assert!(!fits_huge_pages(16 << 10) && !fits_huge_pages(64 << 10));
    }
}
