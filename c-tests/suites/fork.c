/* Hosts that fork: in the child every call on the parent's objects answers IMMUTA_E_FORKED at once, releasing them is
 * quiet, new logs can be opened; the parent goes on undisturbed, and no lock of its own remains in a child. */
#include "check.h"

#include <sys/syscall.h>
#include <sys/types.h>

/* A child with objects of its parent leaves as most children do, by exec: what the parent's threads own is lost in it,
 * and memory checkers would call that a leak. */
static void leave(void) {
  execl("/bin/sh", "sh", "-c", "exit 0", NULL);
  CHECK(0 && "exec works");
}

/* Every object that a host may have open when it forks. */
typedef struct held {
  immuta_options *options;
  immuta_log *log, *reader;
  immuta_stream *stream;
  immuta_record record;
  immuta_batch batch;
  immuta_txn *txn;
  immuta_codec *codec;
} held;

static held hold_everything(void) {
  held h = {.options = check_options((check_setup){0}), .log = OPEN()};
  for (uint64_t i = 0; i < 10; i++) check_append(h.log, 0, 100, i);
  h.reader = OPEN(.read_only = 1);
  h.stream = check_stream(h.log, 0, 0);
  CHECK_OK(immuta_stream_next(h.stream, 0, &h.record, ERR));
  CHECK_OK(immuta_stream_next_batch(h.stream, 3, 10000, 0, &h.batch, ERR));
  CHECK_OK(immuta_txn_begin(h.log, 0, &h.txn, ERR));
  CHECK_OK(immuta_codec_builtin(IMMUTA_CODEC_LZ4, 0, &h.codec, ERR));
  return h;
}

static void release_everything(held *h) {
  CHECK_OK(immuta_record_done(&h->record));
  CHECK_OK(immuta_batch_done(&h->batch));
  immuta_stream_done(h->stream);
  immuta_txn_rollback(h->txn);
  immuta_codec_free(h->codec);
  CHECK_OK(immuta_close(h->reader, ERR));
  CHECK_OK(immuta_close(h->log, ERR));
  immuta_options_free(h->options);
}

static int64_t never_called(void *user, void *buffer, size_t capacity) {
  (void)user, (void)buffer, (void)capacity;
  CHECK(0 && "the callback of a refused call is not called");
  return 0;
}

