//! Making an index file: for a new log, or for records that have none.

use crate::error::{Error, ErrorKind, Result};
use crate::files::index::{self, Index};
use crate::files::new_file::NewFile;
use crate::format::codecs::ChainIds;
use crate::format::in_memory;
use crate::format::index::{
    CHECKPOINT_OFFSETS, Checkpoint, ENTRY_BYTES, Entry, HEADER_SIZE_BYTES, Identity, Mode, State, entries_end,
};
use crate::format::name::Stem;
use crate::format::number::Outer;
use crate::format::{LogId, PAGE_SIZE_BYTES};
use crate::recovery::salvage;
use crate::recovery::scan::{self, Bytes, Found, Point};
use crate::storage::{File, Storage, now_ns};
use crate::util::memory;
use crate::util::progress::Watch;
use crate::util::random;
use crate::util::sync::Arc;
use std::io;

/// How many bytes of entries are gathered before they are written.
const RUN_BYTES: usize = 64 << 10;

/// An index file that is complete and durable under its temporary name.
#[derive(Debug)]
pub struct PreparedIndex {
    file: NewFile,
    log_id: LogId,
}

impl PreparedIndex {
    /// Gives the file its final name, replacing an index file that may exist.
    pub fn install(self, storage: &dyn Storage, stem: &Stem) -> Result<Index> {
        let file = self.file.install(storage, &index::file_name(stem))?;
        Ok(Index { file, log_id: self.log_id })
    }
}

/// Makes an index file for the record file `log` and the log `log_id`, filled by `write`, to be installed. A failure
/// leaves nothing of it.
pub fn prepare(
    storage: &dyn Storage,
    stem: &Stem,
    log: &dyn File,
    log_id: LogId,
    write: impl FnOnce(&Index) -> Result<()>,
) -> Result<PreparedIndex> {
    let file =
        NewFile::make(storage, &index::file_name(stem), log, |file| write(&Index { file: Arc::clone(file), log_id }))?;
    Ok(PreparedIndex { file, log_id })
}

/// The first open checkpoint of an index file, which covers the records up to `to`, of a namespace that begins at
/// `first`.
pub fn first_checkpoint(to: Point, mode: Mode, epoch: u64, first: Outer) -> Checkpoint {
    Checkpoint { seq: 2, count: to.count, end: to.end, state: State::Open, mode, epoch, first, ends_early: false }
}

/// Prepares the index file with `stem` for the records of `log` that the checkpoint `newest` covers, with `newest` in
/// slot B. The record file is synced first. `codecs` are the codecs that the opener asks for. `watch` is informed of
/// the bytes read.
pub fn prepare_new(
    storage: &dyn Storage,
    stem: &Stem,
    log: &dyn File,
    newest: Checkpoint,
    codecs: ChainIds,
    watch: Option<&dyn Watch>,
) -> Result<PreparedIndex> {
    log.sync().map_err(|error| Error::os("syncing a record file before it is indexed", &error))?;
    // For existing records it is not known yet which codecs they went through.
    let codecs = (newest.count == 0).then_some(codecs);
    let identity = Identity { log_id: random::bytes()?, created_ns: now_ns(), codecs, place: None };
    prepare(storage, stem, log, identity.log_id, |index| fill_index(index, log, &identity, newest, watch))
}

/// The slot of the checkpoint in an index file that [`prepare_new`] made.
pub const FIRST_SLOT: usize = 1;

/// An index in memory, for reading records that have no index file, up to `to`.
pub fn scratch_index(storage: &dyn Storage, log: &dyn File, to: Point, watch: Option<&dyn Watch>) -> Result<Index> {
    let file = storage.scratch().map_err(|error| Error::os("making an index in memory", &error))?;
    let index = Index { file, log_id: random::bytes()? };
    let newest = Checkpoint { state: State::Clean, ..first_checkpoint(to, Mode::Fast, 0, Outer::START) };
    let identity = Identity { log_id: index.log_id, created_ns: now_ns(), codecs: None, place: None };
    fill_index(&index, log, &identity, newest, watch)?;
    Ok(index)
}

