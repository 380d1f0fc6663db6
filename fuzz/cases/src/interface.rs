//! Target: the C interface, its functions in any order on objects that are open, shut down or NULL, as a C program
//! could call them.

#![allow(
    unsafe_code,
    reason = "a caller of the C interface; each pointer passed is NULL, or leads to what its function wants"
)]
#![allow(clippy::undocumented_unsafe_blocks, reason = "the line above argues for all of them")]

use arbitrary::{Result, Unstructured};
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::null_mut;

const CALLS_MAX: usize = 80;
const SLOTS: usize = 3;
const OK: i32 = 0;
const E_PANIC: i32 = -35;
const E_LEAST: i32 = -35;

#[repr(C)]
struct Error {
    code: i32,
    system: i32,
    ns: u32,
    reserved: u32,
    number: u64,
    offset: u64,
    message: [u8; 480],
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Slice {
    data: *const u8,
    size: usize,
}

#[repr(C)]
struct Record {
    data: *const u8,
    size: usize,
    words: [u64; 5],
    token: u64,
}

#[repr(C)]
struct Batch {
    records: *const Record,
    count: usize,
    reserved: u64,
    token: u64,
}

type Object = *mut c_void;
type Out<T> = *mut T;

unsafe extern "C" {
    fn immuta_options_new() -> Object;
    fn immuta_options_free(options: Object);
    fn immuta_options_add_namespace(options: Object, name: *const c_char) -> i32;
    fn immuta_options_set_reader_count(options: Object, count: u32) -> i32;
    fn immuta_options_set_fast_write(options: Object, on: i32) -> i32;
    fn immuta_options_set_read_only(options: Object, on: i32) -> i32;
    fn immuta_options_set_journal_size(options: Object, bytes: u64) -> i32;
    fn immuta_options_set_max_record_size(options: Object, bytes: u64) -> i32;
    fn immuta_options_set_io(options: Object, engine: i32) -> i32;
    fn immuta_options_add_codec(options: Object, codec: Object) -> i32;
    fn immuta_codec_builtin(kind: i32, level: i32, codec_out: Out<Object>, error: Out<Error>) -> i32;
    fn immuta_codec_free(codec: Object);
    fn immuta_open(directory: *const c_char, options: Object, log_out: Out<Object>, error: Out<Error>) -> i32;
    fn immuta_shutdown(log: Object, error: Out<Error>) -> i32;
    fn immuta_close(log: Object, error: Out<Error>) -> i32;
    fn immuta_sync(log: Object, ns: u32, error: Out<Error>) -> i32;
    fn immuta_namespace_add(log: Object, name: *const c_char, ns_out: Out<u32>, error: Out<Error>) -> i32;
    fn immuta_namespace_count(log: Object) -> u32;
    fn immuta_stats_get(log: Object, ns: u32, stats: Out<u64>, size: usize, error: Out<Error>) -> i32;
    fn immuta_report_get(log: Object, ns: u32, report: Out<u64>, size: usize, error: Out<Error>) -> i32;
    fn immuta_append(log: Object, ns: u32, data: *const u8, size: usize, out: Out<[u64; 4]>, error: Out<Error>) -> i32;
    fn immuta_append_batch(
        log: Object,
        ns: u32,
        records: *const Slice,
        count: usize,
        out: Out<[u64; 4]>,
        error: Out<Error>,
    ) -> i32;
    fn immuta_append_at(
        log: Object,
        ns: u32,
        number: u64,
        records: *const Slice,
        count: usize,
        out: Out<[u64; 4]>,
        error: Out<Error>,
    ) -> i32;
    fn immuta_txn_begin(log: Object, ns: u32, txn_out: Out<Object>, error: Out<Error>) -> i32;
    fn immuta_txn_append(txn: Object, data: *const u8, size: usize, error: Out<Error>) -> i32;
    fn immuta_txn_commit(txn: Object, out: Out<[u64; 4]>, error: Out<Error>) -> i32;
    fn immuta_txn_rollback(txn: Object);
    fn immuta_stream_open(log: Object, ns: u32, start: i64, stream_out: Out<Object>, error: Out<Error>) -> i32;
    fn immuta_stream_open_at_time(log: Object, ns: u32, time: i64, stream_out: Out<Object>, error: Out<Error>) -> i32;
    fn immuta_stream_next(stream: Object, timeout_ns: i64, record_out: Out<Record>, error: Out<Error>) -> i32;
    fn immuta_stream_next_batch(
        stream: Object,
        max_records: usize,
        max_bytes: usize,
        timeout_ns: i64,
        batch_out: Out<Batch>,
        error: Out<Error>,
    ) -> i32;
    fn immuta_stream_seek(stream: Object, number: u64, error: Out<Error>) -> i32;
    fn immuta_stream_position(stream: Object, number_out: Out<u64>) -> i32;
    fn immuta_stream_interrupt(stream: Object) -> i32;
    fn immuta_stream_poll_fd(stream: Object, fd_out: Out<i32>, error: Out<Error>) -> i32;
    fn immuta_stream_poll_arm(stream: Object, error: Out<Error>) -> i32;
    fn immuta_stream_done(stream: Object);
    fn immuta_record_done(record: Out<Record>) -> i32;
    fn immuta_batch_done(batch: Out<Batch>) -> i32;
    fn immuta_status_name(status: i32) -> *const c_char;
}

pub fn run(data: &[u8]) {
    let mut program = Program::new();
    let mut u = Unstructured::new(data);
    for _ in 0..CALLS_MAX {
        if u.is_empty() || program.call(&mut u).is_err() {
            break;
        }
    }
}

/// A C program with a few variables of each kind.
struct Program {
    directory: tempfile::TempDir,
    path: CString,
    logs: [Object; SLOTS],
    options: [Object; SLOTS],
    codecs: [Object; SLOTS],
    streams: [Object; SLOTS],
    txns: [Object; SLOTS],
    records: Vec<Record>,
    batches: Vec<Batch>,
    error: Error,
}

impl Program {
    fn new() -> Program {
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let path = CString::new(directory.path().as_os_str().as_encoded_bytes()).unwrap();
        let objects = [null_mut(); SLOTS];
        let error = Error { code: 0, system: 0, ns: 0, reserved: 0, number: 0, offset: 0, message: [0; 480] };
        Program {
            directory,
            path,
            logs: objects,
            options: objects,
            codecs: objects,
            streams: objects,
            txns: objects,
            records: Vec::new(),
            batches: Vec::new(),
            error,
        }
    }

