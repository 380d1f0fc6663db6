/* Codecs of adopted logs: unknown until the first append, then recorded in page 3 of the index file, and never
 * guessed. */
#include "check.h"

#include "check/format.h"
#include "codecs.h"
#include "golden.h"
#include "snapshot.h"

enum { CHAIN_PAGE = 3 * IDX_PAGE };

/* Record 0 as it stands in the golden file, and not "hello world". */
static void expect_stored_bytes(immuta_log *log) {
  check_file file = check_read_file(golden("count8-deflate"));
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record;
  CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
  CHECK_BYTES(record.data, record.size, file.data + 16, (size_t)check_u64(file.data + 8));
  CHECK_OK(immuta_record_done(&record));
  immuta_stream_done(stream);
  free(file.data);
}

/* Page 3 of the closed log's index file holds this chain; `count` UINT32_MAX: it was never written. */
static void expect_chain_page(uint32_t count, uint32_t id) {
  static const unsigned char magic[8] = {0x89, 'I', 'M', 'C', 0x0d, 0x0a, 0x1a, 0x0a};
  check_file idx = check_read_file(check_path("a.idx"));
  CHECK_EQ(check_u32(idx.data + 64), UINT32_MAX); /* page 0 is written once */
  const unsigned char *page = idx.data + CHAIN_PAGE;
  if (count == UINT32_MAX) {
    CHECK(is_zero(page, IDX_PAGE));
  } else {
    CHECK_BYTES(page, 8, magic, 8);
    CHECK_EQ(check_u32(page + 8), count);
    CHECK_EQ(check_u32(page + 12), id);
    CHECK(is_zero(page + 16, IDX_CRC_AT - 16));
    CHECK_EQ(check_u32(page + IDX_CRC_AT), crc32c(crc32c(0, idx.data + 40, 16), page, IDX_CRC_AT));
  }
  free(idx.data);
}

static void expect_refused(immuta_codec *codec) {
  check_snapshot before = check_snapshot_take();
  for (int read_only = 0; read_only < 2; read_only++) {
    immuta_log *log = NULL;
    CHECK_STATUS(IMMUTA_E_CODEC, TRY_OPEN(&log, .read_only = read_only, .codecs = {codec}));
    CHECK(log == NULL);
  }
  check_snapshot_unchanged(&before);
}

/* ---- Before the first append ---- */

static void the_original_s_deflate_reads_back(void) {
  free(place("count8-deflate").data);
  immuta_codec *deflate = builtin(IMMUTA_CODEC_DEFLATE, 0);
  immuta_log *log = OPEN(.read_only = 1, .codecs = {deflate}); /* without an index file */
  expect_messages(log);
  CHECK_OK(immuta_close(log, ERR));
  log = open_with(deflate);
  CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_ADOPTED);
  expect_messages(log);
  CHECK_OK(immuta_close(log, ERR));
  immuta_codec_free(deflate);
}

static void until_then_each_opener_reads_with_its_own(void) {
  free(place("count8-deflate").data);
  immuta_codec *deflate = builtin(IMMUTA_CODEC_DEFLATE, 0);
  for (int round = 0; round < 2; round++) {
    for (int read_only = 0; read_only < 2; read_only++) {
      immuta_log *log = OPEN(.read_only = read_only);
      expect_stored_bytes(log);
      CHECK_OK(immuta_close(log, ERR));
      log = OPEN(.read_only = read_only, .codecs = {deflate});
      expect_messages(log);
      CHECK_OK(immuta_close(log, ERR));
    }
    expect_chain_page(UINT32_MAX, 0);
  }
  immuta_log *log = OPEN(); /* appending nothing, or failing to, decides nothing */
  CHECK_OK(immuta_append_batch(log, 0, NULL, 0, NULL, ERR));
  CHECK_OK(immuta_close(log, ERR));
  expect_chain_page(UINT32_MAX, 0);
  immuta_codec_free(deflate);
}

/* ---- From the first append on ---- */