static void expect_forked_from_logs(immuta_log *log) {
  const immuta_slice slice = {"x", 1};
  const size_t size = 1;
  uint32_t ns;
  char name[8];
  immuta_stats stats;
  immuta_report report;
  immuta_stream *stream = NULL;
  immuta_txn *txn = NULL;
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_append(log, 0, "x", 1, NULL, ERR));
  CHECK_MESSAGE("fork");
  CHECK_MESSAGE("open");
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_appendv(log, 0, &slice, 1, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_append_from(log, 0, never_called, NULL, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_append_batch(log, 0, &slice, 1, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_append_packed(log, 0, "x", &size, 1, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_append_at(log, 0, 10, &slice, 1, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_txn_begin(log, 0, &txn, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_sync(log, 0, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_namespace_add(log, "b", &ns, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_namespace_find(log, "a", &ns, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_namespace_name(log, 0, name, sizeof name, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_stats_get(log, 0, &stats, sizeof stats, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_report_get(log, 0, &report, sizeof report, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_report_salvage_path(log, 0, name, sizeof name, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_stream_open(log, 0, 0, &stream, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_stream_open_at_time(log, 0, 0, &stream, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_shutdown(log, ERR));
  CHECK_EQ(immuta_namespace_count(log), 0);
  CHECK(stream == NULL && txn == NULL);
}

static int32_t never_found(void *user, const char *name, immuta_status status, const char *message) {
  (void)user, (void)name, (void)status, (void)message;
  CHECK(0 && "the callback of a refused call is not called");
  return 0;
}

static void expect_forked_from_options(immuta_options *options, immuta_codec *codec) {
  immuta_report report;
  immuta_options *own = immuta_options_new();
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_options_add_namespace(options, "b"));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_options_add_codec(options, codec));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_options_add_codec(own, codec));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_options_set_fast_write(options, 1));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_options_set_flush_bytes(options, 1));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_options_set_flush_interval(options, 1));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_options_set_io(options, IMMUTA_IO_AUTO));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_options_set_journal_size(options, 1 << 20));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_options_set_max_record_size(options, 1));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_options_set_read_only(options, 1));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_options_set_reader_count(options, 1));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_options_set_verify_reads(options, 1));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_options_error(options, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_namespace_scan(check_path(""), options, never_found, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_verify(check_path(""), "a", options, NULL, NULL, &report, sizeof report, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED,
               immuta_repair(check_path(""), "a", options, 0, NULL, NULL, &report, sizeof report, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_import(check_path("a.log"), check_path(""), "b", options, NULL, NULL, &report,
                                              sizeof report, ERR));
  immuta_options_free(own);
}

static void expect_forked_from_everything(void *argument) {
  held *h = argument;
  immuta_record record;
  immuta_batch batch;
  uint64_t number;
  int fd;
  immuta_log *log = NULL;
  expect_forked_from_logs(h->log);
  expect_forked_from_logs(h->reader);
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_stream_next(h->stream, -1, &record, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_stream_next_batch(h->stream, 1, 1, -1, &batch, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_stream_seek(h->stream, 0, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_stream_position(h->stream, &number));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_stream_interrupt(h->stream));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_stream_poll_fd(h->stream, &fd, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_stream_poll_arm(h->stream, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_txn_append(h->txn, "x", 1, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_txn_appendv(h->txn, NULL, 0, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_txn_commit(h->txn, NULL, ERR));
  expect_forked_from_options(h->options, h->codec);
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_open(check_path("new"), h->options, &log, ERR));
  CHECK(check_is_fill(h->record.data, h->record.size, 0)); /* memory that was lent is still there */
  release_everything(h);
  CHECK(!check_exists(check_path("new")));
  leave();
}

static void every_call_in_a_child_answers_forked(void) {
  held h = hold_everything();
  check_process_succeeds(check_fork(expect_forked_from_everything, &h));
  check_append(h.log, 0, 100, 10); /* the parent has noticed nothing */
  CHECK_EQ(check_stats(h.log, 0).count, 11);
  CHECK_EQ(check_stats(h.log, 0).readers_in_use, 2);
  CHECK(check_is_fill(h.record.data, h.record.size, 0));
  CHECK(check_is_fill(h.batch.records[2].data, h.batch.records[2].size, 3));
  release_everything(&h);
  CHECK_EQ(check_file_size(check_path("a.log")), 8 + 11 * 108);
}

static void open_in_child(void *argument) {
  held *h = argument;
  immuta_log *log = NULL;
  release_everything(h);
  CHECK_STATUS(IMMUTA_E_LOCKED, TRY_OPEN(&log, .names = {"a"})); /* releasing did not release the parent's lock */
  log = OPEN(.read_only = 1);
  immuta_stream *stream = check_stream(log, 0, 9);
  immuta_record record;
  CHECK_OK(immuta_stream_next(stream, -1, &record, ERR));
  CHECK(check_is_fill(record.data, record.size, 9));
  CHECK_OK(immuta_record_done(&record));
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  log = OPEN(.directory = check_path("child"), .flush_interval_ns = 1000000);
  check_append(log, 0, 100, 1);
  while (check_stats(log, 0).durable_count != 1) sched_yield(); /* with a flusher of its own */
  CHECK_OK(immuta_close(log, ERR));
  leave();
}

static void a_child_opens_logs_of_its_own(void) {
  held h = hold_everything();
  check_process_succeeds(check_fork(open_in_child, &h));
  check_append(h.log, 0, 100, 10);
  release_everything(&h);
  CHECK_EQ(check_file_size(check_path("child/a.log")), 8 + 108);
}

static void outlive(void *argument) {
  check_gate *gates = argument;
  check_gate_open(gates[0]);
  check_gate_wait(gates[1]); /* never touches the library */
  leave();
}

static void no_lock_stays_behind_in_a_child(void) {
  check_gate gates[] = {check_gate_new(), check_gate_new()};
  immuta_log *log = OPEN();
  check_append(log, 0, 100, 0);
  pid_t child = check_fork(outlive, gates);
  check_gate_wait(gates[0]);
  CHECK_OK(immuta_close(log, ERR));
  log = OPEN(); /* not E_LOCKED, although the child lives */
  CHECK_EQ(check_stats(log, 0).count, 1);
  CHECK_OK(immuta_close(log, ERR));
  check_gate_open(gates[1]);
  check_process_succeeds(child);
}

/* ---- Threads asleep at the fork ---------------------------------------------------------------------------------- */

enum { NAMESPACES = 10, SLEEPERS = 60 };

/* A log of several namespaces, in each of which threads wait for the only reader, which is held. */
typedef struct sleepers {
  immuta_log *log;
  immuta_stream *holding[NAMESPACES], *waiting[SLEEPERS];
  immuta_record held[NAMESPACES];
  pthread_t threads[SLEEPERS];
} sleepers;

static void *wait_for_a_reader(void *stream) {
  immuta_record record;
  CHECK_OK(immuta_stream_next(stream, -1, &record, ERR));
  CHECK_OK(immuta_record_done(&record));
  return NULL;
}

static sleepers sleepers_start(const char *directory) {
  sleepers s = {.log = OPEN(.directory = directory, .no_names = 1, .readers = 1, .flush_interval_ns = 1000000)};
  for (uint32_t i = 0; i < NAMESPACES; i++) {
    char name[16];
    uint32_t ns;
    snprintf(name, sizeof name, "n%u", i);
    CHECK_OK(immuta_namespace_add(s.log, name, &ns, ERR));
    check_append(s.log, ns, 10, i);
    s.holding[i] = check_stream(s.log, ns, 0);
    CHECK_OK(immuta_stream_next(s.holding[i], -1, &s.held[i], ERR));
  }
  for (uint32_t i = 0; i < SLEEPERS; i++) {
    s.waiting[i] = check_stream(s.log, i % NAMESPACES, 0);
    s.threads[i] = check_start(wait_for_a_reader, s.waiting[i]);
  }
  for (uint32_t i = 0; i < NAMESPACES; i++) check_until_waiting(s.log, i, SLEEPERS / NAMESPACES);
  return s;
}

static void sleepers_finish(sleepers *s) {
  for (uint32_t i = 0; i < NAMESPACES; i++) {
    CHECK_OK(immuta_record_done(&s->held[i]));
    immuta_stream_done(s->holding[i]);
  }
  for (uint32_t i = 0; i < SLEEPERS; i++) {
    check_join(s->threads[i]);
    immuta_stream_done(s->waiting[i]);
  }
  CHECK_OK(immuta_close(s->log, ERR));
}

static void sleep_and_wake(void *unused) {
  (void)unused;
  sleepers s = sleepers_start(check_path("child"));
  sleepers_finish(&s);
  leave();
}

static void threads_asleep_at_the_fork_do_not_haunt_the_child(void) {
  sleepers s = sleepers_start(check_path("parent"));
  check_process_succeeds(check_fork(sleep_and_wake, NULL));
  sleepers_finish(&s);
}

/* ---- Forks in the midst of work ---------------------------------------------------------------------------------- */

static atomic_int stop;

static void *append_on(void *log) {
  for (uint64_t i = 0; !atomic_load(&stop); i++) {
    check_append(log, 0, 50, i);
    if (i % 100 == 0) sched_yield(); /* on a machine of few processors the forks want a turn, too */
  }
  return NULL;
}

static void *read_on(void *log) {
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record;
  immuta_status status;
  while ((status = immuta_stream_next(stream, -1, &record, ERR)) == IMMUTA_OK) CHECK_OK(immuta_record_done(&record));
  CHECK_EQ(status, IMMUTA_E_CLOSED);
  immuta_stream_done(stream);
  return NULL;
}

static void use_and_release(void *argument) {
  held *h = argument;
  immuta_log *log = NULL;
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_append(h->log, 0, "x", 1, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_stream_next(h->stream, -1, &(immuta_record){0}, ERR));
  release_everything(h);
  CHECK_OK(TRY_OPEN(&log, .directory = check_path("child")));
  check_append(log, 0, 10, 1);
  CHECK_OK(immuta_close(log, ERR));
  leave();
}

static void forks_in_the_midst_of_work_never_hang(void) {
  enum { FORKS = 30, THREADS = 2 };
  held h = hold_everything();
  pthread_t threads[2 * THREADS];
  for (int i = 0; i < THREADS; i++) {
    threads[2 * i] = check_start(append_on, h.log);
    threads[2 * i + 1] = check_start(read_on, i == 0 ? h.reader : h.log);
  }
  for (int i = 0; i < FORKS; i++) check_process_succeeds(check_fork(use_and_release, &h));
  atomic_store(&stop, 1);
  for (int i = 0; i < THREADS; i++) check_join(threads[2 * i]);
  CHECK_OK(immuta_shutdown(h.log, ERR));
  CHECK_OK(immuta_shutdown(h.reader, ERR));
  for (int i = 0; i < THREADS; i++) check_join(threads[2 * i + 1]);
  uint64_t count = check_stats(h.log, 0).count;
  release_everything(&h);
  immuta_report report;
  CHECK_OK(immuta_verify(check_dir(), "a", NULL, NULL, NULL, &report, sizeof report, ERR));
  CHECK_EQ(report.finding, IMMUTA_OK);
  CHECK_EQ(report.count, count);
}

/* ---- Children that no handler of fork sees ----------------------------------------------------------------------- */

/* Runs `function` in a child made by clone itself, as _Fork and containers' helpers make theirs. */
static pid_t clone_bare(void (*function)(void *), void *argument) {
  CHECK_NOT_UNDER_THREAD_SANITIZER("its own threads and locks want a handler of fork");
  fflush(stdout);
  pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  CHECK(pid >= 0);
  if (pid != 0) return pid;
  function(argument);
  _exit(0);
}

static void every_call_in_a_bare_child_answers_forked(void) {
  held h = hold_everything();
  check_process_succeeds(clone_bare(expect_forked_from_everything, &h));
  check_append(h.log, 0, 100, 10);
  CHECK_EQ(check_stats(h.log, 0).count, 11);
  release_everything(&h);
  h.log = OPEN();
  CHECK_EQ(check_report(h.log, 0).outcome, IMMUTA_OUTCOME_CLEAN);
  immuta_stream *stream = check_stream(h.log, 0, 0);
  for (uint64_t i = 0; i < 11; i++) check_next(stream, i, 100, i);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(h.log, ERR));
}

static void a_bare_child_opens_logs_of_its_own(void) {
  held h = hold_everything();
  check_process_succeeds(clone_bare(open_in_child, &h));
  check_append(h.log, 0, 100, 10);
  release_everything(&h);
  CHECK_EQ(check_file_size(check_path("child/a.log")), 8 + 108);
}

/* Before anything of the library's runs in the child, it closes what it does not know and opens its own. */
static void take_every_number(void *argument) {
  held *h = argument;
  static const char content[] = "of the child";
  char after[sizeof content];
  int host = memfd_create("host", MFD_CLOEXEC);
  CHECK(host > 3 && write(host, content, sizeof content) == sizeof content);
  for (int number = 3; number < host; number++) {
    if (fcntl(number, F_GETFD) >= 0) CHECK_EQ(dup2(host, number), number);
  }
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_append(h->log, 0, "x", 1, NULL, ERR));
  for (int number = 3; number < host; number++) CHECK(fcntl(number, F_GETFD) >= 0);
  CHECK(pread(host, after, sizeof after, 0) == sizeof after && memcmp(content, after, sizeof after) == 0);
  leave();
}

static void a_bare_child_keeps_the_files_it_opened_in_place_of_ours(void) {
  held h = hold_everything();
  check_process_succeeds(clone_bare(take_every_number, &h));
  check_append(h.log, 0, 100, 10);
  release_everything(&h);
}

static immuta_log *opened_by_handler;

static void open_in_handler(void) { opened_by_handler = OPEN(.directory = check_path("child")); }

static void append_what_the_handler_opened(void *argument) {
  held *h = argument;
  check_append(opened_by_handler, 0, 10, 1);
  CHECK_OK(immuta_close(opened_by_handler, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_append(h->log, 0, "x", 1, NULL, ERR));
  leave();
}

/* Handlers of children run in the order they were registered in: this one before the library's. */
static void what_a_handler_of_the_host_opens_in_a_child_is_the_childs_own(void) {
  CHECK(pthread_atfork(NULL, NULL, open_in_handler) == 0);
  held h = hold_everything();
  check_process_succeeds(check_fork(append_what_the_handler_opened, &h));
  release_everything(&h);
}

static void expect_forked_once_more(void *argument) {
  held *h = argument;
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_append(h->log, 0, "x", 1, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_append(h->reader, 0, "x", 1, NULL, ERR)); /* of the child between */
  leave();
}

static void clone_once_more(void *argument) {
  held *h = argument;
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_append(h->log, 0, "x", 1, NULL, ERR));
  h->reader = OPEN(.directory = check_path("child")); /* its own */
  check_append(h->reader, 0, 10, 1);
  check_process_succeeds(clone_bare(expect_forked_once_more, h));
  check_process_succeeds(check_fork(expect_forked_once_more, h));
  check_append(h->reader, 0, 10, 2);
  CHECK_OK(immuta_close(h->reader, ERR));
  leave();
}

static void a_bare_child_of_a_bare_child_knows_itself_too(void) {
  held h = {.log = OPEN()};
  check_process_succeeds(clone_bare(clone_once_more, &h));
  check_append(h.log, 0, 10, 1);
  CHECK_OK(immuta_close(h.log, ERR));
}

/* What a bare child inherits, and how the test speaks with it. */
typedef struct inheritance {
  held h;
  check_gate is_there, may_call, has_called, may_end;
} inheritance;

static void inherit_lock(void *argument) {
  inheritance *self = argument;
  check_gate_open(self->is_there);
  check_gate_wait(self->may_call);
  CHECK_EQ(immuta_namespace_count(self->h.log), 0); /* any call will do */
  check_gate_open(self->has_called);
  check_gate_wait(self->may_end);
}

static void open_and_clone(void *argument) {
  inheritance *self = argument;
  self->h.log = OPEN();
  clone_bare(inherit_lock, self);
  _exit(0); /* as a killed process ends */
}

static void a_bare_child_gives_the_lock_up_in_its_first_call(void) {
  CHECK_NOT_UNDER_THREAD_SANITIZER("its own threads and locks want a handler of fork");
  inheritance self = {.is_there = check_gate_new(),
                      .may_call = check_gate_new(),
                      .has_called = check_gate_new(),
                      .may_end = check_gate_new()};
  check_process_succeeds(check_fork(open_and_clone, &self));
  check_gate_wait(self.is_there);
  immuta_log *log = NULL;
  CHECK_STATUS(IMMUTA_E_LOCKED, TRY_OPEN(&log, .names = {"a"})); /* what the header says of such a child */
  check_gate_open(self.may_call);
  check_gate_wait(self.has_called);
  log = OPEN();
  CHECK_OK(immuta_close(log, ERR));
  check_gate_open(self.may_end);
}

/* ---- Callbacks that fork ---- */

static int64_t fork_and_give(void *user, void *buffer, size_t capacity) {
  pid_t *child = user;
  CHECK(capacity >= 1);
  *(char *)buffer = 'x';
  if (*child != 0) return 0; /* the end, in the parent */
  *child = -1;
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid > 0) *child = pid;
  return 1;
}

static void a_callback_that_forks_appends_once(void) {
  immuta_log *log = OPEN();
  pid_t child = 0;
  immuta_status status = immuta_append_from(log, 0, fork_and_give, &child, NULL, ERR);
  if (child == -1) {
    CHECK_EQ(status, IMMUTA_E_FORKED);
    leave();
  }
  CHECK_EQ(status, IMMUTA_OK);
  check_process_succeeds(child);
  CHECK_EQ(check_stats(log, 0).count, 1);
  CHECK_OK(immuta_close(log, ERR));
}

static const check_case cases[] = {
    CASE(every_call_in_a_child_answers_forked),
    CASE(a_child_opens_logs_of_its_own),
    CASE(no_lock_stays_behind_in_a_child),
    CASE(threads_asleep_at_the_fork_do_not_haunt_the_child),
    CASE(forks_in_the_midst_of_work_never_hang),
    CASE(every_call_in_a_bare_child_answers_forked),
    CASE(a_bare_child_keeps_the_files_it_opened_in_place_of_ours),
    CASE(what_a_handler_of_the_host_opens_in_a_child_is_the_childs_own),
    CASE(a_bare_child_opens_logs_of_its_own),
    CASE(a_bare_child_of_a_bare_child_knows_itself_too),
    CASE(a_bare_child_gives_the_lock_up_in_its_first_call),
    CASE(a_callback_that_forks_appends_once),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
