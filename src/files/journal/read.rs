//! What a crash left of a journal: the frames of its halves, oldest first, up to the first that does not verify.

use super::file_name;
use crate::error::{Brief, Error, ErrorKind, Result, no_memory};
use crate::format::journal::{
    FRAME_HEADER_BYTES, FRAME_HEADER_SIZE_BYTES, Frame, GRAIN_BYTES, HEADER_SIZE_BYTES, HalfError, HalfHeader, VERSION,
    half_offsets,
};
use crate::format::log::{SIZE_WORD_BYTES, value_of};
use crate::format::number::Base;
use crate::format::{Checksum, in_memory};
use crate::format::{LogId, PAGE_SIZE_BYTES};
use crate::limits::JOURNAL_BYTES;
use crate::storage::{File, OpenMode, Storage};
use crate::util::memory;
use crate::util::sync::Arc;
use std::ffi::OsStr;
use std::path::PathBuf;

/// How many bytes of a frame are read and checked at once.
const PIECE_BYTES: u64 = 64 << 10;

/// A half with a valid header.
#[derive(Clone, Copy, Debug)]
pub struct Half {
    pub header: HalfHeader,
    start: u64,
    end: u64,
}

/// A journal file, its halves oldest first.
///
/// Invariants:
/// 1. `halves` are in the order of their generations, and no two of them begin at the same offset.
/// 2. The header of each half states the same size of the journal.
#[derive(Clone, Debug)]
pub struct FoundJournal {
    file: Arc<dyn File>,
    pub path: PathBuf,
    pub halves: Vec<Half>,
    /// The halves whose frames are of another segment.
    others: Vec<Half>,
}

impl FoundJournal {
    /// The file's name, for a message about the record file.
    pub fn name(&self) -> Brief<'_> {
        Brief(self.path.file_name().and_then(OsStr::to_str).unwrap_or_default())
    }
}

/// The journal of `namespace` with the halves of the segment at `base`; `None` when there is no journal. Frames of
/// another segment must never be laid over the files of this one, so their halves are kept apart.
pub fn find(storage: &dyn Storage, namespace: &str, base: Base) -> Result<Option<FoundJournal>> {
    let name = file_name(namespace);
    let path = memory::path(storage.path(), &name)?;
    let file = match storage.open(&name, OpenMode::Read) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| Error::os("opening", &error).of(&path))?,
    };
    let mut found = FoundJournal { file, path, halves: Vec::new(), others: Vec::new() };
    let file_size = found.file.metadata().map_err(|error| Error::os("looking at", &error).of(&found.path))?;
    let file_size = file_size.size_bytes;
    // The first header says how long the journal is; where that header is torn, the size of the file does.
    let first = found.header_at(0)?;
    let size = first.map_or(file_size - file_size % GRAIN_BYTES, |header| header.journal_size_bytes);
    for (start, header) in half_offsets(size).into_iter().zip([first, found.header_at(size / 2)?]) {
        if let Some(header) = header.filter(|header| header.journal_size_bytes == size) {
            let halves = if header.base == base { &mut found.halves } else { &mut found.others };
            memory::push(halves, Half { header, start, end: (start + size / 2).min(file_size) })?;
        }
    }
    found.halves.sort_by_key(|half| half.header.generation);
    found.halves.dedup_by_key(|half| half.start);
    Ok(Some(found))
}

/// As [`find`], with the halves of log `log_id` only, and of the writer with `epoch` if one is given; `None` when these
/// have no frame.
pub fn find_of(
    storage: &dyn Storage,
    namespace: &str,
    base: Base,
    log_id: &LogId,
    epoch: Option<u64>,
) -> Result<Option<FoundJournal>> {
    let Some(mut found) = find(storage, namespace, base)? else { return Ok(None) };
    found.halves.retain(|half| half.header.log_id == *log_id && epoch.is_none_or(|epoch| half.header.epoch == epoch));
    Ok(if found.has_frames()? { Some(found) } else { None })
}

