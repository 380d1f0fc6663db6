/* What the programs of the process tests share: giving up with a message, whole writes and reads on pipes, and
 * records whose every byte follows from their number, so that any process can tell a right record from a wrong one. */
#ifndef PROCESS_H
#define PROCESS_H
#define _GNU_SOURCE 1
#include <errno.h>
#include <immuta.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Ends the process with file, line and reason unless `expr` holds. */
#define REQUIRE(expr)                                                                                                  \
  do {                                                                                                                 \
    if (!(expr)) {                                                                                                     \
      fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #expr);                                         \
      exit(1);                                                                                                         \
    }                                                                                                                  \
  } while (0)

/* The same for two numbers, which are printed. */
#define REQUIRE_EQ(left, right)                                                                                        \
  do {                                                                                                                 \
    uint64_t left_ = (uint64_t)(left), right_ = (uint64_t)(right);                                                     \
    if (left_ != right_) {                                                                                             \
      fprintf(stderr, "%s:%d: %s is %llu, %s is %llu\n", __FILE__, __LINE__, #left, (unsigned long long)left_,         \
              #right, (unsigned long long)right_);                                                                     \
      exit(1);                                                                                                         \
    }                                                                                                                  \
  } while (0)

/* The same for a call into the library: `error` is the struct the call was given. */
#define REQUIRE_OK(call, error)                                                                                        \
  do {                                                                                                                 \
    immuta_status status_ = (call);                                                                                    \
    if (status_ != IMMUTA_OK) {                                                                                        \
      fprintf(stderr, "%s:%d: %s: %s: %s\n", __FILE__, __LINE__, #call, immuta_status_name(status_),                   \
              status_ < 0 ? (error)->message : "no result");                                                           \
      exit(1);                                                                                                         \
    }                                                                                                                  \
  } while (0)

/* One log, one namespace called "events", with what the test varies; the driver chooses the engine with IMMUTA_TEST_IO,
 * and durable mode with IMMUTA_TEST_JOURNAL, the size of the journal in bytes. */
static inline immuta_log *open_log(const char *directory, int32_t read_only, uint32_t reader_count,
                                   int64_t flush_interval_ns) {
  immuta_error error = {0};
  immuta_log *log = NULL;
  immuta_options *options = immuta_options_new();
  REQUIRE(options != NULL);
  REQUIRE_OK(immuta_options_add_namespace(options, "events"), &error);
  REQUIRE_OK(immuta_options_set_read_only(options, read_only), &error);
  REQUIRE_OK(immuta_options_set_reader_count(options, reader_count), &error);
  REQUIRE_OK(immuta_options_set_flush_interval(options, flush_interval_ns), &error);
  const char *io = getenv("IMMUTA_TEST_IO");
  if (io != NULL && strcmp(io, "syscall") == 0) REQUIRE_OK(immuta_options_set_io(options, IMMUTA_IO_SYSCALL), &error);
  const char *journal = getenv("IMMUTA_TEST_JOURNAL");
  if (journal != NULL) {
    REQUIRE_OK(immuta_options_set_fast_write(options, 0), &error);
    REQUIRE_OK(immuta_options_set_journal_size(options, strtoull(journal, NULL, 10)), &error);
  }
  REQUIRE_OK(immuta_open(directory, options, &log, &error), &error);
  immuta_options_free(options);
  return log;
}

static inline uint64_t record_count(immuta_log *log) {
  immuta_error error = {0};
  immuta_stats stats;
  REQUIRE_OK(immuta_stats_get(log, 0, &stats, sizeof stats, &error), &error);
  return stats.count;
}

/* Sends the driver one number: 8 bytes, less than PIPE_BUF, so they arrive whole or not at all. */
static inline void tell(uint64_t number) {
  ssize_t written;
  do {
    written = write(STDOUT_FILENO, &number, sizeof number);
  } while (written < 0 && errno == EINTR);
  REQUIRE_EQ(written, sizeof number);
}

/* Waits for a byte of the driver; 0 when the driver closed the pipe. */
static inline char hear(void) {
  char byte = 0;
  ssize_t got;
  do {
    got = read(STDIN_FILENO, &byte, 1);
  } while (got < 0 && errno == EINTR);
  return got == 1 ? byte : '\0';
}

static inline uint64_t mix(uint64_t value) { /* splitmix64 */
  value += 0x9e3779b97f4a7c15u;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

#endif
