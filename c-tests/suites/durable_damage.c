/* Journals in every state: torn, damaged, of another time or log, and forged with right checksums. Frames that verify
 * and continue the records are replayed. If acknowledged records are missing, the log is refused and nothing changes.
 * Good bytes stay. */
#include "check.h"

#include "durable.h"

/* The journal of the killed writer; free() its data. */
static check_file killed_journal(void) { return check_read_file(check_path("wal.killed")); }

/* In the files as the kill left them the journal does not matter. After a power failure only the journal has the
 * records. */
static void expect_of_journal(check_file wal, uint64_t replayed) {
  put_back();
  check_write_file(check_path("a.wal"), wal.data, wal.size);
  expect_recovered(RECORDS);
  throw_back_beside(wal);
  expect_recovered(replayed);
}

/* ---- Torn and damaged ---- */

static void a_frame_cut_anywhere_ends_the_journal_before_it(void) {
  leave_killed(live);
  const wal_frame last = killed_frame(RECORDS - 1);
  const size_t cuts[] = {0, 1, 7, 8, 16, 24, 32, 40, 48, 51, 52, 53, 60, 61, 500, last.end - last.at - 1};
  for (size_t i = 0; i < CHECK_COUNT(cuts); i++) {
    check_file wal = killed_journal();
    CHECK(!is_zero(wal.data + last.at + cuts[i], last.end - last.at - cuts[i]));
    memset(wal.data + last.at + cuts[i], 0, last.end - last.at - cuts[i]);
    expect_of_journal(wal, RECORDS - 1);
  }
}

static void a_damaged_frame_ends_the_journal_before_it(void) {
  leave_killed(live);
  const wal_frame frame = killed_frame(4);
  for (size_t at = 0; at < WAL_FRAME + 20; at += check_rounds(1, 7)) {
    check_file wal = killed_journal();
    wal.data[frame.at + at] ^= 0x10;
    expect_of_journal(wal, 4);
  }
}

static void a_torn_header_means_empty(void) {
  leave_killed(live);
  const size_t damaged[] = {0, 8, 12, 16, 24, 40, 48, 56, 64, 72, 2000, WAL_CRC_AT};
  for (size_t i = 0; i < CHECK_COUNT(damaged); i++) {
    check_file wal = killed_journal();
    wal.data[damaged[i]] ^= 1;
    expect_of_journal(wal, 0);
  }
}

static void a_journal_cut_short_has_what_is_left(void) {
  leave_killed(live);
  const size_t sizes[] = {0, 1, WAL_PAGE - 1, WAL_PAGE, WAL_PAGE + WAL_FRAME};
  for (size_t i = 0; i < CHECK_COUNT(sizes); i++) {
    check_file wal = killed_journal();
    wal.size = sizes[i];
    expect_of_journal(wal, 0);
  }
  check_file wal = killed_journal();
  wal.size = killed_frame(6).at + 100;
  expect_of_journal(wal, 6);
}

static void a_journal_that_is_gone_leaves_what_the_files_have(void) {
  leave_killed(live);
  CHECK(unlink(check_path("a.wal")) == 0);
  expect_mended(RECORDS, IMMUTA_E_MISSING);
}

/* The count says that there were more records: it reaches the disk only after the frame. */
static void a_count_beyond_what_verifies_is_missing_records(void) {
  leave_killed(live);
  throw_back();
  check_patch_file(check_path("a.log"), 0, "\5\0\0\0\0\0\0\0", 8);
  check_write_file(check_path("a.wal"), "", 0);
  expect_refused(IMMUTA_E_CORRUPT, "a.log");
  check_copy_file(check_path("wal.killed"), check_path("a.wal"));
  check_patch_file(check_path("a.wal"), killed_frame(4).at, "\0\0\0\0\0\0\0\0", 8);
  expect_refused(IMMUTA_E_CORRUPT, "4 that verify");
  check_copy_file(check_path("wal.killed"), check_path("a.wal"));
  expect_recovered(RECORDS);
}

