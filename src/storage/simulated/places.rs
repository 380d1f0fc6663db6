//! A process's places in a simulated file: the tail, a view, the commit word.

use super::handles::SimulatedFile;
use crate::storage::room::{check_put, check_range};
use crate::storage::{CommitWord, Tail, View, sys};
use std::io;
use std::ops::Range;

/// Where the writer puts bytes.
#[derive(Debug)]
pub(super) struct SimulatedTail {
    file: SimulatedFile,
    room: Range<u64>,
    /// What was stored last.
    stored: Vec<u8>,
}

impl SimulatedTail {
    pub(super) fn new(file: SimulatedFile) -> Self {
        SimulatedTail { file, room: 0..0, stored: Vec::new() }
    }
}

impl Tail for SimulatedTail {
    fn make_room(&mut self, from: u64, to: u64) -> io::Result<()> {
        check_range(from, to)?;
        self.file.check_alive()?;
        if from < self.room.start || to > self.room_end() {
            self.room = from..self.file.extend(to)?;
        }
        Ok(())
    }

    fn room_end(&self) -> u64 {
        self.room.end.min(self.file.reach())
    }

    fn put(&mut self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        check_put(&(self.room.start..self.room_end()), offset, parts)?;
        self.file.write(offset, parts)
    }

    /// Stores cannot fail. So while a fault is planned, appends are made by calls.
    fn store_parts(&mut self, offset: u64, parts: &[&[u8]]) -> Option<&[u8]> {
        check_put(&(self.room.start..self.room_end()), offset, parts).ok()?;
        if self.file.may_fail() {
            return None;
        }
        self.file.write(offset, parts).ok()?;
        self.stored = parts.concat();
        Some(&self.stored)
    }
}

/// What a reader loaded.
#[derive(Debug)]
pub(super) struct SimulatedView {
    file: SimulatedFile,
    loaded: Vec<u8>,
}

impl SimulatedView {
    pub(super) fn new(file: SimulatedFile) -> Self {
        SimulatedView { file, loaded: Vec::new() }
    }
}

impl View for SimulatedView {
    /// Fails unless the range is committed, which the real engines rely on.
    fn load(&mut self, offset: u64, size_bytes: usize, committed_end: u64) -> io::Result<()> {
        self.loaded.clear();
        let end = offset.checked_add(size_bytes as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        if end > committed_end {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a view of bytes that are not committed"));
        }
        let found = self.file.call(|inode| {
            let range = usize::try_from(offset).ok()?..usize::try_from(end).ok()?;
            inode.cached.get(range).map(<[u8]>::to_vec)
        })?;
        self.loaded = found.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(())
    }

    fn loaded(&self) -> &[u8] {
        &self.loaded
    }
}

/// The first 8 bytes of a file.
#[derive(Debug)]
pub(super) struct SimulatedWord {
    file: SimulatedFile,
    writable: bool,
}

impl SimulatedWord {
    pub(super) fn new(file: SimulatedFile, writable: bool) -> io::Result<Self> {
        let word = SimulatedWord { file, writable };
        word.load()?;
        Ok(word)
    }
}

impl CommitWord for SimulatedWord {
    fn load(&self) -> io::Result<u64> {
        let word = self.file.call(|inode| inode.cached.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)))?;
        word.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// A refused call stores nothing: a word is never torn.
    fn store(&self, count: u64) -> io::Result<()> {
        if !self.writable {
            return Err(sys::error(libc::EBADF));
        }
        self.file.check_writable()?;
        self.file.call(|inode| inode.write(0, &count.to_le_bytes()))
    }
}
