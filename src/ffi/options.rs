//! How a log is to be opened.

use super::codec::immuta_codec;
use super::error::immuta_error;
use super::guard::{Call, contain};
use super::handle::{Opaque, Taken, give};
use super::ptr::argument;
use super::status::{IMMUTA_OK, immuta_status};
use crate::error::within;
use crate::limits::{JOURNAL_BYTES, READER_COUNT, RECORD_BYTES};
use crate::{Error, ErrorKind, Io, Mode, Options, Result};
use atomic_refcell::AtomicRefCell;
use std::ffi::c_char;
use std::ptr::null_mut;
use std::time::Duration;

/// How to open a log: namespaces, limits and modes. What is not set has its default.
///
/// Threads: one.
pub struct immuta_options {
    _opaque: [u8; 0],
}

impl Opaque for immuta_options {
    type Body = AtomicRefCell<OptionsBody>;
    const MAGIC: u64 = u64::from_le_bytes(*b"imOption");
}

#[derive(Debug, Default)]
pub struct OptionsBody {
    options: Options,
    /// The error of the last setter that failed.
    refusal: Option<Error>,
}

/// Stores into shared mappings where the file system allows it, else system calls. Never in immuta_stats.engine.
pub const IMMUTA_IO_AUTO: i32 = 0;
/// Shared mappings. Opening answers IMMUTA_E_UNSUPPORTED where they are not safe.
pub const IMMUTA_IO_MMAP: i32 = 1;
/// System calls only. They are slower, but nothing that another process does to the files raises SIGBUS.
pub const IMMUTA_IO_SYSCALL: i32 = 2;

/// Makes options, all at their defaults.
///
/// Returns options for immuta_options_free, or NULL when there is no memory.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn immuta_options_new() -> *mut immuta_options {
    contain(|| give(AtomicRefCell::new(OptionsBody::default()))).and_then(|options| options).unwrap_or(null_mut())
}

/// Releases options. A log that was opened with them does not need them any more.
///
/// options: options, or NULL.
///
/// Threads: one, and nothing may use the options afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_options_free(options: *mut immuta_options) {
    // SAFETY: the pointer is this call's argument, for which the C caller vouches.
    let call = unsafe { Call::new(null_mut()) };
    call.run(|| {
        if let Taken::Back(options) = call.take(options, |options| options.try_borrow_mut().is_err())? {
            drop(options);
        }
        Ok(IMMUTA_OK)
    });
}

/// Adds a namespace to open. The first one added has the number 0.
///
/// A writer opens what was added here, and creates what is missing. More namespaces can follow with
/// immuta_namespace_add. A read-only opener that adds none gets every namespace found in the directory, in the order of
/// their names. It passes over each file that has the name of a record file, NAME.log, and is no namespace. Such a file
/// is being made or imported, or a killed process left it half made. Or there is no NAME.idx beside it, and it is no
/// record file. Or NAME is not a legal name. immuta_namespace_scan says why.
///
/// options: options.
/// name:    1 to 200 bytes of UTF-8 without '/', control characters, a leading dot, or a dot and 20 digits at the
///          end; copied.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NAME: the name is illegal
///         IMMUTA_E_EXISTS: it was added before
///         IMMUTA_E_NO_MEMORY
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_options_add_namespace(
    options: *mut immuta_options,
    name: *const c_char,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(null_mut()) };
    change(&call, options, |options| options.add_namespace(call.name(name)?))
}

/// Sets how many reader descriptors each namespace has. They are opened with the log. Each record or batch that is held
/// uses one until it is done. While all are used, immuta_stream_next waits. Streams as such use none.
///
/// options: options.
/// count:   1 to 4096; 5 unless set.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: count is out of bounds
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_options_set_reader_count(options: *mut immuta_options, count: u32) -> immuta_status {
    // SAFETY: the pointer is this call's argument, for which the C caller vouches.
    let call = unsafe { Call::new(null_mut()) };
    change(&call, options, |options| {
        within("the reader count", &READER_COUNT, count)?;
        options.reader_count = count;
        Ok(())
    })
}

