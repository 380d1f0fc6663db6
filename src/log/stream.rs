//! A position in a namespace: waits for records without a descriptor, then takes one from the pool.

mod locate;
pub mod notifier;
mod poll;
mod rollback;
#[cfg(test)]
mod tests;
mod wait;

pub use poll::Poll;

use crate::error::{Error, ErrorKind, Result};
use crate::files::index::{CodecsIn, Run, lost_codecs};
use crate::format::index::Entry;
use crate::log::stream::notifier::Notifier;
use crate::namespace::follower::Follower;
use crate::namespace::record::{self, Batch, Record, RecordFlags, RecordInfo};
use crate::namespace::wait::Interrupt;
use crate::namespace::{Namespace, OpenIndex};
use crate::util::sync::Arc;
use crate::util::time::time_ns;
use std::iter::FusedIterator;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

/// Where a stream begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// At the first record.
    #[default]
    Beginning,
    /// At the first record that is appended from now on.
    Now,
    /// At the record with this number; beyond the end the stream waits there.
    Number(u64),
    /// At the first record that was appended at this time or later. Records of unknown time count as older than any
    /// other. A time before 1677 counts as 1677, one after 2262 as 2262.
    Time(SystemTime),
}

/// What a waiting call came back with.
#[derive(Debug)]
pub enum Next<T> {
    /// A record or a batch.
    Ready(T),
    /// No record before the deadline.
    Timeout,
    /// [`Interrupter::interrupt`] was called.
    Interrupted,
}

impl<T> Next<T> {
    /// The record or batch, if there was one.
    pub fn ready(self) -> Option<T> {
        match self {
            Next::Ready(ready) => Some(ready),
            Next::Timeout | Next::Interrupted => None,
        }
    }
}

/// What a stream of a read-only log needs besides the namespace.
#[derive(Clone, Debug)]
pub struct Following {
    pub follower: Arc<Follower>,
    /// Serves the event loops.
    pub notifier: Arc<Notifier>,
}

/// A position in a namespace, from which records are read. Opening a stream takes no descriptor.
///
/// One thread at a time uses a stream; an [`Interrupter`] ends its wait from any other.
// Invariants:
// 1. `position` moves only by a seek, or over records that the call returns.
// 2. `visible` is what the namespace showed since the stream last forgot its files; until then it is `(0, 0)`.
// 3. For each of the first `rollbacks` rollbacks, the records before the position were compared, or a seek gave them
//    up.
#[derive(Debug)]
pub struct Stream {
    namespace: Arc<Namespace>,
    /// There only in a read-only log.
    following: Option<Following>,
    position: u64,
    interrupt: Arc<Interrupt>,
    index: OpenIndex,
    run: Run,
    /// The visible count and end when last asked: a position below that count needs no new question.
    visible: (u64, u64),
    /// How many rollbacks of the log this stream knows of.
    rollbacks: u64,
    /// The entry next to the position that was read last before the files changed.
    kept: Option<(u64, Entry)>,
}

/// Ends a stream's wait from another thread or a signal handler.
#[derive(Clone, Debug)]
pub struct Interrupter {
    namespace: Arc<Namespace>,
    interrupt: Arc<Interrupt>,
}

impl Interrupter {
    /// The stream's current wait, or else its next call, comes back interrupted, once. Async-signal-safe.
    pub fn interrupt(&self) {
        self.interrupt.raise(&self.namespace.events);
    }
}

impl Stream {
    pub(crate) fn open(namespace: Arc<Namespace>, following: Option<Following>, start: Start) -> Result<Stream> {
        if namespace.is_closed() {
            return Err(namespace.closed_error());
        }
        let interrupt = Arc::new(Interrupt::default())?;
        if let Some(Following { follower, .. }) = &following {
            follower.refresh();
            follower.look_if_due()?;
        }
        let position = match start {
            Start::Beginning | Start::Time(_) => 0,
            Start::Now => namespace.visible.count(),
            Start::Number(number) => number,
        };
        namespace.counters.read.streams.fetch_add(1, Ordering::Relaxed);
        let (index, run) = (namespace.open_index(), Run::for_jumps());
        let mut stream =
            Stream { position, interrupt, index, run, visible: (0, 0), rollbacks: 0, kept: None, namespace, following };
        stream.go_to(position);
        if let Start::Time(time) = start {
            stream.go_to_time(time_ns(time))?;
        }
        Ok(stream)
    }

    /// The number of the record the next call will return.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Goes to record `number`; beyond the end the next call waits there.
    ///
    /// # Errors
    /// None today. Later versions may refuse positions whose records are gone.
    pub fn seek(&mut self, number: u64) -> Result<()> {
        self.go_to(number);
        Ok(())
    }

    fn go_to(&mut self, number: u64) {
        self.position = number;
        if self.following.is_some() {
            self.start_again();
        }
    }

