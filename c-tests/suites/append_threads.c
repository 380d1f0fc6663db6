/* Appending from many threads, the order of numbers and times, and how appends reach the disk: sync and the flusher. */
#include "check.h"

/* ---- Many threads ---- */

enum { THREADS = 8, ROUNDS = 300, PER_ROUND = 5 /* one by itself, a batch of 3, one of two parts */ };

/* The content of a record: the thread that appended it, and its number among the records of that thread. */
typedef struct tag {
  uint32_t thread, index;
} tag;

typedef struct appender {
  immuta_log *log;
  uint32_t thread;
  uint64_t numbers[ROUNDS * PER_ROUND]; /* as reported, by index */
} appender;

static void *append_many(void *argument) {
  appender *self = argument;
  for (uint32_t index = 0; index < ROUNDS * PER_ROUND; index += PER_ROUND) {
    tag tags[PER_ROUND];
    for (uint32_t i = 0; i < PER_ROUND; i++) tags[i] = (tag){self->thread, index + i};
    immuta_appended appended;
    CHECK_OK(immuta_append(self->log, 0, &tags[0], sizeof(tag), &appended, ERR));
    self->numbers[index] = appended.number;
    const immuta_slice batch[] = {{&tags[1], sizeof(tag)}, {&tags[2], sizeof(tag)}, {&tags[3], sizeof(tag)}};
    CHECK_OK(immuta_append_batch(self->log, 0, batch, 3, &appended, ERR));
    for (uint32_t i = 0; i < 3; i++) self->numbers[index + 1 + i] = appended.number + i;
    const immuta_slice parts[] = {{&tags[4], 3}, {(const char *)&tags[4] + 3, sizeof(tag) - 3}};
    CHECK_OK(immuta_appendv(self->log, 0, parts, 2, &appended, ERR));
    self->numbers[index + 4] = appended.number;
  }
  return NULL;
}

static void eight_threads_append_and_every_record_is_where_it_was_reported(void) {
  immuta_log *log = OPEN();
  appender *appenders = calloc(THREADS, sizeof *appenders);
  pthread_t threads[THREADS];
  CHECK(appenders != NULL);
  for (uint32_t i = 0; i < THREADS; i++) {
    appenders[i].log = log;
    appenders[i].thread = i;
    threads[i] = check_start(append_many, &appenders[i]);
  }
  for (int i = 0; i < THREADS; i++) check_join(threads[i]);

  const uint64_t count = THREADS * ROUNDS * PER_ROUND;
  CHECK_EQ(check_stats(log, 0).count, count);
  immuta_stream *stream = check_stream(log, 0, 0);
  uint32_t next_index[THREADS] = {0};
  for (uint64_t number = 0; number < count; number++) {
    immuta_record record;
    tag found;
    CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
    CHECK_EQ(record.size, sizeof found);
    memcpy(&found, record.data, sizeof found);
    CHECK(found.thread < THREADS && found.index < ROUNDS * PER_ROUND);
    CHECK_EQ(found.index, next_index[found.thread]++); /* each thread's own order is kept, nothing twice */
    CHECK_EQ(appenders[found.thread].numbers[found.index], number);
    uint32_t place = found.index % PER_ROUND;
    CHECK_EQ(record.flags & IMMUTA_RECORD_BATCH_END, place == 1 || place == 2 ? 0 : IMMUTA_RECORD_BATCH_END);
    CHECK_OK(immuta_record_done(&record));
  }
  check_end(stream);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  free(appenders);
}

/* Compare and append: each thread moves a counter on, and tries again when another was faster. */
static void *count_up(void *argument) {
  immuta_log *log = argument;
  uint64_t number = 0;
  for (int done = 0; done < 100;) {
    const immuta_slice record = {&number, sizeof number};
    immuta_appended appended;
    immuta_status status = immuta_append_at(log, 0, number, &record, 1, &appended, ERR);
    if (status == IMMUTA_E_CONFLICT) {
      CHECK(check_error.number > number);
      number = check_error.number;
      continue;
    }
    CHECK_EQ(status, IMMUTA_OK);
    CHECK_EQ(appended.number, number);
    number++;
    done++;
  }
  return NULL;
}

static void append_at_lets_threads_agree_on_every_number(void) {
  immuta_log *log = OPEN();
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) threads[i] = check_start(count_up, log);
  for (int i = 0; i < THREADS; i++) check_join(threads[i]);
  immuta_stream *stream = check_stream(log, 0, 0);
  for (uint64_t number = 0; number < THREADS * 100; number++) {
    immuta_record record;
    CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
    CHECK_BYTES(record.data, record.size, &number, sizeof number);
    CHECK_OK(immuta_record_done(&record));
  }
  check_end(stream);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

/* ---- Order across reopens ---- */

