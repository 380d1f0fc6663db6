//! Streams: positions in a namespace that records are read from.

use super::error::immuta_error;
use super::guard::Call;
use super::handle::{Opaque, Taken, give};
use super::log::immuta_log;
use super::ptr::argument;
use super::record::{immuta_batch, immuta_record, lend, lend_batch};
use super::status::{IMMUTA_INTERRUPTED, IMMUTA_OK, IMMUTA_TIMEOUT, immuta_status};
use super::token::first_preferred;
use crate::util::time::system_time;
use crate::{Error, ErrorKind, Interrupter, Next, Result, Start, Stream};
use atomic_refcell::{AtomicRefCell, AtomicRefMut};
use std::ptr::null_mut;
use std::time::Duration;

/// A position in a namespace. A stream takes memory only: there can be any number of streams, waiting or not.
///
/// Threads: one, except where a function says more.
pub struct immuta_stream {
    _opaque: [u8; 0],
}

/// A stream: its position, and the interrupter, which can reach the stream while it waits.
pub struct StreamBody {
    position: AtomicRefCell<Position>,
    interrupter: Interrupter,
}

/// The part that one thread at a time uses.
pub struct Position {
    pub stream: Stream,
    /// The place in the table of loans that the stream's last record had.
    slot: usize,
}

impl Opaque for immuta_stream {
    type Body = StreamBody;
    const MAGIC: u64 = u64::from_le_bytes(*b"imStream");
}

/// Opens a stream at a number.
///
/// log:        an open log.
/// ns:         number of the namespace.
/// start:      0: from the first record. N > 0: from record N, skipping the first N. If there are fewer, the stream
///             waits for record N. Negative: only what is appended after this call.
/// stream_out: the stream, for immuta_stream_done.
/// err:        NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NAMESPACE: no such namespace
///         IMMUTA_E_CLOSED: the log was shut down
///         IMMUTA_E_NO_MEMORY
///         read-only also what immuta_stream_next answers for files that cannot be read or were replaced.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_stream_open(
    log: *mut immuta_log,
    ns: u32,
    start: i64,
    stream_out: *mut *mut immuta_stream,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| {
        let (log, stream_out) = (call.handle(log)?, call.out("stream_out", stream_out)?);
        stream_out.set(give_stream(log.stream(ns, u64::try_from(start).map_or(Start::Now, Start::Number))?)?);
        Ok(IMMUTA_OK)
    })
}

/// Opens a stream at a time.
///
/// log:        an open log.
/// ns:         number of the namespace.
/// time_ns:    nanoseconds since 1970 UTC. The stream begins with the first record appended at this time or later. If
///             there is none, the stream waits for the next record. Records whose time is unknown (0) count as older
///             than any other.
/// stream_out: the stream, for immuta_stream_done.
/// err:        NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NAMESPACE: no such namespace
///         IMMUTA_E_CLOSED: the log was shut down
///         IMMUTA_E_NO_MEMORY
///         IMMUTA_E_CORRUPT: an index entry on the way is damaged
///         else what immuta_stream_next answers for files that cannot be read or were replaced.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_stream_open_at_time(
    log: *mut immuta_log,
    ns: u32,
    time_ns: i64,
    stream_out: *mut *mut immuta_stream,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| {
        let (log, stream_out) = (call.handle(log)?, call.out("stream_out", stream_out)?);
        stream_out.set(give_stream(log.stream(ns, Start::Time(system_time(time_ns)))?)?);
        Ok(IMMUTA_OK)
    })
}

