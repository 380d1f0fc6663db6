/* The records of the kill test: 24 bytes with the writer and its sequence number, then bytes that follow from those.
 *
 *    0 u64 writer
 *    8 u64 sequence, counted by the writer from 0
 *   16 u32 index in its commit
 *   20 u32 records in its commit
 *   24 ..
 *
 * A writer is one thread of one life of the appending process. A record lost from the middle shows as a gap in the
 * writer's sequence. */
#ifndef PAYLOAD_H
#define PAYLOAD_H
#include "process.h"

enum { PAYLOAD_HEADER = 24, PAYLOAD_LARGEST = PAYLOAD_HEADER + 200000, WRITERS_MAX = 1 << 16 };

typedef struct payload_head {
  uint64_t writer, sequence;
  uint32_t index, count;
} payload_head;

static inline uint64_t payload_seed(const payload_head *head) { return mix(head->writer << 32 ^ head->sequence); }

/* Mostly small, one in 97 long enough to span many pages. */
static inline size_t payload_size(const payload_head *head) {
  uint64_t range = head->sequence % 97 == 96 ? 200000 : 600;
  return (size_t)(PAYLOAD_HEADER + payload_seed(head) % range);
}

static inline void payload_fill(unsigned char *bytes, const payload_head *head) {
  memcpy(bytes, head, sizeof *head);
  size_t size = payload_size(head);
  uint64_t word = payload_seed(head);
  for (size_t at = PAYLOAD_HEADER; at < size; at += sizeof word) {
    word = mix(word);
    memcpy(bytes + at, &word, size - at < sizeof word ? size - at : sizeof word);
  }
}

/* Checks every byte and the batch flag of a record that was read; returns what its head says. */
static inline payload_head payload_check(const immuta_record *record) {
  static unsigned char expected[PAYLOAD_LARGEST];
  payload_head head;
  REQUIRE(record->size >= sizeof head);
  memcpy(&head, record->data, sizeof head);
  REQUIRE(head.writer < WRITERS_MAX && head.index < head.count);
  REQUIRE_EQ(record->size, payload_size(&head));
  payload_fill(expected, &head);
  REQUIRE(memcmp(record->data, expected, record->size) == 0);
  REQUIRE_EQ((record->flags & IMMUTA_RECORD_BATCH_END) != 0, head.index + 1 == head.count);
  return head;
}

#endif
