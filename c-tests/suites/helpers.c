/* Files and figures that only help are no reason to refuse an opening: a live page that cannot be made or is another
 * user's, leftovers that cannot be removed, a journal that a reader cannot open, figures that the system does not give.
 * The writer goes on and says so, and readers see every record all the same. */
#include "check.h"

#include "durable.h"
#include "forbid.h"
#include "golden.h"
#include "polling.h"
#include "small_disk.h"

#include <grp.h>

enum { ALICE = 4001, BOB = 4002, RECORDS_LEFT = 12, ROUNDS = 5, LIMIT_SECONDS = 100 };
enum { LIVE_BYTES = 4096, BOOT_ID_AT = 8, READY_EPOCH_AT = 24, WAKES_AT = 52 };

#define LIMIT (LIMIT_SECONDS * CHECK_SECOND) /* far beyond what it takes */

static void some_records(immuta_log *log) { append_records(log, 0, RECORDS_LEFT); }

static void make_records(void) {
  immuta_log *log = OPEN();
  some_records(log);
  CHECK_OK(immuta_close(log, ERR));
}

static void skip_without_root(void) {
  if (geteuid() != 0) CHECK_SKIP("files of other users need root (CAP_CHOWN)");
}

static void become(uid_t user) {
  CHECK(setgroups(0, NULL) == 0 && setresgid(user, user, user) == 0 && setresuid(user, user, user) == 0);
}

/* ---- A writer without a live page, and a reader of another process ---- */

typedef struct pair {
  int durable;
  immuta_status live_finding;
  uid_t reader; /* as whom to read; 0: as the writer */
  uint64_t first;
  check_gate is_open, appended, is_read;
} pair;

static void read_along(void *argument) {
  pair *self = argument;
  check_gate_wait(self->is_open);
  if (self->reader != 0) become(self->reader);
  immuta_log *log = OPEN(.read_only = 1);
  CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_LIVE);
  immuta_stream *stream = check_stream(log, 0, 0), *polled = check_stream(log, 0, (int64_t)self->first);
  uint64_t number = 0;
  const int fd = poll_fd(polled);
  for (int round = 0; round < ROUNDS; round++) {
    check_gate_wait(self->appended);
    for (const uint64_t end = self->first + (uint64_t)round + 1; number < end; number++) {
      immuta_record record;
      CHECK_OK(immuta_stream_next(stream, LIMIT, &record, ERR));
      CHECK(record.number == number && record.size == size_of(number) &&
            check_is_fill(record.data, record.size, number));
      CHECK_OK(immuta_record_done(&record));
    }
    if (immuta_stream_poll_arm(polled, ERR) != IMMUTA_READY) wait_readable(fd);
    check_next(polled, number - 1, size_of(number - 1), number - 1);
    check_gate_open(self->is_read);
  }
  immuta_stream_done(stream);
  immuta_stream_done(polled);
  CHECK_OK(immuta_close(log, ERR));
}

/* Opens the existing log, which reports `live_finding`. Another process follows it beyond its last checkpoint. */
static void write_and_be_followed(int durable, immuta_status live_finding, uid_t reader) {
  pair self = {durable, live_finding, reader, RECORDS_LEFT, check_gate_new(), check_gate_new(), check_gate_new()};
  const pid_t child = check_fork(read_along, &self);
  immuta_log *log = OPEN(.durable = durable, .journal_size = durable ? JOURNAL_BYTES : 0, .flush_interval_ns = -1);
  CHECK_EQ(check_report(log, 0).live_finding, live_finding);
  CHECK_EQ(check_stats(log, 0).count, self.first);
  check_gate_open(self.is_open);
  for (uint64_t round = 0; round < ROUNDS; round++) {
    append_records(log, self.first + round, self.first + round + 1);
    check_gate_open(self.appended);
    check_gate_wait(self.is_read);
  }
  immuta_stream *own = check_stream(log, 0, 0); /* whose waiting needs no page */
  for (uint64_t i = 0; i < self.first + ROUNDS; i++) check_next(own, i, size_of(i), i);
  immuta_stream_done(own);
  check_process_succeeds(child);
  CHECK_OK(immuta_close(log, ERR));
}

static void start_again(void) {
  struct dirent **entries;
  const int count = scandir(check_dir(), &entries, NULL, NULL);
  CHECK(count >= 0);
  for (int i = 0; i < count; free(entries[i++]))
    if (entries[i]->d_name[0] != '.') CHECK(remove(check_path(entries[i]->d_name)) == 0 || errno == ENOTEMPTY);
  free(entries);
}

