/* The records of the kill test: 24 bytes that say number and batch, then bytes that follow from the number.
 *
 *   0 u64 number   8 u64 first number of the batch   16 u64 records in the batch   24 .. splitmix64 of the number */
#ifndef PAYLOAD_H
#define PAYLOAD_H
#include "process.h"

enum { PAYLOAD_HEADER = 24, PAYLOAD_LARGEST = PAYLOAD_HEADER + 200000 };

typedef struct payload_head {
  uint64_t number, batch_first, batch_count;
} payload_head;

/* Mostly small, one in 97 long enough to span many pages. */
static inline size_t payload_size(uint64_t number) {
  uint64_t range = number % 97 == 0 ? 200000 : 600;
  return (size_t)(PAYLOAD_HEADER + mix(number) % range);
}

static inline void payload_fill(unsigned char *bytes, uint64_t number, uint64_t batch_first, uint64_t batch_count) {
  payload_head head = {number, batch_first, batch_count};
  memcpy(bytes, &head, sizeof head);
  size_t size = payload_size(number);
  uint64_t word = number;
  for (size_t at = PAYLOAD_HEADER; at < size; at += sizeof word) {
    word = mix(word);
    memcpy(bytes + at, &word, size - at < sizeof word ? size - at : sizeof word);
  }
}

/* Checks every byte and the batch flag of a record that was read; returns what its head says. */
static inline payload_head payload_check(const immuta_record *record, uint64_t number) {
  static unsigned char expected[PAYLOAD_LARGEST];
  payload_head head;
  REQUIRE_EQ(record->number, number);
  REQUIRE_EQ(record->size, payload_size(number));
  memcpy(&head, record->data, sizeof head);
  payload_fill(expected, number, head.batch_first, head.batch_count);
  REQUIRE(memcmp(record->data, expected, record->size) == 0);
  REQUIRE(head.batch_first <= number && number < head.batch_first + head.batch_count);
  int last_of_batch = number + 1 == head.batch_first + head.batch_count;
  REQUIRE_EQ((record->flags & IMMUTA_RECORD_BATCH_END) != 0, last_of_batch);
  return head;
}

#endif
