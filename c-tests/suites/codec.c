/* Built-in codecs: what is stored, what is read back, what the index file records of it, and who may open the log. */
#include "check.h"

#include "check/format.h"
#include "codecs.h"
#include "snapshot.h"

/* Text that any codec makes smaller. */
static void fill_text(char *text, size_t size) {
  for (size_t i = 0; i < size; i++) text[i] = "the quick brown fox "[i % 20];
}

static void expect_payload(immuta_stream *stream, const void *data, size_t size) {
  immuta_record record;
  CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
  CHECK(record.data != NULL);
  CHECK_BYTES(record.data, record.size, data, size);
  CHECK_OK(immuta_record_done(&record));
}

/* ---- Appending and reading ---- */

static int64_t read_in_pieces(void *user, void *buffer, size_t capacity) {
  size_t *left = user, size = *left < capacity ? *left : capacity;
  memset(buffer, 'x', size);
  *left -= size;
  return (int64_t)size;
}

static void every_way_to_append_encodes(void) {
  for (const int32_t *kind = kinds(); *kind != 0; kind++) {
    char name[] = {(char)('a' + *kind), 0}, text[5000];
    fill_text(text, sizeof text);
    immuta_codec *codec = builtin(*kind, 0);
    immuta_log *log = OPEN(.names = {name}, .durable = *kind == IMMUTA_CODEC_LZ4, .codecs = {codec});
    immuta_codec_free(codec); /* the log has its own hold on it */
    immuta_appended appended;
    CHECK_OK(immuta_append(log, 0, text, sizeof text, &appended, ERR));
    CHECK(appended.stored_size < sizeof text / 5);
    immuta_slice halves[] = {{text, 2000}, {NULL, 0}, {text + 2000, 3000}};
    uint64_t whole = appended.stored_size;
    CHECK_OK(immuta_appendv(log, 0, halves, 3, &appended, ERR));
    CHECK_EQ(appended.stored_size, whole);
    size_t left = 300000;
    CHECK_OK(immuta_append_from(log, 0, read_in_pieces, &left, &appended, ERR));
    CHECK(appended.stored_size < 30000);
    CHECK_OK(immuta_append_batch(log, 0, halves, 3, &appended, ERR));
    CHECK_EQ(appended.count, 3);
    const size_t sizes[] = {10, 20};
    CHECK_OK(immuta_append_packed(log, 0, text, sizes, 2, NULL, ERR));
    CHECK_OK(immuta_append_at(log, 0, 8, halves, 1, NULL, ERR));
    CHECK_OK(immuta_append(log, 0, NULL, 0, NULL, ERR));
    immuta_txn *txn = NULL;
    CHECK_OK(immuta_txn_begin(log, 0, &txn, ERR));
    CHECK_OK(immuta_txn_append(txn, text, sizeof text, ERR));
    CHECK_OK(immuta_txn_appendv(txn, halves, 1, ERR));
    CHECK_OK(immuta_txn_commit(txn, &appended, ERR));
    CHECK(appended.count == 2 && appended.stored_size <= 2 * whole);

    char *xs = malloc(300000);
    CHECK(xs != NULL);
    memset(xs, 'x', 300000);
    immuta_stream *stream = check_stream(log, 0, 0);
    expect_payload(stream, text, sizeof text);
    expect_payload(stream, text, sizeof text);
    expect_payload(stream, xs, 300000);
    expect_payload(stream, text, 2000);
    expect_payload(stream, "", 0);
    expect_payload(stream, text + 2000, 3000);
    expect_payload(stream, text, 10);
    expect_payload(stream, text + 10, 20);
    expect_payload(stream, text, 2000);
    expect_payload(stream, "", 0);
    expect_payload(stream, text, sizeof text);
    expect_payload(stream, text, 2000);
    check_end(stream);
    immuta_stream_done(stream);
    CHECK_OK(immuta_close(log, ERR));
    free(xs);
  }
}

static void a_decoded_record_tells_both_sizes_and_holds_its_reader(void) {
  immuta_codec *codec = builtin(IMMUTA_CODEC_LZ4, 0);
  immuta_log *log = OPEN(.readers = 1, .codecs = {codec});
  char text[1000];
  fill_text(text, sizeof text);
  immuta_appended appended;
  CHECK_OK(immuta_append(log, 0, text, sizeof text, &appended, ERR));
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record;
  CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
  CHECK_EQ(record.size, sizeof text);
  CHECK_EQ(record.stored_size, appended.stored_size);
  CHECK_EQ(record.offset, appended.offset);
  CHECK_EQ(record.flags, IMMUTA_RECORD_BATCH_END);
  CHECK(record.time_ns > 0);
  CHECK_EQ(check_stats(log, 0).readers_in_use, 1);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  CHECK_BYTES(record.data, record.size, text, sizeof text); /* it outlives the log */
  CHECK_OK(immuta_record_done(&record));
  immuta_codec_free(codec);
}

