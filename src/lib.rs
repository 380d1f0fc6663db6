//! libimmuta: an embeddable append-only log. One writer, many readers, in one process or several.
//!
//! ```text
//!   ffi -> log -> { writer, stream, recovery, verify } -> { namespace, follower }
//!              -> { index, publish, pool, record, scan, layout } -> { format, storage } -> error
//! ```
//!
//! Each layer knows only those to its right. A *log* is a directory, a *namespace* one record file in it with a side file beside
//! it; docs/format.md draws the files, docs/durability.md argues why nothing acknowledged is lost, include/immuta.h is the
//! C interface, whose words hold for this crate's functions too.

#![deny(missing_debug_implementations, unsafe_op_in_unsafe_fn, unsafe_code, rust_2018_idioms)]
#![deny(clippy::all, clippy::pedantic, clippy::unwrap_used, clippy::undocumented_unsafe_blocks)]
#![allow(clippy::missing_errors_doc, clippy::must_use_candidate, clippy::module_name_repetitions)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

#[cfg(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")))]
compile_error!("libimmuta needs 64-bit little-endian Linux: its formats are little-endian, its waiting is the futex");

pub mod error;
#[allow(unsafe_code, reason = "the C boundary: every raw pointer passes here")]
pub mod ffi;
mod flusher;
mod follower;
mod format;
mod index;
mod layout;
mod log;
mod namespace;
pub mod options;
mod pool;
#[allow(unsafe_code, reason = "the futex calls on shared words")]
mod publish;
mod rebuild;
mod record;
mod recovery;
mod report;
mod scan;
#[allow(unsafe_code, reason = "the engines: mappings and system calls")]
#[doc(hidden)]
pub mod storage;
mod stream;
mod verify;
mod writer;

pub use error::{Error, ErrorKind, Result};
pub use log::Log;
pub use options::{Io, Options, Timeout};
pub use record::{Batch, Record, RecordInfo};
pub use report::{Outcome, Report, Stats};
pub use stream::{Interrupter, Next, Stream};
pub use verify::verify;
pub use writer::{Appended, Payloads};
