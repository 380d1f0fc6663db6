//! What can go wrong: an error has a kind (`error/kind.rs`), a message (`error/message.rs`) and a place.

// The models load this file by its path. Without paths here they would look for the modules in another directory.
#[path = "error/kind.rs"]
mod kind;
#[path = "error/message.rs"]
mod message;

pub use kind::ErrorKind;
pub(crate) use message::{Brief, Shortened};

use crate::util::memory::{self, Refused};
use message::{Bytewise, ELLIPSIS, Line, Reason, line};
use std::fmt::{self, Debug, Display};
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure: its kind, what a person should know, and where it happened.
///
/// ```
/// use immuta::{ErrorKind, Log, Options};
///
/// let error = Log::open("/no/such/directory", &Options { read_only: true, ..Options::default() }).unwrap_err();
/// assert_eq!(error.kind, ErrorKind::NotFound);
/// assert!(error.to_string().starts_with("/no/such/directory: "));
/// assert_eq!(error.path(), Some("/no/such/directory".as_ref()));
/// let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<std::io::Error>());
/// assert_eq!(source.map(std::io::Error::kind), Some(std::io::ErrorKind::NotFound));
/// ```
///
/// Making, completing and cloning an error never ends the process. If memory for its message is refused, the message is
/// the sentence of its kind.
#[derive(Debug)]
pub struct Error {
    /// What the caller can act on.
    pub kind: ErrorKind,
    /// The operating system's error number, or a callback's value; 0 if neither.
    pub os_error: i32,
    /// The namespace, in the order added; 0 where there is none.
    pub ns: u32,
    /// The record number concerned; 0 where there is none.
    pub number: u64,
    /// The byte offset concerned in the file that the message names; 0 where there is none.
    pub offset: u64,
    /// `None` where memory for it was refused.
    details: Option<Box<Details>>,
}

/// What an error says besides its numbers.
#[derive(Debug, Default)]
struct Details {
    /// Empty where the error is about no file.
    path: PathBuf,
    /// Empty, like `found`, where nothing was compared.
    expected: String,
    found: String,
    source: Option<io::Error>,
    line: Line,
}

const _: () = assert!(size_of::<Error>() <= 40, "every Result is as large");

impl Error {
    /// An error of `kind` with its `cause`. The cause names no file (see [`Error::of`]), does not compare (see
    /// [`Error::comparing`]) and gives no advice (see [`Error::advising`]).
    #[cold]
    pub fn new(kind: ErrorKind, cause: impl Display) -> Self {
        let made = line("", format_args!("{cause}")).map_err(|_| Refused);
        let details = made.and_then(|line| memory::boxed(Details { line, ..Details::default() }));
        Error { kind, os_error: 0, ns: 0, number: 0, offset: 0, details: details.ok() }
    }

    /// The error for a failed operating system call: `doing` says what was attempted.
    pub fn os(doing: impl Display, error: &io::Error) -> Self {
        let (kind, advice) = classify(error.raw_os_error().unwrap_or(0), error.kind());
        let made = Error::os_as(kind, doing, error);
        if advice.is_empty() { made } else { made.advising(advice) }
    }

    /// As [`Error::os`], but of the given kind, whatever the operating system's error number says.
    pub(crate) fn os_as(kind: ErrorKind, doing: impl Display, error: &io::Error) -> Self {
        let mut made = Error::new(kind, format_args!("{doing}: {}", Reason(error))).caused_by(copy_of(error));
        made.os_error = error.raw_os_error().unwrap_or(0);
        made
    }

    /// The same error with `source` as it is: [`Error::os`] keeps its kind or its number only.
    pub(crate) fn caused_by(self, source: io::Error) -> Self {
        self.with(|details| {
            details.source = Some(source);
            Ok(())
        })
    }

