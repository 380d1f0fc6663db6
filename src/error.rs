//! What can go wrong, one kind per thing a caller can act on.
//!
//! The numbers are the C interface's status codes: explicit, never reused.

use std::io;

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

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
    /// The side file knows records, the record file is gone.
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
    /// Larger than the largest record allowed.
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
    /// A side file of another log or of another time.
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

    /// Whether the system could not do now what it was asked for: that says nothing about the files.
    pub(crate) fn is_of_the_system(self) -> bool {
        matches!(self, ErrorKind::NoSpace | ErrorKind::Limit | ErrorKind::NoMemory | ErrorKind::Io)
    }

    /// Whether the files of a log are not what they should be, which a report says.
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

/// A failure: its kind, a sentence with the way on, and where it happened.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What the caller can act on.
    pub kind: ErrorKind,
    /// File, offset, expected, found and the next step, for a person.
    pub message: String,
    /// The operating system's error number, or a callback's value; 0 if neither.
    pub os_error: i32,
    /// The namespace, in the order added; 0 where there is none.
    pub ns: u32,
    /// The record number concerned; 0 where there is none.
    pub number: u64,
    /// The byte offset concerned in the file named by the message; 0 where there is none.
    pub offset: u64,
}

impl Error {
    /// An error of `kind` with a message for a person.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), os_error: 0, ns: 0, number: 0, offset: 0 }
    }

    /// The error for a failed operating system call: `doing` says what was attempted, on which file.
    pub fn os(doing: impl std::fmt::Display, error: &io::Error) -> Self {
        let number = error.raw_os_error().unwrap_or(0);
        let (kind, advice) = classify(number, error.kind());
        let mut made = Error::new(kind, format!("{doing}: {error}{advice}"));
        made.os_error = number;
        made
    }

    /// The same error, about record `number` at `offset`.
    #[must_use]
    pub fn at(mut self, number: u64, offset: u64) -> Self {
        self.number = number;
        self.offset = offset;
        self
    }

    /// The same error, about namespace `ns`.
    #[must_use]
    pub fn in_namespace(mut self, ns: u32) -> Self {
        self.ns = ns;
        self
    }
}

/// The kind and the advice that go with an operating system error number.
fn classify(number: i32, kind: io::ErrorKind) -> (ErrorKind, &'static str) {
    match number {
        libc::ENOSPC | libc::EDQUOT | libc::EFBIG => {
            (ErrorKind::NoSpace, "; make room (disk, quota or file size limit) and try again")
        }
        libc::EACCES | libc::EPERM => (ErrorKind::Permission, "; grant access or open read-only"),
        libc::EROFS => (ErrorKind::ReadOnly, "; open the log read-only"),
        libc::EMFILE | libc::ENFILE | libc::EAGAIN => (ErrorKind::Limit, "; raise the limit or use fewer readers"),
        libc::ENOMEM => (ErrorKind::NoMemory, "; free memory or raise the limit on mappings"),
        libc::ENOENT => (ErrorKind::NotFound, "; check the path"),
        libc::ENOTDIR | libc::EISDIR | libc::ELOOP | libc::ENXIO => {
            (ErrorKind::NotRegular, "; the log needs a directory of regular files")
        }
        libc::EOPNOTSUPP | libc::ENOSYS | libc::ENOLCK => (ErrorKind::Unsupported, "; use a local file system"),
        _ if kind == io::ErrorKind::OutOfMemory => (ErrorKind::NoMemory, ""),
        _ => (ErrorKind::Io, ""),
    }
}

/// The error for an allocation of `bytes` that was refused.
pub fn no_memory(what: &str, bytes: u64) -> Error {
    Error::new(ErrorKind::NoMemory, format!("no memory for {bytes} bytes of {what}"))
}
