//! Logs: opening, flushing, closing.

use super::error::immuta_error;
use super::guard::Call;
use super::handle::{Opaque, Taken, give};
use super::options::{self, immuta_options};
use super::ptr::argument;
use super::status::{IMMUTA_OK, immuta_status};
use crate::util::sync::Arc;
use crate::{Log, Result};
use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// An open log: a directory of namespaces.
///
/// Threads: any.
pub struct immuta_log {
    _opaque: [u8; 0],
}

impl Opaque for immuta_log {
    /// Shared with the transactions, which may outlive the handle.
    type Body = Arc<Log>;
    const MAGIC: u64 = u64::from_le_bytes(*b"imLogOpn");
}

/// Opens a log: all the namespaces of the options, or none.
///
/// A writer creates what is missing, the directory and those above it included. It mends what a crash left;
/// immuta_report_get says what was found. Files that are damaged, foreign or ambiguous are refused and not changed.
///
/// A namespace that is created exists for all processes from the moment it is whole. If its creation is refused, what
/// was made of it is removed. Directories stay. Namespaces that were created before the refused one stay, too, and are
/// empty.
///
/// The umask decides the mode of a new record file. Everything made beside a record file has the owner, group, mode and
/// access list of that file, as far as the process may give them. Users who may not open the record file cannot open it
/// at any moment.
///
/// directory: path of the log. Later changes of the working directory do not matter.
/// options:   copied; NULL for defaults: for writing, with no namespace yet.
/// log_out:   the log, for immuta_close.
/// err:       NULL, or written on failure only; ns says which namespace.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_LOCKED: another writer has a namespace open. Or a process holds a read lock on its record file; the
///             message then says so
///         IMMUTA_E_ARGUMENT: the path is empty, or the path or a name is longer than the system takes
///         IMMUTA_E_NOT_FOUND: read-only, and the directory or a record file is not there, or not whole yet. Also: the
///             directory, or a file, was removed during the call
///         IMMUTA_E_REPLACED: the files were replaced during the call; open them again
///         IMMUTA_E_MISSING: a record file is gone, and its index file or its journal knows records, or the index file
///             cannot be read to find out. Or a record file is shorter than its count, and the journal goes on after
///             it, or the index file cannot be read
///         IMMUTA_E_PERMISSION, IMMUTA_E_READ_ONLY: the system denies access, or the file system is read-only
///         IMMUTA_E_NOT_REGULAR: the directory, or one above it, is no directory; or a file is no regular file
///         IMMUTA_E_UNSUPPORTED: this file system has no locks, or no safe mappings where the options ask for them. Or
///             the file system, the kernel or a sandbox does not know a call that is needed
///         IMMUTA_E_NO_SPACE, IMMUTA_E_NO_MEMORY, IMMUTA_E_LIMIT, IMMUTA_E_IO: the system refused
///         IMMUTA_E_TOO_LARGE: read-only, and there are more than 16777216 records without an index file that knows
///             them all. They would be indexed in memory. If the log is opened for writing once, they are indexed on
///             disk
///         IMMUTA_E_CORRUPT, IMMUTA_E_TRUNCATED: records that were synced are damaged or gone. A read-only log is
///             opened all the same, and serves what verifies
///         IMMUTA_E_LAYOUT, IMMUTA_E_AMBIGUOUS, IMMUTA_E_VERSION, IMMUTA_E_MISMATCH: the files are not, or may not be,
///             what this library can write
///         IMMUTA_E_LAYOUT with err->offset 8: a program that writes a 16-byte header has appended to this log.
///             immuta_repair brings every record back
///         IMMUTA_E_CODEC: the log has other codecs than the options, or ones that must be named
///             (immuta_options_add_codec). The answer is IMMUTA_E_UNSUPPORTED if one of them is not in this build of
///             the library
///         IMMUTA_E_EXISTS: too many files were set aside as NAME.salvage-K, NAME.idx.bad-K or NAME.wal.bad-K; remove
///             some
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Ownership: the log is the caller's until immuta_close.
///
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_open(
    directory: *const c_char,
    options: *const immuta_options,
    log_out: *mut *mut immuta_log,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| {
        let log_out = call.out("log_out", log_out)?;
        let directory = directory_of(call.string("directory", directory)?)?;
        let options = options::read(&call, options)?;
        log_out.set(give(Arc::new(Log::open(directory, &options)?)?)?);
        Ok(IMMUTA_OK)
    })
}

/// Ends all use of a log. Waits end. Appends and streams answer IMMUTA_E_CLOSED from now on. Everything is flushed, and
/// the files are closed cleanly. Records on loan stay valid. The log itself remains, for immuta_close.
///
/// log: an open log. If it was shut down before, there is nothing left to do, and the answer is that of the first
///      time.
/// err: NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_POISONED, IMMUTA_E_IO: not everything reached the disk. Or a file of the log was removed, moved or
///             closed from outside the library; the message then says so. The next writer to open the log recovers it
///         IMMUTA_E_NO_SPACE: the file size limit of the process is below what is to be written. Every record is on the
///             device, and the next writer recovers the records.
///
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_shutdown(log: *mut immuta_log, err: *mut immuta_error) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| {
        call.handle(log)?.shutdown()?;
        Ok(IMMUTA_OK)
    })
}

/// Shuts a log down, if that has not been done, and releases it. Streams and records may be released later.
///
/// log: a log that no other thread is calling with, or NULL. To get there: call immuta_shutdown, wait for the
///      threads, then call this. The log is released whatever the answer is.
/// err: NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         else what immuta_shutdown answers.
///
/// Threads: one, and nothing may use the log afterwards.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_close(log: *mut immuta_log, err: *mut immuta_error) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| {
        if let Taken::Back(log) = call.take(log, |_| false)? {
            log.shutdown()?;
        }
        Ok(IMMUTA_OK)
    })
}

/// Flushes a namespace now. When this returns IMMUTA_OK, every append that returned before the call is on the device.
/// In durable mode each append was on the device already. There this call brings the records to their place, so that
/// nothing of the journal is needed any more.
///
/// log: an open log.
/// ns:  number of the namespace.
/// err: NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NAMESPACE: no such namespace
///         IMMUTA_E_READ_ONLY: the log was opened read-only
///         IMMUTA_E_CLOSED: it was shut down
///         IMMUTA_E_POISONED, IMMUTA_E_IO: a write or sync failed, now or earlier. Or a file of the log was removed,
///             moved or closed from outside the library; the message then says so. The namespace takes no more appends
///             until the log is opened again
///         IMMUTA_E_NO_SPACE: the file size limit of the process is below what is to be written. The records are on the
///             device; the next flush counts them (immuta_stats.durable_count).
///
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_sync(log: *mut immuta_log, ns: u32, err: *mut immuta_error) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| {
        call.handle(log)?.sync(ns)?;
        Ok(IMMUTA_OK)
    })
}

/// The path of a log, as the bytes the caller gave.
pub fn directory_of(path: &CStr) -> Result<&Path> {
    if path.is_empty() {
        return Err(argument("the directory is an empty string; name one, or \".\""));
    }
    Ok(Path::new(OsStr::from_bytes(path.to_bytes())))
}
