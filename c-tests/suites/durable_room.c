/* Durable mode where there is no room: for the journal, for the records after it, or below the process's file size
 * limit. */
#include "check.h"

#include "durable.h"
#include "small_disk.h"

/* Row O29. */
static void no_room_for_a_journal_changes_nothing(void) {
  const char *disk = mount_small_disk("2m");
  immuta_log *log = OPEN(.directory = disk);
  check_append(log, 0, 1000, 1);
  CHECK_OK(immuta_close(log, ERR));
  for (int i = 0; i < 3; i++) {
    check_snapshot before = check_snapshot_of(disk);
    CHECK_STATUS(IMMUTA_E_NO_SPACE, TRY_OPEN(&log, .directory = disk, .durable = 1, .journal_size = 4 << 20));
    CHECK_MESSAGE("a.wal");
    CHECK_MESSAGE("room");
    check_snapshot_same(&before, disk);
  }
  CHECK_OK(TRY_OPEN(&log, .directory = disk, DURABLE)); /* a shorter one fits */
  check_append(log, 0, 1000, 2);
  CHECK_OK(immuta_close(log, ERR));
  resize_small_disk(disk, "size=16m");
  CHECK_OK(TRY_OPEN(&log, .directory = disk, .durable = 1, .journal_size = 4 << 20));
  CHECK_EQ(check_stats(log, 0).count, 2);
  CHECK_OK(immuta_close(log, ERR));
}

static void a_full_disk_gets_room_again(void) {
  const char *disk = mount_small_disk("1m");
  immuta_log *log = OPEN(.directory = disk, DURABLE);
  unsigned char data[1000];
  uint64_t count = 0;
  immuta_status status;
  do {
    check_fill(data, size_of(count), count);
    *ERR = (immuta_error){0};
    status = immuta_append(log, 0, data, size_of(count), NULL, ERR);
  } while (status == IMMUTA_OK && ++count < 10000);
  CHECK_EQ(status, IMMUTA_E_NO_SPACE);
  CHECK(count > 100);
  CHECK_EQ(check_stats(log, 0).count, count);
  CHECK_EQ(check_stats(log, 0).poisoned, 0);
  resize_small_disk(disk, "size=4m");
  append_records(log, count, count + 200); /* and through both halves */
  CHECK_EQ(check_stats(log, 0).durable_count, count + 200);
  CHECK_OK(immuta_close(log, ERR));
}

static volatile sig_atomic_t file_size_signals;
static void count_file_size_signal(int signal) {
  (void)signal;
  file_size_signals++;
}

static void a_file_size_limit_below_the_journal_is_a_refusal(void) {
  CHECK(signal(SIGXFSZ, count_file_size_signal) != SIG_ERR);
  CHECK_OK(immuta_close(OPEN(), ERR));
  check_snapshot before = check_snapshot_take();
  immuta_log *log = NULL;
  check_limit(RLIMIT_FSIZE, 1 << 20);
  CHECK_STATUS(IMMUTA_E_NO_SPACE, TRY_OPEN(&log, .durable = 1));
  CHECK_MESSAGE("limit");
  check_snapshot_unchanged(&before);
  CHECK_OK(TRY_OPEN(&log, DURABLE));
  append_records(log, 0, 3);
  /* Now the limit is below the size of the files: every append is refused before anything is written. */
  check_limit(RLIMIT_FSIZE, 4 << 10);
  for (int i = 0; i < 3; i++) {
    CHECK_STATUS(IMMUTA_E_NO_SPACE, immuta_append(log, 0, "x", 1, NULL, ERR));
    CHECK_EQ(check_error.os_error, EFBIG);
    CHECK_EQ(check_stats(log, 0).poisoned, 0);
  }
  check_limit(RLIMIT_FSIZE, RLIM_INFINITY);
  append_records(log, 3, 9);
  CHECK_EQ(check_stats(log, 0).durable_count, 9);
  CHECK_OK(immuta_close(log, ERR));
  CHECK_EQ(file_size_signals, 0);
}

static const check_case cases[] = {
    CASE(no_room_for_a_journal_changes_nothing),
    CASE(a_full_disk_gets_room_again),
    CASE(a_file_size_limit_below_the_journal_is_a_refusal),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
