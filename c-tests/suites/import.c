/* Import: files of every layout of the original into new namespaces, what is refused, and that a refusal leaves
 * nothing. tests/import.rs shows on the simulated engine that an import can be cut anywhere. */
#include "check.h"

#include "check/format.h"
#include "codecs.h"
#include "golden.h"
#include "small_disk.h"
#include "snapshot.h"

typedef struct request {
  const char *source, *directory;
  immuta_codec *codec;
  uint64_t max_record_size;
  immuta_progress_fn progress;
  void *user;
} request;

static immuta_report report;

static immuta_status import_as(request this) {
  immuta_options *options =
      check_options((check_setup){.codecs = {this.codec}, .max_record_size = this.max_record_size});
  check_error = (immuta_error){0};
  const char *directory = this.directory != NULL ? this.directory : check_dir();
  immuta_status status =
      immuta_import(this.source, directory, "a", options, this.progress, this.user, &report, sizeof report, ERR);
  immuta_options_free(options);
  return status;
}

#define IMPORT(...) import_as((request){__VA_ARGS__})

static const char *write_source(const void *data, size_t size) {
  check_write_file(check_path("source"), data, size);
  return check_path("source");
}

static void expect_not_imported(immuta_status expected, request this, const char *part) {
  check_snapshot before = check_snapshot_take();
  CHECK_STATUS(expected, import_as(this));
  CHECK_MESSAGE(part);
  check_snapshot_unchanged(&before);
}

static void forget(void) { CHECK(unlink(check_path("a.log")) == 0 && unlink(check_path("a.idx")) == 0); }

/* ---- What is imported -------------------------------------------------------------------------------------------- */

static void every_layout_of_the_original_becomes_ours(void) {
  const char *const names[] = {"count16-plain", "count8-plain", "headerless-plain"};
  check_file expected = check_read_file(golden("count8-plain"));
  for (size_t i = 0; i < CHECK_COUNT(names); i++) {
    const char *source = golden(names[i]);
    uint64_t hash = check_hash_file(source);
    CHECK_OK(IMPORT(.source = source));
    CHECK_EQ(report.outcome, IMMUTA_OUTCOME_ADOPTED);
    CHECK_EQ(report.finding, IMMUTA_OK);
    CHECK(report.count == MESSAGES && report.header_count == MESSAGES && report.adopted == MESSAGES);
    CHECK_EQ(check_hash_file(source), hash);
    check_file made = check_read_file(check_path("a.log"));
    CHECK_BYTES(made.data, made.size, expected.data, expected.size);
    free(made.data);
    expect_closed_index_file(MESSAGES);
    char *listing = check_listing(check_dir());
    CHECK_STR(listing, "a.idx a.log ");
    free(listing);
    immuta_log *log = OPEN();
    CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_CLEAN);
    expect_messages(log);
    CHECK_EQ(check_append(log, 0, 10, 1).number, MESSAGES);
    CHECK_OK(immuta_close(log, ERR));
    forget();
    CHECK(unlink(check_path("a.live")) == 0);
  }
  free(expected.data);
}

static void empty_files_with_a_header_become_empty_logs(void) {
  const char *const names[] = {"count16-empty", "count8-empty"};
  for (size_t i = 0; i < CHECK_COUNT(names); i++) {
    CHECK_OK(IMPORT(.source = golden(names[i])));
    CHECK_EQ(report.count, 0);
    expect_closed_index_file(0);
    forget();
  }
  expect_not_imported(IMMUTA_E_LAYOUT, (request){.source = write_source("", 0)}, "source");
}

static void a_directory_is_made_for_it(void) {
  CHECK_OK(IMPORT(.source = golden("count16-plain"), .directory = check_path("some/where")));
  immuta_log *log = OPEN(.directory = check_path("some/where"));
  expect_messages(log);
  CHECK_OK(immuta_close(log, ERR));
  CHECK(IMPORT(.source = check_path("none"), .directory = check_path("no/where")) == IMMUTA_E_NOT_FOUND);
  CHECK(!check_exists(check_path("no")));
}

/* ---- Codecs ------------------------------------------------------------------------------------------------------ */

static void codecs_that_are_named_are_recorded(void) {
  immuta_codec *deflate = builtin(IMMUTA_CODEC_DEFLATE, 0), *lz4 = builtin(IMMUTA_CODEC_LZ4, 0);
  CHECK_OK(IMPORT(.source = golden("count16-deflate"), .codec = deflate));
  for (int named = 0; named < 2; named++) {
    immuta_log *log = OPEN(.codecs = {named ? deflate : NULL});
    expect_messages(log);
    CHECK_OK(immuta_close(log, ERR));
  }
  immuta_log *log = NULL;
  CHECK_STATUS(IMMUTA_E_CODEC, TRY_OPEN(&log, .codecs = {lz4}));
  immuta_codec_free(deflate);
  immuta_codec_free(lz4);
}

