/* libimmuta in one page: open a log, append a record, read every record back.
 *
 *   quickstart [DIRECTORY]      DIRECTORY is ./log-data unless given. Run it twice: the log grows. */
#include <immuta.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SECOND_NS INT64_C(1000000000)

/* Every call that can fail returns a status: 0 is success, a negative one an error that `error` explains. */
static void must(immuta_status status, const immuta_error *error) {
  if (status == IMMUTA_OK) return;
  fprintf(stderr, "%s: %s\n", immuta_status_name(status), error->message);
  exit(EXIT_FAILURE);
}

static const char *outcome_text(int32_t outcome) {
  switch (outcome) {
    case IMMUTA_OUTCOME_CREATED: return "created";
    case IMMUTA_OUTCOME_CLEAN: return "closed cleanly last time";
    case IMMUTA_OUTCOME_RECOVERED: return "recovered after a crash";
    case IMMUTA_OUTCOME_ADOPTED: return "adopted, the index file was missing";
    default: return "opened";
  }
}

int main(int argc, char **argv) {
  const char *directory = argc > 1 ? argv[1] : "./log-data";
  immuta_error error = {0};

  /* Options are an object with setters; what is not set has a sensible default. */
  immuta_options *options = immuta_options_new();
  if (options == NULL) return EXIT_FAILURE;
  if (immuta_options_add_namespace(options, "default") != IMMUTA_OK) return EXIT_FAILURE;
  if (immuta_options_set_reader_count(options, 10) != IMMUTA_OK) return EXIT_FAILURE;

  immuta_log *log = NULL;
  must(immuta_open(directory, options, &log, &error), &error);
  immuta_options_free(options); /* immuta_open has copied what it needs */

  /* Namespaces have numbers, in the order added. What did opening this one find? */
  const uint32_t ns = 0;
  immuta_report report;
  must(immuta_report_get(log, ns, &report, sizeof report, &error), &error);
  printf("%s: %" PRIu64 " records\n", outcome_text(report.outcome), report.count);

  immuta_appended appended;
  must(immuta_append(log, ns, "hello world", 11, &appended, &error), &error);
  printf("appended record %" PRIu64 ": offset %" PRIu64 ", size %" PRIu64 "\n", appended.number, appended.offset,
         appended.stored_size);

  /* 0: from the beginning. Negative: only what comes after this call. N: skip the first N records. */
  immuta_stream *stream = NULL;
  must(immuta_stream_open(log, ns, 0, &stream, &error), &error);

  for (;;) {
    immuta_record record;
    immuta_status status = immuta_stream_next(stream, 2 * SECOND_NS, &record, &error);
    if (status == IMMUTA_TIMEOUT) break; /* nothing new for two seconds */
    must(status, &error);

    printf("size of the record: %zu\n", record.size);
    printf("content: %.*s\n", (int)record.size, (const char *)record.data);

    immuta_record_done(&record); /* a record holds one of the ten descriptors until here */
  }

  immuta_stream_done(stream);
  must(immuta_close(log, &error), &error); /* reports a failed sync, so look at it */
  return EXIT_SUCCESS;
}
