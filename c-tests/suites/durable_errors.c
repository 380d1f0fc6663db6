/* Durable mode when a sync or a write fails: which calls report it, which continue, and what is found when the log is
 * opened again. This program is linked before the C library, so the library's own calls of fdatasync,
 * pwrite64 and pwritev come here first. */
#include "check.h"

#include "durable.h"

#include <sys/syscall.h>
#include <sys/uio.h>

/* ---- Syncs and writes that fail ---- */

/* The next sync of a file with this suffix fails, unless `is_spared`; NULL: none does. */
static const char *_Atomic failing_sync;
static _Atomic int is_spared;
static check_gate hold; /* the sync waits here first if `is_held` */
static _Atomic int is_held, is_waiting;
static _Atomic uint64_t syncs_failed;
/* Writes to a file with this suffix fail. */
static const char *_Atomic failing_write;

static int has_suffix(int fd, const char *suffix) {
  char link[64], path[1024];
  if (suffix == NULL) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = '\0';
  size_t suffix_length = strlen(suffix);
  return (size_t)length > suffix_length && strcmp(path + length - suffix_length, suffix) == 0;
}

int fdatasync(int fd) {
  if (!has_suffix(fd, failing_sync)) return (int)syscall(SYS_fdatasync, fd);
  if (is_held) {
    is_waiting = 1;
    check_gate_wait(hold);
  }
  failing_sync = NULL; /* the kernel reports an error once: a second try would succeed */
  if (is_spared) return (int)syscall(SYS_fdatasync, fd);
  atomic_fetch_add(&syncs_failed, 1);
  errno = EIO;
  return -1;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset);
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
  if (!has_suffix(fd, failing_write)) return syscall(SYS_pwrite64, fd, data, size, offset);
  errno = EIO;
  return -1;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  if (!has_suffix(fd, failing_write)) return syscall(SYS_pwritev, fd, parts, count, offset, 0);
  errno = EIO;
  return -1;
}

static void expect_poisoned_but_readable(immuta_log *log, uint64_t visible) {
  immuta_stats stats = check_stats(log, 0);
  CHECK_EQ(stats.poisoned, 1);
  CHECK_EQ(stats.count, visible);
  CHECK_EQ(stats.durable_count, visible);
  for (int again = 0; again < 2; again++) {
    CHECK_STATUS(IMMUTA_E_POISONED, immuta_append(log, 0, "x", 1, NULL, ERR));
    CHECK_MESSAGE("open it again");
    CHECK_STATUS(IMMUTA_E_POISONED, immuta_sync(log, 0, ERR));
  }
  immuta_stream *stream = check_stream(log, 0, 0);
  for (uint64_t i = 0; i < visible; i++) check_next(stream, i, size_of(i), i);
  check_end(stream);
  immuta_stream_done(stream);
  CHECK_EQ(newest_on_disk().state, IDX_STATE_POISONED);
  CHECK_STATUS(IMMUTA_E_POISONED, immuta_close(log, ERR));
  CHECK(check_exists(check_path("a.wal")));
  CHECK_EQ(syncs_failed, 1); /* never tried again */
}

/* Reopening finds every record below `acknowledged`, and at most those below `appended`. */
static void expect_healed(uint64_t acknowledged, uint64_t appended) {
  immuta_log *log = OPEN(DURABLE);
  CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_RECOVERED);
  uint64_t count = check_stats(log, 0).count;
  CHECK(count >= acknowledged && count <= appended);
  append_records(log, count, count + 2);
  expect_records_and_close(log, IDX_MODE_DURABLE, count + 2);
}

static void a_failed_sync_of_the_journal_poisons(void) {
  unsigned char data[1000];
  immuta_log *log = OPEN(DURABLE);
  append_records(log, 0, 5);
  failing_sync = ".wal";
  check_fill(data, size_of(5), 5);
  CHECK_STATUS(IMMUTA_E_IO, immuta_append(log, 0, data, size_of(5), NULL, ERR));
  CHECK_EQ(check_error.os_error, EIO);
  CHECK_EQ(check_error.number, 5);
  CHECK_MESSAGE("may or may not be there");
  CHECK_MESSAGE("a.log");
  expect_poisoned_but_readable(log, 5);
  expect_healed(5, 6);
}

