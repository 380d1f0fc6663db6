/* The process that reads on while writers are killed and come back: one stream from the beginning, waiting without a
 * limit, every byte checked. Reports the next record number after each record or batch that it has read.
 *
 *   kill_reader DIRECTORY    until its standard input is closed */
#include "payload.h"
#include <pthread.h>

enum { BATCH_RECORDS = 100, BATCH_BYTES = 1 << 20 };

typedef struct progress {
  uint64_t next, offset; /* of the record expected next */
  payload_head last;     /* of the record before it; its batch goes on unless it is complete */
  int64_t time_ns;
  uint64_t next_sequence[WRITERS_MAX];
} progress;

static void check(progress *self, const immuta_record *record) {
  payload_head head = payload_check(record);
  if (self->last.index + 1 < self->last.count) {
    REQUIRE_EQ(head.writer, self->last.writer);
    REQUIRE_EQ(head.index, self->last.index + 1);
    REQUIRE_EQ(head.count, self->last.count);
  } else {
    REQUIRE_EQ(head.index, 0);
  }
  REQUIRE_EQ(record->number, self->next);
  REQUIRE_EQ(head.sequence, self->next_sequence[head.writer]++);
  REQUIRE_EQ(record->offset, self->offset);
  REQUIRE(record->time_ns >= self->time_ns);
  self->last = head;
  self->next++;
  self->offset += 8 + record->stored_size;
  self->time_ns = record->time_ns;
}

static immuta_status read_one(progress *self, immuta_stream *stream, immuta_error *error) {
  immuta_record record;
  immuta_status status = immuta_stream_next(stream, -1, &record, error);
  if (status != IMMUTA_OK) return status;
  check(self, &record);
  return immuta_record_done(&record);
}

static immuta_status read_batch(progress *self, immuta_stream *stream, immuta_error *error) {
  immuta_batch batch;
  immuta_status status = immuta_stream_next_batch(stream, BATCH_RECORDS, BATCH_BYTES, -1, &batch, error);
  if (status != IMMUTA_OK) return status;
  for (size_t i = 0; i < batch.count; i++) check(self, &batch.records[i]);
  return immuta_batch_done(&batch);
}

/* Interrupts the stream when the driver closes the pipe. */
static void *listen(void *stream) {
  while (hear() != '\0') continue;
  REQUIRE(immuta_stream_interrupt(stream) == IMMUTA_OK);
  return NULL;
}

int main(int argc, char **argv) {
  REQUIRE(argc == 2);
  immuta_error error = {0};
  immuta_stream *stream = NULL;
  immuta_log *log = open_log(argv[1], 1, 2, 0);
  REQUIRE_OK(immuta_stream_open(log, 0, 0, &stream, &error), &error);
  pthread_t listener;
  REQUIRE(pthread_create(&listener, NULL, listen, stream) == 0);

  static progress self = {.offset = 8};
  for (;;) {
    immuta_status status = mix(self.next) % 2 ? read_one(&self, stream, &error) : read_batch(&self, stream, &error);
    if (status == IMMUTA_INTERRUPTED) break;
    REQUIRE_OK(status, &error);
    tell(self.next);
  }
  REQUIRE(self.last.index + 1 >= self.last.count);
  REQUIRE(pthread_join(listener, NULL) == 0);
  immuta_stream_done(stream);
  REQUIRE_OK(immuta_close(log, &error), &error);
  return 0;
}
