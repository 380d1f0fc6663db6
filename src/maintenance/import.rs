//! Imports the records of a file, in any layout that the original ever wrote, into a new namespace. The file is only
//! read.
//!
//! The record file is built under a temporary name, compared with its source once more, and renamed over an empty file
//! that was locked before. So no process opens it until the index file exists, too. An import that is interrupted
//! before the rename leaves nothing that counts. One that is interrupted after it leaves a whole log, which the next
//! writer adopts.

mod source;

use crate::codec::Chain;
use crate::error::{Error, ErrorKind, Result};
use crate::files::index;
use crate::files::journal;
use crate::files::new_file::NewFile;
use crate::format::codecs::{CHAIN_PAGE_OFFSET, encode_page};
use crate::format::index::{Mode, entries_end};
use crate::format::log;
use crate::format::name::FileName;
use crate::format::number::Outer;
use crate::options::{Options, check_name};
use crate::recovery::layout::Fit;
use crate::recovery::leftovers;
use crate::recovery::rebuild;
use crate::recovery::salvage;
use crate::recovery::scan::Point;
use crate::recovery::{self, Site};
use crate::report::{Outcome, Report};
use crate::storage::Io;
use crate::storage::{self, File, OpenMode, Storage, open_directory, temporary_name};
use crate::util::progress::{Progress, Watch};
use crate::util::random;
use crate::util::sync::Arc;
use source::{Source, compare, decode_all};
use std::io;
use std::path::Path;
use std::time::Instant;

/// Bytes copied or compared between two calls of the progress callback.
const PIECE_BYTES: u64 = 1 << 20;
/// How often the empty record file is claimed again because another opener made or removed it.
const CLAIM_TRIES: usize = 8;