static void a_page_that_cannot_be_made_is_done_without(void) {
  for (int durable = 0; durable < 2; durable++) {
    make_records();
    CHECK(unlink(check_path("a.live")) == 0 && mkdir(check_path("a.live"), 0777) == 0);
    write_and_be_followed(durable, IMMUTA_E_NOT_REGULAR, 0);
    start_again();
    CHECK(mkdir(check_path("a.live"), 0777) == 0); /* before there is a log */
    immuta_log *log = OPEN();
    CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_CREATED);
    CHECK_EQ(check_report(log, 0).live_finding, IMMUTA_E_NOT_REGULAR);
    some_records(log);
    CHECK_OK(immuta_close(log, ERR));
    start_again();
    CHECK(mkdir(check_path("a.live"), 0777) == 0);
    leave_killed_in(!durable, some_records);
    write_and_be_followed(durable, IMMUTA_E_NOT_REGULAR, 0);
    immuta_report report;
    CHECK_OK(immuta_repair(check_dir(), "a", NULL, IMMUTA_REPAIR_APPLY, NULL, NULL, &report, sizeof report, ERR));
    CHECK_EQ(report.count, RECORDS_LEFT + ROUNDS);
    start_again();
  }
}

static void what_is_no_page_gives_way_to_one(void) {
  make_records();
  for (int kind = 0; kind < 4; kind++) {
    const char *path = check_path("a.live");
    CHECK(unlink(path) == 0);
    if (kind == 0) CHECK(mkfifo(path, 0666) == 0);
    if (kind == 1) CHECK(symlink("nowhere", path) == 0);
    if (kind == 2) CHECK(symlink("a.live", path) == 0);
    if (kind == 3) check_write_file(path, "no page", 7);
    immuta_log *reader = OPEN(.read_only = 1);
    CHECK_EQ(check_stats(reader, 0).count, RECORDS_LEFT);
    immuta_log *log = OPEN();
    CHECK_EQ(check_report(log, 0).live_finding, IMMUTA_OK);
    CHECK_EQ(check_file_size(path), LIVE_BYTES);
    CHECK_OK(immuta_close(log, ERR));
    CHECK_OK(immuta_close(reader, ERR));
  }
}

static void fill_inodes(const char *disk) {
  char path[1100];
  for (int i = 0; i < 1000; i++) {
    snprintf(path, sizeof path, "%s/ballast-%d", disk, i);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
      CHECK_EQ(errno, ENOSPC);
      return;
    }
    close(fd);
  }
  CHECK(0); /* the inodes must come to an end */
}

static void without_an_inode_left_a_log_is_opened(void) {
  make_records();
  char disk[1024], path[1100];
  snprintf(disk, sizeof disk, "%s", mount_small_disk("8m,nr_inodes=20"));
  static const char *const names[] = {"a.log", "a.idx"};
  for (size_t i = 0; i < CHECK_COUNT(names); i++) {
    snprintf(path, sizeof path, "%s/%s", disk, names[i]);
    check_copy_file(check_path(names[i]), path);
  }
  fill_inodes(disk);
  immuta_log *log = OPEN(.directory = disk);
  CHECK_EQ(check_report(log, 0).live_finding, IMMUTA_E_NO_SPACE);
  append_records(log, RECORDS_LEFT, RECORDS_LEFT + 1);
  immuta_log *reader = OPEN(.directory = disk, .read_only = 1);
  CHECK_EQ(check_stats(reader, 0).count, RECORDS_LEFT + 1);
  CHECK_OK(immuta_close(reader, ERR));
  CHECK_OK(immuta_close(log, ERR));
}

/* ---- Another user's page ---- */

static void write_as_alice(void *argument) {
  const pair *self = argument;
  become(ALICE);
  write_and_be_followed(self->durable, self->live_finding, 0);
}

/* The page of BOB in a directory where only he may remove it, with the epoch that the last writer had, and as if it
 * woke every sleeper. */
static void leave_a_page_of_bob(mode_t mode) {
  const check_file index_file = check_read_file(check_path("a.idx")), page = check_read_file(check_path("a.live"));
  CHECK_EQ(page.size, LIVE_BYTES);
  memcpy(page.data + READY_EPOCH_AT, index_file.data + IDX_PAGE + 32, 8);
  memcpy(page.data + WAKES_AT, "\1\0\0\0", 4);
  check_write_file(check_path("a.live"), page.data, page.size);
  CHECK(chown(check_path("a.live"), BOB, BOB) == 0 && chmod(check_path("a.live"), mode) == 0);
  free(index_file.data);
  free(page.data);
}

static void a_page_of_another_user_is_done_without(void) {
  skip_without_root();
  for (int durable = 0; durable < 2; durable++) {
    umask(022);
    CHECK(chmod(check_dir(), 01777) == 0);
    make_records();
    leave_a_page_of_bob(0644);
    CHECK(chown(check_path("a.log"), ALICE, ALICE) == 0 && chown(check_path("a.idx"), ALICE, ALICE) == 0);
    pair self = {.durable = durable, .live_finding = IMMUTA_E_PERMISSION};
    check_process_succeeds(check_fork(write_as_alice, &self));
    start_again();
  }
}

