//! libimmuta: an embeddable append-only log. One writer, many readers, in one process or several.
//!
//! ```text
//!   ffi -> maintenance -> log -> writer -> namespace -> recovery -> files -> { options, report } -> { codec, storage } -> format
//!       -> { util, error, limits }
//! ```
//!
//! Each layer knows only those to its right. A *log* is a directory, a *namespace* one record file in it with an index
//! file beside it; docs/format.md draws the files, docs/durability.md argues why nothing acknowledged is lost,
//! include/immuta.h is the C interface, whose words hold for this crate's functions too.

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test whose unwrap finds nothing has failed"))]

#[cfg(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")))]
compile_error!("libimmuta needs 64-bit little-endian Linux: its formats are little-endian, its waiting is the futex");

pub mod codec;
pub mod error;
pub mod ffi;
mod files;
mod format;
mod limits;
mod log;
mod maintenance;
mod namespace;
pub mod options;
mod recovery;
mod report;
#[cfg(feature = "simulated")]
#[doc(hidden)]
pub mod storage;
#[cfg(not(feature = "simulated"))]
mod storage;
mod util;
mod writer;

pub use error::{Error, ErrorKind, Result};
pub use log::Log;
pub use log::catalogue::{FoundNamespace, scan};
pub use log::stream::{Interrupter, Next, Poll, Stream};
pub use log::transaction::Transaction;
pub use maintenance::import::import;
pub use maintenance::repair::{Repair, repair};
pub use maintenance::verify::verify;
pub use namespace::record::{Batch, Record, RecordInfo};
pub use options::{Options, Timeout};
pub use report::{Outcome, Report, Stats};
pub use storage::Io;
pub use writer::payloads::{Appended, Payloads};

/// The same functions on a given engine.
#[cfg(feature = "simulated")]
#[doc(hidden)]
pub use {
    log::catalogue::scan_on, maintenance::import::import_on, maintenance::repair::repair_on,
    maintenance::verify::verify_on,
};
