/* The journal of durable mode on disk: every field after an append, a batch and a commit too large for it, and how its
 * halves take turns. */
#include "check.h"

#include "durable.h"

/* The journal and the two other files of a log that is open and not appended to now. */
typedef struct files {
  check_file wal, log, idx;
} files;

static files read_files(void) {
  return (files){read_journal(), check_read_file(check_path("a.log")), check_read_file(check_path("a.idx"))};
}

static void free_files(files read) {
  free(read.wal.data);
  free(read.log.data);
  free(read.idx.data);
}

/* What every header of this writer's says. */
static wal_header expect_header(files read, int half) {
  wal_header header = wal_read_header(read.wal, half);
  CHECK_BYTES(header.log_id, 16, read.idx.data + 40, 16);
  CHECK_EQ(header.epoch, idx_newest_checkpoint(read.idx.data).epoch);
  CHECK(header.salt != 0);
  return header;
}

/* The one frame of the first half is this commit, and nothing else was written. */
static wal_frame expect_only_frame(files read, uint64_t count, uint64_t length) {
  wal_frame frames[FRAMES_MAX];
  wal_header header = expect_header(read, 0);
  CHECK_EQ(header.generation, 1);
  CHECK_EQ(header.first_number, 0);
  CHECK_EQ(header.first_offset, 8);
  CHECK_EQ(wal_read_frames(read.wal, 0, frames, FRAMES_MAX), 1);
  CHECK_EQ(frames[0].at, WAL_PAGE);
  CHECK_EQ(frames[0].sequence, 0);
  CHECK_EQ(frames[0].first_number, 0);
  CHECK_EQ(frames[0].count, count);
  CHECK_EQ(frames[0].offset, 8);
  CHECK_EQ(frames[0].length, length);
  for (uint64_t i = 0; i < count; i++) CHECK_EQ(frames[0].time_ns, idx_read_entry(read.idx, read.log, i).time_ns);
  size_t end = wal_check_frames(read.wal, read.log, frames, 1);
  CHECK(is_zero(read.wal.data + end, read.wal.size - end));
  return frames[0];
}

static void a_new_journal_is_zeros(void) {
  immuta_log *log = OPEN(DURABLE);
  check_file wal = read_journal();
  CHECK_EQ(wal.size, JOURNAL_BYTES);
  CHECK(is_zero(wal.data, wal.size));
  struct stat status;
  CHECK(stat(check_path("a.wal"), &status) == 0);
  CHECK(status.st_blocks * 512 >= JOURNAL_BYTES); /* zeros that are there, not a hole: a commit must not need room */
  CHECK(!check_exists(check_path("a.wal.tmp")));
  CHECK_EQ(newest_on_disk().mode, IDX_MODE_DURABLE);
  free(wal.data);
  CHECK_OK(immuta_close(log, ERR));
}

static void an_append_is_one_frame(void) {
  immuta_log *log = OPEN(DURABLE);
  append_records(log, 0, 1);
  files read = read_files();
  CHECK(!expect_only_frame(read, 1, 8 + size_of(0)).in_place);
  CHECK_EQ(check_u64(read.log.data), 1);
  free_files(read);
  CHECK_OK(immuta_close(log, ERR));
}

static void a_batch_is_one_frame(void) {
  immuta_log *log = OPEN(DURABLE);
  append_as_batch(log, 0, 3);
  files read = read_files();
  CHECK(!expect_only_frame(read, 3, 3 * 8 + size_of(0) + size_of(1) + size_of(2)).in_place);
  free_files(read);
  CHECK_OK(immuta_close(log, ERR));
}

static void an_empty_record_is_a_frame_of_its_size_word(void) {
  immuta_log *log = OPEN(DURABLE);
  CHECK_OK(immuta_append(log, 0, NULL, 0, NULL, ERR));
  files read = read_files();
  CHECK(!expect_only_frame(read, 1, 8).in_place);
  free_files(read);
  CHECK_OK(immuta_close(log, ERR));
}