    /// What ends a wait of this stream from another thread or a signal handler.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter { namespace: Arc::clone(&self.namespace), interrupt: Arc::clone(&self.interrupt) }
    }

    /// Waits for the next record, then for a descriptor, both before the same deadline. `timeout`: `None` waits without
    /// limit, [`Duration::ZERO`] tries once. While the call waits for a descriptor, it looks for an interrupt once a
    /// second only.
    ///
    /// # Errors
    /// - [`ErrorKind::Closed`]: the log was shut down.
    /// - [`ErrorKind::Pool`]: every reader was held until the deadline; drop records, or open with more readers.
    /// - [`ErrorKind::Corrupt`], [`ErrorKind::Truncated`], [`ErrorKind::TooLarge`], [`ErrorKind::CodecFailed`]: this
    ///   record cannot be read.
    /// - [`ErrorKind::Replaced`]: the files were replaced or rolled back. Say with `seek` where to go on, or open the
    ///   log again.
    /// - [`ErrorKind::Io`] and others of the system.
    ///
    /// On any error the position stays; `error.number` names the record, and `seek(number + 1)` passes over it.
    #[inline]
    pub fn next(&mut self, timeout: Option<Duration>) -> Result<Next<Record>> {
        let mut reader = match self.ready(timeout)? {
            Next::Ready(ready) => ready,
            Next::Timeout => return Ok(Next::Timeout),
            Next::Interrupted => return Ok(Next::Interrupted),
        };
        let (count, end) = self.visible;
        let record = self
            .place(&mut reader, self.position, count, end)
            .and_then(|place| record::read(reader, place, end, self.namespace.verify_reads))
            .and_then(|record| self.decode(record))
            .map_err(|error| self.failed(error))?;
        self.position += 1;
        record.count_as_read();
        Ok(Next::Ready(record))
    }

    /// The records from the position on, until `timeout` passes without one or the stream is interrupted. With `None`
    /// it follows the log, with [`Duration::ZERO`] it ends where the log ends now.
    ///
    /// Each record holds a reader of the pool until it is dropped, so do not collect more than
    /// [`Options::reader_count`](crate::Options::reader_count) of them. An error ends the iterator; the position stays
    /// at the record that it names.
    ///
    /// ```
    /// # use immuta::{Log, Options, Start};
    /// # use std::time::Duration;
    /// # let directory = tempfile::tempdir()?;
    /// # let log = Log::open(directory.path(), &Options::new(["events"]))?;
    /// log.append_batch(0, &[b"one", b"two"])?;
    /// let mut stream = log.stream(0, Start::Beginning)?;
    /// for record in stream.records(Some(Duration::ZERO)) {
    ///     let record = record?;
    ///     println!("{}: {} bytes", record.info().number, record.data().len());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn records(&mut self, timeout: Option<Duration>) -> Records<'_> {
        Records { stream: self, timeout, has_ended: false }
    }

    /// Like `next`, for up to `max_records` records of up to `max_bytes` payload bytes together (but at least one) with
    /// one descriptor.
    ///
    /// # Errors
    /// As `next`; records before a bad one are returned first.
    pub fn next_batch(
        &mut self,
        max_records: usize,
        max_bytes: usize,
        timeout: Option<Duration>,
    ) -> Result<Next<Batch>> {
        if max_records == 0 || max_bytes == 0 {
            return Err(Error::new(ErrorKind::Argument, "a batch needs room for one record and one byte at least"));
        }
        let mut reader = match self.ready(timeout)? {
            Next::Ready(ready) => ready,
            Next::Timeout => return Ok(Next::Timeout),
            Next::Interrupted => return Ok(Next::Interrupted),
        };
        let (count, end) = self.visible;
        let batch = self
            .places(&mut reader, max_records, max_bytes, count, end)
            .and_then(|places| record::read_batch(reader, places, end, self.namespace.verify_reads))
            .and_then(|batch| self.decode_batch(batch, max_bytes as u64))
            .map_err(|error| self.failed(error))?;
        self.position += batch.len() as u64;
        batch.count_as_read();
        Ok(Next::Ready(batch))
    }

    /// The record as it was appended.
    #[inline]
    fn decode(&mut self, record: Record) -> Result<Record> {
        if self.index.is_plain() {
            return Ok(record);
        }
        self.follow_codecs([record.info()])?;
        record.decode(&self.index.chain, self.namespace.max_record_size_bytes)
    }

    /// The batch as it was appended, with as many of its records as fit.
    fn decode_batch(&mut self, batch: Batch, max_bytes: u64) -> Result<Batch> {
        if self.index.is_plain() {
            return Ok(batch);
        }
        self.follow_codecs((0..batch.len()).map(|index| batch.get(index).1))?;
        batch.decode(&self.index.chain, self.namespace.max_record_size_bytes, max_bytes)
    }

    /// The codecs of an adopted log become known with its first append. A record that was appended needs them.
    fn follow_codecs(&mut self, records: impl IntoIterator<Item = RecordInfo>) -> Result<()> {
        if self.index.codecs_in != CodecsIn::Nowhere {
            return Ok(());
        }
        let appended = records.into_iter().find(|info| !info.flags.contains(RecordFlags::ADOPTED));
        let Some(RecordInfo { number, .. }) = appended else { return Ok(()) };
        self.index = self.namespace.learn_codecs()?;
        if self.index.codecs_in == CodecsIn::Nowhere { Err(lost_codecs(number)) } else { Ok(()) }
    }

    /// The error as the caller sees it: about this namespace, naming the record at the position.
    #[cold]
    fn failed(&self, mut error: Error) -> Error {
        if error.kind == ErrorKind::Corrupt {
            self.namespace.counters.read.checksum_failures.fetch_add(1, Ordering::Relaxed);
        }
        error.number = self.position;
        error.of(self.namespace.log_path()).in_namespace(self.namespace.number)
    }
}

/// The records of a stream: see [`Stream::records`].
#[derive(Debug)]
pub struct Records<'a> {
    stream: &'a mut Stream,
    timeout: Option<Duration>,
    has_ended: bool,
}

impl Iterator for Records<'_> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        if self.has_ended {
            return None;
        }
        let next = self.stream.next(self.timeout).map(Next::ready).transpose();
        self.has_ended = !matches!(next, Some(Ok(_)));
        next
    }
}

impl FusedIterator for Records<'_> {}

impl Drop for Stream {
    fn drop(&mut self) {
        self.disarm();
        self.namespace.counters.read.streams.fetch_sub(1, Ordering::Relaxed);
    }
}
