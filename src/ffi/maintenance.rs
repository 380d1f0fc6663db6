//! What is done to logs by path, since opening may have been refused.

use super::error::immuta_error;
use super::figures::immuta_report;
use super::guard::Call;
use super::log::directory_of;
use super::options::{self, immuta_options};
use super::status::{IMMUTA_OK, immuta_status};
use crate::verify;
use std::ffi::{c_char, c_void};

/// Hears how far a long call is.
///
/// user:  what the caller passed along.
/// done:  records dealt with.
/// total: records there are.
///
/// Returns 0 to go on, anything else to stop.
pub type immuta_progress_fn = Option<unsafe extern "C" fn(user: *mut c_void, done: u64, total: u64) -> i32>;

/// Checks every byte of a namespace as it is stored, and changes nothing. Payloads are not decoded.
///
/// What is wrong with the records is a result, not a failure of the check: the answer is IMMUTA_OK then, and
/// report_out->finding says what was found: IMMUTA_E_CORRUPT, IMMUTA_E_TRUNCATED, IMMUTA_E_LAYOUT or
/// IMMUTA_E_AMBIGUOUS. The namespace may be open elsewhere; what is committed when the check begins is checked.
///
/// directory:   path of the log.
/// name:        of the namespace.
/// options:     how the files are read (engine, largest record) and the codecs, of which the ids are compared; copied;
///              NULL for defaults.
/// progress:    called now and then; may be NULL.
/// user:        passed to it.
/// report_out:  what was found.
/// report_size: sizeof(immuta_report), 1 or more bytes.
/// error:       NULL, or written on failure only.
///
/// Returns IMMUTA_OK: everything was checked, look at report_out->finding;
/// IMMUTA_E_NAME: the name is illegal;
/// IMMUTA_E_NOT_FOUND: there is no such namespace;
/// IMMUTA_E_MISSING, IMMUTA_E_MISMATCH, IMMUTA_E_VERSION: there is nothing to check the records by;
/// IMMUTA_E_CODEC, IMMUTA_E_UNSUPPORTED: as immuta_open, other codecs than the log's;
/// IMMUTA_E_PERMISSION, IMMUTA_E_NOT_REGULAR, IMMUTA_E_IO, IMMUTA_E_NO_MEMORY, IMMUTA_E_LIMIT: it cannot be read;
/// IMMUTA_E_CANCELLED: progress said so;
/// IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_verify(
    directory: *const c_char,
    name: *const c_char,
    options: *const immuta_options,
    progress: immuta_progress_fn,
    user: *mut c_void,
    report_out: *mut immuta_report,
    report_size: usize,
    error: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(error) };
    call.run(|| {
        let report_out = call.out_growing("report_out", report_out, report_size)?;
        let directory = directory_of(call.string("directory", directory)?)?;
        let name = call.name(name)?;
        let options = options::read(&call, options)?;
        let mut go_on = |done, total| match progress {
            // SAFETY: a function of the caller's, called as its documentation says.
            Some(progress) => unsafe { progress(user, done, total) == 0 },
            None => true,
        };
        let report = verify::verify(directory, name, &options, &mut go_on)?;
        report_out.set(&immuta_report::from(&report));
        Ok(IMMUTA_OK)
    })
}
