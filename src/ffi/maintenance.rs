//! What is done to logs by path, since opening may have been refused.

use super::callback::call_back;
use super::error::immuta_error;
use super::figures::immuta_report;
use super::guard::Call;
use super::log::directory_of;
use super::options::{self, immuta_options};
use super::ptr::argument;
use super::status::{IMMUTA_OK, immuta_status};
use crate::{Repair, import, repair, verify};
use std::ffi::{OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Called with the progress of a long call, at the latest after every 1024 records or 16 MiB read. That holds inside
/// one record and in a search for records, too.
///
/// user:  what the caller passed along.
/// done:  records dealt with; for immuta_import, bytes.
/// total: how many there are in all; 0 while that is still being found out.
///
/// Returns 0 to go on, anything else to stop.
pub type immuta_progress_fn = Option<unsafe extern "C-unwind" fn(user: *mut c_void, done: u64, total: u64) -> i32>;

/// Change the files. Without this flag, only the report is made.
pub const IMMUTA_REPAIR_APPLY: u32 = 1;
/// Believe the count of records. This matters in two cases.
///
/// A file without an index file may end in zeros that may or may not be empty records. With this flag the count is
/// believed; without it, the zeros are no records.
///
/// Empty records may also lie in a hole of NAME.log, so that the file holds nothing of them, and NAME.idx may have
/// no entries that confirm them. With this flag the count, in NAME.log or in a checkpoint, is believed if there is
/// room for their entries, which take 24 bytes each. Without it, the answer is IMMUTA_E_AMBIGUOUS.
pub const IMMUTA_REPAIR_ACCEPT_COUNT: u32 = 2;

/// What the caller's callback answers.
fn goes_on(progress: immuta_progress_fn, user: *mut c_void, done: u64, total: u64) -> bool {
    // SAFETY: a function of the caller's, called as its documentation says.
    let value = progress.map_or(Ok(0), |progress| call_back(|| unsafe { progress(user, done, total) }));
    value.is_ok_and(|value| value == 0)
}

/// Checks every byte of a namespace as it is stored, and changes nothing. Payloads are not decoded.
///
/// A fault in the records is a result, not a failure of the check. The answer is IMMUTA_OK then, and
/// report_out->finding says what was found: IMMUTA_E_CORRUPT, IMMUTA_E_TRUNCATED, IMMUTA_E_LAYOUT or
/// IMMUTA_E_AMBIGUOUS. The namespace may be open elsewhere. The check covers what is committed when it begins.
///
/// directory:   path of the log.
/// name:        of the namespace.
/// options:     how the files are read (engine, largest record) and the codecs, whose ids are compared; copied; NULL
///              for defaults.
/// progress:    called now and then; may be NULL.
/// user:        passed to progress.
/// report_out:  what was found.
/// report_size: sizeof(immuta_report), 1 or more bytes.
/// err:         NULL, or written on failure only.
///
/// Returns IMMUTA_OK: everything was checked, look at report_out->finding
///         IMMUTA_E_NAME: the name is illegal
///         IMMUTA_E_NOT_FOUND: there is no such namespace
///         IMMUTA_E_MISSING, IMMUTA_E_MISMATCH, IMMUTA_E_VERSION: there is nothing to check the records against
///         IMMUTA_E_CODEC, IMMUTA_E_UNSUPPORTED: as immuta_open, other codecs than the log's
///         IMMUTA_E_PERMISSION, IMMUTA_E_NOT_REGULAR, IMMUTA_E_IO, IMMUTA_E_NO_MEMORY, IMMUTA_E_LIMIT: the namespace
///             cannot be read
///         IMMUTA_E_REPLACED: the files were replaced during the call
///         IMMUTA_E_CANCELLED: progress asked to stop
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_verify(
    directory: *const c_char,
    name: *const c_char,
    options: *const immuta_options,
    progress: immuta_progress_fn,
    user: *mut c_void,
    report_out: *mut immuta_report,
    report_size: usize,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| {
        let report_out = call.out_growing("report_out", report_out, report_size)?;
        let directory = directory_of(call.string("directory", directory)?)?;
        let name = call.name(name)?;
        let options = options::read(&call, options)?;
        let report = verify(directory, name, &options, &mut |done, total| goes_on(progress, user, done, total))?;
        report_out.set(&immuta_report::from(&report));
        Ok(IMMUTA_OK)
    })
}

