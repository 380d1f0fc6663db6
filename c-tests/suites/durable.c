/* Durable mode as a program sees it: figures, the journal's coming and going, logs reopened in the other mode, readers
 * beside a writer, and what is found after a kill and after a power failure. */
#include "check.h"

#include "durable.h"

/* ---- Figures ---- */

static void the_journal_is_there_while_the_log_is_open(void) {
  immuta_log *log = OPEN(DURABLE);
  immuta_stats stats = check_stats(log, 0);
  CHECK_EQ(stats.mode, IMMUTA_MODE_DURABLE);
  CHECK_EQ(stats.journal_bytes, JOURNAL_BYTES);
  CHECK_EQ(check_file_size(check_path("a.wal")), JOURNAL_BYTES);
  append_records(log, 0, 5);
  CHECK_EQ(check_file_size(check_path("a.wal")), JOURNAL_BYTES);
  CHECK_OK(immuta_shutdown(log, ERR));
  stats = check_stats(log, 0);
  CHECK_EQ(stats.journal_bytes, 0);
  CHECK_EQ(stats.durable_count, 5);
  CHECK(!check_exists(check_path("a.wal")));
  CHECK_OK(immuta_close(log, ERR));
}

static void each_namespace_has_a_journal(void) {
  immuta_log *log = OPEN(DURABLE, .names = {"a", "b"});
  uint32_t later;
  CHECK_OK(immuta_namespace_add(log, "c", &later, ERR));
  const char *journals[] = {"a.wal", "b.wal", "c.wal"};
  for (uint32_t ns = 0; ns < 3; ns++) {
    check_append(log, ns, 10, ns);
    CHECK_EQ(check_stats(log, ns).durable_count, 1);
    CHECK_EQ(check_file_size(check_path(journals[ns])), JOURNAL_BYTES);
  }
  CHECK_OK(immuta_close(log, ERR));
  for (uint32_t ns = 0; ns < 3; ns++) CHECK(!check_exists(check_path(journals[ns])));
}

static void a_durable_append_is_durable_when_it_returns(void) {
  immuta_log *log = OPEN(DURABLE);
  for (uint64_t i = 0; i < 100; i++) { /* several halves, so that checkpoints come in between */
    append_records(log, i, i + 1);
    immuta_stats stats = check_stats(log, 0);
    CHECK(stats.count == i + 1 && stats.durable_count == i + 1);
  }
  CHECK(check_stats(log, 0).syncs >= 100);
  CHECK_OK(immuta_close(log, ERR));
}

static void a_fast_append_is_durable_after_the_flush(void) {
  immuta_log *log = OPEN(.flush_interval_ns = -1);
  append_records(log, 0, 10);
  CHECK_EQ(check_stats(log, 0).durable_count, 0);
  CHECK_OK(immuta_sync(log, 0, ERR));
  append_records(log, 10, 12);
  CHECK_EQ(check_stats(log, 0).durable_count, 10);
  CHECK_EQ(check_stats(log, 0).mode, IMMUTA_MODE_FAST);
  expect_records_and_close(log, IDX_MODE_FAST, 12);
}

static void sync_brings_the_records_to_their_place(void) {
  immuta_log *log = OPEN(DURABLE);
  append_records(log, 0, 10);
  CHECK_EQ(newest_on_disk().count, 0); /* the journal has them */
  CHECK_OK(immuta_sync(log, 0, ERR));
  idx_checkpoint newest = newest_on_disk();
  CHECK_EQ(newest.count, 10);
  CHECK_EQ(newest.mode, IDX_MODE_DURABLE);
  CHECK_OK(immuta_sync(log, 0, ERR));
  CHECK_EQ(newest_on_disk().seq, newest.seq); /* nothing to do */
  CHECK_OK(immuta_close(log, ERR));
}

static void halves_are_emptied_without_a_call_of_sync(void) {
  immuta_log *log = OPEN(DURABLE);
  append_records(log, 0, 200);
  CHECK(newest_on_disk().count > 0);
  expect_records_and_close(log, IDX_MODE_DURABLE, 200);
}

/* ---- The other mode ---- */

