//! The namespaces of an open log.

use super::callback::call_back;
use super::error::immuta_error;
use super::guard::Call;
use super::log::{directory_of, immuta_log};
use super::options::{self, immuta_options};
use super::ptr::argument;
use super::status::{self, IMMUTA_OK, immuta_status};
use crate::util::memory;
use crate::{Error, ErrorKind, FoundNamespace, scan};
use std::ffi::{c_char, c_void};
use std::ptr::null_mut;

/// Adds a namespace to an open log. A writer creates the namespace if it is missing, as a whole or not at all. With
/// this call a read-only log opens a namespace that was made after the log was opened.
///
/// log:    an open log.
/// name:   1 to 200 bytes of UTF-8 without '/', control characters, a leading dot, or a dot and 20 digits at the
///         end; copied.
/// ns_out: its number.
/// err:    NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NAME: the name is illegal
///         IMMUTA_E_EXISTS: the log has this namespace open
///         IMMUTA_E_CLOSED: the log was shut down
///         else what immuta_open answers for this namespace.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_namespace_add(
    log: *mut immuta_log,
    name: *const c_char,
    ns_out: *mut u32,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| {
        let (log, ns_out) = (call.handle(log)?, call.out("ns_out", ns_out)?);
        ns_out.set(log.add_namespace(call.name(name)?)?);
        Ok(IMMUTA_OK)
    })
}

/// Called for one file in a log's directory that has the name of a record file, NAME.log.
///
/// user:    what the caller passed along.
/// name:    the name of the namespace; UTF-8, valid during this call.
/// status:  IMMUTA_OK: a read-only log would open this namespace. Else the reason why it would not, as immuta_open
///          answers. IMMUTA_E_NOT_FOUND: the namespace is being made, or its maker was killed. It becomes a namespace
///          when it is whole, or when a writer opens it. IMMUTA_E_NOT_REGULAR, IMMUTA_E_LAYOUT and others: the file is
///          something else, or damaged.
/// message: the same for a person, valid during this call; "" with IMMUTA_OK.
///
/// Returns 0 to go on, anything else to stop.
pub type immuta_found_fn = Option<
    unsafe extern "C-unwind" fn(
        user: *mut c_void,
        name: *const c_char,
        status: immuta_status,
        message: *const c_char,
    ) -> i32,
>;

/// Lists the namespaces in a directory. A file that has the name of a record file and is no namespace is listed, too,
/// with the reason. Nothing is changed.
///
/// Nothing watches a directory for namespaces that are made later. List them again, and add them with
/// immuta_namespace_add.
///
/// directory: path of the log.
/// options:   the engine, and the codecs, whose ids are compared; copied; NULL for defaults.
/// found:     called for each NAME.log, in the order of the names.
/// user:      passed to found.
/// err:       NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NOT_FOUND, IMMUTA_E_NOT_REGULAR, IMMUTA_E_PERMISSION: there is no directory, or it cannot be read
///         IMMUTA_E_IO, IMMUTA_E_NO_MEMORY, IMMUTA_E_LIMIT, IMMUTA_E_UNSUPPORTED: the system refused
///         IMMUTA_E_CANCELLED: found asked to stop
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_namespace_scan(
    directory: *const c_char,
    options: *const immuta_options,
    found: immuta_found_fn,
    user: *mut c_void,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| {
        let found = found.ok_or_else(|| argument("found is NULL"))?;
        let directory = directory_of(call.string("directory", directory)?)?;
        let options = options::read(&call, options)?;
        for FoundNamespace { name, refusal } in scan(directory, &options)? {
            let status = refusal.as_ref().map_or(IMMUTA_OK, |refusal| status::of(refusal.kind));
            let message = refusal.as_ref().map_or("", Error::message);
            // Neither has a NUL: one is a file's name, the other escapes it.
            let (name, message) = (memory::c_string(name.as_bytes())?, memory::c_string(message.as_bytes())?);
            // SAFETY: a function of the caller's, called as its documentation says; the strings outlive the call.
            let value = call_back(|| unsafe { found(user, name.as_ptr(), status, message.as_ptr()) })?;
            if value != 0 {
                return Err(Error::new(ErrorKind::Cancelled, "the callback ended the scan"));
            }
        }
        Ok(IMMUTA_OK)
    })
}

/// Finds an open namespace by its name.
///
/// log:    an open log.
/// name:   the name.
/// ns_out: its number.
/// err:    NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NAMESPACE: the log has no namespace of this name open.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_namespace_find(
    log: *const immuta_log,
    name: *const c_char,
    ns_out: *mut u32,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| {
        let (log, ns_out) = (call.handle(log)?, call.out("ns_out", ns_out)?);
        ns_out.set(log.find_namespace(call.name(name)?)?);
        Ok(IMMUTA_OK)
    })
}

/// How many namespaces are open. Their numbers are 0 to this count minus 1.
///
/// log: an open log.
///
/// Returns the count; 0 also for what is not a log, and in a forked child.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_namespace_count(log: *const immuta_log) -> u32 {
    // SAFETY: the pointer is this call's argument, for which the C caller vouches.
    let call = unsafe { Call::new(null_mut()) };
    let mut count = 0;
    call.run(|| {
        count = call.handle(log)?.namespace_count();
        Ok(IMMUTA_OK)
    });
    count
}

/// Copies the name of a namespace.
///
/// log:      an open log.
/// ns:       number of the namespace.
/// buffer:   receives the name and a NUL.
/// capacity: of the buffer, in bytes; 201 is always enough.
/// err:      NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NAMESPACE: no such namespace
///         IMMUTA_E_ARGUMENT: the buffer is too small, nothing was written.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_namespace_name(
    log: *const immuta_log,
    ns: u32,
    buffer: *mut c_char,
    capacity: usize,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| {
        let log = call.handle(log)?;
        let name = log.namespace_name(ns)?;
        call.out_string("buffer", buffer, capacity, name.as_bytes())?;
        Ok(IMMUTA_OK)
    })
}
