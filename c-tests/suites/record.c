/* Records and batches: what they carry, the limits of a batch, and that they outlive streams and logs. */
#include "check.h"

#include "filled.h"

enum { MIB = 1024 * 1024 };

/* ---- What a record carries ---- */

static void a_record_tells_where_it_is_and_when_it_was_appended(void) {
  immuta_log *log = OPEN();
  immuta_appended first = check_append(log, 0, 11, 1), second = check_append(log, 0, 500, 2);
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record;
  const immuta_appended appended[] = {first, second};
  int64_t latest_ns = 0;
  for (int i = 0; i < 2; i++) {
    CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
    CHECK_EQ(record.number, appended[i].number);
    CHECK_EQ(record.offset, appended[i].offset);
    CHECK_EQ(record.size, appended[i].stored_size);
    CHECK_EQ(record.stored_size, appended[i].stored_size);
    CHECK_EQ(record.flags, IMMUTA_RECORD_BATCH_END); /* alone: the last of its batch */
    CHECK(record.time_ns > INT64_C(1500000000) * CHECK_SECOND && record.time_ns >= latest_ns);
    CHECK(record.token != 0);
    latest_ns = record.time_ns;
    CHECK_OK(immuta_record_done(&record));
  }
  end(log, stream);
}

static void unverified_reads_say_so(void) {
  CHECK_OK(immuta_close(open_filled(2), ERR));
  immuta_log *log = OPEN(.unverified = 1);
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record;
  CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
  CHECK_EQ(record.flags, IMMUTA_RECORD_BATCH_END | IMMUTA_RECORD_UNVERIFIED);
  CHECK(check_is_fill(record.data, record.size, 0));
  CHECK_OK(immuta_record_done(&record));
  end(log, stream);
}

static void a_record_over_the_readers_limit_is_refused_and_can_be_passed_over(void) {
  immuta_log *log = OPEN();
  for (uint64_t i = 0; i < 3; i++) check_append(log, 0, i == 1 ? 1001 : 1000, i);
  CHECK_OK(immuta_close(log, ERR));
  log = OPEN(.max_record_size = 1000);
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record;
  check_next(stream, 0, 1000, 0);
  CHECK_STATUS(IMMUTA_E_TOO_LARGE, immuta_stream_next(stream, 0, &record, ERR));
  CHECK_EQ(check_error.number, 1);
  CHECK_EQ(check_error.offset, 8 + 1008);
  CHECK_OK(immuta_stream_seek(stream, 2, ERR));
  check_next(stream, 2, 1000, 2);
  end(log, stream);
}

static void records_found_without_an_index_file_are_adopted(void) {
  CHECK_OK(immuta_close(open_filled(3), ERR));
  CHECK(unlink(check_path("a.idx")) == 0);
  immuta_log *log = OPEN();
  CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_ADOPTED);
  CHECK_EQ(check_report(log, 0).adopted, 3);
  check_append(log, 0, size_of(3), 3);
  immuta_stream *stream = check_stream(log, 0, 0);
  for (uint64_t i = 0; i < 4; i++) {
    immuta_record record;
    CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
    CHECK(check_is_fill(record.data, record.size, i));
    CHECK_EQ(record.flags & IMMUTA_RECORD_ADOPTED, i < 3 ? IMMUTA_RECORD_ADOPTED : 0);
    CHECK_EQ(record.time_ns == 0, i < 3);
    CHECK_OK(immuta_record_done(&record));
  }
  immuta_stream *timed;
  CHECK_OK(immuta_stream_open_at_time(log, 0, 1, &timed, ERR));
  expect(timed, 3); /* the first with a known time */
  immuta_stream_done(timed);
  end(log, stream);
}

