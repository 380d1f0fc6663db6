/* Options: every setter with its bounds, its default and what it does to a log opened with it. */
#include "check.h"

/* ---- Setters ----------------------------------------------------------------------------------------------------- */

static void setters_keep_their_bounds(void) {
  immuta_options *o = immuta_options_new();
  CHECK(o != NULL);
  CHECK_OK(immuta_options_set_reader_count(o, 1));
  CHECK_OK(immuta_options_set_reader_count(o, 4096));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_reader_count(o, 0));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_reader_count(o, 4097));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_reader_count(o, UINT32_MAX));
  CHECK_OK(immuta_options_set_flush_interval(o, 0));
  CHECK_OK(immuta_options_set_flush_interval(o, 1));
  CHECK_OK(immuta_options_set_flush_interval(o, INT64_MAX));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_flush_interval(o, -1));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_flush_interval(o, INT64_MIN));
  CHECK_OK(immuta_options_set_flush_bytes(o, 0));
  CHECK_OK(immuta_options_set_flush_bytes(o, 1));
  CHECK_OK(immuta_options_set_flush_bytes(o, UINT64_MAX));
  CHECK_OK(immuta_options_set_max_record_size(o, 1));
  CHECK_OK(immuta_options_set_max_record_size(o, (UINT64_C(1) << 47) - 1));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_max_record_size(o, 0));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_max_record_size(o, UINT64_C(1) << 47));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_max_record_size(o, UINT64_MAX));
  CHECK_OK(immuta_options_set_journal_size(o, 64 << 10));
  CHECK_OK(immuta_options_set_journal_size(o, 1 << 30));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_journal_size(o, 0));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_journal_size(o, (64 << 10) - 1));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_journal_size(o, (1 << 30) + 1));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_journal_size(o, UINT64_MAX));
  const int32_t engines[] = {IMMUTA_IO_AUTO, IMMUTA_IO_MMAP, IMMUTA_IO_SYSCALL},
                unknown[] = {-1, 3, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < CHECK_COUNT(engines); i++) CHECK_OK(immuta_options_set_io(o, engines[i]));
  for (size_t i = 0; i < CHECK_COUNT(unknown); i++)
    CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_io(o, unknown[i]));
  immuta_options_free(o);
}

static void switches_take_only_0_and_1(void) {
  immuta_status (*const switches[])(immuta_options *, int32_t) = {
      immuta_options_set_fast_write, immuta_options_set_read_only, immuta_options_set_verify_reads};
  immuta_options *o = immuta_options_new();
  for (size_t i = 0; i < CHECK_COUNT(switches); i++) {
    CHECK_OK(switches[i](o, 0));
    CHECK_OK(switches[i](o, 1));
    CHECK_STATUS(IMMUTA_E_ARGUMENT, switches[i](o, 2));
    CHECK_STATUS(IMMUTA_E_ARGUMENT, switches[i](o, -1));
    CHECK_STATUS(IMMUTA_E_ARGUMENT, switches[i](o, INT32_MIN));
  }
  immuta_options_free(o);
}

static void options_may_not_be_null_but_to_free(void) {
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_add_namespace(NULL, "a"));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_reader_count(NULL, 1));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_fast_write(NULL, 1));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_flush_interval(NULL, 0));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_flush_bytes(NULL, 0));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_max_record_size(NULL, 1));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_journal_size(NULL, 64 << 10));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_io(NULL, IMMUTA_IO_AUTO));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_read_only(NULL, 1));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_verify_reads(NULL, 1));
  immuta_options_free(NULL);
}

static void refused_values_leave_the_option_as_it_was(void) {
  immuta_options *o = check_options((check_setup){.readers = 3});
  immuta_log *log = NULL;
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_reader_count(o, 0));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_set_read_only(o, 7));
  CHECK_OK(immuta_open(check_dir(), o, &log, ERR));
  CHECK_EQ(check_stats(log, 0).readers, 3);
  CHECK_EQ(check_stats(log, 0).read_only, 0);
  CHECK_OK(immuta_close(log, ERR));
  immuta_options_free(o);
}

