//! The kinds of errors, one per thing a caller can act on.
//!
//! The numbers are the C interface's status codes: explicit, never reused.

use std::ffi::CStr;

/// What kind of failure it was; the discriminant is the C status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument is missing, out of bounds or unknown.
    Argument = -1,
    /// A handle of the wrong kind, a released one, or a stale record token.
    Handle = -2,
    /// An illegal namespace name.
    Name = -3,
    /// No such namespace in this log.
    Namespace = -4,
    /// The namespace is there already.
    Exists = -5,
    /// Nothing there to open.
    NotFound = -6,
    /// The index file knows records, the record file is gone.
    Missing = -7,
    /// Another writer holds the namespace.
    Locked = -8,
    /// The log, or the file system, is read-only.
    ReadOnly = -9,
    /// The operating system denies access.
    Permission = -10,
    /// Not a regular file, or not a directory where one is needed.
    NotRegular = -11,
    /// This file system, kernel or build cannot do it.
    Unsupported = -12,
    /// No room: disk, quota, file size limit. Nothing changed.
    NoSpace = -13,
    /// An allocation failed.
    NoMemory = -14,
    /// A limit of the process or the system: descriptors, threads, mappings.
    Limit = -15,
    /// Input or output failed; the operating system's error says how.
    Io = -16,
    /// An earlier sync or write failed; the namespace must be reopened.
    Poisoned = -17,
    /// The log was shut down.
    Closed = -18,
    /// Another thread is using this handle.
    Busy = -19,
    /// Every reader descriptor was held until the deadline.
    Pool = -20,
    /// A record larger than the largest allowed, or a log with more records than can be indexed in memory.
    TooLarge = -21,
    /// The expected record number is not the next one.
    Conflict = -22,
    /// Bytes do not match their checksum or their neighbours.
    Corrupt = -23,
    /// The record file is shorter than what was synced.
    Truncated = -24,
    /// A zero tail that may or may not be empty records.
    Ambiguous = -25,
    /// A file of another layout.
    Layout = -26,
    /// A newer format, or header and library differ.
    Version = -27,
    /// An index file of another log or of another time.
    Mismatch = -28,
    /// The files were replaced or rolled back under a reader.
    Replaced = -29,
    /// The log was written with another codec chain.
    Codec = -30,
    /// A record could not be encoded or decoded.
    CodecFailed = -31,
    /// A caller's callback failed.
    Callback = -32,
    /// A progress callback asked to stop.
    Cancelled = -33,
    /// The handle was made before a fork, in the parent.
    Forked = -34,
    /// A bug in the library, contained.
    Panic = -35,
}

impl ErrorKind {
    /// The status code of the C interface.
    pub fn code(self) -> i32 {
        self as i32
    }

    /// What the kind means, in one sentence. This is the whole message where memory for more was refused.
    pub(crate) const fn sentence(self) -> &'static CStr {
        match self {
            ErrorKind::Argument => c"An argument is missing, out of bounds or unknown.",
            ErrorKind::Handle => c"The handle is of the wrong kind or was released, or the record token is stale.",
            ErrorKind::Name => c"The namespace name is illegal.",
            ErrorKind::Namespace => c"There is no such namespace in this log.",
            ErrorKind::Exists => c"The namespace, a file of it, or every name for a copy is there already.",
            ErrorKind::NotFound => c"There is nothing to open at this path.",
            ErrorKind::Missing => c"The record file is gone although index file or journal know records; restore it.",
            ErrorKind::Locked => c"Another writer has the namespace open.",
            ErrorKind::ReadOnly => c"The log or the file system is read-only.",
            ErrorKind::Permission => c"The operating system denies access.",
            ErrorKind::NotRegular => c"Not a regular file, or not a directory where one is needed.",
            ErrorKind::Unsupported => c"This file system, kernel or build of the library cannot do it.",
            ErrorKind::NoSpace => c"There is no room; nothing changed, make room and try again.",
            ErrorKind::NoMemory => c"There is not enough memory; nothing changed.",
            ErrorKind::Limit => c"A limit on descriptors, threads or mappings was reached.",
            ErrorKind::Io => c"Input or output failed.",
            ErrorKind::Poisoned => c"An earlier write or sync failed; close the log and open it again.",
            ErrorKind::Closed => c"The log was shut down or closed.",
            ErrorKind::Busy => c"Another thread is using this object.",
            ErrorKind::Pool => {
                c"Every reader descriptor was held until the deadline; release records or allow more readers."
            }
            ErrorKind::TooLarge => {
                c"The record is larger than the largest allowed, or the log too large to be indexed in memory."
            }
            ErrorKind::Conflict => c"The next record has another number than expected.",
            ErrorKind::Corrupt => c"Bytes do not match their checksum or their neighbours.",
            ErrorKind::Truncated => c"The record file is shorter than what was once synced.",
            ErrorKind::Ambiguous => c"The file ends in zeros that may or may not be empty records.",
            ErrorKind::Layout => c"The file has another layout.",
            ErrorKind::Version => c"The format is newer than this library.",
            ErrorKind::Mismatch => c"The index file belongs to another log or to another time.",
            ErrorKind::Replaced => c"The files were replaced or rolled back under a reader.",
            ErrorKind::Codec => c"The log was written with another chain of codecs.",
            ErrorKind::CodecFailed => c"The record could not be encoded or decoded.",
            ErrorKind::Callback => c"A callback failed.",
            ErrorKind::Cancelled => c"A progress callback asked to stop.",
            ErrorKind::Forked => c"The object was made before a fork, in the parent process.",
            ErrorKind::Panic => c"A bug in the library, contained; please report it.",
        }
    }

    /// Whether the system could not do what it was asked for just now. Such a failure says nothing about the files.
    pub(crate) fn is_of_the_system(self) -> bool {
        matches!(self, ErrorKind::NoSpace | ErrorKind::Limit | ErrorKind::NoMemory | ErrorKind::Io)
    }

    /// Whether the files of a log are not what they should be. Such a kind becomes the finding of a report.
    pub(crate) fn is_of_the_files(self) -> bool {
        matches!(
            self,
            ErrorKind::Layout
                | ErrorKind::Ambiguous
                | ErrorKind::Corrupt
                | ErrorKind::Truncated
                | ErrorKind::Mismatch
                | ErrorKind::Missing
        )
    }
}
