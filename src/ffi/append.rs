//! Appending: one record, one in parts, one from a callback; and many at once, all or none.

use super::callback::call_back;
use super::error::immuta_error;
use super::guard::Call;
use super::log::immuta_log;
use super::ptr::argument;
use super::slice::immuta_slice;
use super::status::{IMMUTA_OK, immuta_status};
use crate::util::sync::Arc;
use crate::{Appended, Error, ErrorKind, Log, Result};
use std::ffi::c_void;
use std::io::{self, Read};

/// What was appended. After an append of no records, number and offset are those of the next record, and the other
/// fields are 0.
///
/// Frozen: 32 bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct immuta_appended {
    /// Number of the first record appended, counted from 0.
    pub number: u64,
    /// Offset of that record's size word in NAME.log, in bytes.
    pub offset: u64,
    /// The stored size of all payloads together, in bytes.
    pub stored_size: u64,
    /// Records appended.
    pub count: u64,
}

const _: () = assert!(size_of::<immuta_appended>() == 32);

/// Gives the next piece of a record's payload.
///
/// user:     what the caller of immuta_append_from passed.
/// buffer:   where the bytes go.
/// capacity: of the buffer, in bytes, at least 1.
///
/// Returns how many bytes it put there, 1 to capacity; 0 at the end of the payload; a negative value to give up. If it
/// gives up, nothing is appended, and the value comes back as os_error.
pub type immuta_read_fn =
    Option<unsafe extern "C-unwind" fn(user: *mut c_void, buffer: *mut c_void, capacity: usize) -> i64>;

/// Appends one record. When this call succeeds, readers see the record, and it survives the death of the process. In
/// durable mode (immuta_options_set_fast_write) it survives a power failure as well.
///
/// The statuses below are those of all appends.
///
/// log:          an open log.
/// ns:           number of the namespace.
/// data:         the payload, copied; may be NULL when size is 0.
/// size:         of the payload, in bytes; 0 is a record, too.
/// appended_out: may be NULL.
/// err:          NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NAMESPACE: no such namespace
///         IMMUTA_E_READ_ONLY: the log was opened read-only
///         IMMUTA_E_TOO_LARGE: a record is larger than max_record_size, before its codecs or after any of them. Or the
///             log would be larger than 2^47 bytes
///         IMMUTA_E_CODEC_FAILED: a codec failed; os_error is the value that a function of the caller's returned
///         IMMUTA_E_CORRUPT: the index file no longer says which codecs an adopted log has
///         IMMUTA_E_NO_SPACE: no room on the disk, in the quota or below the file size limit. The same append succeeds
///             once there is room
///         IMMUTA_E_NO_MEMORY, IMMUTA_E_LIMIT, IMMUTA_E_PERMISSION, IMMUTA_E_UNSUPPORTED, IMMUTA_E_REPLACED: the system
///             refused memory, a mapping, a thread or to make room, see the message. Nothing was written
///         IMMUTA_E_CLOSED: the log was shut down
///         IMMUTA_E_POISONED: an earlier write or sync failed. Reads go on; open the log again to append. If the
///             failure came while this append was in flight, the message says that the record may or may not be there
///         IMMUTA_E_IO: this write failed, or a file of the log was found to be removed, moved or closed from outside
///             the library. The namespace is poisoned now; the message says whether the record may be there. Or nothing
///             changed: the system did not say whether the files are in place, or making room failed.
///             immuta_stats.poisoned shows which it was.
///
/// Whatever the error, nothing was appended, unless the message of IMMUTA_E_IO, IMMUTA_E_POISONED or IMMUTA_E_PANIC
/// says otherwise.
///
/// Threads: any; appends happen one after the other.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_append(
    log: *mut immuta_log,
    ns: u32,
    data: *const c_void,
    size: usize,
    appended_out: *mut immuta_appended,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    run(&call, log, appended_out, |log| log.append(ns, call.bytes("data", data, size)?))
}

/// Appends one record whose payload is in parts, which are joined.
///
/// log:          an open log.
/// ns:           number of the namespace.
/// parts:        the parts in order, copied; may be NULL when part_count is 0.
/// part_count:   how many; 0 makes one empty record.
/// appended_out: may be NULL.
/// err:          NULL, or written on failure only.
///
/// Returns what immuta_append returns.
///
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_appendv(
    log: *mut immuta_log,
    ns: u32,
    parts: *const immuta_slice,
    part_count: usize,
    appended_out: *mut immuta_appended,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    run(&call, log, appended_out, |log| log.append_parts(ns, &call.slices("parts", parts, part_count)?))
}

