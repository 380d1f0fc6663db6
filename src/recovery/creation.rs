//! A namespace that an opening makes: it exists as a whole, or everything is as it was before.

use crate::files::index;
use crate::files::journal;
use crate::files::live;
use crate::format::log;
use crate::format::name::Stem;
use crate::recovery::{Site, leftovers};
use crate::storage::{File, Storage, remove_if_there};
use crate::util::sync::Arc;
use std::io;

/// When it is dropped and not kept, removes what an opening has made of a namespace that did not exist. A record file
/// that existed gets its bytes back.
pub struct Creation<'a> {
    storage: &'a dyn Storage,
    namespace: &'a str,
    stem: Stem,
    /// Held until the drop, so that the files removed are not another opener's.
    lock: Arc<dyn File>,
    /// The bytes that the record file had before, too few for a count; `None` where this opening has made the file.
    before: Option<Short>,
    is_kept: bool,
}

/// The bytes of a record file that has no count.
struct Short {
    bytes: [u8; 8],
    size: usize,
}

impl<'a> Creation<'a> {
    /// The creation of the namespace at `site`, whose record file this opening has made and locked.
    pub fn of_new(site: &Site<'a>, lock: Arc<dyn File>) -> Creation<'a> {
        Creation::of(site, lock, None)
    }

    /// The creation of the namespace at `site`, whose record file existed, and has no count.
    pub fn of_short(site: &Site<'a>, lock: Arc<dyn File>) -> io::Result<Creation<'a>> {
        let mut bytes = log::word(0);
        let read = lock.read_at(0, &mut bytes)?;
        Ok(Creation::of(site, lock, Some(Short { bytes, size: read })))
    }

    fn of(site: &Site<'a>, lock: Arc<dyn File>, before: Option<Short>) -> Creation<'a> {
        let Site { storage, namespace, stem, .. } = *site;
        Creation { storage, namespace, stem, lock, before, is_kept: false }
    }

    /// Keeps what was made, because the opening has completed.
    pub fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Creation<'_> {
    /// Best effort: files that remain know no record, and the next writer uses them.
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        // Without its count the namespace does not exist for any process.
        let _ = self.lock.set_size(0);
        leftovers::discard(self.storage, self.namespace, &self.stem);
        let remove = |name: &str| remove_if_there(self.storage, name);
        // A durable index file that came back after a loss of power, without its journal, would say that records are
        // missing.
        if remove(&index::file_name(&self.stem)).and_then(|()| self.storage.sync_directory()).is_ok() {
            let _ = remove(&journal::file_name(self.namespace));
        }
        let _ = match &self.before {
            None => remove(&log::file_name(&self.stem)),
            Some(Short { bytes, size }) => self.lock.write_at(0, &bytes[..*size]),
        };
        let _ = remove(&live::file_name(self.namespace));
    }
}
