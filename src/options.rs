//! How a log is opened: limits and modes, with their units in their names.

use crate::codec::Codec;
use crate::error::{Brief, Error, ErrorKind, Result, within};
use crate::format::index::Mode;
use crate::format::name::is_reserved;
use crate::limits::{CODECS_MAX, JOURNAL_BYTES, NAME_BYTES_MAX, READER_COUNT, RECORD_BYTES};
use crate::storage::Io;
use crate::util::memory;
use std::time::{Duration, Instant};

/// How to open a log, and how the functions that take the directory of a log treat it.
///
/// Set the fields that matter, and take the others from [`Options::new`] or [`Options::default`], because later
/// versions may add fields:
///
/// ```
/// use immuta::{Mode, Options};
///
/// let options = Options { mode: Mode::Durable, reader_count: 16, ..Options::new(["events", "audit"]) };
/// assert_eq!(options.namespaces, ["events", "audit"]);
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// The namespaces to open, numbered from 0 in this order. If none is named, a read-only log opens all that exist.
    pub namespaces: Vec<String>,
    /// Pooled reader descriptors per namespace, within [`READER_COUNT`]; 5 by default. A stream takes one for each
    /// record that it lends.
    pub reader_count: u32,
    /// When an append is durable; [`Mode::Fast`] by default.
    pub mode: Mode,
    /// How often a fast writer flushes while there is something to flush; `None`: never by time. One second by default.
    /// [`Duration::ZERO`] flushes again as soon as the last flush is over.
    pub flush_interval: Option<Duration>,
    /// Flush when this many bytes were appended since the last flush; `None`, the default: never by size, below
    /// [`CHECKPOINT_BYTES_MAX`](crate::limits::CHECKPOINT_BYTES_MAX). 0 and 1 flush after each append.
    pub flush_bytes: Option<u64>,
    /// The largest record in bytes, stored and decoded, within [`RECORD_BYTES`]; 64 MiB by default.
    pub max_record_size_bytes: u64,
    /// The journal of a durable writer in bytes, within [`JOURNAL_BYTES`]; rounded up to whole pages. 16 MiB by
    /// default.
    pub journal_size_bytes: u64,
    /// Which engine does the input and output.
    pub io: Io,
    /// Only follow a log that this process or another one writes. Nothing is written, except in the live page.
    pub read_only: bool,
    /// Check every record read against its checksum; on by default.
    pub verify_reads: bool,
    /// The codecs that payloads go through, in this order. If the list is empty: the codecs that the log records, if
    /// all of them are built in.
    pub codecs: Vec<Codec>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            namespaces: Vec::new(),
            reader_count: 5,
            mode: Mode::Fast,
            flush_interval: Some(Duration::from_secs(1)),
            flush_bytes: None,
            max_record_size_bytes: 64 << 20,
            journal_size_bytes: 16 << 20,
            io: Io::Auto,
            read_only: false,
            verify_reads: true,
            codecs: Vec::new(),
        }
    }
}

impl Options {
    /// The default options, to open the namespaces with these names. Opening checks the names.
    pub fn new<N: Into<String>>(namespaces: impl IntoIterator<Item = N>) -> Options {
        let mut options = Options::default();
        for name in namespaces {
            options.namespaces.push(name.into());
        }
        options
    }

    /// Adds a namespace to open.
    ///
    /// # Errors
    /// [`ErrorKind::Name`] for an illegal name, [`ErrorKind::Exists`] for one added before.
    pub fn add_namespace(&mut self, name: &str) -> Result<()> {
        check_name(name)?;
        if self.namespaces.iter().any(|known| known == name) {
            return Err(Error::new(ErrorKind::Exists, format_args!("namespace \"{}\" was added before", Brief(name))));
        }
        memory::push(&mut self.namespaces, memory::text(name)?)?;
        Ok(())
    }

    /// A copy, unless memory for it is refused.
    pub(crate) fn try_clone(&self) -> Result<Options> {
        let mut namespaces = Vec::new();
        for name in &self.namespaces {
            memory::push(&mut namespaces, memory::text(name)?)?;
        }
        let codecs = memory::list(self.codecs.iter().cloned())?;
        Ok(Options { namespaces, codecs, ..*self })
    }

    /// The size of the journal on disk.
    pub(crate) fn journal_bytes(&self) -> u64 {
        self.journal_size_bytes.next_multiple_of(crate::format::journal::GRAIN_BYTES)
    }

    /// Adds a codec to the chain.
    ///
    /// # Errors
    /// [`ErrorKind::Argument`] when there are as many as a chain can have.
    pub fn add_codec(&mut self, codec: Codec) -> Result<()> {
        memory::push(&mut self.codecs, codec)?;
        let checked = self.check_codecs();
        if checked.is_err() {
            self.codecs.pop();
        }
        checked
    }

    fn check_codecs(&self) -> Result<()> {
        if self.codecs.len() > CODECS_MAX {
            return Err(Error::new(ErrorKind::Argument, format_args!("a chain has at most {CODECS_MAX} codecs")));
        }
        Ok(())
    }

    /// Checks everything that does not depend on the files.
    pub(crate) fn check(&self) -> Result<()> {
        for (index, name) in self.namespaces.iter().enumerate() {
            check_name(name)?;
            if self.namespaces[..index].contains(name) {
                return Err(Error::new(
                    ErrorKind::Exists,
                    format_args!("namespace \"{}\" is named twice", Brief(name)),
                ));
            }
        }
        within("the reader count", &READER_COUNT, self.reader_count)?;
        within("the largest record in bytes", &RECORD_BYTES, self.max_record_size_bytes)?;
        within("the journal in bytes", &JOURNAL_BYTES, self.journal_size_bytes)?;
        self.check_codecs()
    }
}

/// Whether `name` may name a namespace: 1 to 200 bytes of UTF-8, no slash, no control character, no leading dot, no dot
/// and 20 digits at the end.
///
/// # Errors
/// [`ErrorKind::Name`], saying which rule it breaks.
pub fn check_name(name: &str) -> Result<()> {
    let broken = if name.is_empty() {
        "it is empty"
    } else if name.len() > NAME_BYTES_MAX {
        "it is longer than 200 bytes"
    } else if name.starts_with('.') {
        "it begins with a dot"
    } else if name.contains('/') {
        "it contains a slash"
    } else if name.chars().any(char::is_control) {
        "it contains a control character"
    } else if is_reserved(name) {
        "it ends in a dot and 20 digits, as files of later segments do; give the files of the namespace other names"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Name, format_args!("illegal namespace name \"{}\": {broken}", Brief(name))))
}

/// When a wait ends; `None`: never, or later than the clock can express.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(pub(crate) Option<Instant>);

impl Deadline {
    /// The end of a wait that begins now.
    pub(crate) fn after(timeout: Option<Duration>) -> Deadline {
        Deadline(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }
}