/// Waits for the next record and lends it to the caller.
///
/// The wait needs no descriptor. When there is a record, the call takes a reader descriptor for it. If all are held,
/// the call waits for one, until the same deadline. While it waits for a descriptor, it looks for an interrupt once a
/// second only. That wait ends at once when a descriptor is given back, at the deadline, and when the log is shut down.
///
/// A thread can deadlock itself: it holds records of a namespace, and waits here without a deadline while all reader
/// descriptors of the namespace are held. Give records back first, allow more readers
/// (immuta_options_set_reader_count), or set a deadline.
///
/// On any error the position stays, so the call can be made again. immuta_stream_seek passes over a bad record.
///
/// stream:     a stream.
/// timeout_ns: nanoseconds; 0 tries once, negative waits for ever.
/// record_out: the record, for immuta_record_done.
/// err:        NULL, or written on failure only; number and offset name the record.
///
/// Returns IMMUTA_OK: the stream is now positioned after this record
///         IMMUTA_TIMEOUT: no record before the deadline
///         IMMUTA_INTERRUPTED: immuta_stream_interrupt was called
///         IMMUTA_E_POOL: there is a record, but every reader descriptor was held until the deadline
///         IMMUTA_E_CLOSED: the log was shut down
///         IMMUTA_E_CORRUPT: the record does not match its checksum, or its index entry is damaged
///         IMMUTA_E_TRUNCATED: the record file ends before the record does
///         IMMUTA_E_TOO_LARGE: the record is larger than max_record_size, stored, decoded or between two codecs
///         IMMUTA_E_CODEC_FAILED: a codec failed to decode it; os_error is the value that a function of the caller's
///             returned
///         IMMUTA_E_CODEC: read-only, and an adopted log was appended to with codecs that had to be named
///         IMMUTA_E_REPLACED: the files were replaced or rolled back below the position
///         IMMUTA_E_IO, IMMUTA_E_PERMISSION, IMMUTA_E_LIMIT, IMMUTA_E_NO_MEMORY, IMMUTA_E_UNSUPPORTED,
///             IMMUTA_E_NOT_FOUND: the system refused, see the message
///         IMMUTA_E_BUSY: another thread is using the stream.
///
/// Ownership: the record is the caller's until immuta_record_done, also after the stream and the log are gone.
///
/// Threads: one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_stream_next(
    stream: *mut immuta_stream,
    timeout_ns: i64,
    record_out: *mut immuta_record,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run_fast(|| {
        let (stream, record_out) = (call.handle(stream)?, call.out("record_out", record_out)?);
        let mut position = stream.enter()?;
        let Position { stream, slot } = &mut *position;
        let record = match stream.next(timeout(timeout_ns))? {
            Next::Ready(record) => record,
            Next::Timeout => return Ok(IMMUTA_TIMEOUT),
            Next::Interrupted => return Ok(IMMUTA_INTERRUPTED),
        };
        let number = record.info().number;
        lend(record, slot, record_out).or_else(|error| step_back(stream, number, error))?;
        Ok(IMMUTA_OK)
    })
}

/// Waits for the next records and lends them to the caller, as many as there are within the limits.
///
/// The call works as immuta_stream_next does, with one reader descriptor for all of the records. While the call waits
/// for that descriptor, it looks for an interrupt once a second only. It does not wait for more records when there is
/// one. If a record on the way is bad, the good ones before it are lent, and the next call fails.
///
/// stream:      a stream.
/// max_records: 1 or more.
/// max_bytes:   of payloads together, decoded and as stored, 1 or more. The first record is lent even if it alone is
///              larger.
/// timeout_ns:  nanoseconds; 0 tries once, negative waits for ever.
/// batch_out:   the records, for immuta_batch_done.
/// err:         NULL, or written on failure only; number and offset name the record.
///
/// Returns IMMUTA_OK: the stream is now positioned after the last of these records
///         IMMUTA_E_ARGUMENT: max_records or max_bytes is 0
///         else as immuta_stream_next does.
///
/// Ownership: the batch is the caller's until immuta_batch_done, also after the stream and the log are gone.
///
/// Threads: one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_stream_next_batch(
    stream: *mut immuta_stream,
    max_records: usize,
    max_bytes: usize,
    timeout_ns: i64,
    batch_out: *mut immuta_batch,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run_fast(|| {
        let (stream, batch_out) = (call.handle(stream)?, call.out("batch_out", batch_out)?);
        if max_records == 0 || max_bytes == 0 {
            return Err(argument("max_records and max_bytes are at least 1"));
        }
        let mut position = stream.enter()?;
        let Position { stream, slot } = &mut *position;
        let batch = match stream.next_batch(max_records, max_bytes, timeout(timeout_ns))? {
            Next::Ready(batch) => batch,
            Next::Timeout => return Ok(IMMUTA_TIMEOUT),
            Next::Interrupted => return Ok(IMMUTA_INTERRUPTED),
        };
        let (_, first) = batch.get(0);
        lend_batch(batch, slot, batch_out).or_else(|error| step_back(stream, first.number, error))?;
        Ok(IMMUTA_OK)
    })
}

