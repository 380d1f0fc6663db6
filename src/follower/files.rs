//! The files of one namespace as a reader has them open, and the index it makes itself where there is none.

use crate::codec::Chain;
use crate::error::{Error, ErrorKind, Result};
use crate::format::log;
use crate::index::{self, Header, Index};
use crate::layout;
use crate::namespace::log_file_name;
use crate::rebuild;
use crate::scan::Bytes;
use crate::storage::{CommitWord, File, FileId, OpenMode, Storage};
use std::sync::Arc;

/// The most records indexed in memory, 24 bytes each.
const SCRATCH_RECORDS_MAX: u64 = 1 << 24;

/// The files of one namespace as a reader has them open.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) log: Arc<dyn File>,
    pub(super) log_id: FileId,
    pub(super) index: Index,
    /// `None` when there is no usable side file and the index is in memory.
    pub(super) index_id: Option<FileId>,
    pub(super) word: Box<dyn CommitWord>,
}

impl Files {
    pub(super) fn open(storage: &dyn Storage, namespace: &str, named: &Chain) -> Result<Files> {
        let log_name = log_file_name(namespace);
        let log = open_file(storage, &log_name)?;
        let log_meta = log.metadata().map_err(|error| failed("looking at", storage, &log_name, &error))?;
        if log_meta.size_bytes < log::HEADER_SIZE_BYTES {
            let message = format!(
                "{} has {} bytes, a record file at least 8; opening it for writing creates it, or says what is missing",
                storage.path().join(&log_name).display(),
                log_meta.size_bytes
            );
            return Err(Error::new(ErrorKind::Truncated, message));
        }
        let (index, index_id) = match open_index(storage, namespace, named)? {
            Some((index, id)) => (index, Some(id)),
            None => (index_records(storage, &log_name, log.as_ref(), log_meta.size_bytes)?, None),
        };
        let word =
            Arc::clone(&log).commit_word(false).map_err(|error| failed("mapping", storage, &log_name, &error))?;
        Ok(Files { log, log_id: log_meta.id, index, index_id, word })
    }

    /// Whether these can be read on with in place of `before`.
    pub(super) fn continue_from(&self, before: &Files) -> bool {
        let now_indexed = before.index_id.is_none() && self.log_id == before.log_id;
        now_indexed || self.index.log_id == before.index.log_id
    }
}

/// The side file; `None` when there is none, or one without an identity.
fn open_index(storage: &dyn Storage, namespace: &str, named: &Chain) -> Result<Option<(Index, FileId)>> {
    let name = index::file_name(namespace);
    let file = match open_file(storage, &name) {
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let id = file.metadata().map_err(|error| failed("looking at", storage, &name, &error))?.id;
    let header = Header::read(file.as_ref()).map_err(|error| failed("reading", storage, &name, &error))?;
    let identity = crate::recovery::usable_identity(&header, named, &storage.path().join(&name))?;
    Ok(identity.map(|identity| (Index { file, log_id: identity.log_id }, id)))
}

/// Indexes in memory the records of a file that nobody writes.
fn index_records(storage: &dyn Storage, name: &str, log: &dyn File, size_bytes: u64) -> Result<Index> {
    let path = storage.path().join(name);
    if log.is_locked().map_err(|error| failed("asking for the lock of", storage, name, &error))? {
        let message = format!("{} has no side file yet and a writer holds it; try again", path.display());
        return Err(Error::new(ErrorKind::NotFound, message));
    }
    let point = layout::recognise(&mut Bytes::new(log, size_bytes)?, &path)?;
    if point.count > SCRATCH_RECORDS_MAX {
        let message = format!(
            "{} has no side file and {} records, too many to index in memory; open it for writing once to index them on disk",
            path.display(),
            point.count
        );
        return Err(Error::new(ErrorKind::NoMemory, message));
    }
    rebuild::scratch_index(storage, log, point)
}

fn open_file(storage: &dyn Storage, name: &str) -> Result<Arc<dyn File>> {
    storage.open(name, OpenMode::Read).map_err(|error| failed("opening", storage, name, &error))
}

fn failed(doing: &str, storage: &dyn Storage, name: &str, error: &std::io::Error) -> Error {
    Error::os(format_args!("{doing} {}", storage.path().join(name).display()), error)
}