static void a_failed_sync_of_what_is_in_place_poisons(void) {
  unsigned char data[BODY_BYTES_MAX];
  immuta_log *log = OPEN(DURABLE);
  append_records(log, 0, 5);
  failing_sync = ".idx";
  CHECK_STATUS(IMMUTA_E_IO, immuta_append(log, 0, data, sizeof data, NULL, ERR));
  CHECK_MESSAGE("may or may not be there");
  expect_poisoned_but_readable(log, 5);
}

static void a_failed_sync_of_the_records_poisons(void) {
  immuta_log *log = OPEN(DURABLE);
  append_records(log, 0, 5);
  failing_sync = ".log";
  CHECK_STATUS(IMMUTA_E_IO, immuta_sync(log, 0, ERR));
  expect_poisoned_but_readable(log, 5);
  expect_healed(5, 5);
}

/* The checkpoint that empties a half fails: the append that waits for the half gets the error. */
static void a_failed_checkpoint_ends_the_wait_for_a_half(void) {
  immuta_log *log = OPEN(DURABLE);
  unsigned char data[1000];
  failing_sync = ".log";
  uint64_t count = 0;
  immuta_status status;
  do {
    check_fill(data, size_of(count), count);
    *ERR = (immuta_error){0};
    status = immuta_append(log, 0, data, size_of(count), NULL, ERR);
  } while (status == IMMUTA_OK && ++count < 1000);
  CHECK_EQ(status, IMMUTA_E_POISONED);
  CHECK(count >= 28 && count <= 2 * 30);
  expect_poisoned_but_readable(log, count);
  expect_healed(count, count + 1);
}

static void a_failed_sync_of_a_new_journal_leaves_the_log_alone(void) {
  CHECK_OK(immuta_close(OPEN(), ERR));
  check_snapshot before = check_snapshot_take();
  immuta_log *log = NULL;
  failing_sync = ".wal.tmp";
  CHECK_STATUS(IMMUTA_E_IO, TRY_OPEN(&log, DURABLE));
  CHECK_MESSAGE("a.wal");
  CHECK_EQ(syncs_failed, 1);
  check_snapshot_unchanged(&before);
  CHECK_OK(immuta_close(OPEN(DURABLE), ERR));
}

/* ---- Many threads when it happens ---- */

enum { THREADS = 8 };

typedef struct appender {
  immuta_log *log;
  size_t size;
  _Atomic pid_t tid;
  immuta_status status;
  immuta_error error;
} appender;

static void *append_one(void *argument) {
  static const unsigned char data[1000];
  appender *self = argument;
  self->tid = gettid();
  self->status = immuta_append(self->log, 0, data, self->size, NULL, &self->error);
  return NULL;
}

static void start_and_await(appender *self, pthread_t *thread) {
  *thread = check_start(append_one, self);
  while (self->tid == 0) sched_yield();
  check_until_asleep(self->tid); /* in the sync, or until the leader is done */
}

static void everybody_in_flight_hears_of_the_failure(void) {
  appender appenders[THREADS] = {0};
  pthread_t threads[THREADS];
  immuta_log *log = OPEN(DURABLE);
  append_records(log, 0, 5);
  hold = check_gate_new();
  is_held = 1;
  failing_sync = ".wal";
  for (int i = 0; i < THREADS; i++) {
    appenders[i] = (appender){.log = log, .size = 10};
    start_and_await(&appenders[i], &threads[i]);
  }
  check_gate_open(hold);
  for (int i = 0; i < THREADS; i++) {
    check_join(threads[i]);
    CHECK(appenders[i].status == IMMUTA_E_IO || appenders[i].status == IMMUTA_E_POISONED);
    CHECK_EQ(appenders[i].error.code, appenders[i].status);
    CHECK(strstr(appenders[i].error.message, "may or may not be there") != NULL);
  }
  CHECK_EQ(appenders[0].status, IMMUTA_E_IO);
  expect_poisoned_but_readable(log, 5);
  log = OPEN(DURABLE);
  uint64_t count = check_stats(log, 0).count;
  CHECK(count >= 5 && count <= 5 + THREADS);
  CHECK_OK(immuta_close(log, ERR));
}