/* More than one 64 MiB mapping window, so that records lie across its borders wherever those are. */
static void records_across_every_window_border_are_whole(void) {
  enum { COUNT = 70, LARGE = 2 * MIB + 13 };
  unsigned char *bytes = malloc(LARGE);
  CHECK(bytes != NULL);
  immuta_log *log = OPEN();
  for (int i = 0; i < COUNT; i++) {
    memset(bytes, i, LARGE);
    CHECK_OK(immuta_append(log, 0, bytes, LARGE, NULL, ERR));
  }
  immuta_stream *stream = check_stream(log, 0, 0);
  for (int i = 0; i < COUNT; i++) {
    immuta_record record;
    memset(bytes, i, LARGE);
    CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
    CHECK_BYTES(record.data, record.size, bytes, LARGE);
    CHECK_OK(immuta_record_done(&record));
  }
  CHECK_OK(immuta_stream_seek(stream, 0, ERR));
  for (uint64_t number = 0; number < COUNT;) { /* the same in batches, which may end at a border */
    immuta_batch batch;
    CHECK_OK(immuta_stream_next_batch(stream, 1000, SIZE_MAX, 0, &batch, ERR));
    for (size_t i = 0; i < batch.count; i++, number++) {
      CHECK_EQ(batch.records[i].number, number);
      CHECK_EQ(batch.records[i].size, LARGE);
      const unsigned char *data = batch.records[i].data;
      CHECK(data[0] == number && data[LARGE / 2] == number && data[LARGE - 1] == number);
    }
    CHECK_OK(immuta_batch_done(&batch));
  }
  free(bytes);
  end(log, stream);
}

/* ---- Batches ---- */

static immuta_log *open_with_hundreds(uint64_t count) {
  immuta_log *log = OPEN();
  for (uint64_t i = 0; i < count; i++) check_append(log, 0, 100, i);
  return log;
}

/* The next batch holds `count` records of 100 bytes, the first being `number`. */
static void expect_batch(immuta_stream *stream, size_t max_records, size_t max_bytes, uint64_t number, size_t count) {
  immuta_batch batch;
  CHECK_OK(immuta_stream_next_batch(stream, max_records, max_bytes, 0, &batch, ERR));
  CHECK_EQ(batch.count, count);
  for (size_t i = 0; i < count; i++) {
    const immuta_record *record = &batch.records[i];
    CHECK_EQ(record->number, number + i);
    CHECK_EQ(record->offset, 8 + (number + i) * 108);
    CHECK_EQ(record->stored_size, 100);
    CHECK_EQ(record->size, 100);
    CHECK(check_is_fill(record->data, record->size, number + i));
  }
  CHECK_OK(immuta_batch_done(&batch));
}

static void next_batch_keeps_both_limits_and_takes_what_is_there(void) {
  immuta_log *log = open_with_hundreds(20);
  immuta_stream *stream = check_stream(log, 0, 0);
  expect_batch(stream, 4, 10000, 0, 4);
  expect_batch(stream, 1, SIZE_MAX, 4, 1);
  expect_batch(stream, 1000, 350, 5, 3);   /* three of 100 bytes fit, a fourth does not */
  expect_batch(stream, 1000, 1, 8, 1);     /* one at least, however large */
  expect_position(stream, 9);
  expect_batch(stream, SIZE_MAX, SIZE_MAX, 9, 11); /* does not wait to be filled */
  immuta_batch batch;
  CHECK_STATUS(IMMUTA_TIMEOUT, immuta_stream_next_batch(stream, 10, 1000, 0, &batch, ERR));
  end(log, stream);
}