static void no_options_are_the_defaults(void) {
  immuta_log *log = NULL;
  uint32_t ns = 99;
  CHECK_OK(immuta_open(check_dir(), NULL, &log, ERR));
  CHECK_EQ(immuta_namespace_count(log), 0);
  CHECK_OK(immuta_namespace_add(log, "a", &ns, ERR));
  CHECK_EQ(ns, 0);
  immuta_stats stats = check_stats(log, ns);
  CHECK_EQ(stats.readers, 5);
  CHECK_EQ(stats.mode, IMMUTA_MODE_FAST);
  CHECK(stats.engine == IMMUTA_IO_MMAP || stats.engine == IMMUTA_IO_SYSCALL);
  CHECK_EQ(stats.read_only, 0);
  CHECK_EQ(stats.poisoned, 0);
  check_append(log, ns, 10, 1);
  immuta_stream *stream = check_stream(log, ns, 0);
  immuta_record record;
  CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
  CHECK_EQ(record.flags & IMMUTA_RECORD_UNVERIFIED, 0);
  CHECK_OK(immuta_record_done(&record));
  while (check_stats(log, ns).durable_count != 1) sched_yield(); /* the flusher comes by itself */
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void records_of_64_mib_are_the_largest_by_default(void) {
  immuta_log *log = OPEN();
  size_t mib = (size_t)1 << 20;
  char *data = calloc(1, mib);
  immuta_slice parts[65];
  for (size_t i = 0; i < 64; i++) parts[i] = (immuta_slice){data, mib};
  parts[64] = (immuta_slice){data, 1};
  CHECK_STATUS(IMMUTA_E_TOO_LARGE, immuta_appendv(log, 0, parts, 65, NULL, ERR));
  CHECK_MESSAGE("67108864");
  CHECK_OK(immuta_appendv(log, 0, parts, 64, NULL, ERR));
  CHECK_EQ(check_stats(log, 0).count, 1);
  CHECK_OK(immuta_close(log, ERR));
  free(data);
}

static void the_largest_record_holds_for_every_record_of_a_batch(void) {
  immuta_log *log = OPEN(.max_record_size = 10);
  immuta_slice records[] = {{"0123456789", 10}, {"0123456789x", 11}, {"0", 1}};
  CHECK_OK(immuta_append(log, 0, "0123456789", 10, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_TOO_LARGE, immuta_append(log, 0, "0123456789x", 11, NULL, ERR));
  CHECK_MESSAGE("11");
  CHECK_STATUS(IMMUTA_E_TOO_LARGE, immuta_append_batch(log, 0, records, 3, NULL, ERR));
  CHECK_EQ(check_stats(log, 0).count, 1);
  CHECK_OK(immuta_append_batch(log, 0, records, 1, NULL, ERR));
  CHECK_OK(immuta_close(log, ERR));
}

static void modes_and_journals_are_what_was_asked_for(void) {
  const uint64_t asked[] = {0, 64 << 10, (64 << 10) + 1, 100000}, made[] = {16 << 20, 64 << 10, 72 << 10, 104 << 10};
  for (size_t i = 0; i < CHECK_COUNT(asked); i++) {
    immuta_log *log = OPEN(.durable = 1, .journal_size = asked[i]);
    CHECK_EQ(check_stats(log, 0).mode, IMMUTA_MODE_DURABLE);
    CHECK_EQ(check_stats(log, 0).journal_bytes, made[i]); /* whole pages in each half */
    CHECK_OK(immuta_close(log, ERR));
    log = OPEN(.journal_size = asked[i]); /* means nothing to a fast writer */
    CHECK_EQ(check_stats(log, 0).mode, IMMUTA_MODE_FAST);
    CHECK_EQ(check_stats(log, 0).journal_bytes, 0);
    CHECK_OK(immuta_close(log, ERR));
  }
}

static void unverified_reads_say_so(void) {
  immuta_log *log = OPEN(.unverified = 1);
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record;
  check_append(log, 0, 100, 5);
  CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
  CHECK(record.flags & IMMUTA_RECORD_UNVERIFIED);
  CHECK(check_is_fill(record.data, record.size, 5));
  CHECK_OK(immuta_record_done(&record));
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void each_engine_writes_what_the_other_reads(void) {
  const int engines[] = {IMMUTA_IO_MMAP, IMMUTA_IO_SYSCALL};
  for (size_t w = 0; w < 2; w++) {
    const char *directory = check_path(w == 0 ? "mmap" : "syscall");
    immuta_log *writer = NULL;
    immuta_status status = TRY_OPEN(&writer, .directory = directory, .io = engines[w]);
    if (status == IMMUTA_E_UNSUPPORTED)
      CHECK_SKIP("mapped stores are not safe on this file system; set IMMUTA_TEST_DIR to a local one");
    CHECK_EQ(status, IMMUTA_OK);
    CHECK_EQ(check_stats(writer, 0).engine, engines[w]);
    for (uint64_t i = 0; i < 100; i++) check_append(writer, 0, i * 50, i);
    for (size_t r = 0; r < 2; r++) {
      immuta_log *reader = OPEN(.directory = directory, .io = engines[r], .read_only = 1);
      CHECK_EQ(check_stats(reader, 0).engine, engines[r]);
      CHECK_EQ(check_stats(reader, 0).read_only, 1);
      immuta_stream *stream = check_stream(reader, 0, 0);
      immuta_record record;
      for (uint64_t i = 0; i < 100; i++) {
        CHECK_OK(immuta_stream_next(stream, CHECK_SECOND, &record, ERR));
        CHECK(record.number == i && record.size == i * 50 && check_is_fill(record.data, record.size, i));
        CHECK_OK(immuta_record_done(&record));
      }
      immuta_stream_done(stream);
      CHECK_OK(immuta_close(reader, ERR));
    }
    CHECK_OK(immuta_close(writer, ERR));
  }
}

static void flushing_by_bytes_comes_without_an_interval(void) {
  immuta_log *log = OPEN(.flush_interval_ns = -1, .flush_bytes = 1000);
  check_append(log, 0, 2000, 1);
  while (check_stats(log, 0).durable_count != 1) sched_yield();
  CHECK_OK(immuta_close(log, ERR));
}

static void one_options_object_opens_many_logs_and_is_copied(void) {
  immuta_options *o = check_options((check_setup){.readers = 2});
  immuta_log *first = NULL, *second = NULL;
  CHECK_OK(immuta_open(check_path("first"), o, &first, ERR));
  CHECK_OK(immuta_options_set_reader_count(o, 3));
  CHECK_OK(immuta_options_add_namespace(o, "b"));
  CHECK_OK(immuta_open(check_path("second"), o, &second, ERR));
  immuta_options_free(o);
  CHECK_EQ(check_stats(first, 0).readers, 2);
  CHECK_EQ(immuta_namespace_count(first), 1);
  CHECK_EQ(check_stats(second, 1).readers, 3);
  check_append(first, 0, 10, 1);
  check_append(second, 1, 10, 1);
  CHECK_OK(immuta_close(first, ERR));
  CHECK_OK(immuta_close(second, ERR));
}

static void directories_and_files_get_the_modes_of_the_umask(void) {
  const mode_t masks[] = {022, 077, 0};
  for (size_t i = 0; i < CHECK_COUNT(masks); i++) {
    char name[32], path[64];
    struct stat status;
    umask(masks[i]);
    snprintf(name, sizeof name, "deep-%o/er", masks[i]);
    immuta_log *log = OPEN(.directory = check_path(name));
    CHECK(stat(check_path(name), &status) == 0);
    CHECK_EQ(status.st_mode & 0777, 0777 & ~masks[i]);
    const char *suffixes[] = {"log", "idx", "live"};
    for (size_t s = 0; s < CHECK_COUNT(suffixes); s++) {
      snprintf(path, sizeof path, "%s/a.%s", name, suffixes[s]);
      CHECK(stat(check_path(path), &status) == 0);
      CHECK_EQ(status.st_mode & 0777, 0666 & ~masks[i]);
    }
    CHECK_OK(immuta_close(log, ERR));
  }
}

static void relative_directories_and_trailing_slashes_are_fine(void) {
  CHECK(chdir(check_dir()) == 0);
  immuta_log *log = OPEN(.directory = "here/");
  CHECK(chdir("/") == 0);
  check_append(log, 0, 10, 1);
  uint32_t ns;
  /* The directory is the one opened, wherever the process went. */
  CHECK_OK(immuta_namespace_add(log, "later", &ns, ERR));
  CHECK_OK(immuta_close(log, ERR));
  CHECK_EQ(check_file_size(check_path("here/a.log")), 8 + 8 + 10);
  CHECK_EQ(check_file_size(check_path("here/later.log")), 8);
}

static const check_case cases[] = {
    CASE(setters_keep_their_bounds),
    CASE(switches_take_only_0_and_1),
    CASE(options_may_not_be_null_but_to_free),
    CASE(refused_values_leave_the_option_as_it_was),
    CASE(no_options_are_the_defaults),
    CASE(records_of_64_mib_are_the_largest_by_default),
    CASE(the_largest_record_holds_for_every_record_of_a_batch),
    CASE(modes_and_journals_are_what_was_asked_for),
    CASE(unverified_reads_say_so),
    CASE(each_engine_writes_what_the_other_reads),
    CASE(flushing_by_bytes_comes_without_an_interval),
    CASE(one_options_object_opens_many_logs_and_is_copied),
    CASE(directories_and_files_get_the_modes_of_the_umask),
    CASE(relative_directories_and_trailing_slashes_are_fine),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