/// Mends a namespace that immuta_open refuses, or one with damaged records. Without IMMUTA_REPAIR_APPLY it only says
/// what it would do, and changes nothing.
///
/// Records keep their numbers. Nothing that may be of use is deleted. Copies are made before anything is changed:
///
///   NAME.salvage-K   the records of NAME.log that will be quarantined, and what will be cut off after the others
///   NAME.idx.bad-K   NAME.idx
///   NAME.wal.bad-K   a NAME.wal that was used
///
/// Not copied: zeros after the records, the count, size words that are proven wrong, and damaged bytes whose right ones
/// NAME.wal has.
///
/// What is done:
///
///   - A wrong size word or count is corrected, where the index file proves the right one.
///   - A damaged entry whose record fits between its neighbours is made again, as adopted.
///   - A damaged record that NAME.wal still has is written again.
///   - Any other damaged record is quarantined: its place stays. Reading it answers IMMUTA_E_CORRUPT from then on, with
///     verify_reads off, too. immuta_verify counts it.
///   - Records that are missing beyond what verifies are quarantined, if later records prove where they belong. Else
///     the log ends there.
///   - Records that a program without NAME.idx appended are indexed, where their sizes lead to the end. Such programs
///     are releases of the Go original with an 8-byte header, and those with a 16-byte one. The latter write over the
///     size of the first record.
///   - An index file that cannot be read, or is another log's, gives way to a new one. This is done where the sizes in
///     NAME.log lead to the end of that file.
///
/// So after a power failure in fast mode a repair leaves more records than an opening, and not a clean prefix.
///
/// A namespace without a fault is opened and closed. Without IMMUTA_REPAIR_APPLY it is reported as opening would report
/// it. The files that a repair makes have the owner, group and mode of NAME.log, so root may run it for the owner.
/// Afterwards the namespace is closed cleanly. A repair that was interrupted, at whatever point, can be run again.
///
/// Where opening is enough, the report is that of opening. Else its fields are:
///
///   outcome            IMMUTA_OUTCOME_REPAIRED, or without IMMUTA_REPAIR_APPLY IMMUTA_OUTCOME_DAMAGED
///   finding            why opening refuses; IMMUTA_E_CORRUPT for damage that opening does not look at
///   count              records that remain
///   header_count       records that the count in NAME.log claims, or its checkpoint if that is more
///   recovered          records found good beyond the checkpoint
///   adopted            entries made
///   trimmed_bytes      bytes copied to NAME.salvage-K
///   bad_records        records in quarantine
///   first_bad_number   the first damage, and
///   first_bad_offset   where it is
///   salvage            path of the first copy
///
/// directory:   path of the log.
/// name:        of the namespace; no process may have it open for writing.
/// options:     the engine, and the codecs, whose ids are compared; copied; NULL for defaults.
/// flags:       IMMUTA_REPAIR_*, combined with |.
/// progress:    called now and then with records checked; may be NULL. Nothing is changed before the last call.
/// user:        passed to progress.
/// report_out:  what was found, and what was or would be done.
/// report_size: sizeof(immuta_report), 1 or more bytes.
/// err:         NULL, or written on failure only. Nothing was changed then, unless the code says that the system
///              refused. In that case the repair can be run again.
///
/// Returns IMMUTA_OK: look at report_out
///         IMMUTA_E_NAME: the name is illegal
///         IMMUTA_E_ARGUMENT: flags or options are out of bounds
///         IMMUTA_E_NOT_FOUND: there is no such namespace
///         IMMUTA_E_LOCKED: a writer has it open. Or a process holds a read lock on its record file; the message then
///             says so
///         IMMUTA_E_MISSING: NAME.log is gone, or shorter than its count, and NAME.idx cannot be read. Only a backup
///             helps
///         IMMUTA_E_CORRUPT, IMMUTA_E_MISMATCH, IMMUTA_E_AMBIGUOUS: as immuta_open, and there is not one record to
///             begin with. Or IMMUTA_REPAIR_ACCEPT_COUNT asks for more records than the file has
///         IMMUTA_E_AMBIGUOUS also: only a count claims empty records in a hole, and IMMUTA_REPAIR_ACCEPT_COUNT is not
///             set to believe it
///         IMMUTA_E_TRUNCATED: NAME.log was cut off from outside the library during the call
///         IMMUTA_E_LAYOUT: a file of another layout without a NAME.idx of its own, for immuta_import
///         IMMUTA_E_VERSION, IMMUTA_E_CODEC, IMMUTA_E_UNSUPPORTED, IMMUTA_E_NOT_REGULAR, IMMUTA_E_PERMISSION,
///             IMMUTA_E_READ_ONLY, IMMUTA_E_REPLACED: as immuta_open
///         IMMUTA_E_EXISTS: too many copies of one name; remove some
///         IMMUTA_E_NO_SPACE: there is no room for the copies and the new index file. This is checked before anything
///             is made, without IMMUTA_REPAIR_APPLY, too
///         IMMUTA_E_IO, IMMUTA_E_NO_MEMORY, IMMUTA_E_LIMIT: the system refused
///         IMMUTA_E_CANCELLED: progress asked to stop
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_repair(
    directory: *const c_char,
    name: *const c_char,
    options: *const immuta_options,
    flags: u32,
    progress: immuta_progress_fn,
    user: *mut c_void,
    report_out: *mut immuta_report,
    report_size: usize,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| {
        let report_out = call.out_growing("report_out", report_out, report_size)?;
        let directory = directory_of(call.string("directory", directory)?)?;
        let name = call.name(name)?;
        let options = options::read(&call, options)?;
        if flags & !(IMMUTA_REPAIR_APPLY | IMMUTA_REPAIR_ACCEPT_COUNT) != 0 {
            return Err(argument(format_args!("flags {flags:#x}: only IMMUTA_REPAIR_* are known")));
        }
        let how =
            Repair { apply: flags & IMMUTA_REPAIR_APPLY != 0, accept_count: flags & IMMUTA_REPAIR_ACCEPT_COUNT != 0 };
        let report = repair(directory, name, &options, how, &mut |done, total| goes_on(progress, user, done, total))?;
        report_out.set(&immuta_report::from(&report));
        Ok(IMMUTA_OK)
    })
}