static void a_batch_counts_decoded_bytes(void) {
  enum { RECORDS = 40, SIZE = 10000 };
  immuta_codec *codec = builtin(IMMUTA_CODEC_DEFLATE, 9);
  immuta_log *log = open_with(codec);
  char text[SIZE];
  fill_text(text, sizeof text);
  for (int i = 0; i < RECORDS; i++) CHECK_OK(immuta_append(log, 0, text, sizeof text, NULL, ERR));
  immuta_stream *stream = check_stream(log, 0, 0);
  const struct {
    size_t max_records, max_bytes, expected;
  } steps[] = {
      {100, 3 * SIZE, 3}, {100, 4 * SIZE - 1, 3}, {100, 1, 1}, {5, SIZE_MAX, 5}, {100, SIZE_MAX, RECORDS - 12}};
  uint64_t number = 0;
  for (size_t i = 0; i < CHECK_COUNT(steps); i++) {
    immuta_batch batch;
    CHECK_OK(immuta_stream_next_batch(stream, steps[i].max_records, steps[i].max_bytes, 0, &batch, ERR));
    CHECK_EQ(batch.count, steps[i].expected);
    for (size_t j = 0; j < batch.count; j++) {
      CHECK_EQ(batch.records[j].number, number++);
      CHECK(batch.records[j].stored_size < SIZE / 10);
      CHECK_BYTES(batch.records[j].data, batch.records[j].size, text, sizeof text);
    }
    CHECK_EQ(check_stats(log, 0).readers_in_use, 1);
    CHECK_OK(immuta_batch_done(&batch));
  }
  check_end(stream);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  immuta_codec_free(codec);
}

static void both_sizes_of_a_record_have_the_limit(void) {
  for (const int32_t *kind = kinds(); *kind != 0; kind++) {
    char name[] = {(char)('a' + *kind), 0}, text[2000];
    unsigned char noise[1000];
    fill_text(text, sizeof text);
    check_fill(noise, sizeof noise, 1);
    immuta_codec *codec = builtin(*kind, 0);
    immuta_log *log = OPEN(.names = {name}, .max_record_size = 1000, .codecs = {codec});
    CHECK_OK(immuta_append(log, 0, text, 1000, NULL, ERR));
    CHECK_STATUS(IMMUTA_E_TOO_LARGE, immuta_append(log, 0, text, 1001, NULL, ERR));
    CHECK_STATUS(IMMUTA_E_TOO_LARGE, immuta_append(log, 0, noise, 1000, NULL, ERR)); /* no codec makes noise smaller */
    CHECK_EQ(check_stats(log, 0).count, 1);
    CHECK_OK(immuta_close(log, ERR));
    immuta_codec_free(codec);
  }
}

/* ---- What is recorded, and who may open ---- */

static void the_chain_is_recorded_when_the_log_is_made(void) {
  immuta_codec *outside = NULL;
  CHECK_OK(immuta_codec_external(UINT32_MAX, "outside", &outside, ERR));
  immuta_codec *snappy = builtin(IMMUTA_CODEC_SNAPPY, 0), *deflate = builtin(IMMUTA_CODEC_DEFLATE, 1);
  CHECK_OK(immuta_close(OPEN(.codecs = {snappy, outside, deflate, snappy}), ERR));
  check_file idx = check_read_file(check_path("a.idx"));
  const uint32_t expected[] = {IMMUTA_CODEC_SNAPPY, UINT32_MAX, IMMUTA_CODEC_DEFLATE, IMMUTA_CODEC_SNAPPY};
  CHECK_EQ(check_u32(idx.data + 64), 4);
  for (size_t i = 0; i < 4; i++) CHECK_EQ(check_u32(idx.data + 68 + 4 * i), expected[i]);
  CHECK(is_zero(idx.data + 84, IDX_CRC_AT - 84));
  CHECK_EQ(check_u32(idx.data + IDX_CRC_AT), crc32c(0, idx.data, IDX_CRC_AT));
  CHECK(is_zero(idx.data + 3 * IDX_PAGE, IDX_PAGE)); /* page 3 is for adopted logs */
  free(idx.data);
  immuta_codec_free(outside);
  immuta_codec_free(snappy);
  immuta_codec_free(deflate);
}

