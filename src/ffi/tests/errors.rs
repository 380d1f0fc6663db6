//! Every function with an error struct fills it when it fails: code, and words that say what was wrong.

use super::exported::assert_named;
use super::*;

#[test]
fn every_function_says_why_it_failed() {
    let fixture = Fixture::new();
    let (log, path) = (fixture.log, fixture.path.as_ptr());
    let (no_log, no_stream, no_txn) = (null_mut(), null_mut(), null_mut());
    let (mut log_out, mut stream_out, mut txn_out, mut codec_out) = (null_mut(), null_mut(), null_mut(), null_mut());
    let (mut ns, mut fd, mut buffer) = (0, -1, [0; 201]);
    let (mut stats, mut report): (immuta_stats, immuta_report) = (blank(), blank());
    let (stats_size, report_size) = (size_of::<immuta_stats>(), size_of::<immuta_report>());
    let (mut record, mut batch): (immuta_record, immuta_batch) = (blank(), blank());
    let (name, illegal) = (c"a".as_ptr(), c"a/b".as_ptr());
    let mut error: immuta_error = blank();
    let e = &raw mut error;

    macro_rules! explained {
        ($($status:ident, $words:literal: $call:expr),* $(,)?) => {$({
            error = blank();
            // SAFETY: NULL, or pointers to living values, as the header asks.
            let status = unsafe { $call };
            assert_eq!((status, error.code), ($status, $status), "{}: {}", stringify!($call), message(&error));
            assert!(message(&error).contains($words), "{}: {}", stringify!($call), message(&error));
        })*};
    }
    explained! {
        IMMUTA_E_ARGUMENT, "directory": immuta_open(null(), null(), &raw mut log_out, e),
        IMMUTA_E_ARGUMENT, "NULL": immuta_shutdown(no_log, e),
        IMMUTA_E_HANDLE, "released": immuta_close(fixture.stream().cast(), e),
        IMMUTA_E_NAMESPACE, "namespace": immuta_sync(log, 7, e),
        IMMUTA_E_NAME, "name": immuta_namespace_add(log, illegal, &raw mut ns, e),
        IMMUTA_E_ARGUMENT, "found is NULL": immuta_namespace_scan(null(), null(), None, null_mut(), e),
        IMMUTA_E_NAMESPACE, "namespace": immuta_namespace_find(log, c"b".as_ptr(), &raw mut ns, e),
        IMMUTA_E_NAMESPACE, "namespace": immuta_namespace_name(log, 7, buffer.as_mut_ptr(), 201, e),
        IMMUTA_E_NAMESPACE, "namespace": immuta_stats_get(log, 7, &raw mut stats, stats_size, e),
        IMMUTA_E_NAMESPACE, "namespace": immuta_report_get(log, 7, &raw mut report, report_size, e),
        IMMUTA_E_NAMESPACE, "namespace": immuta_report_salvage_path(log, 7, buffer.as_mut_ptr(), 201, null_mut(), e),
        IMMUTA_E_ARGUMENT, "NULL": immuta_options_error(null(), e),
        IMMUTA_E_ARGUMENT, "data": immuta_append(log, 0, null(), 1, null_mut(), e),
        IMMUTA_E_ARGUMENT, "parts": immuta_appendv(log, 0, null(), 1, null_mut(), e),
        IMMUTA_E_NAMESPACE, "namespace": immuta_append_from(log, 7, Some(read_nothing), null_mut(), null_mut(), e),
        IMMUTA_E_ARGUMENT, "records": immuta_append_batch(log, 0, null(), 1, null_mut(), e),
        IMMUTA_E_ARGUMENT, "sizes": immuta_append_packed(log, 0, null(), null(), 1, null_mut(), e),
        IMMUTA_E_CONFLICT, "expected 5, found 0": immuta_append_at(log, 0, 5, null(), 0, null_mut(), e),
        IMMUTA_E_NAMESPACE, "namespace": immuta_txn_begin(log, 7, &raw mut txn_out, e),
        IMMUTA_E_ARGUMENT, "NULL": immuta_txn_append(no_txn, null(), 0, e),
        IMMUTA_E_ARGUMENT, "NULL": immuta_txn_appendv(no_txn, null(), 0, e),
        IMMUTA_E_ARGUMENT, "NULL": immuta_txn_commit(no_txn, null_mut(), e),
        IMMUTA_E_NAMESPACE, "namespace": immuta_stream_open(log, 7, 0, &raw mut stream_out, e),
        IMMUTA_E_NAMESPACE, "namespace": immuta_stream_open_at_time(log, 7, 0, &raw mut stream_out, e),
        IMMUTA_E_ARGUMENT, "NULL": immuta_stream_next(no_stream, 0, &raw mut record, e),
        IMMUTA_E_ARGUMENT, "NULL": immuta_stream_next_batch(no_stream, 1, 1, 0, &raw mut batch, e),
        IMMUTA_E_ARGUMENT, "NULL": immuta_stream_seek(no_stream, 0, e),
        IMMUTA_E_ARGUMENT, "NULL": immuta_stream_poll_fd(no_stream, &raw mut fd, e),
        IMMUTA_E_ARGUMENT, "NULL": immuta_stream_poll_arm(no_stream, e),
        IMMUTA_E_NAME, "name": immuta_verify(path, illegal, null(), None, null_mut(), &raw mut report, report_size, e),
        IMMUTA_E_ARGUMENT, "flags":
            immuta_repair(path, name, null(), 99, None, null_mut(), &raw mut report, report_size, e),
        IMMUTA_E_ARGUMENT, "source_file":
            immuta_import(null(), path, name, null(), None, null_mut(), &raw mut report, report_size, e),
        IMMUTA_E_ARGUMENT, "unknown": immuta_codec_builtin(99, 0, &raw mut codec_out, e),
        IMMUTA_E_ARGUMENT, "vtable": immuta_codec_custom(null(), &raw mut codec_out, e),
        IMMUTA_E_ARGUMENT, "name": immuta_codec_external(0x10000, null(), &raw mut codec_out, e),
    }
    assert!(log_out.is_null() && stream_out.is_null() && txn_out.is_null() && codec_out.is_null());
    fixture.close();
}

#[test]
fn every_function_with_an_error_struct_is_here() {
    assert_named(include_str!("errors.rs"), |function| function.takes("immuta_error"));
}
