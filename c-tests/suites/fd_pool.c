/* The reader pool: descriptors are opened with the log, counted in /proc/self/fd, and never more; a record or a batch
 * holds one. */
#include "check.h"

#include "few_readers.h"

static void opening_takes_every_descriptor_and_nothing_later_takes_more(void) {
  CHECK_OK(immuta_close(OPEN(.readers = 1), ERR)); /* whatever the process needs once is there from here on */
  size_t before = check_descriptors();
  immuta_log *log = OPEN(.readers = 1);
  size_t with_one_reader = check_descriptors();
  CHECK_OK(immuta_close(log, ERR));
  CHECK_EQ(check_descriptors(), before);

  log = OPEN(.readers = 11);
  size_t opened = check_descriptors();
  CHECK_EQ(opened, with_one_reader + 10);
  CHECK_EQ(check_stats(log, 0).readers, 11);
  for (uint64_t i = 0; i < 1000; i++) check_append(log, 0, 2000, i); /* beyond several extensions of the file */
  CHECK_OK(immuta_sync(log, 0, ERR));
  immuta_stream *stream = check_stream(log, 0, 0);
  for (uint64_t i = 0; i < 1000; i++) check_next(stream, i, 2000, i);
  check_end(stream);
  CHECK_EQ(check_descriptors(), opened);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  CHECK_EQ(check_descriptors(), before);
}

static void five_readers_unless_told_otherwise(void) {
  immuta_log *log = OPEN();
  CHECK_EQ(check_stats(log, 0).readers, 5);
  expect_in_use(log, 0);
  CHECK_OK(immuta_close(log, ERR));
}

static void a_thousand_idle_streams_take_no_descriptor(void) {
  immuta_log *log = open_filled();
  size_t opened = check_descriptors();
  immuta_stream *streams[1000];
  for (int i = 0; i < 1000; i++) streams[i] = check_stream(log, 0, i % 30);
  CHECK_EQ(check_stats(log, 0).streams, 1000);
  CHECK_EQ(check_descriptors(), opened);
  for (int i = 0; i < 1000; i++)
    if (i % 30 < RECORDS) check_next(streams[i], (uint64_t)i % 30, RECORD_SIZE, (uint64_t)i % 30);
  CHECK_EQ(check_descriptors(), opened);
  for (int i = 0; i < 1000; i++) immuta_stream_done(streams[i]);
  CHECK_EQ(check_stats(log, 0).streams, 0);
  CHECK_EQ(check_descriptors(), opened);
  CHECK_OK(immuta_close(log, ERR));
}

static void *wait_for_one(void *argument) {
  immuta_record record;
  CHECK_OK(immuta_stream_next(argument, -1, &record, ERR));
  CHECK_OK(immuta_record_done(&record));
  return NULL;
}

static void waiting_holds_no_descriptor(void) {
  enum { WAITERS = 8 };
  immuta_log *log = OPEN(.readers = 1);
  check_append(log, 0, RECORD_SIZE, 0);
  size_t opened = check_descriptors();
  immuta_stream *streams[WAITERS];
  pthread_t threads[WAITERS];
  for (int i = 0; i < WAITERS; i++) {
    streams[i] = check_stream(log, 0, -1);
    threads[i] = check_start(wait_for_one, streams[i]);
  }
  check_until_waiting(log, 0, WAITERS);
  CHECK_EQ(check_descriptors(), opened);
  expect_in_use(log, 0);
  immuta_stream *reader = check_stream(log, 0, 0);
  check_next(reader, 0, RECORD_SIZE, 0); /* the only descriptor is free for another reader */
  check_append(log, 0, RECORD_SIZE, 1);
  for (int i = 0; i < WAITERS; i++) {
    check_join(threads[i]);
    immuta_stream_done(streams[i]);
  }
  expect_in_use(log, 0);
  immuta_stream_done(reader);
  CHECK_OK(immuta_close(log, ERR));
}

