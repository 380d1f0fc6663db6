/* The calls of the trials of no_memory.c: every function of the header, which the test of the suites makes sure of. */
#ifndef IMMUTA_NO_MEMORY_CALLS_H
#define IMMUTA_NO_MEMORY_CALLS_H
#include "no_memory_logs.h"

/* What a trial does; it answers what the function did. */
#define ACT(name, expression) \
  static immuta_status name(void) { return (expression); }
#define DONE(name, call, handle) \
  static immuta_status name(void) { \
    call; \
    handle = NULL; \
    return IMMUTA_OK; \
  }

static const immuta_slice two[2] = {{payload, 10}, {payload, RECORD_BYTES}};
static const size_t sizes[2] = {10, 20};

static int64_t piece(void *user, void *buffer, size_t capacity) {
  int *pieces = user;
  (void)capacity;
  memset(buffer, 7, 10);
  return (*pieces)-- > 0 ? 10 : 0;
}

static immuta_status append_from(void) {
  int pieces = 3;
  return immuta_append_from(it.log, 0, piece, &pieces, NULL, ERR);
}

static int64_t no_piece(void *user, void *buffer, size_t capacity) {
  (void)user, (void)buffer, (void)capacity;
  return -7;
}

ACT(append, immuta_append(it.log, 0, payload, RECORD_BYTES, NULL, ERR))
ACT(appendv, immuta_appendv(it.log, 0, two, 2, NULL, ERR))
ACT(append_batch, immuta_append_batch(it.log, 0, two, 2, NULL, ERR))
ACT(append_packed, immuta_append_packed(it.log, 0, payload, sizes, 2, NULL, ERR))
ACT(append_at, immuta_append_at(it.log, 0, RECORDS, two, 2, NULL, ERR))
ACT(append_at_another_number, immuta_append_at(it.log, 0, 77, two, 2, NULL, ERR))
ACT(append_from_what_gives_up, immuta_append_from(it.log, 0, no_piece, NULL, NULL, ERR))
ACT(append_to_no_namespace, immuta_append(it.log, 7, payload, 1, NULL, ERR))
ACT(append_to_no_log, immuta_append(NULL, 7, payload, 1, NULL, ERR))
ACT(append_no_bytes, immuta_append(it.log, 0, NULL, 1, NULL, ERR))
ACT(append_too_much, immuta_append(it.log, 0, payload, (size_t)1 << 40, NULL, ERR))

ACT(txn_begin, immuta_txn_begin(it.log, 0, &it.txn, ERR))
ACT(txn_append, immuta_txn_append(it.txn, payload, RECORD_BYTES, ERR))
ACT(txn_appendv, immuta_txn_appendv(it.txn, two, 2, ERR))

/* Whatever the call returns, the transaction is gone: the second try uses another one. */
static immuta_status txn_commit(void) {
  immuta_txn *txn = it.txn;
  it.txn = NULL;
  if (txn == NULL) {
    CHECK_OK(immuta_txn_begin(it.log, 0, &txn, ERR));
    CHECK_OK(immuta_txn_append(txn, payload, RECORD_BYTES, ERR));
  }
  return immuta_txn_commit(txn, NULL, ERR);
}

DONE(txn_rollback, immuta_txn_rollback(it.txn), it.txn)

ACT(stream_open, immuta_stream_open(it.log, 0, 0, &it.stream, ERR))
ACT(stream_open_at_time, immuta_stream_open_at_time(it.log, 0, 1, &it.stream, ERR))
/* A reader without a live page is not woken: it finds the record at its next look, which comes within the timeout. */
ACT(stream_next, immuta_stream_next(it.stream, INT64_C(20000000000), &it.record, ERR))
ACT(stream_next_at_once, immuta_stream_next(it.stream, 0, &it.record, ERR))
ACT(stream_next_batch, immuta_stream_next_batch(it.stream, RECORDS, SIZE_MAX, 0, &it.batch, ERR))
ACT(stream_next_batch_of_none, immuta_stream_next_batch(it.stream, 0, 0, 0, &it.batch, ERR))
ACT(stream_seek, immuta_stream_seek(it.stream, 3, ERR))
ACT(stream_interrupt, immuta_stream_interrupt(it.stream))
DONE(stream_done, immuta_stream_done(it.stream), it.stream)

static immuta_status stream_position(void) {
  uint64_t number;
  return immuta_stream_position(it.stream, &number);
}

static immuta_status stream_poll_fd(void) {
  int fd = -1;
  return immuta_stream_poll_fd(it.stream, &fd, ERR);
}

ACT(stream_poll_arm, immuta_stream_poll_arm(it.stream, ERR))
ACT(record_done, immuta_record_done(&it.record))
ACT(batch_done, immuta_batch_done(&it.batch))

static immuta_status stale_record_done(void) {
  immuta_record record = {.token = 12345};
  return immuta_record_done(&record);
}

ACT(sync_log, immuta_sync(it.log, 0, ERR))
ACT(count_namespaces, immuta_namespace_count(it.log) == 1 ? IMMUTA_OK : IMMUTA_E_PANIC)

static immuta_status stats_get(void) {
  immuta_stats stats;
  return immuta_stats_get(it.log, 0, &stats, sizeof stats, ERR);
}

static immuta_status report_get(void) {
  immuta_report report;
  return immuta_report_get(it.log, 0, &report, sizeof report, ERR);
}

static immuta_status report_salvage_path(void) {
  char path[1024];
  size_t size = 0;
  immuta_status status = immuta_report_salvage_path(it.log, 0, path, sizeof path, &size, ERR);
  return status == IMMUTA_OK && size != strlen(path) ? IMMUTA_E_PANIC : status;
}

static immuta_status find(const char *name) {
  uint32_t ns;
  return immuta_namespace_find(it.log, name, &ns, ERR);
}

