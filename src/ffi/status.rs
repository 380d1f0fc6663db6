//! Status codes: their numbers, names and sentences.
//!
//! The numbers are written out here for the header; the compiler checks that they are the core's.

use crate::ErrorKind;
use std::ffi::CStr;

/// The answer of a call, one of enum immuta_status_code. 0 is success. A positive value means that nothing failed but
/// there is no result. A negative value is an error. Numbers are never reused. A newer library may return numbers that
/// this header does not know.
pub type immuta_status = i32;

/// Success.
pub const IMMUTA_OK: i32 = 0;
/// No record before the deadline.
pub const IMMUTA_TIMEOUT: i32 = 1;
/// immuta_stream_interrupt ended the wait.
pub const IMMUTA_INTERRUPTED: i32 = 2;
/// immuta_stream_poll_arm: do not wait, call immuta_stream_next.
pub const IMMUTA_READY: i32 = 3;
/// An argument is NULL where it must not be, out of its bounds, or unknown. A mistake in the program.
pub const IMMUTA_E_ARGUMENT: i32 = -1;
/// The handle is of another kind or released, or the record token is stale (caught where possible).
pub const IMMUTA_E_HANDLE: i32 = -2;
/// An illegal namespace name: 1 to 200 bytes of UTF-8, no '/', no control character, no leading dot, no dot and 20
/// digits at the end.
pub const IMMUTA_E_NAME: i32 = -3;
/// This log has no such namespace.
pub const IMMUTA_E_NAMESPACE: i32 = -4;
/// The namespace was added before, or there are files of it. Or too many files were set aside under one name;
/// remove some.
pub const IMMUTA_E_EXISTS: i32 = -5;
/// There is nothing to open at this path.
pub const IMMUTA_E_NOT_FOUND: i32 = -6;
/// The index file or the journal knows records, but the record file is gone. Restore it; no empty log is made in
/// its place.
pub const IMMUTA_E_MISSING: i32 = -7;
/// Another writer has the namespace open. The message names that writer's process where it can.
pub const IMMUTA_E_LOCKED: i32 = -8;
/// The log was opened read-only, or the file system is read-only.
pub const IMMUTA_E_READ_ONLY: i32 = -9;
/// The operating system denies access.
pub const IMMUTA_E_PERMISSION: i32 = -10;
/// Not a regular file, or not a directory where one is needed.
pub const IMMUTA_E_NOT_REGULAR: i32 = -11;
/// This file system, kernel or build of the library cannot do what the call asks for.
pub const IMMUTA_E_UNSUPPORTED: i32 = -12;
/// No room: disk, quota or file size limit. Nothing changed; the same call succeeds once there is room.
pub const IMMUTA_E_NO_SPACE: i32 = -13;
/// The system refused memory. Nothing changed.
pub const IMMUTA_E_NO_MEMORY: i32 = -14;
/// A limit of the process or the system was reached: descriptors, threads, mappings.
pub const IMMUTA_E_LIMIT: i32 = -15;
/// Input or output failed; os_error of the error struct is the errno.
pub const IMMUTA_E_IO: i32 = -16;
/// An earlier write or sync failed, so the namespace takes no more appends. Reads go on. Close the log and open it
/// again.
pub const IMMUTA_E_POISONED: i32 = -17;
/// The log was shut down or closed.
pub const IMMUTA_E_CLOSED: i32 = -18;
/// Another thread is using this object; one thread at a time may use it.
pub const IMMUTA_E_BUSY: i32 = -19;
/// There is a record, but every reader descriptor of the namespace was held until the deadline.
pub const IMMUTA_E_POOL: i32 = -20;
/// The record is larger than max_record_size allows, stored or decoded. Or a log without an index file has too many
/// records to be read.
pub const IMMUTA_E_TOO_LARGE: i32 = -21;
/// immuta_append_at expected another number; number of the error struct is the next one.
pub const IMMUTA_E_CONFLICT: i32 = -22;
/// Bytes do not match their checksum or their neighbours; number and offset of the error struct say where.
pub const IMMUTA_E_CORRUPT: i32 = -23;
/// The record file is shorter than what was once synced.
pub const IMMUTA_E_TRUNCATED: i32 = -24;
/// The file ends in zeros that may or may not be empty records. Nothing was changed.
pub const IMMUTA_E_AMBIGUOUS: i32 = -25;
/// A file of another layout: one of another version of the original, or not a log at all. Nothing was changed.
pub const IMMUTA_E_LAYOUT: i32 = -26;
/// The format is newer than this library.
pub const IMMUTA_E_VERSION: i32 = -27;
/// The index file belongs to another log or to another time of this one. Nothing was changed.
pub const IMMUTA_E_MISMATCH: i32 = -28;
/// The files under a reader were replaced or rolled back.
pub const IMMUTA_E_REPLACED: i32 = -29;
/// The log was written with other codecs than those named when it was opened. Nothing was changed.
pub const IMMUTA_E_CODEC: i32 = -30;
/// A codec could not encode or decode this record; os_error is the value that a function of the caller's returned.
pub const IMMUTA_E_CODEC_FAILED: i32 = -31;
/// A callback of the caller's failed; its value is os_error of the error struct.
pub const IMMUTA_E_CALLBACK: i32 = -32;
/// A progress callback asked to stop.
pub const IMMUTA_E_CANCELLED: i32 = -33;
/// The object was made before a fork, in the parent.
pub const IMMUTA_E_FORKED: i32 = -34;
/// A bug in the library, contained. What the bug touched takes no more appends until the log is opened again.
pub const IMMUTA_E_PANIC: i32 = -35;

