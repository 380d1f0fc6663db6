//! Files half made. Each file of a namespace is made whole under a temporary name, synced, and renamed; what a process that was killed leaves
//! under such a name is removed by the next one that writes the namespace.

use crate::files::index;
use crate::files::journal;
use crate::format::log;
use crate::recovery::salvage;
use crate::storage::{Storage, temporary_name};

/// Removes everything half made of `namespace`, whose lock the caller holds. What cannot be removed refuses nothing here: the next one to
/// make that file removes it, or says why it cannot.
pub fn discard(storage: &dyn Storage, namespace: &str) {
    let (index, journal) = (index::file_name(namespace), journal::file_name(namespace));
    let copies = [salvage::name_of(namespace), salvage::name_beside(&index), salvage::name_beside(&journal)];
    for name in [log::file_name(namespace), index, journal].iter().chain(&copies) {
        let _ = storage.remove(&temporary_name(name));
    }
}
