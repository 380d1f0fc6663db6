//! Which namespaces a directory has, and which files only look like one. Nothing is changed.

use crate::codec::Chain;
use crate::error::{Error, ErrorKind, Result};
use crate::files::index;
use crate::format::log;
use crate::format::name::Stem;
use crate::format::number::Base;
use crate::namespace::follower;
use crate::options::{Options, check_name};
use crate::storage::{Storage, open_directory};
use crate::util::memory;
use std::path::Path;

/// A record file, or anything else with the name of one.
#[derive(Debug)]
#[non_exhaustive]
pub struct FoundNamespace {
    /// What the namespace is called.
    pub name: String,
    /// Why a read-only log would not open it.
    pub refusal: Option<Error>,
}

/// Looks at everything in `directory` that is called like a record file, in order of name.
///
/// # Errors
/// The directory cannot be read, or the system refuses a call that is needed to look.
pub fn scan(directory: impl AsRef<Path>, options: &Options) -> Result<Vec<FoundNamespace>> {
    options.check()?;
    let storage = open_directory(directory.as_ref(), options.io, false)?;
    scan_on(storage.as_ref(), options)
}

/// Scans on a given engine, for tests.
#[doc(hidden)]
pub fn scan_on(storage: &dyn Storage, options: &Options) -> Result<Vec<FoundNamespace>> {
    let named = Chain::new(&options.codecs)?;
    let look = |name: String| {
        let refusal = check_name(&name).and_then(|()| follower::try_files(storage, &name, &named)).err();
        match refusal {
            Some(error) if error.kind.is_of_the_system() => Err(error),
            refusal => Ok(FoundNamespace { name, refusal }),
        }
    };
    let mut found = Vec::new();
    for name in names(storage)? {
        memory::push(&mut found, look(name)?)?;
    }
    Ok(found)
}

/// The names of the namespaces there may be, in order.
pub fn names(storage: &dyn Storage) -> Result<Vec<String>> {
    let failed = |error| Error::os("listing", &error).of(storage.path());
    let mut names = Vec::new();
    for file in storage.list().map_err(failed)? {
        let name = file.strip_suffix(log::SUFFIX).and_then(|name| name.strip_suffix('.'));
        name.map_or(Ok(()), |name| memory::push(&mut names, memory::text(name)?))?;
    }
    names.sort_unstable();
    Ok(names)
}

/// Passes over `refusal` if what has the name of the record file of `name` is no namespace: it is not whole yet, or
/// something else. Whatever has an index file is a namespace, and its damage is not passed over.
///
/// # Errors
/// The refusal of a namespace, and those of the system, which say nothing about the file.
pub fn pass_over(storage: &dyn Storage, name: &str, refusal: Error) -> Result<()> {
    if refusal.kind == ErrorKind::NotFound {
        return Ok(());
    }
    let index_file = storage.metadata(&index::file_name(&Stem::of(name, Base::FIRST)));
    let has_index_file = index_file.map_or(true, |meta| meta.is_some_and(|meta| meta.is_regular));
    if has_index_file || refusal.kind.is_of_the_system() { Err(refusal) } else { Ok(()) }
}
