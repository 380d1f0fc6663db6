//! Which segment of which namespace is opened, verified or mended, and how: what every step needs for its calls and
//! messages.

use super::layout::{self, Led};
use super::scan::{Bytes, Point};
use crate::codec::Chain;
use crate::error::{Error, ErrorKind, Result};
use crate::files::index;
use crate::format::log;
use crate::format::name::Stem;
use crate::format::number::Base;
use crate::storage::{File, Storage};
use crate::util::memory;
use crate::util::progress::Watch;
use std::fmt::Display;
use std::path::PathBuf;

/// The segment at hand, for calls and for messages.
pub struct Site<'a> {
    pub storage: &'a dyn Storage,
    pub namespace: &'a str,
    pub base: Base,
    /// What the names of the segment's files begin with.
    pub stem: Stem,
    /// The codecs the opener named.
    pub named: &'a Chain,
    /// Whether the count alone is enough to believe records that lie in a hole.
    count_holds: bool,
    /// Informed of the bytes read.
    pub watch: Option<&'a dyn Watch>,
    pub log_path: PathBuf,
    pub index_path: PathBuf,
}

impl<'a> Site<'a> {
    /// The site of the first segment of `namespace`.
    pub fn new(storage: &'a dyn Storage, namespace: &'a str, named: &'a Chain) -> Result<Site<'a>> {
        Site::of(storage, namespace, Base::FIRST, named)
    }

    /// The site of the segment of `namespace` that begins at `base`.
    pub fn of(storage: &'a dyn Storage, namespace: &'a str, base: Base, named: &'a Chain) -> Result<Site<'a>> {
        let stem = Stem::of(namespace, base);
        let log_path = memory::path(storage.path(), &log::file_name(&stem))?;
        let index_path = memory::path(storage.path(), &index::file_name(&stem))?;
        Ok(Site { storage, namespace, base, stem, named, count_holds: false, watch: None, log_path, index_path })
    }

    /// The same site, where the count alone is enough to believe records that lie in a hole.
    pub fn with_count(&self) -> Result<Site<'a>> {
        let site = Site::of(self.storage, self.namespace, self.base, self.named)?;
        Ok(Site { count_holds: true, ..site }.watched(self.watch))
    }

    /// The same site, with `watch` informed of the bytes read.
    pub fn watched(self, watch: Option<&'a dyn Watch>) -> Site<'a> {
        Site { watch, ..self }
    }

    /// The first `size_bytes` of `file`, to be read.
    pub fn bytes<'b>(&self, file: &'b dyn File, size_bytes: u64) -> Result<Bytes<'b>>
    where
        'a: 'b,
    {
        Ok(Bytes::new(file, size_bytes)?.watched(self.watch))
    }

    /// The point that the sizes of records lead to.
    ///
    /// # Errors
    /// `E_AMBIGUOUS` when some of these records lie in a hole (O21), unless the count holds (R8).
    pub fn confirmed(&self, led: Led) -> Result<Point> {
        layout::confirmed(led, self.count_holds, &self.log_path)
    }

    /// As [`layout::recognise`], of this record file.
    pub fn recognise(&self, bytes: &mut Bytes<'_>) -> Result<Point> {
        layout::recognise(bytes, &self.log_path, self.count_holds)
    }

    /// How much room is free.
    pub fn free_bytes(&self) -> Result<u64> {
        self.storage.free_bytes().map_err(self.failed("asking for the free space"))
    }

    /// Refuses when `needed_bytes` are not free; `what` names the thing that takes them.
    pub fn refuse_without_room(&self, needed_bytes: u64, what: impl Display) -> Result<()> {
        let free_bytes = self.free_bytes()?;
        if needed_bytes <= free_bytes { Ok(()) } else { Err(self.without_room(needed_bytes, free_bytes, what)) }
    }

    /// The refusal of `what`, which takes `needed_bytes` where only `free_bytes` are free.
    pub fn without_room(&self, needed_bytes: u64, free_bytes: u64, what: impl Display) -> Error {
        Error::new(ErrorKind::NoSpace, format_args!("there is no room for {what}"))
            .comparing(format_args!("{needed_bytes} free bytes"), free_bytes)
            .advising("make room and try again")
            .of(&self.log_path)
    }

    /// The error where `expected_count` records verified, and after a write only those up to `there` do.
    pub fn lost_from_memory(&self, expected_count: u64, there: Point) -> Error {
        Error::new(ErrorKind::Io, "records that a failed sync had left only in memory are lost")
            .comparing(format_args!("{expected_count} records"), there.count)
            .of(&self.log_path)
            .at(there.count, there.end)
    }

    pub fn failed<'e>(&'e self, doing: &'e str) -> impl Fn(std::io::Error) -> Error + 'e {
        move |error| Error::os(doing, &error).of(&self.log_path)
    }
}
