//! Words at the beginning of a mapped file that threads and processes share: the commit word, and the page they wait
//! on.
#![allow(unsafe_code, reason = "mapped memory")]

use super::file::RealFile;
use super::mapping::populate;
use super::{CommitWord, sys};
use memmap2::{MmapOptions, MmapRaw};
use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The size of the page that processes share.
const SHARED_PAGE_BYTES: usize = 4096;

/// The first page of a file, mapped for its atomic words.
#[derive(Debug)]
struct FirstPage {
    map: MmapRaw,
    writable: bool,
}

impl FirstPage {
    /// Maps the first `size_bytes`, which the file must have; if writable, so that stores cannot fault for lack of
    /// room.
    fn open(file: &RealFile, size_bytes: usize, writable: bool) -> io::Result<FirstPage> {
        if file.size()? < size_bytes as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut options = MmapOptions::new();
        options.len(size_bytes);
        let map = if writable { options.map_raw(file.std())? } else { options.map_raw_read_only(file.std())? };
        if writable {
            populate(&map, 0, size_bytes)?;
        }
        Ok(FirstPage { map, writable })
    }

    /// A pointer to the aligned word of `T` at `offset`, which must lie within the page.
    fn word<T>(&self, offset: usize) -> *mut T {
        let fits = offset.checked_add(size_of::<T>()).is_some_and(|end| end <= self.map.len());
        assert!(fits && offset.is_multiple_of(align_of::<T>()), "no word at offset {offset} of the page");
        // SAFETY: the word lies within the mapping.
        unsafe { self.map.as_mut_ptr().add(offset).cast() }
    }
}

/// The commit word, in memory.
#[derive(Debug)]
pub(super) struct MappedWord(FirstPage);

impl MappedWord {
    pub(super) fn new(file: &RealFile, writable: bool) -> io::Result<MappedWord> {
        FirstPage::open(file, size_of::<u64>(), writable).map(MappedWord)
    }

    fn word(&self) -> &AtomicU64 {
        // SAFETY: aligned, mapped as long as `self`, and accessed only atomically while the log is open. A mapping that
        // is not writable is only loaded from, which is sound for words of this size.
        unsafe { AtomicU64::from_ptr(self.0.word(0)) }
    }
}

impl CommitWord for MappedWord {
    fn load(&self) -> io::Result<u64> {
        Ok(u64::from_le(self.word().load(Ordering::Acquire)))
    }

    fn store(&self, count: u64) -> io::Result<()> {
        if !self.0.writable {
            return Err(sys::error(libc::EBADF));
        }
        self.word().store(count.to_le(), Ordering::Release);
        Ok(())
    }
}

/// The first 4096 bytes of a file as words shared with every process that maps them.
#[derive(Debug)]
pub struct SharedPage(FirstPage);

impl SharedPage {
    pub(super) fn new(file: &RealFile) -> io::Result<SharedPage> {
        FirstPage::open(file, SHARED_PAGE_BYTES, true).map(SharedPage)
    }

    /// The word of 4 bytes at `offset`.
    ///
    /// # Panics
    /// When `offset` is not a multiple of 4 within the page: offsets are constants of the format.
    #[must_use]
    pub fn u32_at(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: aligned, within the page, mapped writable as long as `self`; every thread and process accesses these
        // words atomically.
        unsafe { AtomicU32::from_ptr(self.0.word(offset)) }
    }

    /// The word of 8 bytes at `offset`.
    ///
    /// # Panics
    /// When `offset` is not a multiple of 8 within the page: offsets are constants of the format.
    #[must_use]
    pub fn u64_at(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: as for `u32_at`.
        unsafe { AtomicU64::from_ptr(self.0.word(offset)) }
    }
}
