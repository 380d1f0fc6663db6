/* A program of an outside project: appends one record, reads it back, prints it with the library's version.
 *
 *   consumer DIRECTORY */
#include <immuta.h>
#include <stdio.h>

static int run(immuta_log *log, immuta_error *error) {
  immuta_stream *stream = NULL;
  immuta_record record;
  immuta_status status = immuta_append(log, 0, "packaged", 8, NULL, error);
  if (status == IMMUTA_OK) status = immuta_stream_open(log, 0, 0, &stream, error);
  if (status == IMMUTA_OK) status = immuta_stream_next(stream, 0, &record, error);
  if (status == IMMUTA_OK) {
    printf("%s %.*s\n", immuta_version(), (int)record.size, (const char *)record.data);
    status = immuta_record_done(&record);
  }
  immuta_stream_done(stream);
  return status;
}

int main(int argc, char **argv) {
  immuta_error error = {0};
  immuta_log *log = NULL;
  immuta_options *options = immuta_options_new();
  immuta_status status = argc == 2 && immuta_version_number() == IMMUTA_VERSION_NUMBER ? IMMUTA_OK : IMMUTA_E_VERSION;
  if (status == IMMUTA_OK) status = immuta_options_add_namespace(options, "consumer");
  if (status == IMMUTA_OK) status = immuta_open(argv[1], options, &log, &error);
  if (status == IMMUTA_OK) status = run(log, &error);
  immuta_options_free(options);
  if (status == IMMUTA_OK) status = immuta_close(log, &error);
  if (status != IMMUTA_OK) fprintf(stderr, "%s: %s\n", immuta_status_name(status), error.message);
  return status == IMMUTA_OK ? 0 : 1;
}