static void a_record_in_parts_is_one_frame(void) {
  immuta_log *log = OPEN(DURABLE);
  const immuta_slice parts[] = {{"ab", 2}, {NULL, 0}, {"cde", 3}};
  CHECK_OK(immuta_appendv(log, 0, parts, 3, NULL, ERR));
  files read = read_files();
  wal_frame frame = expect_only_frame(read, 1, 8 + 5);
  CHECK_BYTES(read.wal.data + frame.at + WAL_FRAME, 13, "\5\0\0\0\0\0\0\0abcde", 13);
  free_files(read);
  CHECK_OK(immuta_close(log, ERR));
}

static void the_longest_frame_fills_a_half_and_one_byte_more_is_in_place(void) {
  immuta_log *log = OPEN(DURABLE);
  check_append(log, 0, BODY_BYTES_MAX - 8, 1);
  files read = read_files();
  wal_frame frame = expect_only_frame(read, 1, BODY_BYTES_MAX);
  CHECK(!frame.in_place);
  CHECK_EQ(frame.end, HALF_BYTES);
  free_files(read);
  check_append(log, 0, BODY_BYTES_MAX - 7, 2);
  read = read_files();
  wal_frame frames[FRAMES_MAX];
  CHECK_EQ(wal_read_frames(read.wal, 1, frames, FRAMES_MAX), 1); /* the first half has no room for its head */
  CHECK(frames[0].in_place);
  CHECK_EQ(frames[0].length, BODY_BYTES_MAX + 1);
  free_files(read);
  CHECK_OK(immuta_close(log, ERR));
}

/* A batch larger than a half has a frame without bytes, and the commits around it have theirs. */
static void a_large_batch_is_a_frame_without_bytes(void) {
  enum { LARGE = 70 };
  wal_frame frames[FRAMES_MAX];
  immuta_log *log = OPEN(DURABLE);
  append_records(log, 0, 2);
  append_as_batch(log, 2, 2 + LARGE);
  append_records(log, 2 + LARGE, 4 + LARGE);
  files read = read_files();
  CHECK_EQ(wal_read_frames(read.wal, 0, frames, FRAMES_MAX), 5);
  wal_check_frames(read.wal, read.log, frames, 5);
  for (size_t i = 0; i < 5; i++) CHECK_EQ(frames[i].in_place, i == 2);
  CHECK_EQ(frames[2].first_number, 2);
  CHECK_EQ(frames[2].count, LARGE);
  CHECK(frames[2].length > BODY_BYTES_MAX);
  CHECK_EQ(frames[2].end, frames[2].at + WAL_FRAME);
  for (uint64_t i = 2; i < 2 + LARGE; i++) {
    idx_entry entry = idx_read_entry(read.idx, read.log, i);
    CHECK_EQ(entry.time_ns, frames[2].time_ns);
    CHECK_EQ(entry.last_of_batch, i == 1 + LARGE);
  }
  CHECK(!wal_is_begun(read.wal, 1));
  free_files(read);
  CHECK_OK(immuta_close(log, ERR));
}

/* Two halves, the newer after the older, together without a gap up to the last record. A checkpoint covers the records
 * before them. */
static void expect_two_halves(files read, uint64_t count) {
  wal_frame frames[2][FRAMES_MAX];
  wal_header headers[2] = {expect_header(read, 0), expect_header(read, 1)};
  size_t counts[2];
  for (int half = 0; half < 2; half++) {
    counts[half] = wal_read_frames(read.wal, half, frames[half], FRAMES_MAX);
    wal_check_frames(read.wal, read.log, frames[half], counts[half]);
    CHECK_EQ(frames[half][0].first_number, headers[half].first_number);
    CHECK_EQ(frames[half][0].offset, headers[half].first_offset);
    CHECK_EQ(headers[half].generation % 2, half == 0);
  }
  int newer = headers[1].generation > headers[0].generation, older = !newer;
  CHECK_EQ(headers[newer].generation, headers[older].generation + 1);
  CHECK(headers[newer].salt != headers[older].salt);
  wal_frame last = frames[older][counts[older] - 1];
  CHECK_EQ(frames[newer][0].sequence, last.sequence + 1);
  CHECK_EQ(frames[newer][0].first_number, last.first_number + last.count);
  CHECK_EQ(frames[newer][0].offset, last.offset + last.length);
  last = frames[newer][counts[newer] - 1];
  CHECK_EQ(last.first_number + last.count, count);
  idx_checkpoint newest = idx_newest_checkpoint(read.idx.data);
  CHECK(newest.count >= headers[older].first_number);
  CHECK_EQ(newest.mode, IDX_MODE_DURABLE);
  CHECK_EQ(newest.state, IDX_STATE_OPEN);
}

