//! A namespace that an opening makes: there as a whole, or nothing of it.

use crate::format::log;
use crate::format::name::FileName;
use crate::index;
use crate::journal;
use crate::leftovers;
use crate::live;
use crate::storage::{File, Storage, remove_if_there};
use crate::sync::Arc;

/// Removes, when it is dropped, what an opening has made of a namespace that was not there; unless it is kept.
pub struct Creation<'a> {
    storage: &'a dyn Storage,
    namespace: &'a str,
    /// Held meanwhile, so that what is removed is not another opener's.
    _lock: Arc<dyn File>,
    is_kept: bool,
}

impl<'a> Creation<'a> {
    /// Of `namespace`, whose record file this opening has made and locked.
    pub fn new(storage: &'a dyn Storage, namespace: &'a str, lock: Arc<dyn File>) -> Creation<'a> {
        Creation { storage, namespace, _lock: lock, is_kept: false }
    }

    /// The opening has come to its end.
    pub fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Creation<'_> {
    /// As well as it can be done: what stays knows no record, and the next writer goes on with it.
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        leftovers::discard(self.storage, self.namespace);
        let remove = |name: fn(&str) -> FileName| remove_if_there(self.storage, &name(self.namespace));
        // A durable side file that came back after a loss of power, without its journal, would say that records are missing.
        if remove(index::file_name).and_then(|()| self.storage.sync_directory()).is_ok() {
            let _ = remove(journal::file_name);
        }
        let _ = remove(log::file_name);
        let _ = remove(live::file_name);
    }
}