    /// The refusal of `what`, which has `found` bytes, where a record has at most `limit_bytes`.
    #[cold]
    pub(crate) fn too_large(what: impl Display, limit_bytes: u64, found: impl Display) -> Self {
        Error::new(ErrorKind::TooLarge, format_args!("{what} is too large"))
            .comparing(format_args!("at most {limit_bytes} bytes (max_record_size)"), found)
    }

    /// The same error about the file or directory at `path`, unless it already names one.
    #[must_use]
    pub fn of(self, path: &Path) -> Self {
        if self.path().is_some() {
            return self;
        }
        self.with(|details| {
            let path = memory::path(path, "")?;
            details.line = worded(&path, format_args!("{}", details.line.cause()))?;
            details.path = path;
            Ok(())
        })
    }

    /// As [`Error::of`], for the file called `name` in `directory`.
    #[must_use]
    pub(crate) fn of_file(self, directory: &Path, name: &str) -> Self {
        let Ok(path) = memory::path(directory, name) else { return self };
        self.of(&path)
    }

    /// The same error with `part` before its cause. `part` says which part of the operation failed.
    #[must_use]
    pub fn about(self, part: impl Display) -> Self {
        self.with(|details| {
            details.line = worded(&details.path, format_args!("{part}: {}", details.line.cause()))?;
            Ok(())
        })
    }

    /// The same error with what its cause compares.
    #[must_use]
    pub fn comparing(self, expected: impl Display, found: impl Display) -> Self {
        self.with(|details| {
            let (expected, found) = (memory::worded(expected)?, memory::worded(found)?);
            let cause = details.line.cause();
            details.line = worded(&details.path, format_args!("{cause}: expected {expected}, found {found}"))?;
            (details.expected, details.found) = (expected, found);
            Ok(())
        })
    }

    /// The same error with `advice` added: the next step for the caller.
    #[must_use]
    pub fn advising(self, advice: impl Display) -> Self {
        self.with(|details| {
            details.line = worded(&details.path, format_args!("{}; {advice}", details.line.cause()))?;
            Ok(())
        })
    }