/// Makes a new namespace from a record file of any layout that the original Go library ever wrote. There are three: a
/// 16-byte header (count, offset of the last record), an 8-byte one (count), or no header. The 8-byte one is also this
/// library's.
///
/// The file is only read, and not locked. The caller must see to it that no process writes the file meanwhile; this is
/// checked. The layout is the one that the file fits exactly; it is never guessed. The records are indexed as adopted:
/// without a time, and with a checksum from now on. The namespace exists as a whole, closed cleanly, or not at all.
///
/// source_file: path of the file, which must be a regular one. Its name must be UTF-8.
/// directory:   path of the log; created, with those above it, where it is missing.
/// name:        of the namespace; there must be no file of it.
/// options:     the engine, and the codecs the records went through; copied; NULL for defaults. If codecs are named,
///              every record is decoded once to make sure, under max_record_size, and the chain is recorded. If none is
///              named, the chain stays unknown until the first append, as in any adopted log.
/// progress:    called now and then with bytes read; may be NULL. Each byte is counted twice: copied, and compared.
///              What follows, decoding and indexing, is reported with done equal to total.
/// user:        passed to progress.
/// report_out:  outcome is IMMUTA_OUTCOME_ADOPTED; count, header_count and adopted are the records imported.
/// report_size: sizeof(immuta_report), 1 or more bytes.
/// err:         NULL, or written on failure only; number and offset are those in the source file.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NAME: the name is illegal
///         IMMUTA_E_ARGUMENT: options are out of bounds, source_file has no file name, or one that is not UTF-8
///         IMMUTA_E_NOT_FOUND: there is no such source file
///         IMMUTA_E_NOT_REGULAR: source_file is no regular file (symbolic links are not followed), or directory is no
///             directory
///         IMMUTA_E_LAYOUT: the file fits no layout, or two; the message names them
///         IMMUTA_E_TRUNCATED: the file fits one up to a record that is cut off
///         IMMUTA_E_AMBIGUOUS: the file ends in zeros that may or may not be empty records, or has empty records in a
///             hole. It holds nothing of records in a hole; a copy without holes has them
///         IMMUTA_E_CORRUPT: its size words lead elsewhere than its count says, or it changed during the call
///         IMMUTA_E_EXISTS: there is a file of the namespace
///         IMMUTA_E_LOCKED: another opener or import is making the namespace right now
///         IMMUTA_E_CODEC_FAILED, IMMUTA_E_TOO_LARGE: a record is not what the codecs make, or is too large
///         IMMUTA_E_PERMISSION, IMMUTA_E_READ_ONLY, IMMUTA_E_UNSUPPORTED, IMMUTA_E_REPLACED: as immuta_open
///         IMMUTA_E_NO_SPACE, IMMUTA_E_IO, IMMUTA_E_NO_MEMORY, IMMUTA_E_LIMIT: the system refused
///         IMMUTA_E_CANCELLED: progress asked to stop
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_import(
    source_file: *const c_char,
    directory: *const c_char,
    name: *const c_char,
    options: *const immuta_options,
    progress: immuta_progress_fn,
    user: *mut c_void,
    report_out: *mut immuta_report,
    report_size: usize,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| {
        let report_out = call.out_growing("report_out", report_out, report_size)?;
        let source_file = Path::new(OsStr::from_bytes(call.string("source_file", source_file)?.to_bytes()));
        let directory = directory_of(call.string("directory", directory)?)?;
        let name = call.name(name)?;
        let options = options::read(&call, options)?;
        let mut go_on = |done, total| goes_on(progress, user, done, total);
        let report = import(source_file, directory, name, &options, &mut go_on)?;
        report_out.set(&immuta_report::from(&report));
        Ok(IMMUTA_OK)
    })
}
