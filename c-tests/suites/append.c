/* Appending: every append function, what each reports, and that a refused append leaves no trace. */
#include "check.h"

enum { MIB = 1024 * 1024 };

static void every_append_reports_number_offset_and_stored_size(void) {
  immuta_log *log = OPEN();
  immuta_appended appended;
  CHECK_OK(immuta_append(log, 0, "hello world", 11, &appended, ERR));
  CHECK_EQ(appended.number, 0);
  CHECK_EQ(appended.offset, 8);
  CHECK_EQ(appended.stored_size, 11);
  CHECK_EQ(appended.count, 1);
  CHECK_OK(immuta_append(log, 0, "x", 1, &appended, ERR));
  CHECK_EQ(appended.number, 1);
  CHECK_EQ(appended.offset, 27);
  CHECK_EQ(appended.stored_size, 1);
  CHECK_OK(immuta_append(log, 0, "y", 1, NULL, NULL)); /* both optional */
  CHECK_EQ(check_stats(log, 0).count, 3);
  CHECK_EQ(check_stats(log, 0).appends, 3);
  CHECK_OK(immuta_close(log, ERR));
}

static void an_empty_record_is_a_record(void) {
  immuta_log *log = OPEN();
  immuta_appended appended;
  CHECK_OK(immuta_append(log, 0, NULL, 0, &appended, ERR));
  CHECK_EQ(appended.offset, 8);
  CHECK_EQ(appended.stored_size, 0);
  CHECK_OK(immuta_append(log, 0, "ignored", 0, &appended, ERR));
  CHECK_EQ(appended.number, 1);
  CHECK_EQ(appended.offset, 16);
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_append(log, 0, NULL, 1, &appended, ERR));
  immuta_stream *stream = check_stream(log, 0, 0);
  check_next(stream, 0, 0, 0);
  check_next(stream, 1, 0, 0);
  check_end(stream);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void appendv_joins_its_parts_into_one_record(void) {
  unsigned char whole[1000];
  check_fill(whole, sizeof whole, 7);
  const immuta_slice parts[] = {{whole, 1}, {NULL, 0}, {whole + 1, 699}, {whole, 0}, {whole + 700, 300}};
  immuta_log *log = OPEN();
  immuta_appended appended;
  CHECK_OK(immuta_appendv(log, 0, parts, CHECK_COUNT(parts), &appended, ERR));
  CHECK_EQ(appended.number, 0);
  CHECK_EQ(appended.stored_size, sizeof whole);
  CHECK_EQ(appended.count, 1);
  CHECK_OK(immuta_appendv(log, 0, NULL, 0, &appended, ERR)); /* no parts: one empty record */
  CHECK_EQ(appended.number, 1);
  CHECK_EQ(appended.count, 1);
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_appendv(log, 0, NULL, 1, &appended, ERR));
  const immuta_slice broken[] = {{whole, 1}, {NULL, 5}};
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_appendv(log, 0, broken, 2, &appended, ERR));
  immuta_stream *stream = check_stream(log, 0, 0);
  check_next(stream, 0, sizeof whole, 7);
  check_next(stream, 1, 0, 0);
  check_end(stream);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

/* A source of check_fill bytes that hands them out in uneven pieces, then ends or gives up. */
typedef struct source {
  unsigned char bytes[3000];
  size_t given;
  int64_t at_end;    /* 0, or the negative value to give up with */
  immuta_log *other; /* appended to from inside the callback, when set */
} source;

static int64_t read_source(void *user, void *buffer, size_t capacity) {
  source *from = user;
  CHECK(capacity > 0);
  if (from->other != NULL) check_append(from->other, 0, 10, 1);
  size_t piece = from->given % 97 + 1, left = sizeof from->bytes - from->given;
  if (left == 0) return from->at_end;
  if (piece > left) piece = left;
  if (piece > capacity) piece = capacity;
  memcpy(buffer, from->bytes + from->given, piece);
  from->given += piece;
  return (int64_t)piece;
}

static int64_t read_nothing(void *user, void *buffer, size_t capacity) {
  (void)user, (void)buffer, (void)capacity;
  return 0;
}

