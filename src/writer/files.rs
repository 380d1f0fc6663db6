//! The files under a writer: whether each still is what was opened and has its name, and what is said when one is not.

use crate::error::{Error, ErrorKind, Result};
use crate::format::name::FileName;
use crate::storage::{File, Standing, Storage};
use crate::util::memory;
use crate::util::sync::Arc;
use std::path::{Path, PathBuf};

/// What a writer has open.
#[derive(Debug)]
pub(super) struct WriterFiles {
    storage: Arc<dyn Storage>,
    files: Vec<Named>,
}

#[derive(Debug)]
struct Named {
    name: FileName,
    path: PathBuf,
    file: Arc<dyn File>,
}

/// A file, or the directory, that is not what it was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lost {
    /// Which file, in the order given; `None`: the directory.
    place: Option<usize>,
    standing: Standing,
}

impl WriterFiles {
    pub(super) fn new(
        storage: &Arc<dyn Storage>,
        files: impl IntoIterator<Item = (FileName, Arc<dyn File>)>,
    ) -> Result<WriterFiles> {
        let mut all = Vec::new();
        for (name, file) in files {
            memory::push(&mut all, Named { path: memory::path(storage.path(), &name)?, name, file })?;
        }
        Ok(WriterFiles { storage: Arc::clone(storage), files: all })
    }

    /// The first file that is not what it was; `lock` is the open file that holds the lock of the first one.
    ///
    /// # Errors
    /// The system does not say where a file is.
    pub(super) fn look(&self, lock: Option<&Arc<dyn File>>) -> Result<Option<Lost>> {
        let failed = |path: &Path, error| Error::os("looking whether it is still in place", &error).of(path);
        let lost_at = |place: usize, file: &dyn File| {
            let Named { name, path, .. } = &self.files[place];
            let standing = file.standing(name).map_err(|error| failed(path, error))?;
            Ok::<_, Error>((standing != Standing::Kept).then_some(Lost { place: Some(place), standing }))
        };
        // The lock first: if this process has taken it again, all descriptor numbers may be those of the newer handle.
        let of_lock = lock.map_or(Ok(None), |lock| lost_at(0, lock.as_ref()))?;
        if of_lock.as_ref().is_some_and(|lost| lost.standing == Standing::Closed) {
            return Ok(of_lock);
        }
        let standing = self.storage.standing().map_err(|error| failed(self.storage.path(), error))?;
        if standing != Standing::Kept {
            return Ok(Some(Lost { place: None, standing }));
        }
        for (place, named) in self.files.iter().enumerate() {
            if let Some(lost) = lost_at(place, named.file.as_ref())? {
                return Ok(Some(lost));
            }
        }
        Ok(None)
    }

    /// The error of `kind` that says what became of `lost`.
    pub(super) fn error(&self, kind: ErrorKind, lost: Lost) -> Error {
        let path = lost.place.and_then(|place| self.files.get(place)).map_or(self.storage.path(), |named| &named.path);
        let what = match lost.standing {
            Standing::Closed => "something in this process closed its descriptor, which may lead to another file now",
            Standing::Removed => "it was removed while the log was open",
            Standing::Moved | Standing::Kept => "it was moved or replaced while the log was open",
        };
        Error::new(kind, what)
            .advising("nothing more is written")
            .advising("an append in flight may or may not be there")
            .advising("records appended since the last checkpoint may be missing")
            .advising("close the log, put the files back in place, and open it again")
            .of(path)
    }
}