ACT(namespace_find, find("a"))
ACT(namespace_find_none, find("no-such-namespace"))

static immuta_status namespace_name(void) {
  char name[256];
  return immuta_namespace_name(it.log, 0, name, sizeof name, ERR);
}

static immuta_status namespace_add(void) {
  uint32_t ns;
  return immuta_namespace_add(it.log, "b", &ns, ERR);
}

static int32_t seen(void *user, const char *name, immuta_status status, const char *message) {
  (void)user, (void)name, (void)status, (void)message;
  return 0;
}

ACT(namespace_scan, immuta_namespace_scan(check_dir(), it.options, seen, NULL, ERR))

static immuta_status options_new(void) {
  it.options = immuta_options_new();
  return it.options == NULL ? IMMUTA_E_NO_MEMORY : IMMUTA_OK;
}

DONE(options_free, immuta_options_free(it.options), it.options)
ACT(add_namespace, immuta_options_add_namespace(it.options, "a"))
ACT(add_bad_namespace, immuta_options_add_namespace(it.options, "a/b"))
ACT(add_codec, immuta_options_add_codec(it.options, it.codec))
ACT(set_reader_count, immuta_options_set_reader_count(it.options, 7))
ACT(set_bad_reader_count, immuta_options_set_reader_count(it.options, 5000))
ACT(set_fast_write, immuta_options_set_fast_write(it.options, 0))
ACT(set_flush_interval, immuta_options_set_flush_interval(it.options, 1))
ACT(set_flush_bytes, immuta_options_set_flush_bytes(it.options, 1))
ACT(set_max_record_size, immuta_options_set_max_record_size(it.options, 1))
ACT(set_journal_size, immuta_options_set_journal_size(it.options, 65536))
ACT(set_io, immuta_options_set_io(it.options, IMMUTA_IO_SYSCALL))
ACT(set_read_only, immuta_options_set_read_only(it.options, 1))
ACT(set_verify_reads, immuta_options_set_verify_reads(it.options, 0))

ACT(options_error, immuta_options_error(it.options, ERR))

ACT(codec_builtin, immuta_codec_builtin(IMMUTA_CODEC_SNAPPY, 0, &it.codec, ERR))
ACT(codec_of_no_kind, immuta_codec_builtin(77, 0, &it.codec, ERR))
ACT(codec_external, immuta_codec_external(0x10001, "outside", &it.codec, ERR))
DONE(codec_free, immuta_codec_free(it.codec), it.codec)

static int32_t same(void *user, const void *data, size_t size, immuta_sink *out) {
  (void)user;
  return immuta_sink_write(out, data, size);
}

typedef int32_t (*coder)(void *user, const void *data, size_t size, immuta_sink *out);

static int32_t not_at_all(void *user, const void *data, size_t size, immuta_sink *out) {
  (void)user, (void)data, (void)size, (void)out;
  return 7;
}

static immuta_status make_custom(coder encode, coder decode) {
  immuta_codec_vtable vtable = {
      .struct_size = sizeof vtable, .id = 0x10000, .name = "same", .encode = encode, .decode = decode};
  return immuta_codec_custom(&vtable, &it.codec, ERR);
}

ACT(codec_custom, make_custom(same, same))

static void with_a_custom_codec(coder encode, coder decode) {
  CHECK_OK(make_custom(encode, decode));
  it.setup.codecs[0] = it.codec;
}

static void a_log_with_a_custom_codec(void) {
  with_a_custom_codec(same, same);
  a_filled_log();
}

static void a_log_whose_codec_fails(void) {
  with_a_custom_codec(not_at_all, same);
  a_log();
}

static void a_stream_whose_codec_fails(void) {
  with_a_custom_codec(same, not_at_all);
  a_stream();
}

ACT(open_log, immuta_open(check_dir(), it.options, &it.other, ERR))

/* A path for which the standard library takes memory that cannot be refused. */
static immuta_status open_log_far_below(void) {
  char below[402];
  memset(below, 'd', sizeof below);
  below[200] = '/', below[401] = '\0';
  return immuta_open(check_path(below), it.options, &it.other, ERR);
}

ACT(shutdown_log, immuta_shutdown(it.log, ERR))

static immuta_status close_log(void) {
  immuta_log *log = it.log;
  it.log = NULL;
  return immuta_close(log, ERR);
}

static immuta_report report;
ACT(verify, immuta_verify(check_dir(), "a", it.options, NULL, NULL, &report, sizeof report, ERR))
ACT(look_what_repair_does, immuta_repair(check_dir(), "a", it.options, 0, NULL, NULL, &report, sizeof report, ERR))
ACT(verify_none, immuta_verify(check_dir(), "none", it.options, NULL, NULL, &report, sizeof report, ERR))
ACT(repair_with_bad_flags, immuta_repair(check_dir(), "a", it.options, 64, NULL, NULL, &report, sizeof report, ERR))
ACT(import_nothing,
    immuta_import(check_path("none"), check_path("new"), "a", it.options, NULL, NULL, &report, sizeof report, ERR))
ACT(repair, immuta_repair(check_dir(), "a", it.options, IMMUTA_REPAIR_APPLY, NULL, NULL, &report, sizeof report, ERR))

/* Nothing is left that would refuse the call the second time. */
ACT(import,
    immuta_import(check_path("a.log"), check_path("new"), "a", it.options, NULL, NULL, &report, sizeof report, ERR))

static immuta_status words(void) {
  int all = immuta_version()[0] != 0 && immuta_version_number() != 0 && immuta_status_name(-3)[0] != 0 &&
            immuta_status_text(-3)[0] != 0;
  return all ? IMMUTA_OK : IMMUTA_E_PANIC;
}

#endif
