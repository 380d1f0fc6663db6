/* Waiting across processes: a read-only opener follows a writer in another process, in any order of opening, closing
 * and reopening. Processes are forked before the library is used; gates, never sleeps, keep them in step. */
#include "check.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>

/* The parameters of a forked reader, and the gates by which it and the writer wait for each other. */
typedef struct follower {
  int io;             /* engine of the reader */
  uint64_t records;   /* how many it reads in all */
  uid_t uid;          /* not 0: becomes this user first */
  check_gate go;      /* opened by the writer: open the log now */
  check_gate asleep;  /* opened by the reader: it waits for the first record it has not got */
} follower;

static follower follower_new(uint64_t records) {
  return (follower){.records = records, .go = check_gate_new(), .asleep = check_gate_new()};
}

/* The records a thread reads: from..end, all of them, in order, each byte checked. */
typedef struct range {
  immuta_stream *stream;
  uint64_t from, end;
} range;

static void *read_in_order(void *argument) {
  const range *self = argument;
  for (uint64_t number = self->from; number < self->end; number++) {
    immuta_record record;
    CHECK_OK(immuta_stream_next(self->stream, -1, &record, ERR));
    CHECK_EQ(record.number, number);
    CHECK(check_is_fill(record.data, record.size, number));
    CHECK_OK(immuta_record_done(&record));
  }
  return NULL;
}

/* Reads in a thread, so that this one can see that it waits and tell the writer. */
static void follow(immuta_log *log, uint64_t from, uint64_t end, check_gate asleep) {
  range records = {check_stream(log, 0, (int64_t)from), from, end};
  pthread_t thread = check_start(read_in_order, &records);
  check_until_waiting(log, 0, 1);
  check_gate_open(asleep);
  check_join(thread);
  immuta_stream_done(records.stream);
}

static void run_follower(void *argument) {
  follower *self = argument;
  if (self->uid != 0) CHECK(setresuid(self->uid, self->uid, self->uid) == 0);
  check_gate_wait(self->go);
  immuta_log *log = OPEN(.read_only = 1, .io = self->io);
  follow(log, 0, self->records, self->asleep);
  CHECK_OK(immuta_close(log, ERR));
}

static void append_range(immuta_log *log, uint64_t from, uint64_t to) {
  for (uint64_t i = from; i < to; i++) check_append(log, 0, 1 + i % 3000, i);
}

/* ---- Who comes first --------------------------------------------------------------------------------------------- */

static void readers_that_wait_get_what_another_process_appends(void) {
  follower reader = follower_new(1000);
  pid_t pid = check_fork(run_follower, &reader);
  immuta_log *log = OPEN();
  check_gate_open(reader.go);
  check_gate_wait(reader.asleep);
  append_range(log, 0, 1000);
  check_process_succeeds(pid);
  CHECK_OK(immuta_close(log, ERR));
}

static void readers_may_come_before_the_writer(void) {
  follower reader = follower_new(300);
  pid_t pid = check_fork(run_follower, &reader);
  immuta_log *log = OPEN();
  append_range(log, 0, 100);
  CHECK_OK(immuta_close(log, ERR));
  check_gate_open(reader.go); /* no process has it open now */
  check_gate_wait(reader.asleep);
  log = OPEN();
  append_range(log, 100, 300);
  check_process_succeeds(pid);
  CHECK_OK(immuta_close(log, ERR));
}

static void readers_may_come_in_the_midst_of_it(void) {
  enum { READERS = 4 };
  follower readers[READERS];
  pid_t pids[READERS];
  for (int i = 0; i < READERS; i++) {
    readers[i] = follower_new(4000);
    pids[i] = check_fork(run_follower, &readers[i]);
  }
  immuta_log *log = OPEN();
  for (int i = 0; i < READERS; i++) {
    append_range(log, (uint64_t)i * 500, (uint64_t)(i + 1) * 500);
    check_gate_open(readers[i].go);
  }
  append_range(log, READERS * 500, 3999);
  for (int i = 0; i < READERS; i++) check_gate_wait(readers[i].asleep);
  append_range(log, 3999, 4000);
  for (int i = 0; i < READERS; i++) check_process_succeeds(pids[i]);
  CHECK_OK(immuta_close(log, ERR));
}