/* ---- Both halves ---- */

enum { TWO_HALVES = 40 };

static void live_over_two_halves(immuta_log *log) {
  append_records(log, 0, TWO_HALVES);
  CHECK_OK(immuta_sync(log, 0, ERR)); /* so that no checkpoint comes by itself when the files are copied */
}

static void a_damaged_older_half_is_noticed_where_the_newer_one_needs_it(void) {
  leave_killed(live_over_two_halves);
  check_file wal = killed_journal();
  CHECK_EQ(wal_read_header(wal, 1).generation, 2);
  wal.data[killed_frame(RECORDS).at + WAL_FRAME] ^= 1;
  check_write_file(check_path("a.wal"), wal.data, wal.size);
  expect_recovered(TWO_HALVES); /* the files have it all */
  throw_back_beside(wal);
  expect_refused(IMMUTA_E_CORRUPT, "a.wal");
  CHECK_EQ(check_error.number, RECORDS);
  throw_back();
  check_copy_file(check_path("wal.killed"), check_path("a.wal"));
  expect_recovered(TWO_HALVES);
}

static void a_damaged_older_half_that_a_checkpoint_covers_does_not_matter(void) {
  leave_killed(live_over_two_halves);
  check_file wal = killed_journal();
  wal.data[100] ^= 1;
  wal.data[WAL_PAGE + 100] ^= 1;
  check_write_file(check_path("a.wal"), wal.data, wal.size);
  expect_recovered(TWO_HALVES);
  free(wal.data);
}

static void a_damaged_newer_half_ends_the_journal_before_it(void) {
  leave_killed(live_over_two_halves);
  check_file wal = killed_journal();
  wal_frame newer[FRAMES_MAX];
  CHECK(wal_read_frames(wal, 1, newer, FRAMES_MAX) > 2);
  wal.data[newer[2].at + WAL_FRAME] ^= 1;
  throw_back_beside(wal);
  expect_recovered(newer[2].first_number);
}

/* ---- Of another time, of another log ---- */

enum { FOUND_LATER = 5 };

/* Other records than the first writer's, in the same places. */
static void live_differently(immuta_log *log) {
  CHECK_EQ(check_stats(log, 0).count, FOUND_LATER);
  for (uint64_t i = FOUND_LATER; i < RECORDS; i++) check_append(log, 0, size_of(i), 1000 + i);
}

static void expect_second_writers_records(uint64_t count) {
  immuta_log *log = OPEN(DURABLE);
  immuta_stream *stream = check_stream(log, 0, 0);
  for (uint64_t i = 0; i < count; i++) check_next(stream, i, size_of(i), i < FOUND_LATER ? i : 1000 + i);
  check_end(stream);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

/* The first writer's last frames had been damaged and are good again, as from a copy; they would continue what the
 * second one found. */
static void a_journal_of_an_older_writer_does_not_count(void) {
  leave_killed(live);
  check_file older = killed_journal();
  throw_back();
  check_patch_file(check_path("a.wal"), killed_frame(FOUND_LATER).at, "\xff", 1);
  leave_killed(live_differently);
  check_write_file(check_path("a.wal"), older.data, older.size);
  expect_second_writers_records(RECORDS);
  throw_back_beside(older);
  expect_second_writers_records(FOUND_LATER);
}

/* Even if its writer's epoch were the same. */
static void a_journal_of_another_log_does_not_count(void) {
  leave_killed(live);
  check_file other = killed_journal();
  CHECK(unlink(check_path("a.log")) == 0 && unlink(check_path("a.idx")) == 0 && unlink(check_path("a.wal")) == 0);
  leave_killed(live);
  check_file own = killed_journal();
  CHECK(memcmp(other.data + WAL_LOG_ID_AT, own.data + WAL_LOG_ID_AT, 16) != 0);
  memcpy(other.data + WAL_EPOCH_AT, own.data + WAL_EPOCH_AT, 8);
  wal_seal_header(other, 0);
  free(own.data);
  expect_of_journal(other, 0);
}

/* Even if it would continue the records, and its writer's epoch were that of the one who closed. */
static void a_journal_beside_a_closed_log_does_not_count(void) {
  leave_killed(live);
  check_file wal = killed_journal();
  throw_back();
  check_patch_file(check_path("a.wal"), killed_frame(FOUND_LATER).at, "\xff", 1);
  expect_recovered(FOUND_LATER);
  for (int fast = 0; fast < 2; fast++) {
    put_u64(wal.data + WAL_EPOCH_AT, newest_on_disk().epoch);
    wal_seal_header(wal, 0);
    check_write_file(check_path("a.wal"), wal.data, wal.size);
    immuta_log *log = fast ? OPEN() : OPEN(DURABLE);
    CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_CLEAN);
    expect_records_and_close(log, fast ? IDX_MODE_FAST : IDX_MODE_DURABLE, FOUND_LATER);
  }
  free(wal.data);
}