/// Imports `source_file` into the new namespace `name` of the log in `directory`, which is created if need be.
///
/// `progress` gets the bytes done and the total, each byte counted twice: copied, and compared. If `progress` returns
/// `false`, the import ends, and nothing is left of it.
///
/// # Errors
/// When the file or the namespace is not as required; nothing is left then.
pub fn import(
    source_file: impl AsRef<Path>,
    directory: impl AsRef<Path>,
    name: &str,
    options: &Options,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Report> {
    let (source_file, directory) = (source_file.as_ref(), directory.as_ref());
    check_name(name)?;
    options.check()?;
    let file_name = source_file
        .file_name()
        .and_then(|file_name| file_name.to_str())
        .ok_or_else(|| Error::new(ErrorKind::Argument, "it has no file name in UTF-8").of(source_file))?;
    let parent = source_file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = open_directory(parent, Io::Syscall, false)?;
    // The source is checked before anything is made for it.
    Source::open(beside.as_ref(), file_name, &Progress::new(&mut *progress))?;
    storage::create_directory(directory).map_err(|error| Error::os("creating", &error).of(directory))?;
    let storage = open_directory(directory, options.io, true)?;
    import_on(beside.as_ref(), file_name, storage.as_ref(), name, options, progress)
}

/// Imports from one given engine into another, for tests.
#[doc(hidden)]
pub fn import_on(
    beside: &dyn Storage,
    file_name: &str,
    storage: &dyn Storage,
    name: &str,
    options: &Options,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Report> {
    let started = Instant::now();
    let progress = Progress::new(progress);
    let source = Source::open(beside, file_name, &progress)?;
    let named = Chain::new(&options.codecs)?;
    let target = Target { site: Site::new(storage, name, &named)? };
    target.refuse_existing()?;
    target.refuse_without_room(source.fit.count)?;
    storage.sync_own_name().map_err(|error| target.failed(&error))?;
    let claim = target.claim()?;
    let mut lock = None;
    let made = target.build(claim.as_ref(), &mut lock, &source, &named, options, &progress);
    if made.is_err() {
        target.clear();
    }
    // The locks are held until the clearing is over, so that no other process begins to use the namespace before.
    drop((claim, lock));
    made?;
    let count = source.fit.count;
    let duration = started.elapsed();
    Ok(Report { outcome: Outcome::Adopted, count, header_count: count, adopted: count, duration, ..Report::default() })
}

/// The namespace that is made.
struct Target<'a> {
    site: Site<'a>,
}

impl Target<'_> {
    fn failed(&self, error: &io::Error) -> Error {
        Error::os("importing", error).of(&self.site.log_path)
    }

    fn temporary(&self) -> FileName {
        temporary_name(&log::file_name(&self.site.stem))
    }

    fn exists(&self, name: &str) -> Error {
        let message = "it is there already; import into a new namespace";
        Error::new(ErrorKind::Exists, message).of_file(self.site.storage.path(), name)
    }

    /// Refuses to import beside files that may know records. Files that a killed creation or another killed import
    /// leaves know none.
    fn refuse_existing(&self) -> Result<()> {
        match recovery::refuse_if_index_knows_records(&self.site) {
            Err(error) if !error.kind.is_of_the_system() => {
                let names = [index::file_name(&self.site.stem), journal::file_name(self.site.namespace)];
                let there = self.site.storage.metadata(&names[0]).map_err(|error| self.failed(&error))?;
                Err(self.exists(&names[usize::from(there.is_none())]))
            }
            known => known,
        }
    }

    /// Refuses to index more records than there is room for. Empty records in a hole take no room, so a small file can
    /// claim any number of them.
    fn refuse_without_room(&self, count: u64) -> Result<()> {
        self.site.refuse_without_room(entries_end(count), format_args!("an index file for {count} records"))
    }

    /// Returns an empty record file, locked. A file counts as empty, too, if a writer was killed while it created the
    /// file.
    fn claim(&self) -> Result<Arc<dyn File>> {
        let name = log::file_name(&self.site.stem);
        let failed = |error| self.failed(&error);
        for _ in 0..CLAIM_TRIES {
            let mode = match self.site.storage.metadata(&name).map_err(failed)? {
                None => OpenMode::CreateNew,
                Some(meta) if meta.is_regular && meta.size_bytes == 0 => OpenMode::Write,
                Some(_) => return Err(self.exists(&name)),
            };
            let file = match self.site.storage.open(&name, mode) {
                Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {
                    continue;
                }
                opened => opened.map_err(failed)?,
            };
            let claimed = self.lock_claim(file.as_ref());
            if mode == OpenMode::CreateNew && claimed.is_err() {
                let _ = file.remove_unused();
            }
            match claimed? {
                Claimed::Ours => return Ok(file),
                Claimed::Replaced => {}
                Claimed::Locked => {
                    let message = "another process holds a lock on it; it may just be making this namespace";
                    return Err(Error::new(ErrorKind::Locked, message).of(&self.site.log_path));
                }
            }
        }
        Err(self.exists(&name))
    }

    /// Locks `file`.
    fn lock_claim(&self, file: &dyn File) -> Result<Claimed> {
        let failed = |error| self.failed(&error);
        let name = log::file_name(&self.site.stem);
        if !file.try_lock().map_err(failed)? {
            return Ok(Claimed::Locked);
        }
        let held = file.metadata().map_err(failed)?;
        let now = self.site.storage.metadata(&name).map_err(failed)?;
        if now != Some(held) || held.size_bytes > 0 {
            return Ok(Claimed::Replaced);
        }
        // Another process may have made the other files first.
        self.refuse_existing()?;
        Ok(Claimed::Ours)
    }

    /// Removes whatever this import made; the records last, and only when no index file comes back. A crash must not
    /// leave an index file without records, which is refused; records without an index file are a whole log. A file
    /// that stays is in the way of the next import, which says so.
    fn clear(&self) {
        let index_file = index::file_name(&self.site.stem);
        leftovers::discard(self.site.storage, self.site.namespace, &self.site.stem);
        let is_without = match self.site.storage.remove(&index_file) {
            Ok(()) => self.site.storage.sync_directory().is_ok(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if is_without {
            let _ = self.site.storage.remove(&log::file_name(&self.site.stem));
        }
    }

    /// Makes the namespace in the place of `claim`. The record file that takes its name is locked before that, and its
    /// lock is left in `lock`.
    fn build(
        &self,
        claim: &dyn File,
        lock: &mut Option<Arc<dyn File>>,
        source: &Source,
        chain: &Chain,
        options: &Options,
        progress: &dyn Watch,
    ) -> Result<()> {
        let failed = |error| self.failed(&error);
        let (temporary, name) = (self.temporary(), log::file_name(&self.site.stem));
        leftovers::discard(self.site.storage, self.site.namespace, &self.site.stem);
        // A journal without a record, of a creation that was killed.
        journal::remove(self.site.storage, self.site.namespace).map_err(failed)?;
        let made = NewFile::make(self.site.storage, &name, claim, |log| {
            // The lock comes first: once the file is installed, it is the record file of this name.
            let taken = lock.insert(self.site.storage.open(&temporary, OpenMode::Write).map_err(failed)?);
            if !taken.try_lock().map_err(failed)? {
                return Err(self.exists(&temporary));
            }
            self.copy(source, log.as_ref(), progress)?;
            compare(source, log.as_ref(), progress)?;
            if !chain.ids().is_empty() {
                decode_all(source, log.as_ref(), chain, options.max_record_size_bytes, progress)?;
            }
            if source.is_unchanged()? { Ok(()) } else { Err(source.changed()) }
        })?;
        let log = made.install(self.site.storage, &name)?;
        self.index(source, log.as_ref(), chain, progress)
    }

    fn copy(&self, source: &Source, log: &dyn File, progress: &dyn Watch) -> Result<()> {
        let Fit { start, end, count, .. } = source.fit;
        log.write_at(log::COUNT_OFFSET, &log::word(count)).map_err(|error| self.failed(&error))?;
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => source.changed(),
            _ => self.failed(&error),
        };
        let mut at = start;
        // A hole may be of any size: holes are not copied.
        while let Some(data) = source.file.next_data(at).map_err(failed)?.filter(|data| *data < end) {
            progress.tell(data - start, 2 * (end - start))?;
            at = end.min(data + PIECE_BYTES);
            let to = log::HEADER_SIZE_BYTES + (data - start);
            salvage::copy(source.file.as_ref(), data..at, log, to, failed)?;
        }
        log.set_size(log::HEADER_SIZE_BYTES + (end - start)).map_err(failed)
    }

    /// Makes the index file, and closes the log.
    fn index(&self, source: &Source, log: &dyn File, chain: &Chain, progress: &dyn Watch) -> Result<()> {
        let Fit { start, end, count, .. } = source.fit;
        let point = Point { count, end: log::HEADER_SIZE_BYTES + (end - start), time_ns: 0 };
        let (epoch, codecs) = (random::epoch()?, chain.ids());
        let newest = rebuild::first_checkpoint(point, Mode::Fast, epoch, Outer::START);
        let prepared = rebuild::prepare_new(self.site.storage, &self.site.stem, log, newest, codecs, Some(progress))?;
        let (index, slot) = (prepared.install(self.site.storage, &self.site.stem)?, rebuild::FIRST_SLOT);
        let recorded = if codecs.is_empty() || count == 0 {
            Ok(())
        } else {
            index
                .file
                .write_at(CHAIN_PAGE_OFFSET, &encode_page(&codecs, &index.log_id))
                .and_then(|()| index.file.sync())
        };
        recorded.and_then(|()| index.write_clean(&newest, slot)).map_err(|error| self.failed(&error))
    }
}

/// What became of an empty record file that was to be claimed.
#[derive(Clone, Copy, Debug)]
enum Claimed {
    Ours,
    /// It is not empty any more, or another one has its name.
    Replaced,
    Locked,
}