static void held_records_use_the_pool_and_the_next_one_is_refused_at_its_deadline(void) {
  immuta_log *log = open_filled();
  size_t opened = check_descriptors();
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record held[READERS], more;
  for (size_t i = 0; i < READERS; i++) {
    hold(stream, &held[i], 1);
    expect_in_use(log, i + 1);
  }
  CHECK_EQ(check_descriptors(), opened);
  memset(&more, 0xaa, sizeof more);
  const immuta_record untouched = more;
  CHECK_STATUS(IMMUTA_E_POOL, immuta_stream_next(stream, 0, &more, ERR));
  CHECK_STATUS(IMMUTA_E_POOL, immuta_stream_next(stream, 5000000, &more, ERR));
  immuta_batch batch;
  CHECK_STATUS(IMMUTA_E_POOL, immuta_stream_next_batch(stream, 10, 10000, 0, &batch, ERR));
  CHECK_BYTES(&more, sizeof more, &untouched, sizeof untouched);
  uint64_t position = 0;
  CHECK_OK(immuta_stream_position(stream, &position));
  CHECK_EQ(position, READERS); /* the record is not lost */

  for (size_t i = 0; i < READERS; i++) CHECK(check_is_fill(held[i].data, held[i].size, i));
  CHECK_OK(immuta_record_done(&held[1]));
  check_next(stream, READERS, RECORD_SIZE, READERS);
  CHECK_OK(immuta_record_done(&held[0]));
  CHECK_OK(immuta_record_done(&held[2]));
  expect_in_use(log, 0);
  CHECK_EQ(check_descriptors(), opened);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void an_exhausted_pool_is_never_mistaken_for_no_record(void) {
  immuta_log *log = open_filled();
  immuta_stream *stream = check_stream(log, 0, RECORDS - READERS), *other = check_stream(log, 0, 0);
  immuta_record held[READERS], more;
  hold(stream, held, READERS);
  /* At the end: nothing to take a descriptor for. */
  CHECK_STATUS(IMMUTA_TIMEOUT, immuta_stream_next(stream, 0, &more, ERR));
  CHECK_STATUS(IMMUTA_TIMEOUT, immuta_stream_next(stream, 1000000, &more, ERR));
  CHECK_STATUS(IMMUTA_E_POOL, immuta_stream_next(other, 0, &more, ERR));
  check_append(log, 0, RECORD_SIZE, RECORDS);
  CHECK_STATUS(IMMUTA_E_POOL, immuta_stream_next(stream, 0, &more, ERR));
  for (int i = 0; i < READERS; i++) CHECK_OK(immuta_record_done(&held[i]));
  for (int i = 0; i < 100; i++) {
    check_next(other, 0, RECORD_SIZE, 0);
    CHECK_OK(immuta_stream_seek(other, 0, ERR));
  }
  check_next(stream, RECORDS, RECORD_SIZE, RECORDS);
  for (int i = 0; i < 100; i++) check_end(stream); /* finding nothing costs no descriptor either */
  expect_in_use(log, 0);
  immuta_stream_done(stream);
  immuta_stream_done(other);
  CHECK_OK(immuta_close(log, ERR));
}

static void each_namespace_has_a_pool_of_its_own(void) {
  immuta_log *log = OPEN(.names = {"a", "b"}, .readers = 1);
  immuta_record held, more;
  for (uint32_t ns = 0; ns < 2; ns++)
    for (uint64_t i = 0; i < 2; i++) check_append(log, ns, 10, i);
  immuta_stream *a = check_stream(log, 0, 0), *b = check_stream(log, 1, 0);
  hold(a, &held, 1);
  CHECK_STATUS(IMMUTA_E_POOL, immuta_stream_next(a, 0, &more, ERR));
  check_next(b, 0, 10, 0);
  CHECK_OK(immuta_record_done(&held));
  immuta_stream_done(a);
  immuta_stream_done(b);
  CHECK_OK(immuta_close(log, ERR));
}

static void a_batch_holds_one_descriptor_for_all_its_records(void) {
  immuta_log *log = open_filled();
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_batch batches[READERS], more;
  for (size_t i = 0; i < READERS; i++) {
    CHECK_OK(immuta_stream_next_batch(stream, 4, 100000, 0, &batches[i], ERR));
    CHECK_EQ(batches[i].count, 4);
    expect_in_use(log, i + 1);
  }
  CHECK_STATUS(IMMUTA_E_POOL, immuta_stream_next_batch(stream, 4, 100000, 0, &more, ERR));
  CHECK_OK(immuta_batch_done(&batches[2]));
  CHECK_OK(immuta_stream_next_batch(stream, 4, 100000, 0, &more, ERR));
  CHECK_EQ(more.records[0].number, 12);
  CHECK_OK(immuta_batch_done(&batches[0]));
  CHECK_OK(immuta_batch_done(&more));
  for (size_t i = 0; i < 4; i++) CHECK(check_is_fill(batches[1].records[i].data, RECORD_SIZE, 4 + i));
  CHECK_OK(immuta_batch_done(&batches[1]));
  expect_in_use(log, 0);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

/* ---- Good manners ---- */

static void opening_and_closing_a_hundred_times_leaks_nothing(void) {
  CHECK_OK(immuta_close(open_filled(), ERR));
  size_t before = check_descriptors();
  for (int i = 0; i < 100; i++) {
    immuta_log *log = OPEN(.names = {"a", "b"});
    immuta_log *second;
    CHECK_STATUS(IMMUTA_E_LOCKED, TRY_OPEN(&second, .names = {"c", "a"})); /* c opens first, and is let go again */
    CHECK_OK(immuta_close(log, ERR));
    CHECK_EQ(check_descriptors(), before);
  }
}

static void descriptors_are_close_on_exec_and_leave_the_standard_ones_alone(void) {
  close(STDIN_FILENO);
  immuta_log *log = open_filled();
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record;
  hold(stream, &record, 1);
  CHECK_EQ(fcntl(STDIN_FILENO, F_GETFD), -1);
  int seen = 0;
  for (int fd = 3; fd < 64; fd++) {
    char link[64], target[1024];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, target, sizeof target - 1);
    if (size < 0) continue;
    target[size] = '\0';
    if (strncmp(target, check_dir(), strlen(check_dir())) != 0) continue; /* not of this log */
    CHECK_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    seen++;
  }
  CHECK(seen >= READERS);
  CHECK_OK(immuta_record_done(&record));
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static const check_case cases[] = {
    CASE(opening_takes_every_descriptor_and_nothing_later_takes_more),
    CASE(five_readers_unless_told_otherwise),
    CASE(a_thousand_idle_streams_take_no_descriptor),
    CASE(waiting_holds_no_descriptor),
    CASE(held_records_use_the_pool_and_the_next_one_is_refused_at_its_deadline),
    CASE(an_exhausted_pool_is_never_mistaken_for_no_record),
    CASE(each_namespace_has_a_pool_of_its_own),
    CASE(a_batch_holds_one_descriptor_for_all_its_records),
    CASE(opening_and_closing_a_hundred_times_leaks_nothing),
    CASE(descriptors_are_close_on_exec_and_leave_the_standard_ones_alone),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