impl FoundJournal {
    /// Whether all halves are from the writer with this epoch.
    pub fn is_of(&self, epoch: u64) -> bool {
        self.halves.iter().all(|half| half.header.epoch == epoch)
    }

    /// Whether there is any frame of this segment.
    pub fn has_frames(&self) -> Result<bool> {
        self.reaches_beyond(0)
    }

    /// Whether there is any frame of another segment.
    pub fn has_frames_of_others(&self) -> Result<bool> {
        self.has_frame_beyond(0, &self.others)
    }

    /// Whether there is a frame of this segment with a record after the first `count`.
    pub fn reaches_beyond(&self, count: u64) -> Result<bool> {
        self.has_frame_beyond(count, &self.halves)
    }

    fn has_frame_beyond(&self, count: u64, halves: &[Half]) -> Result<bool> {
        for half in halves {
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
            piece: Vec::new(),
        }
    }

    /// The header at `offset`; `None` where a half is empty. One of a newer version is refused (O28).
    fn header_at(&self, offset: u64) -> Result<Option<HalfHeader>> {
        let mut page = [0; PAGE_SIZE_BYTES];
        if !self.read_at(offset, &mut page)? {
            return Ok(None);
        }
        match HalfHeader::decode(&page) {
            Ok(header) => Ok(Some(header)),
            Err(HalfError::Torn) => Ok(None),
            Err(HalfError::Newer { version, journal_size_bytes }) => {
                let cause = format_args!("its format, at offset {offset}, is newer than this library");
                let is_known = version == VERSION && JOURNAL_BYTES.contains(&journal_size_bytes);
                let other = if is_known { ", and a value that this library does not know" } else { "" };
                let refusal = Error::new(ErrorKind::Version, cause).comparing(
                    format_args!("version {VERSION} of up to {} bytes", JOURNAL_BYTES.end()),
                    format_args!("version {version} of {journal_size_bytes} bytes{other}"),
                );
                Err(refusal.advising("use a newer library").of(&self.path).at(0, offset))
            }
        }
    }

    /// Fills `buffer`; `false` when the file ends before that.
    pub(super) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<bool> {
        let read = self.file.read_at(offset, buffer).map_err(|error| {
            Error::os(format_args!("reading at offset {offset}"), &error).of(&self.path).at(0, offset)
        })?;
        Ok(read == buffer.len())
    }
}

/// The bytes of a frame's records. There may be as many as half a journal: they stay in the file, unless one piece
/// holds them all.
#[derive(Clone, Copy, Debug)]
pub struct FrameBody<'a> {
    pub(super) found: &'a FoundJournal,
    pub(super) at: u64,
    pub(super) size_bytes: u64,
    /// All bytes of the body, or none.
    pub(super) loaded: &'a [u8],
}

impl FrameBody<'_> {
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Calls `each` piece by piece, with the offset of the piece in the body and its bytes, for as long as `each`
    /// returns `true`. Returns whether it always did.
    pub fn pieces(&self, mut each: impl FnMut(u64, &[u8]) -> Result<bool>) -> Result<bool> {
        if self.loaded.len() as u64 == self.size_bytes {
            return each(0, self.loaded);
        }
        let (mut done, mut piece) = (0, memory::zeroed(in_memory(PIECE_BYTES), "a piece of a journal frame")?);
        while done < self.size_bytes {
            piece.truncate(in_memory(PIECE_BYTES.min(self.size_bytes - done)));
            if !self.found.read_at(self.at + done, &mut piece)? {
                let message = "it became shorter while it was read";
                return Err(Error::new(ErrorKind::Corrupt, message).of(&self.found.path).at(0, self.at + done));
            }
            if !each(done, &piece)? {
                return Ok(false);
            }
            done += piece.len() as u64;
        }
        Ok(true)
    }

    /// Calls `each` with every record; returns whether `count` of them fill the body exactly.
    pub fn records(&self, count: u64, mut each: impl FnMut(BodyRecord) -> Result<()>) -> Result<bool> {
        let mut walk = BodyWalk::default();
        let goes_on = self.pieces(|_, piece| {
            let mut rest = piece;
            while !rest.is_empty() {
                let Some(record) = walk.go_over(&mut rest) else { continue };
                if record.index >= count {
                    return Ok(false);
                }
                each(record)?;
            }
            Ok(true)
        })?;
        Ok(goes_on && walk.is_between_records() && walk.index == count)
    }
}

