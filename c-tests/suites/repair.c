/* Repair: what a dry run says, what a repair does, and what it leaves to others. tests/repair.rs shows on the simulated
 * engine that a repair can be cut anywhere. */
#include "check.h"

#include "check/format.h"
#include "golden.h"
#include "refusal.h"
#include "small_disk.h"

enum { RECORDS = 10, DRY_RUN = 0 };

static immuta_status try_repair(const char *directory, uint32_t flags, immuta_progress_fn progress, void *user,
                                immuta_report *report) {
  immuta_options *options = check_options((check_setup){.unused = 0});
  check_error = (immuta_error){0};
  immuta_status status = immuta_repair(directory, "a", options, flags, progress, user, report, sizeof *report, ERR);
  immuta_options_free(options);
  return status;
}

/* Without IMMUTA_REPAIR_APPLY not one byte changes. */
static immuta_report repair(uint32_t flags) {
  immuta_report report;
  check_snapshot before = check_snapshot_take();
  CHECK_OK(try_repair(check_dir(), flags, NULL, NULL, &report));
  if ((flags & IMMUTA_REPAIR_APPLY) == 0) check_snapshot_unchanged(&before);
  return report;
}

/* The repair is refused, dry or not, and changes nothing. */
static void expect_not_repaired(immuta_status expected, uint32_t flags, const char *part) {
  check_snapshot before = check_snapshot_take();
  for (uint32_t apply = 0; apply < 2; apply++) {
    immuta_report report;
    CHECK_STATUS(expected, try_repair(check_dir(), flags | apply, NULL, NULL, &report));
    CHECK_MESSAGE(part);
    check_snapshot_unchanged(&before);
  }
}

/* A dry run says `finding`, then the repair does what the dry run said; `count` records remain, `bad` of them in
 * quarantine. */
static immuta_report repair_damage(immuta_status finding, uint32_t flags, uint64_t count, uint64_t bad) {
  immuta_report forecast = repair(flags), report = repair(flags | IMMUTA_REPAIR_APPLY);
  CHECK_EQ(forecast.outcome, IMMUTA_OUTCOME_DAMAGED);
  CHECK_STR(forecast.salvage, "");
  CHECK_EQ(report.outcome, IMMUTA_OUTCOME_REPAIRED);
  CHECK_EQ(report.finding, finding);
  CHECK_EQ(report.count, count);
  CHECK_EQ(report.bad_records, bad);
  CHECK_BYTES(&forecast.finding, offsetof(immuta_report, seconds) - offsetof(immuta_report, finding), &report.finding,
              offsetof(immuta_report, seconds) - offsetof(immuta_report, finding));
  immuta_report again = repair(IMMUTA_REPAIR_APPLY);
  CHECK_EQ(again.outcome, IMMUTA_OUTCOME_CLEAN);
  CHECK_EQ(again.finding, IMMUTA_OK);
  CHECK_EQ(again.bad_records, bad);
  return report;
}

