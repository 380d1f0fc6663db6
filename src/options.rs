//! How a log is opened: limits and modes, with their units in their names.

use crate::codec::Codec;
use crate::error::{Brief, Error, ErrorKind, Result};
use crate::format::codecs::CODECS_MAX;
use crate::storage::Io;
use crate::util::memory;
use std::fmt::Display;
use std::time::{Duration, Instant};

pub use crate::limits::{CHECKPOINT_BYTES_MAX, JOURNAL_BYTES, NAME_BYTES_MAX, OFFSET_LIMIT_BYTES, READER_COUNT_MAX};

/// How to open a log.
#[derive(Clone, Debug)]
pub struct Options {
    /// The namespaces to open, numbered from 0 in this order.
    pub namespaces: Vec<String>,
    /// Pooled reader descriptors per namespace, 1 to [`READER_COUNT_MAX`].
    pub reader_count: u32,
    /// Fast mode: appends are durable after the next flush. Off: before they return.
    pub fast_write: bool,
    /// How often a fast-mode writer flushes while there is something to flush; zero: never by time.
    pub flush_interval: Duration,
    /// Flush when this many bytes were appended since the last flush; 0: never by size.
    pub flush_bytes: u64,
    /// The largest record, stored and decoded, in bytes.
    pub max_record_size_bytes: u64,
    /// The journal of a durable writer, in bytes, within [`JOURNAL_BYTES`]; rounded up to whole pages.
    pub journal_size_bytes: u64,
    /// Which engine does the input and output.
    pub io: Io,
    /// Follow a log without writing anything but its wake-up page.
    pub read_only: bool,
    /// Check every record read against its checksum.
    pub verify_reads: bool,
    /// The codecs that payloads go through, in this order; none: those that the log records, if all of them are built
    /// in.
    pub codecs: Vec<Codec>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            namespaces: Vec::new(),
            reader_count: 5,
            fast_write: true,
            flush_interval: Duration::from_secs(1),
            flush_bytes: 0,
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

    /// A copy, for which there may be no memory.
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
            return Err(argument(format_args!("a chain has at most {CODECS_MAX} codecs")));
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
        if self.reader_count == 0 || self.reader_count > READER_COUNT_MAX {
            return Err(argument(format_args!("reader count {} is not in 1..={READER_COUNT_MAX}", self.reader_count)));
        }
        if self.max_record_size_bytes == 0 || self.max_record_size_bytes >= OFFSET_LIMIT_BYTES {
            return Err(argument(format_args!(
                "largest record {} is not in 1..2^47 bytes",
                self.max_record_size_bytes
            )));
        }
        self.check_codecs()?;
        if !JOURNAL_BYTES.contains(&self.journal_size_bytes) {
            let (least, most) = (JOURNAL_BYTES.start(), JOURNAL_BYTES.end());
            return Err(argument(format_args!(
                "a journal of {} bytes is not in {least}..={most}",
                self.journal_size_bytes
            )));
        }
        Ok(())
    }
}

fn argument(message: impl Display) -> Error {
    Error::new(ErrorKind::Argument, message)
}

/// Whether `name` may name a namespace: 1 to 200 bytes of UTF-8, no slash, no control character, no leading dot.
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
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Name, format_args!("illegal namespace name \"{}\": {broken}", Brief(name))))
}

/// When a wait ends; `None`: never (or beyond what the clock can say).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(pub(crate) Option<Instant>);

/// How long a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// Without limit.
    Forever,
    /// This many nanoseconds; 0 tries once.
    Ns(u64),
}

impl Timeout {
    /// When a wait that begins now ends.
    pub(crate) fn deadline(self) -> Deadline {
        Deadline(match self {
            Timeout::Forever => None,
            Timeout::Ns(ns) => Instant::now().checked_add(Duration::from_nanos(ns)),
        })
    }
}

impl From<i64> for Timeout {
    /// The C interface's way: negative waits without limit.
    fn from(timeout_ns: i64) -> Timeout {
        u64::try_from(timeout_ns).map_or(Timeout::Forever, Timeout::Ns)
    }
}
