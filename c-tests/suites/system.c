/* What the system denies: permission, read-only and full file systems, limits of the process, memory, and syncs that
 * fail. Each is a status and a message; nothing is lost; once the cause is gone the same call succeeds. Cases that need
 * root or a mount say SKIPPED. */
#include "check.h"

#include "forbid.h"
#include "small_disk.h"
#include "snapshot.h"

enum { MIB = 1 << 20, RECORD_BYTES = 40000 };

/* Appends records until one is refused; returns how many are there. A refusal leaves the files as they were. */
static uint64_t append_until_refused(immuta_log *log, const char *directory) {
  static unsigned char data[RECORD_BYTES];
  immuta_stats before;
  immuta_status status;
  do {
    before = check_stats(log, 0);
    check_fill(data, sizeof data, before.count);
    *ERR = (immuta_error){0};
    status = immuta_append(log, 0, data, sizeof data, NULL, ERR);
  } while (status == IMMUTA_OK);
  CHECK_EQ(status, IMMUTA_E_NO_SPACE);
  immuta_stats after = check_stats(log, 0);
  CHECK(after.count == before.count && after.file_bytes == before.file_bytes &&
        after.index_bytes == before.index_bytes);
  CHECK_EQ(after.poisoned, 0);
  check_snapshot refused = check_snapshot_of(directory);
  /* A second try is refused, too. */
  CHECK_STATUS(IMMUTA_E_NO_SPACE, immuta_append(log, 0, data, sizeof data, NULL, ERR));
  CHECK_MESSAGE("a.");
  CHECK_MESSAGE("room");
  check_snapshot_same(&refused, directory);
  return before.count;
}

/* A batch that does not fit is refused as a whole, although its first records would fit. */
static void expect_no_part_of_a_batch(immuta_log *log, const char *directory) {
  static unsigned char data[RECORD_BYTES];
  immuta_slice records[200];
  for (size_t i = 0; i < CHECK_COUNT(records); i++) records[i] = (immuta_slice){data, sizeof data};
  check_snapshot before = check_snapshot_of(directory);
  CHECK_STATUS(IMMUTA_E_NO_SPACE, immuta_append_batch(log, 0, records, CHECK_COUNT(records), NULL, ERR));
  check_snapshot_same(&before, directory);
}

