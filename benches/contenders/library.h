/* The library as the benchmark opens it. */
#ifndef BENCH_LIBRARY_H
#define BENCH_LIBRARY_H
#include "bench.h"

#include <immuta.h>

/* What differs from the library's defaults; all zero: nothing. */
typedef struct library_options {
  int without_flusher; /* as the bare loops that sync nothing */
  int durable;
  int read_only;
  int32_t io;          /* IMMUTA_IO_* */
  uint64_t namespaces; /* 0: one, "library"; else "library-0" and so on, with one reader each */
} library_options;

/* Opens the log of a directory. */
immuta_log *library_open(const char *directory, library_options chosen);
void library_close(immuta_log *log);
immuta_stream *library_stream(immuta_log *log, int64_t start);
/* `error` is written on failure only, so that it need not be cleared before each call. */
void must(immuta_status status, const immuta_error *error);

#endif
