/* Giving back to the reader pool: twice, on copies, from other threads, in a race, and with a waiting thread. */
#include "check.h"

#include "few_readers.h"

/* ---- Done twice, on copies ---- */

static void done_twice_is_harmless_and_a_stale_copy_is_caught(void) {
  immuta_log *log = open_filled();
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record, copy, next;
  const immuta_record zero = {0};
  hold(stream, &record, 1);
  copy = record;
  CHECK_OK(immuta_record_done(&record));
  CHECK_BYTES(&record, sizeof record, &zero, sizeof zero);
  CHECK_OK(immuta_record_done(&record));
  CHECK_OK(immuta_record_done(NULL));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_record_done(&copy));
  hold(stream, &next, 1); /* may get the very slot the copy names */
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_record_done(&copy));
  expect_in_use(log, 1);
  CHECK(check_is_fill(next.data, next.size, 1));
  CHECK_OK(immuta_record_done(&next));
  expect_in_use(log, 0);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_record_done(&copy)); /* even after all it named is gone */
}

static void the_same_holds_for_batches(void) {
  immuta_log *log = open_filled();
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_batch batch, copy, next;
  const immuta_batch zero = {0};
  CHECK_OK(immuta_stream_next_batch(stream, 2, 1000, 0, &batch, ERR));
  copy = batch;
  CHECK_OK(immuta_batch_done(&batch));
  CHECK_BYTES(&batch, sizeof batch, &zero, sizeof zero);
  CHECK_OK(immuta_batch_done(&batch));
  CHECK_OK(immuta_batch_done(NULL));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_batch_done(&copy));
  CHECK_OK(immuta_stream_next_batch(stream, 2, 1000, 0, &next, ERR));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_batch_done(&copy));
  expect_in_use(log, 1);
  CHECK_OK(immuta_batch_done(&next));
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

typedef struct racer {
  pthread_barrier_t *start;
  immuta_record copy;
  immuta_status status;
} racer;

static void *race(void *argument) {
  racer *self = argument;
  pthread_barrier_wait(self->start);
  self->status = immuta_record_done(&self->copy);
  return NULL;
}