static void expect_all_records(const char *directory, uint64_t count) {
  immuta_report report;
  CHECK_OK(immuta_verify(directory, "a", NULL, NULL, NULL, &report, sizeof report, ERR));
  CHECK_EQ(report.finding, IMMUTA_OK);
  CHECK_EQ(report.count, count);
  immuta_log *log = OPEN(.directory = directory, .read_only = 1);
  immuta_stream *stream = check_stream(log, 0, 0);
  for (uint64_t i = 0; i < count; i++) {
    immuta_record record;
    CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
    CHECK(record.number == i && record.size == RECORD_BYTES && check_is_fill(record.data, record.size, i));
    CHECK_OK(immuta_record_done(&record));
  }
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

/* ---- Permission -------------------------------------------------------------------------------------------------- */

static void expect_permission_errors(void *unused) {
  (void)unused;
  immuta_log *log = NULL;
  check_become_nobody();
  CHECK_STATUS(IMMUTA_E_PERMISSION, TRY_OPEN(&log, .names = {"readable"}));
  CHECK_MESSAGE("readable.log");
  CHECK_MESSAGE("read-only"); /* the way on */
  CHECK_STATUS(IMMUTA_E_PERMISSION, TRY_OPEN(&log, .names = {"new"}));
  CHECK_MESSAGE("new");
  CHECK_STATUS(IMMUTA_E_PERMISSION, TRY_OPEN(&log, .directory = check_path("deeper/still")));
  CHECK_STATUS(IMMUTA_E_PERMISSION, TRY_OPEN(&log, .names = {"secret"}, .read_only = 1));
  CHECK_MESSAGE("secret.log");
  CHECK_OK(TRY_OPEN(&log, .names = {"readable"}, .read_only = 1));
  CHECK_EQ(check_stats(log, 0).count, 1);
  CHECK_OK(immuta_close(log, ERR));
}

static void missing_permission_is_told_and_changes_nothing(void) {
  immuta_log *log = OPEN(.names = {"readable", "secret"});
  check_append(log, 0, 10, 1);
  CHECK_OK(immuta_close(log, ERR));
  check_snapshot before = check_snapshot_take();
  CHECK(chmod(check_path("readable.log"), 0444) == 0 && chmod(check_path("readable.idx"), 0444) == 0);
  CHECK(chmod(check_path("secret.log"), 0) == 0 && chmod(check_path("secret.idx"), 0) == 0 &&
        chmod(check_dir(), 0555) == 0);
  check_process_succeeds(check_fork(expect_permission_errors, NULL));
  CHECK(chmod(check_path("secret.log"), 0644) == 0 && chmod(check_path("secret.idx"), 0644) == 0 &&
        chmod(check_dir(), 0755) == 0);
  check_snapshot_unchanged(&before);
}

/* ---- Locks ------------------------------------------------------------------------------------------------------- */

/* As on some network file systems. Readers could not find out who writes, so they are refused, too. */
static void without_locks_a_log_is_refused_and_not_changed(void) {
  immuta_log *log = OPEN();
  check_append(log, 0, RECORD_BYTES, 0);
  CHECK_OK(immuta_close(log, ERR));
  check_snapshot before = check_snapshot_take();
  log = NULL;
  forbid_call(SYS_fcntl, ENOLCK);
  for (int read_only = 0; read_only < 2; read_only++) {
    CHECK_STATUS(IMMUTA_E_UNSUPPORTED, TRY_OPEN(&log, .read_only = read_only));
    CHECK_EQ(ERR->os_error, ENOLCK);
    CHECK_MESSAGE("lock");
    CHECK_MESSAGE("a.log");
    CHECK_MESSAGE("local file system"); /* the way on */
    CHECK(log == NULL);
    check_snapshot_unchanged(&before);
  }
  const char *directory = check_path("new");
  CHECK_STATUS(IMMUTA_E_UNSUPPORTED, TRY_OPEN(&log, .directory = directory));
  check_snapshot left = check_snapshot_of(directory);
  CHECK(left.count <= 1 && left.files[0].size == 0); /* the empty file that was to be locked */
}

/* ---- File systems: a small one, in a mount namespace that no other process sees ---------------------------------- */

static void a_full_disk_gets_room_again(void) {
  const char *disk = mount_small_disk("8m"), *ballast = check_path("disk/ballast");
  static unsigned char data[3 * MIB];
  check_write_file(ballast, data, sizeof data);
  immuta_log *log = OPEN(.directory = disk, .flush_interval_ns = -1);
  uint64_t count = append_until_refused(log, disk);
  CHECK(count > 10);
  expect_no_part_of_a_batch(log, disk);
  CHECK(unlink(ballast) == 0);
  check_append(log, 0, RECORD_BYTES, count);
  uint64_t more = append_until_refused(log, disk);
  CHECK(more > count + 10);
  CHECK_OK(immuta_close(log, ERR)); /* needs no room */
  expect_all_records(disk, more);
  log = OPEN(.directory = disk);
  CHECK_EQ(check_stats(log, 0).count, more);
  CHECK_OK(immuta_close(log, ERR));
}

static void a_log_is_not_created_by_halves_on_a_full_disk(void) {
  const char *disk = mount_small_disk("1m"), *ballast = check_path("disk/ballast");
  int fd = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  CHECK(fd >= 0);
  static const unsigned char page[4096];
  while (write(fd, page, sizeof page) > 0) continue;
  CHECK_EQ(errno, ENOSPC);
  close(fd);
  immuta_log *log = NULL;
  for (int i = 0; i < 2; i++) {
    CHECK_STATUS(IMMUTA_E_NO_SPACE, TRY_OPEN(&log, .directory = disk));
    CHECK_MESSAGE("room");
  }
  CHECK(unlink(ballast) == 0);
  CHECK_OK(TRY_OPEN(&log, .directory = disk));
  check_append(log, 0, RECORD_BYTES, 0);
  CHECK_OK(immuta_close(log, ERR));
  expect_all_records(disk, 1);
}

static void a_read_only_file_system_is_read(void) {
  const char *disk = mount_small_disk("8m");
  immuta_log *log = OPEN(.directory = disk);
  check_append(log, 0, RECORD_BYTES, 0);
  CHECK_OK(immuta_close(log, ERR));
  CHECK(mount("immuta-test", disk, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=8m") == 0);
  log = NULL;
  CHECK_STATUS(IMMUTA_E_READ_ONLY, TRY_OPEN(&log, .directory = disk));
  CHECK_MESSAGE("read-only");
  CHECK_EQ(ERR->os_error, EROFS);
  CHECK_STATUS(IMMUTA_E_READ_ONLY, TRY_OPEN(&log, .directory = check_path("disk/new")));
  expect_all_records(disk, 1);
}

/* ---- Limits of the process --------------------------------------------------------------------------------------- */

static volatile sig_atomic_t file_size_signals;
static void count_file_size_signal(int signal) {
  (void)signal;
  file_size_signals++;
}

static void the_file_size_limit_is_a_status_and_not_a_signal(void) {
  CHECK(signal(SIGXFSZ, count_file_size_signal) != SIG_ERR);
  immuta_log *log = OPEN(.flush_interval_ns = -1);
  rlim_t before = check_limit(RLIMIT_FSIZE, 3 * MIB + 1000);
  uint64_t count = append_until_refused(log, check_dir());
  CHECK(count >= 2 * MIB / RECORD_BYTES);
  expect_no_part_of_a_batch(log, check_dir());
  CHECK_EQ(file_size_signals, 0);
  check_limit(RLIMIT_FSIZE, before);
  check_append(log, 0, RECORD_BYTES, count);
  /* Now smaller than the record file that is there, which closing only makes shorter. */
  check_limit(RLIMIT_FSIZE, 64 << 10);
  CHECK_OK(immuta_close(log, ERR));
  CHECK_EQ(file_size_signals, 0);
  check_limit(RLIMIT_FSIZE, before);
  expect_all_records(check_dir(), count + 1);
}

/* The limit is below the entries, then below the checkpoints: every append is refused before anything is written. */
static void a_file_size_limit_below_what_is_open_is_a_refusal(void) {
  enum { SMALL_RECORDS = 1000 }; /* with a byte each: more bytes of entries than of records */
  CHECK(signal(SIGXFSZ, count_file_size_signal) != SIG_ERR);
  const int engines[] = {check_io(), IMMUTA_IO_SYSCALL};
  for (size_t i = 0; i < CHECK_COUNT(engines); i++) {
    const char *directory = check_path(i == 0 ? "usual" : "syscall");
    immuta_log *log = OPEN(.directory = directory, .io = engines[i], .flush_interval_ns = -1);
    uint64_t count = 0;
    while (count < SMALL_RECORDS) check_append(log, 0, 1, count++);
    rlim_t before = check_limit(RLIMIT_FSIZE, 20 << 10);
    for (int try = 0; try < 3; try++) {
      immuta_status status = immuta_append(log, 0, "x", 1, NULL, ERR);
      if (engines[i] == IMMUTA_IO_SYSCALL) CHECK_EQ(status, IMMUTA_E_NO_SPACE);
      if (status == IMMUTA_OK) count++;
      CHECK_EQ(check_stats(log, 0).poisoned, 0);
    }
    check_limit(RLIMIT_FSIZE, 4 << 10);
    for (int try = 0; try < 3; try++) {
      CHECK_STATUS(IMMUTA_E_NO_SPACE, immuta_sync(log, 0, ERR));
      CHECK_EQ(ERR->os_error, EFBIG);
      CHECK_MESSAGE("limit");
      CHECK_EQ(check_stats(log, 0).poisoned, 0);
      CHECK_EQ(check_stats(log, 0).durable_count, 0);
    }
    check_limit(RLIMIT_FSIZE, before);
    check_append(log, 0, 1, count++);
    CHECK_OK(immuta_sync(log, 0, ERR));
    CHECK_EQ(check_stats(log, 0).durable_count, count);
    check_append(log, 0, 1, count++);
    check_limit(RLIMIT_FSIZE, 4 << 10);
    CHECK_STATUS(IMMUTA_E_NO_SPACE, immuta_close(log, ERR));
    check_limit(RLIMIT_FSIZE, before);
    log = OPEN(.directory = directory);
    CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_RECOVERED);
    CHECK_EQ(check_stats(log, 0).count, count);
    CHECK_OK(immuta_close(log, ERR));
  }
  CHECK_EQ(file_size_signals, 0);
}

static void the_descriptor_limit_is_told_and_leaks_nothing(void) {
  CHECK_OK(immuta_close(OPEN(), ERR));
  size_t open_before = check_descriptors();
  check_snapshot before = check_snapshot_take();
  immuta_log *log = NULL;
  for (rlim_t room = 0; room < 60; room++) { /* every step of an open fails once */
    rlim_t usual = check_limit(RLIMIT_NOFILE, (rlim_t)open_before + room);
    immuta_status status = TRY_OPEN(&log, .readers = 30);
    check_limit(RLIMIT_NOFILE, usual);
    if (status == IMMUTA_OK) break;
    if (status != IMMUTA_E_LIMIT) printf("\n    with room for %d descriptors: %s", (int)room, ERR->message);
    CHECK_EQ(status, IMMUTA_E_LIMIT);
    CHECK_EQ(ERR->os_error, EMFILE);
    CHECK_MESSAGE("limit");
    CHECK_EQ(check_descriptors(), open_before);
    check_snapshot_unchanged(&before);
  }
  CHECK(log != NULL);
  CHECK(check_descriptors() >= open_before + 30);
  CHECK_OK(immuta_close(log, ERR));
  CHECK_EQ(check_descriptors(), open_before);
}

static void missing_memory_is_told_and_the_record_stays_readable(void) {
  enum { PARTS = 100 }; /* MiB: more than any arena of malloc has in reserve */
  static unsigned char part[MIB];
  immuta_slice parts[PARTS];
  check_fill(part, sizeof part, 3);
  for (size_t i = 0; i < PARTS; i++) parts[i] = (immuta_slice){part, sizeof part};
  immuta_log *log = OPEN(.max_record_size = PARTS * MIB);
  check_append(log, 0, 1, 2);
  CHECK_OK(immuta_appendv(log, 0, parts, PARTS, NULL, ERR));
  check_append(log, 0, 1, 4); /* the first and the last record are read by the open itself */
  CHECK_OK(immuta_close(log, ERR));
  log = OPEN(.read_only = 1, .max_record_size = PARTS * MIB);
  immuta_stream *stream = check_stream(log, 0, 1);
  immuta_record record;
  rlim_t usual = check_limit(RLIMIT_AS, check_address_space_bytes() + 8 * MIB);
  immuta_status status = immuta_stream_next(stream, 0, &record, ERR);
  check_limit(RLIMIT_AS, usual);
  CHECK_EQ(status, IMMUTA_E_NO_MEMORY);
  CHECK_MESSAGE("memory");
  CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
  CHECK_EQ(record.size, PARTS * MIB);
  for (size_t i = 0; i < PARTS; i++) CHECK(memcmp((const char *)record.data + i * MIB, part, MIB) == 0);
  CHECK_OK(immuta_record_done(&record));
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void a_path_longer_than_the_system_takes_is_an_argument(void) {
  char path[700];
  immuta_log *log = NULL;
  int length = snprintf(path, sizeof path, "%s/", check_dir());
  memset(path + length, 'x', 300);
  path[length + 300] = '\0';
  CHECK_STATUS(IMMUTA_E_ARGUMENT, TRY_OPEN(&log, .directory = path));
  CHECK_EQ(ERR->os_error, ENAMETOOLONG);
  CHECK_MESSAGE("xxx");
}

/* ---- Syncs that fail --------------------------------------------------------------------------------------------- */

static void fail_every_sync(void) {
  const uint32_t syncs[] = {SYS_fdatasync, SYS_fsync, SYS_msync, SYS_sync_file_range, SYS_syncfs};
  forbid_calls(syncs, CHECK_COUNT(syncs), EIO);
}

static void expect_poisoned_but_readable(immuta_log *log) {
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record;
  for (int again = 0; again < 2; again++) {
    CHECK_STATUS(IMMUTA_E_POISONED, immuta_append(log, 0, "x", 1, NULL, ERR));
    CHECK_MESSAGE("reopen");
    CHECK_STATUS(IMMUTA_E_POISONED, immuta_sync(log, 0, ERR));
  }
  CHECK_EQ(check_stats(log, 0).poisoned, 1);
  CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
  CHECK(check_is_fill(record.data, record.size, 0));
  CHECK_OK(immuta_record_done(&record));
  immuta_stream_done(stream);
  CHECK(immuta_close(log, ERR) < 0); /* what was not synced is not called safe */
}

static void sync_with_errors(void *unused) {
  (void)unused;
  immuta_log *log = OPEN(.flush_interval_ns = -1);
  check_append(log, 0, RECORD_BYTES, 0);
  fail_every_sync();
  CHECK_STATUS(IMMUTA_E_IO, immuta_sync(log, 0, ERR));
  CHECK_EQ(ERR->os_error, EIO);
  CHECK_MESSAGE("a.");
  expect_poisoned_but_readable(log);
}

static void flush_with_errors(void *unused) {
  (void)unused;
  immuta_log *log = OPEN(.flush_interval_ns = 1000000);
  fail_every_sync();
  check_append(log, 0, RECORD_BYTES, 0);
  while (!check_stats(log, 0).poisoned) sched_yield();
  expect_poisoned_but_readable(log);
}

/* In a child, because the filter stays; the parent then finds the record all the same. */
static void expect_kept_over(void (*failing)(void *)) {
  int status = 0;
  pid_t child = check_fork(failing, NULL);
  CHECK_EQ(waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == CHECK_EXIT_SKIPPED) _exit(CHECK_EXIT_SKIPPED);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  immuta_log *log = OPEN();
  CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_RECOVERED);
  CHECK_OK(immuta_close(log, ERR));
  expect_all_records(check_dir(), 1);
}

static void a_failed_sync_poisons_until_reopened(void) { expect_kept_over(sync_with_errors); }
static void a_failed_flush_poisons_until_reopened(void) { expect_kept_over(flush_with_errors); }

static const check_case cases[] = {
    CASE(missing_permission_is_told_and_changes_nothing),
    CASE(without_locks_a_log_is_refused_and_not_changed),
    CASE(a_full_disk_gets_room_again),
    CASE(a_log_is_not_created_by_halves_on_a_full_disk),
    CASE(a_read_only_file_system_is_read),
    CASE(the_file_size_limit_is_a_status_and_not_a_signal),
    CASE(a_file_size_limit_below_what_is_open_is_a_refusal),
    CASE(the_descriptor_limit_is_told_and_leaks_nothing),
    CASE(missing_memory_is_told_and_the_record_stays_readable),
    CASE(a_path_longer_than_the_system_takes_is_an_argument),
    CASE(a_failed_sync_poisons_until_reopened),
    CASE(a_failed_flush_poisons_until_reopened),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
