//! Reads the index file: its header whole, its entries in runs. Also writes its clean checkpoint.

use crate::error::{Error, ErrorKind, Result, no_memory};
use crate::format::codecs::{self, CHAIN_PAGE_OFFSET};
use crate::format::in_memory;
use crate::format::index::{
    CHECKPOINT_OFFSETS, Checkpoint, ENTRY_BYTES, ENTRY_SIZE_BYTES, Entry, HEADER_SIZE_BYTES, Identity, IdentityError,
    SUFFIX, State, entries_end, entry_offset,
};
use crate::format::name::{FileName, Stem};
use crate::format::{LogId, PAGE_SIZE_BYTES};
use crate::storage::{File, View};
use crate::util::progress::Watch;
use crate::util::sync::Arc;
use std::io;
use std::ops::Range;

/// Entries read by one call when many follow.
const RUN_ENTRIES: u64 = 512;
/// Entries that a run reads after a jump: one says where the record begins, the next where it ends.
const FIRST_RUN_ENTRIES: u64 = 2;
/// How many times as many entries the next call reads, if it goes on where the one before ended.
const RUN_GROWTH: u64 = 8;

/// The name of the index file of the segment with `stem`.
pub fn file_name(stem: &Stem) -> FileName {
    stem.file_name(SUFFIX)
}

/// Where an index file says which codecs the records go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecsIn {
    /// Page 0: the log was made with them.
    Identity,
    /// Page 3: the log was adopted, and appended to.
    ChainPage,
    /// The log was adopted, and nothing was appended since.
    Nowhere,
}

/// The four header pages, decoded.
#[derive(Clone, Debug)]
pub struct Header {
    pub identity: Result<Identity, IdentityError>,
    /// The ids of the codec chain, from page 0 or, where page 0 does not know them, from page 3; `None`: unknown.
    pub codecs: Option<codecs::ChainIds>,
    /// Checkpoints A and B; `None` where the page is not one of this log.
    pub checkpoints: [Option<Checkpoint>; 2],
    pub file_size_bytes: u64,
}

impl Header {
    pub fn read(file: &dyn File) -> io::Result<Header> {
        let file_size_bytes = file.metadata()?.size_bytes;
        let identity = Identity::decode(&page_at(file, 0)?);
        let (mut checkpoints, mut codecs) = ([None, None], None);
        if let Ok(identity) = &identity {
            codecs = match &identity.codecs {
                None => codecs::decode_page(&page_at(file, CHAIN_PAGE_OFFSET)?, &identity.log_id),
                known => *known,
            };
            for (checkpoint, offset) in checkpoints.iter_mut().zip(CHECKPOINT_OFFSETS) {
                *checkpoint = Checkpoint::decode(&page_at(file, offset)?, &identity.log_id);
            }
        }
        Ok(Header { identity, codecs, checkpoints, file_size_bytes })
    }

    /// Where the codec chain stands.
    pub fn codecs_in(&self) -> CodecsIn {
        match &self.identity {
            Ok(Identity { codecs: Some(_), .. }) => CodecsIn::Identity,
            _ if self.codecs.is_some() => CodecsIn::ChainPage,
            _ => CodecsIn::Nowhere,
        }
    }

    /// The newest checkpoint and its slot. A clean one counts as open when the other page is damaged: that page may be
    /// the newer one (O13).
    pub fn newest(&self) -> Option<(Checkpoint, usize)> {
        let [a, b] = self.checkpoints;
        match (a, b) {
            (Some(a), Some(b)) if a.seq >= b.seq => Some((a, 0)),
            (_, Some(b)) if a.is_some() => Some((b, 1)),
            (Some(only), None) => Some((as_open(only), 0)),
            (None, Some(only)) => Some((as_open(only), 1)),
            _ => None,
        }
    }

    /// How many whole entries the file has room for.
    pub fn entries_in_file(&self) -> u64 {
        self.file_size_bytes.saturating_sub(HEADER_SIZE_BYTES) / ENTRY_SIZE_BYTES
    }
}

/// The refusal when record `number` was appended under a chain that the index file does not name any more.
pub fn lost_codecs(number: u64) -> Error {
    let cause = format_args!(
        "the codecs of record {number} are unknown: the index file is damaged at offset {CHAIN_PAGE_OFFSET}"
    );
    Error::new(ErrorKind::Corrupt, cause)
        .advising("restore the index file, or import the record file with its codecs named")
        .at(number, CHAIN_PAGE_OFFSET)
}

fn as_open(checkpoint: Checkpoint) -> Checkpoint {
    Checkpoint { state: State::Open, ..checkpoint }
}

fn page_at(file: &dyn File, offset: u64) -> io::Result<[u8; PAGE_SIZE_BYTES]> {
    let mut page = [0; PAGE_SIZE_BYTES];
    file.read_at(offset, &mut page)?;
    Ok(page)
}

/// A file of entries bound to one log.
#[derive(Clone, Debug)]
pub struct Index {
    pub file: Arc<dyn File>,
    pub log_id: LogId,
}