static void with_none_named_the_chain_stays_unknown(void) {
  immuta_codec *deflate = builtin(IMMUTA_CODEC_DEFLATE, 0);
  CHECK_OK(IMPORT(.source = golden("count16-deflate")));
  immuta_log *log = OPEN(.codecs = {deflate});
  expect_messages(log);
  check_append(log, 0, 100, 1); /* and this records it */
  CHECK_OK(immuta_close(log, ERR));
  log = OPEN();
  immuta_stream *stream = check_stream(log, 0, MESSAGES);
  check_next(stream, MESSAGES, 100, 1);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  immuta_codec_free(deflate);
}

static void records_that_the_codecs_did_not_make_are_refused(void) {
  immuta_codec *deflate = builtin(IMMUTA_CODEC_DEFLATE, 0);
  expect_not_imported(IMMUTA_E_CODEC_FAILED, (request){.source = golden("count16-plain"), .codec = deflate},
                      "count16-plain.log");
  CHECK(ERR->number == 0 && ERR->offset == 16);
  expect_not_imported(IMMUTA_E_TOO_LARGE,
                      (request){.source = golden("count16-deflate"), .codec = deflate, .max_record_size = 4200},
                      "count16-deflate.log");
  CHECK_EQ(ERR->number, 5);
  CHECK_OK(IMPORT(.source = golden("count16-deflate"), .codec = deflate, .max_record_size = 80000));
  immuta_codec_free(deflate);
}

/* ---- What is not imported ---------------------------------------------------------------------------------------- */

static void what_fits_no_layout_or_two_is_refused(void) {
  unsigned char words[6][8] = {{0}};
  static const char text[] = "This is no log at all, but a text of some length.\n";
  expect_not_imported(IMMUTA_E_LAYOUT, (request){.source = write_source(text, sizeof text - 1)}, "source");
  words[0][0] = 1, words[1][0] = 16, words[2][0] = 8; /* one record of 16 bytes, or, after 16 bytes, one of 8 */
  expect_not_imported(IMMUTA_E_LAYOUT, (request){.source = write_source(words, 32)}, "16");
  CHECK_MESSAGE("8-byte");
  words[0][0] = 1, words[1][0] = 1, words[2][0] = 0; /* one record of one byte, or two without a header */
  expect_not_imported(IMMUTA_E_LAYOUT, (request){.source = write_source(words, 17)}, "no header");
}

static void what_is_cut_or_damaged_is_told_with_its_place(void) {
  check_file whole = check_read_file(golden("count16-plain"));
  size_t second = 16 + 8 + 11; /* where record 1 is, an empty one */
  expect_not_imported(IMMUTA_E_TRUNCATED, (request){.source = write_source(whole.data, second + 10)}, "source");
  CHECK(ERR->number == 2 && ERR->offset == second + 8);
  expect_not_imported(IMMUTA_E_TRUNCATED, (request){.source = write_source(whole.data, whole.size - 1)}, "source");
  CHECK_EQ(ERR->number, MESSAGES - 1);
  whole.data[second + 7] = 0xff;
  expect_not_imported(IMMUTA_E_CORRUPT, (request){.source = write_source(whole.data, whole.size)}, "source");
  CHECK(ERR->number == 1 && ERR->offset == second);
  whole.data[second + 7] = 0;
  whole.data[8] ^= 1; /* the last record begins elsewhere */
  expect_not_imported(IMMUTA_E_CORRUPT, (request){.source = write_source(whole.data, whole.size)}, "source");
  free(whole.data);
  unsigned char zeros[512] = {2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'x'};
  expect_not_imported(IMMUTA_E_AMBIGUOUS, (request){.source = write_source(zeros, sizeof zeros)}, "source");
  CHECK(ERR->number == 1 && ERR->offset == 17);
}

static void only_regular_files_are_imported(void) {
  expect_not_imported(IMMUTA_E_NOT_FOUND, (request){.source = check_path("none")}, "none");
  CHECK(mkdir(check_path("directory"), 0777) == 0);
  expect_not_imported(IMMUTA_E_NOT_REGULAR, (request){.source = check_path("directory")}, "directory");
  CHECK(symlink(golden("count8-plain"), check_path("link")) == 0);
  expect_not_imported(IMMUTA_E_NOT_REGULAR, (request){.source = check_path("link")}, "link");
  CHECK(mkfifo(check_path("fifo"), 0666) == 0);
  expect_not_imported(IMMUTA_E_NOT_REGULAR, (request){.source = check_path("fifo")}, "fifo");
  check_write_file(check_path("file"), "x", 1);
  expect_not_imported(IMMUTA_E_NOT_REGULAR,
                      (request){.source = golden("count8-plain"), .directory = check_path("file")}, "file");
}

