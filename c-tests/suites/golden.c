/* Files of the original Go library: those of the present layout are adopted, those of others are refused and left as
 * they are. */
#include "check.h"

#include "golden.h"

static void expect_unchanged(check_file before) {
  check_file after = check_read_file(check_path("a.log"));
  CHECK_BYTES(after.data, after.size, before.data, before.size);
  free(after.data);
}

static void expect_files(const char *expected) {
  char *names = check_listing(check_dir());
  CHECK_STR(names, expected);
  free(names);
}

/* The stream gives the payloads that stand in `file`, found by walking it. */
static void expect_payloads(immuta_log *log, check_file file) {
  immuta_stream *stream = check_stream(log, 0, 0);
  size_t offset = 8;
  for (uint64_t i = 0; i < MESSAGES; i++) {
    immuta_record record;
    size_t size = (size_t)check_u64(file.data + offset);
    CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
    CHECK_EQ(record.offset, offset);
    CHECK_EQ(record.flags & IMMUTA_RECORD_ADOPTED, IMMUTA_RECORD_ADOPTED);
    CHECK_EQ(record.time_ns, 0);
    CHECK_BYTES(record.data, record.size, file.data + offset + 8, size);
    CHECK_OK(immuta_record_done(&record));
    offset += 8 + size;
  }
  check_end(stream);
  immuta_stream_done(stream);
}

static void adopt(const char *name) {
  check_file file = place(name);
  immuta_log *log = OPEN();
  immuta_report report = check_report(log, 0);
  CHECK_EQ(report.outcome, IMMUTA_OUTCOME_ADOPTED);
  CHECK_EQ(report.finding, IMMUTA_OK);
  CHECK_EQ(report.count, MESSAGES);
  CHECK_EQ(report.header_count, MESSAGES);
  CHECK_EQ(report.adopted, MESSAGES);
  expect_payloads(log, file);
  CHECK_OK(immuta_close(log, ERR));
  expect_unchanged(file);

  log = OPEN(); /* from now on it is a log like any other */
  CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_CLEAN);
  expect_payloads(log, file);
  CHECK_EQ(check_append(log, 0, 100, 1).offset, file.size);
  CHECK_OK(immuta_close(log, ERR));
  check_file grown = check_read_file(check_path("a.log"));
  CHECK_EQ(grown.size, file.size + 108);
  CHECK_EQ(check_u64(grown.data), MESSAGES + 1);
  CHECK_BYTES(grown.data + 8, file.size - 8, file.data + 8, file.size - 8);
  free(grown.data);
  free(file.data);
}

static void count8_plain_is_adopted(void) { adopt("count8-plain"); }
static void count8_deflate_is_adopted(void) { adopt("count8-deflate"); }

static void count8_plain_holds_the_nine_messages(void) {
  free(place("count8-plain").data);
  unsigned char *bytes = malloc(MESSAGE_MAX);
  CHECK(bytes != NULL);
  immuta_log *log = OPEN();
  immuta_stream *stream = check_stream(log, 0, 0);
  for (uint64_t i = 0; i < MESSAGES; i++) {
    immuta_record record;
    size_t size = message(i, bytes);
    CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
    CHECK_BYTES(record.data, record.size, bytes, size);
    CHECK_OK(immuta_record_done(&record));
  }
  check_end(stream);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  free(bytes);
}

static void count8_empty_opens_as_an_empty_log(void) {
  check_file file = place("count8-empty");
  immuta_log *log = OPEN();
  CHECK_EQ(check_stats(log, 0).count, 0);
  CHECK_OK(immuta_close(log, ERR));
  expect_unchanged(file);
  free(file.data);
}

static void a_reader_adopts_nothing_and_writes_no_index_file(void) {
  check_file file = place("count8-plain");
  immuta_log *log = OPEN(.read_only = 1);
  CHECK_EQ(check_stats(log, 0).count, MESSAGES);
  expect_payloads(log, file);
  CHECK_OK(immuta_close(log, ERR));
  expect_unchanged(file);
  CHECK(!check_exists(check_path("a.idx")));
  free(file.data);
}

/* Refused for every caller; the message names the layout, and no byte or file is added. */
static void refuse(const char *name, const char *layout) {
  check_file file = place(name);
  immuta_log *log = NULL;
  CHECK_STATUS(IMMUTA_E_LAYOUT, TRY_OPEN(&log, .names = {"a"}));
  CHECK_MESSAGE(layout);
  CHECK_MESSAGE("a.log");
  CHECK(log == NULL);
  expect_unchanged(file);
  expect_files("a.log ");
  immuta_report report;
  CHECK_OK(immuta_verify(check_dir(), "a", NULL, NULL, NULL, &report, sizeof report, ERR));
  CHECK_EQ(report.finding, IMMUTA_E_LAYOUT);
  CHECK_EQ(report.outcome, IMMUTA_OUTCOME_DAMAGED);
  CHECK_EQ(report.count, 0);
  expect_unchanged(file);
  expect_files("a.log ");
  free(file.data);
}

static void count16_plain_is_refused_untouched(void) { refuse("count16-plain", "16"); }
static void count16_deflate_is_refused_untouched(void) { refuse("count16-deflate", "16"); }
static void count16_empty_is_refused_untouched(void) { refuse("count16-empty", "16"); }
static void headerless_plain_is_refused_untouched(void) { refuse("headerless-plain", "header"); }

static const check_case cases[] = {
    CASE(count8_plain_is_adopted),
    CASE(count8_deflate_is_adopted),
    CASE(count8_plain_holds_the_nine_messages),
    CASE(count8_empty_opens_as_an_empty_log),
    CASE(a_reader_adopts_nothing_and_writes_no_index_file),
    CASE(count16_plain_is_refused_untouched),
    CASE(count16_deflate_is_refused_untouched),
    CASE(count16_empty_is_refused_untouched),
    CASE(headerless_plain_is_refused_untouched),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
