/* libimmuta through its C interface, with default options, but that only sustained runs flush each second. Reads go
 * by immuta_stream_next_batch, with --variant next by immuta_stream_next; checksums are verified. */
#include "peer.h"

#include <immuta.h>
#include <string.h>

#define BATCH_RECORDS 256u
#define BATCH_BYTES ((size_t)1 << 20)
#define BATCH_MAX 4096u

static void must(immuta_status status, const immuta_error *error) {
  if (status != IMMUTA_OK) die("%s: %s", immuta_status_name(status), error->message);
}

static void *open_log(const char *directory, mode how) {
  immuta_error error = {0};
  immuta_log *log = NULL;
  immuta_options *options = immuta_options_new();
  must(immuta_options_add_namespace(options, "log"), &error);
  must(immuta_options_set_fast_write(options, how != DURABLE), &error);
  if (how == FAST) must(immuta_options_set_flush_interval(options, 0), &error);
  must(immuta_open(directory, options, &log, &error), &error);
  immuta_options_free(options);
  return log;
}

static void append(void *log, const void *data, size_t size) {
  immuta_error error;
  immuta_appended appended;
  must(immuta_append(log, 0, data, size, &appended, &error), &error);
}

static void append_batch(void *log, const void *const *payloads, size_t count, size_t size) {
  immuta_slice records[BATCH_MAX];
  immuta_error error;
  immuta_appended appended;
  for (size_t i = 0; i < count; i++) records[i] = (immuta_slice){.data = payloads[i], .size = size};
  must(immuta_append_batch(log, 0, records, count, &appended, &error), &error);
}

static void close_log(void *log) {
  immuta_error error = {0};
  must(immuta_close(log, &error), &error);
}

static void *open_reader(const char *directory) { return open_log(directory, FAST); }

static void read_by_next(immuta_stream *stream, visit_record visit, void *context) {
  immuta_error error;
  immuta_record record;
  immuta_status status;
  while ((status = immuta_stream_next(stream, 0, &record, &error)) == IMMUTA_OK) {
    visit(context, record.data, record.size);
    must(immuta_record_done(&record), &error);
  }
  if (status != IMMUTA_TIMEOUT) must(status, &error);
}

static void read_by_batch(immuta_stream *stream, visit_record visit, void *context) {
  immuta_error error;
  immuta_batch batch;
  immuta_status status;
  while ((status = immuta_stream_next_batch(stream, BATCH_RECORDS, BATCH_BYTES, 0, &batch, &error)) == IMMUTA_OK) {
    for (size_t i = 0; i < batch.count; i++) visit(context, batch.records[i].data, batch.records[i].size);
    must(immuta_batch_done(&batch), &error);
  }
  if (status != IMMUTA_TIMEOUT) must(status, &error);
}

static void read_records(void *log, visit_record visit, void *context) {
  immuta_error error = {0};
  immuta_stream *stream = NULL;
  must(immuta_stream_open(log, 0, 0, &stream, &error), &error);
  (strcmp(variant, "next") == 0 ? read_by_next : read_by_batch)(stream, visit, context);
  immuta_stream_done(stream);
}

const peer the_peer = {
    .open = open_log,
    .append = append,
    .append_batch = append_batch,
    .close = close_log,
    .open_reader = open_reader,
    .read = read_records,
    .close_reader = close_log,
    .shares_appends = 1,
};
