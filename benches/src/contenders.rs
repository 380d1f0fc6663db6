//! The contenders, which are written in C: `../contenders/bench.h` describes each of them.
#![allow(unsafe_code, reason = "calls C")]

use std::ffi::{CStr, CString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What a side has to do.
#[derive(Clone, Copy, Debug)]
pub struct Workload<'a> {
    pub directory: &'a Path,
    /// As many bytes as a call may append.
    pub payload: &'a [u8],
    /// Of a record, in bytes.
    pub size: usize,
    /// Records, calls or samples.
    pub count: u64,
    /// The number where streams start.
    pub start: u64,
    /// Streams or namespaces that take turns.
    pub parts: u64,
    /// That share the count.
    pub threads: u32,
}

/// `workload` of bench.h.
#[repr(C)]
struct RawWorkload {
    directory: *const c_char,
    payload: *const u8,
    size: usize,
    count: u64,
    start: u64,
    parts: u64,
    threads: u32,
}

impl Workload<'_> {
    /// Calls `function` with the workload as C has it.
    fn lend<T>(&self, function: impl FnOnce(*const RawWorkload) -> T) -> T {
        let directory = c_path(self.directory);
        let work = RawWorkload {
            directory: directory.as_ptr(),
            payload: self.payload.as_ptr(),
            size: self.size,
            count: self.count,
            start: self.start,
            parts: self.parts,
            threads: self.threads,
        };
        function(&raw const work)
    }
}

/// A measured function.
#[derive(Clone, Copy, Debug)]
pub struct Measure(unsafe extern "C" fn(*const RawWorkload) -> f64);

impl Measure {
    /// Does the work, and returns what its function in bench.h says: the nanoseconds of the whole, most often.
    pub fn run(self, work: &Workload<'_>) -> f64 {
        // SAFETY: the workload and what it points to live until the call returns; C keeps nothing of it.
        work.lend(|work| unsafe { self.0(work) })
    }
}

macro_rules! measures {
    ($($constant:ident = $function:ident,)*) => {
        unsafe extern "C" {
            $(fn $function(work: *const RawWorkload) -> f64;)*
        }
        $(pub const $constant: Measure = Measure($function);)*
    };
}

measures! {
    LIBRARY_APPEND = library_append,
    LIBRARY_APPEND_PACKED = library_append_packed,
    LIBRARY_APPEND_THREADS = library_append_threads,
    LIBRARY_APPEND_DURABLE = library_append_durable,
    LIBRARY_READ_NEXT = library_read_next,
    LIBRARY_READ_BATCH = library_read_batch,
    LIBRARY_READ_RANDOM = library_read_random,
    LIBRARY_OPEN_CLOSED = library_open_closed,
    LIBRARY_START_STREAM = library_start_stream,
    LIBRARY_READ_STREAMS = library_read_streams,
    LIBRARY_APPEND_NAMESPACES = library_append_namespaces,
    LIBRARY_STREAM_MEMORY = library_stream_memory,
    LIBRARY_WAITING_MEMORY = library_waiting_memory,
    BARE_APPEND = bare_append,
    BARE_APPEND_PACKED = bare_append_packed,
    BARE_APPEND_DURABLE = bare_append_durable,
    BARE_READ = bare_read,
    BARE_READ_RANDOM = bare_read_random,
    CAT = cat,
    DROP_FROM_PAGE_CACHE = drop_from_page_cache,
}

/// A way to append records one by one, beside a flush every second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    LibraryByMapping,
    LibraryBySyscall,
    BareByMapping,
    BareByPwrite,
}

/// `contender` of bench.h: of use to C alone.
#[repr(C)]
struct RawContender {
    functions: [usize; 3],
}

unsafe extern "C" {
    static library_by_mapping: RawContender;
    static library_by_syscall: RawContender;
    static bare_by_mapping: RawContender;
    static bare_by_pwrite: RawContender;
    fn run_sustained(
        who: *const RawContender,
        work: *const RawWorkload,
        seconds: f64,
        slice_seconds: f64,
        bytes_max: u64,
    ) -> Sustained;
    fn run_paced(who: *const RawContender, work: *const RawWorkload, interval_ns: f64, latencies_ns: *mut u64);
    fn syscalls_per_append(who: *const RawContender, work: *const RawWorkload) -> f64;
    fn library_wake(work: *const RawWorkload, is_process: c_int, latencies_ns: *mut u64);
    fn bare_wake(work: *const RawWorkload, is_process: c_int, latencies_ns: *mut u64);
    fn library_append_followed(work: *const RawWorkload) -> Followed;
    fn library_engine(directory: *const c_char) -> *const c_char;
    fn free_bytes(directory: *const c_char) -> u64;
    fn settle(directory: *const c_char);
    fn immuta_version() -> *const c_char;
}