/* `count` records of make_log except `bad` are there, and one more can be appended. */
static void expect_records(uint64_t count, uint64_t bad) {
  for (int unverified = 0; unverified < 2; unverified++) {
    immuta_log *log = OPEN(.unverified = unverified);
    CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_CLEAN);
    immuta_stream *stream = check_stream(log, 0, 0);
    immuta_batch batch;
    for (uint64_t i = 0; i < count; i++) {
      immuta_record record;
      if (i != bad) {
        check_next(stream, i, RECORD_BYTES, i);
        continue;
      }
      CHECK_STATUS(IMMUTA_E_CORRUPT, immuta_stream_next(stream, 0, &record, ERR));
      CHECK_EQ(ERR->number, bad);
      CHECK_EQ(ERR->offset, offset_of(bad));
      CHECK_STATUS(IMMUTA_E_CORRUPT, immuta_stream_next_batch(stream, 100, SIZE_MAX, 0, &batch, ERR));
      CHECK_EQ(ERR->number, bad);
      CHECK_OK(immuta_stream_seek(stream, bad + 1, ERR));
    }
    if (bad > 0 && bad < count) { /* a batch ends before it */
      CHECK_OK(immuta_stream_seek(stream, 0, ERR));
      CHECK_OK(immuta_stream_next_batch(stream, 100, SIZE_MAX, 0, &batch, ERR));
      CHECK_EQ(batch.count, bad);
      CHECK_OK(immuta_batch_done(&batch));
    }
    immuta_stream_done(stream);
    if (unverified) CHECK_EQ(check_append(log, 0, RECORD_BYTES, count).number, count);
    CHECK_OK(immuta_close(log, ERR));
  }
  immuta_report report = verify_unchanged();
  CHECK_EQ(report.count, count + 1);
  CHECK_EQ(report.bad_records, bad < count);
  CHECK_EQ(report.finding, bad < count ? IMMUTA_E_CORRUPT : IMMUTA_OK);
  if (bad < count) CHECK(report.first_bad_number == bad && report.first_bad_offset == offset_of(bad));
}

enum { NONE_BAD = UINT32_MAX };

static void expect_file(const char *name, const unsigned char *bytes, size_t size) {
  check_file file = check_read_file(check_path(name));
  CHECK_BYTES(file.data, file.size, bytes, size);
  free(file.data);
}

/* ---- Nothing is wrong -------------------------------------------------------------------------------------------- */

static void what_opens_is_opened_and_closed(void) {
  make_log("a", RECORDS, RECORD_BYTES);
  immuta_report report = repair(DRY_RUN);
  CHECK_EQ(report.outcome, IMMUTA_OUTCOME_CLEAN);
  CHECK_EQ(report.finding, IMMUTA_OK);
  CHECK_EQ(report.count, RECORDS);
  CHECK_EQ(repair(IMMUTA_REPAIR_APPLY).outcome, IMMUTA_OUTCOME_CLEAN);
  CHECK(unlink(check_path("a.idx")) == 0);
  report = repair(DRY_RUN);
  CHECK_EQ(report.outcome, IMMUTA_OUTCOME_ADOPTED);
  CHECK_EQ(report.adopted, RECORDS);
  CHECK_EQ(repair(IMMUTA_REPAIR_APPLY).outcome, IMMUTA_OUTCOME_ADOPTED);
  expect_closed_index_file(RECORDS);
  check_write_file(check_path("a.log"), "", 0);
  CHECK(unlink(check_path("a.idx")) == 0);
  CHECK_EQ(repair(DRY_RUN).outcome, IMMUTA_OUTCOME_CREATED);
  CHECK_EQ(repair(IMMUTA_REPAIR_APPLY).outcome, IMMUTA_OUTCOME_CREATED);
  expect_closed_index_file(0);
}

static void append_records(void *unused) {
  (void)unused;
  immuta_log *log = OPEN();
  for (uint64_t i = 0; i < RECORDS; i++) check_append(log, 0, RECORD_BYTES, i);
}

static void what_a_crash_left_is_recovered_and_closed(void) {
  check_fork_and_kill(append_records, NULL);
  immuta_report report = repair(DRY_RUN);
  CHECK_EQ(report.outcome, IMMUTA_OUTCOME_RECOVERED);
  CHECK_EQ(report.count, RECORDS);
  CHECK_EQ(report.recovered, RECORDS);
  CHECK_EQ(repair(IMMUTA_REPAIR_APPLY).outcome, IMMUTA_OUTCOME_RECOVERED);
  expect_closed_index_file(RECORDS);
  expect_records(RECORDS, NONE_BAD);
}

/* ---- Damaged records --------------------------------------------------------------------------------------------- */