/// A status with its name and sentence.
type StatusWords = (immuta_status, &'static CStr, &'static CStr);

const RESULTS: [StatusWords; 4] = [
    (IMMUTA_OK, c"IMMUTA_OK", c"Success."),
    (IMMUTA_TIMEOUT, c"IMMUTA_TIMEOUT", c"No record came before the deadline."),
    (IMMUTA_INTERRUPTED, c"IMMUTA_INTERRUPTED", c"The wait was interrupted."),
    (IMMUTA_READY, c"IMMUTA_READY", c"There is something to read now."),
];

/// From lines `Kind CODE`: the errors' table, the status of a kind, and the proof that the numbers agree.
macro_rules! errors {
    ($($kind:ident $code:ident)*) => {
        /// The status that reports an error of `kind`. A kind without a status does not compile.
        pub const fn of(kind: ErrorKind) -> immuta_status {
            match kind {
                $(ErrorKind::$kind => $code,)*
            }
        }

        const _: () = {
            $(assert!(ErrorKind::$kind as i32 == $code);)*
        };

        const ERRORS: &[StatusWords] = &[$((
            $code,
            match CStr::from_bytes_with_nul(concat!(stringify!($code), "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => c"",
            },
            ErrorKind::$kind.sentence(),
        )),*];
    };
}

errors! {
    Argument IMMUTA_E_ARGUMENT
    Handle IMMUTA_E_HANDLE
    Name IMMUTA_E_NAME
    Namespace IMMUTA_E_NAMESPACE
    Exists IMMUTA_E_EXISTS
    NotFound IMMUTA_E_NOT_FOUND
    Missing IMMUTA_E_MISSING
    Locked IMMUTA_E_LOCKED
    ReadOnly IMMUTA_E_READ_ONLY
    Permission IMMUTA_E_PERMISSION
    NotRegular IMMUTA_E_NOT_REGULAR
    Unsupported IMMUTA_E_UNSUPPORTED
    NoSpace IMMUTA_E_NO_SPACE
    NoMemory IMMUTA_E_NO_MEMORY
    Limit IMMUTA_E_LIMIT
    Io IMMUTA_E_IO
    Poisoned IMMUTA_E_POISONED
    Closed IMMUTA_E_CLOSED
    Busy IMMUTA_E_BUSY
    Pool IMMUTA_E_POOL
    TooLarge IMMUTA_E_TOO_LARGE
    Conflict IMMUTA_E_CONFLICT
    Corrupt IMMUTA_E_CORRUPT
    Truncated IMMUTA_E_TRUNCATED
    Ambiguous IMMUTA_E_AMBIGUOUS
    Layout IMMUTA_E_LAYOUT
    Version IMMUTA_E_VERSION
    Mismatch IMMUTA_E_MISMATCH
    Replaced IMMUTA_E_REPLACED
    Codec IMMUTA_E_CODEC
    CodecFailed IMMUTA_E_CODEC_FAILED
    Callback IMMUTA_E_CALLBACK
    Cancelled IMMUTA_E_CANCELLED
    Forked IMMUTA_E_FORKED
    Panic IMMUTA_E_PANIC
}

fn entry(status: immuta_status) -> Option<&'static StatusWords> {
    RESULTS.iter().chain(ERRORS).find(|entry| entry.0 == status)
}

/// The macro's name of a status, for messages and logs; also for numbers that are none.
pub fn name(status: immuta_status) -> &'static CStr {
    entry(status).map_or(c"IMMUTA_UNKNOWN", |entry| entry.1)
}

/// One sentence about a status; also for numbers that are none.
pub fn text(status: immuta_status) -> &'static CStr {
    entry(status).map_or(c"A status this version of the library does not know.", |entry| entry.2)
}