    /// The error struct, empty.
    fn err(&mut self) -> Out<Error> {
        self.error = Error { code: 0, system: 0, ns: 0, reserved: 0, number: 0, offset: 0, message: [0; 480] };
        &raw mut self.error
    }

    /// What every call promises about its answer.
    fn check(&self, status: i32) -> bool {
        assert!((E_LEAST..=9).contains(&status) && status != E_PANIC, "status {status}");
        let name = unsafe { CStr::from_ptr(immuta_status_name(status)) };
        assert_ne!(name.to_bytes(), b"IMMUTA_UNKNOWN", "status {status}");
        if status < 0 && self.error.code != 0 {
            assert_eq!(self.error.code, status, "the error has the code that was returned");
            let message = CStr::from_bytes_until_nul(&self.error.message).expect("the message ends");
            assert!(!message.to_bytes().is_empty() && message.to_str().is_ok());
        }
        assert!(status < 0 || self.error.code == 0, "the error was written although nothing failed");
        status == OK
    }

    fn call(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let slot = u.int_in_range(0..=SLOTS - 1)?;
        match u.int_in_range(0..=4)? {
            0 => self.call_options(u, slot),
            1 => self.call_log(u, slot),
            2 => self.call_append(u, slot),
            3 => self.call_txn(u, slot),
            _ => self.call_stream(u, slot),
        }
    }

    fn call_options(&mut self, u: &mut Unstructured<'_>, slot: usize) -> Result<()> {
        let options = self.options[slot];
        self.err();
        let on = u.int_in_range(-1..=2)?;
        let status = match u.int_in_range(0..=10)? {
            0 | 1 if options.is_null() => {
                self.options[slot] = unsafe { immuta_options_new() };
                OK
            }
            0 => {
                unsafe { immuta_options_free(options) };
                self.options[slot] = null_mut();
                OK
            }
            1 | 2 => unsafe { immuta_options_add_namespace(options, name(u)?.as_ptr()) },
            3 => unsafe { immuta_options_set_reader_count(options, u.int_in_range(0..=3)?) },
            4 => unsafe { immuta_options_set_fast_write(options, on) },
            5 => unsafe { immuta_options_set_read_only(options, on) },
            6 => unsafe { immuta_options_set_journal_size(options, u.int_in_range(0..=140_000)?) },
            7 => unsafe { immuta_options_set_max_record_size(options, u.int_in_range(0..=4096)?) },
            8 => unsafe { immuta_options_set_io(options, on + 1) },
            9 => {
                let (kind, level) = (u.int_in_range(0..=5)?, u.int_in_range(-2..=10)?);
                let mut made = null_mut();
                let status = unsafe { immuta_codec_builtin(kind, level, &raw mut made, self.err()) };
                unsafe { immuta_codec_free(std::mem::replace(&mut self.codecs[slot], made)) };
                status
            }
            _ => unsafe { immuta_options_add_codec(options, self.codecs[u.int_in_range(0..=SLOTS - 1)?]) },
        };
        self.check(status);
        Ok(())
    }

