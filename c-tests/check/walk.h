/* An independent walk over the record layout: a message count, then for each record a size word and its payload. It
 * knows nothing of the library, and reads nothing but the bytes it is given. */
#ifndef IMMUTA_CHECK_WALK_H
#define IMMUTA_CHECK_WALK_H
#include <stddef.h>
#include <stdint.h>

typedef struct walk_result {
  const char *wrong; /* NULL if the bytes are a record file, else what is wrong */
  uint64_t count;    /* the records walked over */
  uint64_t end;      /* where the last one ends */
} walk_result;

static inline uint64_t walk_u64(const unsigned char *at) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; i--) value = value << 8 | at[i];
  return value;
}

/* Walks the number of records that the count says; the file may continue after them. */
static inline walk_result walk_open(const unsigned char *file, size_t size) {
  walk_result walked = {NULL, 0, 8};
  if (size < 8) return (walk_result){"the file has no count", 0, 0};
  for (const uint64_t count = walk_u64(file); walked.count < count; walked.count++) {
    if (size - walked.end < 8) return walked.wrong = "a size word is cut off", walked;
    const uint64_t payload = walk_u64(file + walked.end);
    if (payload > size - walked.end - 8) return walked.wrong = "a payload is cut off", walked;
    walked.end += 8 + payload;
  }
  return walked;
}

/* As walk_open, for a file closed cleanly: it ends with its last record. */
static inline walk_result walk_closed(const unsigned char *file, size_t size) {
  walk_result walked = walk_open(file, size);
  if (walked.wrong == NULL && walked.end != size) walked.wrong = "bytes follow the last record";
  return walked;
}

#endif
