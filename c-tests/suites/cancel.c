/* Threads that are cancelled inside the library: the call goes on to its end, whatever it does, and the cancellation
 * takes effect at the host's next cancellation point. Also: leaving a callback in another way than by returning. */
#include "check.h"

#include <sys/wait.h>
#include <unwind.h>

#include "codecs.h"

/* ---- A call on a thread that is cancelled already ---- */

typedef struct scene {
  immuta_log *log;
  immuta_stream *stream;
  immuta_status status;
  int returned;
} scene;

typedef struct call {
  const char *name;
  immuta_status (*run)(scene *self);
  immuta_status expected;
} call;

static const call *calling; /* by the thread */

static void *call_cancelled(void *argument) {
  scene *self = argument;
  CHECK_EQ(pthread_cancel(pthread_self()), 0); /* deferred: pending from here on */
  self->status = calling->run(self);
  self->returned = 1;
  pthread_testcancel();
  return NULL; /* not reached */
}

/* Makes `one` call on a cancelled thread: it returns, with the status expected, and only then the thread ends. */
static void expect_to_return(const call *one, scene *self) {
  self->returned = 0;
  calling = one;
  if (check_join(check_start(call_cancelled, self)) != PTHREAD_CANCELED || !self->returned ||
      self->status != one->expected)
    printf("\n    %s: returned %d, status %d", one->name, self->returned, self->status);
  CHECK(self->returned);
  CHECK_EQ(self->status, one->expected);
}

static immuta_status append(scene *self) { return immuta_append(self->log, 0, "abc", 3, NULL, ERR); }

static immuta_status append_much(scene *self) { /* so that the files grow */
  static char much[1 << 20];
  return immuta_append(self->log, 0, much, sizeof much, NULL, ERR);
}

static immuta_status append_parts(scene *self) {
  const immuta_slice parts[] = {{"a", 1}, {"b", 1}};
  return immuta_appendv(self->log, 0, parts, 2, NULL, ERR);
}

static immuta_status append_batch(scene *self) {
  const immuta_slice records[] = {{"a", 1}, {"b", 1}};
  return immuta_append_batch(self->log, 0, records, 2, NULL, ERR);
}

static int64_t give_three_letters(void *user, void *buffer, size_t capacity) {
  int *calls = user;
  CHECK(capacity >= 3);
  memcpy(buffer, "abc", 3);
  pthread_testcancel(); /* not here, either */
  return (*calls)++ == 0 ? 3 : 0;
}

static immuta_status append_from(scene *self) {
  int calls = 0;
  return immuta_append_from(self->log, 0, give_three_letters, &calls, NULL, ERR);
}

static immuta_status commit(scene *self) {
  immuta_txn *txn = NULL;
  immuta_status status = immuta_txn_begin(self->log, 0, &txn, ERR);
  if (status == IMMUTA_OK) status = immuta_txn_append(txn, "abc", 3, ERR);
  return status != IMMUTA_OK ? status : immuta_txn_commit(txn, NULL, ERR);
}

static immuta_status sync_now(scene *self) { return immuta_sync(self->log, 0, ERR); }

static immuta_status add(scene *self) {
  uint32_t ns;
  return immuta_namespace_add(self->log, "b", &ns, ERR);
}

static immuta_status figures(scene *self) {
  immuta_stats stats;
  return immuta_stats_get(self->log, 0, &stats, sizeof stats, ERR);
}

static immuta_status next(scene *self) {
  immuta_record record;
  immuta_status status = immuta_stream_next(self->stream, 0, &record, ERR);
  return status != IMMUTA_OK ? status : immuta_record_done(&record);
}

static immuta_status next_batch(scene *self) {
  immuta_batch batch;
  immuta_status status = immuta_stream_next_batch(self->stream, 2, 100, 0, &batch, ERR);
  return status != IMMUTA_OK ? status : immuta_batch_done(&batch);
}

static immuta_status wait_in_vain(scene *self) {
  immuta_record record;
  immuta_status status = immuta_stream_seek(self->stream, 1000, ERR);
  return status != IMMUTA_OK ? status : immuta_stream_next(self->stream, 1000000, &record, ERR);
}