/// A record in a frame's body.
#[derive(Clone, Copy, Debug)]
pub struct BodyRecord {
    /// The number of the record in the body, from 0.
    pub index: u64,
    /// Where in the body it begins.
    pub start: u64,
    pub crc: u32,
}

/// How far a walk over the records of a body has come.
#[derive(Debug, Default)]
struct BodyWalk {
    index: u64,
    start: u64,
    /// Bytes of the current record met so far.
    met: u64,
    word: [u8; in_memory(SIZE_WORD_BYTES)],
    checksum: Checksum,
}

impl BodyWalk {
    fn is_between_records(&self) -> bool {
        self.met == 0
    }

    /// Takes from `rest` only bytes of the current record; returns the record if it ends there.
    fn go_over(&mut self, rest: &mut &[u8]) -> Option<BodyRecord> {
        if self.met < SIZE_WORD_BYTES {
            let from = in_memory(self.met);
            let part = self.take(rest, SIZE_WORD_BYTES - self.met);
            self.word[from..from + part.len()].copy_from_slice(part);
        } else {
            let size_bytes = value_of(&self.word).saturating_add(SIZE_WORD_BYTES);
            self.take(rest, size_bytes - self.met);
        }
        let is_whole = self.met >= SIZE_WORD_BYTES && self.met - SIZE_WORD_BYTES == value_of(&self.word);
        if !is_whole {
            return None;
        }
        let record =
            BodyRecord { index: self.index, start: self.start, crc: std::mem::take(&mut self.checksum).finish() };
        (self.index, self.start, self.met) = (self.index + 1, self.start + self.met, 0);
        Some(record)
    }

    fn take<'b>(&mut self, rest: &mut &'b [u8], most: u64) -> &'b [u8] {
        let (part, behind) = rest.split_at(rest.len().min(usize::try_from(most).unwrap_or(usize::MAX)));
        self.checksum.update(part);
        self.met += part.len() as u64;
        *rest = behind;
        part
    }
}

/// The frames of one half, in order.
#[derive(Debug)]
pub struct Frames<'a> {
    found: &'a FoundJournal,
    salt: u64,
    at: u64,
    end: u64,
    /// The sequence that the next frame must have; `None` before the first frame.
    sequence: Option<u64>,
    /// The piece read last.
    piece: Vec<u8>,
}