static void many_threads_race_to_give_one_record_back_and_one_wins(void) {
  enum { RACERS = 4, ROUNDS = 100 };
  immuta_log *log = open_filled();
  immuta_stream *stream = check_stream(log, 0, 0);
  pthread_barrier_t start;
  CHECK_EQ(pthread_barrier_init(&start, NULL, RACERS), 0);
  for (int round = 0; round < ROUNDS; round++) {
    racer racers[RACERS];
    pthread_t threads[RACERS];
    CHECK_OK(immuta_stream_seek(stream, 0, ERR));
    hold(stream, &racers[0].copy, 1);
    for (int i = 0; i < RACERS; i++) {
      racers[i] = (racer){.start = &start, .copy = racers[0].copy};
      threads[i] = check_start(race, &racers[i]);
    }
    int won = 0;
    for (int i = 0; i < RACERS; i++) {
      check_join(threads[i]);
      CHECK(racers[i].status == IMMUTA_OK || racers[i].status == IMMUTA_E_HANDLE);
      won += racers[i].status == IMMUTA_OK;
    }
    CHECK_EQ(won, 1);
    expect_in_use(log, 0);
  }
  pthread_barrier_destroy(&start);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

/* ---- Given back, and who waited ---- */

typedef struct waiter {
  immuta_stream *stream;
  int64_t timeout_ns;
  check_gate started;
  pid_t tid;
  immuta_status status;
  immuta_record record;
  _Atomic int has_ended;
} waiter;

static void *wait_for_reader(void *argument) {
  waiter *self = argument;
  self->tid = gettid();
  check_gate_open(self->started);
  self->status = immuta_stream_next(self->stream, self->timeout_ns, &self->record, NULL);
  atomic_store(&self->has_ended, 1);
  return NULL;
}

static void *wait_for_reader_of_batch(void *argument) {
  waiter *self = argument;
  immuta_batch batch;
  self->tid = gettid();
  check_gate_open(self->started);
  self->status = immuta_stream_next_batch(self->stream, 10, 1000, self->timeout_ns, &batch, NULL);
  atomic_store(&self->has_ended, 1);
  return NULL;
}

/* Holds the whole pool, with one thread that waits for a descriptor in `wait`. */
typedef struct full_pool {
  immuta_log *log;
  immuta_stream *stream;
  immuta_record held[READERS];
  waiter waiter;
  pthread_t thread;
} full_pool;

static void fill_pool_while(void *(*wait)(void *), int64_t timeout_ns, full_pool *pool) {
  pool->log = open_filled();
  pool->stream = check_stream(pool->log, 0, 0);
  hold(pool->stream, pool->held, READERS);
  pool->waiter.stream = check_stream(pool->log, 0, 7);
  pool->waiter.timeout_ns = timeout_ns;
  pool->waiter.has_ended = 0;
  pool->waiter.started = check_gate_new();
  pool->thread = check_start(wait, &pool->waiter);
  check_gate_wait(pool->waiter.started);
  check_until_asleep(pool->waiter.tid);
}

static void fill_pool(full_pool *pool) { fill_pool_while(wait_for_reader, -1, pool); }

static void empty_pool(full_pool *pool) {
  for (int i = 0; i < READERS; i++) CHECK_OK(immuta_record_done(&pool->held[i]));
  immuta_stream_done(pool->stream);
  immuta_stream_done(pool->waiter.stream);
  check_gate_free(pool->waiter.started);
}

static void *give_back(void *argument) {
  CHECK_OK(immuta_record_done(argument));
  return NULL;
}

static void done_in_another_thread_lets_the_waiting_one_through(void) {
  full_pool pool;
  fill_pool(&pool);
  check_join(check_start(give_back, &pool.held[1]));
  check_join(pool.thread);
  CHECK_EQ(pool.waiter.status, IMMUTA_OK);
  CHECK_EQ(pool.waiter.record.number, 7);
  CHECK(check_is_fill(pool.waiter.record.data, pool.waiter.record.size, 7));
  expect_in_use(pool.log, READERS);
  CHECK_OK(immuta_record_done(&pool.waiter.record));
  empty_pool(&pool);
  expect_in_use(pool.log, 0);
  CHECK_OK(immuta_close(pool.log, ERR));
}

static void an_interrupt_ends_the_wait_for_a_descriptor(void) {
  void *(*const waits[])(void *) = {wait_for_reader, wait_for_reader_of_batch};
  for (size_t i = 0; i < CHECK_COUNT(waits); i++) {
    full_pool pool;
    fill_pool_while(waits[i], -1, &pool);
    CHECK_OK(immuta_stream_interrupt(pool.waiter.stream));
    check_join(pool.thread);
    CHECK_EQ(pool.waiter.status, IMMUTA_INTERRUPTED);
    empty_pool(&pool);
    CHECK_OK(immuta_close(pool.log, ERR));
  }
}

/* The wait looks for an interrupt once a second. One that ends before has another answer. */
static void an_interrupt_too_late_for_a_wait_for_a_descriptor_is_for_the_next_call(void) {
  full_pool pool;
  fill_pool_while(wait_for_reader, 300 * INT64_C(1000000), &pool);
  while (check_stats(pool.log, 0).waiters == 0 && !atomic_load(&pool.waiter.has_ended)) sched_yield();
  CHECK_OK(immuta_stream_interrupt(pool.waiter.stream));
  check_join(pool.thread);
  CHECK_EQ(pool.waiter.status, IMMUTA_E_POOL);
  CHECK_STATUS(IMMUTA_INTERRUPTED, immuta_stream_next(pool.waiter.stream, 0, &pool.waiter.record, ERR));
  CHECK_STATUS(IMMUTA_E_POOL, immuta_stream_next(pool.waiter.stream, 0, &pool.waiter.record, ERR));
  empty_pool(&pool);
  CHECK_OK(immuta_close(pool.log, ERR));
}

static void shutdown_ends_the_wait_for_a_descriptor(void) {
  full_pool pool;
  fill_pool(&pool);
  CHECK_OK(immuta_shutdown(pool.log, ERR));
  check_join(pool.thread);
  CHECK_EQ(pool.waiter.status, IMMUTA_E_CLOSED);
  empty_pool(&pool);
  CHECK_OK(immuta_close(pool.log, ERR));
}

static void close_frees_all_but_what_records_hold_and_done_frees_that(void) {
  CHECK_OK(immuta_close(OPEN(.names = {"other"}), ERR));
  size_t before = check_descriptors();
  immuta_log *log = open_filled();
  size_t opened = check_descriptors();
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record held[2];
  hold(stream, held, 2);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  CHECK(check_descriptors() <= opened);
  for (uint64_t i = 0; i < 2; i++) CHECK(check_is_fill(held[i].data, held[i].size, i));
  CHECK_OK(immuta_record_done(&held[1]));
  CHECK(check_is_fill(held[0].data, held[0].size, 0));
  CHECK_OK(immuta_record_done(&held[0]));
  CHECK_EQ(check_descriptors(), before);
}

static const check_case cases[] = {
    CASE(done_twice_is_harmless_and_a_stale_copy_is_caught),
    CASE(the_same_holds_for_batches),
    CASE(many_threads_race_to_give_one_record_back_and_one_wins),
    CASE(done_in_another_thread_lets_the_waiting_one_through),
    CASE(an_interrupt_ends_the_wait_for_a_descriptor),
    CASE(an_interrupt_too_late_for_a_wait_for_a_descriptor_is_for_the_next_call),
    CASE(shutdown_ends_the_wait_for_a_descriptor),
    CASE(close_frees_all_but_what_records_hold_and_done_frees_that),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