static void a_log_may_be_reopened_in_the_other_mode(void) {
  for (uint64_t round = 0; round < 6; round++) {
    int durable = round % 3 != 1;
    immuta_log *log = durable ? OPEN(DURABLE) : OPEN(.flush_interval_ns = -1);
    immuta_stats stats = check_stats(log, 0);
    CHECK_EQ(check_report(log, 0).outcome, round == 0 ? IMMUTA_OUTCOME_CREATED : IMMUTA_OUTCOME_CLEAN);
    CHECK_EQ(stats.mode, durable ? IMMUTA_MODE_DURABLE : IMMUTA_MODE_FAST);
    CHECK_EQ(stats.count, round * 40);
    CHECK_EQ(stats.durable_count, round * 40);
    CHECK_EQ(check_exists(check_path("a.wal")), durable);
    append_records(log, round * 40, round * 40 + 40);
    expect_records_and_close(log, durable ? IDX_MODE_DURABLE : IDX_MODE_FAST, round * 40 + 40);
  }
}

static void live_fifty(immuta_log *log) { append_records(log, 0, 50); }

static void a_killed_durable_log_is_recovered_by_a_fast_writer(void) {
  leave_killed(live_fifty);
  immuta_log *log = OPEN(.flush_interval_ns = -1);
  CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_RECOVERED);
  CHECK_EQ(check_stats(log, 0).durable_count, 50); /* recovery has synced them */
  CHECK(!check_exists(check_path("a.wal")));
  append_records(log, 50, 60);
  expect_records_and_close(log, IDX_MODE_FAST, 60);
}

static void a_killed_fast_log_is_recovered_by_a_durable_writer(void) {
  leave_killed_in(1, live_fifty);
  CHECK(!check_exists(check_path("a.wal")));
  expect_recovered(50);
}

/* ---- Kills and power failures ---- */

static void live_through_all_kinds_of_commits(immuta_log *log) {
  append_records(log, 0, 3);
  append_as_batch(log, 3, 8);
  append_as_batch(log, 8, 80); /* larger than a half */
  append_records(log, 80, 82);
}

static void a_killed_writer_leaves_every_record(void) {
  leave_killed(live_through_all_kinds_of_commits);
  CHECK_EQ(newest_on_disk().state, IDX_STATE_OPEN);
  expect_recovered(82);
}

static void live_small_commits(immuta_log *log) {
  append_records(log, 0, 20);
  append_as_batch(log, 20, 24);
}

/* The record file is 8 bytes and the index file knows nothing: the journal alone has the records. */
static void what_only_the_journal_has_is_replayed(void) {
  leave_killed(live_small_commits);
  throw_back();
  CHECK_EQ(check_file_size(check_path("a.log")), 8);
  expect_recovered(24);
}

static void what_only_the_journal_has_is_replayed_by_a_fast_writer(void) {
  leave_killed(live_small_commits);
  throw_back();
  immuta_log *log = OPEN();
  CHECK_EQ(check_report(log, 0).count, 24);
  CHECK_EQ(check_report(log, 0).recovered, 24);
  expect_records_and_close(log, IDX_MODE_FAST, 24);
}

/* Pages of the files reach the disk in any order: here none of the first pages of the records did, and all of the
 * entries. */
static void a_mixture_of_old_and_new_pages_is_mended(void) {
  static const unsigned char zeros[2 * 4096];
  leave_killed(live_small_commits);
  check_patch_file(check_path("a.log"), 0, zeros, sizeof zeros);
  expect_recovered(24);
}

static void recovery_comes_to_the_same_twice(void) {
  leave_killed(live_small_commits);
  throw_back();
  expect_recovered(24);
  throw_back(); /* as if the first recovery had been cut off before anything but its journal had changed */
  check_copy_file(check_path("wal.killed"), check_path("a.wal"));
  expect_recovered(24);
}

static void a_record_file_cut_to_nothing_has_the_records_of_the_journal(void) {
  leave_killed(live_small_commits);
  throw_back();
  check_write_file(check_path("a.log"), "", 0);
  expect_recovered(24);
}

/* ---- Readers beside a durable writer ---- */

enum { COMMITS = 300, BATCH = 3 };

typedef struct follow {
  check_gate created;
} follow;

static void append_batches(void *argument) {
  follow *self = argument;
  immuta_log *log = OPEN(DURABLE);
  check_gate_open(self->created);
  for (uint64_t i = 0; i < COMMITS; i++) append_as_batch(log, i * BATCH, (i + 1) * BATCH);
  CHECK_OK(immuta_close(log, ERR));
}