static void the_halves_take_turns(void) {
  enum { APPENDS = 1000 };
  immuta_log *log = OPEN(DURABLE);
  append_records(log, 0, APPENDS);
  files read = read_files();
  CHECK_EQ(read.wal.size, JOURNAL_BYTES);
  expect_two_halves(read, APPENDS);
  CHECK(expect_header(read, 0).generation > 30); /* 28 records fit into a half */
  free_files(read);
  expect_records_and_close(log, IDX_MODE_DURABLE, APPENDS);
}

/* ---- From many threads ---- */

enum { THREADS = 8, ROUNDS = 150 };

typedef struct appender {
  immuta_log *log;
  uint64_t first_seed;
} appender;

static void *append_from_thread(void *argument) {
  appender *self = argument;
  unsigned char data[3][700];
  for (uint64_t i = 0; i < ROUNDS; i++) {
    immuta_slice batch[3];
    for (size_t b = 0; b < 3; b++) {
      batch[b] = (immuta_slice){data[b], sizeof data[b]};
      check_fill(data[b], sizeof data[b], self->first_seed + i);
    }
    CHECK_OK(i % 3 == 0 ? immuta_append_batch(self->log, 0, batch, 3, NULL, ERR)
                        : immuta_append(self->log, 0, data[0], sizeof data[0], NULL, ERR));
  }
  return NULL;
}

static void eight_threads_share_the_halves(void) {
  immuta_log *log = OPEN(DURABLE);
  appender appenders[THREADS];
  pthread_t threads[THREADS];
  for (uint64_t i = 0; i < THREADS; i++) {
    appenders[i] = (appender){log, i * 1000};
    threads[i] = check_start(append_from_thread, &appenders[i]);
  }
  for (int i = 0; i < THREADS; i++) check_join(threads[i]);
  const uint64_t records = THREADS * (ROUNDS + 2 * (ROUNDS / 3));
  immuta_stats stats = check_stats(log, 0);
  CHECK_EQ(stats.count, records);
  CHECK_EQ(stats.durable_count, records);
  CHECK_EQ(stats.commits, THREADS * ROUNDS);
  files read = read_files();
  expect_two_halves(read, records);
  free_files(read);
  CHECK_OK(immuta_close(log, ERR));
  expect_closed_index_file_of(IDX_MODE_DURABLE, records);
}

static void each_opening_has_a_journal_of_its_own(void) {
  wal_header headers[2];
  for (uint64_t round = 0; round < 2; round++) {
    immuta_log *log = OPEN(DURABLE);
    append_records(log, round, round + 1);
    files read = read_files();
    headers[round] = expect_header(read, 0);
    CHECK_EQ(headers[round].generation, 1);
    CHECK_EQ(headers[round].first_number, round);
    CHECK_EQ(headers[round].first_offset, round == 0 ? 8 : 16 + size_of(0));
    free_files(read);
    CHECK_OK(immuta_close(log, ERR));
  }
  CHECK(headers[0].epoch != headers[1].epoch && headers[0].salt != headers[1].salt);
  CHECK_BYTES(headers[0].log_id, 16, headers[1].log_id, 16);
}

static const check_case cases[] = {
    CASE(a_new_journal_is_zeros),
    CASE(an_append_is_one_frame),
    CASE(a_batch_is_one_frame),
    CASE(an_empty_record_is_a_frame_of_its_size_word),
    CASE(a_record_in_parts_is_one_frame),
    CASE(the_longest_frame_fills_a_half_and_one_byte_more_is_in_place),
    CASE(a_large_batch_is_a_frame_without_bytes),
    CASE(the_halves_take_turns),
    CASE(eight_threads_share_the_halves),
    CASE(each_opening_has_a_journal_of_its_own),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