static void append_from_reads_until_the_callback_ends(void) {
  immuta_log *log = OPEN(), *other = OPEN(.names = {"other"});
  source from = {.other = other};
  check_fill(from.bytes, sizeof from.bytes, 5);
  immuta_appended appended;
  CHECK_OK(immuta_append_from(log, 0, read_source, &from, &appended, ERR));
  CHECK_EQ(appended.number, 0);
  CHECK_EQ(appended.stored_size, sizeof from.bytes);
  CHECK(check_stats(other, 0).count > 10); /* the callback used the library meanwhile */
  CHECK_OK(immuta_append_from(log, 0, read_nothing, NULL, &appended, ERR));
  CHECK_EQ(appended.number, 1);
  CHECK_EQ(appended.stored_size, 0);
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_append_from(log, 0, NULL, NULL, &appended, ERR));
  immuta_stream *stream = check_stream(log, 0, 0);
  check_next(stream, 0, sizeof from.bytes, 5);
  check_next(stream, 1, 0, 0);
  check_end(stream);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(other, ERR));
  CHECK_OK(immuta_close(log, ERR));
}

static void append_from_leaves_no_trace_when_the_callback_gives_up(void) {
  immuta_log *log = OPEN(.max_record_size = 2000);
  source from = {.at_end = -77};
  immuta_appended appended;
  CHECK_STATUS(IMMUTA_E_TOO_LARGE, immuta_append_from(log, 0, read_source, &from, &appended, ERR));
  CHECK_OK(immuta_close(log, ERR));

  log = OPEN();
  from.given = 0;
  CHECK_STATUS(IMMUTA_E_CALLBACK, immuta_append_from(log, 0, read_source, &from, &appended, ERR));
  CHECK_EQ(check_error.os_error, -77);
  CHECK_EQ(check_stats(log, 0).count, 0);
  CHECK_EQ(check_append(log, 0, 10, 3).offset, 8);
  immuta_stream *stream = check_stream(log, 0, 0);
  check_next(stream, 0, 10, 3);
  check_end(stream);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void a_batch_is_one_commit_of_many_records(void) {
  unsigned char bytes[600];
  check_fill(bytes, sizeof bytes, 1);
  const immuta_slice records[] = {{bytes, 600}, {NULL, 0}, {bytes, 1}, {bytes, 20}};
  immuta_log *log = OPEN();
  check_append(log, 0, 11, 2);
  uint64_t commits = check_stats(log, 0).commits;
  immuta_appended appended;
  CHECK_OK(immuta_append_batch(log, 0, records, CHECK_COUNT(records), &appended, ERR));
  CHECK_EQ(appended.number, 1);
  CHECK_EQ(appended.offset, 27);
  CHECK_EQ(appended.stored_size, 621);
  CHECK_EQ(appended.count, 4);
  CHECK_EQ(check_stats(log, 0).commits, commits + 1);

  immuta_stream *stream = check_stream(log, 0, 0);
  const uint64_t last_of_batch[] = {1, 0, 0, 0, 1};
  for (uint64_t i = 0; i < 5; i++) {
    immuta_record record;
    CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
    CHECK_EQ(record.number, i);
    CHECK_EQ(record.flags, last_of_batch[i] ? IMMUTA_RECORD_BATCH_END : 0);
    if (i > 0) CHECK_BYTES(record.data, record.size, records[i - 1].data, records[i - 1].size);
    CHECK_OK(immuta_record_done(&record));
  }
  check_end(stream);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void append_packed_cuts_one_buffer_into_records(void) {
  unsigned char bytes[100];
  check_fill(bytes, sizeof bytes, 9);
  const size_t sizes[] = {0, 60, 1, 0, 39};
  immuta_log *log = OPEN();
  immuta_appended appended;
  CHECK_OK(immuta_append_packed(log, 0, bytes, sizes, CHECK_COUNT(sizes), &appended, ERR));
  CHECK_EQ(appended.number, 0);
  CHECK_EQ(appended.stored_size, 100);
  CHECK_EQ(appended.count, 5);
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_append_packed(log, 0, bytes, NULL, 1, &appended, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_append_packed(log, 0, NULL, sizes, 2, &appended, ERR));
  const size_t overflowing[] = {SIZE_MAX, 2};
  CHECK(immuta_append_packed(log, 0, bytes, overflowing, 2, &appended, ERR) < 0);
  CHECK_OK(immuta_append_packed(log, 0, NULL, sizes, 1, &appended, ERR)); /* one empty record */
  immuta_stream *stream = check_stream(log, 0, 0);
  size_t start = 0;
  for (uint64_t i = 0; i < CHECK_COUNT(sizes); start += sizes[i++]) {
    immuta_record record;
    CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
    CHECK_BYTES(record.data, record.size, bytes + start, sizes[i]);
    CHECK_EQ(record.flags, i + 1 == CHECK_COUNT(sizes) ? IMMUTA_RECORD_BATCH_END : 0);
    CHECK_OK(immuta_record_done(&record));
  }
  check_next(stream, 5, 0, 0);
  check_end(stream);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void a_batch_with_one_bad_record_appends_nothing(void) {
  unsigned char bytes[101] = {0};
  const immuta_slice too_large[] = {{bytes, 100}, {bytes, 101}, {bytes, 1}};
  const immuta_slice without_data[] = {{bytes, 100}, {bytes, 3}, {NULL, 1}};
  const size_t sizes[] = {0, 101};
  immuta_log *log = OPEN(.max_record_size = 100);
  immuta_appended appended;
  CHECK_STATUS(IMMUTA_E_TOO_LARGE, immuta_append_batch(log, 0, too_large, 3, &appended, ERR));
  CHECK_STATUS(IMMUTA_E_TOO_LARGE, immuta_append_at(log, 0, 0, too_large, 3, &appended, ERR));
  CHECK_STATUS(IMMUTA_E_TOO_LARGE, immuta_append_packed(log, 0, bytes, sizes, 2, &appended, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_append_batch(log, 0, without_data, 3, &appended, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_append_at(log, 0, 0, without_data, 3, &appended, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_append_batch(log, 0, NULL, 1, &appended, ERR));
  CHECK_EQ(check_stats(log, 0).count, 0);
  CHECK_OK(immuta_append_batch(log, 0, too_large, 1, &appended, ERR));
  CHECK_EQ(appended.number, 0);
  CHECK_EQ(appended.offset, 8);
  CHECK_OK(immuta_close(log, ERR));
  CHECK_EQ(check_file_size(check_path("a.log")), 8 + 8 + 100);
}

static void a_batch_of_none_tells_where_the_next_record_goes(void) {
  immuta_log *log = OPEN();
  check_append(log, 0, 11, 1);
  uint64_t commits = check_stats(log, 0).commits;
  immuta_appended appended[3];
  memset(appended, 0xaa, sizeof appended);
  CHECK_OK(immuta_append_batch(log, 0, NULL, 0, &appended[0], ERR));
  CHECK_OK(immuta_append_packed(log, 0, NULL, NULL, 0, &appended[1], ERR));
  CHECK_OK(immuta_append_at(log, 0, 1, NULL, 0, &appended[2], ERR));
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(appended[i].number, 1);
    CHECK_EQ(appended[i].offset, 27);
    CHECK_EQ(appended[i].stored_size, 0);
    CHECK_EQ(appended[i].count, 0);
  }
  CHECK_EQ(check_stats(log, 0).count, 1);
  CHECK_EQ(check_stats(log, 0).commits, commits);
  CHECK_OK(immuta_close(log, ERR));
}

static void append_at_another_number_is_a_conflict(void) {
  const immuta_slice records[] = {{"one", 3}, {"two", 3}};
  immuta_log *log = OPEN();
  immuta_appended appended;
  CHECK_OK(immuta_append_at(log, 0, 0, records, 2, &appended, ERR));
  CHECK_EQ(appended.count, 2);
  memset(&appended, 0xaa, sizeof appended);
  const immuta_appended untouched = appended;
  const uint64_t wrong[] = {0, 1, 3, UINT64_MAX};
  for (size_t i = 0; i < CHECK_COUNT(wrong); i++) {
    CHECK_STATUS(IMMUTA_E_CONFLICT, immuta_append_at(log, 0, wrong[i], records, 1, &appended, ERR));
    CHECK_EQ(check_error.number, 2);
    CHECK_BYTES(&appended, sizeof appended, &untouched, sizeof untouched);
  }
  CHECK_OK(immuta_append_at(log, 0, 2, records, 1, &appended, ERR));
  CHECK_EQ(appended.number, 2);
  CHECK_EQ(check_stats(log, 0).count, 3);
  CHECK_OK(immuta_close(log, ERR));
}

static void the_size_limit_is_inclusive(void) {
  unsigned char bytes[1001] = {0};
  const immuta_slice parts[] = {{bytes, 1000}, {bytes, 1}};
  immuta_log *log = OPEN(.max_record_size = 1000);
  immuta_appended appended;
  CHECK_STATUS(IMMUTA_E_TOO_LARGE, immuta_append(log, 0, bytes, 1001, &appended, ERR));
  CHECK_STATUS(IMMUTA_E_TOO_LARGE, immuta_appendv(log, 0, parts, 2, &appended, ERR));
  CHECK_EQ(check_stats(log, 0).count, 0);
  CHECK_OK(immuta_append(log, 0, bytes, 1000, &appended, ERR));
  CHECK_OK(immuta_appendv(log, 0, parts, 1, &appended, ERR));
  CHECK_EQ(check_stats(log, 0).count, 2);
  CHECK_OK(immuta_close(log, ERR));
}

static void the_default_limit_is_64_mib(void) {
  unsigned char *bytes = calloc(1, 64 * MIB + 1);
  CHECK(bytes != NULL);
  immuta_log *log = OPEN();
  immuta_appended appended;
  CHECK_STATUS(IMMUTA_E_TOO_LARGE, immuta_append(log, 0, bytes, 64 * MIB + 1, &appended, ERR));
  CHECK_OK(immuta_append(log, 0, bytes, 64 * MIB, &appended, ERR));
  CHECK_EQ(appended.stored_size, 64 * MIB);
  CHECK_OK(immuta_close(log, ERR));
  CHECK_EQ(check_file_size(check_path("a.log")), 16 + 64 * MIB);
  free(bytes);
}

/* Larger than any window the library maps at once: written whole and in parts, between small neighbours. */
static void a_record_larger_than_64_mib_needs_only_a_raised_limit(void) {
  const size_t size = 70 * MIB + 5;
  unsigned char *bytes = calloc(1, size);
  CHECK(bytes != NULL);
  for (size_t i = 0; i < size; i += MIB) check_fill(bytes + i, i + 64 < size ? 64 : 1, i);
  bytes[size - 1] = 0x5a;
  immuta_log *log = OPEN(.max_record_size = 100 * MIB);
  check_append(log, 0, 3, 1);
  CHECK_OK(immuta_append(log, 0, bytes, size, NULL, ERR));
  const immuta_slice parts[] = {{bytes, 1}, {bytes + 1, size - 1}};
  CHECK_OK(immuta_appendv(log, 0, parts, 2, NULL, ERR));
  CHECK_EQ(check_append(log, 0, 3, 2).offset, 8 + (8 + 3) + 2 * (8 + size));
  immuta_stream *stream = check_stream(log, 0, 0);
  check_next(stream, 0, 3, 1);
  for (uint64_t number = 1; number <= 2; number++) {
    immuta_record record;
    CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
    CHECK_EQ(record.number, number);
    CHECK_BYTES(record.data, record.size, bytes, size);
    CHECK_OK(immuta_record_done(&record));
  }
  check_next(stream, 3, 3, 2);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  CHECK_EQ(check_file_size(check_path("a.log")), 8 + 2 * (8 + 3) + 2 * (8 + size));
  free(bytes);
}

/* ---- Refusals every append function shares ---- */

static void expect_from_every_append(immuta_status expected, immuta_log *log, uint32_t ns) {
  const immuta_slice slice = {"x", 1};
  const size_t size = 1;
  CHECK_STATUS(expected, immuta_append(log, ns, "x", 1, NULL, ERR));
  CHECK_STATUS(expected, immuta_appendv(log, ns, &slice, 1, NULL, ERR));
  CHECK_STATUS(expected, immuta_append_from(log, ns, read_nothing, NULL, NULL, ERR));
  CHECK_STATUS(expected, immuta_append_batch(log, ns, &slice, 1, NULL, ERR));
  CHECK_STATUS(expected, immuta_append_packed(log, ns, "x", &size, 1, NULL, ERR));
  CHECK_STATUS(expected, immuta_append_at(log, ns, 0, &slice, 1, NULL, ERR));
  CHECK_STATUS(expected, immuta_sync(log, ns, ERR));
}

static void appends_are_refused_read_only_elsewhere_and_after_shutdown(void) {
  immuta_log *log = OPEN();
  expect_from_every_append(IMMUTA_E_NAMESPACE, log, 1);
  CHECK_OK(immuta_shutdown(log, ERR));
  expect_from_every_append(IMMUTA_E_CLOSED, log, 0);
  CHECK_OK(immuta_close(log, ERR));
  log = OPEN(.read_only = 1);
  expect_from_every_append(IMMUTA_E_READ_ONLY, log, 0);
  CHECK_OK(immuta_close(log, ERR));
  CHECK_EQ(check_file_size(check_path("a.log")), 8);
}

static const check_case cases[] = {
    CASE(every_append_reports_number_offset_and_stored_size),
    CASE(an_empty_record_is_a_record),
    CASE(appendv_joins_its_parts_into_one_record),
    CASE(append_from_reads_until_the_callback_ends),
    CASE(append_from_leaves_no_trace_when_the_callback_gives_up),
    CASE(a_batch_is_one_commit_of_many_records),
    CASE(append_packed_cuts_one_buffer_into_records),
    CASE(a_batch_with_one_bad_record_appends_nothing),
    CASE(a_batch_of_none_tells_where_the_next_record_goes),
    CASE(append_at_another_number_is_a_conflict),
    CASE(the_size_limit_is_inclusive),
    CASE(the_default_limit_is_64_mib),
    CASE(a_record_larger_than_64_mib_needs_only_a_raised_limit),
    CASE(appends_are_refused_read_only_elsewhere_and_after_shutdown),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
