/* The objects that the trials of no_memory.c work with: all that a trial may make, and those that exist before its
 * call. */
#ifndef IMMUTA_NO_MEMORY_LOGS_H
#define IMMUTA_NO_MEMORY_LOGS_H
#include "check.h"

enum { RECORDS = 6, RECORD_BYTES = 3000 };

/* Everything that a trial may make. What exists in the end is released. */
static struct {
  check_setup setup;
  immuta_log *log;
  immuta_log *other; /* a writer beside a read-only log, or what immuta_open made */
  immuta_options *options;
  immuta_codec *codec;
  immuta_stream *stream;
  immuta_txn *txn;
  immuta_record record;
  immuta_batch batch;
  int is_poisoned; /* closing the log reports it, too */
} it;

static unsigned char payload[RECORD_BYTES];

static void append_some(immuta_log *log) {
  for (int i = 0; i < RECORDS; i++) CHECK_OK(immuta_append(log, 0, payload, RECORD_BYTES, NULL, ERR));
}

static void nothing(void) {}

static void a_log(void) { it.log = check_open(it.setup); }

static void a_filled_log(void) {
  a_log();
  append_some(it.log);
}

static void a_log_that_flushes(void) {
  it.setup.flush_bytes = 1;
  a_filled_log();
}

static void a_log_with(int32_t codec) {
  CHECK_OK(immuta_codec_builtin(codec, 0, &it.codec, ERR));
  it.setup.codecs[0] = it.codec;
  a_filled_log();
}

static void a_deflated_log(void) { a_log_with(IMMUTA_CODEC_DEFLATE); }
static void an_lz4_log(void) { a_log_with(IMMUTA_CODEC_LZ4); }
static void a_snappy_log(void) { a_log_with(IMMUTA_CODEC_SNAPPY); }
static void a_zstd_log(void) { a_log_with(IMMUTA_CODEC_ZSTD); }

static void a_stopped_log(void) {
  a_filled_log();
  CHECK_OK(immuta_shutdown(it.log, ERR));
}

static void files_of_a_closed_log(void) {
  a_filled_log();
  CHECK_OK(immuta_close(it.log, ERR));
  it.log = NULL;
}

/* A writer that ends without closing its log, having added records to it. */
static void files_of_a_killed_writer(void) {
  pid_t writer = fork();
  CHECK(writer >= 0);
  if (writer == 0) {
    it.setup.read_only = 0;
    append_some(check_open(it.setup));
    _exit(0);
  }
  int status;
  CHECK(waitpid(writer, &status, 0) == writer && status == 0);
}

static void files_without_an_index_file(void) {
  files_of_a_closed_log();
  CHECK(unlink(check_path("a.idx")) == 0);
}

static void files_with_a_damaged_record(void) {
  files_of_a_closed_log();
  check_patch_file(check_path("a.log"), 100, "damage", 6);
}

/* Opening looks at the first record and at the last one. */
static void files_with_damage_between(void) {
  files_of_a_closed_log();
  check_patch_file(check_path("a.log"), 8 + (8 + RECORD_BYTES) + 100, "damage", 6);
}

static void files_with_bytes_behind(void) {
  files_of_a_closed_log();
  unsigned char behind[70000];
  memset(behind, 7, sizeof behind);
  check_patch_file(check_path("a.log"), check_file_size(check_path("a.log")), behind, sizeof behind);
}

static void files_that_are_cut_off(void) {
  files_of_a_closed_log();
  CHECK(truncate(check_path("a.log"), 1000) == 0);
}

static void files_without_a_record_file(void) {
  files_of_a_closed_log();
  CHECK(unlink(check_path("a.log")) == 0);
}

/* A count, the offset of the last record, and that record, as another version of the original wrote them. */
static void a_file_of_another_layout(void) {
  static const uint64_t words[] = {1, 16, 8, 0x0101010101010101};
  check_write_file(check_path("a.log"), words, sizeof words);
}

static void files_with_a_damaged_record_and_entry(void) {
  files_with_a_damaged_record();
  check_patch_file(check_path("a.idx"), 16384 + 24 * 3, "damage", 6);
}

static void options(void) {
  it.options = immuta_options_new();
  CHECK(it.options != NULL);
  CHECK_OK(immuta_options_set_io(it.options, check_io()));
}

static void options_and_a_codec(void) {
  options();
  CHECK_OK(immuta_codec_builtin(IMMUTA_CODEC_LZ4, 0, &it.codec, ERR));
}

static void options_with(void (*files)(void), int read_only) {
  files();
  it.setup.read_only = read_only;
  it.options = check_options(it.setup);
}

static void with_another_codec(void) {
  CHECK_OK(immuta_codec_builtin(IMMUTA_CODEC_DEFLATE, 0, &it.codec, ERR));
  CHECK_OK(immuta_options_add_codec(it.options, it.codec));
}

static void options_with_a_refusal(void) {
  options();
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_reader_count(it.options, 5000));
}

