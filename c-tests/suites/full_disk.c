/* A full disk that gets room again: every call that wants room is tried with less and less of it missing. A refused
 * call has changed nothing; with room the call succeeds, and every record is there. (Appending is in durable_room.c,
 * the same by system calls in src/storage/tests/limits.rs.) */
#include "check.h"

#include "durable.h"
#include "small_disk.h"

#include <sys/statvfs.h>

enum { RECORDS_LEFT = 300, PAGE = 4096 };

static char disk[1024];

static void mount_disk(void) { snprintf(disk, sizeof disk, "%s", mount_small_disk("2m")); }

static const char *on_disk(const char *name) {
  static char path[1100];
  CHECK(snprintf(path, sizeof path, "%s/%s", disk, name) < (int)sizeof path);
  return path;
}

static uint64_t free_bytes(void) {
  struct statvfs status;
  CHECK(statvfs(disk, &status) == 0);
  return (uint64_t)status.f_bavail * status.f_frsize;
}

/* Leaves this many bytes free, or as many as there are. */
static void fill_disk(uint64_t left_bytes) {
  const uint64_t now = free_bytes();
  const int fd = open(on_disk("ballast"), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  CHECK(fd >= 0);
  if (now > left_bytes) CHECK(posix_fallocate(fd, 0, (off_t)(now - left_bytes)) == 0);
  close(fd);
}

static void give_room(void) { CHECK(unlink(on_disk("ballast")) == 0); }

/* ---- What is found; made in the case's directory, and copied to the small disk for each try ---- */

static const char *const names[] = {"a.log", "a.idx", "a.wal", "a.live"};

static void live_and_append(immuta_log *log) {
  append_records(log, 0, RECORDS_LEFT / 2);
  append_as_batch(log, RECORDS_LEFT / 2, RECORDS_LEFT);
}

static void closed(void) {
  immuta_log *log = OPEN();
  live_and_append(log);
  CHECK_OK(immuta_close(log, ERR));
}

static void killed(void) { leave_killed_in(1, live_and_append); }
static void killed_durable(void) { leave_killed(live_and_append); }

static void closed_with_bytes_behind(void) {
  closed();
  unsigned char bytes[3 * PAGE];
  memset(bytes, 7, sizeof bytes);
  check_patch_file(check_path("a.log"), check_file_size(check_path("a.log")), bytes, sizeof bytes);
}

static void without_index_file(void) {
  closed();
  CHECK(unlink(check_path("a.idx")) == 0);
}

static void with_damaged_index_file(void) {
  closed();
  check_patch_file(check_path("a.idx"), 0, "damage", 6);
}

static void with_half_an_index_file(void) {
  closed();
  CHECK(truncate(check_path("a.idx"), IDX_HEADER + RECORDS_LEFT / 2 * IDX_ENTRY) == 0);
}

static void with_a_damaged_count(void) {
  closed();
  check_patch_file(check_path("a.log"), 0, "\1\0\0\0\0\0\0\0", 8);
}

static void nothing(void) {
  closed();
  CHECK(rename(check_path("a.log"), check_path("source")) == 0);
  CHECK(unlink(check_path("a.idx")) == 0 && unlink(check_path("a.live")) == 0);
}

/* ---- What is done to it ---- */

static immuta_status open_and_close(int durable) {
  immuta_log *log = NULL;
  immuta_status status = TRY_OPEN(&log, .directory = disk, .durable = durable, .journal_size = JOURNAL_BYTES);
  return status == IMMUTA_OK ? immuta_close(log, ERR) : status;
}

static immuta_status open_fast(void) { return open_and_close(0); }
static immuta_status open_durable(void) { return open_and_close(1); }

static immuta_status repair(void) {
  immuta_report report;
  immuta_options *options = check_options((check_setup){.unused = 0});
  check_error = (immuta_error){0};
  immuta_status status =
      immuta_repair(disk, "a", options, IMMUTA_REPAIR_APPLY, NULL, NULL, &report, sizeof report, ERR);
  immuta_options_free(options);
  return status;
}

static immuta_status import(void) {
  immuta_report report;
  immuta_options *options = check_options((check_setup){.unused = 0});
  check_error = (immuta_error){0};
  immuta_status status =
      immuta_import(check_path("source"), disk, "a", options, NULL, NULL, &report, sizeof report, ERR);
  immuta_options_free(options);
  return status;
}

/* Every record is there, and one more can be appended. */
static void expect_whole(void) {
  immuta_log *log = OPEN(.directory = disk);
  immuta_stream *stream = check_stream(log, 0, 0);
  for (uint64_t i = 0; i < RECORDS_LEFT; i++) check_next(stream, i, size_of(i), i);
  check_end(stream);
  immuta_stream_done(stream);
  CHECK_EQ(check_append(log, 0, 5000, 1).number, RECORDS_LEFT);
  CHECK_OK(immuta_close(log, ERR));
}

static void clear_disk(void) {
  struct dirent **entries;
  const int count = scandir(disk, &entries, NULL, NULL);
  CHECK(count >= 0);
  for (int i = 0; i < count; free(entries[i++]))
    if (entries[i]->d_name[0] != '.') CHECK(unlink(on_disk(entries[i]->d_name)) == 0);
  free(entries);
}

static void copy_files(void) {
  for (size_t i = 0; i < CHECK_COUNT(names); i++)
    if (check_exists(check_path(names[i]))) check_copy_file(check_path(names[i]), on_disk(names[i]));
}

/* Tries `act` on what `leave` left with ever more pages of room, until there is enough. */
static void try_with_little_room(void (*leave)(void), immuta_status (*act)(void)) {
  leave();
  mount_disk();
  uint64_t refused = 0;
  for (uint64_t left_bytes = 0;; left_bytes += check_rounds(1, 3) * PAGE) {
    clear_disk();
    copy_files();
    fill_disk(left_bytes);
    check_snapshot before = check_snapshot_of(disk);
    const immuta_status status = act();
    if (status == IMMUTA_OK) break;
    CHECK_STATUS(IMMUTA_E_NO_SPACE, status);
    check_snapshot_same(&before, disk);
    give_room();
    CHECK_OK(act());
    expect_whole();
    CHECK(left_bytes < 1 << 20);
    refused++;
  }
  CHECK(refused > 0);
  give_room();
  expect_whole();
}

static void bytes_after_the_records_wait_for_room_to_be_kept(void) {
  try_with_little_room(closed_with_bytes_behind, open_fast);
}

static void records_without_an_index_file_wait_for_one(void) { try_with_little_room(without_index_file, open_fast); }
static void a_damaged_index_file_waits_for_another(void) { try_with_little_room(with_damaged_index_file, open_fast); }
static void entries_cut_off_wait_for_room(void) { try_with_little_room(with_half_an_index_file, open_fast); }
static void a_journal_waits_for_room(void) { try_with_little_room(closed, open_durable); }
static void what_a_crash_left_waits_for_a_journal(void) { try_with_little_room(killed, open_durable); }
static void a_replay_waits_for_another_journal(void) { try_with_little_room(killed_durable, open_durable); }
static void an_index_file_waits_for_its_journal(void) { try_with_little_room(with_damaged_index_file, open_durable); }
static void a_repair_waits_for_room(void) { try_with_little_room(with_a_damaged_count, repair); }
static void a_repair_of_an_index_file_waits_for_room(void) { try_with_little_room(with_damaged_index_file, repair); }
static void an_import_waits_for_room(void) { try_with_little_room(nothing, import); }

/* Calls that have their room already need no more: sync, close, opening a closed or killed log. */
static void a_log_that_fills_the_disk_is_closed_and_opened(void) {
  mount_disk();
  for (int durable = 0; durable < 2; durable++) {
    clear_disk();
    immuta_log *log = OPEN(.directory = disk, .durable = durable, .journal_size = JOURNAL_BYTES);
    live_and_append(log);
    fill_disk(0);
    uint64_t count = RECORDS_LEFT;
    unsigned char bytes[1000];
    immuta_status status;
    for (;; count++) {
      check_fill(bytes, size_of(count), count);
      check_error = (immuta_error){0};
      if ((status = immuta_append(log, 0, bytes, size_of(count), NULL, ERR)) != IMMUTA_OK) break;
    }
    CHECK_STATUS(IMMUTA_E_NO_SPACE, status);
    CHECK_OK(immuta_sync(log, 0, ERR));
    CHECK_OK(immuta_close(log, ERR));
    fill_disk(0); /* closing gave some room back */
    log = OPEN(.directory = disk);
    CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_CLEAN);
    CHECK_EQ(check_stats(log, 0).count, count);
    give_room();
    append_records(log, count, count + 100);
    CHECK_OK(immuta_close(log, ERR));
  }
}

static void what_a_crash_left_is_recovered_without_room(void) {
  killed();
  mount_disk();
  copy_files();
  fill_disk(0);
  CHECK_OK(open_fast());
  give_room();
  expect_whole();
}

static const check_case cases[] = {
    CASE(bytes_after_the_records_wait_for_room_to_be_kept),
    CASE(records_without_an_index_file_wait_for_one),
    CASE(a_damaged_index_file_waits_for_another),
    CASE(entries_cut_off_wait_for_room),
    CASE(a_journal_waits_for_room),
    CASE(what_a_crash_left_waits_for_a_journal),
    CASE(a_replay_waits_for_another_journal),
    CASE(an_index_file_waits_for_its_journal),
    CASE(a_repair_waits_for_room),
    CASE(a_repair_of_an_index_file_waits_for_room),
    CASE(an_import_waits_for_room),
    CASE(a_log_that_fills_the_disk_is_closed_and_opened),
    CASE(what_a_crash_left_is_recovered_without_room),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
