//! The system-call engine: files are only ever read and written by calls, so that no state of a file can fault the
//! host.

use super::file::RealFile;
use super::{CommitWord, File, Tail, View, room, sys};
use std::io;
use std::ops::Range;
use std::sync::atomic::{Ordering, fence};

/// How much is read at once if so much is committed.
const READ_AHEAD_BYTES: usize = 64 << 10;
/// A buffer larger than this is given back when the next load does not need it.
const KEPT_BYTES: usize = 1 << 20;

/// The end of a file, written by `pwritev`.
#[derive(Debug)]
pub(super) struct CallTail {
    file: RealFile,
    room: Range<u64>,
}

impl CallTail {
    pub(super) fn new(file: RealFile) -> CallTail {
        CallTail { file, room: 0..0 }
    }
}

impl Tail for CallTail {
    fn make_room(&mut self, from: u64, to: u64) -> io::Result<()> {
        room::check_range(from, to)?;
        if from < self.room.start || to > self.room_end() {
            let extended = room::extend(&self.file, from, to)?;
            self.room = from..extended.new_bytes;
        }
        Ok(())
    }

    fn room_end(&self) -> u64 {
        self.room.end.min(self.file.reach())
    }

    /// The limit may have been lowered since the room was made, and a write beyond it raises SIGXFSZ even inside the
    /// file.
    fn may_reach(&self, end_bytes: u64) -> io::Result<()> {
        self.file.may_reach(end_bytes)
    }

    fn put(&mut self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        room::check_put(&(self.room.start..self.room_end()), offset, parts)?;
        sys::write_parts(self.file.descriptor(), offset, parts)
    }

    fn store_parts(&mut self, _offset: u64, _parts: &[&[u8]]) -> Option<&[u8]> {
        None
    }
}

/// A reader's buffer.
///
/// Invariants:
/// 1. `buffer[..filled_bytes]` are the bytes of the file from `start` on.
/// 2. `loaded` lies within `..filled_bytes`.
#[derive(Debug)]
pub(super) struct BufferedView {
    file: RealFile,
    buffer: Vec<u8>,
    /// Where in the file the buffer begins, and how much of it is filled.
    start: u64,
    filled_bytes: usize,
    /// The loaded bytes, within the buffer.
    loaded: Range<usize>,
}

impl BufferedView {
    pub(super) fn new(file: RealFile) -> BufferedView {
        BufferedView { file, buffer: Vec::new(), start: 0, filled_bytes: 0, loaded: 0..0 }
    }

    /// The place of the range in the buffer, if all of it is there.
    fn find(&self, offset: u64, size_bytes: usize) -> Option<Range<usize>> {
        let begin = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        let end = begin.checked_add(size_bytes)?;
        (end <= self.filled_bytes).then_some(begin..end)
    }

    /// Makes the buffer at least `size_bytes` long.
    fn reserve(&mut self, size_bytes: usize) -> io::Result<()> {
        if self.buffer.len() > KEPT_BYTES && size_bytes <= READ_AHEAD_BYTES {
            self.buffer = Vec::new();
        }
        if self.buffer.len() < size_bytes {
            let missing = size_bytes - self.buffer.len();
            self.buffer.try_reserve_exact(missing).map_err(|_| sys::error(libc::ENOMEM))?;
            self.buffer.resize(size_bytes, 0);
        }
        Ok(())
    }
}

impl View for BufferedView {
    fn load(&mut self, offset: u64, size_bytes: usize, committed_end: u64) -> io::Result<()> {
        if let Some(found) = self.find(offset, size_bytes) {
            self.loaded = found;
            return Ok(());
        }
        (self.loaded, self.filled_bytes) = (0..0, 0);
        // The file's size is asked before anything is allocated, because a wrong size may be any number.
        let end = offset.checked_add(size_bytes as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        if end > self.file.size()? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let readable = usize::try_from(committed_end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = size_bytes.max(readable.min(READ_AHEAD_BYTES));
        self.reserve(wanted)?;
        let target = &mut self.buffer[..wanted];
        self.filled_bytes = self.file.read_at(offset, target)?;
        self.start = offset;
        self.loaded = self.find(offset, size_bytes).ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(())
    }

    fn loaded(&self) -> &[u8] {
        &self.buffer[self.loaded.clone()]
    }
}

/// The commit word, read and written by calls of 8 bytes.
#[derive(Debug)]
pub(super) struct CallWord {
    file: RealFile,
    writable: bool,
}

impl CallWord {
    pub(super) fn new(file: RealFile, writable: bool) -> io::Result<CallWord> {
        let word = CallWord { file, writable };
        word.read()?;
        Ok(word)
    }

    fn read(&self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        if self.file.read_at(0, &mut bytes)? < bytes.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(u64::from_le_bytes(bytes))
    }
}

impl CommitWord for CallWord {
    /// Not every file system serialises a read with a write of another process. Two reads that agree were not torn.
    fn load(&self) -> io::Result<u64> {
        let mut last = self.read()?;
        loop {
            let again = self.read()?;
            if again == last {
                // Nothing says that the kernel orders what it copies. The records may be read from a mapping.
                fence(Ordering::Acquire);
                return Ok(again);
            }
            last = again;
        }
    }

    fn store(&self, count: u64) -> io::Result<()> {
        if !self.writable {
            return Err(sys::error(libc::EBADF));
        }
        // The records and entries before the count that counts them: see `load`.
        fence(Ordering::Release);
        self.file.write_unchecked(0, &count.to_le_bytes())
    }
}
