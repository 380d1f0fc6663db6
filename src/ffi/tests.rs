//! The boundary, through the exported functions, where C programs cannot reach: panics, stale handles whose memory is
//! still there, misaligned pointers, callbacks that lie. What C programs can reach is tested in c-tests.

mod errors;
mod exported;
mod panics;

use super::append::*;
use super::codec::*;
use super::error::fixed_text;
use super::error::immuta_error;
use super::figures::*;
use super::guard::Call;
use super::handle::Taken;
use super::library::*;
use super::log::*;
use super::maintenance::*;
use super::namespace::*;
use super::options::*;
use super::poll::*;
use super::record::*;
use super::sink::immuta_sink_write;
use super::slice::immuta_slice;
use super::status::{self, *};
use super::stream::*;
use super::txn::*;
use crate::error::{Error, ErrorKind};
use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_void};
use std::mem::zeroed;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr::{null, null_mut};

thread_local! {
    static PANIC_NEXT: Cell<bool> = const { Cell::new(false) };
}

/// Called by every exported function where its body begins: panics once after a test has asked for it.
pub fn panic_if_asked() {
    assert!(!PANIC_NEXT.replace(false), "asked for by a test");
}

/// A log in a directory of its own, with one namespace.
struct Fixture {
    directory: tempfile::TempDir,
    path: CString,
    log: *mut immuta_log,
}

impl Fixture {
    fn new() -> Fixture {
        let directory = tempfile::tempdir().unwrap();
        let path = CString::new(directory.path().as_os_str().as_bytes()).unwrap();
        let mut log = null_mut();
        let options = immuta_options_new();
        // SAFETY: pointers to living values, as the header asks.
        unsafe {
            assert_eq!(immuta_options_add_namespace(options, c"a".as_ptr()), IMMUTA_OK);
            assert_eq!(immuta_open(path.as_ptr(), options, &raw mut log, null_mut()), IMMUTA_OK);
            immuta_options_free(options);
        }
        Fixture { directory, path, log }
    }

    fn append(&self, data: &[u8]) {
        // SAFETY: pointers to living values, as the header asks.
        let status = unsafe { immuta_append(self.log, 0, data.as_ptr().cast(), data.len(), null_mut(), null_mut()) };
        assert_eq!(status, IMMUTA_OK);
    }

    fn stream(&self) -> *mut immuta_stream {
        let mut stream = null_mut();
        // SAFETY: pointers to living values, as the header asks.
        assert_eq!(unsafe { immuta_stream_open(self.log, 0, 0, &raw mut stream, null_mut()) }, IMMUTA_OK);
        stream
    }

    fn transaction(&self) -> *mut immuta_txn {
        let mut txn = null_mut();
        // SAFETY: pointers to living values, as the header asks.
        assert_eq!(unsafe { immuta_txn_begin(self.log, 0, &raw mut txn, null_mut()) }, IMMUTA_OK);
        txn
    }

    fn close(self) {
        // SAFETY: the log is open, and not used afterwards.
        assert_eq!(unsafe { immuta_close(self.log, null_mut()) }, IMMUTA_OK);
        drop(self.directory);
    }
}

/// All bytes zero, which these structs may be.
fn blank<T: Copy>() -> T {
    // SAFETY: only used for the C structs of this interface: numbers, and pointers that may be NULL.
    unsafe { zeroed() }
}

fn message(error: &immuta_error) -> &str {
    // SAFETY: the message is NUL-terminated, or the test fails here.
    unsafe { CStr::from_ptr(error.message.as_ptr()) }.to_str().unwrap()
}

unsafe extern "C-unwind" fn read_nothing(_user: *mut c_void, _buffer: *mut c_void, _capacity: usize) -> i64 {
    0
}

#[test]
fn results_are_written_on_success_and_errors_on_failure_only() {
    let fixture = Fixture::new();
    let mut error: immuta_error = blank();
    let mut appended = immuta_appended { number: 11, offset: 12, stored_size: 13, count: 14 };
    // SAFETY: pointers to living values, as the header asks.
    unsafe {
        let status = immuta_append(fixture.log, 7, null(), 0, &raw mut appended, &raw mut error);
        assert_eq!(status, IMMUTA_E_NAMESPACE);
        assert_eq!((appended.number, appended.offset, appended.stored_size, appended.count), (11, 12, 13, 14));
        assert_eq!(error.code, IMMUTA_E_NAMESPACE);
        assert_ne!(message(&error), "");

        error = blank();
        let data = c"hello world";
        let status = immuta_append(fixture.log, 0, data.as_ptr().cast(), 11, &raw mut appended, &raw mut error);
        assert_eq!(status, IMMUTA_OK);
        assert_eq!((appended.number, appended.offset, appended.stored_size, appended.count), (0, 8, 11, 1));
        assert_eq!((error.code, error.message[0]), (0, 0));
    }
    fixture.close();
}

