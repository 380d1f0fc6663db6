/* Waiting inside one process: which events wake a waiting stream, and which do not. Two processes are in
 * wait_process.c. */
#include "check.h"

#include <semaphore.h>
#include <time.h>

/* One call of next in a thread of its own: its arguments and its result. */
typedef struct waiter {
  immuta_stream *stream;
  int64_t timeout_ns;
  int batch; /* 1: next_batch */
  immuta_status status;
  immuta_record record;
  immuta_error error;
  pthread_t thread;
} waiter;

static void *wait_once(void *argument) {
  waiter *self = argument;
  immuta_batch batch;
  if (self->batch)
    self->status = immuta_stream_next_batch(self->stream, 10, 1000, self->timeout_ns, &batch, &self->error);
  else self->status = immuta_stream_next(self->stream, self->timeout_ns, &self->record, &self->error);
  if (self->batch && self->status == IMMUTA_OK) CHECK_OK(immuta_batch_done(&batch));
  return NULL;
}

static void waiter_start(waiter *self, immuta_stream *stream, int64_t timeout_ns) {
  *self = (waiter){.stream = stream, .timeout_ns = timeout_ns, .batch = self->batch};
  self->thread = check_start(wait_once, self);
}

static void waiter_finish(waiter *self, immuta_status expected) {
  check_join(self->thread);
  if (self->status != expected) printf("\n    %s: %s", immuta_status_name(self->status), self->error.message);
  CHECK_EQ(self->status, expected);
}

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * CHECK_SECOND + now.tv_nsec;
}

/* ---- Records and deadlines --------------------------------------------------------------------------------------- */

