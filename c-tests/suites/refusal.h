/* Helpers of the suites about files that the library refuses. They make a log, expect that opening it is refused and
 * changes no byte, and expect that the records that can be read are read. */
#ifndef IMMUTA_REFUSAL_H
#define IMMUTA_REFUSAL_H
#include "snapshot.h"

enum { RECORD_BYTES = 100 };

static inline void make_log(const char *name, uint64_t records, size_t record_bytes) {
  immuta_log *log = OPEN(.names = {name});
  for (uint64_t i = 0; i < records; i++) check_append(log, 0, record_bytes, i);
  CHECK_OK(immuta_close(log, ERR));
}

static inline uint64_t offset_of(uint64_t number) { return 8 + number * (8 + RECORD_BYTES); }

/* The namespace is refused, the message names `part`, and nothing changes. */
static inline void expect_refused_as(immuta_status expected, const char *name, int read_only, const char *part) {
  immuta_log *log = NULL;
  check_snapshot before = check_snapshot_take();
  CHECK_STATUS(expected, TRY_OPEN(&log, .names = {name}, .read_only = read_only));
  CHECK_MESSAGE(part);
  CHECK(log == NULL);
  check_snapshot_unchanged(&before);
}

static inline void expect_refused(immuta_status expected, const char *part) {
  expect_refused_as(expected, "a", 0, part);
}

/* Opened read-only the damaged log says what is wrong with it and gives its first `records`. */
static inline void expect_read_anyway(immuta_status finding, uint64_t records) {
  check_snapshot before = check_snapshot_take();
  immuta_log *log = OPEN(.read_only = 1);
  immuta_report report = check_report(log, 0);
  CHECK_EQ(report.outcome, IMMUTA_OUTCOME_DAMAGED);
  CHECK_EQ(report.finding, finding);
  immuta_stream *stream = check_stream(log, 0, 0);
  for (uint64_t i = 0; i < records; i++) {
    immuta_record record;
    CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
    CHECK(record.number == i && check_is_fill(record.data, record.size, i));
    CHECK_OK(immuta_record_done(&record));
  }
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  check_snapshot_unchanged(&before);
}

static inline immuta_report verify_unchanged(void) {
  immuta_report report;
  check_snapshot before = check_snapshot_take();
  CHECK_OK(immuta_verify(check_dir(), "a", NULL, NULL, NULL, &report, sizeof report, ERR));
  check_snapshot_unchanged(&before);
  return report;
}

#endif
