/* Forged journals: right checksums over false numbers, payloads that look like frames and headers, and files that are
 * no journal at all. Never a crash, a hang, or good records overwritten. */
#include "check.h"

#include "durable.h"

#include <sys/types.h>

/* ---- Right checksums, lying numbers ---- */

enum { FORGED = 6 }; /* the false frame; there are frames after it */

typedef struct lie {
  const char *about;
  size_t field;
  uint64_t value;
  int64_t count; /* records found then; -1: refused */
} lie;

static void write_forged_frame(size_t number, size_t field, uint64_t value) {
  check_file wal = check_read_file(check_path("wal.killed"));
  wal_frame frame = killed_frame(number);
  put_u64(wal.data + frame.at + field, value);
  if (check_u64(wal.data + frame.at) & wal_in_place) frame.end = frame.at + WAL_FRAME;
  wal_seal_frame(wal, &frame, wal_read_header(wal, 0).salt);
  throw_back_beside(wal);
}

static void a_frame_that_lies_is_refused_or_the_end(void) {
  leave_killed(live);
  const wal_frame frame = killed_frame(FORGED);
  const lie lies[] = {
      {"no records", FRAME_COUNT_AT, 0, FORGED},
      {"more records than bytes", FRAME_COUNT_AT, frame.length / 8 + 1, FORGED},
      {"more records than any file has", FRAME_COUNT_AT, UINT64_MAX, FORGED},
      {"one record more", FRAME_COUNT_AT, 2, -1},
      {"longer than the journal", FRAME_LENGTH_AT, JOURNAL_BYTES, FORGED},
      {"longer than any file", FRAME_LENGTH_AT, wal_in_place - 1, FORGED},
      {"the next sequence", FRAME_SEQUENCE_AT, frame.sequence + 1, FORGED},
      {"the sequence before", FRAME_SEQUENCE_AT, frame.sequence - 1, FORGED},
      {"a later record", FRAME_NUMBER_AT, frame.first_number + 1, -1},
      {"a record before", FRAME_NUMBER_AT, frame.first_number - 1, -1},
      {"the first record", FRAME_NUMBER_AT, 0, -1},
      {"the last number there is", FRAME_NUMBER_AT, UINT64_MAX, FORGED},
      {"a later offset", FRAME_OFFSET_AT, frame.offset + 8, -1},
      {"the offset of the count", FRAME_OFFSET_AT, 0, -1},
      {"the offset of the first record", FRAME_OFFSET_AT, 8, -1},
      {"an offset beyond any file", FRAME_OFFSET_AT, UINT64_C(1) << 47, FORGED},
      {"in place, where nothing is", FRAME_LENGTH_AT, frame.length | wal_in_place, -1},
  };
  for (size_t i = 0; i < CHECK_COUNT(lies); i++) {
    printf("%s%s", i == 0 ? "" : ", ", lies[i].about);
    write_forged_frame(FORGED, lies[i].field, lies[i].value);
    if (lies[i].count < 0) expect_refused(IMMUTA_E_CORRUPT, "a.wal");
    else expect_recovered((uint64_t)lies[i].count);
  }
  printf(" ... ");
}

/* The records have reached their place; then a frame says that the first of them is another. */
static void a_frame_that_lies_overwrites_no_good_record(void) {
  const uint64_t offsets[] = {0, 8, 100, 1000000};
  leave_killed(live);
  check_file wal = check_read_file(check_path("wal.killed"));
  const uint64_t salt = wal_read_header(wal, 0).salt;
  const wal_frame last = killed_frame(RECORDS - 1);
  for (size_t i = 0; i < CHECK_COUNT(offsets); i++) {
    put_back();
    put_u64(wal.data + last.at + FRAME_NUMBER_AT, 0);
    put_u64(wal.data + last.at + FRAME_OFFSET_AT, offsets[i]);
    wal_seal_frame(wal, &last, salt);
    check_write_file(check_path("a.wal"), wal.data, wal.size);
    expect_refused(IMMUTA_E_CORRUPT, "a.wal");
  }
  free(wal.data);
}

