/* Streams: where they start and move, reading by time, time-outs, one thread at a time, and keeping up with a
 * writer. */
#include "check.h"

#include "filled.h"

/* ---- Where a stream starts and moves ---- */

static void start_0_is_the_beginning(void) {
  immuta_log *log = open_filled(3);
  immuta_stream *stream = check_stream(log, 0, 0);
  for (uint64_t i = 0; i < 3; i++) {
    expect_position(stream, i);
    expect(stream, i);
  }
  expect_position(stream, 3);
  check_end(stream);
  expect_position(stream, 3);
  end(log, stream);
}

static void a_positive_start_skips_that_many_and_may_lie_beyond_the_end(void) {
  immuta_log *log = open_filled(3);
  immuta_stream *stream = check_stream(log, 0, 2), *beyond = check_stream(log, 0, 5),
                *far = check_stream(log, 0, INT64_MAX);
  expect(stream, 2);
  check_end(stream);
  check_end(beyond);
  check_end(far);
  expect_position(far, INT64_MAX);
  for (uint64_t i = 3; i < 7; i++) {
    if (i <= 5) check_end(beyond);
    check_append(log, 0, size_of(i), i);
  }
  expect(beyond, 5);
  expect(beyond, 6);
  check_end(beyond);
  check_end(far);
  immuta_stream_done(beyond);
  immuta_stream_done(far);
  end(log, stream);
}

static void a_negative_start_gives_only_what_is_appended_from_now_on(void) {
  immuta_log *log = open_filled(3);
  const int64_t starts[] = {-1, -2, INT64_MIN};
  for (size_t i = 0; i < CHECK_COUNT(starts); i++) {
    uint64_t count = check_stats(log, 0).count;
    immuta_stream *stream = check_stream(log, 0, starts[i]);
    expect_position(stream, count);
    check_end(stream);
    check_append(log, 0, size_of(count), count);
    expect(stream, count);
    check_end(stream);
    immuta_stream_done(stream);
  }
  CHECK_OK(immuta_close(log, ERR));
}

static void seek_moves_anywhere(void) {
  immuta_log *log = open_filled(300);
  immuta_stream *stream = check_stream(log, 0, 0);
  const uint64_t order[] = {299, 0, 150, 151, 149, 1, 298, 0};
  for (size_t i = 0; i < CHECK_COUNT(order); i++) {
    CHECK_OK(immuta_stream_seek(stream, order[i], ERR));
    expect_position(stream, order[i]);
    expect(stream, order[i]);
    expect_position(stream, order[i] + 1);
  }
  CHECK_OK(immuta_stream_seek(stream, 301, ERR)); /* beyond the end: waits there */
  check_end(stream);
  check_append(log, 0, size_of(300), 300);
  check_end(stream);
  check_append(log, 0, size_of(301), 301);
  expect(stream, 301);
  CHECK_OK(immuta_stream_seek(stream, UINT64_MAX, ERR));
  check_end(stream);
  end(log, stream);
}

static void streams_do_not_disturb_each_other(void) {
  immuta_log *log = open_filled(50);
  immuta_stream *streams[10];
  for (int i = 0; i < 10; i++) streams[i] = check_stream(log, 0, i);
  for (uint64_t step = 0; step < 40; step++)
    for (uint64_t i = 0; i < 10; i++) expect(streams[i], step + i);
  for (int i = 0; i < 10; i++) immuta_stream_done(streams[i]);
  CHECK_OK(immuta_close(log, ERR));
}

static void namespaces_are_separate_logs(void) {
  immuta_log *log = OPEN(.names = {"a", "b"});
  for (uint64_t i = 0; i < 10; i++) CHECK_EQ(check_append(log, i % 2, 20, i).number, i / 2);
  for (uint32_t ns = 0; ns < 2; ns++) {
    immuta_stream *stream = check_stream(log, ns, 0);
    for (uint64_t i = 0; i < 5; i++) check_next(stream, i, 20, 2 * i + ns);
    check_end(stream);
    immuta_stream_done(stream);
  }
  immuta_stream *none;
  CHECK_STATUS(IMMUTA_E_NAMESPACE, immuta_stream_open(log, 2, 0, &none, ERR));
  CHECK_STATUS(IMMUTA_E_NAMESPACE, immuta_stream_open_at_time(log, 2, 0, &none, ERR));
  CHECK_OK(immuta_close(log, ERR));
}

