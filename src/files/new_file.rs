//! A file that is made whole under a temporary name, synced, and only then takes its own: a crash leaves the one before
//! it, or this one.

use crate::error::{Error, Result};
use crate::format::name::FileName;
use crate::storage::{File, Storage, remove_if_there, temporary_name};
use crate::util::sync::Arc;

/// A file that is complete and durable under its temporary name.
#[derive(Debug)]
pub struct NewFile {
    file: Arc<dyn File>,
    temporary: FileName,
}

impl NewFile {
    /// Makes a file for the name `name`. The users that may read or write `record`, a record file, may do the same with
    /// the new file. `write` fills the new file, which is synced after that. A failure leaves nothing of it.
    ///
    /// # Errors
    /// Those of `write`, and of the system: no room, or no permission.
    pub fn make(
        storage: &dyn Storage,
        name: &str,
        record: &dyn File,
        write: impl FnOnce(&Arc<dyn File>) -> Result<()>,
    ) -> Result<NewFile> {
        let temporary = temporary_name(name);
        let failed = |error: std::io::Error| Error::os("making", &error).of_file(storage.path(), &temporary);
        remove_if_there(storage, &temporary).map_err(failed)?;
        let made = storage.create_beside(record, &temporary).map_err(failed).and_then(|file| {
            write(&file)?;
            file.sync().map_err(failed)?;
            Ok(file)
        });
        if made.is_err() {
            // The bytes written so far may be what fills the disk.
            let _ = storage.remove(&temporary);
        }
        let file = made?;
        Ok(NewFile { file, temporary })
    }

    /// Gives the file the name `name`, durably, and replaces a file that may have that name.
    ///
    /// # Errors
    /// If the system refuses, nothing is left of the file, or the file has its name and a crash may take the name back.
    pub fn install(self, storage: &dyn Storage, name: &str) -> Result<Arc<dyn File>> {
        let renamed = storage.rename(&self.temporary, name);
        if renamed.is_err() {
            let _ = storage.remove(&self.temporary);
        }
        let installed = renamed.and_then(|()| storage.sync_directory());
        installed.map_err(|error| Error::os("installing", &error).of_file(storage.path(), name))?;
        Ok(self.file)
    }
}
