//! Unfinished files. Each file of a namespace is completed under a temporary name, synced, and renamed. If a process is
//! killed before the rename, the next process that writes the namespace removes the temporary file.

use crate::files::index;
use crate::files::journal;
use crate::format::log;
use crate::format::name::Stem;
use crate::recovery::salvage;
use crate::storage::{Storage, temporary_name};

/// Removes the unfinished files of `namespace`, whose lock the caller holds, and of its segment with `stem`. A file
/// that cannot be removed causes no refusal here: the next process to make that file removes it, or says why it cannot.
pub fn discard(storage: &dyn Storage, namespace: &str, stem: &Stem) {
    let (index, journal) = (index::file_name(stem), journal::file_name(namespace));
    let copies = [salvage::name_of(stem), salvage::name_beside(&index), salvage::name_beside(&journal)];
    for name in [log::file_name(stem), index, journal].iter().chain(&copies) {
        let _ = storage.remove(&temporary_name(name));
    }
}
