/* Hostile inputs that need the C interface or the system to make. The others are in tests/hostile.rs, the numbers in
 * docs/durability.md. */
#include "check.h"

#include "refusal.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

/* ---- 36 ---------------------------------------------------------------------------------------------------------- */

/* Anything in place of the record file or of the index file: refused by a writer and by a reader, at once and
 * untouched. */
static void expect_not_regular(const char *name) {
  expect_refused(IMMUTA_E_NOT_REGULAR, name);
  expect_refused_as(IMMUTA_E_NOT_REGULAR, "a", 1, name);
  CHECK(remove(check_path(name)) == 0);
}

static void make_socket(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  CHECK(strlen(path) < sizeof address.sun_path);
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && close(fd) == 0);
}

static void hostile_36_not_regular_files(void) {
  const char *names[] = {"a.log", "a.idx"}, *targets[] = {"nowhere", "/dev/zero", "/dev/null", "."};
  for (size_t i = 0; i < CHECK_COUNT(names); i++) {
    const char *path = check_path(names[i]);
    if (i == 1) {
      make_log("a", 3, RECORD_BYTES);
      CHECK(unlink(path) == 0);
    }
    CHECK(mkdir(path, 0777) == 0);
    expect_not_regular(names[i]);
    CHECK(mkfifo(path, 0666) == 0);
    expect_not_regular(names[i]);
    make_socket(path);
    expect_not_regular(names[i]);
    for (size_t j = 0; j < CHECK_COUNT(targets); j++) {
      CHECK(symlink(targets[j], path) == 0);
      expect_not_regular(names[i]);
    }
    CHECK(symlink(names[i], path) == 0); /* to itself */
    expect_not_regular(names[i]);
  }
}

/* ---- 45 ---------------------------------------------------------------------------------------------------------- */

static void hostile_45_descriptors_run_out(void) {
  make_log("a", 3, RECORD_BYTES);
  for (int durable = 0; durable < 2; durable++) {
    immuta_log *log = NULL;
    check_snapshot before = check_snapshot_take();
    for (rlim_t room = 0; log == NULL; room++) {
      CHECK(room < 60);
      rlim_t usual = check_limit(RLIMIT_NOFILE, (rlim_t)check_descriptors() + room);
      immuta_status status = TRY_OPEN(&log, .durable = durable);
      check_limit(RLIMIT_NOFILE, usual);
      if (status == IMMUTA_OK) break;
      CHECK_EQ(status, IMMUTA_E_LIMIT);
      CHECK_EQ(ERR->os_error, EMFILE);
      check_snapshot_unchanged(&before);
    }
    CHECK_OK(immuta_close(log, ERR));
  }
}

static _Atomic uint64_t interruptions;

static void interrupted(int signal_number) {
  (void)signal_number;
  atomic_fetch_add(&interruptions, 1);
}

static void hostile_45_signals_at_every_call(void) {
  struct sigaction action = {.sa_handler = interrupted}; /* no SA_RESTART */
  /* On a slow machine a signal takes as long as this, and nothing else would happen. */
  const suseconds_t interval_us = (suseconds_t)check_rounds(50, 20000);
  struct itimerval often = {.it_interval = {.tv_usec = interval_us}, .it_value = {.tv_usec = interval_us}}, never = {0};
  CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
  uint64_t count = 0;
  for (int round = 0; round < 10 || atomic_load(&interruptions) < 100; round++) {
    immuta_log *log = OPEN(.durable = round % 2);
    for (uint64_t i = 0; i < 20; i++) check_append(log, 0, RECORD_BYTES, count++);
    CHECK_OK(immuta_sync(log, 0, ERR));
    CHECK_OK(immuta_close(log, ERR));
  }
  CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
  immuta_report report = verify_unchanged();
  CHECK_EQ(report.finding, IMMUTA_OK);
  CHECK_EQ(report.count, count);
}

/* ---- 46 ---------------------------------------------------------------------------------------------------------- */

static void hostile_46_null_and_foreign_handles(void) {
  immuta_log *log = OPEN();
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record;
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_append(NULL, 0, "x", 1, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_stream_next(NULL, 0, &record, ERR));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_append((immuta_log *)(void *)stream, 0, "x", 1, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_stream_next((immuta_stream *)(void *)log, 0, &record, ERR));
  uint64_t foreign[16] = {0};
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_append((immuta_log *)(void *)foreign, 0, "x", 1, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_append((immuta_log *)(void *)((char *)foreign + 1), 0, "x", 1, NULL, ERR));
  CHECK_OK(immuta_shutdown(log, ERR));
  CHECK_STATUS(IMMUTA_E_CLOSED, immuta_append(log, 0, "x", 1, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_CLOSED, immuta_stream_next(stream, 0, &record, ERR));
  CHECK_OK(immuta_close(log, ERR));
  CHECK_STATUS(IMMUTA_E_CLOSED, immuta_stream_next(stream, 0, &record, ERR));
  immuta_stream_done(stream);
}

static void hostile_46_sizes_that_nothing_has(void) {
  immuta_log *log = OPEN();
  const size_t sizes[] = {SIZE_MAX, SIZE_MAX / 2 + 1, SIZE_MAX - 7};
  for (size_t i = 0; i < CHECK_COUNT(sizes); i++) {
    immuta_slice parts[] = {{"x", 1}, {"x", sizes[i]}};
    CHECK(immuta_append(log, 0, "x", sizes[i], NULL, ERR) < 0);
    CHECK(immuta_appendv(log, 0, parts, 2, NULL, ERR) < 0);
    CHECK(immuta_append_batch(log, 0, parts, 2, NULL, ERR) < 0);
    CHECK(immuta_append_batch(log, 0, parts, sizes[i], NULL, ERR) < 0);
    CHECK(immuta_append_packed(log, 0, "x", &sizes[i], 1, NULL, ERR) < 0);
  }
  CHECK_EQ(check_stats(log, 0).count, 0);
  CHECK_OK(immuta_close(log, ERR));
}

/* Calls the library on another object, then on its own log. */
static int64_t append_from_inside(void *user, void *buffer, size_t capacity) {
  immuta_log **logs = user;
  (void)buffer, (void)capacity;
  check_append(logs[1], 0, 10, 1);
  check_append(logs[0], 0, 10, 1);
  return 0;
}

static int64_t answer_too_much(void *user, void *buffer, size_t capacity) {
  (void)user, (void)buffer;
  return (int64_t)capacity + 1;
}

static void hostile_46_callbacks(void) {
  immuta_log *logs[] = {OPEN(), OPEN(.names = {"b"})};
  CHECK_OK(immuta_append_from(logs[0], 0, append_from_inside, logs, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_CALLBACK, immuta_append_from(logs[0], 0, answer_too_much, NULL, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_append_from(logs[0], 0, NULL, NULL, NULL, ERR));
  CHECK_EQ(check_stats(logs[0], 0).count, 2);
  CHECK_EQ(check_stats(logs[1], 0).count, 1);
  CHECK_OK(immuta_close(logs[0], ERR));
  CHECK_OK(immuta_close(logs[1], ERR));
}

static const check_case cases[] = {
    CASE(hostile_36_not_regular_files),      CASE(hostile_45_descriptors_run_out),
    CASE(hostile_45_signals_at_every_call),  CASE(hostile_46_null_and_foreign_handles),
    CASE(hostile_46_sizes_that_nothing_has), CASE(hostile_46_callbacks),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