impl Frames<'_> {
    /// The next frame with its records' bytes (none if it is in place); `None` at the first that does not verify.
    pub fn next(&mut self) -> Result<Option<(Frame, FrameBody<'_>)>> {
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
        if !self.verify(&head, body_at, body_bytes)? {
            return Ok(None);
        }
        self.at = body_at + body_bytes;
        self.sequence = frame.sequence.checked_add(1);
        let loaded = if body_bytes <= PIECE_BYTES { self.piece.as_slice() } else { &[] };
        Ok(Some((frame, FrameBody { found: self.found, at: body_at, size_bytes: body_bytes, loaded })))
    }

    /// Whether the checksum matches `head` and the body after it. The body is read piece by piece.
    fn verify(&mut self, head: &[u8; FRAME_HEADER_BYTES], body_at: u64, body_bytes: u64) -> Result<bool> {
        let mut checksum = Frame::checksum(self.salt, head);
        let mut done = 0;
        self.piece.clear();
        while done < body_bytes {
            let piece_bytes = (body_bytes - done).min(PIECE_BYTES);
            if !self.load(body_at + done, in_memory(piece_bytes))? {
                return Ok(false);
            }
            checksum.update(&self.piece);
            done += piece_bytes;
        }
        Ok(checksum.finish() == Frame::recorded_crc(head))
    }

    /// Fills `piece`; `false` when the file ends before that.
    fn load(&mut self, offset: u64, bytes: usize) -> Result<bool> {
        self.piece.clear();
        self.piece.try_reserve(bytes).map_err(|_| no_memory("a journal frame", bytes as u64))?;
        self.piece.resize(bytes, 0);
        self.found.read_at(offset, &mut self.piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::crc32c;
    use crate::storage::simulated::Simulated;

    /// A journal file with `bytes`, for tests that read the body of every frame.
    fn found(disk: &Simulated, bytes: &[u8]) -> FoundJournal {
        disk.write_file("a.wal", bytes);
        let file = disk.storage().open("a.wal", OpenMode::Read).unwrap();
        FoundJournal { file, path: PathBuf::from("a.wal"), halves: Vec::new(), others: Vec::new() }
    }

    #[test]
    fn a_half_of_another_segment_is_not_found() {
        const SIZE_BYTES: usize = 64 << 10;
        let later = Base::new(5).unwrap();
        let header = HalfHeader {
            journal_size_bytes: SIZE_BYTES as u64,
            log_id: *b"0123456789abcdef",
            epoch: 3,
            generation: 1,
            salt: 7,
            first_number: 0,
            first_offset: 8,
            base: Base::FIRST,
        };
        let mut file = vec![0; SIZE_BYTES];
        file[..PAGE_SIZE_BYTES].copy_from_slice(&header.encode());
        file[SIZE_BYTES / 2..][..PAGE_SIZE_BYTES]
            .copy_from_slice(&HalfHeader { generation: 2, base: later, ..header }.encode());
        let disk = Simulated::new();
        disk.write_file("a.wal", &file);
        let generations = |base| {
            let found = find(disk.storage().as_ref(), "a", base).unwrap().unwrap();
            found.halves.iter().map(|half| half.header.generation).collect::<Vec<_>>()
        };
        assert_eq!(generations(Base::FIRST), [1]);
        assert_eq!(generations(later), [2]);
        assert_eq!(generations(Base::new(4).unwrap()), [0; 0]);
    }

    #[test]
    fn records_fill_a_body_exactly_or_not() {
        let bytes = b"\x03\0\0\0\0\0\0\0abc\0\0\0\0\0\0\0\0".as_slice();
        let (disk, never) = (Simulated::new(), [0xff; 16].as_slice());
        for (body, count, fills) in [
            (bytes, 2, true),
            (bytes, 1, false),
            (bytes, 3, false),
            (&bytes[..18], 2, false),
            (never, 1, false),
            (&[], 0, true),
        ] {
            let (found, size_bytes) = (found(&disk, body), body.len() as u64);
            for loaded in [body, &[]] {
                let read = FrameBody { found: &found, at: 0, size_bytes, loaded };
                let fits = read.records(count, |_| Ok(())).ok();
                assert_eq!(fits, Some(fills), "{count} records in {size_bytes} bytes");
            }
        }
    }

    #[test]
    fn records_of_a_body_that_is_read_in_pieces_are_the_same() {
        let sizes = [0, 70_000, 1, 65_520, 0, 0, 200_000, 3];
        let records: Vec<Vec<u8>> = (1..)
            .zip(sizes)
            .map(|(fill, size)| [(size as u64).to_le_bytes().as_slice(), &vec![fill; size]].concat())
            .collect();
        let (body, disk) = (records.concat(), Simulated::new());
        let found = found(&disk, &body);
        let read = FrameBody { found: &found, at: 0, size_bytes: body.len() as u64, loaded: &[] };
        let mut met = Vec::new();
        let each = |record: BodyRecord| {
            met.push((record.index, record.start, record.crc));
            Ok(())
        };
        assert_eq!(read.records(records.len() as u64, each).ok(), Some(true));
        let mut start = 0;
        for (number, record) in (0..).zip(&records) {
            assert_eq!(met[in_memory(number)], (number, start, crc32c(record)));
            start += record.len() as u64;
        }
        disk.write_file("a.wal", &body[..100]);
        assert_eq!(
            read.pieces(|_, _| Ok(true)).map_err(|error| error.kind),
            Err(ErrorKind::Corrupt),
            "it became shorter"
        );
    }
}