/* Row R3. */
static void a_damaged_payload_is_quarantined(void) {
  const uint64_t places[] = {0, 5, RECORDS - 1};
  for (size_t i = 0; i < CHECK_COUNT(places); i++) {
    make_log("a", RECORDS, RECORD_BYTES);
    uint64_t bad = places[i];
    check_patch_file(check_path("a.log"), offset_of(bad) + 8 + 50, "\xff\xfe", 2);
    check_file log = check_read_file(check_path("a.log")), idx = check_read_file(check_path("a.idx"));
    immuta_report report = repair_damage(IMMUTA_E_CORRUPT, 0, RECORDS, 1);
    CHECK_EQ(report.first_bad_number, bad);
    CHECK_EQ(report.first_bad_offset, offset_of(bad));
    CHECK_EQ(report.trimmed_bytes, 8 + RECORD_BYTES);
    CHECK_STR(report.salvage, check_path("a.salvage-1"));
    expect_file("a.salvage-1", log.data + offset_of(bad), 8 + RECORD_BYTES);
    expect_file("a.idx.bad-1", idx.data, idx.size);
    expect_file("a.log", log.data, log.size); /* its bytes stay as they are */
    expect_closed_index_file(RECORDS);
    free(idx.data);
    idx = check_read_file(check_path("a.idx"));
    for (uint64_t n = 0; n < RECORDS; n++) CHECK_EQ(idx_read_entry(idx, log, n).quarantined, n == bad);
    free(idx.data);
    free(log.data);
    expect_records(RECORDS, bad);
    const char *files[] = {"a.log", "a.idx", "a.idx.bad-1", "a.salvage-1"};
    for (size_t file = 0; file < CHECK_COUNT(files); file++) CHECK(unlink(check_path(files[file])) == 0);
  }
}

/* Row R1. */
static void a_size_or_a_count_that_can_be_proven_is_written_back(void) {
  const uint64_t sizes[] = {0, RECORD_BYTES + 1, UINT64_MAX};
  make_log("a", RECORDS, RECORD_BYTES);
  check_file whole = check_read_file(check_path("a.log"));
  for (size_t i = 0; i < CHECK_COUNT(sizes); i++) {
    check_patch_file(check_path("a.log"), offset_of(i * 4), &sizes[i], sizeof sizes[i]);
    repair_damage(IMMUTA_E_CORRUPT, 0, RECORDS, 0);
    expect_file("a.log", whole.data, whole.size);
  }
  check_patch_file(check_path("a.log"), 0, "\x03", 1);
  CHECK_EQ(repair_damage(IMMUTA_E_CORRUPT, 0, RECORDS, 0).header_count, RECORDS); /* what the checkpoint claims */
  check_patch_file(check_path("a.log"), 0, "\x83", 1);
  CHECK_EQ(repair_damage(IMMUTA_E_MISMATCH, 0, RECORDS, 0).header_count, 0x83);
  expect_file("a.log", whole.data, whole.size);
  CHECK(!check_exists(check_path("a.salvage-1")));
  free(whole.data);
  expect_records(RECORDS, NONE_BAD);
}

/* Row R2. */
static void a_damaged_entry_is_made_again(void) {
  const uint64_t places[] = {0, 4, RECORDS - 1};
  make_log("a", RECORDS, RECORD_BYTES);
  for (size_t i = 0; i < CHECK_COUNT(places); i++) {
    check_patch_file(check_path("a.idx"), IDX_HEADER + places[i] * IDX_ENTRY + 5, "\xa5", 1);
    immuta_report report = repair_damage(IMMUTA_E_CORRUPT, 0, RECORDS, 0);
    CHECK_EQ(report.adopted, 1);
    CHECK_EQ(report.first_bad_number, places[i]);
    check_file log = check_read_file(check_path("a.log")), idx = check_read_file(check_path("a.idx"));
    CHECK_EQ(idx_read_entry(idx, log, places[i]).adopted, 1);
    free(log.data);
    free(idx.data);
    expect_closed_index_file(RECORDS);
  }
  expect_records(RECORDS, NONE_BAD);
}

