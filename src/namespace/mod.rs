//! What the writer and the streams of one namespace share: what is visible, where to wait, the pool, the counters.

pub mod follower;
pub mod pool;
pub mod record;
pub mod wait;

use crate::codec::Chain;
use crate::error::{Error, ErrorKind, Result, no_memory};
use crate::files::index::{self, CodecsIn, Header, Index, IndexView};
use crate::files::journal;
use crate::format::index::Mode;
use crate::format::log;
use crate::format::name::{FileName, Stem};
use crate::format::number::Base;
use crate::namespace::pool::Pool;
use crate::namespace::record::{Location, ReadCount, Reader};
use crate::namespace::wait::{EventCount, Visible};
use crate::options::Options;
use crate::report::{Report, Stats};
use crate::storage::{Engine, OpenMode, Storage};
use crate::util::memory;
use crate::util::sync::{Arc, Mutex, RwLock};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Sentinel for a durable count: all visible records are durable.
pub const ALL_VISIBLE: u64 = u64::MAX;

/// Figures for [`Stats`] that a reader changes.
#[derive(Debug, Default)]
#[repr(align(128))] // the figures of the writer are not to share their cache lines
pub struct ReadCounters {
    pub streams: AtomicU64,
    pub waiters: AtomicU64,
    pub checksum_failures: AtomicU64,
}

/// Figures for [`Stats`].
#[derive(Debug, Default)]
pub struct Counters {
    pub read: ReadCounters,
    pub appends: AtomicU64,
    pub commits: AtomicU64,
    pub syncs: AtomicU64,
    /// Of a fast writer: the count that the last completed flush covers.
    pub flushed_count: AtomicU64,
    /// Whether the writer is in durable mode.
    pub is_durable: AtomicBool,
}

/// The index a stream reads, the codecs of its records, and which opening of the files it belongs to.
#[derive(Clone, Debug)]
pub struct OpenIndex {
    pub index: Index,
    pub chain: Chain,
    pub codecs_in: CodecsIn,
    pub files_serial: u64,
}

impl OpenIndex {
    /// `index`, the index file at `path`, for an opener who named the codecs `named`.
    ///
    /// # Errors
    /// Those of [`Chain::agree`].
    pub fn new(index: Index, named: &Chain, path: &Path) -> Result<OpenIndex> {
        let header = Header::read(index.file.as_ref()).map_err(|error| Error::os("reading", &error).of(path))?;
        let chain = named.agree(header.codecs.as_deref(), path)?;
        Ok(OpenIndex { index, chain, codecs_in: header.codecs_in(), files_serial: 0 })
    }

    /// Whether it is certain that payloads are stored as they are.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.codecs_in != CodecsIn::Nowhere && self.chain.is_plain()
    }
}

/// What a namespace is put together from.
#[derive(Debug)]
pub struct Parts {
    pub index: OpenIndex,
    /// Wakes the sleepers of this process.
    pub events: EventCount,
    pub readers: Vec<Reader>,
}

/// One namespace of an open log.
///
/// Invariants:
/// 1. `files_serial` is the serial in `index`, stored under the write lock of `index`, and never goes back.
/// 2. `closed` and `poisoned` are never cleared.
#[derive(Debug)]
pub struct Namespace {
    /// Its number in this log, in the order added.
    pub number: u32,
    pub name: String,
    pub storage: Arc<dyn Storage>,
    pub visible: Visible,
    pub events: EventCount,
    pub pool: Pool<Reader>,
    pub counters: Counters,
    /// Of each reader of the pool.
    records_read: Vec<Arc<ReadCount>>,
    pub max_record_size_bytes: u64,
    pub verify_reads: bool,
    pub poisoned: AtomicBool,
    pub report: Mutex<Report>,
    log_path: PathBuf,
    index_path: PathBuf,
    index: RwLock<OpenIndex>,
    named: Chain,
    /// The serial in `index`, to be compared without a lock.
    files_serial: AtomicU64,
    closed: AtomicBool,
}

impl Namespace {
    pub fn new(
        number: u32,
        name: &str,
        storage: Arc<dyn Storage>,
        options: &Options,
        parts: Parts,
    ) -> Result<Namespace> {
        let Parts { index, events, readers } = parts;
        let records_read = memory::list(readers.iter().map(|reader| Arc::clone(&reader.records_read)))?;
        let stem = Stem::of(name, Base::FIRST);
        Ok(Namespace {
            number,
            name: memory::text(name)?,
            log_path: memory::path(storage.path(), &log::file_name(&stem))?,
            index_path: memory::path(storage.path(), &index::file_name(&stem))?,
            storage,
            visible: Visible::new(),
            events,
            pool: Pool::new(readers)?,
            records_read,
            counters: Counters::default(),
            max_record_size_bytes: options.max_record_size_bytes,
            verify_reads: options.verify_reads,
            poisoned: AtomicBool::new(false),
            report: Mutex::new(Report::default()),
            index: RwLock::new(index),
            named: Chain::new(&options.codecs)?,
            files_serial: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        })
    }

    /// Ends all waits and refuses new ones; repeatable.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.events.notify_all();
        self.pool.close();
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub fn closed_error(&self) -> Error {
        Error::new(ErrorKind::Closed, "the namespace was shut down; open the log again")
            .of(self.log_path())
            .in_namespace(self.number)
    }