static immuta_status poll_arm(scene *self) {
  int fd;
  immuta_status status = immuta_stream_poll_fd(self->stream, &fd, ERR);
  if (status == IMMUTA_OK) status = immuta_stream_poll_arm(self->stream, ERR);
  return status != IMMUTA_READY ? status : immuta_stream_interrupt(self->stream); /* there are records */
}

static immuta_status open_and_close(scene *self) {
  (void)self;
  immuta_log *log = NULL;
  immuta_status status = TRY_OPEN(&log, .names = {"c"}, .durable = 1);
  return status != IMMUTA_OK ? status : immuta_close(log, ERR);
}

static immuta_status follow(scene *self) {
  (void)self;
  immuta_log *log = NULL;
  immuta_status status = TRY_OPEN(&log, .read_only = 1);
  if (status != IMMUTA_OK) return status;
  scene reader = {.log = log, .stream = check_stream(log, 0, 0)};
  CHECK_EQ(next(&reader), IMMUTA_OK);
  CHECK_EQ(poll_arm(&reader), IMMUTA_OK);
  CHECK_EQ(immuta_stream_seek(reader.stream, 1, ERR), IMMUTA_OK);
  CHECK_EQ(next(&reader), IMMUTA_INTERRUPTED);
  CHECK_EQ(next_batch(&reader), IMMUTA_OK);
  CHECK_EQ(wait_in_vain(&reader), IMMUTA_TIMEOUT);
  immuta_stream_done(reader.stream);
  return immuta_close(log, ERR);
}

static immuta_status release_record_last(scene *self) { /* closing its descriptor */
  immuta_log *log = OPEN(.read_only = 1);
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record;
  (void)self;
  CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  return immuta_record_done(&record);
}

static immuta_status verify(scene *self) {
  immuta_report report;
  (void)self;
  return immuta_verify(check_dir(), "a", NULL, NULL, NULL, &report, sizeof report, ERR);
}

static immuta_status repair(scene *self) {
  immuta_report report;
  (void)self;
  return immuta_repair(check_dir(), "c", NULL, IMMUTA_REPAIR_APPLY, NULL, NULL, &report, sizeof report, ERR);
}

static immuta_status import(scene *self) {
  immuta_report report;
  (void)self;
  return immuta_import(check_path("c.log"), check_dir(), "d", NULL, NULL, NULL, &report, sizeof report, ERR);
}

static immuta_status shut_down(scene *self) { return immuta_shutdown(self->log, ERR); }

static const call calls[] = {
    {"append", append, IMMUTA_OK},
    {"append_much", append_much, IMMUTA_OK},
    {"append_parts", append_parts, IMMUTA_OK},
    {"append_batch", append_batch, IMMUTA_OK},
    {"append_from", append_from, IMMUTA_OK},
    {"commit", commit, IMMUTA_OK},
    {"sync", sync_now, IMMUTA_OK},
    {"stats", figures, IMMUTA_OK},
    {"next", next, IMMUTA_OK},
    {"next_batch", next_batch, IMMUTA_OK},
    {"poll_arm", poll_arm, IMMUTA_OK},
    {"next after an interrupt", next, IMMUTA_INTERRUPTED},
    {"wait_in_vain", wait_in_vain, IMMUTA_TIMEOUT},
    {"append with an event loop armed", append, IMMUTA_OK},
    {"add", add, IMMUTA_OK},
    {"follow", follow, IMMUTA_OK},
    {"release_record_last", release_record_last, IMMUTA_OK},
    {"verify", verify, IMMUTA_OK},
    {"open_and_close", open_and_close, IMMUTA_OK},
    {"repair", repair, IMMUTA_OK},
    {"import", import, IMMUTA_OK},
    {"shut_down", shut_down, IMMUTA_OK},
    {"append to a log shut down", append, IMMUTA_E_CLOSED},
};