/* Row R4. */
static void a_log_cut_short_ends_where_its_records_do(void) {
  make_log("a", RECORDS, RECORD_BYTES);
  check_file whole = check_read_file(check_path("a.log"));
  CHECK(truncate(check_path("a.log"), (off_t)offset_of(6) + 50) == 0);
  immuta_report report = repair_damage(IMMUTA_E_TRUNCATED, 0, 6, 0);
  CHECK_EQ(report.header_count, RECORDS);
  CHECK_EQ(report.trimmed_bytes, 50);
  CHECK_EQ(check_file_size(check_path("a.log")), offset_of(6));
  expect_file("a.salvage-1", whole.data + offset_of(6), 50);
  free(whole.data);
  expect_closed_index_file(6);
  expect_records(6, NONE_BAD);
}

/* ---- Index files that are of no use ------------------------------------------------------------------------------ */

/* Row R10. */
static void an_index_file_of_another_log_gives_way(void) {
  make_log("a", RECORDS, RECORD_BYTES);
  make_log("b", 7, 50);
  check_file other = check_read_file(check_path("b.idx"));
  check_write_file(check_path("a.idx"), other.data, other.size);
  CHECK_EQ(repair_damage(IMMUTA_E_MISMATCH, 0, RECORDS, 0).adopted, RECORDS);
  expect_file("a.idx.bad-1", other.data, other.size);
  free(other.data);
  expect_records(RECORDS, NONE_BAD);
}

/* Row R7. */
static void zeros_are_records_only_if_the_caller_says_so(void) {
  for (uint64_t accepted = 0; accepted < 2; accepted++) {
    unsigned char file[512] = {3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'x'};
    check_write_file(check_path("a.log"), file, sizeof file);
    uint32_t flags = accepted ? IMMUTA_REPAIR_ACCEPT_COUNT : 0;
    immuta_report report = repair_damage(IMMUTA_E_AMBIGUOUS, flags, accepted ? 3 : 1, 0);
    CHECK_EQ(report.trimmed_bytes, 0); /* only zeros */
    CHECK_EQ(check_file_size(check_path("a.log")), accepted ? 17 + 16 : 17);
    CHECK(unlink(check_path("a.idx")) == 0);
  }
}

/* Row R8. */
static void records_in_a_hole_are_believed_only_if_the_caller_says_so(void) {
  const uint64_t count = 100003;
  check_write_file(check_path("a.log"), &count, sizeof count);
  CHECK(truncate(check_path("a.log"), (off_t)(8 + 8 * count)) == 0);
  immuta_log *log = NULL;
  immuta_options *options = check_options((check_setup){.unused = 0});
  CHECK_STATUS(IMMUTA_E_AMBIGUOUS, immuta_open(check_dir(), options, &log, ERR));
  CHECK_MESSAGE("IMMUTA_REPAIR_ACCEPT_COUNT");
  immuta_options_free(options);
  expect_not_repaired(IMMUTA_E_AMBIGUOUS, 0, "hole");
  CHECK_EQ(repair_damage(IMMUTA_E_AMBIGUOUS, IMMUTA_REPAIR_ACCEPT_COUNT, count, 0).adopted, count);
  CHECK_EQ(check_file_size(check_path("a.log")), 8 + 8 * count);
}

/* ---- What is not a repair's business ----------------------------------------------------------------------------- */

