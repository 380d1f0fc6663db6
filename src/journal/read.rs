//! What a crash left of a journal: the frames of its halves, oldest first, up to the first that does not verify.

use super::file_name;
use crate::error::{Error, ErrorKind, Result, no_memory};
use crate::format::in_memory;
use crate::format::index::LogId;
use crate::format::journal::{
    FRAME_HEADER_BYTES, FRAME_HEADER_SIZE_BYTES, Frame, GRAIN_BYTES, HEADER_BYTES, HEADER_SIZE_BYTES, HalfError,
    HalfHeader, VERSION, half_offsets,
};
use crate::options::JOURNAL_BYTES;
use crate::storage::{File, OpenMode, Storage};
use crate::sync::Arc;
use std::path::PathBuf;

/// Bytes of a frame that are read at once to be checked.
const PIECE_BYTES: u64 = 64 << 10;

/// A half with a valid header.
#[derive(Clone, Copy, Debug)]
pub struct Half {
    pub header: HalfHeader,
    start: u64,
    end: u64,
}

/// A journal file, its halves oldest first.
#[derive(Clone, Debug)]
pub struct Found {
    file: Arc<dyn File>,
    pub path: PathBuf,
    pub halves: Vec<Half>,
}

/// The journal of `namespace`; `None` when there is none.
pub fn find(storage: &dyn Storage, namespace: &str) -> Result<Option<Found>> {
    let name = file_name(namespace);
    let path = storage.path().join(&name);
    let file = match storage.open(&name, OpenMode::Read) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| Error::os(format_args!("opening {}", path.display()), &error))?,
    };
    let mut found = Found { file, path, halves: Vec::new() };
    let file_size = found
        .file
        .metadata()
        .map_err(|error| Error::os(format_args!("looking at {}", found.path.display()), &error))?;
    let file_size = file_size.size_bytes;
    // The first header says how long the journal is; where it is torn, the file does.
    let first = found.header_at(0)?;
    let size = first.map_or(file_size - file_size % GRAIN_BYTES, |header| header.journal_size_bytes);
    for (start, header) in half_offsets(size).into_iter().zip([first, found.header_at(size / 2)?]) {
        if let Some(header) = header.filter(|header| header.journal_size_bytes == size) {
            found.halves.push(Half { header, start, end: (start + size / 2).min(file_size) });
        }
    }
    found.halves.sort_by_key(|half| half.header.generation);
    found.halves.dedup_by_key(|half| half.start);
    Ok(Some(found))
}

/// What the journal of `namespace` has of log `log_id`, and of the writer with `epoch` if one is given; `None` when that is no frame.
pub fn find_of(storage: &dyn Storage, namespace: &str, log_id: &LogId, epoch: Option<u64>) -> Result<Option<Found>> {
    let Some(mut found) = find(storage, namespace)? else { return Ok(None) };
    found.halves.retain(|half| half.header.log_id == *log_id && epoch.is_none_or(|epoch| half.header.epoch == epoch));
    Ok(if found.has_frames()? { Some(found) } else { None })
}

impl Found {
    /// Whether all of it is the writer's with this epoch.
    pub fn is_of(&self, epoch: u64) -> bool {
        self.halves.iter().all(|half| half.header.epoch == epoch)
    }

    /// Whether there is any frame.
    pub fn has_frames(&self) -> Result<bool> {
        self.reaches_beyond(0)
    }

    /// Whether there is a frame with a record behind the first `count`.
    pub fn reaches_beyond(&self, count: u64) -> Result<bool> {
        for half in &self.halves {
            let mut frames = self.frames(half);
            while let Some((frame, _)) = frames.next()? {
                if frame.end_number().is_none_or(|end| end > count) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The frames of `half`.
    pub fn frames(&self, half: &Half) -> Frames<'_> {
        Frames {
            found: self,
            salt: half.header.salt,
            at: half.start + HEADER_SIZE_BYTES,
            end: half.end,
            sequence: None,
            body: Vec::new(),
        }
    }

    /// The header at `offset`; `None` where a half is empty.
    fn header_at(&self, offset: u64) -> Result<Option<HalfHeader>> {
        let mut page = [0; HEADER_BYTES];
        if !self.read_at(offset, &mut page)? {
            return Ok(None);
        }
        match HalfHeader::decode(&page) {
            Ok(header) => Ok(Some(header)),
            Err(HalfError::Torn) => Ok(None),
            Err(HalfError::Newer { version, journal_size_bytes }) => {
                let message = format_args!(
                    "{}: journal version {version}, {journal_size_bytes} bytes, in the header at offset {offset}; this library reads version {VERSION}, up to {} bytes: use a newer library",
                    self.path.display(),
                    JOURNAL_BYTES.end()
                );
                Err(Error::new(ErrorKind::Version, message).at(0, offset))
            }
        }
    }

    /// Fills `buffer`; `false` when the file ends before that.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<bool> {
        let read = self.file.read_at(offset, buffer).map_err(|error| {
            Error::os(format_args!("reading {} at offset {offset}", self.path.display()), &error).at(0, offset)
        })?;
        Ok(read == buffer.len())
    }
}

/// The frames of one half, in order.
#[derive(Debug)]
pub struct Frames<'a> {
    found: &'a Found,
    salt: u64,
    at: u64,
    end: u64,
    /// What the next frame's must be, after the first.
    sequence: Option<u64>,
    body: Vec<u8>,
}

impl Frames<'_> {
    /// The next frame with its records' bytes (none if it is in place); `None` at the first that does not verify.
    pub fn next(&mut self) -> Result<Option<(Frame, &[u8])>> {
        let mut head = [0; FRAME_HEADER_BYTES];
        let body_at = self.at.saturating_add(FRAME_HEADER_SIZE_BYTES);
        if body_at > self.end || !self.found.read_at(self.at, &mut head)? {
            return Ok(None);
        }
        let frame = Frame::decode(&head)
            .filter(|frame| self.sequence.is_none_or(|sequence| frame.sequence == sequence))
            .filter(|frame| frame.body_bytes() <= self.end - body_at);
        let Some(frame) = frame else { return Ok(None) };
        let body_bytes = frame.body_bytes();
        // A body of one piece is loaded once it is verified.
        let is_loaded = self.verify(&head, body_at, body_bytes)?
            && (body_bytes <= PIECE_BYTES || self.load(body_at, in_memory(body_bytes))?);
        if !is_loaded {
            return Ok(None);
        }
        self.at = body_at + frame.body_bytes();
        self.sequence = frame.sequence.checked_add(1);
        Ok(Some((frame, &self.body)))
    }

    /// Whether `head` and the body behind it are what was written, read piece by piece: a body is given memory only when it is there.
    fn verify(&mut self, head: &[u8; FRAME_HEADER_BYTES], body_at: u64, body_bytes: u64) -> Result<bool> {
        let mut checksum = Frame::checksum(self.salt, head);
        let mut done = 0;
        self.body.clear();
        while done < body_bytes {
            let piece_bytes = (body_bytes - done).min(PIECE_BYTES);
            if !self.load(body_at + done, in_memory(piece_bytes))? {
                return Ok(false);
            }
            checksum.update(&self.body);
            done += piece_bytes;
        }
        Ok(checksum.finish() == Frame::recorded_crc(head))
    }

    /// Fills `body`; `false` when the file ends before that.
    fn load(&mut self, offset: u64, bytes: usize) -> Result<bool> {
        self.body.clear();
        self.body.try_reserve(bytes).map_err(|_| no_memory("a journal frame", bytes as u64))?;
        self.body.resize(bytes, 0);
        self.found.read_at(offset, &mut self.body)
    }
}
