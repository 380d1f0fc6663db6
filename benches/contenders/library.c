/* The measured side: libimmuta as a C program uses it. The options are the defaults, but timed flushes are off where
 * the bare loop has none. The durable rows use durable mode, where the bare loop syncs each record, too. */
#include "library.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define READ_BATCH_RECORDS 256u
#define READ_BATCH_BYTES ((size_t)1 << 20)

static const library_options fast = {.without_flusher = 1}, durable = {.without_flusher = 1, .durable = 1};

void must(immuta_status status, const immuta_error *error) {
  if (status != IMMUTA_OK) die("%s: %s", immuta_status_name(status), error->message);
}

/* Each namespace takes a few descriptors. */
static void allow_many_descriptors(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) die("cannot ask how many descriptors are allowed");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) die("cannot allow more descriptors");
}

static immuta_status add_namespaces(immuta_options *options, uint64_t count) {
  if (count == 0) return immuta_options_add_namespace(options, "library");
  allow_many_descriptors();
  immuta_status status = immuta_options_set_reader_count(options, 1);
  for (uint64_t i = 0; i < count && status == IMMUTA_OK; i++) {
    char name[32];
    snprintf(name, sizeof name, "library-%llu", (unsigned long long)i);
    status = immuta_options_add_namespace(options, name);
  }
  return status;
}

immuta_log *library_open(const char *directory, library_options chosen) {
  immuta_error error = {0};
  immuta_log *log = NULL;
  immuta_options *options = immuta_options_new();
  immuta_status status = add_namespaces(options, chosen.namespaces);
  if (status == IMMUTA_OK && chosen.without_flusher) status = immuta_options_set_flush_interval(options, 0);
  if (status == IMMUTA_OK) status = immuta_options_set_fast_write(options, !chosen.durable);
  if (status == IMMUTA_OK) status = immuta_options_set_read_only(options, chosen.read_only);
  if (status == IMMUTA_OK) status = immuta_options_set_io(options, chosen.io);
  if (status == IMMUTA_OK) status = immuta_open(directory, options, &log, &error);
  must(status, &error);
  immuta_options_free(options);
  return log;
}

void library_close(immuta_log *log) {
  immuta_error error;
  must(immuta_close(log, &error), &error);
}

immuta_stream *library_stream(immuta_log *log, int64_t start) {
  immuta_error error;
  immuta_stream *stream;
  must(immuta_stream_open(log, 0, start, &stream, &error), &error);
  return stream;
}

const char *library_engine(const char *directory) {
  immuta_log *log = library_open(directory, fast);
  immuta_error error;
  immuta_stats stats;
  must(immuta_stats_get(log, 0, &stats, sizeof stats, &error), &error);
  library_close(log);
  return stats.engine == IMMUTA_IO_MMAP ? "mapping" : "system-call";
}

static void append_share(const workload *work, uint64_t count, void *log) {
  immuta_error error;
  immuta_appended appended;
  for (uint64_t number = 0; number < count; number++)
    must(immuta_append(log, 0, work->payload, work->size, &appended, &error), &error);
}

static double append_by_threads(const workload *work, library_options chosen) {
  immuta_log *log = library_open(work->directory, chosen);
  const double took_ns = run_threads(work, append_share, log);
  library_close(log);
  return took_ns;
}

double library_append(const workload *work) {
  immuta_log *log = library_open(work->directory, fast);
  const double start_ns = now_ns();
  append_share(work, work->count, log);
  const double took_ns = now_ns() - start_ns;
  library_close(log);
  return took_ns;
}

double library_append_packed(const workload *work) {
  immuta_error error;
  immuta_appended appended;
  size_t sizes[BATCH_RECORDS];
  for (size_t i = 0; i < BATCH_RECORDS; i++) sizes[i] = work->size;
  immuta_log *log = library_open(work->directory, fast);
  const double start_ns = now_ns();
  for (uint64_t number = 0; number < work->count; number += BATCH_RECORDS)
    must(immuta_append_packed(log, 0, work->payload, sizes, BATCH_RECORDS, &appended, &error), &error);
  const double took_ns = now_ns() - start_ns;
  library_close(log);
  return took_ns;
}

double library_append_threads(const workload *work) { return append_by_threads(work, fast); }