    fn call_log(&mut self, u: &mut Unstructured<'_>, slot: usize) -> Result<()> {
        let (log, ns) = (self.logs[slot], u.int_in_range(0..=2)?);
        let error = self.err();
        let status = match u.int_in_range(0..=8)? {
            0..=3 if log.is_null() => {
                let options = self.options[u.int_in_range(0..=SLOTS - 1)?];
                let mut made = null_mut();
                let status = unsafe { immuta_open(self.path.as_ptr(), options, &raw mut made, error) };
                assert_eq!(status == OK, !made.is_null(), "a log exactly when nothing failed");
                self.logs[slot] = made;
                status
            }
            0 => {
                self.logs[slot] = null_mut();
                unsafe { immuta_close(log, error) }
            }
            1 => unsafe { immuta_shutdown(log, error) },
            2 | 3 => unsafe { immuta_sync(log, ns, error) },
            4 => {
                let mut added = 0;
                unsafe { immuta_namespace_add(log, name(u)?.as_ptr(), &raw mut added, error) }
            }
            5 => {
                assert!(unsafe { immuta_namespace_count(log) } <= 100);
                OK
            }
            6 => {
                let mut stats = [0_u64; 40];
                let size = u.int_in_range(0..=320)? / 8 * 8;
                unsafe { immuta_stats_get(log, ns, stats.as_mut_ptr(), size, error) }
            }
            _ => {
                let mut report = [0_u64; 600];
                let size = u.int_in_range(0..=4800)? / 8 * 8;
                unsafe { immuta_report_get(log, ns, report.as_mut_ptr(), size, error) }
            }
        };
        self.check(status);
        Ok(())
    }

    fn call_append(&mut self, u: &mut Unstructured<'_>, slot: usize) -> Result<()> {
        let (log, ns) = (self.logs[slot], u.int_in_range(0..=2)?);
        let payload = vec![u.arbitrary()?; u.int_in_range(0..=5000)?];
        let slices = vec![Slice { data: payload.as_ptr(), size: payload.len() }; u.int_in_range(0..=3)?];
        let (mut appended, error) = ([u64::MAX; 4], self.err());
        let out = if u.ratio(1, 4)? { null_mut() } else { &raw mut appended };
        let status = match u.int_in_range(0..=3)? {
            0 => unsafe { immuta_append(log, ns, payload.as_ptr(), payload.len(), out, error) },
            1 => unsafe { immuta_append(log, ns, payload.as_ptr(), usize::MAX - payload.len(), out, error) },
            2 => unsafe { immuta_append_batch(log, ns, slices.as_ptr(), slices.len(), out, error) },
            _ => unsafe {
                immuta_append_at(log, ns, u.int_in_range(0..=9)?, slices.as_ptr(), slices.len(), out, error)
            },
        };
        let is_written = appended[0] != u64::MAX;
        assert_eq!(self.check(status) && !out.is_null(), is_written, "results on success only");
        Ok(())
    }

    fn call_txn(&mut self, u: &mut Unstructured<'_>, slot: usize) -> Result<()> {
        let (txn, error) = (self.txns[slot], self.err());
        let payload = vec![7; u.int_in_range(0..=300)?];
        let status = match u.int_in_range(0..=4)? {
            0..=2 if txn.is_null() => {
                let mut made = null_mut();
                let log = self.logs[u.int_in_range(0..=SLOTS - 1)?];
                let status = unsafe { immuta_txn_begin(log, u.int_in_range(0..=1)?, &raw mut made, error) };
                self.txns[slot] = made;
                status
            }
            0 => {
                unsafe { immuta_txn_rollback(txn) };
                self.txns[slot] = null_mut();
                OK
            }
            1 => {
                // Whatever the answer is, the transaction is over.
                self.txns[slot] = null_mut();
                unsafe { immuta_txn_commit(txn, null_mut(), error) }
            }
            _ => unsafe { immuta_txn_append(txn, payload.as_ptr(), payload.len(), error) },
        };
        self.check(status);
        Ok(())
    }