/// `sustained` of bench.h.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Sustained {
    pub each_ns: f64,
    /// The rate of the slowest second over the mean rate.
    pub worst_second: f64,
    /// Of 16 records in a row.
    pub longest_ns: f64,
    pub seconds: f64,
}

impl Contender {
    pub fn name(self) -> &'static str {
        match self {
            Contender::LibraryByMapping | Contender::LibraryBySyscall => "libimmuta",
            Contender::BareByMapping => "bare mapping",
            Contender::BareByPwrite => "bare pwrite",
        }
    }

    /// How its files begin.
    pub fn files(self) -> &'static str {
        match self {
            Contender::LibraryByMapping | Contender::LibraryBySyscall => "library",
            Contender::BareByMapping | Contender::BareByPwrite => "bare",
        }
    }

    fn raw(self) -> *const RawContender {
        match self {
            Contender::LibraryByMapping => &raw const library_by_mapping,
            Contender::LibraryBySyscall => &raw const library_by_syscall,
            Contender::BareByMapping => &raw const bare_by_mapping,
            Contender::BareByPwrite => &raw const bare_by_pwrite,
        }
    }

    /// Appends at full speed for so many seconds, or until the record file has so many bytes.
    pub fn run_sustained(self, work: &Workload<'_>, seconds: f64, slice_seconds: f64, bytes_max: u64) -> Sustained {
        // SAFETY: as in `Measure::run`; the contender is a constant.
        work.lend(|work| unsafe { run_sustained(self.raw(), work, seconds, slice_seconds, bytes_max) })
    }

    /// The system calls of the thread that appends, for each append.
    pub fn syscalls_per_append(self, work: &Workload<'_>) -> f64 {
        // SAFETY: as in `Measure::run`; the contender is a constant.
        work.lend(|work| unsafe { syscalls_per_append(self.raw(), work) })
    }

    /// Appends a record each `interval_ns`, as many as there is room for latencies.
    pub fn run_paced(self, work: &Workload<'_>, interval_ns: f64, latencies_ns: &mut [u64]) {
        assert_eq!(latencies_ns.len() as u64, work.count, "one latency for each record");
        // SAFETY: as in `Measure::run`; C writes as many latencies as the workload counts.
        work.lend(|work| unsafe { run_paced(self.raw(), work, interval_ns, latencies_ns.as_mut_ptr()) });
    }
}

/// `followed` of bench.h.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Followed {
    /// By the writer.
    pub took_ns: f64,
    pub lag_bytes_max: f64,
}

/// Appends while a stream follows in another thread.
pub fn append_followed(work: &Workload<'_>) -> Followed {
    // SAFETY: as in `Measure::run`.
    work.lend(|work| unsafe { library_append_followed(work) })
}

/// Who is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleeper {
    Thread,
    Process,
}

/// How long it takes from an append to a stream that waits for it, or from a store to a reader that waits at a futex.
pub fn wake(work: &Workload<'_>, is_library: bool, sleeper: Sleeper, latencies_ns: &mut [u64]) {
    assert_eq!(latencies_ns.len() as u64, work.count, "one latency for each sample");
    let function = if is_library { library_wake } else { bare_wake };
    let is_process = c_int::from(sleeper == Sleeper::Process);
    // SAFETY: as in `Measure::run`; C writes as many latencies as the workload counts.
    work.lend(|work| unsafe { function(work, is_process, latencies_ns.as_mut_ptr()) });
}

/// The engine that the library chooses for files in a directory.
pub fn engine(directory: &Path) -> String {
    // SAFETY: the path is a string of C's, and the answer a constant.
    unsafe { text(library_engine(c_path(directory).as_ptr())) }
}

/// The room that the file system of a directory has.
pub fn free_bytes_below(directory: &Path) -> u64 {
    // SAFETY: the path is a string of C's.
    unsafe { free_bytes(c_path(directory).as_ptr()) }
}

/// Waits until the device has nothing left to write of the file system of a directory.
pub fn settle_below(directory: &Path) {
    // SAFETY: the path is a string of C's.
    unsafe { settle(c_path(directory).as_ptr()) }
}

pub fn library_version() -> String {
    // SAFETY: the answer is a string that lives as long as the process.
    unsafe { text(immuta_version()) }
}

/// # Safety
/// A string of C's.
unsafe fn text(string: *const c_char) -> String {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned()
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("a path of the command line has no zero byte")
}