impl Index {
    /// The first entry, from that of record `number` on, that does not lie entirely in a hole; `None` when all of them
    /// do.
    fn next_there(&self, number: u64) -> Result<Option<u64>> {
        let Some(offset) = entry_offset(number) else { return Ok(None) };
        let data = self.file.next_data(offset).map_err(|error| Error::os("looking for index entries", &error))?;
        Ok(data.map(|data| number.max(data.saturating_sub(HEADER_SIZE_BYTES) / ENTRY_SIZE_BYTES)))
    }

    /// Writes the clean checkpoint that follows `newest`, which is in `slot` and on disk, and syncs it.
    pub fn write_clean(&self, newest: &Checkpoint, slot: usize) -> io::Result<()> {
        let clean = Checkpoint { seq: newest.seq + 1, state: State::Clean, ..*newest };
        self.file.write_at(CHECKPOINT_OFFSETS[1 - slot], &clean.encode(&self.log_id))?;
        self.file.sync()
    }
}

/// A run of entries read ahead; each stream and each scan has its own.
///
/// Invariants:
/// 1. `entries[i]` has the bytes of entry `first + i`, and `entries` is empty after a read that failed.
/// 2. `last` is the entry of a record whose bytes `entries` holds.
/// 3. What is held is of one log: a caller that goes on with an index of another log id calls `clear` first.
#[derive(Debug, Default)]
pub struct Run {
    first: u64,
    entries: Vec<[u8; ENTRY_BYTES]>,
    /// The entry decoded last. It is asked for to find where the record before it ends, and again for its own record.
    last: Option<(u64, Entry)>,
    /// Whether few entries are read after a jump.
    begins_small: bool,
}

impl Run {
    /// A run for a reader that may jump: it reads few entries first, and more where the reader goes on.
    pub fn for_jumps() -> Run {
        Run { begins_small: true, ..Run::default() }
    }

    /// The entry of record `number`; `None` when it is not valid. Further entries may be read, but never entry `limit`
    /// or beyond.
    #[inline]
    pub fn entry(&mut self, index: &Index, number: u64, limit: u64) -> Result<Option<&Entry>> {
        self.entry_through(&mut IndexView::Refused, index, number, limit)
    }

    /// As [`Run::entry`]; after a jump the entries are taken from `view`, if that is possible.
    #[inline]
    pub fn entry_through(
        &mut self,
        view: &mut IndexView,
        index: &Index,
        number: u64,
        limit: u64,
    ) -> Result<Option<&Entry>> {
        if !matches!(self.last, Some((known, _)) if known == number) {
            self.decode(view, index, number, limit)?;
        }
        Ok(self.last.as_ref().map(|(_, entry)| entry))
    }

    /// The first valid entry of those of `numbers`. Entries in holes of the index file are not read; `watch` is
    /// informed of the others.
    pub fn next_valid(
        &mut self,
        index: &Index,
        numbers: Range<u64>,
        watch: Option<&dyn Watch>,
    ) -> Result<Option<(u64, Entry)>> {
        let Range { start: mut number, end } = numbers;
        while number < end {
            if self.held(number).is_none() {
                let Some(there) = index.next_there(number)?.filter(|there| *there < end) else { return Ok(None) };
                number = there;
                watch.map_or(Ok(()), |watch| watch.worked(RUN_ENTRIES * ENTRY_SIZE_BYTES))?;
            }
            if let Some(entry) = self.entry(index, number, end)? {
                return Ok(Some((number, *entry)));
            }
            number += 1;
        }
        Ok(None)
    }

    fn decode(&mut self, view: &mut IndexView, index: &Index, number: u64, limit: u64) -> Result<()> {
        self.last = None;
        if self.held(number).is_none() {
            self.read(view, index, number, limit)?;
        }
        let entry = self.held(number).and_then(|bytes| Entry::decode(bytes, &index.log_id, number));
        self.last = entry.map(|entry| (number, entry));
        Ok(())
    }

    /// The bytes of entry `number`, if they were read.
    fn held(&self, number: u64) -> Option<&[u8; ENTRY_BYTES]> {
        self.entries.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// The bytes of the entries from that of record `number` on, as far as they were read already.
    #[inline]
    pub fn held_from(&self, number: u64) -> &[[u8; ENTRY_BYTES]] {
        let begin = number.checked_sub(self.first).and_then(|begin| usize::try_from(begin).ok());
        begin.and_then(|begin| self.entries.get(begin..)).unwrap_or_default()
    }

    /// Whether entry `number` was read, valid or not.
    #[inline]
    pub fn holds(&self, number: u64) -> bool {
        self.held(number).is_some()
    }

    /// The entry of record `number` as it was read before; `None` when it was not, or is not valid.
    pub fn seen(&self, index: &Index, number: u64) -> Option<Entry> {
        Entry::decode(self.held(number)?, &index.log_id, number)
    }

    /// Forgets what was read, after the files changed under it.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.last = None;
    }

