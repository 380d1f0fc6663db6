/* What the suites about the reader pool share: a log of a few records and a small pool, of which some are held. */
#ifndef IMMUTA_FEW_READERS_H
#define IMMUTA_FEW_READERS_H
#include "check.h"

enum { READERS = 3, RECORDS = 20, RECORD_SIZE = 100 };

/* A log with RECORDS records of check_fill(number), and READERS pooled descriptors. */
static inline immuta_log *open_filled(void) {
  immuta_log *log = OPEN(.readers = READERS);
  for (uint64_t i = 0; i < RECORDS; i++) check_append(log, 0, RECORD_SIZE, i);
  return log;
}

static inline void hold(immuta_stream *stream, immuta_record *records, size_t count) {
  for (size_t i = 0; i < count; i++) CHECK_OK(immuta_stream_next(stream, 0, &records[i], ERR));
}

static inline void expect_in_use(immuta_log *log, uint64_t count) {
  CHECK_EQ(check_stats(log, 0).readers_in_use, count);
}

#endif