static void numbers_go_on_after_a_reopen(void) {
  for (uint64_t round = 0; round < 4; round++) {
    immuta_log *log = OPEN();
    CHECK_EQ(check_stats(log, 0).count, round * 10);
    for (uint64_t i = 0; i < 10; i++) CHECK_EQ(check_append(log, 0, 5, round * 10 + i).number, round * 10 + i);
    CHECK_OK(immuta_close(log, ERR));
  }
  immuta_log *log = OPEN();
  immuta_stream *stream = check_stream(log, 0, 0);
  for (uint64_t i = 0; i < 40; i++) check_next(stream, i, 5, i);
  check_end(stream);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void time_never_decreases(void) {
  const immuta_slice records[] = {{"a", 1}, {"b", 1}, {"c", 1}};
  for (int round = 0; round < 2; round++) { /* across a reopen too */
    immuta_log *log = OPEN();
    for (int i = 0; i < 200; i++) {
      CHECK_OK(immuta_append(log, 0, "x", 1, NULL, ERR));
      CHECK_OK(immuta_append_batch(log, 0, records, 3, NULL, ERR));
    }
    CHECK_OK(immuta_close(log, ERR));
  }
  immuta_log *log = OPEN(.read_only = 1);
  immuta_stream *stream = check_stream(log, 0, 0);
  int64_t latest_ns = 1; /* 0 would mean unknown */
  for (int i = 0; i < 2 * 200 * 4; i++) {
    immuta_record record;
    CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
    CHECK(record.time_ns >= latest_ns);
    latest_ns = record.time_ns;
    CHECK_OK(immuta_record_done(&record));
  }
  check_end(stream);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

/* ---- Reaching the disk ---- */

static void sync_makes_everything_durable_now(void) {
  immuta_log *log = OPEN(.flush_interval_ns = -1);
  CHECK_OK(immuta_sync(log, 0, ERR)); /* nothing to do is fine */
  for (uint64_t i = 0; i < 100; i++) check_append(log, 0, 100, i);
  CHECK_EQ(check_stats(log, 0).durable_count, 0); /* no interval, no byte limit: no thread has synced */
  uint64_t syncs = check_stats(log, 0).syncs;
  CHECK_OK(immuta_sync(log, 0, ERR));
  CHECK_EQ(check_stats(log, 0).durable_count, 100);
  CHECK(check_stats(log, 0).syncs > syncs);
  CHECK_OK(immuta_close(log, ERR));
  log = OPEN();
  CHECK_EQ(check_stats(log, 0).durable_count, 100);
  CHECK_OK(immuta_close(log, ERR));
}

static void the_flusher_syncs_by_interval(void) {
  immuta_log *log = OPEN(.names = {"a", "b"}, .flush_interval_ns = 1000000);
  check_append(log, 0, 10, 1);
  check_append(log, 1, 10, 1);
  for (uint32_t ns = 0; ns < 2; ns++)
    while (check_stats(log, ns).durable_count != 1) sched_yield();
  check_append(log, 1, 10, 1); /* and again */
  while (check_stats(log, 1).durable_count != 2) sched_yield();
  CHECK_EQ(check_stats(log, 0).durable_count, 1);
  CHECK_OK(immuta_close(log, ERR));
}

static void the_flusher_syncs_by_bytes(void) {
  immuta_log *log = OPEN(.flush_interval_ns = -1, .flush_bytes = 100000);
  for (uint64_t i = 0; i < 9; i++) check_append(log, 0, 10000, i);
  CHECK_EQ(check_stats(log, 0).durable_count, 0);
  check_append(log, 0, 10000, 9);
  while (check_stats(log, 0).durable_count == 0) sched_yield();
  CHECK_OK(immuta_close(log, ERR));
}

static void a_log_has_one_background_thread_at_most_and_none_after_close(void) {
  size_t before = check_threads_at_first();
  immuta_log *log = OPEN(.names = {"a", "b", "c"}, .flush_interval_ns = 1000000);
  CHECK_EQ(check_threads(), before); /* none before the first append */
  for (uint32_t ns = 0; ns < 3; ns++) check_append(log, ns, 10, 1);
  CHECK(check_threads() <= before + 1);
  CHECK_OK(immuta_close(log, ERR));
  check_until_threads(before);
}

static const check_case cases[] = {
    CASE(numbers_go_on_after_a_reopen),
    CASE(time_never_decreases),
    CASE(eight_threads_append_and_every_record_is_where_it_was_reported),
    CASE(append_at_lets_threads_agree_on_every_number),
    CASE(sync_makes_everything_durable_now),
    CASE(the_flusher_syncs_by_interval),
    CASE(the_flusher_syncs_by_bytes),
    CASE(a_log_has_one_background_thread_at_most_and_none_after_close),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
