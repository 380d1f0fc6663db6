//! The redo journal of a durable writer: what makes a commit durable with one write and one sync.
//!
//! `write` fills the two halves in turn while appends are staged. `read` finds what a crash left of them, and `records`
//! finds single records in that. `create` makes the file: every byte of it is on disk before the first commit, so that
//! syncing a commit changes no metadata.

mod create;
mod read;
mod records;
mod write;

pub use create::{prepare, remove};
pub use read::{BodyRecord, FoundJournal, FrameBody, find, find_of};
pub use records::Records;
pub use write::{FrameRoom, Journal, Write};

use crate::format::journal::SUFFIX;
use crate::format::name::FileName;

/// The name of `namespace`'s journal.
pub fn file_name(namespace: &str) -> FileName {
    FileName::new(namespace, SUFFIX)
}
