/* What the suites about streams and records share: a log whose n-th record has a size and bytes known from n. */
#ifndef IMMUTA_FILLED_H
#define IMMUTA_FILLED_H
#include "check.h"

/* A log with `count` records: record n is check_fill(n) of 10 + n % 50 bytes. */
static inline size_t size_of(uint64_t number) { return 10 + (size_t)(number % 50); }

static inline immuta_log *open_filled(uint64_t count) {
  immuta_log *log = OPEN();
  for (uint64_t i = 0; i < count; i++) check_append(log, 0, size_of(i), i);
  return log;
}

static inline void expect(immuta_stream *stream, uint64_t number) {
  check_next(stream, number, size_of(number), number);
}

static inline void expect_position(immuta_stream *stream, uint64_t expected) {
  uint64_t position = UINT64_MAX;
  CHECK_OK(immuta_stream_position(stream, &position));
  CHECK_EQ(position, expected);
}

static inline void end(immuta_log *log, immuta_stream *stream) {
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

#endif
