/* The measured side: libimmuta as a program would use it, with its defaults but for the flusher, which is off because
 * the bare loops sync nothing either; and in durable mode, where the bare loop syncs each record. */
#include "bench.h"

#include <immuta.h>

#define BATCH_RECORDS 256u
#define BATCH_BYTES ((size_t)1 << 20)

static void must(immuta_status status, const immuta_error *error) {
  if (status != IMMUTA_OK) die("%s: %s", immuta_status_name(status), error->message);
}

static immuta_log *open_log(const char *directory, int32_t fast_write) {
  immuta_error error = {0};
  immuta_log *log = NULL;
  immuta_options *options = immuta_options_new();
  immuta_status status = immuta_options_add_namespace(options, "library");
  if (status == IMMUTA_OK) status = immuta_options_set_flush_interval(options, 0);
  if (status == IMMUTA_OK) status = immuta_options_set_fast_write(options, fast_write);
  if (status == IMMUTA_OK) status = immuta_open(directory, options, &log, &error);
  must(status, &error);
  immuta_options_free(options);
  return log;
}

const char *library_engine(const char *directory) {
  immuta_log *log = open_log(directory, 1);
  immuta_error error = {0};
  immuta_stats stats;
  must(immuta_stats_get(log, 0, &stats, sizeof stats, &error), &error);
  must(immuta_close(log, &error), &error);
  return stats.engine == IMMUTA_IO_MMAP ? "mapping" : "system-call";
}

static void append_share(const workload *work, uint64_t count, void *log) {
  immuta_error error = {0};
  for (uint64_t number = 0; number < count; number++) {
    immuta_appended appended;
    must(immuta_append(log, 0, work->payload, work->size, &appended, &error), &error);
  }
}

double library_append(const workload *work) {
  immuta_error error = {0};
  immuta_log *log = open_log(work->directory, 1);
  const double start_ns = now_ns();
  append_share(work, work->count, log);
  const double took_ns = now_ns() - start_ns;
  must(immuta_close(log, &error), &error);
  return took_ns;
}

double library_append_durable(const workload *work) {
  immuta_error error = {0};
  immuta_log *log = open_log(work->directory, 0);
  const double took_ns = run_threads(work, append_share, log);
  must(immuta_close(log, &error), &error);
  return took_ns;
}

/* Reads what is there, by the given step, and checks that it was everything. */
static double read_all(const workload *work, uint64_t (*step)(immuta_stream *, immuta_error *)) {
  immuta_error error = {0};
  immuta_log *log = open_log(work->directory, 1);
  immuta_stream *stream = NULL;
  const double start_ns = now_ns();
  must(immuta_stream_open(log, 0, 0, &stream, &error), &error);
  uint64_t count = 0;
  for (uint64_t taken; (taken = step(stream, &error)) > 0;) count += taken;
  const double took_ns = now_ns() - start_ns;
  if (count != work->count) die("read %llu records", (unsigned long long)count);
  immuta_stream_done(stream);
  must(immuta_close(log, &error), &error);
  return took_ns;
}

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
  const immuta_status status = immuta_stream_next_batch(stream, BATCH_RECORDS, BATCH_BYTES, 0, &batch, error);
  if (status == IMMUTA_TIMEOUT) return 0;
  must(status, error);
  const uint64_t count = batch.count;
  must(immuta_batch_done(&batch), error);
  return count;
}

double library_read_next(const workload *work) { return read_all(work, one); }

double library_read_batch(const workload *work) { return read_all(work, several); }
