/* What the suites of durable mode share: logs of namespace "a" whose record n has bytes that follow from n, left by a
 * writer that was killed, and what a power failure may have made of them since. */
#ifndef IMMUTA_DURABLE_H
#define IMMUTA_DURABLE_H
#include "check/journal.h"
#include "snapshot.h"

enum {
  JOURNAL_BYTES = 64 << 10,
  HALF_BYTES = JOURNAL_BYTES / 2,
  BODY_BYTES_MAX = HALF_BYTES - WAL_PAGE - WAL_FRAME, /* of the longest frame */
  FRAMES_MAX = 512
};

/* OPEN(DURABLE): with the shortest journal. */
#define DURABLE .durable = 1, .journal_size = JOURNAL_BYTES

static inline size_t size_of(uint64_t number) { return 900 + (size_t)(number % 100); }

/* Appends records `from` up to `to`, one by one. */
static inline void append_records(immuta_log *log, uint64_t from, uint64_t to) {
  for (uint64_t i = from; i < to; i++) CHECK_EQ(check_append(log, 0, size_of(i), i).number, i);
}

/* Appends records `from` up to `to` as one batch. */
static inline void append_as_batch(immuta_log *log, uint64_t from, uint64_t to) {
  size_t count = (size_t)(to - from), size_max = size_of(99);
  immuta_slice *records = calloc(count, sizeof *records);
  unsigned char *bytes = malloc(count * size_max);
  CHECK(records != NULL && bytes != NULL);
  for (size_t i = 0; i < count; i++) {
    records[i] = (immuta_slice){bytes + i * size_max, size_of(from + i)};
    check_fill(bytes + i * size_max, records[i].size, from + i);
  }
  immuta_appended appended;
  CHECK_OK(immuta_append_batch(log, 0, records, count, &appended, ERR));
  CHECK_EQ(appended.number, from);
  free(records);
  free(bytes);
}

/* The log has exactly the records below `count`, for readers as in its files: closed, then looked at byte by byte. */
static inline void expect_records_and_close(immuta_log *log, uint32_t mode, uint64_t count) {
  image expected = image_new();
  immuta_stream *stream = check_stream(log, 0, 0);
  unsigned char bytes[1000];
  for (uint64_t i = 0; i < count; i++) {
    check_next(stream, i, size_of(i), i);
    check_fill(bytes, size_of(i), i);
    image_add(&expected, bytes, size_of(i));
  }
  check_end(stream);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  CHECK(!check_exists(check_path("a.wal")));
  expect_closed_file(check_path("a.log"), &expected);
  expect_closed_index_file_of(mode, count);
  free(expected.bytes);
}

/* Opening for durable writing mends the log, with the records below `count`, and reports what was wrong. */
static inline void expect_mended(uint64_t count, immuta_status finding) {
  immuta_log *log = OPEN(DURABLE);
  immuta_report report = check_report(log, 0);
  CHECK_EQ(report.outcome, IMMUTA_OUTCOME_RECOVERED);
  CHECK_EQ(report.finding, finding);
  CHECK_EQ(report.count, count);
  CHECK_EQ(check_stats(log, 0).durable_count, count);
  expect_records_and_close(log, IDX_MODE_DURABLE, count);
}

/* Opening for durable writing finds the log as a crash left it. */
static inline void expect_recovered(uint64_t count) { expect_mended(count, IMMUTA_OK); }

/* ---- Logs of a killed writer ---- */

typedef struct life {
  void (*live)(immuta_log *);
  int fast;
} life;

static inline void open_and_live(void *argument) {
  const life *self = argument;
  immuta_log *log = self->fast ? OPEN(.flush_interval_ns = -1) : OPEN(DURABLE);
  check_copy_file(check_path("a.log"), check_path("log.start"));
  check_copy_file(check_path("a.idx"), check_path("idx.start"));
  self->live(log);
}

static inline void leave_killed_in(int fast, void (*live)(immuta_log *)) {
  life self = {live, fast};
  check_fork_and_kill(open_and_live, &self);
  check_copy_file(check_path("a.log"), check_path("log.killed"));
  check_copy_file(check_path("a.idx"), check_path("idx.killed"));
  if (!fast) check_copy_file(check_path("a.wal"), check_path("wal.killed"));
}

/* Leaves the files as a durable writer has them that is killed after `live`, in a process of its own. */
static inline void leave_killed(void (*live)(immuta_log *)) { leave_killed_in(0, live); }

/* The power failed, too: the records and entries on the disk are only those from before the log was opened. */
static inline void throw_back(void) {
  check_copy_file(check_path("log.start"), check_path("a.log"));
  check_copy_file(check_path("idx.start"), check_path("a.idx"));
}

/* All files as they were when the writer was killed, whatever has been done to them since. */
static inline void put_back(void) {
  check_copy_file(check_path("log.killed"), check_path("a.log"));
  check_copy_file(check_path("idx.killed"), check_path("a.idx"));
  check_copy_file(check_path("wal.killed"), check_path("a.wal"));
}

static inline check_file read_journal(void) { return check_read_file(check_path("a.wal")); }

/* The files as that power failure left them, beside the journal `wal`, which is freed. */
static inline void throw_back_beside(check_file wal) {
  throw_back();
  check_write_file(check_path("a.wal"), wal.data, wal.size);
  free(wal.data);
}

/* ---- What the suites about bad journals start from: one frame in the first half for each of some records ---- */

enum { RECORDS = 12 };

static inline void live(immuta_log *log) { append_records(log, 0, RECORDS); }

/* Frame `number` of the first half of the journal that the killed writer left. */
static inline wal_frame killed_frame(size_t number) {
  wal_frame frames[FRAMES_MAX];
  check_file wal = check_read_file(check_path("wal.killed"));
  CHECK(wal_read_frames(wal, 0, frames, FRAMES_MAX) > number);
  free(wal.data);
  return frames[number];
}

/* The log is refused with a message that names `part`, and nothing changes. */
static inline void expect_refused(immuta_status expected, const char *part) {
  immuta_log *log = NULL;
  check_snapshot before = check_snapshot_take();
  CHECK_STATUS(expected, TRY_OPEN(&log, DURABLE));
  CHECK_MESSAGE(part);
  check_snapshot_unchanged(&before);
  CHECK_STATUS(expected, TRY_OPEN(&log, .names = {"a"})); /* in fast mode as well */
  check_snapshot_unchanged(&before);
}

#endif
