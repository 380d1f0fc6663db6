/* Logs that earlier versions left are opened with every record, and go on. c-tests/golden/make.py has written them. */
#include "check.h"

static const char *const versions[] = {"0.2"};

enum { RECORDS = 6, LARGE = 5000 };

/* Puts the files of a golden log where namespace "a" looks for them. */
static void place(const char *version, const char *name) {
  static const char *const suffixes[] = {"log", "idx", "wal"};
  for (size_t i = 0; i < CHECK_COUNT(suffixes); i++) {
    char from[1024], to[8];
    snprintf(from, sizeof from, "%s/%s/%s.%s", CHECK_GOLDEN, version, name, suffixes[i]);
    snprintf(to, sizeof to, "a.%s", suffixes[i]);
    if (check_exists(from)) check_copy_file(from, check_path(to));
  }
}

/* The records that make.py appends: three alone, then a batch of three. */
static void expect_records(immuta_log *log) {
  static char large[LARGE];
  memset(large, 'a', sizeof large);
  const immuta_slice expected[RECORDS] = {{"hello world", 11}, {"", 0}, {large, LARGE},
                                          {"first", 5}, {"second", 6}, {"third", 5}};
  immuta_stream *stream = check_stream(log, 0, 0);
  int64_t time_ns = 1;
  for (uint64_t i = 0; i < RECORDS; i++) {
    immuta_record record;
    CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
    CHECK_EQ(record.number, i);
    CHECK_BYTES(record.data, record.size, expected[i].data, expected[i].size);
    CHECK_EQ(record.flags, i == 3 || i == 4 ? 0 : IMMUTA_RECORD_BATCH_END);
    CHECK(record.time_ns >= time_ns);
    time_ns = record.time_ns;
    CHECK_OK(immuta_record_done(&record));
  }
  check_end(stream);
  immuta_stream_done(stream);
}

/* Opened with this outcome, a log has all of its records, takes one more, and is whole then. */
static void expect_log(const char *name, int32_t outcome, int durable) {
  for (size_t i = 0; i < CHECK_COUNT(versions); i++) {
    place(versions[i], name);
    immuta_log *log = OPEN(.durable = durable);
    immuta_report report = check_report(log, 0);
    CHECK_EQ(report.outcome, outcome);
    CHECK_EQ(report.finding, IMMUTA_OK);
    CHECK_EQ(report.count, RECORDS);
    expect_records(log);
    CHECK_EQ(check_append(log, 0, 100, 1).number, RECORDS);
    CHECK_OK(immuta_close(log, ERR));
    CHECK_OK(immuta_verify(check_dir(), "a", NULL, NULL, NULL, &report, sizeof report, ERR));
    CHECK_EQ(report.finding, IMMUTA_OK);
    CHECK_EQ(report.count, RECORDS + 1);
    CHECK_EQ(report.bad_records, 0);
  }
}

static void a_log_closed_cleanly(void) { expect_log("closed", IMMUTA_OUTCOME_CLEAN, 0); }
static void a_log_after_a_kill(void) { expect_log("killed", IMMUTA_OUTCOME_RECOVERED, 0); }
static void a_durable_log_after_a_power_failure(void) { expect_log("power", IMMUTA_OUTCOME_RECOVERED, 1); }
static void the_same_log_opened_in_fast_mode(void) { expect_log("power", IMMUTA_OUTCOME_RECOVERED, 0); }
static void a_log_with_a_codec_that_no_opener_names(void) { expect_log("deflate", IMMUTA_OUTCOME_CLEAN, 0); }

static const check_case cases[] = {
    CASE(a_log_closed_cleanly),
    CASE(a_log_after_a_kill),
    CASE(a_durable_log_after_a_power_failure),
    CASE(the_same_log_opened_in_fast_mode),
    CASE(a_log_with_a_codec_that_no_opener_names),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