static void write_as_alice_for_bob(void *unused) {
  (void)unused;
  become(ALICE);
  immuta_log *log = OPEN(.flush_interval_ns = -1);
  CHECK_EQ(check_report(log, 0).live_finding, IMMUTA_E_PERMISSION);
  append_records(log, RECORDS_LEFT, RECORDS_LEFT + ROUNDS);
  for (;;) pause();
}

/* BOB maps his page and waits on it in vain; he sees the records because he looks at the files. */
static void the_other_user_reads_along(void) {
  skip_without_root();
  umask(022);
  CHECK(chmod(check_dir(), 01777) == 0);
  make_records();
  leave_a_page_of_bob(0644);
  CHECK(chown(check_path("a.log"), ALICE, ALICE) == 0 && chown(check_path("a.idx"), ALICE, ALICE) == 0);
  const pid_t writer = check_fork(write_as_alice_for_bob, NULL);
  become(BOB);
  immuta_log *log = OPEN(.read_only = 1);
  immuta_stream *stream = check_stream(log, 0, 0);
  for (uint64_t i = 0; i < RECORDS_LEFT + ROUNDS; i++) {
    immuta_record record;
    CHECK_OK(immuta_stream_next(stream, LIMIT, &record, ERR));
    CHECK_EQ(record.number, i);
    CHECK_OK(immuta_record_done(&record));
  }
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  (void)writer; /* another user's, who ends with the case */
}

/* ---- Rolled back ---- */

static void append_more_and_wait(void *argument) {
  check_gate *gates = argument;
  immuta_log *log = OPEN(.flush_interval_ns = -1);
  append_records(log, RECORDS_LEFT, RECORDS_LEFT + ROUNDS);
  check_gate_open(gates[0]);
  for (;;) pause();
}

static void open_again_and_wait(void *argument) {
  check_gate *gates = argument;
  check_gate_wait(gates[1]);
  immuta_log *log = OPEN(.flush_interval_ns = -1);
  CHECK_EQ(check_report(log, 0).live_finding, IMMUTA_E_NOT_REGULAR);
  CHECK_EQ(check_report(log, 0).count, RECORDS_LEFT);
  check_gate_open(gates[2]);
  for (;;) pause();
}

static void kill_and_reap(pid_t child) {
  int status;
  CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
}

/* As after a file system lost its cache: the next writer finds fewer records than readers were shown, and has no page
 * to say so. */
static void a_rollback_is_noticed_without_a_page(void) {
  check_gate gates[] = {check_gate_new(), check_gate_new(), check_gate_new()};
  make_records();
  CHECK(unlink(check_path("a.live")) == 0 && mkdir(check_path("a.live"), 0777) == 0);
  const check_file log_before = check_read_file(check_path("a.log")), idx_before = check_read_file(check_path("a.idx"));
  const pid_t first = check_fork(append_more_and_wait, gates), second = check_fork(open_again_and_wait, gates);
  check_gate_wait(gates[0]);
  immuta_log *reader = OPEN(.read_only = 1);
  immuta_stream *stream = check_stream(reader, 0, RECORDS_LEFT + ROUNDS - 1);
  immuta_record record;
  CHECK_OK(immuta_stream_next(stream, LIMIT, &record, ERR));
  CHECK_OK(immuta_record_done(&record));
  kill_and_reap(first);
  check_write_file(check_path("a.log"), log_before.data, log_before.size); /* the same file, as it was */
  check_write_file(check_path("a.idx"), idx_before.data, idx_before.size);
  check_gate_open(gates[1]);
  check_gate_wait(gates[2]);
  CHECK_STATUS(IMMUTA_E_REPLACED, immuta_stream_next(stream, LIMIT, &record, ERR));
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(reader, ERR));
  kill_and_reap(second);
  free(log_before.data);
  free(idx_before.data);
}

/* ---- Everything else that opening does not need ---- */

static void leftovers_that_cannot_be_removed_are_left(void) {
  static const char *const names[] = {"a.wal",     "a.wal.tmp",     "a.idx.tmp",    "a.salvage.tmp",
                                      "a.log.tmp", "a.idx.bad.tmp", "a.wal.bad.tmp"};
  make_records();
  for (size_t i = 0; i < CHECK_COUNT(names); i++) CHECK(mkdir(check_path(names[i]), 0777) == 0);
  for (int read_only = 0; read_only < 2; read_only++) {
    immuta_log *log = OPEN(.read_only = read_only);
    CHECK_EQ(check_report(log, 0).finding, IMMUTA_OK);
    CHECK_EQ(check_stats(log, 0).count, RECORDS_LEFT);
    CHECK_OK(immuta_close(log, ERR));
  }
  immuta_log *log = NULL; /* a durable writer needs its journal, and that name */
  CHECK_STATUS(IMMUTA_E_NOT_REGULAR, TRY_OPEN(&log, DURABLE));
  CHECK_MESSAGE("a.wal");
  CHECK_OK(immuta_close(OPEN(), ERR));
}