static void another_process_sees_whole_commits_only(void) {
  follow self = {check_gate_new()};
  pid_t writer = check_fork(append_batches, &self);
  check_gate_wait(self.created);
  immuta_log *log = OPEN(.read_only = 1);
  immuta_stream *stream = check_stream(log, 0, 0);
  for (uint64_t i = 0; i < COMMITS * BATCH; i++) {
    immuta_record record;
    CHECK_OK(immuta_stream_next(stream, -1, &record, ERR));
    CHECK(record.number == i && record.size == size_of(i) && check_is_fill(record.data, record.size, i));
    CHECK_EQ((record.flags & IMMUTA_RECORD_BATCH_END) != 0, i % BATCH == BATCH - 1);
    CHECK_OK(immuta_record_done(&record));
    immuta_stats stats = check_stats(log, 0);
    CHECK_EQ(stats.count % BATCH, 0);
    CHECK(stats.durable_count <= stats.count);
  }
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  check_process_succeeds(writer);
}

static void a_reader_knows_the_mode_and_what_is_durable(void) {
  immuta_log *writer = OPEN(DURABLE), *reader = OPEN(.read_only = 1);
  append_records(writer, 0, 10);
  immuta_stats stats = check_stats(reader, 0);
  CHECK_EQ(stats.mode, IMMUTA_MODE_DURABLE);
  CHECK_EQ(stats.count, 10);
  CHECK_EQ(stats.durable_count, 10);
  CHECK_EQ(stats.journal_bytes, JOURNAL_BYTES);
  CHECK_OK(immuta_close(writer, ERR));
  CHECK_EQ(check_stats(reader, 0).durable_count, 10);
  CHECK_OK(immuta_close(reader, ERR));

  writer = OPEN(.flush_interval_ns = -1), reader = OPEN(.read_only = 1);
  append_records(writer, 10, 15);
  stats = check_stats(reader, 0);
  CHECK_EQ(stats.mode, IMMUTA_MODE_FAST);
  CHECK_EQ(stats.count, 15);
  CHECK_EQ(stats.durable_count, 10);
  CHECK_OK(immuta_sync(writer, 0, ERR));
  CHECK_EQ(check_stats(reader, 0).durable_count, 15);
  CHECK_OK(immuta_close(reader, ERR));
  CHECK_OK(immuta_close(writer, ERR));
}

static void a_reader_of_a_killed_log_claims_what_the_checkpoint_covers(void) {
  leave_killed(live_small_commits);
  check_snapshot before = check_snapshot_take();
  immuta_log *reader = OPEN(.read_only = 1);
  immuta_stats stats = check_stats(reader, 0);
  CHECK_EQ(stats.mode, IMMUTA_MODE_DURABLE);
  CHECK_EQ(stats.count, 24);
  CHECK_EQ(stats.durable_count, 0);
  CHECK_OK(immuta_close(reader, ERR));
  check_snapshot_unchanged(&before);
}

static const check_case cases[] = {
    CASE(the_journal_is_there_while_the_log_is_open),
    CASE(each_namespace_has_a_journal),
    CASE(a_durable_append_is_durable_when_it_returns),
    CASE(a_fast_append_is_durable_after_the_flush),
    CASE(sync_brings_the_records_to_their_place),
    CASE(halves_are_emptied_without_a_call_of_sync),
    CASE(a_log_may_be_reopened_in_the_other_mode),
    CASE(a_killed_durable_log_is_recovered_by_a_fast_writer),
    CASE(a_killed_fast_log_is_recovered_by_a_durable_writer),
    CASE(a_killed_writer_leaves_every_record),
    CASE(what_only_the_journal_has_is_replayed),
    CASE(what_only_the_journal_has_is_replayed_by_a_fast_writer),
    CASE(a_mixture_of_old_and_new_pages_is_mended),
    CASE(recovery_comes_to_the_same_twice),
    CASE(a_record_file_cut_to_nothing_has_the_records_of_the_journal),
    CASE(another_process_sees_whole_commits_only),
    CASE(a_reader_knows_the_mode_and_what_is_durable),
    CASE(a_reader_of_a_killed_log_claims_what_the_checkpoint_covers),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
