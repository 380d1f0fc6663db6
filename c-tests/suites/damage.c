/* Damage inside a log: one bad record is reported exactly and passed over. Damage after which acknowledged records may
 * be missing stops a writer. Records that verify are still read. */
#include "check.h"

#include "refusal.h"

enum { ENTRY_BYTES = 24, ENTRIES_AT = 4 * 4096 };

/* ---- Damaged records --------------------------------------------------------------------------------------------- */

/* Record 5 of 10 cannot be read, by any reader and however often it tries; all others can. The error has the offset of
 * the damage. */
static void expect_only_record_5_bad(uint64_t damaged_offset) {
  immuta_report report = verify_unchanged();
  CHECK_EQ(report.finding, IMMUTA_E_CORRUPT);
  CHECK_EQ(report.first_bad_number, 5);
  CHECK_EQ(report.first_bad_offset, offset_of(5));
  immuta_log *log = OPEN();
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record;
  for (uint64_t i = 0; i < 10; i++) {
    if (i == 5) {
      for (int again = 0; again < 2; again++) {
        CHECK_STATUS(IMMUTA_E_CORRUPT, immuta_stream_next(stream, 0, &record, ERR));
        CHECK_EQ(ERR->number, 5);
        CHECK_EQ(ERR->offset, damaged_offset);
        CHECK_MESSAGE("a.log");
      }
      CHECK_OK(immuta_stream_seek(stream, 6, ERR));
      continue;
    }
    CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
    CHECK(record.number == i && check_is_fill(record.data, record.size, i));
    CHECK_OK(immuta_record_done(&record));
  }
  CHECK_EQ(check_stats(log, 0).readers_in_use, 0);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void a_damaged_payload_is_told_and_passed_over(void) {
  make_log("a", 10, RECORD_BYTES);
  check_patch_file(check_path("a.log"), offset_of(5) + 8 + 99, "\xff", 1);
  expect_only_record_5_bad(offset_of(5));
  CHECK_EQ(verify_unchanged().bad_records, 1);
}

static void a_damaged_size_is_told_and_never_followed(void) {
  const uint64_t sizes[] = {0, 99, 101, UINT64_C(1) << 40, UINT64_MAX, UINT64_MAX - 7};
  make_log("a", 10, RECORD_BYTES);
  for (size_t i = 0; i < CHECK_COUNT(sizes); i++) {
    check_patch_file(check_path("a.log"), offset_of(5), &sizes[i], sizeof sizes[i]);
    expect_only_record_5_bad(offset_of(5));
  }
}

static void a_damaged_entry_is_told_and_passed_over(void) {
  make_log("a", 10, RECORD_BYTES);
  for (uint64_t byte = 0; byte < ENTRY_BYTES; byte += 4) {
    uint64_t at = ENTRIES_AT + 5 * ENTRY_BYTES + byte;
    check_file file = check_read_file(check_path("a.idx"));
    unsigned char flipped = (unsigned char)~file.data[at];
    check_patch_file(check_path("a.idx"), at, &flipped, 1);
    expect_only_record_5_bad(ENTRIES_AT + 5 * ENTRY_BYTES);
    check_write_file(check_path("a.idx"), file.data, file.size);
    free(file.data);
    immuta_report report = verify_unchanged();
    CHECK_EQ(report.finding, IMMUTA_OK);
  }
}

/* Row O25. */
static void damage_at_either_end_stops_a_writer(void) {
  const uint64_t ends[] = {0, 9};
  make_log("a", 10, RECORD_BYTES);
  for (size_t i = 0; i < CHECK_COUNT(ends); i++) {
    check_file file = check_read_file(check_path("a.log"));
    check_patch_file(check_path("a.log"), offset_of(ends[i]) + 8, "\xff\xfe", 2);
    expect_refused(IMMUTA_E_CORRUPT, "a.log");
    CHECK_EQ(ERR->number, ends[i]);
    CHECK_EQ(ERR->offset, offset_of(ends[i]));
    expect_read_anyway(IMMUTA_E_CORRUPT, ends[i]);
    check_write_file(check_path("a.log"), file.data, file.size);
    free(file.data);
  }
  CHECK_OK(immuta_close(OPEN(), ERR));
}

/* ---- Sizes and counts that do not fit ---------------------------------------------------------------------------- */

/* Row O26. */
static void a_log_cut_short_stops_a_writer(void) {
  const uint64_t kept[] = {offset_of(10) - 1, offset_of(9), offset_of(5) + 50, 8, 7, 0};
  make_log("a", 10, RECORD_BYTES);
  check_file file = check_read_file(check_path("a.log"));
  for (size_t i = 0; i < CHECK_COUNT(kept); i++) {
    check_write_file(check_path("a.log"), file.data, kept[i]);
    expect_refused(IMMUTA_E_TRUNCATED, "a.log");
    if (kept[i] < 8) expect_refused_as(IMMUTA_E_TRUNCATED, "a", 1, "a.log");
    else expect_read_anyway(IMMUTA_E_TRUNCATED, (kept[i] - 8) / (8 + RECORD_BYTES));
  }
  check_write_file(check_path("a.log"), file.data, file.size);
  free(file.data);
  CHECK_OK(immuta_close(OPEN(), ERR));
}

static void a_count_that_does_not_fit_stops_a_writer(void) {
  const uint64_t more[] = {11, 1000000, UINT64_MAX}, fewer[] = {9, 0};
  make_log("a", 10, RECORD_BYTES);
  for (size_t i = 0; i < CHECK_COUNT(more); i++) {
    check_patch_file(check_path("a.log"), 0, &more[i], 8);
    expect_refused(IMMUTA_E_MISMATCH, "a.");
  }
  for (size_t i = 0; i < CHECK_COUNT(fewer); i++) {
    check_patch_file(check_path("a.log"), 0, &fewer[i], 8);
    immuta_log *log = NULL;
    check_snapshot before = check_snapshot_take();
    immuta_status status = TRY_OPEN(&log, .names = {"a"});
    CHECK(status == IMMUTA_E_TRUNCATED || status == IMMUTA_E_CORRUPT);
    check_snapshot_unchanged(&before);
  }
}

static const check_case cases[] = {
    CASE(a_damaged_payload_is_told_and_passed_over),
    CASE(a_damaged_size_is_told_and_never_followed),
    CASE(a_damaged_entry_is_told_and_passed_over),
    CASE(damage_at_either_end_stops_a_writer),
    CASE(a_log_cut_short_stops_a_writer),
    CASE(a_count_that_does_not_fit_stops_a_writer),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