/// Moves a stream, forwards or backwards. This does not affect records on loan.
///
/// stream: a stream.
/// number: of the record that comes next. If it does not exist yet, the stream waits for it. To pass over a bad record,
///         give its number + 1.
/// err:    NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_BUSY: another thread is using the stream.
///
/// Threads: one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_stream_seek(
    stream: *mut immuta_stream,
    number: u64,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run_fast(|| {
        call.handle(stream)?.enter()?.stream.seek(number)?;
        Ok(IMMUTA_OK)
    })
}

/// Says which record comes next.
///
/// stream:     a stream.
/// number_out: the number of the record that immuta_stream_next would lend.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_BUSY: another thread is using the stream.
///
/// Threads: one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_stream_position(stream: *const immuta_stream, number_out: *mut u64) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(null_mut()) };
    call.run_fast(|| {
        let (stream, number_out) = (call.handle(stream)?, call.out("number_out", number_out)?);
        number_out.set(stream.enter()?.stream.position());
        Ok(IMMUTA_OK)
    })
}

/// Ends a wait. If an immuta_stream_next or immuta_stream_next_batch is waiting for a record now, it answers
/// IMMUTA_INTERRUPTED at once. Else the next of these calls does. Only one answers so, however often
/// immuta_stream_interrupt was called before. The stream goes on from where it is. If the stream has a descriptor for
/// event loops, the descriptor becomes readable.
///
/// A call that waits for a reader descriptor (there is a record, and all descriptors are held) looks for an interrupt
/// once a second. So it answers IMMUTA_INTERRUPTED up to a second later. If it gets a descriptor or reaches its
/// deadline before that, it answers as without the interrupt, which is then for the next call.
///
/// stream: a stream that is not done before this call returns.
///
/// Returns IMMUTA_OK.
///
/// Threads: any, signal.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_stream_interrupt(stream: *mut immuta_stream) -> immuta_status {
    // SAFETY: the pointer is this call's argument, for which the C caller vouches.
    let call = unsafe { Call::new(null_mut()) };
    // For signal handlers: atomics and one futex call, no lock and no allocation, misuse included.
    call.run_fast(|| match call.handle(stream) {
        Ok(stream) => {
            stream.interrupter.interrupt();
            Ok(IMMUTA_OK)
        }
        Err(misuse) => Ok(misuse.status()),
    })
}

/// Releases a stream. Records and batches it lent stay valid until they are done.
///
/// stream: a stream that no other thread is using, or NULL. To end another thread's wait, call immuta_stream_interrupt,
///         then wait for that thread. While a call is inside the stream, as in a codec's function that it runs,
///         immuta_stream_done does nothing. The stream then remains, to be released later.
///
/// Threads: one, and nothing may use the stream afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_stream_done(stream: *mut immuta_stream) {
    // SAFETY: the pointer is this call's argument, for which the C caller vouches.
    let call = unsafe { Call::new(null_mut()) };
    call.run(|| {
        if let Taken::Back(body) = call.take(stream, |body: &StreamBody| body.position.try_borrow_mut().is_err())? {
            drop(body);
        }
        Ok(IMMUTA_OK)
    });
}

impl StreamBody {
    /// The position. One call at a time has it: another call is refused and does not wait.
    pub fn enter(&self) -> Result<AtomicRefMut<'_, Position>> {
        let busy = |_| {
            Error::new(
                ErrorKind::Busy,
                "a call is inside this stream, on another thread or around this callback; one at a time may",
            )
        };
        self.position.try_borrow_mut().map_err(busy)
    }
}

/// C's way to say a timeout: a negative one waits without limit.
#[inline]
fn timeout(timeout_ns: i64) -> Option<Duration> {
    u64::try_from(timeout_ns).ok().map(Duration::from_nanos)
}

fn give_stream(stream: Stream) -> Result<*mut immuta_stream> {
    let interrupter = stream.interrupter();
    give(StreamBody { interrupter, position: AtomicRefCell::new(Position { stream, slot: first_preferred() }) })
}

/// A record that was read could not be lent: the stream goes back to it, so that nothing is passed over.
#[cold]
fn step_back(stream: &mut Stream, number: u64, error: Error) -> Result<()> {
    stream.seek(number)?;
    Err(error)
}