static void a_record_wakes_the_one_who_waits(void) {
  const int64_t timeouts[] = {-1, INT64_MIN, INT64_MAX, 500 * CHECK_SECOND};
  immuta_log *log = OPEN();
  immuta_stream *stream = check_stream(log, 0, 0);
  for (uint64_t i = 0; i < CHECK_COUNT(timeouts); i++) {
    waiter w = {0};
    waiter_start(&w, stream, timeouts[i]);
    check_until_waiting(log, 0, 1);
    check_append(log, 0, 100, i);
    waiter_finish(&w, IMMUTA_OK);
    CHECK_EQ(w.record.number, i);
    CHECK(check_is_fill(w.record.data, w.record.size, i));
    CHECK_OK(immuta_record_done(&w.record));
  }
  CHECK_EQ(check_stats(log, 0).waiters, 0);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void no_wait_ends_before_its_deadline(void) {
  immuta_log *log = OPEN();
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record, untouched;
  immuta_batch batch;
  memset(&record, 0xaa, sizeof record);
  untouched = record;
  CHECK_STATUS(IMMUTA_TIMEOUT, immuta_stream_next(stream, 0, &record, ERR));
  const int64_t timeouts_ns[] = {1, 1000, 1000000, 50000000};
  for (size_t i = 0; i < CHECK_COUNT(timeouts_ns); i++) {
    int64_t begun_ns = now_ns();
    CHECK_STATUS(IMMUTA_TIMEOUT, immuta_stream_next(stream, timeouts_ns[i], &record, ERR));
    CHECK(now_ns() - begun_ns >= timeouts_ns[i]);
    begun_ns = now_ns();
    CHECK_STATUS(IMMUTA_TIMEOUT, immuta_stream_next_batch(stream, 1, 1, timeouts_ns[i], &batch, ERR));
    CHECK(now_ns() - begun_ns >= timeouts_ns[i]);
  }
  CHECK(memcmp(&record, &untouched, sizeof record) == 0); /* written on success only */
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void a_wait_beyond_the_end_is_for_that_very_record(void) {
  immuta_log *log = OPEN();
  immuta_stream *stream = check_stream(log, 0, 3), *by_time = NULL;
  waiter w = {0}, t = {0};
  CHECK_OK(immuta_stream_open_at_time(log, 0, 1, &by_time, ERR));
  waiter_start(&w, stream, -1);
  waiter_start(&t, by_time, -1);
  check_until_waiting(log, 0, 2);
  check_append(log, 0, 10, 0);
  waiter_finish(&t, IMMUTA_OK);
  CHECK_EQ(t.record.number, 0);
  for (uint64_t i = 1; i < 4; i++) {
    check_until_waiting(log, 0, 1); /* it still waits: earlier records do not end its wait */
    check_append(log, 0, 10, i);
  }
  waiter_finish(&w, IMMUTA_OK);
  CHECK_EQ(w.record.number, 3);
  CHECK(check_is_fill(w.record.data, 10, 3));
  CHECK_OK(immuta_record_done(&w.record));
  CHECK_OK(immuta_record_done(&t.record));
  immuta_stream_done(stream);
  immuta_stream_done(by_time);
  CHECK_OK(immuta_close(log, ERR));
}

static void records_of_one_namespace_wake_nobody_in_another(void) {
  immuta_log *log = OPEN(.names = {"a", "b"});
  immuta_stream *stream = check_stream(log, 1, -1);
  waiter w = {0};
  waiter_start(&w, stream, -1);
  check_until_waiting(log, 1, 1);
  for (uint64_t i = 0; i < 1000; i++) check_append(log, 0, 10, i);
  CHECK_EQ(check_stats(log, 1).waiters, 1);
  CHECK_EQ(check_stats(log, 0).waiters, 0);
  check_append(log, 1, 20, 77);
  waiter_finish(&w, IMMUTA_OK);
  CHECK(w.record.size == 20 && check_is_fill(w.record.data, 20, 77));
  CHECK_OK(immuta_record_done(&w.record));
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

enum { CROWD = 64, CROWD_RECORDS = 200 };

static void *read_them_all(void *stream) {
  for (uint64_t i = 0; i < CROWD_RECORDS; i++) {
    immuta_record record;
    CHECK_OK(immuta_stream_next(stream, -1, &record, ERR));
    CHECK(record.number == i && check_is_fill(record.data, record.size, i));
    CHECK_OK(immuta_record_done(&record));
  }
  return NULL;
}

static void many_streams_share_few_readers(void) {
  immuta_log *log = OPEN(.readers = 2);
  immuta_stream *streams[CROWD];
  pthread_t threads[CROWD];
  for (size_t i = 0; i < CROWD; i++) streams[i] = check_stream(log, 0, 0);
  for (size_t i = 0; i < CROWD; i++) threads[i] = check_start(read_them_all, streams[i]);
  check_until_waiting(log, 0, CROWD);
  for (uint64_t i = 0; i < CROWD_RECORDS; i++) {
    if (i == CROWD_RECORDS / 2) check_until_waiting(log, 0, CROWD); /* once more from deep sleep */
    check_append(log, 0, 30, i);
  }
  for (size_t i = 0; i < CROWD; i++) check_join(threads[i]);
  CHECK_EQ(check_stats(log, 0).records_read, CROWD * CROWD_RECORDS);
  for (size_t i = 0; i < CROWD; i++) immuta_stream_done(streams[i]);
  CHECK_OK(immuta_close(log, ERR));
}

/* ---- Interrupts -------------------------------------------------------------------------------------------------- */

static void an_interrupt_before_the_call_counts_once(void) {
  immuta_log *log = OPEN();
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record;
  immuta_batch batch;
  CHECK_OK(immuta_stream_interrupt(stream));
  CHECK_OK(immuta_stream_interrupt(stream)); /* twice before a call is still one */
  CHECK_STATUS(IMMUTA_INTERRUPTED, immuta_stream_next(stream, -1, &record, ERR));
  CHECK_STATUS(IMMUTA_TIMEOUT, immuta_stream_next(stream, 0, &record, ERR));
  check_append(log, 0, 10, 1);
  CHECK_OK(immuta_stream_interrupt(stream));
  /* Even with a record there. */
  CHECK_STATUS(IMMUTA_INTERRUPTED, immuta_stream_next_batch(stream, 1, 1, -1, &batch, ERR));
  CHECK_OK(immuta_stream_next(stream, -1, &record, ERR));
  CHECK_EQ(record.number, 0);
  CHECK_OK(immuta_record_done(&record));
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void an_interrupt_ends_only_the_wait_of_its_stream(void) {
  immuta_log *log = OPEN();
  immuta_stream *one = check_stream(log, 0, 0), *other = check_stream(log, 0, 0);
  waiter w = {0}, v = {.batch = 1}, still = {0};
  waiter_start(&still, other, -1);
  for (int round = 0; round < 50; round++) {
    waiter *interrupted = round % 2 ? &w : &v;
    waiter_start(interrupted, one, -1);
    check_until_waiting(log, 0, 2);
    CHECK_OK(immuta_stream_interrupt(one));
    waiter_finish(interrupted, IMMUTA_INTERRUPTED);
  }
  check_until_waiting(log, 0, 1);
  check_append(log, 0, 10, 1);
  waiter_finish(&still, IMMUTA_OK);
  CHECK_OK(immuta_record_done(&still.record));
  immuta_stream_done(one);
  immuta_stream_done(other);
  CHECK_OK(immuta_close(log, ERR));
}

static immuta_stream *signalled_stream;
static sem_t signal_handled;

static void interrupt_in_handler(int signal) {
  int saved_errno = errno;
  if (signal == SIGUSR1) immuta_stream_interrupt(signalled_stream);
  sem_post(&signal_handled);
  errno = saved_errno;
}

static void wait_for_handler(void) {
  while (sem_wait(&signal_handled) != 0) CHECK_EQ(errno, EINTR);
}

static void a_signal_handler_may_interrupt_and_other_signals_do_not(void) {
  CHECK_NOT_UNDER_THREAD_SANITIZER(
      "ThreadSanitizer holds signals back from a thread asleep in a system call it does not know");
  immuta_log *log = OPEN();
  waiter w = {0};
  struct sigaction action = {.sa_handler = interrupt_in_handler}; /* no SA_RESTART: system calls do see EINTR */
  CHECK(sem_init(&signal_handled, 0, 0) == 0);
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigaction(SIGUSR2, &action, NULL) == 0);
  signalled_stream = check_stream(log, 0, 0);
  waiter_start(&w, signalled_stream, -1);
  check_until_waiting(log, 0, 1);
  for (int i = 0; i < 20; i++) { /* a signal that must not end the wait */
    CHECK_EQ(pthread_kill(w.thread, SIGUSR2), 0);
    wait_for_handler();
  }
  check_append(log, 0, 10, 1);
  waiter_finish(&w, IMMUTA_OK);
  CHECK_OK(immuta_record_done(&w.record));

  waiter_start(&w, signalled_stream, -1);
  check_until_waiting(log, 0, 1);
  CHECK_EQ(pthread_kill(w.thread, SIGUSR1), 0); /* handled in the very thread that waits */
  waiter_finish(&w, IMMUTA_INTERRUPTED);
  wait_for_handler();
  waiter_start(&w, signalled_stream, -1);
  check_until_waiting(log, 0, 1);
  CHECK_EQ(raise(SIGUSR1), 0); /* and in another */
  waiter_finish(&w, IMMUTA_INTERRUPTED);
  immuta_stream_done(signalled_stream);
  CHECK_OK(immuta_close(log, ERR));
}

/* ---- Waiting for a reader of the pool ---------------------------------------------------------------------------- */

static void a_wait_for_a_reader_ends_like_any_other(void) {
  immuta_log *log = OPEN(.readers = 1);
  immuta_stream *stream = check_stream(log, 0, 0), *second = check_stream(log, 0, 0);
  immuta_record held;
  waiter w = {0};
  check_append(log, 0, 10, 1);
  CHECK_OK(immuta_stream_next(stream, 0, &held, ERR));
  waiter_start(&w, second, 1000000);
  waiter_finish(&w, IMMUTA_E_POOL);
  CHECK(w.error.message[0] != '\0');
  waiter_start(&w, second, 0);
  waiter_finish(&w, IMMUTA_E_POOL);

  waiter_start(&w, second, -1);
  check_until_waiting(log, 0, 1);
  CHECK_OK(immuta_stream_interrupt(second));
  waiter_finish(&w, IMMUTA_INTERRUPTED);

  waiter_start(&w, second, -1);
  check_until_waiting(log, 0, 1);
  CHECK_OK(immuta_record_done(&held));
  waiter_finish(&w, IMMUTA_OK);
  CHECK_EQ(w.record.number, 0); /* the position had stayed */

  waiter x = {0};
  check_append(log, 0, 10, 2);
  waiter_start(&x, second, -1);
  check_until_waiting(log, 0, 1);
  CHECK_OK(immuta_shutdown(log, ERR));
  waiter_finish(&x, IMMUTA_E_CLOSED);
  CHECK_OK(immuta_record_done(&w.record));
  immuta_stream_done(stream);
  immuta_stream_done(second);
  CHECK_OK(immuta_close(log, ERR));
}

/* ---- Shutdown and close ------------------------------------------------------------------------------------------ */

enum { SLEEPERS = 20 };

static void end_many_waits(int by_close, int read_only) {
  immuta_log *writer = OPEN(.names = {"a", "b"});
  check_append(writer, 0, 10, 5);
  immuta_log *log = read_only ? OPEN(.names = {"a", "b"}, .read_only = 1) : writer;
  immuta_stream *first = check_stream(log, 0, 0), *streams[SLEEPERS];
  immuta_record held, record;
  waiter waiters[SLEEPERS] = {0};
  CHECK_OK(immuta_stream_next(first, -1, &held, ERR));
  for (size_t i = 0; i < SLEEPERS; i++) {
    streams[i] = check_stream(log, i % 2, -1);
    waiters[i].batch = i % 3 == 0;
    waiter_start(&waiters[i], streams[i], i % 4 == 0 ? 500 * CHECK_SECOND : -1);
  }
  check_until_waiting(log, 0, SLEEPERS / 2);
  check_until_waiting(log, 1, SLEEPERS / 2);
  CHECK_OK(by_close ? immuta_close(log, ERR) : immuta_shutdown(log, ERR));
  for (size_t i = 0; i < SLEEPERS; i++) waiter_finish(&waiters[i], IMMUTA_E_CLOSED);
  CHECK_STATUS(IMMUTA_E_CLOSED, immuta_stream_next(first, 0, &record, ERR));
  CHECK(check_is_fill(held.data, held.size, 5)); /* held records outlive the log */
  CHECK_OK(immuta_record_done(&held));
  for (size_t i = 0; i < SLEEPERS; i++) immuta_stream_done(streams[i]);
  immuta_stream_done(first);
  if (!by_close) CHECK_OK(immuta_shutdown(log, ERR)); /* repeatable */
  if (!by_close) CHECK_OK(immuta_close(log, ERR));
  if (read_only) CHECK_OK(immuta_close(writer, ERR));
}

static void shutdown_ends_every_wait_of_a_writer(void) { end_many_waits(0, 0); }
static void close_ends_every_wait_of_a_writer(void) { end_many_waits(1, 0); }
static void shutdown_ends_every_wait_of_a_reader(void) { end_many_waits(0, 1); }
static void close_ends_every_wait_of_a_reader(void) { end_many_waits(1, 1); }

static const check_case cases[] = {
    CASE(a_record_wakes_the_one_who_waits),
    CASE(no_wait_ends_before_its_deadline),
    CASE(a_wait_beyond_the_end_is_for_that_very_record),
    CASE(records_of_one_namespace_wake_nobody_in_another),
    CASE(many_streams_share_few_readers),
    CASE(an_interrupt_before_the_call_counts_once),
    CASE(an_interrupt_ends_only_the_wait_of_its_stream),
    CASE(a_signal_handler_may_interrupt_and_other_signals_do_not),
    CASE(a_wait_for_a_reader_ends_like_any_other),
    CASE(shutdown_ends_every_wait_of_a_writer),
    CASE(close_ends_every_wait_of_a_writer),
    CASE(shutdown_ends_every_wait_of_a_reader),
    CASE(close_ends_every_wait_of_a_reader),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
