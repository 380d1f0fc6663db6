//! The namespaces of an open log.

use super::error::immuta_error;
use super::guard::Call;
use super::log::immuta_log;
use super::status::{IMMUTA_OK, immuta_status};
use std::ffi::c_char;
use std::ptr::null_mut;

/// Adds a namespace to an open log; a writer creates it where it is missing.
///
/// log:    an open log.
/// name:   1 to 200 bytes of UTF-8 without '/', control characters or a leading dot; copied.
/// ns_out: its number.
/// error:  NULL, or written on failure only.
///
/// Returns IMMUTA_OK; IMMUTA_E_NAME: the name is illegal; IMMUTA_E_EXISTS: the log has this namespace open;
/// IMMUTA_E_CLOSED: the log was shut down; else what immuta_open answers for this namespace.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_namespace_add(
    log: *mut immuta_log,
    name: *const c_char,
    ns_out: *mut u32,
    error: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(error) };
    call.run(|| {
        let (log, ns_out) = (call.handle(log)?, call.out("ns_out", ns_out)?);
        ns_out.set(log.add_namespace(call.name(name)?)?);
        Ok(IMMUTA_OK)
    })
}

/// Finds an open namespace by its name.
///
/// log:    an open log.
/// name:   the name.
/// ns_out: its number.
/// error:  NULL, or written on failure only.
///
/// Returns IMMUTA_OK; IMMUTA_E_NAMESPACE: the log has no namespace of this name open.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_namespace_find(
    log: *mut immuta_log,
    name: *const c_char,
    ns_out: *mut u32,
    error: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(error) };
    call.run(|| {
        let (log, ns_out) = (call.handle(log)?, call.out("ns_out", ns_out)?);
        ns_out.set(log.find_namespace(call.name(name)?)?);
        Ok(IMMUTA_OK)
    })
}

/// How many namespaces are open; their numbers are 0 to this minus 1.
///
/// log: an open log.
///
/// Returns the count; 0 also for what is not a log, and in a forked child.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_namespace_count(log: *mut immuta_log) -> u32 {
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
/// error:    NULL, or written on failure only.
///
/// Returns IMMUTA_OK; IMMUTA_E_NAMESPACE: no such namespace; IMMUTA_E_ARGUMENT: the buffer is too small, nothing was
/// written.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_namespace_name(
    log: *mut immuta_log,
    ns: u32,
    buffer: *mut c_char,
    capacity: usize,
    error: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(error) };
    call.run(|| {
        let log = call.handle(log)?;
        let name = log.namespace_name(ns)?;
        call.out_string("buffer", buffer, capacity, &name)?;
        Ok(IMMUTA_OK)
    })
}
