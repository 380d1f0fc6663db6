//! libimmuta: an embeddable append-only log. One writer, many readers, in one process or several.
//!
//! ```text
//!   ffi -> { verify, repair, import } -> log -> { writer, stream } -> { namespace, follower } -> recovery
//!       -> { rebuild, salvage } -> { layout, scan, index, journal, live, publish, pool, record }
//!       -> { format, codec, storage } -> error
//! ```
//!
//! Each layer knows only those to its right. A *log* is a directory, a *namespace* one record file in it with a side file beside
//! it; docs/format.md draws the files, docs/durability.md argues why nothing acknowledged is lost, include/immuta.h is the
//! C interface, whose words hold for this crate's functions too.

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed"))]

#[cfg(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")))]
compile_error!("libimmuta needs 64-bit little-endian Linux: its formats are little-endian, its waiting is the futex");

mod append_list;
mod catalogue;
pub mod codec;
pub mod error;
pub mod ffi;
mod flusher;
mod follower;
mod format;
mod group;
mod import;
mod index;
mod journal;
mod layout;
mod leftovers;
mod limits;
mod live;
mod log;
mod memory;
mod namespace;
pub mod options;
mod payloads;
mod pool;
mod progress;
mod publish;
mod random;
mod rebuild;
mod record;
mod recovery;
mod repair;
mod report;
mod ringer;
mod salvage;
mod scan;
#[doc(hidden)]
pub mod storage;
mod stream;
mod sync;
mod transaction;
mod verify;
mod writer;

pub use catalogue::{Found, scan, scan_on};
pub use error::{Error, ErrorKind, Result};
pub use import::{import, import_on};
pub use log::Log;
pub use options::{Io, Options, Timeout};
pub use payloads::{Appended, Payloads};
pub use record::{Batch, Record, RecordInfo};
pub use repair::{Repair, repair, repair_on};
pub use report::{Outcome, Report, Stats};
pub use stream::{Interrupter, Next, Poll, Stream};
pub use transaction::Transaction;
pub use verify::{verify, verify_on};