static void a_record_that_lies_about_its_size_is_refused(void) {
  leave_killed(live);
  const uint64_t sizes[] = {0, size_of(FORGED) - 1, size_of(FORGED) + 1, UINT64_MAX, UINT64_C(1) << 47};
  for (size_t i = 0; i < CHECK_COUNT(sizes); i++) {
    write_forged_frame(FORGED, WAL_FRAME, sizes[i]); /* the first bytes after the head */
    expect_refused(IMMUTA_E_CORRUPT, "a.wal");
  }
}

/* The expected result of a lie whose meaning this version of the library cannot know. */
enum { NEWER = -2 };

static void a_header_that_lies_is_refused_or_does_not_count(void) {
  leave_killed(live);
  const lie lies[] = {
      {"another size", WAL_SIZE_AT, 2 * JOURNAL_BYTES, RECORDS},
      {"no room for a frame", WAL_SIZE_AT, 2 * WAL_PAGE, NEWER},
      {"size 0", WAL_SIZE_AT, 0, NEWER},
      {"an odd size", WAL_SIZE_AT, JOURNAL_BYTES + 1, NEWER},
      {"more than the library makes", WAL_SIZE_AT, UINT64_C(1) << 40, NEWER},
      {"the largest size", WAL_SIZE_AT, -(uint64_t)(2 * WAL_PAGE), NEWER},
      {"a later version", 8, UINT64_C(0x100000000002), NEWER},
      {"another epoch", WAL_EPOCH_AT, 1, 0},
      {"generation 0", WAL_GENERATION_AT, 0, RECORDS},
      {"the last generation", WAL_GENERATION_AT, UINT64_MAX, RECORDS},
      {"another salt", 56, 1, 0},
      {"a later record", WAL_FIRST_NUMBER_AT, 1, -1},
      {"the last number there is", WAL_FIRST_NUMBER_AT, UINT64_MAX, -1},
      {"a later offset", 72, 16, -1},
      {"an offset beyond any file", 72, UINT64_MAX, -1},
  };
  for (size_t i = 0; i < CHECK_COUNT(lies); i++) {
    printf("%s%s", i == 0 ? "" : ", ", lies[i].about);
    check_file wal = check_read_file(check_path("wal.killed"));
    put_u64(wal.data + lies[i].field, lies[i].value);
    wal_seal_header(wal, 0);
    throw_back_beside(wal);
    if (lies[i].count == NEWER) expect_refused(IMMUTA_E_VERSION, "a.wal");
    else if (lies[i].count < 0) expect_refused(IMMUTA_E_CORRUPT, "a.wal");
    else expect_recovered((uint64_t)lies[i].count);
  }
  printf(" ... ");
}

static void two_halves_alike_are_refused(void) {
  leave_killed(live);
  check_file wal = check_read_file(check_path("wal.killed"));
  memcpy(wal.data + HALF_BYTES, wal.data, HALF_BYTES);
  throw_back_beside(wal);
  expect_refused(IMMUTA_E_CORRUPT, "a.wal");
}

/* A journal that claims to be of 1 GiB, with one frame that claims a quarter of it, in a file that has the size:
 * nothing is reserved for it. */
static void a_huge_journal_takes_no_memory(void) {
  leave_killed(live);
  check_file wal = check_read_file(check_path("wal.killed"));
  const wal_frame first = killed_frame(0);
  put_u64(wal.data + WAL_SIZE_AT, UINT64_C(1) << 30);
  wal_seal_header(wal, 0);
  put_u64(wal.data + first.at, UINT64_C(1) << 28);
  throw_back_beside(wal);
  if (truncate(check_path("a.wal"), INT64_C(1) << 30) != 0) CHECK_SKIP("no files of 1 GiB here");
  const rlim_t room = check_data_bytes() + (UINT64_C(1) << 27); /* half of what the frame says */
  check_limit(RLIMIT_DATA, room);
  expect_recovered(0);
}

/* ---- Payloads that look like something ---- */

