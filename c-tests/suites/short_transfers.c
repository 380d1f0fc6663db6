/* Reads and writes of the real engines that a signal interrupts or that transfer only a part: the program's own
 * pread64, pwrite64 and pwritev stand in front of the C library's, so that the library under test calls these. No short
 * transfer may show. */
#include "check.h"

#include <sys/syscall.h>
#include <sys/uio.h>

enum { RECORDS = 120, SIZE_MAX_BYTES = 40000 };

static _Atomic uint64_t calls;
static _Atomic uint64_t shortened;
static _Atomic int is_mean; /* whether transfers suffer */

/* How much of `size` is transferred this time: all, one byte, half, all but one; or -1 for EINTR. */
static ssize_t allowance(size_t size) {
  if (!is_mean || size < 2) return (ssize_t)size;
  const uint64_t turn = calls++ % 5;
  shortened += turn != 4;
  switch (turn) {
  case 0: return 1;
  case 1: errno = EINTR; return -1;
  case 2: return (ssize_t)(size / 2);
  case 3: return (ssize_t)(size - 1);
  default: return (ssize_t)size;
  }
}

ssize_t pread64(int fd, void *data, size_t size, off64_t offset);
ssize_t pread64(int fd, void *data, size_t size, off64_t offset) {
  const ssize_t allowed = allowance(size);
  return allowed < 0 ? -1 : syscall(SYS_pread64, fd, data, (size_t)allowed, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset);
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
  const ssize_t allowed = allowance(size);
  return allowed < 0 ? -1 : syscall(SYS_pwrite64, fd, data, (size_t)allowed, offset);
}

/* Transfers of the first part only, so that a call with any number of parts gets them one by one. */
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset);
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  if (!is_mean || count == 0) return syscall(SYS_pwritev, fd, parts, count, offset, 0);
  return pwrite64(fd, parts[0].iov_base, parts[0].iov_len, offset);
}

static size_t size_of_record(uint64_t number) { return (size_t)(number * 2711 % SIZE_MAX_BYTES); }

/* Appends, closes, opens and reads it all, in the mode and with the engine given, with every transfer cut. */
static void go_through(int io, int durable) {
  char directory[64];
  snprintf(directory, sizeof directory, "log-%d-%d", io, durable);
  const char *path = check_path(directory);
  const uint64_t shortened_before = shortened;
  is_mean = 1;
  for (int session = 0; session < 2; session++) {
    immuta_log *log = OPEN(.directory = path, .io = io, .durable = durable, .journal_size = 64 << 10);
    const uint64_t first = check_stats(log, 0).count;
    for (uint64_t number = first; number < first + RECORDS / 2; number++)
      check_append(log, 0, size_of_record(number), number);
    CHECK_OK(immuta_sync(log, 0, ERR));
    CHECK_OK(immuta_close(log, ERR));
  }
  immuta_log *log = OPEN(.directory = path, .io = io);
  immuta_stream *stream = check_stream(log, 0, 0);
  for (uint64_t number = 0; number < RECORDS; number++) check_next(stream, number, size_of_record(number), number);
  check_end(stream);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  immuta_report report;
  CHECK_OK(immuta_verify(path, "a", NULL, NULL, NULL, &report, sizeof report, ERR));
  CHECK_EQ(report.finding, IMMUTA_OK);
  CHECK_EQ(report.count, RECORDS);
  is_mean = 0;
  CHECK(shortened > shortened_before); /* the library called these functions */
}

static void fast_with_system_calls(void) { go_through(IMMUTA_IO_SYSCALL, 0); }
static void durable_with_system_calls(void) { go_through(IMMUTA_IO_SYSCALL, 1); }
static void fast_by_the_usual_engine(void) { go_through(IMMUTA_IO_AUTO, 0); }
static void durable_by_the_usual_engine(void) { go_through(IMMUTA_IO_AUTO, 1); }

static const check_case cases[] = {
    CASE(fast_with_system_calls),
    CASE(durable_with_system_calls),
    CASE(fast_by_the_usual_engine),
    CASE(durable_by_the_usual_engine),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
