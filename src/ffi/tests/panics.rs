//! A bug anywhere below an exported function ends at the boundary.

use super::exported::assert_named;
use super::*;

#[test]
fn a_panic_in_any_function_is_contained() {
    let fixture = Fixture::new();
    let (log, stream, options) = (fixture.log, fixture.stream(), immuta_options_new());
    let txn = fixture.transaction();
    let path = fixture.path.as_ptr();
    let (mut log_out, mut stream_out, mut txn_out) = (null_mut(), null_mut(), null_mut());
    let (mut number, mut ns, mut fd, mut buffer) = (0, 0, -1, [0; 201]);
    let (mut stats, mut report): (immuta_stats, immuta_report) = (blank(), blank());
    let (mut record, mut batch): (immuta_record, immuta_batch) = (blank(), blank());
    let name = c"b".as_ptr();
    let mut codec = null_mut();
    // SAFETY: pointers to living values, as the header asks.
    unsafe { assert_eq!(immuta_codec_builtin(IMMUTA_CODEC_DEFLATE, 1, &raw mut codec, null_mut()), IMMUTA_OK) };
    let (mut codec_out, vtable, report_size) = (null_mut(), blank::<immuta_codec_vtable>(), size_of::<immuta_report>());
    let mut error: immuta_error = blank();
    let e = &raw mut error;

    // With an error struct, and without one: what would happen if the next call met a bug of the library.
    macro_rules! contained {
        ($($call:expr),* $(,)?) => {$({
            PANIC_NEXT.set(true);
            // SAFETY: pointers to living values, as the header asks.
            let status = unsafe { $call };
            assert_eq!(status, IMMUTA_E_PANIC, stringify!($call));
            assert!(!PANIC_NEXT.get(), "{} has no guard", stringify!($call));
        })*};
    }
    contained! {
        immuta_options_add_namespace(options, name), immuta_options_set_reader_count(options, 1),
        immuta_options_set_fast_write(options, 1), immuta_options_set_flush_interval(options, 1),
        immuta_options_set_flush_bytes(options, 1), immuta_options_set_max_record_size(options, 1),
        immuta_options_set_io(options, 1), immuta_options_set_read_only(options, 1),
        immuta_options_set_verify_reads(options, 1), immuta_options_set_journal_size(options, 1 << 20),
        immuta_options_add_codec(options, codec), immuta_sink_write(null_mut(), null(), 0),
        immuta_stream_position(stream, &raw mut number),
        immuta_stream_interrupt(stream), immuta_record_done(&raw mut record), immuta_batch_done(&raw mut batch),
    }
    macro_rules! explained {
        ($($call:expr),* $(,)?) => {$(
            error = blank();
            contained!($call);
            assert_eq!(error.code, IMMUTA_E_PANIC, stringify!($call));
            assert!(message(&error).contains("asked for by a test"), "{}: {}", stringify!($call), message(&error));
        )*};
    }
    explained! {
        immuta_open(path, options, &raw mut log_out, e), immuta_shutdown(log, e), immuta_close(log, e),
        immuta_sync(log, 0, e), immuta_namespace_add(log, name, &raw mut ns, e),
        immuta_namespace_scan(path, null(), None, null_mut(), e),
        immuta_namespace_find(log, name, &raw mut ns, e), immuta_namespace_name(log, 0, buffer.as_mut_ptr(), 201, e),
        immuta_stats_get(log, 0, &raw mut stats, size_of::<immuta_stats>(), e),
        immuta_report_get(log, 0, &raw mut report, size_of::<immuta_report>(), e),
        immuta_report_salvage_path(log, 0, buffer.as_mut_ptr(), 201, null_mut(), e), immuta_options_error(options, e),
        immuta_append(log, 0, null(), 0, null_mut(), e), immuta_appendv(log, 0, null(), 0, null_mut(), e),
        immuta_append_from(log, 0, Some(read_nothing), null_mut(), null_mut(), e),
        immuta_append_batch(log, 0, null(), 0, null_mut(), e),
        immuta_append_packed(log, 0, null(), null(), 0, null_mut(), e),
        immuta_append_at(log, 0, 0, null(), 0, null_mut(), e),
        immuta_txn_begin(log, 0, &raw mut txn_out, e), immuta_txn_append(txn, null(), 0, e),
        immuta_txn_appendv(txn, null(), 0, e), immuta_txn_commit(txn, null_mut(), e),
        immuta_stream_open(log, 0, 0, &raw mut stream_out, e),
        immuta_stream_open_at_time(log, 0, 0, &raw mut stream_out, e),
        immuta_stream_next(stream, 0, &raw mut record, e), immuta_stream_next_batch(stream, 1, 1, 0, &raw mut batch, e),
        immuta_stream_seek(stream, 0, e), immuta_stream_poll_fd(stream, &raw mut fd, e),
        immuta_stream_poll_arm(stream, e),
        immuta_verify(path, c"a".as_ptr(), null(), None, null_mut(), &raw mut report, report_size, e),
        immuta_repair(path, c"a".as_ptr(), null(), 0, None, null_mut(), &raw mut report, report_size, e),
        immuta_import(path, path, c"a".as_ptr(), null(), None, null_mut(), &raw mut report, report_size, e),
        immuta_codec_builtin(IMMUTA_CODEC_DEFLATE, 1, &raw mut codec_out, e),
        immuta_codec_custom(&raw const vtable, &raw mut codec_out, e),
        immuta_codec_external(0x10000, name, &raw mut codec_out, e),
    }
    // Those that answer no status give up quietly; what was to be released is still there.
    PANIC_NEXT.set(true);
    assert!(immuta_options_new().is_null());
    PANIC_NEXT.set(true);
    // SAFETY: text for the life of the process.
    assert_eq!(unsafe { CStr::from_ptr(immuta_status_name(0)) }, c"IMMUTA_UNKNOWN");
    PANIC_NEXT.set(true);
    // SAFETY: as above.
    assert_eq!(unsafe { CStr::from_ptr(immuta_status_text(0)) }, c"");
    // SAFETY: pointers to living objects, as the header asks.
    unsafe {
        PANIC_NEXT.set(true);
        assert_eq!(immuta_namespace_count(log), 0);
        assert_eq!(immuta_namespace_count(log), 1, "nothing is the worse for it");
        PANIC_NEXT.set(true);
        immuta_options_free(options);
        immuta_options_free(options);
        PANIC_NEXT.set(true);
        immuta_txn_rollback(txn);
        immuta_txn_rollback(txn);
        PANIC_NEXT.set(true);
        immuta_stream_done(stream);
        immuta_stream_done(stream);
        PANIC_NEXT.set(true);
        immuta_codec_free(codec);
        immuta_codec_free(codec);
    }
    assert!(!PANIC_NEXT.get());
    fixture.close();
}

#[test]
fn every_exported_function_is_here() {
    // A number and a text for the life of the process: there is nothing in them that could panic.
    let without_body = ["immuta_version", "immuta_version_number"];
    assert_named(include_str!("panics.rs"), |function| !without_body.contains(&function.name.as_str()));
}