static void a_killed_fast_log_needs_no_journal(void) {
  leave_killed_in(1, some_records);
  CHECK(mkdir(check_path("a.wal"), 0777) == 0);
  immuta_log *log = OPEN();
  CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_RECOVERED);
  CHECK_EQ(check_stats(log, 0).count, RECORDS_LEFT);
  CHECK_OK(immuta_close(log, ERR));
}

static void read_without_the_journal(void *finding) {
  check_become_nobody();
  immuta_log *log = OPEN(.read_only = 1);
  const immuta_report report = check_report(log, 0);
  CHECK_EQ(report.outcome, IMMUTA_OUTCOME_DAMAGED);
  CHECK_EQ(report.finding, *(immuta_status *)finding);
  CHECK_EQ(report.count, RECORDS_LEFT);
  immuta_stream *stream = check_stream(log, 0, 0);
  for (uint64_t i = 0; i < RECORDS_LEFT; i++) check_next(stream, i, size_of(i), i);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void a_journal_that_a_reader_cannot_open_is_read_without(void) {
  immuta_status finding = IMMUTA_E_PERMISSION;
  umask(022);
  CHECK(chmod(check_dir(), 0755) == 0);
  leave_killed(some_records);
  CHECK(chmod(check_path("a.wal"), 0) == 0);
  check_process_succeeds(check_fork(read_without_the_journal, &finding));
  finding = IMMUTA_E_NOT_REGULAR;
  CHECK(unlink(check_path("a.wal")) == 0 && mkdir(check_path("a.wal"), 0777) == 0);
  check_process_succeeds(check_fork(read_without_the_journal, &finding));
  immuta_log *log = NULL; /* the journal may have records that a writer would consider missing */
  CHECK_STATUS(IMMUTA_E_NOT_REGULAR, TRY_OPEN(&log, .names = {"a"}));
  CHECK_MESSAGE("a.wal");
}

/* As in a sandbox: neither the kind of the file system nor its room is known. */
static void figures_of_the_file_system_are_not_needed(void) {
  make_records();
  CHECK(unlink(check_path("a.idx")) == 0);
  forbid_call(SYS_fstatfs, EPERM);
  immuta_log *log = OPEN(.io = IMMUTA_IO_AUTO);
  CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_ADOPTED);
  CHECK_EQ(check_stats(log, 0).engine, IMMUTA_IO_SYSCALL);
  append_records(log, RECORDS_LEFT, RECORDS_LEFT + 1);
  immuta_log *reader = OPEN(.read_only = 1, .io = IMMUTA_IO_AUTO);
  CHECK_EQ(check_stats(reader, 0).count, RECORDS_LEFT + 1);
  CHECK_OK(immuta_close(reader, ERR));
  CHECK_OK(immuta_close(log, ERR));
  log = NULL;
  CHECK_STATUS(IMMUTA_E_UNSUPPORTED, TRY_OPEN(&log, .io = IMMUTA_IO_MMAP));
  immuta_report report;
  CHECK_OK(immuta_import(golden("count16-plain"), check_dir(), "b", NULL, NULL, NULL, &report, sizeof report, ERR));
}

static void a_page_that_was_left_keeps_no_import_away(void) {
  make_records();
  CHECK(unlink(check_path("a.log")) == 0 && unlink(check_path("a.idx")) == 0);
  immuta_report report;
  CHECK_OK(immuta_import(golden("count16-plain"), check_dir(), "a", NULL, NULL, NULL, &report, sizeof report, ERR));
  immuta_log *log = OPEN();
  expect_messages(log);
  CHECK_OK(immuta_close(log, ERR));
}

static const check_case cases[] = {
    CASE(a_page_that_cannot_be_made_is_done_without),
    CASE(what_is_no_page_gives_way_to_one),
    CASE(without_an_inode_left_a_log_is_opened),
    CASE(a_page_of_another_user_is_done_without),
    CASE(the_other_user_reads_along),
    CASE(a_rollback_is_noticed_without_a_page),
    CASE(leftovers_that_cannot_be_removed_are_left),
    CASE(a_killed_fast_log_needs_no_journal),
    CASE(a_journal_that_a_reader_cannot_open_is_read_without),
    CASE(figures_of_the_file_system_are_not_needed),
    CASE(a_page_that_was_left_keeps_no_import_away),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
