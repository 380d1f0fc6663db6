/* Work to count the instructions of, under callgrind: tests/runner/instructions.py.
 *
 *   instructions append|durable|next|next_batch COUNT DIRECTORY
 *
 * Does COUNT pieces of the work on records of 100 bytes, in a new log. The set-up is the same for every COUNT. */
#include <immuta.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD_BYTES = 100, RECORDS_TO_READ = 20000, BATCH_RECORDS = 256, BATCH_BYTES = 1 << 20 };

static immuta_error error;

static void must(immuta_status status) {
  if (status == IMMUTA_OK) return;
  fprintf(stderr, "%s: %s\n", immuta_status_name(status), error.message);
  exit(EXIT_FAILURE);
}

/* Without a flusher: there is one thread, so that every run does the same. */
static immuta_log *open_log(const char *directory, int32_t fast_write) {
  immuta_log *log;
  immuta_options *options = immuta_options_new();
  must(immuta_options_add_namespace(options, "log"));
  must(immuta_options_set_flush_interval(options, 0));
  must(immuta_options_set_fast_write(options, fast_write));
  must(immuta_open(directory, options, &log, &error));
  immuta_options_free(options);
  return log;
}

static void append(immuta_log *log, uint64_t count) {
  static const char payload[RECORD_BYTES] = "a record";
  immuta_appended appended;
  for (uint64_t i = 0; i < count; i++) must(immuta_append(log, 0, payload, sizeof payload, &appended, &error));
}

static void next(immuta_stream *stream, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    immuta_record record;
    must(immuta_stream_next(stream, 0, &record, &error));
    must(immuta_record_done(&record));
  }
}

static void next_batch(immuta_stream *stream, uint64_t count) {
  while (count > 0) {
    immuta_batch batch;
    const size_t wanted = count < BATCH_RECORDS ? (size_t)count : BATCH_RECORDS;
    must(immuta_stream_next_batch(stream, wanted, BATCH_BYTES, 0, &batch, &error));
    count -= batch.count;
    must(immuta_batch_done(&batch));
  }
}

int main(int argc, char **argv) {
  if (argc != 4) return EXIT_FAILURE;
  const char *work = argv[1];
  const uint64_t count = strtoull(argv[2], NULL, 10);
  immuta_log *log = open_log(argv[3], strcmp(work, "durable") != 0);
  if (strcmp(work, "append") == 0 || strcmp(work, "durable") == 0) {
    append(log, count);
  } else {
    immuta_stream *stream;
    append(log, RECORDS_TO_READ);
    must(immuta_stream_open(log, 0, 0, &stream, &error));
    if (strcmp(work, "next") == 0)
      next(stream, count);
    else
      next_batch(stream, count);
    immuta_stream_done(stream);
  }
  immuta_stats stats;
  must(immuta_stats_get(log, 0, &stats, sizeof stats, &error));
  puts(stats.engine == IMMUTA_IO_MMAP ? "mapping" : "system-call");
  must(immuta_close(log, &error));
  return EXIT_SUCCESS;
}
