/* The index file, field by field: identity, checkpoints and entries, while open and after close. */
#include "check.h"
#include "check/format.h"

static void expect_files(const char *expected) {
  char *names = check_listing(check_dir());
  CHECK_STR(names, expected);
  free(names);
}

/* ---- The index file ---- */

static void the_index_file_has_a_verified_entry_per_record(void) {
  expect_files("");
  CHECK_OK(immuta_close(OPEN(), ERR));
  expect_closed_index_file(0);
  immuta_log *log = OPEN();
  for (uint64_t i = 0; i < 300; i++) check_append(log, 0, i * 7 % 100, i);
  const immuta_slice batch[] = {{"a", 1}, {NULL, 0}, {"ccc", 3}};
  CHECK_OK(immuta_append_batch(log, 0, batch, 3, NULL, ERR));
  CHECK_OK(immuta_close(log, ERR));
  expect_closed_index_file(303);

  check_file idx = check_read_file(check_path("a.idx")), file = check_read_file(check_path("a.log"));
  for (uint64_t i = 0; i < 303; i++) {
    idx_entry entry = idx_read_entry(idx, file, i);
    CHECK_EQ(entry.last_of_batch, i < 300 || i == 302);
    CHECK_EQ(entry.adopted, 0);
    CHECK(entry.time_ns > 0);
  }
  free(idx.data);
  free(file.data);
}

static void while_open_the_entries_are_there_and_the_checkpoint_says_open(void) {
  immuta_log *log = OPEN(.flush_interval_ns = -1);
  for (uint64_t i = 0; i < 50; i++) {
    check_append(log, 0, 100, i);
    check_file idx = check_read_file(check_path("a.idx")), file = check_read_file(check_path("a.log"));
    idx_check_identity(idx.data);
    idx_checkpoint newest = idx_newest_checkpoint(idx.data);
    CHECK_EQ(newest.state, IDX_STATE_OPEN);
    CHECK_EQ(newest.mode, IDX_MODE_FAST);
    CHECK_EQ(newest.count, 0); /* nothing was synced since */
    CHECK_EQ(newest.end, 8);
    CHECK_EQ(idx_read_entry(idx, file, i).offset, 8 + i * 108);
    size_t end = IDX_HEADER + ((size_t)i + 1) * IDX_ENTRY;
    CHECK(is_zero(idx.data + end, idx.size - end));
    free(idx.data);
    free(file.data);
  }
  CHECK_OK(immuta_close(log, ERR));
  expect_closed_index_file(50);
}

static void each_sync_writes_the_other_checkpoint_and_count_never_falls(void) {
  immuta_log *log = OPEN(.flush_interval_ns = -1);
  idx_checkpoint before = newest_on_disk();
  for (uint64_t i = 1; i <= 10; i++) {
    check_append(log, 0, 100, i);
    CHECK_OK(immuta_sync(log, 0, ERR));
    check_file idx = check_read_file(check_path("a.idx"));
    idx_checkpoint a = idx_read_checkpoint(idx.data, 0), b = idx_read_checkpoint(idx.data, 1),
                   newest = a.seq > b.seq ? a : b;
    CHECK_EQ(newest.seq, before.seq + 1);
    CHECK_EQ(a.seq > b.seq ? b.seq : a.seq, before.seq);
    CHECK_EQ(newest.count, i);
    CHECK_EQ(newest.end, 8 + i * 108);
    CHECK_EQ(newest.epoch, before.epoch);
    CHECK_EQ(newest.state, IDX_STATE_OPEN);
    before = newest;
    free(idx.data);
  }
  CHECK_OK(immuta_close(log, ERR));
}

static void the_log_id_stays_and_every_writer_has_an_epoch_of_its_own(void) {
  unsigned char identity[IDX_PAGE];
  uint64_t epoch = 0, seq = 0;
  for (int round = 0; round < 3; round++) {
    immuta_log *log = OPEN();
    check_append(log, 0, 10, 1);
    check_file idx = check_read_file(check_path("a.idx"));
    idx_checkpoint newest = idx_newest_checkpoint(idx.data);
    if (round > 0) CHECK_BYTES(idx.data, IDX_PAGE, identity, IDX_PAGE); /* written once */
    memcpy(identity, idx.data, IDX_PAGE);
    CHECK(newest.epoch != epoch && newest.seq > seq);
    epoch = newest.epoch;
    seq = newest.seq;
    free(idx.data);
    CHECK_OK(immuta_close(log, ERR));
  }
  CHECK_OK(immuta_close(OPEN(.names = {"b"}), ERR));
  check_file other = check_read_file(check_path("b.idx"));
  CHECK(memcmp(other.data + 40, identity + 40, 16) != 0);
  free(other.data);
}

static void a_lost_index_file_is_made_again_from_the_records(void) {
  immuta_log *log = OPEN();
  for (uint64_t i = 0; i < 100; i++) check_append(log, 0, i, i);
  CHECK_OK(immuta_close(log, ERR));
  check_file before = check_read_file(check_path("a.log"));
  CHECK(unlink(check_path("a.idx")) == 0);
  log = OPEN();
  CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_ADOPTED);
  CHECK_EQ(check_report(log, 0).count, 100);
  CHECK_EQ(check_report(log, 0).adopted, 100);
  CHECK_OK(immuta_close(log, ERR));
  check_file after = check_read_file(check_path("a.log")), idx = check_read_file(check_path("a.idx"));
  CHECK_BYTES(after.data, after.size, before.data, before.size);
  CHECK_EQ(idx.size, IDX_HEADER + 100 * IDX_ENTRY);
  CHECK_EQ(check_u32(idx.data + 64), UINT32_MAX); /* codec chain: unknown */
  for (uint64_t i = 0; i < 100; i++) {
    idx_entry entry = idx_read_entry(idx, after, i);
    CHECK_EQ(entry.adopted, 1);
    CHECK_EQ(entry.time_ns, 0);
  }
  free(before.data);
  free(after.data);
  free(idx.data);
}

static const check_case cases[] = {
    CASE(the_index_file_has_a_verified_entry_per_record),
    CASE(while_open_the_entries_are_there_and_the_checkpoint_says_open),
    CASE(each_sync_writes_the_other_checkpoint_and_count_never_falls),
    CASE(the_log_id_stays_and_every_writer_has_an_epoch_of_its_own),
    CASE(a_lost_index_file_is_made_again_from_the_records),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
