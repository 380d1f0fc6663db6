/* What the suites about files of the original share: where those files are, and the messages they hold. */
#ifndef IMMUTA_GOLDEN_H
#define IMMUTA_GOLDEN_H
#include "check.h"

static inline const char *golden(const char *name) {
  static char path[1024];
  snprintf(path, sizeof path, "%s/%s.log", CHECK_GOLDEN, name);
  return path;
}

/* Puts a golden file where namespace "a" looks for its records. */
static inline check_file place(const char *name) {
  check_copy_file(golden(name), check_path("a.log"));
  return check_read_file(golden(name));
}

enum { MESSAGES = 9, MESSAGE_MAX = 70000 };

/* The messages every non-empty golden file holds, as its README lists them; the size of message `number`. */
static inline size_t message(uint64_t number, unsigned char *bytes) {
  static const unsigned char ff[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};
  static const char greek[] = "\xce\xba\xcf\x8c\xcf\x83\xce\xbc\xce\xb5 \xe2\x9c\x93 immuta";
  switch (number) {
    case 0: return memcpy(bytes, "hello world", 11), 11;
    case 1: return 0;
    case 2: return bytes[0] = 0, 1;
    case 3: return memcpy(bytes, greek, sizeof greek - 1), sizeof greek - 1;
    case 4: return check_fill(bytes, 4096, 1), 4096;
    case 5: return check_fill(bytes, 70000, 2), 70000;
    case 6:
      for (int i = 0; i < 15000; i++) bytes[i] = (unsigned char)"abc"[i % 3];
      return 15000;
    case 7: return memset(bytes, 0, 64), 64;
    default: return memcpy(bytes, ff, sizeof ff), sizeof ff;
  }
}

/* The log begins with those messages, adopted. */
static inline void expect_messages(immuta_log *log) {
  unsigned char *bytes = malloc(MESSAGE_MAX);
  CHECK(bytes != NULL);
  immuta_stream *stream = check_stream(log, 0, 0);
  for (uint64_t i = 0; i < MESSAGES; i++) {
    immuta_record record;
    size_t size = message(i, bytes);
    CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
    CHECK_EQ(record.flags & IMMUTA_RECORD_ADOPTED, IMMUTA_RECORD_ADOPTED);
    CHECK_BYTES(record.data, record.size, bytes, size);
    CHECK_OK(immuta_record_done(&record));
  }
  immuta_stream_done(stream);
  free(bytes);
}

#endif
