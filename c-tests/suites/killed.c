/* What a killed writer leaves, how it is recovered, and what the files are then. */
#include "check.h"
#include "check/format.h"

enum { KILLED_SINGLES = 1000, KILLED_TOTAL = KILLED_SINGLES + 3 };

static void append_singles_and_a_batch(void *unused) {
  (void)unused;
  immuta_log *log = OPEN(.flush_interval_ns = -1);
  for (uint64_t i = 0; i < KILLED_SINGLES; i++) check_append(log, 0, 100, i);
  const immuta_slice batch[] = {{"a", 1}, {NULL, 0}, {"ccc", 3}};
  CHECK_OK(immuta_append_batch(log, 0, batch, 3, NULL, ERR));
}

/* Leaves the files as a writer killed after KILLED_TOTAL records does. Returns what the record file must become. */
static image leave_killed_log(void) {
  check_fork_and_kill(append_singles_and_a_batch, NULL);
  image expected = image_new();
  unsigned char bytes[100];
  for (uint64_t i = 0; i < KILLED_SINGLES; i++) {
    check_fill(bytes, sizeof bytes, i);
    image_add(&expected, bytes, sizeof bytes);
  }
  image_add(&expected, "a", 1);
  image_add(&expected, NULL, 0);
  image_add(&expected, "ccc", 3);
  expect_open_file(check_path("a.log"), &expected);
  CHECK_EQ(newest_on_disk().state, IDX_STATE_OPEN);
  return expected;
}

static void expect_recovered(image expected) {
  uint64_t file_size = check_file_size(check_path("a.log"));
  immuta_log *log = OPEN();
  immuta_report report = check_report(log, 0);
  CHECK_EQ(report.outcome, IMMUTA_OUTCOME_RECOVERED);
  CHECK_EQ(report.finding, IMMUTA_OK);
  CHECK_EQ(report.count, KILLED_TOTAL);
  CHECK_EQ(report.trimmed_bytes, file_size - expected.size); /* the room made in advance, with any torn bytes */
  CHECK_EQ(newest_on_disk().count, KILLED_TOTAL); /* recovery ends with a checkpoint */
  CHECK_OK(immuta_close(log, ERR));
  expect_closed_file(check_path("a.log"), &expected);
  expect_closed_index_file(KILLED_TOTAL);
  free(expected.bytes);
}

static void a_killed_writer_leaves_every_record_it_acknowledged(void) { expect_recovered(leave_killed_log()); }

static void a_commit_word_below_its_verified_records_is_set_right(void) {
  image expected = leave_killed_log();
  const unsigned char five[8] = {5};
  check_patch_file(check_path("a.log"), 0, five, sizeof five);
  expect_recovered(expected);
}

static void bytes_of_an_append_that_was_never_committed_are_cut(void) {
  image expected = leave_killed_log();
  check_patch_file(check_path("a.log"), expected.size, "\x05\0\0\0\0\0\0\0torn", 12);
  expect_recovered(expected);
}

static void a_reader_serves_a_killed_log_and_changes_nothing(void) {
  image expected = leave_killed_log();
  check_file records = check_read_file(check_path("a.log")), idx = check_read_file(check_path("a.idx"));
  immuta_log *log = OPEN(.read_only = 1);
  CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_RECOVERED);
  CHECK_EQ(check_stats(log, 0).count, KILLED_TOTAL);
  immuta_stream *stream = check_stream(log, 0, 0);
  for (uint64_t i = 0; i < KILLED_SINGLES; i++) check_next(stream, i, 100, i);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  expect_unchanged("a.log", records);
  expect_unchanged("a.idx", idx);
  free(records.data);
  free(idx.data);
  expect_recovered(expected);
}

static const check_case cases[] = {
    CASE(a_killed_writer_leaves_every_record_it_acknowledged),
    CASE(a_commit_word_below_its_verified_records_is_set_right),
    CASE(bytes_of_an_append_that_was_never_committed_are_cut),
    CASE(a_reader_serves_a_killed_log_and_changes_nothing),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
