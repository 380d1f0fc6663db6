/* The checks: each counts itself, and on failure prints file, line, expression and what it saw, then ends the case. */
#ifndef IMMUTA_CHECK_ASSERT_H
#define IMMUTA_CHECK_ASSERT_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "immuta.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Atomic uint64_t *check_counter;       /* in memory shared with every forked process */
static _Thread_local immuta_error check_error; /* what the last call through ERR wrote */
#define ERR (&check_error)

#define CHECK_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CHECK(expression) check_true(__FILE__, __LINE__, #expression, (expression) ? 1 : 0)
/* Both as unsigned 64 bit numbers. */
#define CHECK_EQ(actual, expected) \
  check_equal(__FILE__, __LINE__, #actual ", " #expected, (uint64_t)(actual), (uint64_t)(expected))
#define CHECK_STR(actual, expected) check_string(__FILE__, __LINE__, #actual ", " #expected, (actual), (expected))
#define CHECK_BYTES(data, size, expected, expected_size) \
  check_bytes(__FILE__, __LINE__, #data ", " #expected, (data), (size), (expected), (expected_size))
#define CHECK_STATUS(expected, call) \
  (check_error = (immuta_error){0}, check_status(__FILE__, __LINE__, #call, (expected), (call)))
#define CHECK_OK(call) CHECK_STATUS(IMMUTA_OK, call)
/* The message of the last failure through ERR names `part`. */
#define CHECK_MESSAGE(part) check_contains(__FILE__, __LINE__, check_error.message, (part))
/* Ends the case as skipped, because this machine refuses something that another would allow. tests/run shows and counts
 * it. */
#define CHECK_SKIP(reason) check_skip("SKIPPED", reason)
/* Ends a case that makes no sense on any machine, for example under a checker that is in its way. It is shown, not
 * counted. */
#define CHECK_NOT_HERE(reason) check_skip("NOT HERE", reason)
#ifdef CHECK_UNDER_THREAD_SANITIZER
#define CHECK_NOT_UNDER_THREAD_SANITIZER(reason) CHECK_NOT_HERE(reason)
#else
#define CHECK_NOT_UNDER_THREAD_SANITIZER(reason) ((void)0)
#endif

enum { CHECK_EXIT_FAILED = 1, CHECK_EXIT_SKIPPED = 77, CHECK_CASE_SECONDS_MAX = 180 };

_Noreturn static inline void check_fail(void) {
  fflush(stdout);
  _exit(CHECK_EXIT_FAILED);
}

_Noreturn static inline void check_skip(const char *how, const char *reason) {
  printf("%s: %s", how, reason);
  fflush(stdout);
  _exit(CHECK_EXIT_SKIPPED);
}

static inline void check_true(const char *file, int line, const char *text, int holds) {
  atomic_fetch_add(check_counter, 1);
  if (holds) return;
  printf("\n    %s:%d: CHECK(%s) failed (errno %d)\n", file, line, text, errno);
  check_fail();
}

static inline void check_equal(const char *file, int line, const char *text, uint64_t actual, uint64_t expected) {
  atomic_fetch_add(check_counter, 1);
  if (actual == expected) return;
  printf("\n    %s:%d: CHECK_EQ(%s) failed: %" PRIu64 " (0x%" PRIx64 "), expected %" PRIu64 " (0x%" PRIx64 ")\n", file,
         line, text, actual, actual, expected, expected);
  check_fail();
}

static inline void check_string(const char *file, int line, const char *text, const char *actual,
                                const char *expected) {
  atomic_fetch_add(check_counter, 1);
  if (actual != NULL && strcmp(actual, expected) == 0) return;
  printf("\n    %s:%d: CHECK_STR(%s) failed: \"%s\", expected \"%s\"\n", file, line, text, actual ? actual : "(null)",
         expected);
  check_fail();
}

static inline void check_contains(const char *file, int line, const char *message, const char *part) {
  atomic_fetch_add(check_counter, 1);
  if (strstr(message, part) != NULL) return;
  printf("\n    %s:%d: CHECK_MESSAGE failed: \"%s\" does not name \"%s\"\n", file, line, message, part);
  check_fail();
}

static inline void check_bytes(const char *file, int line, const char *text, const void *data, size_t size,
                               const void *expected, size_t expected_size) {
  atomic_fetch_add(check_counter, 1);
  if (size == expected_size && (size == 0 || memcmp(data, expected, size) == 0)) return;
  const unsigned char *a = data, *b = expected;
  size_t i = 0;
  while (i < size && i < expected_size && a[i] == b[i]) i++;
  printf("\n    %s:%d: CHECK_BYTES(%s) failed: %zu bytes, expected %zu; first difference at byte %zu", file, line, text,
         size, expected_size, i);
  if (i < size && i < expected_size) printf(": 0x%02x, expected 0x%02x", a[i], b[i]);
  printf("\n");
  check_fail();
}

/* The interface's promise about errors, kept by every call: written on failure only, complete when written. */
static inline void check_status(const char *file, int line, const char *text, immuta_status expected,
                                immuta_status actual) {
  atomic_fetch_add(check_counter, 1);
  const immuta_error *error = &check_error;
  const char *broken = NULL;
  if (actual >= 0 && error->code != 0) broken = "the error was written although nothing failed";
  if (actual < 0 && error->code != 0 && error->code != actual)
    broken = "the error carries another code than the one returned";
  if (actual < 0 && error->code != 0 && error->message[0] == '\0') broken = "the error has no message";
  if (memchr(error->message, 0, sizeof error->message) == NULL) broken = "the message is not terminated";
  for (const char *letter = error->message; *letter != '\0'; letter++) {
    if ((unsigned char)*letter < ' ') broken = "the message is not one line of letters";
  }
  if (actual == expected && broken == NULL) return;
  printf("\n    %s:%d: %s\n      gave %s (%d), expected %s (%d)\n      error: code %d, os_error %d (%s), ns %u, number "
         "%" PRIu64 ", offset %" PRIu64 "\n      message: %.479s\n",
         file, line, text, immuta_status_name(actual), actual, immuta_status_name(expected), expected, error->code,
         error->os_error, strerror(error->os_error), error->ns, error->number, error->offset, error->message);
  if (broken != NULL) printf("      %s\n", broken);
  check_fail();
}

#endif