    /// The path of the record file, for messages.
    pub fn log_path(&self) -> &Path {
        &self.log_path
    }

    /// The path of the index file, for messages.
    pub fn index_path(&self) -> &Path {
        &self.index_path
    }

    pub fn open_index(&self) -> OpenIndex {
        self.index.read().clone()
    }

    /// How often everything that was read or mapped of the files became void.
    pub fn files_serial(&self) -> u64 {
        self.files_serial.load(Ordering::Acquire)
    }

    /// Switches to files that were opened again under the same paths.
    pub fn replace_index(&self, index: Index) -> Result<()> {
        let opened = OpenIndex::new(index, &self.named, self.index_path())?;
        let mut current = self.index.write();
        *current = OpenIndex { files_serial: current.files_serial + 1, ..opened };
        self.files_serial.store(current.files_serial, Ordering::Release);
        Ok(())
    }

    /// Makes streams and readers forget what they hold of the files, because it was rolled back.
    pub fn forget_files(&self) {
        let mut current = self.index.write();
        current.files_serial += 1;
        self.files_serial.store(current.files_serial, Ordering::Release);
    }

    /// The codecs the opener named.
    pub fn named_codecs(&self) -> &Chain {
        &self.named
    }

    /// The index with the codecs that an append made known since the log was opened.
    pub fn learn_codecs(&self) -> Result<OpenIndex> {
        let current = self.open_index();
        if current.codecs_in != CodecsIn::Nowhere {
            return Ok(current);
        }
        self.replace_index(current.index)?;
        Ok(self.open_index())
    }

    /// Wakes the threads and event loops that wait for what the writer has just made visible.
    #[inline]
    pub fn published(&self) {
        self.events.published(&self.visible);
    }

    /// Opens `reader` again if it was opened before the files were replaced.
    #[inline]
    pub fn reopen(&self, reader: &mut Reader) -> Result<()> {
        let files_serial = self.files_serial();
        if reader.files_serial != files_serial {
            *reader = self.opened_again(reader, files_serial)?;
        }
        Ok(())
    }

    #[cold]
    #[inline(never)] // else every read would have the names in its frame
    fn opened_again(&self, reader: &Reader, files_serial: u64) -> Result<Reader> {
        let stem = Stem::of(&self.name, Base::FIRST);
        open_reader(self.storage.as_ref(), &stem, files_serial, Arc::clone(&reader.records_read))
    }

    /// The figures of this namespace. `followed`: its mode and how many of its records are durable, where no writer of
    /// this process has it open.
    pub fn stats(&self, followed: Option<(Mode, u64)>) -> Stats {
        let size = |name: FileName| self.storage.metadata(&name).ok().flatten().map_or(0, |meta| meta.size_bytes);
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (mode, durable_count) = match followed {
            Some(followed) => followed,
            None if self.counters.is_durable.load(Ordering::Relaxed) => (Mode::Durable, ALL_VISIBLE),
            None => (Mode::Fast, self.counters.flushed_count.load(Ordering::Acquire)),
        };
        // Read after the durable count: a record that becomes visible and durable meanwhile counts as visible only.
        let (count, end) = self.visible.get();
        let (readers, readers_in_use) = self.pool.usage();
        let stem = Stem::of(&self.name, Base::FIRST);
        Stats {
            count,
            durable_count: durable_count.min(count),
            data_bytes: end,
            file_bytes: size(log::file_name(&stem)),
            index_bytes: size(index::file_name(&stem)),
            journal_bytes: size(journal::file_name(&self.name)),
            readers: readers.into(),
            readers_in_use: readers_in_use.into(),
            streams: load(&self.counters.read.streams),
            waiters: load(&self.counters.read.waiters),
            appends: load(&self.counters.appends),
            commits: load(&self.counters.commits),
            syncs: load(&self.counters.syncs),
            records_read: self.records_read.iter().map(|reader| reader.get()).sum(),
            checksum_failures: load(&self.counters.read.checksum_failures),
            mode,
            engine: if self.storage.maps_files() { Engine::Mmap } else { Engine::Syscall },
            is_poisoned: self.poisoned.load(Ordering::Relaxed),
            is_read_only: followed.is_some(),
        }
    }
}

/// Opens the `count` readers of a namespace, on the record file with `stem`, which exists.
pub fn open_readers(storage: &dyn Storage, stem: &Stem, count: u32) -> Result<Vec<Reader>> {
    let mut readers = Vec::new();
    readers.try_reserve_exact(count as usize).map_err(|_| no_memory("the readers", u64::from(count) * 64))?;
    for _ in 0..count {
        readers.push(open_reader(storage, stem, 0, Arc::new(ReadCount::default())?)?);
    }
    Ok(readers)
}

fn open_reader(storage: &dyn Storage, stem: &Stem, files_serial: u64, records_read: Arc<ReadCount>) -> Result<Reader> {
    let file_name = log::file_name(stem);
    let failed = |error| Error::os("opening a reader", &error).of_file(storage.path(), &file_name);
    let file = storage.open(&file_name, OpenMode::Read).map_err(failed)?;
    let view = file.view().map_err(failed)?;
    Ok(Reader {
        view,
        index_view: IndexView::default(),
        files_serial,
        place: Location::default(),
        decoded: None,
        records_read,
    })
}
