//! A program in Zig, linked with libimmuta.a: appends one record, reads it back, prints it with the library's version.
//!
//!   consumer DIRECTORY
//!
//! It shows that Zig's linker takes the static archive, without libgcc. The declarations are written by hand, so that
//! this test is about the archive alone, whatever translate-c makes of the header. c-tests/callers/log.zig is about the
//! header, and is linked with the shared library.

const Options = opaque {};
const Log = opaque {};
const Stream = opaque {};
const Error = anyopaque;
const Record = extern struct {
    data: [*]const u8,
    size: usize,
    stored_size: u64,
    number: u64,
    offset: u64,
    time_ns: i64,
    flags: u64,
    token: u64,
};

extern fn immuta_version() [*:0]const u8;
extern fn immuta_options_new() ?*Options;
extern fn immuta_options_add_namespace(options: ?*Options, name: [*:0]const u8) i32;
extern fn immuta_options_free(options: ?*Options) void;
extern fn immuta_open(directory: [*:0]const u8, options: ?*Options, log: *?*Log, err: ?*Error) i32;
extern fn immuta_append(log: ?*Log, ns: u32, data: [*]const u8, size: usize, appended: ?*anyopaque, err: ?*Error) i32;
extern fn immuta_stream_open(log: ?*Log, ns: u32, start: i64, stream: *?*Stream, err: ?*Error) i32;
extern fn immuta_stream_next(stream: ?*Stream, timeout_ns: i64, record: *Record, err: ?*Error) i32;
extern fn immuta_stream_done(stream: ?*Stream) void;
extern fn immuta_record_done(record: *Record) i32;
extern fn immuta_close(log: ?*Log, err: ?*Error) i32;
extern fn printf(format: [*:0]const u8, ...) c_int;

pub export fn main(argc: c_int, argv: [*][*:0]const u8) c_int {
    const options = immuta_options_new();
    var log: ?*Log = null;
    if (argc != 2 or immuta_options_add_namespace(options, "zig") != 0) return 2;
    if (immuta_open(argv[1], options, &log, null) != 0) return 1;
    immuta_options_free(options);
    if (immuta_append(log, 0, "packaged", 8, null, null) != 0) return 1;

    var stream: ?*Stream = null;
    var record: Record = undefined;
    if (immuta_stream_open(log, 0, 0, &stream, null) != 0) return 1;
    if (immuta_stream_next(stream, 0, &record, null) != 0) return 1;
    _ = printf("%s %.*s\n", immuta_version(), @as(c_int, @intCast(record.size)), record.data);
    _ = immuta_record_done(&record);
    immuta_stream_done(stream);
    return immuta_close(log, null);
}
