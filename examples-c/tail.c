/* Follows a namespace that another process is writing, until Ctrl-C.
 *
 *   tail DIRECTORY NAMESPACE [START]
 *
 * START: 0 from the beginning (the default), negative only new records, N skips the first N.
 * One line per record: number, time of the append, payload. */
#define _POSIX_C_SOURCE 200809L
#include <immuta.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FOR_EVER (-1)

static immuta_stream *stream; /* set before the handler is installed, released after it is removed */

/* Interrupting a stream is one of the few things a signal handler may do: `next` returns IMMUTA_INTERRUPTED. */
static void on_signal(int signal_number) {
  (void)signal_number;
  immuta_stream_interrupt(stream);
}

static void handle_signals(void (*handler)(int)) {
  struct sigaction action = {.sa_handler = handler};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
}

static void print_record(const immuta_record *record) {
  char text[32] = "unknown time";
  time_t seconds = (time_t)(record->time_ns / 1000000000);
  struct tm utc;
  if (record->time_ns != 0 && gmtime_r(&seconds, &utc) != NULL) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  printf("%" PRIu64 " %s ", record->number, text);
  fwrite(record->data, 1, record->size, stdout);
  putchar('\n');
  fflush(stdout); /* so that a pipe sees each record at once */
}

static int fail(immuta_status status, const immuta_error *error) {
  fprintf(stderr, "%s: %s\n", immuta_status_name(status), error->message);
  return EXIT_FAILURE;
}

/* Read-only: takes no lock, changes nothing, and works while a writer is at it. */
static immuta_status open_read_only(const char *directory, const char *name, immuta_log **log_out,
                                    immuta_error *error) {
  immuta_options *options = immuta_options_new();
  immuta_status status = immuta_options_set_read_only(options, 1);
  if (status == IMMUTA_OK) status = immuta_options_add_namespace(options, name);
  if (status == IMMUTA_OK)
    status = immuta_open(directory, options, log_out, error);
  else
    snprintf(error->message, sizeof error->message, "\"%s\": %s", name, immuta_status_text(status));
  immuta_options_free(options);
  return status;
}

/* Prints records until interrupted; the wait between them costs nothing. */
static immuta_status follow(immuta_error *error) {
  for (;;) {
    immuta_record record;
    immuta_status status = immuta_stream_next(stream, FOR_EVER, &record, error);
    if (status != IMMUTA_OK) return status;
    print_record(&record);
    immuta_record_done(&record);
  }
}

int main(int argc, char **argv) {
  if (argc < 3 || argc > 4) {
    fprintf(stderr, "usage: %s DIRECTORY NAMESPACE [START]\n", argv[0]);
    return EXIT_FAILURE;
  }
  immuta_error error = {0};
  immuta_log *log = NULL;
  immuta_status status = open_read_only(argv[1], argv[2], &log, &error);
  if (status != IMMUTA_OK) return fail(status, &error);

  status = immuta_stream_open(log, 0, argc == 4 ? strtoll(argv[3], NULL, 10) : 0, &stream, &error);
  if (status == IMMUTA_OK) {
    handle_signals(on_signal);
    status = follow(&error);
    handle_signals(SIG_DFL);
    immuta_stream_done(stream);
  }
  const int result = status == IMMUTA_INTERRUPTED ? EXIT_SUCCESS : fail(status, &error);
  status = immuta_close(log, &error);
  return status == IMMUTA_OK ? result : fail(status, &error);
}