/* The record is durable, but its number cannot be published. The signal would end this process. */
static void a_file_size_limit_lowered_during_the_sync_poisons(void) {
  immuta_log *log = OPEN(DURABLE, .io = IMMUTA_IO_SYSCALL);
  append_records(log, 0, 5);
  hold = check_gate_new();
  is_held = is_spared = 1;
  failing_sync = ".wal";
  appender last = {.log = log, .size = size_of(5)};
  pthread_t thread;
  start_and_await(&last, &thread);
  const rlim_t limit = check_limit(RLIMIT_FSIZE, 4);
  check_gate_open(hold);
  check_join(thread);
  check_limit(RLIMIT_FSIZE, limit);
  CHECK_EQ(last.status, IMMUTA_E_IO);
  CHECK_EQ(last.error.os_error, EFBIG);
  CHECK(strstr(last.error.message, "may or may not be there") != NULL);
  CHECK_EQ(check_stats(log, 0).poisoned, 1);
  CHECK_EQ(check_stats(log, 0).count, 5);
  CHECK_STATUS(IMMUTA_E_POISONED, immuta_close(log, ERR));
  log = OPEN(DURABLE);
  CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_RECOVERED);
  CHECK_EQ(check_stats(log, 0).count, 6);
  CHECK_OK(immuta_close(log, ERR));
}

enum { FILL_BOTH_HALVES = 57 }; /* 29 records fill the first half, 28 the second but for 602 bytes */

/* A half is not reused before the records of its frames have reached their place. */
static void an_append_waits_while_both_halves_are_full(void) {
  immuta_log *log = OPEN(DURABLE);
  hold = check_gate_new();
  is_held = is_spared = 1;
  failing_sync = ".log";
  append_records(log, 0, FILL_BOTH_HALVES);
  appender waiting = {.log = log, .size = 1000};
  pthread_t thread;
  start_and_await(&waiting, &thread);
  CHECK_EQ(check_stats(log, 0).count, FILL_BOTH_HALVES);
  CHECK_OK(immuta_append(log, 0, NULL, 0, NULL, ERR)); /* has room */
  CHECK_EQ(newest_on_disk().count, 0);
  check_gate_open(hold);
  check_join(thread);
  CHECK_EQ(waiting.status, IMMUTA_OK);
  CHECK_EQ(check_stats(log, 0).durable_count, FILL_BOTH_HALVES + 2);
  CHECK(newest_on_disk().count >= 29);
  CHECK_OK(immuta_close(log, ERR));
}

/* One namespace's sync keeps the log's thread busy while another namespace waits for a half. Then a write of the other
 * fails, and no thread will empty that half any more. */
static void a_failed_write_ends_the_wait_for_a_half(void) {
  immuta_log *log = OPEN(DURABLE, .names = {"a", "b"}, .io = IMMUTA_IO_SYSCALL);
  hold = check_gate_new();
  is_held = 1;
  failing_sync = "b.log";
  for (uint64_t i = 0; i < 40; i++) check_append(log, 1, size_of(i), i);
  while (!is_waiting) sched_yield();
  append_records(log, 0, FILL_BOTH_HALVES);
  appender waiting = {.log = log, .size = 1000};
  pthread_t thread;
  start_and_await(&waiting, &thread);
  failing_write = "a.log";
  CHECK_STATUS(IMMUTA_E_IO, immuta_append(log, 0, NULL, 0, NULL, ERR));
  check_join(thread);
  CHECK_EQ(waiting.status, IMMUTA_E_POISONED);
  CHECK_EQ(check_stats(log, 0).count, FILL_BOTH_HALVES);
  failing_write = NULL;
  check_gate_open(hold);
  CHECK(immuta_close(log, ERR) < 0);
}

static const check_case cases[] = {
    CASE(a_failed_sync_of_the_journal_poisons),
    CASE(a_failed_sync_of_what_is_in_place_poisons),
    CASE(a_failed_sync_of_the_records_poisons),
    CASE(a_failed_checkpoint_ends_the_wait_for_a_half),
    CASE(a_failed_sync_of_a_new_journal_leaves_the_log_alone),
    CASE(everybody_in_flight_hears_of_the_failure),
    CASE(a_file_size_limit_lowered_during_the_sync_poisons),
    CASE(an_append_waits_while_both_halves_are_full),
    CASE(a_failed_write_ends_the_wait_for_a_half),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