/// Appends one record whose payload a callback gives piece by piece. The payload is collected in memory first, so other
/// appends do not wait for the callback. The callback may use the library, this log included. It may even close the
/// log; then the answer is IMMUTA_E_CLOSED.
///
/// log:          an open log.
/// ns:           number of the namespace.
/// read:         called until it returns 0 or less.
/// user:         passed to read.
/// appended_out: may be NULL.
/// err:          NULL, or written on failure only.
///
/// Returns what immuta_append returns
///         IMMUTA_E_CALLBACK: the callback gave up (os_error is its value, or INT32_MIN for a lower one), or it claimed
///             more bytes than the buffer has.
///
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_append_from(
    log: *mut immuta_log,
    ns: u32,
    read: immuta_read_fn,
    user: *mut c_void,
    appended_out: *mut immuta_appended,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    run(&call, log, appended_out, |log| {
        let log = Arc::clone(log); // the callback may close it
        let read = read.ok_or_else(|| argument("read is NULL"))?;
        let mut reader = Callback {
            ns,
            refusal: None,
            read: |buffer: &mut [u8]| {
                // SAFETY: a function of the caller's, called as its documentation says, with a buffer it may write.
                call_back(|| unsafe { read(user, buffer.as_mut_ptr().cast(), buffer.len()) })
            },
        };
        let appended = log.append_from(ns, &mut reader);
        reader.refusal.map_or(appended, Err)
    })
}

/// Appends many records as one batch: all or none, whatever happens. Readers see all of them at once.
///
/// log:          an open log.
/// ns:           number of the namespace.
/// records:      the payloads in order, copied; may be NULL when count is 0.
/// count:        how many; 0 appends nothing.
/// appended_out: may be NULL.
/// err:          NULL, or written on failure only.
///
/// Returns what immuta_append returns.
///
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_append_batch(
    log: *mut immuta_log,
    ns: u32,
    records: *const immuta_slice,
    count: usize,
    appended_out: *mut immuta_appended,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    run(&call, log, appended_out, |log| log.append_batch(ns, &call.slices("records", records, count)?))
}

/// Appends many records as one batch, as immuta_append_batch does, from payloads that lie one after the other. This is
/// for callers that cannot easily make a list of pointers.
///
/// log:          an open log.
/// ns:           number of the namespace.
/// data:         the payloads, copied; may be NULL when the sizes sum up to 0.
/// sizes:        of each payload, in bytes; may be NULL when count is 0.
/// count:        how many; 0 appends nothing.
/// appended_out: may be NULL.
/// err:          NULL, or written on failure only.
///
/// Returns what immuta_append returns.
///
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_append_packed(
    log: *mut immuta_log,
    ns: u32,
    data: *const c_void,
    sizes: *const usize,
    count: usize,
    appended_out: *mut immuta_appended,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    run(&call, log, appended_out, |log| log.append_batch(ns, &call.packed(data, sizes, count)?))
}

/// Appends many records as one batch, as immuta_append_batch does, if the first of them gets a given number. A producer
/// may not know whether its last append succeeded. With this call it can repeat the append, and the append happens
/// once.
///
/// log:          an open log.
/// ns:           number of the namespace.
/// number:       the number that the first record must get.
/// records:      the payloads in order, copied; may be NULL when count is 0.
/// count:        how many; 0 appends nothing, but checks the number.
/// appended_out: may be NULL.
/// err:          NULL, or written on failure only.
///
/// Returns what immuta_append returns
///         IMMUTA_E_CONFLICT: the next record has another number, given in err->number.
///
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_append_at(
    log: *mut immuta_log,
    ns: u32,
    number: u64,
    records: *const immuta_slice,
    count: usize,
    appended_out: *mut immuta_appended,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    run(&call, log, appended_out, |log| log.append_batch_at(ns, number, &call.slices("records", records, count)?))
}

/// A callback of the caller's as a reader, and why it failed.
struct Callback<F> {
    ns: u32,
    read: F,
    refusal: Option<Error>,
}

impl<F: FnMut(&mut [u8]) -> Result<i64>> Read for Callback<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let given = (self.read)(buffer)
            .and_then(|given| usize::try_from(given).map_err(|_| gave_up(given).in_namespace(self.ns)));
        given.map_err(|refusal| {
            self.refusal = Some(refusal);
            io::ErrorKind::Other.into()
        })
    }
}

/// The error for a callback that returned `value`, which is negative.
fn gave_up(value: i64) -> Error {
    let cause = format_args!("the read callback gave up with {value}");
    let mut refusal = Error::new(ErrorKind::Callback, cause).advising("nothing was appended");
    refusal.os_error = i32::try_from(value).unwrap_or(i32::MIN);
    refusal
}

/// The common part of all appends: the log, and the result, which the caller may not want.
fn run(
    call: &Call,
    log: *mut immuta_log,
    appended_out: *mut immuta_appended,
    append: impl FnOnce(&Arc<Log>) -> Result<Appended>,
) -> immuta_status {
    call.run_fast(|| {
        let (log, appended_out) = (call.handle(log)?, call.out_or_null("appended_out", appended_out)?);
        // The functions of a codec may close the log; other appends do not pay for that.
        let kept = log.has_named_codecs().then(|| Arc::clone(log));
        let appended = append(kept.as_ref().unwrap_or(log))?;
        if let Some(out) = appended_out {
            out.set(appended.into());
        }
        Ok(IMMUTA_OK)
    })
}

impl From<Appended> for immuta_appended {
    fn from(appended: Appended) -> Self {
        let Appended { number, offset, stored_size, count } = appended;
        immuta_appended { number, offset, stored_size, count }
    }
}