/* Appends a record that holds a frame which would verify, and one that holds a header of the next generation. */
static void live_with_look_alikes(immuta_log *log) {
  live(log);
  check_file wal = read_journal();
  const uint64_t salt = wal_read_header(wal, 0).salt;
  wal_frame frames[FRAMES_MAX];
  CHECK_EQ(wal_read_frames(wal, 0, frames, FRAMES_MAX), RECORDS);
  const wal_frame last = frames[RECORDS - 1];
  unsigned char *bytes = wal.data + last.at;
  put_u64(bytes + FRAME_SEQUENCE_AT, last.sequence + 1);
  put_u64(bytes + FRAME_NUMBER_AT, RECORDS);
  put_u64(bytes + FRAME_OFFSET_AT, last.offset + last.length);
  wal_seal_frame(wal, &last, salt);
  CHECK_OK(immuta_append(log, 0, bytes, last.end - last.at, NULL, ERR));
  put_u64(wal.data + WAL_GENERATION_AT, 2);
  wal_seal_header(wal, 0);
  for (int i = 0; i < 3; i++) CHECK_OK(immuta_append(log, 0, wal.data, WAL_PAGE, NULL, ERR));
  free(wal.data);
}

static void expect_look_alikes(uint64_t count) {
  immuta_log *log = OPEN(DURABLE);
  CHECK_EQ(check_stats(log, 0).count, count);
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record;
  for (uint64_t i = 0; i < RECORDS; i++) check_next(stream, i, size_of(i), i);
  for (uint64_t i = RECORDS; i < count; i++) {
    CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
    CHECK_EQ(record.size, i == RECORDS ? WAL_FRAME + 8 + size_of(RECORDS - 1) : WAL_PAGE);
    CHECK_OK(immuta_record_done(&record));
  }
  check_end(stream);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void payloads_are_never_taken_for_frames_or_headers(void) {
  leave_killed(live_with_look_alikes);
  throw_back();
  expect_look_alikes(RECORDS + 4);
  check_file wal = check_read_file(check_path("wal.killed"));
  wal.data[killed_frame(RECORDS).at] ^= 1; /* the frame around the frame */
  throw_back_beside(wal);
  expect_look_alikes(RECORDS);
}

/* ---- No journal at all ---- */

static void expect_not_regular(void) {
  expect_refused(IMMUTA_E_NOT_REGULAR, "a.wal");
  CHECK(remove(check_path("a.wal")) == 0);
}

static void make_odd_things_and_expect_refusals(void) {
  const char *journal = check_path("a.wal");
  CHECK(mkdir(journal, 0777) == 0);
  expect_not_regular();
  CHECK(mkfifo(journal, 0666) == 0);
  expect_not_regular(); /* and does not wait for a process at the other end */
  CHECK(symlink("log.killed", journal) == 0);
  expect_not_regular();
}

static void only_regular_files_are_journals(void) {
  leave_killed(live);
  CHECK(unlink(check_path("a.wal")) == 0);
  make_odd_things_and_expect_refusals();
  expect_mended(RECORDS, IMMUTA_E_MISSING);
}

/* The journal of a closed log is not looked at. A durable writer needs the journal's name; a fast writer leaves a
 * non-file there alone. */
static void what_is_no_file_is_not_removed(void) {
  immuta_log *log = OPEN(DURABLE);
  CHECK_OK(immuta_close(log, ERR));
  CHECK(mkdir(check_path("a.wal"), 0777) == 0);
  check_snapshot before = check_snapshot_take();
  log = NULL;
  CHECK_STATUS(IMMUTA_E_NOT_REGULAR, TRY_OPEN(&log, DURABLE));
  CHECK_MESSAGE("a.wal");
  check_snapshot_unchanged(&before);
  log = OPEN(.names = {"a"});
  check_append(log, 0, 10, 0);
  CHECK_OK(immuta_close(log, ERR));
  CHECK(rmdir(check_path("a.wal")) == 0);
}

static const check_case cases[] = {
    CASE(a_frame_that_lies_is_refused_or_the_end),
    CASE(a_frame_that_lies_overwrites_no_good_record),
    CASE(a_record_that_lies_about_its_size_is_refused),
    CASE(a_header_that_lies_is_refused_or_does_not_count),
    CASE(two_halves_alike_are_refused),
    CASE(a_huge_journal_takes_no_memory),
    CASE(payloads_are_never_taken_for_frames_or_headers),
    CASE(only_regular_files_are_journals),
    CASE(what_is_no_file_is_not_removed),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
