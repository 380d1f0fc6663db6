/* A writer at full speed, with one stream that follows it in another thread by batches. */
#include "library.h"

#include <pthread.h>
#include <stdatomic.h>

#define READ_BATCH_RECORDS 256u
#define READ_BATCH_BYTES ((size_t)1 << 20)

typedef struct follower {
  immuta_log *log;
  uint64_t count;
  _Atomic uint64_t written; /* where the newest record ends */
  uint64_t lag_bytes_max;
} follower;

static void *follow(void *argument) {
  follower *self = argument;
  immuta_error error;
  immuta_batch batch;
  immuta_stream *stream = library_stream(self->log, 0);
  for (uint64_t count = 0; count < self->count;) {
    must(immuta_stream_next_batch(stream, READ_BATCH_RECORDS, READ_BATCH_BYTES, -1, &batch, &error), &error);
    const immuta_record *last = &batch.records[batch.count - 1];
    const uint64_t written = atomic_load_explicit(&self->written, memory_order_relaxed);
    const uint64_t read = last->offset + 8 + last->stored_size;
    if (written > read && written - read > self->lag_bytes_max) self->lag_bytes_max = written - read;
    count += batch.count; /* no more known when the batch is done */
    must(immuta_batch_done(&batch), &error);
  }
  immuta_stream_done(stream);
  return NULL;
}

followed library_append_followed(const workload *work) {
  immuta_error error;
  immuta_appended appended;
  pthread_t thread;
  follower self = {.log = library_open(work->directory, (library_options){.without_flusher = 1}), .count = work->count};
  if (pthread_create(&thread, NULL, follow, &self) != 0) die("cannot start a thread");
  const double start_ns = now_ns();
  for (uint64_t number = 0; number < work->count; number++) {
    must(immuta_append(self.log, 0, work->payload, work->size, &appended, &error), &error);
    atomic_store_explicit(&self.written, appended.offset + 8 + work->size, memory_order_relaxed);
  }
  const double took_ns = now_ns() - start_ns;
  pthread_join(thread, NULL);
  library_close(self.log);
  return (followed){.took_ns = took_ns, .lag_bytes_max = (double)self.lag_bytes_max};
}