    /// The same error with the advice to run a repair, which keeps what can be kept.
    #[must_use]
    pub(crate) fn repairable(self) -> Self {
        self.advising("immuta_repair says what it would keep, and changes nothing unless asked to")
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

    /// One line for a person: `PATH: CAUSE: expected E, found F; ADVICE`, as far as there are these parts. Control
    /// characters are escaped.
    pub fn message(&self) -> &str {
        self.details.as_ref().map_or(sentence(self.kind), |details| &details.line.text)
    }

    /// The file or directory that the error is about.
    pub fn path(&self) -> Option<&Path> {
        self.details.as_ref().map(|details| details.path.as_path()).filter(|path| !path.as_os_str().is_empty())
    }

    /// What was expected where the error compares two things: a size, a count, a checksum, a range.
    pub fn expected(&self) -> Option<&str> {
        self.details.as_ref().map(|details| details.expected.as_str()).filter(|expected| !expected.is_empty())
    }

    /// What was found in place of that.
    pub fn found(&self) -> Option<&str> {
        self.details.as_ref().map(|details| details.found.as_str()).filter(|found| !found.is_empty())
    }

    /// The message in three parts, which together have at most `limit` bytes. Cause and advice are whole. Before them
    /// comes as much of the end of the path as fits, after an ellipsis if the path was cut. Every cause fits: see
    /// `CAUSE_BYTES_MAX`.
    pub(crate) fn parts_within(&self, limit: usize) -> [&str; 3] {
        let Some(Details { line, .. }) = self.details.as_deref() else { return ["", "", sentence(self.kind)] };
        let (path, rest) = line.text.split_at(line.path_bytes);
        let room = limit.saturating_sub(rest.len());
        if path.len() <= room {
            return ["", path, rest];
        }
        if room < ELLIPSIS.len() {
            return ["", "", &line.cause()[..line.cause().floor_char_boundary(limit)]];
        }
        let tail = &path[path.ceil_char_boundary(path.len() - (room - ELLIPSIS.len()))..];
        // The path is cut before a whole name, if one fits.
        [ELLIPSIS, tail.find('/').map_or(tail, |slash| &tail[slash..]), rest]
    }

    /// The same error with its details changed. It stays as it is if memory for the details is refused, or was refused
    /// before.
    #[cold]
    fn with(mut self, change: impl FnOnce(&mut Details) -> Result<(), Refused>) -> Self {
        let _same_words = self.details.as_deref_mut().map(change);
        self
    }
}

impl Details {
    fn try_clone(&self) -> Result<Details, Refused> {
        let Details { path, expected, found, source, line } = self;
        Ok(Details {
            path: memory::path(path, "")?,
            expected: memory::text(expected)?,
            found: memory::text(found)?,
            source: source.as_ref().map(copy_of),
            line: Line { text: memory::text(&line.text)?, path_bytes: line.path_bytes },
        })
    }
}

/// The message: the path, then `cause`.
fn worded(path: &Path, cause: fmt::Arguments<'_>) -> Result<Line, Refused> {
    line(Bytewise(path.as_os_str().as_bytes()), cause).map_err(|_| Refused)
}

/// The same failure of the system, copied without allocating.
fn copy_of(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

impl Clone for Error {
    fn clone(&self) -> Self {
        let Error { kind, os_error, ns, number, offset, .. } = *self;
        let details = self.details.as_ref().and_then(|details| memory::boxed(details.try_clone().ok()?).ok());
        Error { kind, os_error, ns, number, offset, details }
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Error {
    /// The [`std::io::Error`] of the operating system, or of the reader of an append, if there was one. A clone has its
    /// kind and number only.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.details.as_ref()?.source.as_ref().map(|source| source as _)
    }
}

fn sentence(kind: ErrorKind) -> &'static str {
    kind.sentence().to_str().expect("invariant: the sentences are UTF-8")
}

/// The kind and the advice that go with an operating system error number, whatever call failed with it.
/// c-tests/suites/refused_calls.c has the table of calls and numbers.
fn classify(number: i32, kind: io::ErrorKind) -> (ErrorKind, &'static str) {
    match number {
        libc::ENOSPC | libc::EDQUOT | libc::EFBIG => {
            (ErrorKind::NoSpace, "make room (disk, quota or file size limit) and try again")
        }
        libc::EACCES | libc::EPERM | libc::ENOKEY => {
            (ErrorKind::Permission, "grant access (permissions, attributes, sandbox) or open read-only")
        }
        libc::EROFS => (ErrorKind::ReadOnly, "open the log read-only"),
        libc::EMFILE | libc::ENFILE | libc::EAGAIN => (ErrorKind::Limit, "raise the limit or use fewer readers"),
        libc::ENOMEM => (ErrorKind::NoMemory, "free memory or raise the limit on mappings"),
        libc::ENOENT => (ErrorKind::NotFound, "check the path"),
        libc::ENAMETOOLONG => (ErrorKind::Argument, "use a shorter path or name"),
        libc::ENOTDIR | libc::EISDIR | libc::ELOOP | libc::ENXIO => {
            (ErrorKind::NotRegular, "the log needs a directory of regular files")
        }
        // EINVAL: the library passes valid arguments only, so the kernel or the file system lacks what was asked for.
        libc::EOPNOTSUPP | libc::ENOSYS | libc::ENOLCK | libc::EINVAL | libc::ENODEV => {
            (ErrorKind::Unsupported, "use a local file system, and a kernel and sandbox that allow this call")
        }
        libc::ESTALE => (ErrorKind::Replaced, "open the log again"),
        _ if kind == io::ErrorKind::OutOfMemory => (ErrorKind::NoMemory, ""),
        _ => (ErrorKind::Io, ""),
    }
}

/// Refuses `value`, an argument that the error calls `what`, unless it is within `bounds`.
pub(crate) fn within<T: PartialOrd + Debug + Display>(what: &str, bounds: &RangeInclusive<T>, value: T) -> Result<()> {
    if bounds.contains(&value) {
        return Ok(());
    }
    let refusal = Error::new(ErrorKind::Argument, format_args!("{what} is out of range"));
    Err(refusal.comparing(format_args!("{bounds:?}"), value))
}

/// The error for an allocation of `bytes` that was refused.
pub fn no_memory(what: &str, bytes: u64) -> Error {
    Error::new(ErrorKind::NoMemory, format_args!("no memory for {bytes} bytes of {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn a_message_is_one_line_that_names_the_file_first() {
        let made = Error::new(ErrorKind::Corrupt, "3 records, not 4").at(3, 80);
        assert_eq!(made.message(), "3 records, not 4");
        assert_eq!(made.clone().of_file(Path::new("/d/"), "a.log").message(), "/d/a.log: 3 records, not 4");
        let path = Path::new(OsStr::from_bytes(b"/d\n\x1b[31m/caf\xc3\xa9\xff/\xe2\x80\xae.log"));
        let made = made.of(path).of(Path::new("/other")).about("the codec\tx").advising("restore\nit");
        let words = r"/d\n\u{1b}[31m/caf\u{e9}\xff/\u{202e}.log: the codec\tx: 3 records, not 4; restore\nit";
        assert_eq!(made.message(), words.replace(r"\u{e9}", "\u{e9}"));
        assert_eq!(made.clone().message(), made.message());
        assert_eq!((made.clone().number, made.offset, made.clone().to_string()), (3, 80, made.message().to_owned()));
        assert_eq!(made.path(), Some(path));
    }

    #[test]
    fn what_is_compared_stands_between_cause_and_advice() {
        let made = Error::new(ErrorKind::Corrupt, "too few").comparing(4, 3).advising("restore it").repairable();
        assert_eq!((made.expected(), made.found()), (Some("4"), Some("3")));
        let made = made.of(Path::new("/d")).about("records");
        assert!(made.message().starts_with("/d: records: too few: expected 4, found 3; restore it; immuta_repair"));
        assert_eq!((made.clone().expected(), made.clone().found()), (Some("4"), Some("3")));
    }

    #[test]
    fn the_path_gives_way_and_keeps_its_end() {
        let message = |path: &str, cause: &str, limit| {
            Error::new(ErrorKind::Io, cause).of(Path::new(path)).parts_within(limit).concat()
        };
        let (path, cause) = ("/one/two/three/a.log", "it is damaged; mend it");
        assert_eq!(message(path, cause, 44), "/one/two/three/a.log: it is damaged; mend it");
        assert_eq!(message(path, cause, 43), "\u{2026}/two/three/a.log: it is damaged; mend it");
        assert_eq!(message(path, cause, 41), "\u{2026}/three/a.log: it is damaged; mend it");
        assert_eq!(message(path, cause, 31), "\u{2026}.log: it is damaged; mend it", "no room for a whole name");
        for limit in 22..60 {
            let said = message(path, cause, limit);
            assert!(said.len() <= limit && said.ends_with(cause), "{limit}: {said}");
        }
        assert_eq!(message("\u{e4}\u{e4}\u{e4}", "x", 8), "\u{2026}\u{e4}: x", "cut between two characters");
        assert_eq!(Error::new(ErrorKind::Io, "x").parts_within(1).concat(), "x");
    }

    #[test]
    fn the_reason_is_worded_as_the_standard_library_does() {
        for number in [libc::EIO, libc::ENOSPC, 4095] {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(Reason(&error).to_string(), error.to_string());
            assert_eq!(Error::os("reading", &error).os_error, number);
        }
        assert_eq!(
            Error::os("reading", &io::ErrorKind::UnexpectedEof.into()).message(),
            "reading: unexpected end of file"
        );
    }
}