static void every_call_ends_before_its_thread_does(int io, int durable) {
  immuta_codec *codec = NULL;
  for (int coded = 0; coded < 2; coded++) {
    if (coded) CHECK_OK(immuta_codec_builtin(IMMUTA_CODEC_DEFLATE, 0, &codec, ERR));
    scene self = {.log = OPEN(.io = io, .durable = durable, .codecs = {codec})};
    self.stream = check_stream(self.log, 0, 0);
    for (size_t i = 0; i < CHECK_COUNT(calls); i++) {
      expect_to_return(&calls[i], &self);
      if (calls[i].run == wait_in_vain) { /* the next append sets the descriptor */
        uint64_t count = check_stats(self.log, 0).count;
        CHECK_OK(immuta_stream_seek(self.stream, count, ERR));
        CHECK_EQ(immuta_stream_poll_arm(self.stream, NULL), IMMUTA_OK);
      }
    }
    immuta_stream_done(self.stream);
    CHECK_OK(immuta_close(self.log, ERR));
    immuta_log *log = OPEN(.io = io, .codecs = {codec});
    CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_CLEAN);
    CHECK_EQ(check_stats(log, 0).count, 8);
    CHECK_OK(immuta_close(log, ERR));
    immuta_codec_free(codec);
    check_remove_directory();
    CHECK_EQ(mkdir(check_dir(), 0755), 0);
  }
}

static void calls_end_before_their_thread_does(void) { every_call_ends_before_its_thread_does(0, 0); }
static void calls_by_system_calls_do_too(void) { every_call_ends_before_its_thread_does(IMMUTA_IO_SYSCALL, 0); }
static void durable_calls_do_too(void) { every_call_ends_before_its_thread_does(0, 1); }
static void durable_calls_by_system_calls_do_too(void) { every_call_ends_before_its_thread_does(IMMUTA_IO_SYSCALL, 1); }

/* ---- A thread that is cancelled while it waits ---- */

static void *wait_for_record(void *argument) {
  scene *self = argument;
  immuta_record record;
  self->status = immuta_stream_next(self->stream, -1, &record, ERR);
  self->returned = 1;
  if (self->status == IMMUTA_OK) CHECK_OK(immuta_record_done(&record));
  pthread_testcancel();
  return NULL;
}

static void a_wait_is_no_cancellation_point(void) {
  for (int read_only = 0; read_only < 2; read_only++) {
    immuta_log *writer = OPEN(), *log = read_only ? OPEN(.read_only = 1) : writer;
    for (int how = 0; how < 2; how++) {
      scene self = {.log = log, .stream = check_stream(log, 0, -1)};
      pthread_t thread = check_start(wait_for_record, &self);
      check_until_waiting(log, 0, 1);
      CHECK_EQ(pthread_cancel(thread), 0);
      CHECK_EQ(check_stats(log, 0).waiters, 1); /* it stays where it is */
      if (how == 0) check_append(writer, 0, 10, 1);
      else CHECK_OK(immuta_stream_interrupt(self.stream));
      CHECK(check_join(thread) == PTHREAD_CANCELED);
      CHECK(self.returned);
      CHECK_EQ(self.status, how == 0 ? IMMUTA_OK : IMMUTA_INTERRUPTED);
      immuta_stream_done(self.stream);
    }
    if (read_only) CHECK_OK(immuta_close(log, ERR));
    CHECK_OK(immuta_close(writer, ERR));
  }
}

static void *append_with_cancellation_disabled(void *argument) {
  scene *self = argument;
  int before = -1;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
  CHECK_OK(immuta_append(self->log, 0, "abc", 3, NULL, ERR));
  CHECK_OK(immuta_sync(self->log, 0, ERR));
  pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before);
  CHECK_EQ(before, PTHREAD_CANCEL_DISABLE);
  CHECK_OK(immuta_append(self->log, 0, "abc", 3, NULL, ERR));
  CHECK_OK(immuta_sync(self->log, 0, ERR));
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
  CHECK_EQ(before, PTHREAD_CANCEL_ENABLE);
  return NULL;
}

static void the_state_of_the_thread_is_kept(void) {
  scene self = {.log = OPEN(.durable = 1)};
  check_join(check_start(append_with_cancellation_disabled, &self));
  CHECK_OK(immuta_close(self.log, ERR));
}

/* ---- What leaves a callback otherwise than by returning ---- */