static void a_read_only_log_reads_what_a_writer_appends_meanwhile(void) {
  immuta_log *log = open_filled(2), *readers = OPEN(.read_only = 1);
  immuta_stream *stream = check_stream(readers, 0, 0);
  expect(stream, 0);
  expect(stream, 1);
  check_end(stream);
  for (uint64_t i = 2; i < 3000; i++) {
    check_append(log, 0, size_of(i), i);
    expect(stream, i);
  }
  check_end(stream);
  CHECK_EQ(check_report(readers, 0).outcome, IMMUTA_OUTCOME_LIVE);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(readers, ERR));
  CHECK_OK(immuta_close(log, ERR));
}

/* ---- Reading by time ---- */

static void open_at_time_finds_the_first_record_of_that_time_or_later(void) {
  enum { COUNT = 500 };
  immuta_log *log = OPEN();
  int64_t times_ns[COUNT];
  for (uint64_t i = 0; i < COUNT; i++) check_append(log, 0, size_of(i), i);
  immuta_stream *stream = check_stream(log, 0, 0);
  for (int i = 0; i < COUNT; i++) {
    immuta_record record;
    CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
    times_ns[i] = record.time_ns;
    CHECK_OK(immuta_record_done(&record));
  }
  for (int i = 0; i < COUNT; i += 7)
    for (int64_t shift = -1; shift <= 1; shift++) {
      uint64_t first = 0;
      while (first < COUNT && times_ns[first] < times_ns[i] + shift) first++;
      immuta_stream *timed;
      CHECK_OK(immuta_stream_open_at_time(log, 0, times_ns[i] + shift, &timed, ERR));
      expect_position(timed, first);
      if (first < COUNT) expect(timed, first);
      immuta_stream_done(timed);
    }
  end(log, stream);
}

static void open_at_time_before_and_after_everything(void) {
  immuta_log *log = open_filled(5);
  const int64_t early_ns[] = {INT64_MIN, -1, 0, 1};
  immuta_stream *stream;
  for (size_t i = 0; i < CHECK_COUNT(early_ns); i++) {
    CHECK_OK(immuta_stream_open_at_time(log, 0, early_ns[i], &stream, ERR));
    expect(stream, 0);
    immuta_stream_done(stream);
  }
  CHECK_OK(immuta_stream_open_at_time(log, 0, INT64_MAX, &stream, ERR));
  check_end(stream);
  end(log, stream);
}

/* ---- Time-outs ---- */

static void without_a_record_next_times_out_and_writes_nothing(void) {
  immuta_log *log = OPEN();
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record;
  immuta_batch batch;
  memset(&record, 0xaa, sizeof record);
  memset(&batch, 0xaa, sizeof batch);
  const immuta_record record_before = record;
  const immuta_batch batch_before = batch;
  const int64_t timeouts_ns[] = {0, 1, 2000000};
  for (size_t i = 0; i < CHECK_COUNT(timeouts_ns); i++) {
    CHECK_STATUS(IMMUTA_TIMEOUT, immuta_stream_next(stream, timeouts_ns[i], &record, ERR));
    CHECK_STATUS(IMMUTA_TIMEOUT, immuta_stream_next_batch(stream, 1, 1, timeouts_ns[i], &batch, ERR));
  }
  CHECK_BYTES(&record, sizeof record, &record_before, sizeof record);
  CHECK_BYTES(&batch, sizeof batch, &batch_before, sizeof batch);
  check_append(log, 0, size_of(0), 0);
  expect(stream, 0);
  end(log, stream);
}

static void the_longest_timeouts_do_not_overflow(void) {
  immuta_log *log = open_filled(2);
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record;
  CHECK_OK(immuta_stream_next(stream, INT64_MAX, &record, ERR));
  CHECK_OK(immuta_record_done(&record));
  CHECK_OK(immuta_stream_next(stream, INT64_MIN, &record, ERR));
  CHECK_OK(immuta_record_done(&record));
  end(log, stream);
}

static void *next_with_longest_timeout(void *argument) {
  immuta_record record;
  CHECK_OK(immuta_stream_next(argument, INT64_MAX, &record, ERR));
  CHECK_EQ(record.number, 0);
  CHECK_OK(immuta_record_done(&record));
  return NULL;
}

static void an_append_ends_the_longest_wait(void) {
  immuta_log *log = OPEN();
  immuta_stream *stream = check_stream(log, 0, 0);
  pthread_t thread = check_start(next_with_longest_timeout, stream);
  check_until_waiting(log, 0, 1);
  check_append(log, 0, 5, 0);
  check_join(thread);
  end(log, stream);
}

/* ---- One thread at a time ---- */

static void *wait_for_interrupt(void *argument) {
  immuta_record record;
  CHECK_STATUS(IMMUTA_INTERRUPTED, immuta_stream_next(argument, -1, &record, ERR));
  return NULL;
}