    #[inline(never)] // so that `decode` stays small
    fn read(&mut self, view: &mut IndexView, index: &Index, number: u64, limit: u64) -> Result<()> {
        // A batch may end early. The next record is then the one before `first`: the run was read for its end.
        let held = self.entries.len() as u64;
        let goes_on = number == self.first + held || number.checked_add(1) == Some(self.first);
        let jumps = self.begins_small && !goes_on;
        let most = match (self.begins_small, goes_on) {
            (false, _) => RUN_ENTRIES,
            (true, false) => FIRST_RUN_ENTRIES,
            (true, true) => (held * RUN_GROWTH).clamp(FIRST_RUN_ENTRIES, RUN_ENTRIES),
        };
        self.entries.clear();
        self.first = number;
        let Some(offset) = entry_offset(number) else { return Ok(()) };
        let count = in_memory(limit.saturating_sub(number).clamp(1, most));
        self.entries.try_reserve_exact(count).map_err(|_| no_memory("index entries", (count * ENTRY_BYTES) as u64))?;
        if jumps && let Some(entries) = view.load(index, offset, count, limit) {
            self.entries.extend_from_slice(entries);
            return Ok(());
        }
        self.entries.resize(count, [0; ENTRY_BYTES]);
        let read = index.file.read_at(offset, self.entries.as_flattened_mut());
        // Invariant 1: nothing is held of a read that failed, since zeros would pass for a damaged entry the next time.
        self.entries.truncate(read.as_ref().map_or(0, |read| read / ENTRY_BYTES));
        read.map(drop).map_err(|error| Error::os(format_args!("reading the index entry of record {number}"), &error))
    }
}

/// The index file mapped, where a system call for each jump would take longer than the rest of the read.
#[derive(Debug, Default)]
pub enum IndexView {
    /// No jump needed it yet.
    #[default]
    Unused,
    Mapped(Box<dyn View>),
    /// It cannot be mapped whole: entries are read.
    Refused,
}

impl IndexView {
    /// The bytes of `count` entries from `offset` on; `None`: they have to be read. Those before entry `limit` are
    /// committed.
    fn load(&mut self, index: &Index, offset: u64, count: usize, limit: u64) -> Option<&[[u8; ENTRY_BYTES]]> {
        if matches!(self, IndexView::Unused) {
            *self = index.file.whole_view().ok().flatten().map_or(IndexView::Refused, IndexView::Mapped);
        }
        let IndexView::Mapped(view) = self else { return None };
        if view.load(offset, count * ENTRY_BYTES, entries_end(limit)).is_err() {
            *self = IndexView::Refused; // the read that follows says what is wrong, if anything is
            return None;
        }
        let IndexView::Mapped(view) = self else { return None };
        Some(view.loaded().as_chunks().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Io, OpenMode, open_directory};
    use std::path::Path;

    const ID: LogId = *b"0123456789abcdef";

    /// An index file with `count` entries, whose records begin at ten times their number.
    fn index(directory: &Path, io: Io, count: u64) -> Index {
        let file = open_directory(directory, io, true).unwrap().open("a", OpenMode::CreateNew).unwrap();
        for number in 0..count {
            let entry = Entry::written(10 * number, 1, 2, true).encode(&ID, number);
            file.write_at(entries_end(number), &entry).unwrap();
        }
        Index { file, log_id: ID }
    }

    #[test]
    fn entries_after_a_jump_come_from_the_view_where_the_engine_maps_files() {
        for (io, is_mapped) in [(Io::Mmap, true), (Io::Syscall, false)] {
            let directory = tempfile::tempdir().unwrap();
            let index = index(directory.path(), io, 900);
            let (mut run, mut view) = (Run::for_jumps(), IndexView::default());
            for number in [500, 3, 899, 898, 4, 5, 6] {
                let entry = run.entry_through(&mut view, &index, number, 900).unwrap().unwrap();
                assert_eq!(entry.offset, 10 * number);
            }
            assert_eq!(matches!(view, IndexView::Mapped(_)), is_mapped, "{io:?}");
        }
    }

    #[test]
    fn a_run_that_goes_on_needs_no_view() {
        let directory = tempfile::tempdir().unwrap();
        let index = index(directory.path(), Io::Mmap, 900);
        let (mut run, mut view) = (Run::for_jumps(), IndexView::default());
        for number in 0..900 {
            assert!(run.entry_through(&mut view, &index, number, 900).unwrap().is_some());
        }
        assert!(matches!(view, IndexView::Unused));
    }

    #[test]
    fn entries_that_the_view_does_not_have_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let index = index(directory.path(), Io::Mmap, 5);
        let (mut run, mut view) = (Run::for_jumps(), IndexView::default());
        // The file ends after the first of the two entries.
        assert!(run.entry_through(&mut view, &index, 4, 6).unwrap().is_some());
        assert!(run.entry_through(&mut view, &index, 5, 6).unwrap().is_none(), "there is no such entry");
        assert!(matches!(view, IndexView::Refused));
    }
}
