/* Bytes on disk: the record file while open and after close, and the calls that change none of them. */
#include "check.h"
#include "check/format.h"

static void expect_files(const char *expected) {
  char *names = check_listing(check_dir());
  CHECK_STR(names, expected);
  free(names);
}

/* ---- The record file ---- */

static void hello_world_is_a_file_of_27_bytes(void) {
  immuta_log *log = OPEN();
  immuta_appended appended;
  CHECK_OK(immuta_append(log, 0, "hello world", 11, &appended, ERR));
  CHECK_EQ(appended.offset, 8);
  CHECK_OK(immuta_close(log, ERR));
  check_file file = check_read_file(check_path("a.log"));
  static const unsigned char expected[27] = {1,   0,   0,   0,   0,   0,   0,   0,                        /* count */
                                             11,  0,   0,   0,   0,   0,   0,   0,                        /* size */
                                             'h', 'e', 'l', 'l', 'o', ' ', 'w', 'o', 'r', 'l', 'd'};      /* payload */
  CHECK_BYTES(file.data, file.size, expected, sizeof expected);
  free(file.data);
}

static void an_empty_log_is_eight_zero_bytes(void) {
  image expected = image_new();
  immuta_log *log = OPEN();
  expect_closed_file(check_path("a.log"), &expected); /* room is made by the first append */
  CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_CREATED);
  CHECK_OK(immuta_close(log, ERR));
  expect_closed_file(check_path("a.log"), &expected);
  log = OPEN();
  CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_CLEAN);
  CHECK_OK(immuta_close(log, ERR));
  expect_closed_file(check_path("a.log"), &expected);
  free(expected.bytes);
}

static void records_lie_one_after_the_other_while_open_and_after_close(void) {
  static unsigned char bytes[200000];
  const size_t sizes[] = {11, 0, 1, 7, 8, 9, 4096, 65536 - 8, 65536, 0, 200000, 3};
  check_fill(bytes, sizeof bytes, 1);
  image expected = image_new();
  immuta_log *log = OPEN();
  for (size_t i = 0; i < CHECK_COUNT(sizes); i++) {
    immuta_appended appended;
    CHECK_OK(immuta_append(log, 0, bytes, sizes[i], &appended, ERR));
    CHECK_EQ(appended.offset, expected.size);
    image_add(&expected, bytes, sizes[i]);
    expect_open_file(check_path("a.log"), &expected);
  }
  const immuta_slice batch[] = {{bytes, 5}, {NULL, 0}, {bytes, 70000}};
  CHECK_OK(immuta_append_batch(log, 0, batch, 3, NULL, ERR));
  for (int i = 0; i < 3; i++) image_add(&expected, batch[i].data, batch[i].size);
  expect_open_file(check_path("a.log"), &expected);
  CHECK_EQ(check_stats(log, 0).data_bytes, expected.size); /* with count and size words */
  CHECK_EQ(check_stats(log, 0).file_bytes, check_file_size(check_path("a.log")));
  CHECK_OK(immuta_close(log, ERR));
  expect_closed_file(check_path("a.log"), &expected);

  log = OPEN(); /* reopened, it grows again, and goes on where it was */
  image_add(&expected, bytes, 11);
  CHECK_OK(immuta_append(log, 0, bytes, 11, NULL, ERR));
  expect_open_file(check_path("a.log"), &expected);
  CHECK_OK(immuta_close(log, ERR));
  expect_closed_file(check_path("a.log"), &expected);
  free(expected.bytes);
}

static void a_refused_append_changes_no_byte(void) {
  unsigned char bytes[101] = {1};
  const immuta_slice batch[] = {{bytes, 50}, {bytes, 101}};
  image expected = image_new();
  immuta_log *log = OPEN(.max_record_size = 100);
  image_add(&expected, bytes, 10);
  CHECK_OK(immuta_append(log, 0, bytes, 10, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_TOO_LARGE, immuta_append(log, 0, bytes, 101, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_TOO_LARGE, immuta_append_batch(log, 0, batch, 2, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_CONFLICT, immuta_append_at(log, 0, 7, batch, 1, NULL, ERR));
  expect_open_file(check_path("a.log"), &expected);
  CHECK_OK(immuta_close(log, ERR));
  expect_closed_file(check_path("a.log"), &expected);
  free(expected.bytes);
}

static void a_log_is_three_files_and_nothing_else(void) {
  immuta_log *log = OPEN(.names = {"a", "b"});
  expect_files("a.idx a.live a.log b.idx b.live b.log ");
  check_append(log, 0, 10, 1);
  CHECK_OK(immuta_sync(log, 0, ERR));
  expect_files("a.idx a.live a.log b.idx b.live b.log ");
  CHECK_OK(immuta_close(log, ERR));
  expect_files("a.idx a.live a.log b.idx b.live b.log ");
}

static void the_live_file_is_one_page(void) {
  static const unsigned char magic[8] = {0x89, 'I', 'M', 'L', 0x0d, 0x0a, 0x1a, 0x0a};
  immuta_log *log = OPEN();
  check_append(log, 0, 10, 1);
  check_file live = check_read_file(check_path("a.live"));
  CHECK_EQ(live.size, LIVE_SIZE);
  CHECK_BYTES(live.data, 8, magic, 8);
  CHECK_EQ(check_u64(live.data + 24), newest_on_disk().epoch); /* ready */
  CHECK(is_zero(live.data + 32, 16));
  CHECK_EQ(check_u32(live.data + 48), (uint32_t)getpid());
  CHECK(is_zero(live.data + 64, LIVE_SIZE - 64));
  free(live.data);
  CHECK_OK(immuta_close(log, ERR));
  live = check_read_file(check_path("a.live")); /* it stays, and says that there is no writer */
  CHECK_EQ(live.size, LIVE_SIZE);
  CHECK_EQ(check_u64(live.data + 24), 0);
  free(live.data);
}

/* ---- Who changes nothing ---- */

static void readers_and_verify_change_no_byte_of_a_closed_log(void) {
  immuta_log *log = OPEN();
  for (uint64_t i = 0; i < 100; i++) check_append(log, 0, i, i);
  CHECK_OK(immuta_close(log, ERR));
  check_file records = check_read_file(check_path("a.log")), idx = check_read_file(check_path("a.idx"));
  log = OPEN(.read_only = 1);
  CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_CLEAN);
  immuta_stream *stream = check_stream(log, 0, 0);
  for (uint64_t i = 0; i < 100; i++) check_next(stream, i, i, i);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  expect_unchanged("a.log", records);
  expect_unchanged("a.idx", idx);

  immuta_report report;
  CHECK_OK(immuta_verify(check_dir(), "a", NULL, NULL, NULL, &report, sizeof report, ERR));
  CHECK_EQ(report.outcome, IMMUTA_OUTCOME_CLEAN);
  CHECK_EQ(report.finding, IMMUTA_OK);
  CHECK_EQ(report.count, 100);
  CHECK_EQ(report.bad_records, 0);
  expect_unchanged("a.log", records);
  expect_unchanged("a.idx", idx);
  expect_files("a.idx a.live a.log ");
  free(records.data);
  free(idx.data);
}

static const check_case cases[] = {
    CASE(hello_world_is_a_file_of_27_bytes),
    CASE(an_empty_log_is_eight_zero_bytes),
    CASE(records_lie_one_after_the_other_while_open_and_after_close),
    CASE(a_refused_append_changes_no_byte),
    CASE(a_log_is_three_files_and_nothing_else),
    CASE(the_live_file_is_one_page),
    CASE(readers_and_verify_change_no_byte_of_a_closed_log),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
