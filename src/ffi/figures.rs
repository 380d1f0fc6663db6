//! What is known about a namespace: its figures, and what opening it found.

use super::error::fixed_text;
use super::error::immuta_error;
use super::guard::Call;
use super::log::immuta_log;
use super::options::{IMMUTA_IO_MMAP, IMMUTA_IO_SYSCALL};
use super::status::{self, IMMUTA_OK, immuta_status};
use crate::{Engine, Mode, Outcome, Report, Stats};
use std::ffi::{OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A new, empty log was created.
pub const IMMUTA_OUTCOME_CREATED: i32 = 1;
/// The log had been closed cleanly.
pub const IMMUTA_OUTCOME_CLEAN: i32 = 2;
/// A crash left the log; its tail was verified (and mended, unless read-only).
pub const IMMUTA_OUTCOME_RECOVERED: i32 = 3;
/// Records without a valid index file were indexed.
pub const IMMUTA_OUTCOME_ADOPTED: i32 = 4;
/// Opened read-only while a writer has the namespace open.
pub const IMMUTA_OUTCOME_LIVE: i32 = 5;
/// Read-only, or immuta_verify: finding says what is wrong; what verifies is served.
pub const IMMUTA_OUTCOME_DAMAGED: i32 = 6;
/// immuta_repair with IMMUTA_REPAIR_APPLY: what finding says was mended.
pub const IMMUTA_OUTCOME_REPAIRED: i32 = 7;

const _: () = {
    assert!(IMMUTA_OUTCOME_REPAIRED == Outcome::Repaired as i32);
    assert!(IMMUTA_OUTCOME_CREATED == Outcome::Created as i32);
    assert!(IMMUTA_OUTCOME_CLEAN == Outcome::Clean as i32);
    assert!(IMMUTA_OUTCOME_RECOVERED == Outcome::Recovered as i32);
    assert!(IMMUTA_OUTCOME_ADOPTED == Outcome::Adopted as i32);
    assert!(IMMUTA_OUTCOME_LIVE == Outcome::Live as i32);
    assert!(IMMUTA_OUTCOME_DAMAGED == Outcome::Damaged as i32);
};

/// An append that returned survives a power failure.
pub const IMMUTA_MODE_DURABLE: u32 = 0;
/// An append survives a power failure after the next flush.
pub const IMMUTA_MODE_FAST: u32 = 1;

/// The figures of one namespace. Counts of events begin when the namespace is opened.
///
/// May grow at the end: pass sizeof.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct immuta_stats {
    /// Records that readers can see.
    pub count: u64,
    /// Records known to be on the device, whatever happens to the power. In fast mode: those that the last completed
    /// flush covers. In durable mode: all that readers can see. In a read-only log: those that the newest checkpoint in
    /// NAME.idx covers, and all that readers can see while a durable writer is at work. In a read-only log without an
    /// index file: 0.
    pub durable_count: u64,
    /// Bytes of NAME.log up to the end of the last record.
    pub data_bytes: u64,
    /// Size of NAME.log in bytes. While the log is open, this includes room made in advance.
    pub file_bytes: u64,
    /// Bytes of NAME.idx.
    pub index_bytes: u64,
    /// Bytes of the journal, NAME.wal; 0 where there is none, as in fast mode.
    pub journal_bytes: u64,
    /// Reader descriptors.
    pub readers: u64,
    /// Reader descriptors held by records and batches now.
    pub readers_in_use: u64,
    /// Open streams.
    pub streams: u64,
    /// Calls that wait for a record now.
    pub waiters: u64,
    /// Records appended.
    pub appends: u64,
    /// Commits: single records and whole batches.
    pub commits: u64,
    /// Flushes completed. In durable mode also the syncs of the journal, each of which makes one or more commits
    /// durable.
    pub syncs: u64,
    /// Records lent.
    pub records_read: u64,
    /// Records that were not lent because they did not match their checksum.
    pub checksum_failures: u64,
    /// IMMUTA_MODE_*. In a read-only log, that of the last writer.
    pub mode: u32,
    /// IMMUTA_IO_MMAP or IMMUTA_IO_SYSCALL.
    pub engine: u32,
    /// 1: an earlier write or sync failed. There are no appends until the log is opened again.
    pub poisoned: u32,
    /// 1: opened read-only.
    pub read_only: u32,
}

