//! Streams in event loops: a descriptor to poll in place of a thread that waits.

use super::error::immuta_error;
use super::guard::Call;
use super::status::{IMMUTA_OK, IMMUTA_READY, immuta_status};
use super::stream::immuta_stream;
use crate::Poll;
use std::ffi::c_int;
use std::os::fd::AsRawFd;

/// Gives the descriptor of a stream for poll, select, epoll, or any loop built on them. The descriptor has a meaning
/// only after immuta_stream_poll_arm. Add it to the loop for reading. Then do this again and again:
///
///   - Call immuta_stream_next with timeout 0, until it answers IMMUTA_TIMEOUT.
///   - Call immuta_stream_poll_arm. If it answers IMMUTA_READY, call immuta_stream_next again at once.
///   - Wait in the loop until the descriptor is readable.
///
/// In a log that is open for writing, the thread that appends makes the descriptor readable. A read-only log starts one
/// thread at the first call of this function. That thread blocks all signals, and waits for all streams of the log.
/// immuta_shutdown ends it.
///
/// stream: a stream.
/// fd_out: the descriptor, the same one each time. It belongs to the stream, is close-on-exec and 3 or above. The
///         caller only polls it: no read, no write, no close.
/// err:    NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_LIMIT: no descriptor, or no thread, is available
///         IMMUTA_E_NO_MEMORY
///         IMMUTA_E_PERMISSION, IMMUTA_E_UNSUPPORTED: the kernel or a sandbox refuses such descriptors
///         IMMUTA_E_CLOSED: the log was shut down before the first call
///         IMMUTA_E_BUSY: another thread is using the stream.
///
/// Ownership: immuta_stream_done closes the descriptor. Take the descriptor out of the loop first.
///
/// Threads: one. The descriptor itself may be polled by any thread at any time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_stream_poll_fd(
    stream: *mut immuta_stream,
    fd_out: *mut c_int,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| {
        let (stream, fd_out) = (call.handle(stream)?, call.out("fd_out", fd_out)?);
        fd_out.set(stream.enter()?.stream.poll_fd()?.as_raw_fd());
        Ok(IMMUTA_OK)
    })
}

/// Asks for one signal on the descriptor of a stream. After this call the descriptor is unreadable, until there is a
/// reason to call immuta_stream_next. Then it stays readable until the stream is armed again. Reasons are the record at
/// the position of the stream, an interrupt, the end of the log, and an error to report. If there was a reason before
/// this call, it is not missed: the answer is IMMUTA_READY.
///
/// A readable descriptor is an invitation, not a promise: immuta_stream_next may still answer IMMUTA_TIMEOUT. After any
/// other call on the stream (next, next_batch, seek), arm the stream again before you wait. IMMUTA_E_POOL is no reason
/// to wait here: there is a record, so give back others first.
///
/// stream: a stream.
/// err:    NULL, or written on failure only.
///
/// Returns IMMUTA_OK: armed, wait for the descriptor
///         IMMUTA_READY: do not wait, call immuta_stream_next. There is a record, an interrupt, the end of the log
///             (IMMUTA_E_CLOSED) or an error
///         IMMUTA_E_LIMIT, IMMUTA_E_NO_MEMORY, IMMUTA_E_PERMISSION, IMMUTA_E_UNSUPPORTED: there is no descriptor yet,
///             and none is available
///         IMMUTA_E_BUSY: another thread is using the stream.
///
/// Threads: one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_stream_poll_arm(stream: *mut immuta_stream, err: *mut immuta_error) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| {
        Ok(match call.handle(stream)?.enter()?.stream.poll_arm()? {
            Poll::Armed => IMMUTA_OK,
            Poll::Ready => IMMUTA_READY,
        })
    })
}
