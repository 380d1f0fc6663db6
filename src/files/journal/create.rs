//! Making the journal file, and removing it.

use super::file_name;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::{File, Storage, remove_if_there, temporary_name};
use crate::util::sync::Arc;
use std::io;

/// What is written by one call.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// A journal of zeros under a temporary name, on disk as a whole.
#[derive(Debug)]
pub struct Prepared {
    file: Arc<dyn File>,
}

/// Makes an empty journal of `size_bytes` for `namespace`, whose record file is `log`, without touching the one that may be there.
///
/// # Errors
/// No room for it: nothing is left behind.
pub fn prepare(storage: &dyn Storage, namespace: &str, log: &dyn File, size_bytes: u64) -> Result<Prepared> {
    let temporary = temporary_name(&file_name(namespace));
    remove_if_there(storage, &temporary).map_err(failed("removing", storage, &temporary))?;
    let made = fill(storage, log, &temporary, size_bytes);
    if made.is_err() {
        // What was written of it may be what fills the disk.
        let _ = storage.remove(&temporary);
    }
    let file = made.map_err(|error| {
        let made = failed("creating the journal", storage, &temporary)(error);
        if made.kind == ErrorKind::NoSpace { made.advising("opened in fast mode a log needs none") } else { made }
    })?;
    Ok(Prepared { file })
}

fn fill(storage: &dyn Storage, log: &dyn File, name: &str, size_bytes: u64) -> io::Result<Arc<dyn File>> {
    let file = storage.create_beside(log, name)?;
    let mut at = 0;
    while at < size_bytes {
        let count = usize::try_from(size_bytes - at).unwrap_or(usize::MAX).min(ZEROS.len());
        file.write_at(at, &ZEROS[..count])?;
        at += count as u64;
    }
    file.sync()?;
    Ok(file)
}

impl Prepared {
    /// Puts it in the place of the one that may be there.
    pub fn install(self, storage: &dyn Storage, namespace: &str) -> Result<Arc<dyn File>> {
        let (temporary, name) = (temporary_name(&file_name(namespace)), file_name(namespace));
        let renamed = storage.rename(&temporary, &name);
        renamed.and_then(|()| storage.sync_directory()).map_err(failed("installing", storage, &name))?;
        Ok(self.file)
    }
}

/// Removes the journal of `namespace`, and a half-made one, if they are there. It does not come back with the power. What is no file at
/// all, and so never was a journal, stands in nobody's way.
pub fn remove(storage: &dyn Storage, namespace: &str) -> io::Result<()> {
    let _ = storage.remove(&temporary_name(&file_name(namespace)));
    match storage.remove(&file_name(namespace)) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory) => Ok(()),
        removed => removed.and_then(|()| storage.sync_directory()),
    }
}

fn failed<'a>(doing: &'a str, storage: &'a dyn Storage, name: &'a str) -> impl Fn(io::Error) -> Error + 'a {
    move |error| Error::os(doing, &error).of_file(storage.path(), name)
}