static void a_namespace_that_is_there_is_left_alone(void) {
  const char *const there[] = {"a.log", "a.idx"};
  for (size_t i = 0; i < CHECK_COUNT(there); i++) {
    check_write_file(check_path(there[i]), "12345678", 8);
    expect_not_imported(IMMUTA_E_EXISTS, (request){.source = golden("count8-plain")}, there[i]);
    CHECK(unlink(check_path(there[i])) == 0);
  }
  immuta_log *log = OPEN();
  expect_not_imported(IMMUTA_E_EXISTS, (request){.source = golden("count8-plain")}, "a.");
  CHECK_OK(immuta_close(log, ERR));
}

static void arguments_are_checked(void) {
  const char *source = golden("count8-plain");
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_import(NULL, check_dir(), "a", NULL, NULL, NULL, &report, sizeof report, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_import("", check_dir(), "a", NULL, NULL, NULL, &report, sizeof report, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_import("/", check_dir(), "a", NULL, NULL, NULL, &report, sizeof report, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT,
               immuta_import("\xff", check_dir(), "a", NULL, NULL, NULL, &report, sizeof report, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_import(source, "", "a", NULL, NULL, NULL, &report, sizeof report, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_import(source, NULL, "a", NULL, NULL, NULL, &report, sizeof report, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT,
               immuta_import(source, check_dir(), NULL, NULL, NULL, NULL, &report, sizeof report, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_import(source, check_dir(), "a", NULL, NULL, NULL, NULL, sizeof report, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_import(source, check_dir(), "a", NULL, NULL, NULL, &report, 0, ERR));
  CHECK_STATUS(IMMUTA_E_NAME, immuta_import(source, check_dir(), ".a", NULL, NULL, NULL, &report, sizeof report, ERR));
  CHECK_EQ(check_snapshot_take().count, 0);
  CHECK(chdir(check_dir()) == 0); /* a bare name is looked for where the process is */
  check_copy_file(source, check_path("here"));
  CHECK_OK(immuta_import("here", ".", "a", NULL, NULL, NULL, &report, sizeof report, NULL));
  CHECK_EQ(report.count, MESSAGES);
}

/* ---- Stopped ----------------------------------------------------------------------------------------------------- */

static int32_t stop(void *user, uint64_t done, uint64_t total) {
  uint64_t *calls_left = user;
  CHECK(done <= total);
  return *calls_left == 0 || (*calls_left)-- == 0;
}

static void a_callback_can_stop_it_and_nothing_is_left(void) {
  for (uint64_t calls = 0;; calls++) {
    uint64_t calls_left = calls;
    if (IMPORT(.source = golden("count8-plain"), .progress = stop, .user = &calls_left) == IMMUTA_OK) break;
    CHECK_EQ(ERR->code, IMMUTA_E_CANCELLED);
    CHECK_EQ(check_snapshot_take().count, 0);
    CHECK(calls < 100);
  }
  immuta_log *log = OPEN();
  expect_messages(log);
  CHECK_OK(immuta_close(log, ERR));
}

static void without_room_nothing_is_left(void) {
  const char *disk = mount_small_disk("100k");
  check_snapshot before = check_snapshot_of(disk);
  /* No room for the index file. */
  CHECK_STATUS(IMMUTA_E_NO_SPACE, IMPORT(.source = golden("count16-plain"), .directory = disk));
  check_snapshot_same(&before, disk);
  resize_small_disk(disk, "size=20k");
  /* No room for the records. */
  CHECK_STATUS(IMMUTA_E_NO_SPACE, IMPORT(.source = golden("count16-plain"), .directory = disk));
  check_snapshot_same(&before, disk);
  resize_small_disk(disk, "size=200k");
  CHECK_OK(IMPORT(.source = golden("count16-plain"), .directory = disk));
  immuta_log *log = OPEN(.directory = disk, .read_only = 1);
  expect_messages(log);
  CHECK_OK(immuta_close(log, ERR));
}

static const check_case cases[] = {
    CASE(every_layout_of_the_original_becomes_ours),
    CASE(empty_files_with_a_header_become_empty_logs),
    CASE(a_directory_is_made_for_it),
    CASE(codecs_that_are_named_are_recorded),
    CASE(with_none_named_the_chain_stays_unknown),
    CASE(records_that_the_codecs_did_not_make_are_refused),
    CASE(what_fits_no_layout_or_two_is_refused),
    CASE(what_is_cut_or_damaged_is_told_with_its_place),
    CASE(only_regular_files_are_imported),
    CASE(a_namespace_that_is_there_is_left_alone),
    CASE(arguments_are_checked),
    CASE(a_callback_can_stop_it_and_nothing_is_left),
    CASE(without_room_nothing_is_left),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