static void next_batch_without_room_is_an_argument_error(void) {
  immuta_log *log = open_with_hundreds(1);
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_batch batch;
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_stream_next_batch(stream, 0, 100, 0, &batch, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_stream_next_batch(stream, 1, 0, 0, &batch, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_stream_next_batch(stream, 1, 1, 0, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_stream_next(stream, 0, NULL, ERR));
  expect_batch(stream, 1, 1, 0, 1);
  end(log, stream);
}

static void next_batch_returns_the_good_records_before_a_bad_one(void) {
  CHECK_OK(immuta_close(open_with_hundreds(10), ERR));
  check_patch_file(check_path("a.log"), 8 + 5 * 108 + 50, "damage", 6);
  immuta_log *log = OPEN();
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_batch batch;
  expect_batch(stream, 100, 100000, 0, 5);
  for (int i = 0; i < 2; i++) { /* the position stays */
    CHECK_STATUS(IMMUTA_E_CORRUPT, immuta_stream_next_batch(stream, 100, 100000, 0, &batch, ERR));
    CHECK_EQ(check_error.number, 5);
    CHECK_EQ(check_error.offset, 8 + 5 * 108);
  }
  CHECK(check_stats(log, 0).checksum_failures > 0);
  CHECK_OK(immuta_stream_seek(stream, 6, ERR));
  expect_batch(stream, 100, 100000, 6, 4);
  end(log, stream);
}

/* ---- Records outlive streams and logs ---- */

static void records_outlive_their_stream_and_their_log(void) {
  immuta_log *log = open_filled(4);
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record records[2];
  immuta_batch batch;
  CHECK_OK(immuta_stream_next(stream, 0, &records[0], ERR));
  CHECK_OK(immuta_stream_next(stream, 0, &records[1], ERR));
  CHECK_OK(immuta_stream_next_batch(stream, 10, 1000, 0, &batch, ERR));
  immuta_stream_done(stream);
  CHECK(check_is_fill(records[0].data, records[0].size, 0));
  CHECK_OK(immuta_close(log, ERR));
  log = OPEN(); /* another writer, the old one's records still held */
  for (uint64_t i = 4; i < 100; i++) check_append(log, 0, size_of(i), i);
  for (uint64_t i = 0; i < 2; i++) {
    CHECK(check_is_fill(records[i].data, records[i].size, i));
    CHECK(check_is_fill(batch.records[i].data, batch.records[i].size, i + 2));
  }
  CHECK_OK(immuta_record_done(&records[1]));
  CHECK_OK(immuta_batch_done(&batch));
  CHECK(check_is_fill(records[0].data, records[0].size, 0));
  CHECK_OK(immuta_record_done(&records[0]));
  CHECK_OK(immuta_close(log, ERR));
}

static void streams_outlive_their_log_and_answer_closed(void) {
  immuta_log *log = open_filled(3);
  immuta_stream *stream = check_stream(log, 0, 0), *unused = check_stream(log, 0, -1);
  expect(stream, 0);
  CHECK_OK(immuta_shutdown(log, ERR));
  CHECK_OK(immuta_shutdown(log, ERR));
  immuta_record record;
  immuta_batch batch;
  CHECK_STATUS(IMMUTA_E_CLOSED, immuta_stream_next(stream, 0, &record, ERR)); /* although record 1 is there */
  CHECK_OK(immuta_close(log, ERR));
  CHECK_STATUS(IMMUTA_E_CLOSED, immuta_stream_next(stream, -1, &record, ERR));
  CHECK_STATUS(IMMUTA_E_CLOSED, immuta_stream_next_batch(unused, 1, 1, -1, &batch, ERR));
  immuta_stream_done(stream);
  immuta_stream_done(unused);
  immuta_stream_done(NULL);
}

static void records_are_done_in_any_order(void) {
  enum { HELD = 8 };
  immuta_log *log = OPEN(.readers = HELD);
  for (uint64_t i = 0; i < 40; i++) check_append(log, 0, size_of(i), i);
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record held[HELD];
  for (int i = 0; i < HELD; i++) CHECK_OK(immuta_stream_next(stream, 0, &held[i], ERR));
  for (uint64_t number = HELD; number < 40; number++) {
    immuta_record *next = &held[number * 5 % HELD];
    CHECK(check_is_fill(next->data, next->size, next->number));
    CHECK_OK(immuta_record_done(next));
    CHECK_OK(immuta_stream_next(stream, 0, next, ERR));
    CHECK_EQ(next->number, number);
  }
  for (int i = HELD - 1; i >= 0; i--) {
    CHECK(check_is_fill(held[i].data, held[i].size, held[i].number));
    CHECK_OK(immuta_record_done(&held[i]));
  }
  end(log, stream);
}

static const check_case cases[] = {
    CASE(a_record_tells_where_it_is_and_when_it_was_appended),
    CASE(unverified_reads_say_so),
    CASE(a_record_over_the_readers_limit_is_refused_and_can_be_passed_over),
    CASE(records_found_without_an_index_file_are_adopted),
    CASE(records_across_every_window_border_are_whole),
    CASE(next_batch_keeps_both_limits_and_takes_what_is_there),
    CASE(next_batch_without_room_is_an_argument_error),
    CASE(next_batch_returns_the_good_records_before_a_bad_one),
    CASE(records_outlive_their_stream_and_their_log),
    CASE(streams_outlive_their_log_and_answer_closed),
    CASE(records_are_done_in_any_order),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