static void options_for_no_log(void) { options_with(nothing, 0); }
static void options_for_a_closed_log(void) { options_with(files_of_a_closed_log, 0); }
static void options_for_a_killed_writers(void) { options_with(files_of_a_killed_writer, 0); }
static void options_for_no_index_file(void) { options_with(files_without_an_index_file, 0); }
static void options_for_damage(void) { options_with(files_with_a_damaged_record, 0); }
static void options_for_damage_between(void) { options_with(files_with_damage_between, 0); }
static void options_for_bytes_behind(void) { options_with(files_with_bytes_behind, 0); }
static void options_for_cut_off_files(void) { options_with(files_that_are_cut_off, 0); }
static void options_for_no_record_file(void) { options_with(files_without_a_record_file, 0); }
static void options_for_another_layout(void) { options_with(a_file_of_another_layout, 0); }
static void options_for_an_open_log(void) { options_with(a_filled_log, 0); }
static void options_to_read_nothing(void) { options_with(nothing, 1); }
static void options_for_a_deflated_log(void) { options_with(files_of_a_closed_log, 0), with_another_codec(); }
static void options_for_more_damage(void) { options_with(files_with_a_damaged_record_and_entry, 0); }
static void options_to_read_a_closed_log(void) { options_with(files_of_a_closed_log, 1); }
static void options_to_read_a_killed_writers(void) { options_with(files_of_a_killed_writer, 1); }
static void options_to_read_without_an_index_file(void) { options_with(files_without_an_index_file, 1); }

static void a_log_with_a_salvage(void) {
  files_with_bytes_behind();
  a_log();
}

/* The file is removed: that is noticed at the next sync, and then nothing more is appended. */
static void a_poisoned_log(void) {
  a_filled_log();
  CHECK(unlink(check_path("a.log")) == 0);
  CHECK_STATUS(IMMUTA_E_IO, immuta_sync(it.log, 0, ERR));
  it.is_poisoned = 1;
}

static void a_read_only_log(void) {
  files_of_a_closed_log();
  it.setup.read_only = 1;
  a_log();
}

static void a_stream(void) {
  a_filled_log();
  it.stream = check_stream(it.log, 0, 0);
}

static void a_stream_over(void (*log)(void)) {
  log();
  it.stream = check_stream(it.log, 0, 0);
}

/* Its only reader holds the first record. */
static void a_stream_without_a_free_reader(void) {
  it.setup.readers = 1;
  a_stream();
  CHECK_OK(immuta_stream_next(it.stream, 0, &it.record, ERR));
}

static void a_stream_before_damage(void) {
  files_with_damage_between();
  a_log();
  it.stream = check_stream(it.log, 0, 1);
}

static void a_deflated_stream(void) { a_stream_over(a_deflated_log); }
static void an_lz4_stream(void) { a_stream_over(an_lz4_log); }
static void a_snappy_stream(void) { a_stream_over(a_snappy_log); }
static void a_zstd_stream(void) { a_stream_over(a_zstd_log); }
static void a_read_only_stream(void) { a_stream_over(a_read_only_log); }

/* At the end: the next call has to look. */
static void a_read_only_stream_at_the_end(void) {
  a_read_only_log();
  it.stream = check_stream(it.log, 0, RECORDS);
}

static void a_read_only_stream_beside_a_writer(void) {
  a_read_only_stream_at_the_end();
  it.setup.read_only = 0;
  it.other = check_open(it.setup);
  append_some(it.other);
}

/* The next look finds that it has to open the files again. */
static void a_stream_of_files_put_in_place_of_others(void) {
  a_read_only_stream_at_the_end();
  static const char *const names[] = {"a.log", "a.idx"};
  for (size_t i = 0; i < CHECK_COUNT(names); i++) {
    check_copy_file(check_path(names[i]), check_path("copy"));
    CHECK(rename(check_path("copy"), check_path(names[i])) == 0);
  }
  it.setup.read_only = 0;
  it.other = check_open(it.setup);
  append_some(it.other);
}

/* The next look finds files that it has to examine as an opener does. */
static void a_stream_of_a_killed_writer(void) {
  a_read_only_stream_at_the_end();
  files_of_a_killed_writer();
}

/* The index file is missing, too, so the reader cannot find its records in it. */
static void a_stream_whose_index_file_is_gone(void) {
  a_stream_of_a_killed_writer();
  CHECK(unlink(check_path("a.idx")) == 0);
}

/* The reader has an index in memory, until a writer makes one that it goes on with. */
static void a_stream_that_had_no_index_file(void) {
  files_without_an_index_file();
  it.setup.read_only = 1;
  a_log();
  it.stream = check_stream(it.log, 0, RECORDS);
  files_of_a_killed_writer();
}

static void a_txn(void) {
  a_filled_log();
  CHECK_OK(immuta_txn_begin(it.log, 0, &it.txn, ERR));
}

static void a_filled_txn(void) {
  a_txn();
  for (int i = 0; i < 3; i++) CHECK_OK(immuta_txn_append(it.txn, payload, RECORD_BYTES, ERR));
}

static void a_record(void) {
  a_stream();
  CHECK_OK(immuta_stream_next(it.stream, 0, &it.record, ERR));
}

static void a_batch(void) {
  a_stream();
  CHECK_OK(immuta_stream_next_batch(it.stream, RECORDS, SIZE_MAX, 0, &it.batch, ERR));
}

#endif