static void the_first_append_records_the_chain(void) {
  free(place("count8-deflate").data);
  immuta_codec *deflate = builtin(IMMUTA_CODEC_DEFLATE, 0), *lz4 = builtin(IMMUTA_CODEC_LZ4, 0);
  for (int round = 0; round < 2; round++) { /* the second time page 3 knows it */
    immuta_log *log = round == 0 ? open_with(deflate) : OPEN();
    check_append(log, 0, 1000, MESSAGES);
    check_file idx = check_read_file(check_path("a.idx"));
    CHECK_EQ(check_u32(idx.data + CHAIN_PAGE + 8), 1); /* before the append was acknowledged */
    free(idx.data);
    CHECK_OK(immuta_close(log, ERR));
    expect_chain_page(1, IMMUTA_CODEC_DEFLATE);
  }
  expect_refused(lz4);
  for (int named = 0; named < 2; named++)
    for (int read_only = 0; read_only < 2; read_only++) {
      immuta_log *log = OPEN(.read_only = read_only, .codecs = {named ? deflate : NULL});
      expect_messages(log);
      immuta_stream *stream = check_stream(log, 0, MESSAGES);
      check_next(stream, MESSAGES, 1000, MESSAGES);
      check_next(stream, MESSAGES + 1, 1000, MESSAGES);
      immuta_stream_done(stream);
      CHECK_OK(immuta_close(log, ERR));
    }
  immuta_codec_free(deflate);
  immuta_codec_free(lz4);
}

static void appending_without_codecs_records_that(void) {
  free(place("count8-deflate").data);
  immuta_codec *deflate = builtin(IMMUTA_CODEC_DEFLATE, 0);
  immuta_log *log = OPEN();
  check_append(log, 0, 1000, MESSAGES);
  CHECK_OK(immuta_close(log, ERR));
  expect_chain_page(0, 0);
  expect_refused(deflate);
  log = OPEN();
  expect_stored_bytes(log);
  CHECK_OK(immuta_close(log, ERR));
  immuta_codec_free(deflate);
}

/* ---- A chain that is damaged ---- */

static void a_page_torn_before_any_append_is_as_if_never_written(void) {
  free(place("count8-deflate").data);
  immuta_codec *deflate = builtin(IMMUTA_CODEC_DEFLATE, 0);
  CHECK_OK(immuta_close(OPEN(), ERR));
  check_patch_file(check_path("a.idx"), CHAIN_PAGE, "\x89IMC\r\n\x1a\n\x01", 9);
  immuta_log *log = OPEN();
  expect_stored_bytes(log);
  CHECK_OK(immuta_close(log, ERR));
  log = open_with(deflate);
  expect_messages(log);
  check_append(log, 0, 1000, MESSAGES);
  CHECK_OK(immuta_close(log, ERR));
  expect_chain_page(1, IMMUTA_CODEC_DEFLATE);
  immuta_codec_free(deflate);
}

static void a_lost_chain_is_not_guessed(void) {
  free(place("count8-deflate").data);
  immuta_codec *deflate = builtin(IMMUTA_CODEC_DEFLATE, 0);
  immuta_log *log = open_with(deflate);
  for (uint64_t i = 0; i < 3; i++) check_append(log, 0, 1000, i);
  CHECK_OK(immuta_close(log, ERR));
  check_patch_file(check_path("a.idx"), CHAIN_PAGE + 12, "\x04", 1);
  for (int read_only = 0; read_only < 2; read_only++) {
    log = OPEN(.read_only = read_only);
    expect_stored_bytes(log);
    immuta_stream *stream = check_stream(log, 0, MESSAGES);
    immuta_record record;
    immuta_batch batch;
    CHECK_STATUS(IMMUTA_E_CORRUPT, immuta_stream_next(stream, 0, &record, ERR));
    CHECK_EQ(ERR->number, MESSAGES);
    CHECK_EQ(ERR->offset, CHAIN_PAGE);
    CHECK_MESSAGE("import");
    CHECK_STATUS(IMMUTA_E_CORRUPT, immuta_stream_next_batch(stream, 10, SIZE_MAX, 0, &batch, ERR));
    immuta_stream_done(stream);
    check_snapshot before = check_snapshot_take();
    if (!read_only) CHECK_STATUS(IMMUTA_E_CORRUPT, immuta_append(log, 0, "x", 1, NULL, ERR));
    check_snapshot_unchanged(&before);
    CHECK_OK(immuta_close(log, ERR));
  }
  immuta_report report;
  CHECK_OK(immuta_verify(check_dir(), "a", NULL, NULL, NULL, &report, sizeof report, ERR));
  CHECK(report.outcome == IMMUTA_OUTCOME_DAMAGED && report.finding == IMMUTA_E_CORRUPT && report.bad_records == 3);
  CHECK(report.first_bad_number == MESSAGES && report.first_bad_offset == CHAIN_PAGE);
  /* The way on that the message names. */
  immuta_options *options = check_options((check_setup){.codecs = {deflate}});
  CHECK_OK(immuta_import(check_path("a.log"), check_dir(), "b", options, NULL, NULL, &report, sizeof report, ERR));
  immuta_options_free(options);
  log = OPEN(.names = {"b"});
  expect_messages(log);
  immuta_stream *stream = check_stream(log, 0, MESSAGES);
  for (uint64_t i = 0; i < 3; i++) check_next(stream, MESSAGES + i, 1000, i);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  immuta_codec_free(deflate);
}