/* Rows R9, R10 and R12. */
static void what_only_a_copy_can_mend_is_left_alone(void) {
  const unsigned char many[512] = {88, 2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'x'};
  expect_not_repaired(IMMUTA_E_NOT_FOUND, 0, "a.log");
  check_write_file(check_path("a.log"), "This is no log at all, but a text of some length.\n", 50);
  expect_not_repaired(IMMUTA_E_CORRUPT, 0, "a.log");
  check_write_file(check_path("a.log"), many, sizeof many);
  expect_not_repaired(IMMUTA_E_AMBIGUOUS, IMMUTA_REPAIR_ACCEPT_COUNT, "a.log");
  check_copy_file(golden("count16-plain"), check_path("a.log"));
  expect_not_repaired(IMMUTA_E_LAYOUT, 0, "16");
  CHECK(unlink(check_path("a.log")) == 0 && mkdir(check_path("a.log"), 0777) == 0);
  expect_not_repaired(IMMUTA_E_NOT_REGULAR, 0, "a.log");
  CHECK(rmdir(check_path("a.log")) == 0);
  make_log("a", 3, RECORD_BYTES);
  check_file log = check_read_file(check_path("a.log")), idx = check_read_file(check_path("a.idx"));
  CHECK(unlink(check_path("a.log")) == 0);
  expect_not_repaired(IMMUTA_E_MISSING, 0, "a.log");
  memset(log.data + 8, 0xa5, log.size - 8); /* no record matches its entry, and no size leads anywhere */
  check_write_file(check_path("a.log"), log.data, log.size);
  expect_not_repaired(IMMUTA_E_MISMATCH, 0, "a.log");
  idx.data[8] = 2; /* a newer version */
  uint32_t crc = crc32c(0, idx.data, IDX_CRC_AT);
  memcpy(idx.data + IDX_CRC_AT, &crc, sizeof crc);
  check_write_file(check_path("a.idx"), idx.data, idx.size);
  expect_not_repaired(IMMUTA_E_VERSION, 0, "a.idx");
  free(log.data);
  free(idx.data);
}

/* Row R12. */
static void a_log_with_a_writer_or_other_codecs_is_left_alone(void) {
  immuta_log *log = OPEN();
  check_append(log, 0, RECORD_BYTES, 0);
  expect_not_repaired(IMMUTA_E_LOCKED, 0, "a.log");
  CHECK_OK(immuta_close(log, ERR));
  immuta_codec *deflate = NULL;
  CHECK_OK(immuta_codec_builtin(IMMUTA_CODEC_DEFLATE, 0, &deflate, ERR));
  immuta_options *options = check_options((check_setup){.codecs = {deflate}});
  immuta_report report;
  CHECK_STATUS(IMMUTA_E_CODEC, immuta_repair(check_dir(), "a", options, 0, NULL, NULL, &report, sizeof report, ERR));
  immuta_options_free(options);
  immuta_codec_free(deflate);
}

