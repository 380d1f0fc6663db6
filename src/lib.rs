//! libimmuta: an embeddable append-only log. One writer, many readers, in one process or several; nothing lost.
//!
//! A *log* is a directory. Each *namespace* in it is an isolated sequence of records, numbered from 0. One opener at a
//! time may write; any number, in any process, may open the same directory read-only and follow it.
//!
//! ```
//! use immuta::{Log, Options, Start};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let directory = directory.path().join("log");
//! let log = Log::open(&directory, &Options::new(["events"]))?;
//! log.append(0, "first")?;
//! log.append_batch(0, &[b"second", b"third"])?; // both or neither, whatever happens
//!
//! let mut stream = log.stream(0, Start::Beginning)?;
//! for record in stream.records(Some(Duration::ZERO)) {
//!     let record = record?;
//!     println!("{}: {}", record.info().number, String::from_utf8_lossy(record.data()));
//! }
//!
//! log.sync(0)?; // what was appended so far survives a loss of power
//! log.shutdown()?;
//! # Ok(())
//! # }
//! ```
//!
//! - **Durability.** A fast writer ([`Mode::Fast`], the default) flushes each second. A loss of power costs at most
//!   what was appended since the last completed flush. A durable writer's appends are on disk when they return. Neither
//!   loses anything when the process is killed.
//! - **Streams** ([`Stream`]) wait for records in any process, with a timeout, an [`Interrupter`], or a descriptor for
//!   event loops.
//! - **Readers.** A record that a stream returns holds one of a bounded number of descriptors until it is dropped:
//!   [`Options::reader_count`].
//! - **Codecs** ([`codec`]) compress or encrypt payloads on their way to the file.
//! - **Maintenance.** [`verify`], [`repair`], [`import`] and [`scan`] take a directory, because a damaged log may be
//!   refused when it is opened.
//! - **Errors** ([`Error`]) say what a caller can act on, which file and record are concerned, and the next step.
//!
//! The same library has a C interface, `immuta.h`. Linux on 64 bits, little-endian, is needed.

// How the crate is made: each layer uses only those below it.
//
//     ffi -> maintenance -> log -> writer -> namespace -> recovery -> files -> { options, report }
//         -> { codec, storage } -> format -> { util, error, limits }
//
// docs/format.md draws the files, docs/durability.md argues why nothing acknowledged is lost.

#![deny(missing_docs)]
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test whose unwrap finds nothing has failed"))]

#[cfg(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")))]
compile_error!("libimmuta needs 64-bit little-endian Linux: its formats are little-endian, its waiting is the futex");

pub mod codec;
mod error;
mod ffi;
mod files;
mod format;
pub mod limits;
mod log;
mod maintenance;
mod namespace;
mod options;
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
pub use format::index::Mode;
pub use log::Log;
pub use log::catalogue::{FoundNamespace, scan};
pub use log::stream::{Interrupter, Next, Poll, Records, Start, Stream};
pub use log::transaction::Transaction;
pub use maintenance::import::import;
pub use maintenance::repair::{Repair, repair};
pub use maintenance::verify::verify;
pub use namespace::record::{Batch, Record, RecordFlags, RecordInfo};
pub use options::{Options, check_name};
pub use report::{Outcome, Report, Stats};
pub use storage::{Engine, Io};
pub use writer::payloads::Appended;

/// The same functions on a storage engine that the caller passes.
#[cfg(feature = "simulated")]
#[doc(hidden)]
pub use {
    log::catalogue::scan_on, maintenance::import::import_on, maintenance::repair::repair_on,
    maintenance::verify::verify_on,
};
