/* Opening a log in one line, and the short forms of the calls every suite makes. */
#ifndef IMMUTA_CHECK_LOG_H
#define IMMUTA_CHECK_LOG_H
#include "check/files.h"

/* What differs from the defaults. A field left 0 keeps the library's default. */
typedef struct check_setup {
  int unused;              /* lets OPEN() have no argument */
  const char *directory;   /* the case's own */
  const char *names[4];    /* the namespaces; "a" where none is given */
  int no_names;            /* 1: really none */
  uint32_t readers;        /* pooled descriptors per namespace */
  int read_only;           /* 1 */
  int unverified;          /* 1: reads do not check checksums */
  int io;                  /* IMMUTA_IO_*; where 0, the engine the run asks for with IMMUTA_TEST_IO */
  uint64_t max_record_size;
  int64_t flush_interval_ns; /* negative: no interval */
  uint64_t flush_bytes;
  int durable;             /* 1: fast_write off */
  uint64_t journal_size;
  immuta_codec *codecs[4]; /* the chain; the caller frees them */
} check_setup;

/* OPEN(.names = {"a", "b"}, .readers = 2) returns the log or ends the case. */
#define OPEN(...) check_open((check_setup){.unused = 0, __VA_ARGS__})
/* TRY_OPEN(&log, .read_only = 1) returns the status, for CHECK_STATUS. */
#define TRY_OPEN(log_out, ...) check_try_open((log_out), (check_setup){.unused = 0, __VA_ARGS__})

/* The engine this run tests (--syscall runs every suite a second time): IMMUTA_IO_AUTO unless the environment says
 * otherwise. */
static inline int check_io(void) {
  const char *io = getenv("IMMUTA_TEST_IO");
  if (io == NULL || io[0] == '\0') return IMMUTA_IO_AUTO;
  return strcmp(io, "syscall") == 0 ? IMMUTA_IO_SYSCALL : IMMUTA_IO_MMAP;
}

/* Options as `setup` says; free them with immuta_options_free. */
static inline immuta_options *check_options(check_setup setup) {
  immuta_options *options = immuta_options_new();
  CHECK(options != NULL);
  if (setup.names[0] == NULL && !setup.no_names) setup.names[0] = "a";
  for (size_t i = 0; i < CHECK_COUNT(setup.names) && setup.names[i] != NULL; i++)
    CHECK_OK(immuta_options_add_namespace(options, setup.names[i]));
  if (setup.readers != 0) CHECK_OK(immuta_options_set_reader_count(options, setup.readers));
  if (setup.read_only) CHECK_OK(immuta_options_set_read_only(options, 1));
  if (setup.unverified) CHECK_OK(immuta_options_set_verify_reads(options, 0));
  CHECK_OK(immuta_options_set_io(options, setup.io != 0 ? setup.io : check_io()));
  if (setup.max_record_size != 0) CHECK_OK(immuta_options_set_max_record_size(options, setup.max_record_size));
  if (setup.flush_interval_ns != 0)
    CHECK_OK(immuta_options_set_flush_interval(options, setup.flush_interval_ns < 0 ? 0 : setup.flush_interval_ns));
  if (setup.flush_bytes != 0) CHECK_OK(immuta_options_set_flush_bytes(options, setup.flush_bytes));
  if (setup.durable) CHECK_OK(immuta_options_set_fast_write(options, 0));
  if (setup.journal_size != 0) CHECK_OK(immuta_options_set_journal_size(options, setup.journal_size));
  for (size_t i = 0; i < CHECK_COUNT(setup.codecs) && setup.codecs[i] != NULL; i++)
    CHECK_OK(immuta_options_add_codec(options, setup.codecs[i]));
  return options;
}

static inline immuta_status check_try_open(immuta_log **log_out, check_setup setup) {
  immuta_options *options = check_options(setup);
  check_error = (immuta_error){0};
  immuta_status status = immuta_open(setup.directory != NULL ? setup.directory : check_dir(), options, log_out, ERR);
  immuta_options_free(options);
  return status;
}

static inline immuta_log *check_open(check_setup setup) {
  immuta_log *log = NULL;
  CHECK_OK(check_try_open(&log, setup));
  CHECK(log != NULL);
  return log;
}

/* Not counted as a check unless it fails: loops that wait for a figure call it. */
static inline immuta_stats check_stats(immuta_log *log, uint32_t ns) {
  immuta_stats stats;
  immuta_status status = immuta_stats_get(log, ns, &stats, sizeof stats, ERR);
  if (status != IMMUTA_OK) check_status(__FILE__, __LINE__, "immuta_stats_get", IMMUTA_OK, status);
  return stats;
}

static inline immuta_report check_report(immuta_log *log, uint32_t ns) {
  immuta_report report;
  CHECK_OK(immuta_report_get(log, ns, &report, sizeof report, ERR));
  return report;
}

/* Appends one record of check_fill(seed) bytes. */
static inline immuta_appended check_append(immuta_log *log, uint32_t ns, size_t size, uint64_t seed) {
  immuta_appended appended;
  unsigned char *data = malloc(size + 1);
  CHECK(data != NULL);
  check_fill(data, size, seed);
  CHECK_OK(immuta_append(log, ns, data, size, &appended, ERR));
  free(data);
  return appended;
}

static inline immuta_stream *check_stream(immuta_log *log, uint32_t ns, int64_t start) {
  immuta_stream *stream = NULL;
  CHECK_OK(immuta_stream_open(log, ns, start, &stream, ERR));
  CHECK(stream != NULL);
  return stream;
}

/* The next record is there, is `number`, holds check_fill(size, seed), and is given back. */
static inline void check_next(immuta_stream *stream, uint64_t number, size_t size, uint64_t seed) {
  immuta_record record;
  CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
  CHECK_EQ(record.number, number);
  CHECK_EQ(record.size, size);
  CHECK(check_is_fill(record.data, record.size, seed));
  CHECK_OK(immuta_record_done(&record));
}

/* Nothing more to read now. */
static inline void check_end(immuta_stream *stream) {
  immuta_record record;
  CHECK_STATUS(IMMUTA_TIMEOUT, immuta_stream_next(stream, 0, &record, ERR));
}

#endif