#[test]
fn a_released_handle_is_recognised_while_its_memory_is_there() {
    let options = immuta_options_new();
    // SAFETY: this test's own objects.
    let call = unsafe { Call::new(null_mut()) };
    // As if a call were inside: nothing is done.
    assert!(matches!(call.take(options, |_| true), Ok(Taken::Nothing)));
    // SAFETY: the object is there as before.
    unsafe { assert_eq!(immuta_options_set_reader_count(options, 1), IMMUTA_OK) };
    let Ok(Taken::Back(returned)) = call.take(options, |_| false) else { panic!("nothing is inside") };
    // SAFETY: the memory is still there, as while a codec's destroy runs.
    unsafe {
        assert_eq!(immuta_options_set_reader_count(options, 1), IMMUTA_E_HANDLE);
        immuta_options_free(options); // does nothing
        assert_eq!(immuta_options_set_reader_count(options, 1), IMMUTA_E_HANDLE);
    }
    drop(returned);
}

#[test]
fn an_object_of_another_kind_is_recognised() {
    let fixture = Fixture::new();
    let options = immuta_options_new();
    let mut number = 0;
    // SAFETY: pointers to living objects, of the wrong kind: their first words are there to be read.
    unsafe {
        assert_eq!(immuta_options_set_reader_count(fixture.log.cast(), 1), IMMUTA_E_HANDLE);
        assert_eq!(immuta_stream_position(options.cast(), &raw mut number), IMMUTA_E_HANDLE);
        assert_eq!(immuta_stream_interrupt(options.cast()), IMMUTA_E_HANDLE);
        assert_eq!(immuta_sync(options.cast(), 0, null_mut()), IMMUTA_E_HANDLE);
        assert_eq!(immuta_stream_interrupt(null_mut()), IMMUTA_E_ARGUMENT);
        immuta_options_free(options);
    }
    fixture.close();
}

#[test]
fn misaligned_pointers_are_refused() {
    let fixture = Fixture::new();
    let mut bytes = [0_u64; 80];
    let odd = bytes.as_mut_ptr().wrapping_byte_add(1);
    // SAFETY: each of these pointers leads to enough room.
    unsafe {
        assert_eq!(immuta_sync(fixture.log.wrapping_byte_add(1), 0, null_mut()), IMMUTA_E_HANDLE);
        assert_eq!(immuta_append(fixture.log, 0, null(), 0, odd.cast(), null_mut()), IMMUTA_E_ARGUMENT);
        assert_eq!(immuta_appendv(fixture.log, 0, odd.cast(), 1, null_mut(), null_mut()), IMMUTA_E_ARGUMENT);
        assert_eq!(immuta_record_done(odd.cast()), IMMUTA_E_ARGUMENT);
        assert_eq!(immuta_sync(fixture.log, 9, odd.cast()), IMMUTA_E_NAMESPACE, "a bad error struct is left alone");
    }
    assert!(bytes.iter().all(|word| *word == 0), "nothing was written");
    fixture.close();
}

#[test]
fn impossible_sizes_are_refused_without_looking() {
    let fixture = Fixture::new();
    let slice = immuta_slice { data: b"x".as_ptr().cast(), size: usize::MAX };
    let sizes = [usize::MAX, 2];
    let (data, list) = (slice.data, &raw const slice);
    // SAFETY: what is claimed to be there is not, and is not looked at.
    unsafe {
        assert_eq!(immuta_append(fixture.log, 0, data, usize::MAX, null_mut(), null_mut()), IMMUTA_E_ARGUMENT);
        assert_eq!(immuta_appendv(fixture.log, 0, list, 1, null_mut(), null_mut()), IMMUTA_E_ARGUMENT);
        assert_eq!(immuta_append_batch(fixture.log, 0, list, usize::MAX, null_mut(), null_mut()), IMMUTA_E_ARGUMENT);
        let packed = immuta_append_packed(fixture.log, 0, data, sizes.as_ptr(), 2, null_mut(), null_mut());
        assert_eq!(packed, IMMUTA_E_ARGUMENT);
    }
    fixture.close();
}

#[test]
fn a_callback_cannot_claim_more_than_the_buffer() {
    unsafe extern "C-unwind" fn claim_more(_user: *mut c_void, _buffer: *mut c_void, capacity: usize) -> i64 {
        i64::try_from(capacity).unwrap() + 1
    }
    let fixture = Fixture::new();
    let mut error: immuta_error = blank();
    // SAFETY: pointers to living values, as the header asks; the callback lies, but writes nothing.
    let status =
        unsafe { immuta_append_from(fixture.log, 0, Some(claim_more), null_mut(), null_mut(), &raw mut error) };
    assert_eq!((status, error.os_error), (IMMUTA_E_CALLBACK, 0));
    assert!(message(&error).contains("the reader says"), "{}", message(&error));
    fixture.close();
}