/// Sets when an append counts as written. In either mode an append that returned survives the death of the process.
///
/// Fast (1): a power failure costs at most what was appended since the last completed flush, and leaves whole batches
/// only.
///
/// Durable (0): a power failure costs no append that returned. Each append waits for the device, once for all threads
/// that append at the same time. Readers see a record only when it is durable. While the log is open, a journal,
/// NAME.wal, lies beside the records: see immuta_options_set_journal_size.
///
/// A log may be opened in the other mode the next time. Read-only logs ignore this setting.
///
/// options: options.
/// on:      1 fast, 0 durable; 1 unless set.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: neither 0 nor 1
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_options_set_fast_write(options: *mut immuta_options, on: i32) -> immuta_status {
    // SAFETY: the pointer is this call's argument, for which the C caller vouches.
    let call = unsafe { Call::new(null_mut()) };
    change(&call, options, |options| {
        options.mode = if switch(on)? { Mode::Fast } else { Mode::Durable };
        Ok(())
    })
}

/// Sets how often a fast writer flushes, while there is something to flush.
///
/// options:     options.
/// interval_ns: nanoseconds, 0 or more; one second unless set. 0: time causes no flush. The writer still flushes by
///              size, with immuta_sync and at the close.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: negative
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_options_set_flush_interval(
    options: *mut immuta_options,
    interval_ns: i64,
) -> immuta_status {
    // SAFETY: the pointer is this call's argument, for which the C caller vouches.
    let call = unsafe { Call::new(null_mut()) };
    change(&call, options, |options| {
        within("the flush interval in nanoseconds", &(0..=i64::MAX), interval_ns)
            .map_err(|refusal| refusal.advising("0 is none by time"))?;
        options.flush_interval = (interval_ns > 0).then(|| Duration::from_nanos(interval_ns.unsigned_abs()));
        Ok(())
    })
}

/// Makes a fast writer flush also when this many bytes were appended since the last flush.
///
/// options: options.
/// bytes:   of records; 0 unless set. 0: no such limit. The writer still flushes at least every GiB.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_options_set_flush_bytes(options: *mut immuta_options, bytes: u64) -> immuta_status {
    // SAFETY: the pointer is this call's argument, for which the C caller vouches.
    let call = unsafe { Call::new(null_mut()) };
    change(&call, options, |options| {
        options.flush_bytes = (bytes > 0).then_some(bytes);
        Ok(())
    })
}

/// Sets the largest record. A larger one is neither appended nor read: IMMUTA_E_TOO_LARGE. With codecs this is the
/// limit of what is appended, of what is stored, and of what each codec makes on the way. No more is ever allocated.
///
/// options: options.
/// bytes:   1 to 2^47 - 1; 64 MiB unless set.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: out of bounds
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_options_set_max_record_size(options: *mut immuta_options, bytes: u64) -> immuta_status {
    // SAFETY: the pointer is this call's argument, for which the C caller vouches.
    let call = unsafe { Call::new(null_mut()) };
    change(&call, options, |options| {
        within("the largest record in bytes", &RECORD_BYTES, bytes)?;
        options.max_record_size_bytes = bytes;
        Ok(())
    })
}

/// Sets the size of a durable writer's journal. Each namespace has one journal, NAME.wal. It is written when the log is
/// opened, and removed when the log is closed cleanly. Fast writers and read-only logs ignore this setting.
///
/// A journal has two halves. While the records of one half are brought to their place, the other half is filled. With a
/// longer journal, appends wait less often for that. A commit larger than a half is made durable in its place instead,
/// which takes two syncs more.
///
/// options: options.
/// bytes:   65536 (64 KiB) to 1073741824 (1 GiB), rounded up to a multiple of 8192; 16 MiB unless set.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: out of bounds
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_options_set_journal_size(options: *mut immuta_options, bytes: u64) -> immuta_status {
    // SAFETY: the pointer is this call's argument, for which the C caller vouches.
    let call = unsafe { Call::new(null_mut()) };
    change(&call, options, |options| {
        within("the journal in bytes", &JOURNAL_BYTES, bytes)?;
        options.journal_size_bytes = bytes;
        Ok(())
    })
}