static void expect_text(immuta_log *log, const char *text, size_t size) {
  immuta_stream *stream = check_stream(log, 0, 0);
  expect_payload(stream, text, size);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void whoever_names_none_gets_the_recorded_chain(void) {
  char text[1000];
  fill_text(text, sizeof text);
  immuta_codec *first = builtin(kinds()[0], 0), *second = builtin(IMMUTA_CODEC_SNAPPY, 0);
  immuta_log *log = OPEN(.codecs = {first, second});
  CHECK_OK(immuta_append(log, 0, text, sizeof text, NULL, ERR));
  expect_text(log, text, sizeof text);
  expect_text(OPEN(), text, sizeof text);
  expect_text(OPEN(.read_only = 1), text, sizeof text);
  expect_text(OPEN(.codecs = {first, second}), text, sizeof text);
  log = OPEN(); /* and goes on with it */
  immuta_appended appended;
  CHECK_OK(immuta_append(log, 0, text, sizeof text, &appended, ERR));
  CHECK(appended.stored_size < sizeof text / 2);
  CHECK_OK(immuta_close(log, ERR));
  immuta_codec_free(first);
  immuta_codec_free(second);
}

/* With these codecs the namespace is refused for writing, reading and verifying. The message names both chains, and
 * nothing changes. */
static void expect_refused(immuta_codec *first, immuta_codec *second, const char *recorded, const char *named) {
  check_snapshot before = check_snapshot_take();
  for (int read_only = 0; read_only < 2; read_only++) {
    immuta_log *log = NULL;
    CHECK_STATUS(IMMUTA_E_CODEC, TRY_OPEN(&log, .read_only = read_only, .codecs = {first, second}));
    CHECK_MESSAGE(recorded);
    CHECK_MESSAGE(named);
    CHECK_MESSAGE("a.idx");
    CHECK(log == NULL);
  }
  immuta_options *options = check_options((check_setup){.codecs = {first, second}});
  immuta_report report;
  CHECK_STATUS(IMMUTA_E_CODEC, immuta_verify(check_dir(), "a", options, NULL, NULL, &report, sizeof report, ERR));
  immuta_options_free(options);
  check_snapshot_unchanged(&before);
}

static void another_chain_is_refused(void) {
  immuta_codec *deflate = builtin(IMMUTA_CODEC_DEFLATE, 0), *snappy = builtin(IMMUTA_CODEC_SNAPPY, 0);
  immuta_log *log = OPEN(.codecs = {deflate, snappy});
  CHECK_OK(immuta_append(log, 0, "x", 1, NULL, ERR));
  CHECK_OK(immuta_close(log, ERR));
  expect_refused(snappy, deflate, "[deflate, snappy]", "[snappy, deflate]");
  expect_refused(deflate, NULL, "[deflate, snappy]", "[deflate]");
  immuta_options *options = check_options((check_setup){.codecs = {deflate, snappy}});
  immuta_report report;
  CHECK_OK(immuta_verify(check_dir(), "a", options, NULL, NULL, &report, sizeof report, ERR));
  CHECK_EQ(report.finding, IMMUTA_OK);
  CHECK_OK(immuta_verify(check_dir(), "a", NULL, NULL, NULL, &report, sizeof report, ERR));
  CHECK_EQ(report.finding, IMMUTA_OK);
  immuta_options_free(options);
  immuta_codec_free(deflate);
  immuta_codec_free(snappy);
}

static void a_log_without_codecs_stays_without(void) {
  CHECK_OK(immuta_close(OPEN(), ERR));
  immuta_codec *lz4 = builtin(IMMUTA_CODEC_LZ4, 0);
  expect_refused(lz4, NULL, "none", "[lz4]");
  immuta_codec_free(lz4);
}

static void a_foreign_chain_is_for_those_who_name_it(void) {
  inverter self = {.mark = 'i'};
  immuta_codec *codec = custom(&self, INVERTER_ID), *outside = NULL;
  CHECK_OK(immuta_codec_external(0x10000, "outside", &outside, ERR));
  immuta_log *log = OPEN(.codecs = {codec, outside});
  CHECK_OK(immuta_append(log, 0, "text", 4, NULL, ERR));
  CHECK_OK(immuta_close(log, ERR));
  expect_refused(NULL, NULL, "[0x12345, 0x10000]", "none");
  expect_refused(codec, NULL, "[0x12345, 0x10000]", "[0x12345]");
  expect_text(OPEN(.codecs = {codec, outside}), "text", 4);
  immuta_codec_free(codec);
  immuta_codec_free(outside);
  CHECK_EQ(self.destroyed, 1);
}

/* A log made with LZ4. Its index file is patched to say Zstandard, as another build of the library would have written
 * it. */
static void a_build_without_zstd_refuses_a_log_that_has_it(void) {
  immuta_codec *lz4 = builtin(IMMUTA_CODEC_LZ4, 0);
  CHECK_OK(immuta_close(open_with(lz4), ERR));
  check_file idx = check_read_file(check_path("a.idx"));
  CHECK_EQ(check_u32(idx.data + 68), IMMUTA_CODEC_LZ4);
  idx.data[68] = IMMUTA_CODEC_ZSTD;
  uint32_t crc = crc32c(0, idx.data, IDX_CRC_AT);
  for (int i = 0; i < 4; i++) idx.data[IDX_CRC_AT + i] = (unsigned char)(crc >> 8 * i);
  check_write_file(check_path("a.idx"), idx.data, idx.size);
  free(idx.data);
  expect_refused(lz4, NULL, "[zstd]", "[lz4]");
  check_snapshot before = check_snapshot_take();
  for (int read_only = 0; read_only < 2; read_only++) {
    immuta_log *log = NULL;
    CHECK_STATUS(has_zstd() ? IMMUTA_OK : IMMUTA_E_UNSUPPORTED, TRY_OPEN(&log, .read_only = read_only));
    CHECK_OK(immuta_close(log, ERR));
  }
  if (!has_zstd()) check_snapshot_unchanged(&before);
  immuta_codec_free(lz4);
}

static void a_lost_record_file_is_missing_whatever_the_codecs(void) {
  immuta_codec *lz4 = builtin(IMMUTA_CODEC_LZ4, 0);
  immuta_log *log = open_with(lz4);
  CHECK_OK(immuta_append(log, 0, "x", 1, NULL, ERR));
  CHECK_OK(immuta_close(log, ERR));
  CHECK(unlink(check_path("a.log")) == 0);
  check_snapshot before = check_snapshot_take();
  CHECK_STATUS(IMMUTA_E_MISSING, TRY_OPEN(&log, .codecs = {lz4}));
  CHECK_STATUS(IMMUTA_E_MISSING, TRY_OPEN(&log, .names = {"a"}));
  immuta_codec_free(lz4);
  check_snapshot_unchanged(&before);
}

/* ---- Several threads ---- */

enum { THREADS = 4, ROUNDS = 300 };

static void *append_text(void *argument) {
  immuta_log *log = argument;
  char text[3000];
  fill_text(text, sizeof text);
  for (int i = 0; i < ROUNDS; i++) CHECK_OK(immuta_append(log, (uint32_t)(i % 2), text, sizeof text, NULL, ERR));
  return NULL;
}

static void *read_text(void *argument) {
  char text[3000];
  fill_text(text, sizeof text);
  for (uint32_t ns = 0; ns < 2; ns++) {
    immuta_stream *stream = check_stream(argument, ns, 0);
    for (int i = 0; i < THREADS * ROUNDS / 2; i++) {
      immuta_record record;
      CHECK_OK(immuta_stream_next(stream, 60 * CHECK_SECOND, &record, ERR));
      CHECK(record.size == sizeof text && memcmp(record.data, text, sizeof text) == 0);
      CHECK_OK(immuta_record_done(&record));
    }
    immuta_stream_done(stream);
  }
  return NULL;
}

static void one_codec_serves_many_threads_and_logs(void) {
  inverter self = {.mark = 'i'};
  immuta_codec *first = builtin(kinds()[0], 0), *second = custom(&self, INVERTER_ID);
  CHECK(mkdir(check_path("other"), 0755) == 0);
  immuta_log *logs[] = {OPEN(.names = {"a", "b"}, .codecs = {first, second}),
                        OPEN(.directory = check_path("other"), .names = {"a", "b"}, .codecs = {first, second})};
  immuta_codec_free(first);
  immuta_codec_free(second);
  pthread_t threads[2][2 * THREADS];
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < THREADS; j++) {
      threads[i][2 * j] = check_start(append_text, logs[i]);
      threads[i][2 * j + 1] = check_start(read_text, logs[i]);
    }
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 2 * THREADS; j++) check_join(threads[i][j]);
  CHECK_EQ(self.encoded, 2 * THREADS * ROUNDS);
  CHECK_EQ(self.decoded, 2 * THREADS * THREADS * ROUNDS);
  CHECK_OK(immuta_close(logs[0], ERR));
  CHECK_EQ(self.destroyed, 0);
  CHECK_OK(immuta_close(logs[1], ERR));
  CHECK_EQ(self.destroyed, 1);
}

static const check_case cases[] = {
    CASE(every_way_to_append_encodes),
    CASE(a_decoded_record_tells_both_sizes_and_holds_its_reader),
    CASE(a_batch_counts_decoded_bytes),
    CASE(both_sizes_of_a_record_have_the_limit),
    CASE(the_chain_is_recorded_when_the_log_is_made),
    CASE(whoever_names_none_gets_the_recorded_chain),
    CASE(another_chain_is_refused),
    CASE(a_log_without_codecs_stays_without),
    CASE(a_foreign_chain_is_for_those_who_name_it),
    CASE(a_build_without_zstd_refuses_a_log_that_has_it),
    CASE(a_lost_record_file_is_missing_whatever_the_codecs),
    CASE(one_codec_serves_many_threads_and_logs),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