#[test]
fn growing_structs_are_filled_as_far_as_the_caller_knows_them() {
    let fixture = Fixture::new();
    fixture.append(b"one");
    let mut bytes = [0xaa_u8; 200];
    // SAFETY: room for as many bytes as are claimed.
    unsafe {
        assert_eq!(immuta_stats_get(fixture.log, 0, bytes.as_mut_ptr().cast(), 12, null_mut()), IMMUTA_OK);
        assert_eq!((&bytes[..8], bytes[12]), (&1_u64.to_le_bytes()[..], 0xaa));
        assert_eq!(immuta_stats_get(fixture.log, 0, bytes.as_mut_ptr().cast(), 199, null_mut()), IMMUTA_OK);
        assert!(bytes[size_of::<immuta_stats>()..199].iter().all(|byte| *byte == 0));
        assert_eq!(bytes[199], 0xaa);
        assert_eq!(immuta_stats_get(fixture.log, 0, bytes.as_mut_ptr().cast(), 0, null_mut()), IMMUTA_E_ARGUMENT);
    }
    fixture.close();
}

#[test]
fn an_empty_record_has_an_address() {
    let fixture = Fixture::new();
    fixture.append(b"");
    let stream = fixture.stream();
    let (mut record, mut batch): (immuta_record, immuta_batch) = (blank(), blank());
    // SAFETY: pointers to living values, as the header asks.
    unsafe {
        assert_eq!(immuta_stream_next(stream, 0, &raw mut record, null_mut()), IMMUTA_OK);
        assert!(record.data.addr() > 4096 && record.size == 0, "{:p}", record.data);
        assert_eq!(immuta_stream_seek(stream, 0, null_mut()), IMMUTA_OK);
        assert_eq!(immuta_stream_next_batch(stream, 5, 5, 0, &raw mut batch, null_mut()), IMMUTA_OK);
        assert_eq!(batch.count, 1);
        assert!((*batch.records).data.addr() > 4096);
        assert_eq!(immuta_record_done(&raw mut record), IMMUTA_OK);
        assert_eq!(immuta_batch_done(&raw mut batch), IMMUTA_OK);
        assert!(record.data.is_null() && batch.records.is_null());
        immuta_stream_done(stream);
    }
    fixture.close();
}

#[test]
fn long_messages_end_between_two_characters() {
    // 479 bytes fit before the NUL: the ellipsis and 157 characters of 3 bytes, which is 474, ": x", and not one
    // character more.
    let path = PathBuf::from("\u{20ac}".repeat(300));
    let error = Error::new(ErrorKind::Io, "x").of(&path).at(5, 6).in_namespace(7);
    let shown = immuta_error::from(&error);
    assert_eq!(message(&shown), format!("\u{2026}{}: x", "\u{20ac}".repeat(157)));
    assert_eq!((shown.code, shown.number, shown.offset, shown.ns, shown.reserved), (IMMUTA_E_IO, 5, 6, 7, 0));
    assert!(shown.message[477..].iter().all(|byte| *byte == 0));

    let text = |fixed: [c_char; 4]| fixed.map(|letter| letter.to_le_bytes()[0]);
    assert_eq!(text(fixed_text(&[b"abc"])), *b"abc\0");
    assert_eq!(text(fixed_text(&[b"abcd"])), *b"abc\0");
    assert_eq!(text(fixed_text(&[b"a"])), *b"a\0\0\0");
    assert_eq!(text(fixed_text(&[b"a", b"bcd", b"e"])), *b"abc\0");
}

#[test]
fn every_status_has_its_name_and_a_sentence() {
    for code in -35..=3 {
        let (name, text) = (status::name(code).to_str().unwrap(), status::text(code).to_str().unwrap());
        assert_eq!(name.starts_with("IMMUTA_E_"), code < 0, "{code} {name}");
        assert!(name != "IMMUTA_UNKNOWN" && text.ends_with('.'), "{code} {name}: {text}");
    }
    for unknown in [-36, 4, i32::MIN, i32::MAX] {
        assert_eq!(status::name(unknown), c"IMMUTA_UNKNOWN");
        assert!(!status::text(unknown).is_empty());
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    // SAFETY: text for the life of the process.
    let text = unsafe { CStr::from_ptr(immuta_version()) }.to_str().unwrap();
    assert_eq!(text, env!("CARGO_PKG_VERSION"));
    let number = immuta_version_number();
    assert_eq!(format!("{}.{}.{}", number >> 16, number >> 8 & 255, number & 255), text);
}