static void arguments_are_checked(void) {
  immuta_report report;
  make_log("a", 1, 1);
  check_snapshot before = check_snapshot_take();
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_repair(NULL, "a", NULL, 0, NULL, NULL, &report, sizeof report, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_repair("", "a", NULL, 0, NULL, NULL, &report, sizeof report, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_repair(check_dir(), NULL, NULL, 0, NULL, NULL, &report, sizeof report, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_repair(check_dir(), "a", NULL, 4, NULL, NULL, &report, sizeof report, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_repair(check_dir(), "a", NULL, 0, NULL, NULL, NULL, sizeof report, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_repair(check_dir(), "a", NULL, 0, NULL, NULL, &report, 0, ERR));
  CHECK_STATUS(IMMUTA_E_NAME, immuta_repair(check_dir(), "a/b", NULL, 0, NULL, NULL, &report, sizeof report, ERR));
  CHECK_STATUS(IMMUTA_E_NOT_FOUND,
               immuta_repair(check_path("none"), "a", NULL, 0, NULL, NULL, &report, sizeof report, ERR));
  CHECK_OK(immuta_repair(check_dir(), "a", NULL, 0, NULL, NULL, &report, sizeof report, NULL));
  check_snapshot_unchanged(&before);
}

/* ---- Stopped ----------------------------------------------------------------------------------------------------- */

typedef struct listener {
  uint64_t calls, stop_at, done, total;
} listener;

static int32_t listen_to(void *user, uint64_t done, uint64_t total) {
  listener *self = user;
  CHECK(done <= total && done >= self->done);
  self->done = done;
  self->total = total;
  return ++self->calls == self->stop_at;
}

static void a_callback_hears_how_far_it_is_and_can_stop_it(void) {
  make_log("a", 3000, 10);
  check_patch_file(check_path("a.log"), 20, "\xff\xfe", 2);
  listener counting = {0};
  immuta_report report;
  CHECK_OK(try_repair(check_dir(), 0, listen_to, &counting, &report));
  CHECK(counting.calls >= 3);
  CHECK(counting.done == 3000 && counting.total == 3000);
  check_snapshot before = check_snapshot_take();
  for (uint64_t stop_at = 1; stop_at <= counting.calls; stop_at++) {
    listener stopping = {.stop_at = stop_at};
    CHECK_STATUS(IMMUTA_E_CANCELLED, try_repair(check_dir(), IMMUTA_REPAIR_APPLY, listen_to, &stopping, &report));
    check_snapshot_unchanged(&before);
  }
}

static void without_room_nothing_changes(void) {
  const char *disk = mount_small_disk("256k");
  immuta_log *log = OPEN(.directory = disk);
  for (uint64_t i = 0; i < 1000; i++) check_append(log, 0, 10, i);
  CHECK_OK(immuta_close(log, ERR));
  char path[1100];
  snprintf(path, sizeof path, "%s/a.log", disk);
  check_patch_file(path, 20, "\xff\xfe", 2);
  snprintf(path, sizeof path, "%s/fill", disk);
  unsigned char bytes[4096] = {1};
  uint64_t refused = 0;
  for (uint64_t size = 160 * 1024;; size -= sizeof bytes) {
    FILE *fill = fopen(path, "wb");
    CHECK(fill != NULL);
    setbuf(fill, NULL);
    for (uint64_t at = 0; at < size && fwrite(bytes, 1, sizeof bytes, fill) == sizeof bytes; at += sizeof bytes)
      continue;
    fclose(fill);
    check_snapshot before = check_snapshot_of(disk);
    immuta_report report;
    immuta_status status = try_repair(disk, IMMUTA_REPAIR_APPLY, NULL, NULL, &report);
    if (status == IMMUTA_OK) break;
    CHECK_STATUS(IMMUTA_E_NO_SPACE, status);
    check_snapshot_same(&before, disk);
    CHECK(size > 0);
    refused++;
  }
  CHECK(refused > 3);
}

static void too_many_copies_are_told(void) {
  make_log("a", RECORDS, RECORD_BYTES);
  check_patch_file(check_path("a.idx"), IDX_HEADER + 5, "\xa5", 1);
  for (int i = 1; i < 10000; i++) {
    char name[32];
    snprintf(name, sizeof name, "a.idx.bad-%d", i);
    check_write_file(check_path(name), "", 0);
  }
  immuta_report report;
  CHECK_STATUS(IMMUTA_E_EXISTS, try_repair(check_dir(), IMMUTA_REPAIR_APPLY, NULL, NULL, &report));
  CHECK_MESSAGE("a.idx.bad-");
  CHECK(unlink(check_path("a.idx.bad-77")) == 0);
  CHECK_OK(try_repair(check_dir(), IMMUTA_REPAIR_APPLY, NULL, NULL, &report));
  CHECK_STR(report.salvage, check_path("a.idx.bad-77"));
}

static const check_case cases[] = {
    CASE(what_opens_is_opened_and_closed),
    CASE(what_a_crash_left_is_recovered_and_closed),
    CASE(a_damaged_payload_is_quarantined),
    CASE(a_size_or_a_count_that_can_be_proven_is_written_back),
    CASE(a_damaged_entry_is_made_again),
    CASE(a_log_cut_short_ends_where_its_records_do),
    CASE(an_index_file_of_another_log_gives_way),
    CASE(zeros_are_records_only_if_the_caller_says_so),
    CASE(records_in_a_hole_are_believed_only_if_the_caller_says_so),
    CASE(what_only_a_copy_can_mend_is_left_alone),
    CASE(a_log_with_a_writer_or_other_codecs_is_left_alone),
    CASE(arguments_are_checked),
    CASE(a_callback_hears_how_far_it_is_and_can_stop_it),
    CASE(without_room_nothing_changes),
    CASE(too_many_copies_are_told),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