static void read_the_rest(void *argument) {
  follower *self = argument;
  check_gate_wait(self->go);
  immuta_log *log = OPEN(.read_only = 1, .io = self->io);
  range all = {check_stream(log, 0, 0), 0, self->records};
  read_in_order(&all);
  CHECK_STATUS(IMMUTA_TIMEOUT, immuta_stream_next(all.stream, 1000000, &(immuta_record){0}, ERR));
  immuta_stream_done(all.stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void readers_may_come_after_the_writer_is_gone(void) {
  follower reader = follower_new(500);
  pid_t pid = check_fork(read_the_rest, &reader);
  immuta_log *log = OPEN();
  append_range(log, 0, 500);
  CHECK_OK(immuta_close(log, ERR));
  check_gate_open(reader.go);
  check_process_succeeds(pid);
}

/* ---- Writers that go and come back ------------------------------------------------------------------------------- */

enum { ROUNDS = 20, ROUND_RECORDS = 50 };

static void run_patient_follower(void *argument) {
  follower *self = argument;
  check_gate_wait(self->go);
  immuta_log *log = OPEN(.read_only = 1, .io = self->io);
  for (uint64_t round = 0; round < ROUNDS; round++)
    follow(log, round * ROUND_RECORDS, (round + 1) * ROUND_RECORDS, self->asleep);
  CHECK_OK(immuta_close(log, ERR));
}

static void readers_stay_while_writers_close_and_come_back(void) {
  follower reader = follower_new(0);
  pid_t pid = check_fork(run_patient_follower, &reader);
  immuta_log *log = OPEN();
  check_gate_open(reader.go);
  for (uint64_t round = 0; round < ROUNDS; round++) {
    check_gate_wait(reader.asleep);
    CHECK_OK(immuta_close(log, ERR)); /* while the reader waits */
    log = OPEN();
    append_range(log, round * ROUND_RECORDS, (round + 1) * ROUND_RECORDS);
  }
  check_process_succeeds(pid);
  CHECK_OK(immuta_close(log, ERR));
}

static void a_writer_that_closes_does_not_close_its_readers(void) {
  immuta_log *writer = OPEN();
  immuta_log *reader = OPEN(.read_only = 1); /* in one process this time */
  immuta_stream *stream = check_stream(reader, 0, 0);
  immuta_record record;
  append_range(writer, 0, 1);
  CHECK_OK(immuta_stream_next(stream, -1, &record, ERR));
  CHECK_OK(immuta_record_done(&record));
  CHECK_OK(immuta_close(writer, ERR));
  CHECK_STATUS(IMMUTA_TIMEOUT, immuta_stream_next(stream, 1000000, &record, ERR));
  writer = OPEN();
  append_range(writer, 1, 2);
  CHECK_OK(immuta_stream_next(stream, -1, &record, ERR));
  CHECK_EQ(record.number, 1);
  CHECK_OK(immuta_record_done(&record));
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(writer, ERR));
  CHECK_OK(immuta_close(reader, ERR));
}

static void killed_readers_leave_no_trace(void) {
  enum { KILLED = 8 };
  follower readers[KILLED + 1];
  pid_t pids[KILLED + 1];
  for (int i = 0; i <= KILLED; i++) {
    readers[i] = follower_new(KILLED);
    pids[i] = check_fork(run_follower, &readers[i]);
  }
  immuta_log *log = OPEN();
  for (int i = 0; i < KILLED; i++) {
    int status;
    check_gate_open(readers[i].go);
    check_gate_wait(readers[i].asleep);
    CHECK(kill(pids[i], SIGKILL) == 0);
    CHECK_EQ(waitpid(pids[i], &status, 0), pids[i]);
    CHECK(WIFSIGNALED(status));
    append_range(log, (uint64_t)i, (uint64_t)i + 1);
    if (i + 2 == KILLED) { /* the last reader lives, and gets the last record */
      check_gate_open(readers[KILLED].go);
      check_gate_wait(readers[KILLED].asleep);
    }
  }
  check_process_succeeds(pids[KILLED]);
  CHECK_OK(immuta_close(log, ERR));
  CHECK_EQ(check_file_size(check_path("a.log")), 8 + KILLED * 9 + KILLED * (KILLED - 1) / 2);
}

/* ---- Shutdown and interrupt in the reader's process -------------------------------------------------------------- */

static void *wait_for_ever(void *stream) {
  immuta_record record;
  return (void *)(intptr_t)immuta_stream_next(stream, -1, &record, NULL);
}

static void run_ender(void *argument) {
  follower *self = argument;
  check_gate_wait(self->go);
  immuta_log *log = OPEN(.read_only = 1, .io = self->io);
  immuta_stream *stream = check_stream(log, 0, 0);
  pthread_t thread = check_start(wait_for_ever, stream);
  check_until_waiting(log, 0, 1);
  CHECK_OK(immuta_stream_interrupt(stream));
  CHECK_EQ((intptr_t)check_join(thread), IMMUTA_INTERRUPTED);
  thread = check_start(wait_for_ever, stream);
  check_until_waiting(log, 0, 1);
  CHECK_OK(immuta_shutdown(log, ERR));
  CHECK_EQ((intptr_t)check_join(thread), IMMUTA_E_CLOSED);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void readers_end_their_own_waits(void) {
  follower reader = follower_new(0);
  pid_t pid = check_fork(run_ender, &reader);
  immuta_log *log = OPEN();
  check_gate_open(reader.go);
  check_process_succeeds(pid);
  append_range(log, 0, 10); /* the writer does not notice */
  CHECK_OK(immuta_close(log, ERR));
}

/* ---- Engines, rights and the live page --------------------------------------------------------------------------- */

static void follow_across_engines(int writer_io, int reader_io) {
  follower reader = follower_new(500);
  reader.io = reader_io;
  pid_t pid = check_fork(run_follower, &reader);
  immuta_log *log = NULL;
  if (TRY_OPEN(&log, .io = writer_io) == IMMUTA_E_UNSUPPORTED)
    CHECK_SKIP("mapped stores are not safe on this file system");
  CHECK(log != NULL);
  check_gate_open(reader.go);
  check_gate_wait(reader.asleep);
  append_range(log, 0, 500);
  check_process_succeeds(pid);
  CHECK_OK(immuta_close(log, ERR));
}

static void system_call_readers_follow_mapping_writers(void) {
  follow_across_engines(IMMUTA_IO_MMAP, IMMUTA_IO_SYSCALL);
}

static void mapping_readers_follow_system_call_writers(void) {
  follow_across_engines(IMMUTA_IO_SYSCALL, IMMUTA_IO_MMAP);
}

static void system_call_readers_follow_system_call_writers(void) {
  follow_across_engines(IMMUTA_IO_SYSCALL, IMMUTA_IO_SYSCALL);
}

/* A reader under another user id where root runs this, which may read the files and write nothing (mask 022) or only
 * the live page (mask 0). */
static void follow_as_another_user(mode_t mask) {
  follower reader = follower_new(200);
  umask(mask);
  if (geteuid() == 0) reader.uid = 65534;
  pid_t pid = check_fork(run_follower, &reader);
  immuta_log *log = OPEN();
  append_range(log, 0, 100);
  if (mask != 0) check_make_read_only((const char *[]){"a.log", "a.idx", "a.live"}, 3);
  CHECK(chmod(check_dir(), 0555) == 0);
  check_gate_open(reader.go);
  check_gate_wait(reader.asleep);
  append_range(log, 100, 200);
  check_process_succeeds(pid);
  CHECK_OK(immuta_close(log, ERR));
}

static void readers_need_no_permission_to_write(void) { follow_as_another_user(022); }
static void readers_may_use_a_live_page_of_another_user(void) { follow_as_another_user(0); }

/* The live page is never trusted: whatever it holds before the writer and the reader open, they find each other. */
static void follow_over_live_page(const void *bytes, size_t size, int before_the_writer) {
  const char *live = check_path("a.live");
  follower reader = follower_new(200);
  pid_t pid = check_fork(run_follower, &reader);
  immuta_log *log = OPEN();
  append_range(log, 0, 100);
  CHECK_OK(immuta_close(log, ERR));
  if (bytes == NULL) CHECK(unlink(live) == 0);
  else check_write_file(live, bytes, size);
  if (before_the_writer) log = OPEN();
  check_gate_open(reader.go);
  check_gate_wait(reader.asleep);
  if (!before_the_writer) log = OPEN();
  append_range(log, 100, 200);
  check_process_succeeds(pid);
  CHECK_OK(immuta_close(log, ERR));
}

static unsigned char junk[8192];
static void a_missing_live_page_is_made_by_the_writer(void) { follow_over_live_page(NULL, 0, 1); }
static void a_missing_live_page_is_made_by_the_reader(void) { follow_over_live_page(NULL, 0, 0); }
static void an_empty_live_page_is_replaced_by_the_writer(void) { follow_over_live_page(junk, 0, 1); }
static void an_empty_live_page_does_not_stop_a_reader(void) { follow_over_live_page(junk, 0, 0); }
static void a_live_page_of_junk_is_replaced_by_the_writer(void) {
  check_fill(junk, sizeof junk, 3);
  follow_over_live_page(junk, 4096, 1);
}
static void a_live_page_of_junk_does_not_stop_a_reader(void) {
  check_fill(junk, sizeof junk, 4);
  follow_over_live_page(junk, 4096, 0);
}
static void a_live_page_of_another_size_is_replaced(void) {
  check_fill(junk, sizeof junk, 5);
  follow_over_live_page(junk, sizeof junk, 1);
}

/* ---- A process that writes into the live page -------------------------------------------------------------------- */

enum { READY_EPOCH_AT = 24, SLEEPERS_AT = 56, SCRIBBLED_ROUNDS = 50 };

/* Writes into the live page until it is killed: that no thread sleeps, that the writer is another one or none, and junk
 * into the unused words. */
static void scribble(void *argument) {
  const check_gate *gates = argument;
  check_gate_wait(gates[0]);
  const int fd = open(check_path("a.live"), O_RDWR | O_CLOEXEC);
  CHECK(fd >= 0);
  unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK(page != MAP_FAILED);
  for (uint64_t round = 0;; round++) {
    __atomic_store_n((uint32_t *)(void *)(page + SLEEPERS_AT), 0, __ATOMIC_SEQ_CST);
    if (round % 1000 != 0) continue;
    uint64_t *words = (uint64_t *)(void *)(page + READY_EPOCH_AT);
    for (uint64_t i = 0; i < 3; i++) __atomic_store_n(words + i, round / 1000 % 3 * (i + 1), __ATOMIC_SEQ_CST);
    if (round == 0) check_gate_open(gates[1]);
    sched_yield();
  }
}

/* Readers in this process and in another one get every record, and no error of a rollback. */
static void a_process_that_scribbles_into_the_live_page_keeps_nobody_asleep(void) {
  check_gate gates[] = {check_gate_new(), check_gate_new()};
  follower reader = follower_new(SCRIBBLED_ROUNDS);
  const pid_t pid = check_fork(run_follower, &reader), scribbler = check_fork(scribble, gates);
  immuta_log *log = OPEN();
  check_gate_open(gates[0]);
  check_gate_wait(gates[1]);
  check_gate_open(reader.go);
  check_gate_wait(reader.asleep);
  for (uint64_t round = 0; round < SCRIBBLED_ROUNDS; round++) {
    range records = {check_stream(log, 0, (int64_t)round), round, round + 1};
    pthread_t thread = check_start(read_in_order, &records);
    check_until_waiting(log, 0, 1);
    append_range(log, round, round + 1);
    check_join(thread);
    immuta_stream_done(records.stream);
  }
  check_process_succeeds(pid);
  CHECK(kill(scribbler, SIGKILL) == 0 && waitpid(scribbler, NULL, 0) == scribbler);
  CHECK_OK(immuta_close(log, ERR));
}

static const check_case cases[] = {
    CASE(readers_that_wait_get_what_another_process_appends),
    CASE(readers_may_come_before_the_writer),
    CASE(readers_may_come_in_the_midst_of_it),
    CASE(readers_may_come_after_the_writer_is_gone),
    CASE(readers_stay_while_writers_close_and_come_back),
    CASE(a_writer_that_closes_does_not_close_its_readers),
    CASE(killed_readers_leave_no_trace),
    CASE(readers_end_their_own_waits),
    CASE(system_call_readers_follow_mapping_writers),
    CASE(mapping_readers_follow_system_call_writers),
    CASE(system_call_readers_follow_system_call_writers),
    CASE(readers_need_no_permission_to_write),
    CASE(readers_may_use_a_live_page_of_another_user),
    CASE(a_missing_live_page_is_made_by_the_writer),
    CASE(a_missing_live_page_is_made_by_the_reader),
    CASE(an_empty_live_page_is_replaced_by_the_writer),
    CASE(an_empty_live_page_does_not_stop_a_reader),
    CASE(a_live_page_of_junk_is_replaced_by_the_writer),
    CASE(a_live_page_of_junk_does_not_stop_a_reader),
    CASE(a_live_page_of_another_size_is_replaced),
    CASE(a_process_that_scribbles_into_the_live_page_keeps_nobody_asleep),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
