/* Every state of the files that the library refuses to open. Each test expects the status, a message that names the
 * file, and that no byte changes. Damage inside a log is in damage.c. */
#include "check.h"

#include "refusal.h"

#include <sys/types.h>

enum { PAGE_BYTES = 4096, CRC_AT = PAGE_BYTES - 4 };

/* ---- What is not there, or is not a file ------------------------------------------------------------------------- */

static void nothing_to_read_is_not_found(void) {
  immuta_log *log = NULL;
  immuta_report report;
  CHECK_STATUS(IMMUTA_E_NOT_FOUND, TRY_OPEN(&log, .directory = check_path("none"), .read_only = 1));
  CHECK_MESSAGE("none");
  CHECK(!check_exists(check_path("none")));
  expect_refused_as(IMMUTA_E_NOT_FOUND, "a", 1, "a.log");
  CHECK_STATUS(IMMUTA_E_NOT_FOUND, immuta_verify(check_dir(), "a", NULL, NULL, NULL, &report, sizeof report, ERR));
  CHECK_EQ(check_snapshot_take().count, 0);
}

static void a_record_file_that_is_gone_is_never_an_empty_log(void) {
  make_log("a", 3, RECORD_BYTES);
  CHECK(unlink(check_path("a.log")) == 0);
  expect_refused(IMMUTA_E_MISSING, "a.log");
  check_snapshot before = check_snapshot_take();
  immuta_log *log = NULL;
  immuta_status status = TRY_OPEN(&log, .read_only = 1);
  CHECK(status == IMMUTA_E_MISSING || status == IMMUTA_E_NOT_FOUND);
  check_snapshot_unchanged(&before);
}

static void an_index_file_that_knows_no_record_misses_none(void) {
  make_log("a", 0, 0);
  CHECK(unlink(check_path("a.log")) == 0);
  make_log("a", 2, 10);
  CHECK_EQ(check_file_size(check_path("a.log")), 8 + 2 * 18);
}

static void only_regular_files_are_records(void) {
  const char *path = check_path("a.log");
  CHECK(mkdir(path, 0777) == 0);
  expect_refused(IMMUTA_E_NOT_REGULAR, "a.log");
  expect_refused_as(IMMUTA_E_NOT_REGULAR, "a", 1, "a.log");
  CHECK(rmdir(path) == 0);
  CHECK(mkfifo(path, 0666) == 0);
  expect_refused(IMMUTA_E_NOT_REGULAR, "a.log"); /* and does not wait for a process at the other end */
  expect_refused_as(IMMUTA_E_NOT_REGULAR, "a", 1, "a.log");
  CHECK(unlink(path) == 0);
  CHECK(symlink("nowhere", path) == 0);
  expect_refused(IMMUTA_E_NOT_REGULAR, "a.log");
  CHECK(unlink(path) == 0);
  CHECK(symlink("/dev/zero", path) == 0);
  expect_refused(IMMUTA_E_NOT_REGULAR, "a.log");
  CHECK(unlink(path) == 0);
  make_log("a", 3, RECORD_BYTES);
  CHECK(unlink(check_path("a.idx")) == 0 && mkdir(check_path("a.idx"), 0777) == 0);
  expect_refused(IMMUTA_E_NOT_REGULAR, "a.idx");
}

static void only_directories_are_logs(void) {
  immuta_log *log = NULL;
  check_write_file(check_path("file"), "x", 1);
  CHECK_STATUS(IMMUTA_E_NOT_REGULAR, TRY_OPEN(&log, .directory = check_path("file")));
  CHECK_MESSAGE("file");
  CHECK_STATUS(IMMUTA_E_NOT_REGULAR, TRY_OPEN(&log, .directory = check_path("file"), .read_only = 1));
  CHECK_STATUS(IMMUTA_E_NOT_REGULAR, TRY_OPEN(&log, .directory = check_path("file/below")));
  CHECK_EQ(check_file_size(check_path("file")), 1);
}

/* ---- Another writer, other files --------------------------------------------------------------------------------- */

static void hold_in_child(void *argument) {
  check_gate *gates = argument;
  immuta_log *log = OPEN();
  check_append(log, 0, RECORD_BYTES, 0);
  check_gate_open(gates[0]);
  check_gate_wait(gates[1]);
  CHECK_OK(immuta_close(log, ERR));
}

static void a_second_writer_is_refused_with_the_pid_of_the_first(void) {
  check_gate gates[] = {check_gate_new(), check_gate_new()};
  pid_t child = check_fork(hold_in_child, gates);
  check_gate_wait(gates[0]);
  immuta_log *log = NULL;
  char holder[32];
  snprintf(holder, sizeof holder, "%d", (int)child);
  for (int i = 0; i < 3; i++) expect_refused(IMMUTA_E_LOCKED, holder);
  check_gate_open(gates[1]);
  check_process_succeeds(child);
  CHECK_OK(TRY_OPEN(&log, .names = {"a"}));
  CHECK_EQ(check_stats(log, 0).count, 1);
  expect_refused(IMMUTA_E_LOCKED, "a.log"); /* in one process, too */
  CHECK_OK(immuta_close(log, ERR));
}

