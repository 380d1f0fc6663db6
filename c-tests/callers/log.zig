//! Appends a record and reads it back, with the declarations that `zig translate-c` made of immuta.h.
//!
//!     log DIRECTORY
//!
//! It shows that Zig takes the header, and is linked with the shared library. packaging/test/consumer.zig is about the
//! static archive, and declares what it calls by hand: what breaks the translation does not break that test.

const std = @import("std");
const immuta = @import("immuta.zig");

fn must(status: immuta.immuta_status) void {
    if (status != immuta.IMMUTA_OK) @panic(std.mem.span(immuta.immuta_status_text(status)));
}

// The main of C, whose arguments each version of Zig hands over alike.
pub export fn main(_: c_int, argv: [*][*:0]const u8) c_int {
    const directory = argv[1];
    var err: immuta.immuta_error = undefined;
    const options = immuta.immuta_options_new();
    must(immuta.immuta_options_add_namespace(options, "zig"));
    must(immuta.immuta_options_set_io(options, immuta.IMMUTA_IO_SYSCALL));
    var log: ?*immuta.immuta_log = null;
    must(immuta.immuta_open(directory, options, &log, &err));
    immuta.immuta_options_free(options);
    var appended: immuta.immuta_appended = undefined;
    must(immuta.immuta_append(log, 0, "hello world", 11, &appended, &err));
    var stream: ?*immuta.immuta_stream = null;
    must(immuta.immuta_stream_open(log, 0, 0, &stream, &err));
    var record: immuta.immuta_record = undefined;
    must(immuta.immuta_stream_next(stream, 0, &record, &err));
    const bytes: [*]const u8 = @ptrCast(record.data);
    if (!std.mem.eql(u8, bytes[0..record.size], "hello world")) @panic("another record");
    must(immuta.immuta_record_done(&record));
    if (immuta.immuta_stream_next(stream, 0, &record, &err) != immuta.IMMUTA_TIMEOUT) @panic("a second record");
    immuta.immuta_stream_done(stream);
    must(immuta.immuta_close(log, &err));
    return 0;
}