/// What opening or verifying a namespace found.
///
/// May grow at the end: pass sizeof.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct immuta_report {
    /// IMMUTA_OUTCOME_*.
    pub outcome: i32,
    /// IMMUTA_OK, or the IMMUTA_E_* that says what is wrong. For an opening, IMMUTA_E_CORRUPT with a first_bad_offset
    /// that is not 0 has a meaning of its own: records from first_bad_number on were appended and are not in the log.
    /// Either the count is beyond what verifies, or whole records follow after a gap. A power failure in fast mode does
    /// that; a kill does not.
    pub finding: i32,
    /// Records in the log.
    pub count: u64,
    /// Records according to the first word of NAME.log, as it was found.
    pub header_count: u64,
    /// Records found good beyond the last checkpoint.
    pub recovered: u64,
    /// Records indexed now.
    pub adopted: u64,
    /// Bytes cut off the end of NAME.log. This includes room that was never used.
    pub trimmed_bytes: u64,
    /// Records found bad. Only immuta_verify reads every record.
    pub bad_records: u64,
    /// The first bad record, or the record at which the finding was made. It means something only if first_bad_offset
    /// is not 0.
    pub first_bad_number: u64,
    /// Where that record is, in bytes: in NAME.log, or in NAME.idx if the record's entry is missing or damaged. 0: the
    /// finding is about no record, but for example about a damaged checkpoint, a missing journal or a count that went
    /// back.
    pub first_bad_offset: u64,
    /// How long opening or verifying took.
    pub seconds: f64,
    /// Path of the file that keeps what was cut off, NUL-terminated. Empty if that was only zeros, or the rest of a
    /// commit that was never completed. (Then no entry proves a whole record in it, and the count includes none.) If
    /// the path does not fit, this is only the name of the file, which is in the log's directory.
    /// immuta_report_salvage_path gives the whole path.
    pub salvage: [c_char; 256],
    /// Opened for writing: IMMUTA_OK, or the IMMUTA_E_* that keeps the writer from using NAME.live, or from saying by
    /// its lock that it is ready. Readers of other processes are not woken then; they look every 20 ms. Nothing else
    /// changes.
    pub live_finding: i32,
    /// 0.
    pub reserved: u32,
}

const _: () = {
    use std::mem::offset_of;
    assert!(size_of::<immuta_stats>() == 15 * 8 + 4 * 4 && offset_of!(immuta_stats, mode) == 120);
    assert!(size_of::<immuta_report>() == 344 && offset_of!(immuta_report, count) == 8);
    assert!(
        offset_of!(immuta_report, seconds) == 72
            && offset_of!(immuta_report, salvage) == 80
            && offset_of!(immuta_report, live_finding) == 336
    );
};

/// Reads the figures of a namespace.
///
/// log:        an open log.
/// ns:         number of the namespace.
/// stats_out:  the figures.
/// stats_size: sizeof(immuta_stats), 1 or more bytes.
/// err:        NULL, or written on failure only.
///
/// Returns IMMUTA_OK, also after immuta_shutdown
///         IMMUTA_E_NAMESPACE: no such namespace
///         IMMUTA_E_IO, IMMUTA_E_PERMISSION, IMMUTA_E_LIMIT, IMMUTA_E_UNSUPPORTED: read-only, and NAME.idx cannot be
///             read.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_stats_get(
    log: *const immuta_log,
    ns: u32,
    stats_out: *mut immuta_stats,
    stats_size: usize,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| {
        let log = call.handle(log)?;
        let stats_out = call.out_growing("stats_out", stats_out, stats_size)?;
        stats_out.set(&immuta_stats::from(log.stats(ns)?));
        Ok(IMMUTA_OK)
    })
}