    fn call_stream(&mut self, u: &mut Unstructured<'_>, slot: usize) -> Result<()> {
        let (stream, error) = (self.streams[slot], self.err());
        let status = match u.int_in_range(0..=12)? {
            0..=3 if stream.is_null() => {
                let (log, ns) = (self.logs[u.int_in_range(0..=SLOTS - 1)?], u.int_in_range(0..=1)?);
                let mut made = null_mut();
                let start = u.int_in_range(-1..=5)?;
                let status = match start {
                    5 => unsafe { immuta_stream_open_at_time(log, ns, u.arbitrary()?, &raw mut made, error) },
                    _ => unsafe { immuta_stream_open(log, ns, start, &raw mut made, error) },
                };
                self.streams[slot] = made;
                status
            }
            0 => {
                unsafe { immuta_stream_done(stream) };
                self.streams[slot] = null_mut();
                OK
            }
            1..=4 => self.next(stream),
            5 | 6 => self.next_batch(stream, u.int_in_range(0..=4)?, u.int_in_range(0..=500)?),
            7 => unsafe { immuta_stream_seek(stream, u.int_in_range(0..=9)?, error) },
            8 => unsafe { immuta_stream_position(stream, &raw mut self.error.number) },
            9 => unsafe { immuta_stream_interrupt(stream) },
            10 => {
                let mut fd = -1;
                let status = unsafe { immuta_stream_poll_fd(stream, &raw mut fd, error) };
                assert_eq!(status == OK, fd >= 3);
                status
            }
            11 => unsafe { immuta_stream_poll_arm(stream, error) },
            _ => self.release_one(u)?,
        };
        self.check(status);
        Ok(())
    }

    fn next(&mut self, stream: Object) -> i32 {
        let mut record = Record { data: null_mut(), size: 0, words: [0; 5], token: 0 };
        let status = unsafe { immuta_stream_next(stream, 0, &raw mut record, self.err()) };
        if status == OK {
            touch(&record);
            self.records.push(record);
        }
        status
    }

    fn next_batch(&mut self, stream: Object, max_records: usize, max_bytes: usize) -> i32 {
        let mut batch = Batch { records: null_mut(), count: 0, reserved: 0, token: 0 };
        let status = unsafe { immuta_stream_next_batch(stream, max_records, max_bytes, 0, &raw mut batch, self.err()) };
        if status == OK {
            assert!((1..=max_records).contains(&batch.count));
            unsafe { std::slice::from_raw_parts(batch.records, batch.count) }.iter().for_each(touch);
            self.batches.push(batch);
        }
        status
    }

    /// A record or a batch is done; done twice is noticed.
    fn release_one(&mut self, u: &mut Unstructured<'_>) -> Result<i32> {
        let is_twice = u.ratio(1, 4)?;
        if let Some(mut record) = self.records.pop() {
            touch(&record);
            let mut copy = Record { ..record };
            assert_eq!(unsafe { immuta_record_done(&raw mut record) }, OK);
            assert!(!is_twice || unsafe { immuta_record_done(&raw mut copy) } < 0, "done twice");
        }
        if let Some(mut batch) = self.batches.pop() {
            let mut copy = Batch { ..batch };
            assert_eq!(unsafe { immuta_batch_done(&raw mut batch) }, OK);
            assert!(!is_twice || unsafe { immuta_batch_done(&raw mut copy) } < 0, "done twice");
        }
        Ok(OK)
    }
}

/// Reads all of a record.
fn touch(record: &Record) {
    if record.size > 0 {
        let data = unsafe { std::slice::from_raw_parts(record.data, record.size) };
        std::hint::black_box(data.iter().fold(0_u8, |all, byte| all ^ byte));
    }
}

/// A name, good or bad.
fn name(u: &mut Unstructured<'_>) -> Result<&'static CStr> {
    Ok(*u.choose(&[c"a", c"b", c"c", c"", c".", c"..", c"a/b", c"\n", c"\xff"])?)
}

impl Drop for Program {
    /// Ends as a careful program does, with whatever is left, in no particular order: logs first.
    fn drop(&mut self) {
        let error = self.err();
        for slot in 0..SLOTS {
            unsafe {
                immuta_close(self.logs[slot], error);
                immuta_txn_rollback(self.txns[slot]);
                immuta_options_free(self.options[slot]);
                immuta_codec_free(self.codecs[slot]);
                immuta_stream_done(self.streams[slot]);
            }
        }
        for record in &mut self.records {
            touch(record);
            assert_eq!(unsafe { immuta_record_done(record) }, OK, "records outlive log and stream");
        }
        for batch in &mut self.batches {
            assert_eq!(unsafe { immuta_batch_done(batch) }, OK);
        }
        assert!(self.directory.path().exists());
    }
}