static void a_second_thread_in_a_stream_is_told_it_is_busy(void) {
  immuta_log *log = OPEN();
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record;
  immuta_batch batch;
  uint64_t position;
  pthread_t thread = check_start(wait_for_interrupt, stream);
  check_until_waiting(log, 0, 1);
  CHECK_STATUS(IMMUTA_E_BUSY, immuta_stream_next(stream, 0, &record, ERR));
  CHECK_STATUS(IMMUTA_E_BUSY, immuta_stream_next_batch(stream, 1, 1, 0, &batch, ERR));
  CHECK_STATUS(IMMUTA_E_BUSY, immuta_stream_seek(stream, 5, ERR));
  CHECK_STATUS(IMMUTA_E_BUSY, immuta_stream_position(stream, &position));
  CHECK_OK(immuta_stream_interrupt(stream)); /* any thread may */
  check_join(thread);
  check_append(log, 0, size_of(0), 0);
  expect(stream, 0);
  end(log, stream);
}

static void an_interrupt_before_next_is_kept_for_it_once(void) {
  immuta_log *log = open_filled(2);
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record;
  immuta_batch batch;
  CHECK_OK(immuta_stream_interrupt(stream));
  CHECK_OK(immuta_stream_interrupt(stream));
  CHECK_STATUS(IMMUTA_INTERRUPTED, immuta_stream_next(stream, -1, &record, ERR)); /* before the record that is there */
  expect(stream, 0);
  CHECK_OK(immuta_stream_interrupt(stream));
  /* Also one that it has seen already. */
  CHECK_STATUS(IMMUTA_INTERRUPTED, immuta_stream_next(stream, -1, &record, ERR));
  expect(stream, 1);
  CHECK_OK(immuta_stream_interrupt(stream));
  CHECK_STATUS(IMMUTA_INTERRUPTED, immuta_stream_next_batch(stream, 1, 1, -1, &batch, ERR));
  check_end(stream);
  end(log, stream);
}

/* ---- Readers and a writer at full speed ---- */

enum { STORM_RECORDS = 20000, STORM_READERS = 4 };

static void *read_all(void *argument) {
  immuta_log *log = argument;
  immuta_stream *stream = check_stream(log, 0, 0);
  for (uint64_t number = 0; number < STORM_RECORDS;) {
    immuta_batch batch;
    CHECK_OK(immuta_stream_next_batch(stream, 1 + number % 9, 1000, -1, &batch, ERR));
    for (size_t i = 0; i < batch.count; i++, number++) {
      CHECK_EQ(batch.records[i].number, number);
      CHECK_EQ(batch.records[i].size, size_of(number));
      CHECK(check_is_fill(batch.records[i].data, batch.records[i].size, number));
    }
    CHECK_OK(immuta_batch_done(&batch));
  }
  immuta_stream_done(stream);
  return NULL;
}

static void readers_keep_up_with_a_writer_and_miss_nothing(void) {
  immuta_log *log = OPEN(.readers = 2); /* fewer than threads that read */
  pthread_t threads[STORM_READERS];
  for (int i = 0; i < STORM_READERS; i++) threads[i] = check_start(read_all, log);
  for (uint64_t i = 0; i < STORM_RECORDS; i++) check_append(log, 0, size_of(i), i);
  for (int i = 0; i < STORM_READERS; i++) check_join(threads[i]);
  CHECK_EQ(check_stats(log, 0).readers_in_use, 0);
  CHECK_EQ(check_stats(log, 0).waiters, 0);
  CHECK(check_stats(log, 0).records_read >= STORM_READERS * (uint64_t)STORM_RECORDS);
  CHECK_OK(immuta_close(log, ERR));
}

static const check_case cases[] = {
    CASE(start_0_is_the_beginning),
    CASE(a_positive_start_skips_that_many_and_may_lie_beyond_the_end),
    CASE(a_negative_start_gives_only_what_is_appended_from_now_on),
    CASE(seek_moves_anywhere),
    CASE(streams_do_not_disturb_each_other),
    CASE(namespaces_are_separate_logs),
    CASE(a_read_only_log_reads_what_a_writer_appends_meanwhile),
    CASE(without_a_record_next_times_out_and_writes_nothing),
    CASE(the_longest_timeouts_do_not_overflow),
    CASE(an_append_ends_the_longest_wait),
    CASE(open_at_time_finds_the_first_record_of_that_time_or_later),
    CASE(open_at_time_before_and_after_everything),
    CASE(a_second_thread_in_a_stream_is_told_it_is_busy),
    CASE(an_interrupt_before_next_is_kept_for_it_once),
    CASE(readers_keep_up_with_a_writer_and_miss_nothing),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