/* Raises what a C++ program raises with throw, without being one. */
static void throw_exception(void) {
  static struct _Unwind_Exception exception;
  memcpy(&exception.exception_class, "CHECKC++", 8);
  _Unwind_RaiseException(&exception);
  CHECK(0 && "there is no handler, so this went up to the library, which ends the process");
}

static void exit_thread(void) { pthread_exit(NULL); }

static void cancel_thread(void) {
  pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
  pthread_cancel(pthread_self());
  pthread_testcancel();
}

static void (*const leaves[])(void) = {throw_exception, exit_thread, cancel_thread};
static void (*leave)(void);

static int64_t leave_source(void *user, void *buffer, size_t capacity) {
  (void)user, (void)buffer, (void)capacity;
  leave();
  return 0;
}

static int32_t leave_codec(void *user, const void *data, size_t size, immuta_sink *out) {
  if (*(int *)user) leave();
  return immuta_sink_write(out, data, size);
}

static void leave_destroy(void *user) {
  if (*(int *)user) leave();
}

static int32_t leave_progress(void *user, uint64_t done, uint64_t total) {
  (void)user, (void)done, (void)total;
  leave();
  return 0;
}

/* Which callback leaves, in a child process of its own. */
static void *call_and_leave(void *which) {
  int leaving = 0;
  const immuta_codec_vtable vtable = {
      sizeof vtable, INVERTER_ID, 0, "leaving", &leaving, leave_codec, leave_codec, leave_destroy};
  immuta_codec *codec = NULL;
  CHECK_OK(immuta_codec_custom(&vtable, &codec, ERR));
  immuta_log *log = open_with(codec);
  CHECK_OK(immuta_append(log, 0, "abc", 3, NULL, ERR));
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record;
  immuta_report report;
  immuta_status status = IMMUTA_OK;
  leaving = 1;
  switch (*(int *)which) {
    case 0: status = immuta_append_from(log, 0, leave_source, NULL, NULL, ERR); break;
    case 1: status = immuta_append(log, 0, "abc", 3, NULL, ERR); break;
    case 2: status = immuta_stream_next(stream, 0, &record, ERR); break;
    case 3:
      status = immuta_verify(check_dir(), "a", check_options((check_setup){.codecs = {codec}}), leave_progress, NULL,
                             &report, sizeof report, ERR);
      break;
    default:
      leaving = 0;
      immuta_stream_done(stream);
      CHECK_OK(immuta_close(log, ERR));
      leaving = 1;
      immuta_codec_free(codec);
  }
  CHECK_STR(immuta_status_name(status), "none: the callback leaves");
  return NULL;
}

static void call_on_a_thread(void *which) { check_join(check_start(call_and_leave, which)); }

/* Valgrind does not get to the end of a process with a second thread that abort() ends. */
static void not_under_valgrind(void) {
  const char *preloaded = getenv("LD_PRELOAD");
  if (preloaded != NULL && strstr(preloaded, "vgpreload") != NULL)
    CHECK_NOT_HERE("valgrind hangs when a process of threads aborts");
}

static void what_leaves_a_callback_ends_the_process(void) {
  not_under_valgrind();
  for (size_t how = 0; how < CHECK_COUNT(leaves); how++) {
    leave = leaves[how];
    for (int which = 0; which < 5; which++) {
      int status = 0;
      pid_t pid = check_fork(call_on_a_thread, &which);
      CHECK_EQ(waitpid(pid, &status, 0), pid);
      CHECK(WIFSIGNALED(status));
      CHECK_EQ(WTERMSIG(status), SIGABRT);
    }
  }
  /* Every record acknowledged before is there. */
  inverter self = {0};
  immuta_codec *codec = custom(&self, INVERTER_ID);
  immuta_log *log = open_with(codec);
  CHECK_EQ(check_stats(log, 0).count, 15);
  CHECK_OK(immuta_close(log, ERR));
  immuta_codec_free(codec);
}

static const check_case cases[] = {
    CASE(calls_end_before_their_thread_does),
    CASE(calls_by_system_calls_do_too),
    CASE(durable_calls_do_too),
    CASE(durable_calls_by_system_calls_do_too),
    CASE(a_wait_is_no_cancellation_point),
    CASE(the_state_of_the_thread_is_kept),
    CASE(what_leaves_a_callback_ends_the_process),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