static void die_in_child(void *argument) {
  (void)argument;
  /* Mapped past the end of a file, it would keep valgrind, which looks for leaks wherever memory is mapped, from coming
   * to an end. */
  /* The process ends with the log open. Valgrind calls the log a leak unless its pointer is in memory then. */
  static immuta_log *log;
  log = OPEN(.io = IMMUTA_IO_SYSCALL);
  check_append(log, 0, RECORD_BYTES, 0);
  _exit(0);
}

/* A process that may only read the record file, and holds a lock that `command` takes. */
typedef struct lock_of_reader {
  int command;
  short type;
  check_gate held, release;
} lock_of_reader;

static void hold_a_lock(void *argument) {
  const lock_of_reader *self = argument;
  int fd = open(check_path("a.log"), self->type == F_RDLCK ? O_RDONLY : O_RDWR);
  CHECK(fd >= 0);
  struct flock lock = {.l_type = self->type, .l_whence = SEEK_SET};
  CHECK(fcntl(fd, self->command, &lock) == 0);
  check_gate_open(self->held);
  check_gate_wait(self->release);
}

/* Whatever the live page says: the writer that it names is dead. */
static void the_holder_of_a_lock_is_named_and_never_a_dead_process(void) {
  const struct {
    int command;
    short type;
    const char *what;
  } locks[] = {{F_OFD_SETLK, F_RDLCK, "read lock"}, {F_SETLK, F_RDLCK, "read lock"},
               {F_OFD_SETLK, F_WRLCK, "another writer"}, {F_SETLK, F_WRLCK, "another writer"}};
  pid_t dead = check_fork(die_in_child, NULL);
  check_process_succeeds(dead);
  char of_dead[32], of_holder[32];
  snprintf(of_dead, sizeof of_dead, "process %d", (int)dead);
  for (size_t i = 0; i < CHECK_COUNT(locks); i++) {
    lock_of_reader lock = {locks[i].command, locks[i].type, check_gate_new(), check_gate_new()};
    pid_t holder = check_fork(hold_a_lock, &lock);
    check_gate_wait(lock.held);
    snprintf(of_holder, sizeof of_holder, "process %d", (int)holder);
    expect_refused(IMMUTA_E_LOCKED, of_holder);
    CHECK_MESSAGE(locks[i].what);
    CHECK(strstr(ERR->message, of_dead) == NULL);
    if (locks[i].type == F_RDLCK) { /* and is no writer to those who read */
      immuta_log *log = OPEN(.read_only = 1);
      immuta_report report;
      CHECK_OK(immuta_report_get(log, 0, &report, sizeof report, ERR));
      CHECK_EQ(report.outcome, IMMUTA_OUTCOME_RECOVERED);
      CHECK_OK(immuta_close(log, ERR));
    }
    check_gate_open(lock.release);
    check_process_succeeds(holder);
  }
  immuta_log *log = OPEN();
  expect_refused(IMMUTA_E_LOCKED, "this process");
  CHECK_OK(immuta_close(log, ERR));
}

static void all_namespaces_open_or_none(void) {
  immuta_log *holder = OPEN(.names = {"c"}), *log = NULL;
  CHECK_STATUS(IMMUTA_E_LOCKED, TRY_OPEN(&log, .names = {"a", "b", "c", "d"}));
  CHECK_EQ(ERR->ns, 2);
  CHECK_MESSAGE("c.log");
  CHECK_OK(immuta_close(holder, ERR));
  CHECK_OK(TRY_OPEN(&log, .names = {"a", "b", "c", "d"})); /* every lock had been let go */
  CHECK_OK(immuta_close(log, ERR));
}

static void streams_notice_that_their_files_were_replaced(void) {
  make_log("a", 5, RECORD_BYTES);
  immuta_log *reader = OPEN(.read_only = 1);
  immuta_stream *stream = check_stream(reader, 0, 5);
  immuta_record record;
  CHECK_STATUS(IMMUTA_TIMEOUT, immuta_stream_next(stream, 0, &record, ERR));
  CHECK(unlink(check_path("a.log")) == 0 && unlink(check_path("a.idx")) == 0 && unlink(check_path("a.live")) == 0);
  make_log("a", 8, 50);
  CHECK_STATUS(IMMUTA_E_REPLACED, immuta_stream_next(stream, -1, &record, ERR));
  CHECK_MESSAGE("a.log");
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(reader, ERR));
  reader = OPEN(.read_only = 1);
  CHECK_EQ(check_stats(reader, 0).count, 8);
  CHECK_OK(immuta_close(reader, ERR));
}