/// Makes `index` the index file of `identity`: the entries of all records up to `newest`, then the header. Slot B has
/// `newest`, and slot A a predecessor that says the same.
fn fill_index(
    index: &Index,
    log: &dyn File,
    identity: &Identity,
    newest: Checkpoint,
    watch: Option<&dyn Watch>,
) -> Result<()> {
    write_entries(index, log, Point::START, Point { count: newest.count, end: newest.end, time_ns: 0 }, watch)?;
    let mut header = memory::zeroed(in_memory(HEADER_SIZE_BYTES), "the header of an index file")?;
    header[..PAGE_SIZE_BYTES].copy_from_slice(&identity.encode());
    for (seq, offset) in [newest.seq - 1, newest.seq].into_iter().zip(CHECKPOINT_OFFSETS) {
        let page = Checkpoint { seq, ..newest }.encode(&index.log_id);
        header[in_memory(offset)..][..PAGE_SIZE_BYTES].copy_from_slice(&page);
    }
    index.file.write_at(0, &header).map_err(|error| Error::os("writing the header of an index file", &error))
}

/// Prepares a copy of the index file `index` that also has entries for the records of `log` from `from` to `to`, and
/// none after these.
pub fn prepare_completed(
    storage: &dyn Storage,
    stem: &Stem,
    log: &dyn File,
    index: &Index,
    from: Point,
    to: Point,
) -> Result<PreparedIndex> {
    let failed = |error: io::Error| Error::os("completing", &error).of_file(storage.path(), &index::file_name(stem));
    prepare(storage, stem, log, index.log_id, |made| complete(made, log, index, from, to, None, failed))
}

/// As [`prepare_completed`], in memory, for reading.
pub fn scratch_completed(
    storage: &dyn Storage,
    log: &dyn File,
    index: &Index,
    from: Point,
    to: Point,
    watch: Option<&dyn Watch>,
) -> Result<Index> {
    let failed = |error: io::Error| Error::os("completing an index in memory", &error);
    let completed = Index { file: storage.scratch().map_err(failed)?, log_id: index.log_id };
    complete(&completed, log, index, from, to, watch, failed)?;
    Ok(completed)
}

/// Makes `completed` a copy of `index` up to the entries of the first `from` records, holes as holes, followed by
/// entries for the records up to `to`.
fn complete(
    completed: &Index,
    log: &dyn File,
    index: &Index,
    from: Point,
    to: Point,
    watch: Option<&dyn Watch>,
    failed: impl Fn(io::Error) -> Error,
) -> Result<()> {
    let size_bytes = index.file.metadata().map_err(&failed)?.size_bytes;
    // Entries that `index` does not have are damaged and made again, or come with the journal's frames, which are laid
    // over later.
    salvage::copy(index.file.as_ref(), 0..entries_end(from.count).min(size_bytes), completed.file.as_ref(), 0, failed)?;
    write_entries(completed, log, from, to, watch)
}

/// Entries that follow each other, gathered before they are written.
pub struct Entries<'a> {
    index: &'a Index,
    /// The number of the record after the last.
    next: u64,
    run: Vec<u8>,
}

impl<'a> Entries<'a> {
    pub fn new(index: &'a Index) -> Result<Entries<'a>> {
        Ok(Entries { index, next: 0, run: memory::with_room(RUN_BYTES, "index entries")? })
    }

    /// Adds the entry of record `number`.
    pub fn add(&mut self, number: u64, entry: &Entry) -> io::Result<()> {
        if number != self.next || self.run.len() + ENTRY_BYTES > RUN_BYTES {
            self.write()?;
        }
        self.run.extend_from_slice(&entry.encode(&self.index.log_id, number));
        self.next = number + 1;
        Ok(())
    }

    /// Writes what was gathered.
    pub fn write(&mut self) -> io::Result<()> {
        let first = self.next - (self.run.len() / ENTRY_BYTES) as u64;
        self.index.file.write_at(entries_end(first), &self.run)?;
        self.run.clear();
        Ok(())
    }
}

/// Writes the entries of the records of `log` from `from` to `to`, of which only the sizes are known. These records are
/// not older than the record before them.
pub fn write_entries(index: &Index, log: &dyn File, from: Point, to: Point, watch: Option<&dyn Watch>) -> Result<()> {
    let failed = |error: io::Error| Error::os("writing index entries", &error);
    let mut bytes = Bytes::new(log, to.end)?.watched(watch);
    let mut entries = Entries::new(index)?;
    let reached = scan::walk(&mut bytes, from, to.count, |number, offset, found| {
        let Found { crc, .. } = found;
        let entry =
            Entry { offset, time_ns: from.time_ns, crc, last_of_batch: true, adopted: true, quarantined: false };
        entries.add(number, &entry).map_err(failed)
    })?;
    if reached.map(|point| point.end) != Some(to.end) {
        return Err(Error::new(
            ErrorKind::Corrupt,
            "the record file changed while it was indexed; stop the process that writes it",
        ));
    }
    entries.write().map_err(failed)
}
