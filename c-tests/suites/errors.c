/* Misuse and refusals that need no damaged file: what each call returns for NULL, unknown, foreign, busy and closed
 * objects, and that the message says what to do. Damaged files are in refusals.c, what the system denies in system.c,
 * forks in fork.c. */
#include "check.h"

#include "snapshot.h"

/* ---- NULL -------------------------------------------------------------------------------------------------------- */

static void null_logs_are_argument_errors(void) {
  const immuta_slice slice = {"x", 1};
  const size_t size = 1;
  uint32_t ns;
  char name[8];
  immuta_stats stats;
  immuta_report report;
  immuta_stream *stream = NULL;
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_shutdown(NULL, ERR));
  CHECK_OK(immuta_close(NULL, ERR));
  CHECK_EQ(immuta_namespace_count(NULL), 0);
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_namespace_add(NULL, "a", &ns, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_namespace_find(NULL, "a", &ns, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_namespace_name(NULL, 0, name, sizeof name, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_sync(NULL, 0, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_stats_get(NULL, 0, &stats, sizeof stats, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_report_get(NULL, 0, &report, sizeof report, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_report_salvage_path(NULL, 0, name, sizeof name, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_append(NULL, 0, "x", 1, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_appendv(NULL, 0, &slice, 1, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_append_batch(NULL, 0, &slice, 1, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_append_packed(NULL, 0, "x", &size, 1, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_append_at(NULL, 0, 0, &slice, 1, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_stream_open(NULL, 0, 0, &stream, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_stream_open_at_time(NULL, 0, 0, &stream, ERR));
  CHECK(stream == NULL);
}

static void null_streams_and_records_are_argument_errors_but_to_done(void) {
  immuta_record record;
  immuta_batch batch;
  uint64_t number = 77;
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_stream_next(NULL, 0, &record, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_stream_next_batch(NULL, 1, 1, 0, &batch, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_stream_seek(NULL, 0, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_stream_position(NULL, &number));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_stream_interrupt(NULL));
  CHECK_EQ(number, 77);
  immuta_stream_done(NULL);
  CHECK_OK(immuta_record_done(NULL));
  CHECK_OK(immuta_batch_done(NULL));
}

static void missing_places_for_results_are_argument_errors(void) {
  immuta_log *log = OPEN(), *other = NULL;
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_report report;
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_open(NULL, NULL, &other, ERR));
  CHECK_MESSAGE("directory");
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_open(check_path("new"), NULL, NULL, ERR));
  CHECK(!check_exists(check_path("new")));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_namespace_add(log, "b", NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_namespace_find(log, "a", NULL, ERR));
  CHECK_EQ(immuta_namespace_count(log), 1);
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_stats_get(log, 0, NULL, sizeof(immuta_stats), ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_report_get(log, 0, NULL, sizeof report, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_stream_open(log, 0, 0, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_stream_open_at_time(log, 0, 0, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_stream_position(stream, NULL));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_verify(NULL, "a", NULL, NULL, NULL, &report, sizeof report, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_verify(check_dir(), NULL, NULL, NULL, NULL, &report, sizeof report, ERR));
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void data_may_be_null_only_without_a_size(void) {
  immuta_log *log = OPEN();
  const immuta_slice good_and_bad[] = {{"x", 1}, {NULL, 1}}, none = {NULL, 0};
  const size_t sizes[] = {1, 2}, no_sizes[] = {0, 0};
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_append(log, 0, NULL, 1, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_appendv(log, 0, NULL, 1, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_appendv(log, 0, good_and_bad, 2, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_append_batch(log, 0, NULL, 1, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_append_batch(log, 0, good_and_bad, 2, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_append_packed(log, 0, NULL, sizes, 2, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_append_packed(log, 0, "xyz", NULL, 2, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_append_at(log, 0, 0, NULL, 1, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_append_at(log, 0, 0, good_and_bad, 2, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_append_from(log, 0, NULL, NULL, NULL, ERR));
  CHECK_EQ(check_stats(log, 0).count, 0);
  CHECK_OK(immuta_append(log, 0, NULL, 0, NULL, ERR));
  CHECK_OK(immuta_append_batch(log, 0, &none, 1, NULL, ERR));
  CHECK_OK(immuta_append_packed(log, 0, NULL, no_sizes, 2, NULL, ERR));
  CHECK_EQ(check_stats(log, 0).count, 4);
  CHECK_OK(immuta_close(log, ERR));
}

static void sizes_that_no_memory_has_are_refused_not_followed(void) {
  immuta_log *log = OPEN(.flush_interval_ns = -1);
  const immuta_slice sum_overflows[] = {{"x", SIZE_MAX}, {"y", SIZE_MAX}};
  const size_t sizes_overflow[] = {SIZE_MAX, 2};
  check_snapshot before = check_snapshot_take();
  immuta_status status = immuta_append(log, 0, "x", SIZE_MAX, NULL, NULL);
  CHECK(status == IMMUTA_E_TOO_LARGE || status == IMMUTA_E_ARGUMENT);
  status = immuta_appendv(log, 0, sum_overflows, 2, NULL, NULL);
  CHECK(status == IMMUTA_E_TOO_LARGE || status == IMMUTA_E_ARGUMENT);
  status = immuta_append_batch(log, 0, sum_overflows, 2, NULL, NULL);
  CHECK(status == IMMUTA_E_TOO_LARGE || status == IMMUTA_E_ARGUMENT);
  status = immuta_append_packed(log, 0, "x", sizes_overflow, 2, NULL, NULL);
  CHECK(status == IMMUTA_E_TOO_LARGE || status == IMMUTA_E_ARGUMENT);
  status = immuta_append_batch(log, 0, sum_overflows, SIZE_MAX / sizeof(immuta_slice) + 1, NULL, NULL);
  CHECK(status < 0);
  check_snapshot_unchanged(&before);
  CHECK_OK(immuta_close(log, ERR));
}

/* ---- Namespaces, handles ----------------------------------------------------------------------------------------- */

static void unknown_namespace_numbers_are_told(void) {
  immuta_log *log = OPEN(.names = {"a", "b"});
  const uint32_t unknown[] = {2, 1000, UINT32_MAX};
  const immuta_slice slice = {"x", 1};
  immuta_stats stats;
  immuta_report report;
  immuta_stream *stream = NULL;
  char name[8];
  for (size_t i = 0; i < CHECK_COUNT(unknown); i++) {
    CHECK_STATUS(IMMUTA_E_NAMESPACE, immuta_append(log, unknown[i], "x", 1, NULL, ERR));
    CHECK_MESSAGE("2"); /* how many there are */
    CHECK_STATUS(IMMUTA_E_NAMESPACE, immuta_append_batch(log, unknown[i], &slice, 1, NULL, ERR));
    CHECK_STATUS(IMMUTA_E_NAMESPACE, immuta_sync(log, unknown[i], ERR));
    CHECK_STATUS(IMMUTA_E_NAMESPACE, immuta_stats_get(log, unknown[i], &stats, sizeof stats, ERR));
    CHECK_STATUS(IMMUTA_E_NAMESPACE, immuta_report_get(log, unknown[i], &report, sizeof report, ERR));
    CHECK_STATUS(IMMUTA_E_NAMESPACE, immuta_report_salvage_path(log, unknown[i], name, sizeof name, NULL, ERR));
    CHECK_STATUS(IMMUTA_E_NAMESPACE, immuta_stream_open(log, unknown[i], 0, &stream, ERR));
    CHECK_STATUS(IMMUTA_E_NAMESPACE, immuta_stream_open_at_time(log, unknown[i], 0, &stream, ERR));
    CHECK_STATUS(IMMUTA_E_NAMESPACE, immuta_namespace_name(log, unknown[i], name, sizeof name, ERR));
  }
  CHECK(stream == NULL);
  CHECK_OK(immuta_close(log, ERR));
}

static void handles_of_the_wrong_kind_are_noticed(void) {
  immuta_options *options = immuta_options_new();
  immuta_log *log = OPEN(), *other = NULL;
  immuta_stream *stream = check_stream(log, 0, 0);
  uint64_t nothing[8] = {0};
  immuta_record record = {.data = "x", .size = 1, .token = 12345};
  immuta_batch batch = {.count = 1, .token = UINT64_MAX};
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_sync((immuta_log *)(void *)stream, 0, ERR));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_sync((immuta_log *)(void *)options, 0, ERR));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_sync((immuta_log *)(void *)nothing, 0, ERR));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_stream_seek((immuta_stream *)(void *)log, 0, ERR));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_stream_interrupt((immuta_stream *)(void *)nothing));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_close((immuta_log *)(void *)stream, ERR));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_options_set_read_only((immuta_options *)(void *)log, 1));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_open(check_dir(), (const immuta_options *)(void *)log, &other, ERR));
  CHECK_EQ(immuta_namespace_count((immuta_log *)(void *)stream), 0);
  immuta_stream_done((immuta_stream *)(void *)log);
  immuta_options_free((immuta_options *)(void *)stream);
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_record_done(&record));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_batch_done(&batch));
  CHECK_EQ(check_stats(log, 0).streams, 1);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  immuta_options_free(options);
}

/* ---- Busy, closed, read-only ------------------------------------------------------------------------------------- */

static void *next_for_ever(void *stream) {
  immuta_record record;
  return (void *)(intptr_t)immuta_stream_next(stream, -1, &record, NULL);
}

static void a_second_thread_in_one_stream_is_told_so(void) {
  immuta_log *log = OPEN();
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record;
  immuta_batch batch;
  pthread_t thread = check_start(next_for_ever, stream);
  check_until_waiting(log, 0, 1);
  CHECK_STATUS(IMMUTA_E_BUSY, immuta_stream_next(stream, 0, &record, ERR));
  CHECK_MESSAGE("thread");
  CHECK_STATUS(IMMUTA_E_BUSY, immuta_stream_next_batch(stream, 1, 1, 0, &batch, ERR));
  CHECK_STATUS(IMMUTA_E_BUSY, immuta_stream_seek(stream, 5, ERR));
  CHECK_OK(immuta_stream_interrupt(stream)); /* any thread, any time */
  CHECK_EQ((intptr_t)check_join(thread), IMMUTA_INTERRUPTED);
  CHECK_STATUS(IMMUTA_TIMEOUT, immuta_stream_next(stream, 0, &record, ERR));
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void everything_ends_with_shutdown_and_says_closed(void) {
  immuta_log *log = OPEN();
  check_append(log, 0, 10, 1);
  immuta_stream *stream = check_stream(log, 0, 0), *late = NULL;
  immuta_record record;
  immuta_batch batch;
  uint32_t ns;
  CHECK_OK(immuta_shutdown(log, ERR));
  CHECK_OK(immuta_shutdown(log, ERR));
  CHECK_STATUS(IMMUTA_E_CLOSED, immuta_append(log, 0, "x", 1, NULL, ERR));
  CHECK_MESSAGE("open");
  CHECK_STATUS(IMMUTA_E_CLOSED, immuta_sync(log, 0, ERR));
  CHECK_STATUS(IMMUTA_E_CLOSED, immuta_namespace_add(log, "b", &ns, ERR));
  CHECK_STATUS(IMMUTA_E_CLOSED, immuta_stream_next(stream, -1, &record, ERR));
  CHECK_STATUS(IMMUTA_E_CLOSED, immuta_stream_next_batch(stream, 1, 1, -1, &batch, ERR));
  CHECK_STATUS(IMMUTA_E_CLOSED, immuta_stream_open(log, 0, 0, &late, ERR));
  CHECK_OK(immuta_close(log, ERR));
  CHECK_STATUS(IMMUTA_E_CLOSED, immuta_stream_next(stream, -1, &record, ERR));
  CHECK_OK(immuta_stream_interrupt(stream));
  immuta_stream_done(stream);
  CHECK(!check_exists(check_path("b.log")));
}

static void a_read_only_log_appends_nothing(void) {
  CHECK_OK(immuta_close(OPEN(), ERR));
  check_snapshot before = check_snapshot_take();
  immuta_log *log = OPEN(.read_only = 1);
  CHECK_STATUS(IMMUTA_E_READ_ONLY, immuta_append(log, 0, "x", 1, NULL, ERR));
  CHECK_MESSAGE("read-only");
  CHECK_STATUS(IMMUTA_E_READ_ONLY, immuta_sync(log, 0, ERR));
  CHECK_OK(immuta_close(log, ERR));
  check_snapshot_unchanged(&before);
}

static void every_reader_held_is_named_as_such(void) {
  immuta_log *log = OPEN(.readers = 1);
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record held, record;
  check_append(log, 0, 10, 1);
  check_append(log, 0, 10, 2);
  CHECK_OK(immuta_stream_next(stream, 0, &held, ERR));
  CHECK_STATUS(IMMUTA_E_POOL, immuta_stream_next(stream, 1000, &record, ERR));
  CHECK_MESSAGE("give records back");
  CHECK_OK(immuta_record_done(&held));
  CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
  CHECK_EQ(record.number, 1);
  CHECK_OK(immuta_record_done(&record));
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

/* ---- Conflicts, callbacks, limits -------------------------------------------------------------------------------- */

static int64_t give_up(void *user, void *buffer, size_t capacity) {
  int *calls = user;
  if ((*calls)++ == 3) return -42;
  memset(buffer, 'x', capacity > 1000 ? 1000 : capacity);
  return capacity > 1000 ? 1000 : (int64_t)capacity;
}

static int64_t lie(void *user, void *buffer, size_t capacity) {
  (void)user, (void)buffer;
  return (int64_t)capacity + 1;
}

static void callbacks_that_fail_append_nothing(void) {
  immuta_log *log = OPEN(.flush_interval_ns = -1);
  int calls = 0;
  check_snapshot before = check_snapshot_take();
  CHECK_STATUS(IMMUTA_E_CALLBACK, immuta_append_from(log, 0, give_up, &calls, NULL, ERR));
  CHECK_EQ(ERR->os_error, -42);
  CHECK_MESSAGE("-42");
  CHECK_EQ(calls, 4);
  CHECK_STATUS(IMMUTA_E_CALLBACK, immuta_append_from(log, 0, lie, NULL, NULL, ERR));
  check_snapshot_unchanged(&before);
  CHECK_OK(immuta_append(log, 0, "x", 1, NULL, ERR));
  CHECK_OK(immuta_close(log, ERR));
}

static int32_t stop_at(void *user, uint64_t done, uint64_t total) {
  CHECK(done <= total);
  return (*(int *)user)-- == 0;
}

static void progress_may_cancel_a_verification(void) {
  immuta_log *log = OPEN();
  for (uint64_t i = 0; i < 100; i++) check_append(log, 0, 1000, i);
  CHECK_OK(immuta_close(log, ERR));
  immuta_report report;
  memset(&report, 0xaa, sizeof report);
  int calls_left = 0;
  CHECK_STATUS(IMMUTA_E_CANCELLED,
               immuta_verify(check_dir(), "a", NULL, stop_at, &calls_left, &report, sizeof report, ERR));
  CHECK_EQ(report.count, UINT64_C(0xaaaaaaaaaaaaaaaa)); /* written on success only */
  calls_left = 1000000;
  CHECK_OK(immuta_verify(check_dir(), "a", NULL, stop_at, &calls_left, &report, sizeof report, ERR));
  CHECK_EQ(report.count, 100);
  CHECK_EQ(report.bad_records, 0);
}

static void conflicts_tell_the_next_number(void) {
  immuta_log *log = OPEN(.flush_interval_ns = -1);
  const immuta_slice slice = {"x", 1};
  for (uint64_t i = 0; i < 5; i++) check_append(log, 0, 1, i);
  check_snapshot before = check_snapshot_take();
  CHECK_STATUS(IMMUTA_E_CONFLICT, immuta_append_at(log, 0, 4, &slice, 1, NULL, ERR));
  CHECK_EQ(ERR->number, 5);
  CHECK_STATUS(IMMUTA_E_CONFLICT, immuta_append_at(log, 0, UINT64_MAX, &slice, 1, NULL, ERR));
  CHECK_EQ(ERR->number, 5);
  CHECK_MESSAGE("5");
  check_snapshot_unchanged(&before);
  CHECK_OK(immuta_append_at(log, 0, 5, &slice, 1, NULL, ERR));
  CHECK_OK(immuta_close(log, ERR));
}

static void records_over_the_limit_are_passed_over_by_seek(void) {
  immuta_log *log = OPEN();
  check_append(log, 0, 50, 0);
  check_append(log, 0, 500, 1);
  check_append(log, 0, 50, 2);
  CHECK_OK(immuta_close(log, ERR));
  log = OPEN(.read_only = 1, .max_record_size = 100);
  immuta_stream *stream = check_stream(log, 0, 1);
  immuta_record record;
  CHECK_STATUS(IMMUTA_E_TOO_LARGE, immuta_stream_next(stream, 0, &record, ERR));
  CHECK_EQ(ERR->number, 1);
  CHECK_MESSAGE("500");
  CHECK_OK(immuta_stream_seek(stream, 2, ERR));
  CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
  CHECK(check_is_fill(record.data, record.size, 2));
  CHECK_OK(immuta_record_done(&record));
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static const check_case cases[] = {
    CASE(null_logs_are_argument_errors),
    CASE(null_streams_and_records_are_argument_errors_but_to_done),
    CASE(missing_places_for_results_are_argument_errors),
    CASE(data_may_be_null_only_without_a_size),
    CASE(sizes_that_no_memory_has_are_refused_not_followed),
    CASE(unknown_namespace_numbers_are_told),
    CASE(handles_of_the_wrong_kind_are_noticed),
    CASE(a_second_thread_in_one_stream_is_told_so),
    CASE(everything_ends_with_shutdown_and_says_closed),
    CASE(a_read_only_log_appends_nothing),
    CASE(every_reader_held_is_named_as_such),
    CASE(callbacks_that_fail_append_nothing),
    CASE(progress_may_cancel_a_verification),
    CASE(conflicts_tell_the_next_number),
    CASE(records_over_the_limit_are_passed_over_by_seek),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