static void records_are_missed_where_a_journal_knows_them(void) {
  leave_killed(live);
  CHECK(unlink(check_path("a.log")) == 0);
  expect_refused(IMMUTA_E_MISSING, "a.");
  CHECK(unlink(check_path("a.idx")) == 0);
  expect_refused(IMMUTA_E_MISSING, "a.wal");
  put_back();
  expect_recovered(RECORDS);
}

static void records_without_an_index_file_go_on_in_the_journal(void) {
  leave_killed(live);
  for (int thrown_back = 0; thrown_back < 2; thrown_back++) {
    put_back();
    if (thrown_back) throw_back();
    check_copy_file(check_path("wal.killed"), check_path("a.wal"));
    CHECK(unlink(check_path("a.idx")) == 0);
    immuta_log *log = OPEN(DURABLE);
    CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_ADOPTED);
    CHECK_EQ(check_report(log, 0).adopted, RECORDS);
    immuta_stream *stream = check_stream(log, 0, 0);
    for (uint64_t i = 0; i < RECORDS; i++) check_next(stream, i, size_of(i), i);
    check_end(stream);
    immuta_stream_done(stream);
    CHECK_OK(immuta_close(log, ERR));
  }
}

static void a_journal_with_one_checkpoint_damaged_counts_if_it_continues(void) {
  leave_killed(live);
  throw_back();
  check_file idx = check_read_file(check_path("a.idx"));
  for (int page = 1; page <= 2; page++) {
    check_write_file(check_path("a.idx"), idx.data, idx.size);
    check_patch_file(check_path("a.idx"), (uint64_t)page * IDX_PAGE, "\xff", 1);
    check_copy_file(check_path("wal.killed"), check_path("a.wal"));
    check_copy_file(check_path("log.start"), check_path("a.log"));
    expect_mended(RECORDS, IMMUTA_E_CORRUPT);
  }
  free(idx.data);
}

static const check_case cases[] = {
    CASE(a_frame_cut_anywhere_ends_the_journal_before_it),
    CASE(a_damaged_frame_ends_the_journal_before_it),
    CASE(a_torn_header_means_empty),
    CASE(a_journal_cut_short_has_what_is_left),
    CASE(a_journal_that_is_gone_leaves_what_the_files_have),
    CASE(a_count_beyond_what_verifies_is_missing_records),
    CASE(a_damaged_older_half_is_noticed_where_the_newer_one_needs_it),
    CASE(a_damaged_older_half_that_a_checkpoint_covers_does_not_matter),
    CASE(a_damaged_newer_half_ends_the_journal_before_it),
    CASE(a_journal_of_an_older_writer_does_not_count),
    CASE(a_journal_of_another_log_does_not_count),
    CASE(a_journal_beside_a_closed_log_does_not_count),
    CASE(records_are_missed_where_a_journal_knows_them),
    CASE(records_without_an_index_file_go_on_in_the_journal),
    CASE(a_journal_with_one_checkpoint_damaged_counts_if_it_continues),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
