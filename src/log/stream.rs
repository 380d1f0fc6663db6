//! A position in a namespace: waits for records without a descriptor, then takes one from the pool.

pub mod notifier;
mod poll;
mod rollback;
#[cfg(test)]
mod tests;

pub use poll::Poll;

use crate::error::{Error, ErrorKind, Result, no_memory};
use crate::files::index::{CodecsIn, Run, lost_codecs};
use crate::format::index::{Entry, entry_offset};
use crate::log::stream::notifier::Notifier;
use crate::namespace::follower::Follower;
use crate::namespace::pool::Guard;
use crate::namespace::record::{self, Batch, Location, Reader, Record, RecordFlags, RecordInfo};
use crate::namespace::wait::{Interrupt, Waiter, Woken};
use crate::namespace::{Namespace, OpenIndex};
use crate::options::Deadline;
use crate::util::cancel;
use crate::util::sync::Arc;
use std::iter::FusedIterator;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

/// Bytes a batch spans at most, unless its first record alone is larger.
const BATCH_SPAN_BYTES_MAX: u64 = 64 << 20;
/// How often a call that waits for a descriptor checks for an interrupt: a signal handler cannot wake that wait.
const POOL_SLICE: Duration = Duration::from_secs(1);

/// Where a stream begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
        namespace.counters.streams.fetch_add(1, Ordering::Relaxed);
        let (index, run) = (namespace.open_index(), Run::default());
        let mut stream =
            Stream { position, interrupt, index, run, visible: (0, 0), rollbacks: 0, kept: None, namespace, following };
        stream.go_to(position);
        if let Start::Time(time) = start {
            stream.go_to_time(record::time_ns(time))?;
        }
        Ok(stream)
    }

    /// Goes to the first record appended at `time_ns` or later.
    fn go_to_time(&mut self, time_ns: i64) -> Result<()> {
        let (mut low, mut high) = (0, self.namespace.visible.count());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry(middle, middle + 1)?.time_ns < time_ns {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.go_to(low);
        Ok(())
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
    /// limit, [`Duration::ZERO`] tries once.
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
            .and_then(|()| record::read(reader, end, self.namespace.verify_reads))
            .and_then(|record| self.decode(record))
            .map_err(|error| self.failed(error))?;
        self.position += 1;
        self.namespace.counters.records_read.fetch_add(1, Ordering::Relaxed);
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
        self.namespace.counters.records_read.fetch_add(batch.len() as u64, Ordering::Relaxed);
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

    /// A descriptor for the record at the position, which is visible.
    #[inline]
    fn ready(&mut self, timeout: Option<Duration>) -> Result<Next<Guard<Reader>>> {
        if self.has_record_at_hand()
            && let Some(mut reader) = self.namespace.pool.try_acquire()
        {
            self.namespace.reopen(&mut reader).map_err(|error| self.failed(error))?;
            return Ok(Next::Ready(reader));
        }
        self.wait_until_ready(timeout)
    }

    #[inline(never)]
    fn wait_until_ready(&mut self, timeout: Option<Duration>) -> Result<Next<Guard<Reader>>> {
        // Looking around opens, reads and closes files.
        let _deferred = cancel::defer();
        // A record that is already visible needs no clock.
        let mut deadline = None;
        loop {
            match self.wait_for_record(timeout, &mut deadline)? {
                Next::Ready(()) => {}
                Next::Timeout => return Ok(Next::Timeout),
                Next::Interrupted => return Ok(Next::Interrupted),
            }
            if let Some(mut reader) = self.acquire_reader(timeout, &mut deadline)? {
                self.namespace.reopen(&mut reader).map_err(|error| self.failed(error))?;
                return Ok(Next::Ready(reader));
            }
        }
    }

    /// A descriptor before the deadline; `None` after a slice without one, to look for an interrupt.
    fn acquire_reader(
        &self,
        timeout: Option<Duration>,
        deadline: &mut Option<Deadline>,
    ) -> Result<Option<Guard<Reader>>> {
        let namespace = &self.namespace;
        if let Some(reader) = namespace.pool.try_acquire() {
            return Ok(Some(reader));
        }
        let deadline = deadline.get_or_insert_with(|| Deadline::after(timeout)).0;
        let slice = Instant::now().checked_add(POOL_SLICE);
        let is_last = deadline.is_some_and(|deadline| slice.is_none_or(|slice| deadline <= slice));
        namespace.counters.waiters.fetch_add(1, Ordering::Relaxed);
        let acquired = namespace.pool.acquire(if is_last { deadline } else { slice });
        namespace.counters.waiters.fetch_sub(1, Ordering::Relaxed);
        match acquired {
            Ok(reader) => Ok(Some(reader)),
            Err(error) if error.kind == ErrorKind::Pool && !is_last => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn wait_for_record(&mut self, timeout: Option<Duration>, deadline: &mut Option<Deadline>) -> Result<Next<()>> {
        if let Some(next) = self.reason_to_go()? {
            return Ok(next);
        }
        let namespace = Arc::clone(&self.namespace);
        let mut waiter = namespace.events.waiter();
        self.look_if_due().map_err(|error| self.failed(error))?;
        loop {
            if let Some(next) = self.reason_to_go()? {
                return Ok(next);
            }
            if timeout == Some(Duration::ZERO) {
                return Ok(Next::Timeout);
            }
            match self.sleep(&mut waiter, deadline.get_or_insert_with(|| Deadline::after(timeout)).0) {
                Woken::Ready | Woken::Perhaps => self.look_if_due().map_err(|error| self.failed(error))?,
                Woken::Look => self.look().map_err(|error| self.failed(error))?,
                Woken::Due => return Ok(if self.has_record()? { Next::Ready(()) } else { Next::Timeout }),
            }
        }
    }

    /// Whether the record at the position was seen already and nothing comes first: no interrupt and no change of the
    /// files. Only a read-only log has to look out for such a change. (After the end of the log the pool lends no
    /// reader.)
    #[inline]
    fn has_record_at_hand(&self) -> bool {
        self.position < self.visible.0 && !self.interrupt.is_raised() && self.following.is_none()
    }

    /// Brings what is visible up to date, where no writer of this process does so.
    fn refresh(&self) {
        if let Some(Following { follower, .. }) = &self.following {
            follower.refresh();
        }
    }

    fn look_if_due(&self) -> Result<()> {
        self.following.as_ref().map_or(Ok(()), |following| following.follower.look_if_due())
    }

    fn look(&self) -> Result<()> {
        self.following.as_ref().map_or(Ok(()), |following| following.follower.look(None))
    }

    fn look_due_in(&self) -> Duration {
        self.following.as_ref().map_or(Duration::MAX, |following| following.follower.look_due_in())
    }

    /// How often records that streams were shown were rolled back.
    fn rollback_count(&self) -> u64 {
        self.following.as_ref().map_or(0, |following| following.follower.rollbacks())
    }

    /// What ends a wait, other than time: an interrupt, the end of the log, or a record.
    fn reason_to_go(&mut self) -> Result<Option<Next<()>>> {
        if self.interrupt.take() {
            return Ok(Some(Next::Interrupted));
        }
        if self.namespace.is_closed() {
            return Err(self.failed(self.namespace.closed_error()));
        }
        Ok(self.has_record()?.then_some(Next::Ready(())))
    }

    fn sleep(&self, waiter: &mut Waiter<'_>, deadline: Option<Instant>) -> Woken {
        let namespace = &self.namespace;
        namespace.counters.waiters.fetch_add(1, Ordering::Relaxed);
        let woken = waiter.wait(
            deadline,
            || self.look_due_in(),
            || {
                self.refresh();
                let is_ready = namespace.visible.count() > self.position || self.interrupt.is_raised();
                is_ready || namespace.is_closed()
            },
        );
        namespace.counters.waiters.fetch_sub(1, Ordering::Relaxed);
        woken
    }

    /// Whether the record at the position is visible; asks the namespace again only when it was not.
    fn has_record(&mut self) -> Result<bool> {
        if self.following.is_some() {
            self.follow_files()?;
        }
        if self.position >= self.visible.0 {
            self.refresh();
            self.visible = self.namespace.visible.get();
        }
        Ok(self.position < self.visible.0)
    }

    /// The entry of record `number`. Further entries may be read, but never entry `limit` or beyond.
    #[inline]
    fn entry(&mut self, number: u64, limit: u64) -> Result<&Entry> {
        self.valid_entry(number, limit)?.ok_or_else(|| damaged_entry(number))
    }

    /// As [`Stream::entry`]; `None` when the entry is damaged.
    #[inline]
    fn valid_entry(&mut self, number: u64, limit: u64) -> Result<Option<&Entry>> {
        if self.following.is_some() && !self.run.holds(number) {
            self.read_on(number, limit)?;
        }
        self.run.entry(&self.index.index, number, limit)
    }

    /// Sets the reader's location to that of record `number`. The record ends where the next begins or, if it is the
    /// last, where its size word says.
    fn place(&mut self, reader: &mut Reader, number: u64, count: u64, committed_end: u64) -> Result<()> {
        let entry = self.entry(number, count)?;
        if entry.quarantined {
            return Err(Location::quarantined(number, entry.offset));
        }
        reader.place = Location::of(number, entry);
        let next = if number + 1 < count { self.valid_entry(number + 1, count)? } else { None };
        let end = match next {
            Some(next) => next.offset,
            None => record::end_by_size_word(reader, committed_end)?,
        };
        reader.place.set_end(end, committed_end, self.namespace.max_record_size_bytes)
    }

    /// The locations of the records of a batch; it ends before the first record that cannot be located.
    fn places(
        &mut self,
        reader: &mut Reader,
        max_records: usize,
        max_bytes: usize,
        count: u64,
        end: u64,
    ) -> Result<Vec<Location>> {
        let most = u64::try_from(max_records).unwrap_or(u64::MAX).min(count - self.position);
        let (mut places, mut payload_bytes) = (Vec::<Location>::new(), 0_u64);
        for number in self.position..self.position + most {
            match self.place(reader, number, count, end) {
                Ok(()) => {}
                Err(error) if places.is_empty() => return Err(error),
                Err(_) => break,
            }
            let place = &reader.place;
            payload_bytes = payload_bytes.saturating_add(place.info().stored_size);
            if let (Some(first), Some(last)) = (places.first(), places.last()) {
                let fits =
                    payload_bytes <= max_bytes as u64 && place.end() - first.info().offset <= BATCH_SPAN_BYTES_MAX;
                if !fits || place.info().offset != last.end() {
                    break;
                }
            }
            places.try_reserve(1).map_err(|_| no_memory("a batch", (places.len() * size_of::<Location>()) as u64))?;
            places.push(*place);
        }
        Ok(places)
    }

    #[cold]
    /// The error as the caller sees it: about this namespace, naming the record at the position.
    fn failed(&self, mut error: Error) -> Error {
        if error.kind == ErrorKind::Corrupt {
            self.namespace.counters.checksum_failures.fetch_add(1, Ordering::Relaxed);
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
        self.namespace.counters.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cold]
fn damaged_entry(number: u64) -> Error {
    let at = entry_offset(number).unwrap_or(0);
    let cause = format_args!("the index entry of record {number}, at offset {at} of the index file, is damaged");
    record::skippable(Error::new(ErrorKind::Corrupt, cause), number, at)
}
