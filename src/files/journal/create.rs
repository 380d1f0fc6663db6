//! Making the journal file, and removing it.

use super::file_name;
use crate::error::{Error, ErrorKind, Result};
use crate::files::new_file::NewFile;
use crate::storage::{File, Storage, temporary_name};
use std::io;

/// The most that one call writes.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Makes an empty journal of `size_bytes` for `namespace`, whose record file is `log`: all bytes of the new journal are
/// zeros on disk. A journal that exists is not touched.
///
/// # Errors
/// If there is no room for the journal, nothing is left of it.
pub fn prepare(storage: &dyn Storage, namespace: &str, log: &dyn File, size_bytes: u64) -> Result<NewFile> {
    let name = file_name(namespace);
    let made = NewFile::make(storage, &name, log, |file| {
        let mut at = 0;
        while at < size_bytes {
            let count = usize::try_from(size_bytes - at).unwrap_or(usize::MAX).min(ZEROS.len());
            file.write_at(at, &ZEROS[..count])
                .map_err(|error| Error::os("making the journal", &error).of_file(storage.path(), &name))?;
            at += count as u64;
        }
        Ok(())
    });
    made.map_err(|error| match error.kind {
        ErrorKind::NoSpace => error.advising("opened in fast mode a log needs none"),
        _ => error,
    })
}

/// Removes the journal of `namespace`, and a half-made one, if they are there. A removed journal does not come back
/// after a loss of power. A directory of that name is no journal: it stays, and is no error.
pub fn remove(storage: &dyn Storage, namespace: &str) -> io::Result<()> {
    let _ = storage.remove(&temporary_name(&file_name(namespace)));
    match storage.remove(&file_name(namespace)) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory) => Ok(()),
        removed => removed.and_then(|()| storage.sync_directory()),
    }
}