double library_append_durable(const workload *work) { return append_by_threads(work, durable); }

static uint64_t one(immuta_stream *stream, immuta_error *error) {
  immuta_record record;
  const immuta_status status = immuta_stream_next(stream, 0, &record, error);
  if (status == IMMUTA_TIMEOUT) return 0;
  must(status, error);
  must(immuta_record_done(&record), error);
  return 1;
}

static uint64_t several(immuta_stream *stream, immuta_error *error) {
  immuta_batch batch;
  const immuta_status status =
      immuta_stream_next_batch(stream, READ_BATCH_RECORDS, READ_BATCH_BYTES, 0, &batch, error);
  if (status == IMMUTA_TIMEOUT) return 0;
  must(status, error);
  const uint64_t count = batch.count;
  must(immuta_batch_done(&batch), error);
  return count;
}

/* Reads what is there, by the given step, and checks that it was everything. */
static inline double read_all(const workload *work, uint64_t (*step)(immuta_stream *, immuta_error *)) {
  immuta_error error;
  immuta_log *log = library_open(work->directory, fast);
  const double start_ns = now_ns();
  immuta_stream *stream = library_stream(log, 0);
  uint64_t count = 0;
  for (uint64_t taken; (taken = step(stream, &error)) > 0;) count += taken;
  const double took_ns = now_ns() - start_ns;
  if (count != work->count) die("read %llu records", (unsigned long long)count);
  immuta_stream_done(stream);
  library_close(log);
  return took_ns;
}

double library_read_next(const workload *work) { return read_all(work, one); }

double library_read_batch(const workload *work) { return read_all(work, several); }

double library_read_random(const workload *work) {
  immuta_error error;
  immuta_log *log = library_open(work->directory, fast);
  immuta_stream *stream = library_stream(log, 0);
  uint64_t state = 0;
  const double start_ns = now_ns();
  for (uint64_t i = 0; i < work->count; i++) {
    must(immuta_stream_seek(stream, random_below(&state, work->count), &error), &error);
    if (one(stream, &error) != 1) die("a record is missing");
  }
  const double took_ns = now_ns() - start_ns;
  immuta_stream_done(stream);
  library_close(log);
  return took_ns;
}

double library_open_closed(const workload *work) {
  double took_ns = 0;
  for (uint64_t i = 0; i < work->count; i++) {
    const double start_ns = now_ns();
    immuta_log *log = library_open(work->directory, fast);
    took_ns += now_ns() - start_ns;
    library_close(log);
  }
  return took_ns;
}

double library_start_stream(const workload *work) {
  immuta_error error;
  immuta_log *log = library_open(work->directory, fast);
  const double start_ns = now_ns();
  for (uint64_t i = 0; i < work->count; i++) {
    immuta_stream *stream = library_stream(log, (int64_t)work->start);
    if (one(stream, &error) != 1) die("there is no record %llu", (unsigned long long)work->start);
    immuta_stream_done(stream);
  }
  const double took_ns = now_ns() - start_ns;
  library_close(log);
  return took_ns;
}

double library_read_streams(const workload *work) {
  immuta_error error;
  immuta_log *log = library_open(work->directory, fast);
  immuta_stream **streams = calloc(work->parts, sizeof *streams);
  if (streams == NULL) die("no memory");
  for (uint64_t i = 0; i < work->parts; i++) streams[i] = library_stream(log, 0);
  const double start_ns = now_ns();
  for (uint64_t i = 0; i < work->count; i++)
    if (one(streams[i % work->parts], &error) != 1) die("a record is missing");
  const double took_ns = now_ns() - start_ns;
  for (uint64_t i = 0; i < work->parts; i++) immuta_stream_done(streams[i]);
  free(streams);
  library_close(log);
  return took_ns;
}

double library_append_namespaces(const workload *work) {
  immuta_error error;
  immuta_appended appended;
  immuta_log *log = library_open(work->directory, (library_options){.without_flusher = 1, .namespaces = work->parts});
  const double start_ns = now_ns();
  for (uint64_t i = 0; i < work->count; i++)
    must(immuta_append(log, (uint32_t)(i % work->parts), work->payload, work->size, &appended, &error), &error);
  const double took_ns = now_ns() - start_ns;
  library_close(log);
  return took_ns;
}