/// Sets how the files are read and written.
///
/// options: options.
/// engine:  IMMUTA_IO_AUTO unless set, IMMUTA_IO_MMAP or IMMUTA_IO_SYSCALL.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: none of these
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_options_set_io(options: *mut immuta_options, engine: i32) -> immuta_status {
    // SAFETY: the pointer is this call's argument, for which the C caller vouches.
    let call = unsafe { Call::new(null_mut()) };
    change(&call, options, |options| {
        options.io = match engine {
            IMMUTA_IO_AUTO => Io::Auto,
            IMMUTA_IO_MMAP => Io::Mmap,
            IMMUTA_IO_SYSCALL => Io::Syscall,
            _ => {
                return Err(argument(format_args!(
                    "engine {engine} is not IMMUTA_IO_AUTO, IMMUTA_IO_MMAP or IMMUTA_IO_SYSCALL (0 to 2)"
                )));
            }
        };
        Ok(())
    })
}

/// Sets whether the log is only read. Any number of readers, in any process, may follow a log while a writer has it
/// open. A read-only log needs no permission to write, and works on a read-only file system. On disk it changes nothing
/// but NAME.live, the page through which readers are woken.
///
/// options: options.
/// on:      1 read-only, 0 for writing; 0 unless set.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: neither 0 nor 1
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_options_set_read_only(options: *mut immuta_options, on: i32) -> immuta_status {
    // SAFETY: the pointer is this call's argument, for which the C caller vouches.
    let call = unsafe { Call::new(null_mut()) };
    change(&call, options, |options| {
        options.read_only = switch(on)?;
        Ok(())
    })
}

/// Sets whether every record read is checked against its checksum.
///
/// options: options.
/// on:      1 checked, 0 not; 1 unless set. With 0, records carry IMMUTA_RECORD_UNVERIFIED.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: neither 0 nor 1
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_options_set_verify_reads(options: *mut immuta_options, on: i32) -> immuta_status {
    // SAFETY: the pointer is this call's argument, for which the C caller vouches.
    let call = unsafe { Call::new(null_mut()) };
    change(&call, options, |options| {
        options.verify_reads = switch(on)?;
        Ok(())
    })
}

/// Adds a codec to the chain that payloads go through. Payloads are encoded in the order added, and decoded in reverse.
/// All namespaces opened with these options have this chain.
///
/// The ids of a log's chain are recorded when the log is created, and do not change. Each opener names the same codecs
/// in the same order, or none. If an opener names none, it gets the recorded codecs at their default levels, provided
/// that all of them are built in. Anything else is IMMUTA_E_CODEC.
///
/// The chain of an adopted log (see IMMUTA_OUTCOME_ADOPTED) is unknown until the first append. Until then each opener
/// reads the log with the codecs that it names.
///
/// options: options.
/// codec:   a codec. The options keep hold of it, so the caller may release it.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: there are 16 already
///         IMMUTA_E_NO_MEMORY
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one; the codec is for any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_options_add_codec(
    options: *mut immuta_options,
    codec: *mut immuta_codec,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(null_mut()) };
    change(&call, options, |options| options.add_codec(call.handle(codec)?.clone()))
}

/// Says what was wrong with the last call that refused to set or add something, and what is allowed. A refused call
/// changed nothing, so a log can be opened with the options as they were.
///
/// options: options.
/// err:     NULL, or written if a call was refused.
///
/// Returns IMMUTA_OK: none was refused
///         else the status that the last refused call answered, even if later calls succeeded
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_options_error(options: *const immuta_options, err: *mut immuta_error) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| match &call.handle(options)?.try_borrow_mut().map_err(|_| busy())?.refusal {
        Some(refusal) => Err(refusal.clone()),
        None => Ok(IMMUTA_OK),
    })
}

/// Runs one setter; where it fails nothing changes but what `immuta_options_error` says.
fn change(call: &Call, options: *mut immuta_options, set: impl FnOnce(&mut Options) -> Result<()>) -> immuta_status {
    call.run(|| {
        let mut body = call.handle(options)?.try_borrow_mut().map_err(|_| busy())?;
        set(&mut body.options).inspect_err(|refusal| body.refusal = Some(refusal.clone()))?;
        Ok(IMMUTA_OK)
    })
}

/// The current settings of the caller's options; the defaults for NULL.
pub fn read(call: &Call, options: *const immuta_options) -> Result<Options> {
    if options.is_null() {
        return Ok(Options::default());
    }
    call.handle(options)?.try_borrow_mut().map_err(|_| busy())?.options.try_clone()
}

fn busy() -> Error {
    Error::new(ErrorKind::Busy, "another thread is using these options; one thread at a time may")
}

fn switch(on: i32) -> Result<bool> {
    match on {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(argument(format_args!("{on} is neither 0 nor 1"))),
    }
}