/* ---- Readers that were there before ---- */

static void expect_appended(immuta_stream *stream) {
  CHECK_OK(immuta_stream_seek(stream, MESSAGES, ERR));
  immuta_record record;
  CHECK_OK(immuta_stream_next(stream, 60 * CHECK_SECOND, &record, ERR));
  CHECK(record.number == MESSAGES && record.size == 1000 && check_is_fill(record.data, record.size, MESSAGES));
  CHECK_OK(immuta_record_done(&record));
}

static void a_reader_learns_the_chain_from_the_first_append(void) {
  free(place("count8-deflate").data);
  immuta_codec *deflate = builtin(IMMUTA_CODEC_DEFLATE, 0);
  immuta_log *early = OPEN(.read_only = 1); /* there is not even an index file */
  immuta_log *writer = open_with(deflate), *reader = OPEN(.read_only = 1);
  immuta_stream *streams[] = {check_stream(early, 0, 0), check_stream(reader, 0, 0), check_stream(writer, 0, 0)};
  expect_stored_bytes(early);
  expect_stored_bytes(reader);
  check_append(writer, 0, 1000, MESSAGES);
  for (size_t i = 0; i < CHECK_COUNT(streams); i++) expect_appended(streams[i]);
  expect_messages(early);
  expect_messages(reader);
  for (size_t i = 0; i < CHECK_COUNT(streams); i++) immuta_stream_done(streams[i]);
  CHECK_OK(immuta_close(early, ERR));
  CHECK_OK(immuta_close(reader, ERR));
  CHECK_OK(immuta_close(writer, ERR));
  immuta_codec_free(deflate);
}

static void a_batch_learns_it_too(void) {
  free(place("count8-deflate").data);
  immuta_codec *deflate = builtin(IMMUTA_CODEC_DEFLATE, 0);
  immuta_log *writer = open_with(deflate), *reader = OPEN(.read_only = 1);
  immuta_stream *stream = check_stream(reader, 0, 0);
  check_append(writer, 0, 1000, MESSAGES);
  immuta_batch batch;
  CHECK_OK(immuta_stream_next_batch(stream, 100, SIZE_MAX, 60 * CHECK_SECOND, &batch, ERR));
  CHECK_EQ(batch.count, MESSAGES + 1);
  CHECK_BYTES(batch.records[0].data, batch.records[0].size, "hello world", 11);
  CHECK(check_is_fill(batch.records[MESSAGES].data, 1000, MESSAGES));
  CHECK_OK(immuta_batch_done(&batch));
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(reader, ERR));
  CHECK_OK(immuta_close(writer, ERR));
  immuta_codec_free(deflate);
}

static void a_reader_that_cannot_follow_the_chain_says_so(void) {
  free(place("count8-plain").data);
  inverter self = {.mark = 'i'};
  immuta_codec *codec = custom(&self, INVERTER_ID);
  immuta_log *writer = open_with(codec), *reader = OPEN(.read_only = 1);
  immuta_stream *stream = check_stream(reader, 0, MESSAGES);
  check_append(writer, 0, 1000, MESSAGES);
  immuta_record record;
  for (int again = 0; again < 2; again++) {
    CHECK_STATUS(IMMUTA_E_CODEC, immuta_stream_next(stream, 60 * CHECK_SECOND, &record, ERR));
    CHECK_MESSAGE("0x12345");
    CHECK_EQ(ERR->number, MESSAGES);
  }
  CHECK_EQ(check_stats(reader, 0).readers_in_use, 0);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(reader, ERR));
  CHECK_OK(immuta_close(writer, ERR));
  immuta_codec_free(codec);
}

static const check_case cases[] = {
    CASE(the_original_s_deflate_reads_back),
    CASE(until_then_each_opener_reads_with_its_own),
    CASE(the_first_append_records_the_chain),
    CASE(appending_without_codecs_records_that),
    CASE(a_page_torn_before_any_append_is_as_if_never_written),
    CASE(a_lost_chain_is_not_guessed),
    CASE(a_reader_learns_the_chain_from_the_first_append),
    CASE(a_batch_learns_it_too),
    CASE(a_reader_that_cannot_follow_the_chain_says_so),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