static void index_files_of_each_other_are_noticed(void) {
  make_log("a", 30, RECORD_BYTES);
  make_log("b", 10, 50);
  CHECK(rename(check_path("a.idx"), check_path("c")) == 0);
  CHECK(rename(check_path("b.idx"), check_path("a.idx")) == 0);
  CHECK(rename(check_path("c"), check_path("b.idx")) == 0);
  expect_refused_as(IMMUTA_E_MISMATCH, "a", 0, "index file");
  immuta_log *log = NULL;
  check_snapshot before = check_snapshot_take();
  immuta_status status = TRY_OPEN(&log, .names = {"b"});
  CHECK(status == IMMUTA_E_MISMATCH || status == IMMUTA_E_TRUNCATED);
  check_snapshot_unchanged(&before);
}

/* ---- Logs without an index file ---------------------------------------------------------------------------------- */

static void zeros_that_may_be_empty_records_are_ambiguous(void) {
  /* The second record would be empty. */
  unsigned char file[512] = {2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'x'};
  check_write_file(check_path("a.log"), file, sizeof file);
  expect_refused(IMMUTA_E_AMBIGUOUS, "a.log");
  file[0] = 1;
  file[100] = 'y'; /* one record and something else */
  check_write_file(check_path("a.log"), file, sizeof file);
  expect_refused(IMMUTA_E_AMBIGUOUS, "a.log");
}

static void files_of_the_original_with_other_headers_are_named(void) {
  const unsigned char zeros[16] = {0};
  check_copy_file(CHECK_GOLDEN "/count16-plain.log", check_path("a.log"));
  expect_refused(IMMUTA_E_LAYOUT, "16");
  check_copy_file(CHECK_GOLDEN "/headerless-plain.log", check_path("a.log"));
  expect_refused(IMMUTA_E_LAYOUT, "header");
  check_write_file(check_path("a.log"), zeros, sizeof zeros);
  expect_refused(IMMUTA_E_LAYOUT, "a.log");
}

/* ---- Newer formats ----------------------------------------------------------------------------------------------- */

static uint32_t crc32c(const unsigned char *data, size_t size) {
  uint32_t crc = UINT32_MAX;
  for (size_t i = 0; i < size; i++) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
  }
  return ~crc;
}

/* The identity says something else, and its checksum is right. */
static void forge_identity(size_t at, uint32_t value) {
  unsigned char page[PAGE_BYTES];
  check_file file = check_read_file(check_path("a.idx"));
  memcpy(page, file.data, sizeof page);
  CHECK_EQ(check_u32(page + CRC_AT), crc32c(page, CRC_AT));
  memcpy(page + at, &value, sizeof value);
  uint32_t crc = crc32c(page, CRC_AT);
  memcpy(page + CRC_AT, &crc, sizeof crc);
  check_patch_file(check_path("a.idx"), 0, page, sizeof page);
  free(file.data);
}

static void newer_formats_are_left_alone(void) {
  make_log("a", 3, RECORD_BYTES);
  check_file file = check_read_file(check_path("a.idx"));
  forge_identity(8, 2); /* version */
  expect_refused(IMMUTA_E_VERSION, "a.idx");
  expect_refused_as(IMMUTA_E_VERSION, "a", 1, "a.idx");
  check_write_file(check_path("a.idx"), file.data, file.size);
  forge_identity(32, 4); /* an incompatible flag */
  expect_refused(IMMUTA_E_VERSION, "a.idx");
  check_write_file(check_path("a.idx"), file.data, file.size);
  forge_identity(24, 4); /* a compatible one is ignored */
  CHECK_OK(immuta_close(OPEN(), ERR));
  free(file.data);
}

static void unknown_codecs_are_left_alone(void) {
  make_log("a", 3, RECORD_BYTES);
  forge_identity(68, UINT32_C(0x7fffff01)); /* the first of the chain */
  forge_identity(64, 1);                    /* one codec */
  expect_refused(IMMUTA_E_CODEC, "codec");
}

static const check_case cases[] = {
    CASE(nothing_to_read_is_not_found),
    CASE(a_record_file_that_is_gone_is_never_an_empty_log),
    CASE(an_index_file_that_knows_no_record_misses_none),
    CASE(only_regular_files_are_records),
    CASE(only_directories_are_logs),
    CASE(a_second_writer_is_refused_with_the_pid_of_the_first),
    CASE(the_holder_of_a_lock_is_named_and_never_a_dead_process),
    CASE(all_namespaces_open_or_none),
    CASE(streams_notice_that_their_files_were_replaced),
    CASE(index_files_of_each_other_are_noticed),
    CASE(zeros_that_may_be_empty_records_are_ambiguous),
    CASE(files_of_the_original_with_other_headers_are_named),
    CASE(newer_formats_are_left_alone),
    CASE(unknown_codecs_are_left_alone),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