/// Reads what opening a namespace found.
///
/// log:         an open log.
/// ns:          number of the namespace.
/// report_out:  the report.
/// report_size: sizeof(immuta_report), 1 or more bytes.
/// err:         NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NAMESPACE: no such namespace.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_report_get(
    log: *const immuta_log,
    ns: u32,
    report_out: *mut immuta_report,
    report_size: usize,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| {
        let log = call.handle(log)?;
        let report_out = call.out_growing("report_out", report_out, report_size)?;
        report_out.set(&immuta_report::from(&log.report(ns)?));
        Ok(IMMUTA_OK)
    })
}

/// Copies the path of the file that keeps what opening a namespace cut off: immuta_report.salvage, however long it is.
///
/// log:      an open log.
/// ns:       number of the namespace.
/// buffer:   receives the path, byte for byte, and a NUL; an empty string where nothing is kept. May be NULL when
///           capacity is 0.
/// capacity: of the buffer, in bytes. 0 asks for the size only.
/// size_out: size of the path in bytes, without the NUL; may be NULL.
/// err:      NULL, or written on failure only.
///
/// Returns IMMUTA_OK, also after immuta_shutdown
///         IMMUTA_E_NAMESPACE: no such namespace
///         IMMUTA_E_ARGUMENT: the buffer is too small; nothing was written
///         IMMUTA_E_NO_MEMORY: the system refused memory.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_report_salvage_path(
    log: *const immuta_log,
    ns: u32,
    buffer: *mut c_char,
    capacity: usize,
    size_out: *mut usize,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| {
        let log = call.handle(log)?;
        let size_out = call.out_or_null("size_out", size_out)?;
        let report = log.report(ns)?;
        let path = report.salvage.as_deref().map_or(&[][..], |path| path.as_os_str().as_bytes());
        if capacity > 0 {
            call.out_string("buffer", buffer, capacity, path)?;
        }
        if let Some(size_out) = size_out {
            size_out.set(path.len());
        }
        Ok(IMMUTA_OK)
    })
}

/// The text of immuta_report.salvage for `path`: never a shortened path, which would name another file or none.
fn fitting(path: Option<&Path>) -> &[u8] {
    const BYTES_MAX: usize = 255;
    let Some(path) = path else { return &[] };
    let (whole, name) = (path.as_os_str().as_bytes(), path.file_name().map_or(&[][..], OsStr::as_bytes));
    if whole.len() <= BYTES_MAX { whole } else { name }
}

impl From<Stats> for immuta_stats {
    fn from(stats: Stats) -> Self {
        immuta_stats {
            count: stats.count,
            durable_count: stats.durable_count,
            data_bytes: stats.data_bytes,
            file_bytes: stats.file_bytes,
            index_bytes: stats.index_bytes,
            journal_bytes: stats.journal_bytes,
            readers: stats.readers,
            readers_in_use: stats.readers_in_use,
            streams: stats.streams,
            waiters: stats.waiters,
            appends: stats.appends,
            commits: stats.commits,
            syncs: stats.syncs,
            records_read: stats.records_read,
            checksum_failures: stats.checksum_failures,
            mode: match stats.mode {
                Mode::Durable => IMMUTA_MODE_DURABLE,
                Mode::Fast => IMMUTA_MODE_FAST,
            },
            engine: match stats.engine {
                Engine::Mmap => IMMUTA_IO_MMAP,
                Engine::Syscall => IMMUTA_IO_SYSCALL,
            }
            .unsigned_abs(),
            poisoned: stats.is_poisoned.into(),
            read_only: stats.is_read_only.into(),
        }
    }
}

impl From<&Report> for immuta_report {
    fn from(report: &Report) -> Self {
        immuta_report {
            outcome: report.outcome as i32,
            finding: report.finding.map_or(IMMUTA_OK, status::of),
            count: report.count,
            header_count: report.header_count,
            recovered: report.recovered,
            adopted: report.adopted,
            trimmed_bytes: report.trimmed_bytes,
            bad_records: report.bad_records,
            first_bad_number: report.first_bad_number,
            first_bad_offset: report.first_bad_offset,
            seconds: report.duration.as_secs_f64(),
            salvage: fixed_text(&[fitting(report.salvage.as_deref())]),
            live_finding: report.live.map_or(IMMUTA_OK, status::of),
            reserved: 0,
        }
    }
}
