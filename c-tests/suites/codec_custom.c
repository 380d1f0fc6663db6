/* Codecs of the caller's: what they may do wrong, in which call it shows, and when they are destroyed. Then
 * arguments. */
#include "check.h"

#include "codecs.h"
#include "snapshot.h"

/* ---- A codec that fails ---- */

static void a_failing_encoder_appends_nothing(void) {
  inverter self = {.mark = 'i', .encode_returns = -77};
  immuta_codec *codec = custom(&self, INVERTER_ID);
  immuta_log *log = open_with(codec);
  CHECK_OK(immuta_sync(log, 0, ERR));
  check_snapshot before = check_snapshot_take();
  CHECK_STATUS(IMMUTA_E_CODEC_FAILED, immuta_append(log, 0, "text", 4, NULL, ERR));
  CHECK_EQ(ERR->os_error, -77);
  CHECK_MESSAGE("inverter");
  const immuta_slice records[] = {{"a", 1}, {"b", 1}};
  CHECK_STATUS(IMMUTA_E_CODEC_FAILED, immuta_append_batch(log, 0, records, 2, NULL, ERR));
  check_snapshot_unchanged(&before);
  self.encode_returns = 0; /* it was this payload's failure, not the log's */
  CHECK_OK(immuta_append(log, 0, "text", 4, NULL, ERR));
  CHECK_OK(immuta_close(log, ERR));
  immuta_codec_free(codec);
}

enum { RECORDS = 9, BAD = 4 };

/* Records 0 to 8, the 5th of which was encoded with another mark: its decoder says 4711. */
static immuta_log *open_with_a_bad_record(inverter *self, immuta_codec *codec) {
  immuta_log *log = OPEN(.readers = 2, .codecs = {codec});
  for (int i = 0; i < RECORDS; i++) {
    self->mark = i == BAD ? 'b' : 'i';
    char text[2] = {(char)('0' + i), 0};
    CHECK_OK(immuta_append(log, 0, text, 1, NULL, ERR));
  }
  self->mark = 'i';
  return log;
}

static void expect_digit(immuta_stream *stream, uint64_t number) {
  immuta_record record;
  CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
  CHECK_EQ(record.number, number);
  char digit = (char)('0' + number);
  CHECK_BYTES(record.data, record.size, &digit, 1);
  CHECK_OK(immuta_record_done(&record));
}

static void expect_position(immuta_stream *stream, uint64_t expected) {
  uint64_t position = 0;
  CHECK_OK(immuta_stream_position(stream, &position));
  CHECK_EQ(position, expected);
}

static void a_failing_decoder_fails_its_record_only(void) {
  inverter self = {0};
  immuta_codec *codec = custom(&self, INVERTER_ID);
  immuta_log *log = open_with_a_bad_record(&self, codec);
  immuta_stream *stream = check_stream(log, 0, 0);
  for (uint64_t i = 0; i < BAD; i++) expect_digit(stream, i);
  immuta_record record;
  for (int again = 0; again < 3; again++) {
    CHECK_STATUS(IMMUTA_E_CODEC_FAILED, immuta_stream_next(stream, 0, &record, ERR));
    CHECK_EQ(ERR->number, BAD);
    CHECK_EQ(ERR->offset, 8 + BAD * 10);
    CHECK_EQ(ERR->os_error, 4711);
    CHECK_MESSAGE("a.log");
    CHECK_MESSAGE("inverter");
    expect_position(stream, BAD);
  }
  CHECK_EQ(check_stats(log, 0).readers_in_use, 0);
  CHECK_EQ(check_stats(log, 0).checksum_failures, 0); /* the bytes are as they were written */
  CHECK_OK(immuta_stream_seek(stream, BAD + 1, ERR));
  for (uint64_t i = BAD + 1; i < RECORDS; i++) expect_digit(stream, i);
  check_end(stream);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  immuta_codec_free(codec);
}

static void a_batch_ends_before_the_record_that_fails(void) {
  inverter self = {0};
  immuta_codec *codec = custom(&self, INVERTER_ID);
  immuta_log *log = open_with_a_bad_record(&self, codec);
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_batch batch;
  CHECK_OK(immuta_stream_next_batch(stream, 100, SIZE_MAX, 0, &batch, ERR));
  CHECK_EQ(batch.count, BAD);
  CHECK_OK(immuta_batch_done(&batch));
  CHECK_STATUS(IMMUTA_E_CODEC_FAILED, immuta_stream_next_batch(stream, 100, SIZE_MAX, 0, &batch, ERR));
  CHECK_EQ(ERR->number, BAD);
  CHECK_EQ(ERR->offset, 8 + BAD * 10);
  expect_position(stream, BAD);
  CHECK_OK(immuta_stream_seek(stream, BAD + 1, ERR));
  CHECK_OK(immuta_stream_next_batch(stream, 100, SIZE_MAX, 0, &batch, ERR));
  CHECK_EQ(batch.count, RECORDS - BAD - 1);
  CHECK_EQ(batch.records[0].number, BAD + 1);
  CHECK_OK(immuta_batch_done(&batch));
  CHECK_EQ(check_stats(log, 0).readers_in_use, 0);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  immuta_codec_free(codec);
}

/* ---- A codec that makes too much ---- */

static void an_encoder_past_the_limit_is_stopped_whatever_it_returns(void) {
  for (int ignores = 0; ignores < 2; ignores++) {
    inverter self = {.mark = 'i', .extra = 900, .ignores = ignores};
    immuta_codec *codec = custom(&self, INVERTER_ID);
    immuta_log *log = OPEN(.max_record_size = 1000, .codecs = {codec});
    CHECK_STATUS(IMMUTA_E_TOO_LARGE, immuta_append(log, 0, check_directory, 100, NULL, ERR)); /* 1 + 100 + 900 */
    CHECK_MESSAGE("inverter");
    CHECK_EQ(self.refused, IMMUTA_E_TOO_LARGE);
    CHECK_EQ(check_stats(log, 0).count, ignores);
    CHECK_OK(immuta_append(log, 0, check_directory, 99, NULL, ERR));
    CHECK_OK(immuta_close(log, ERR));
    immuta_codec_free(codec);
  }
}

static void a_decoder_past_the_limit_is_stopped_whatever_it_returns(void) {
  for (int ignores = 0; ignores < 2; ignores++) {
    inverter self = {.mark = 'i', .ignores = ignores};
    immuta_codec *codec = custom(&self, INVERTER_ID);
    immuta_log *log = OPEN(.max_record_size = 1000, .codecs = {codec});
    uint64_t first = check_append(log, 0, 99, 1).number;
    check_append(log, 0, 50, 2);
    immuta_stream *stream = check_stream(log, 0, (int64_t)first);
    self.extra = 902;
    immuta_record record;
    CHECK_STATUS(IMMUTA_E_TOO_LARGE, immuta_stream_next(stream, 0, &record, ERR));
    CHECK_EQ(ERR->number, first);
    CHECK_EQ(self.refused, IMMUTA_E_TOO_LARGE);
    expect_position(stream, first);
    self.extra = 901; /* 99 + 901 = the limit */
    CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
    CHECK_EQ(record.size, 1000);
    CHECK_OK(immuta_record_done(&record));
    self.extra = 0;
    check_next(stream, first + 1, 50, 2);
    immuta_stream_done(stream);
    CHECK_OK(immuta_close(log, ERR));
    immuta_codec_free(codec);
    CHECK(unlink(check_path("a.log")) == 0 && unlink(check_path("a.idx")) == 0);
  }
}

/* ---- Sinks ---- */

static immuta_sink *kept; /* what a codec must not do */
static immuta_status status_elsewhere;

static void *write_elsewhere(void *sink) {
  status_elsewhere = immuta_sink_write(sink, "x", 1);
  return NULL;
}

static int32_t keep_sink(void *user, const void *data, size_t size, immuta_sink *out) {
  (void)user;
  kept = out;
  check_join(check_start(write_elsewhere, out));
  CHECK_EQ(immuta_sink_write(out, NULL, 1), IMMUTA_E_ARGUMENT);
  CHECK_EQ(immuta_sink_write(out, NULL, 0), IMMUTA_OK);
  return immuta_sink_write(out, data, size);
}

static void a_sink_is_for_its_call_and_its_thread(void) {
  immuta_codec *codec = NULL;
  immuta_codec_vtable vtable = {sizeof vtable, INVERTER_ID, 0, "keeper", NULL, keep_sink, keep_sink, NULL};
  CHECK_OK(immuta_codec_custom(&vtable, &codec, ERR));
  immuta_log *log = open_with(codec);
  CHECK_OK(immuta_append(log, 0, "text", 4, NULL, ERR));
  CHECK_EQ(status_elsewhere, IMMUTA_E_HANDLE);
  CHECK_EQ(immuta_sink_write(kept, "x", 1), IMMUTA_E_HANDLE);
  CHECK_EQ(immuta_sink_write((immuta_sink *)log, "x", 1), IMMUTA_E_HANDLE);
  CHECK_EQ(immuta_sink_write(NULL, "x", 1), IMMUTA_E_ARGUMENT);
  CHECK_OK(immuta_close(log, ERR));
  immuta_codec_free(codec);
}

/* A codec that appends what it encodes to another log, whose codec is a built-in one. */
static int32_t encode_and_tee(void *user, const void *data, size_t size, immuta_sink *out) {
  immuta_status status = immuta_append(user, 0, data, size, NULL, NULL);
  if (status == IMMUTA_OK) status = immuta_sink_write(out, data, size / 2);
  if (status == IMMUTA_OK) status = immuta_append(user, 0, "and", 3, NULL, NULL);
  return status != IMMUTA_OK ? status : immuta_sink_write(out, (const char *)data + size / 2, size - size / 2);
}

static void a_codec_may_use_other_logs(void) {
  inverter self = {.mark = 'i'};
  immuta_codec *inner = custom(&self, INVERTER_ID), *codec = NULL;
  immuta_log *other = OPEN(.names = {"other"}, .codecs = {inner});
  immuta_codec_vtable vtable = {sizeof vtable, 0x10001, 0, "tee", other, encode_and_tee, keep_sink, NULL};
  CHECK_OK(immuta_codec_custom(&vtable, &codec, ERR));
  immuta_log *log = open_with(codec);
  check_append(log, 0, 5000, 1);
  immuta_stream *stream = check_stream(log, 0, 0), *teed = check_stream(other, 0, 0);
  check_next(stream, 0, 5000, 1);
  check_next(teed, 0, 5000, 1);
  CHECK_EQ(check_stats(other, 0).count, 2);
  immuta_stream_done(stream);
  immuta_stream_done(teed);
  CHECK_OK(immuta_close(log, ERR));
  CHECK_OK(immuta_close(other, ERR));
  immuta_codec_free(codec);
  immuta_codec_free(inner);
}

/* ---- Destruction ---- */

static void a_codec_is_destroyed_once_when_nothing_uses_it(void) {
  inverter self = {.mark = 'i'};
  immuta_codec *codec = custom(&self, INVERTER_ID);
  immuta_codec_free(codec);
  CHECK_EQ(self.destroyed, 1);

  codec = custom(&self, INVERTER_ID);
  immuta_options *options = check_options((check_setup){.codecs = {codec, codec}});
  immuta_codec_free(codec);
  immuta_log *log = NULL;
  CHECK_OK(immuta_open(check_dir(), options, &log, ERR));
  immuta_options_free(options);
  CHECK_OK(immuta_append(log, 0, "text", 4, NULL, ERR));
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record;
  CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
  CHECK_OK(immuta_close(log, ERR));
  CHECK_EQ(self.destroyed, 1); /* the stream still has it */
  immuta_stream_done(stream);
  CHECK_EQ(self.destroyed, 2);
  CHECK_BYTES(record.data, record.size, "text", 4); /* the record needs it no more */
  CHECK_OK(immuta_record_done(&record));
  CHECK_EQ(self.destroyed, 2);
}

static void a_codec_that_cannot_be_made_is_destroyed_too(void) {
  inverter self = {0};
  const immuta_codec_vtable good = inverter_vtable(&self, INVERTER_ID);
  char too_long[66];
  memset(too_long, 'x', 65);
  too_long[65] = 0;
  immuta_codec_vtable bad[9];
  for (size_t i = 0; i < CHECK_COUNT(bad); i++) bad[i] = good;
  bad[0].id = 0xffff;
  bad[1].name = NULL;
  bad[2].name = "";
  bad[3].name = "a\tb";
  bad[4].name = "\xff";
  bad[5].name = too_long;
  bad[6].encode = NULL;
  bad[7].decode = NULL;
  bad[8].reserved = 1;
  uint64_t destroyed = 0;
  immuta_codec *codec = NULL;
  for (size_t i = 0; i < CHECK_COUNT(bad); i++) {
    CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_codec_custom(&bad[i], &codec, ERR));
    CHECK_EQ(self.destroyed, ++destroyed);
  }
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_codec_custom(&good, NULL, ERR));
  CHECK_EQ(self.destroyed, ++destroyed);
  const struct {
    immuta_codec_vtable known;
    uint64_t more;
  } newer = {.known = {sizeof newer, INVERTER_ID, 0, "x", &self, inverter_encode, inverter_decode, inverter_destroy}};
  CHECK_STATUS(IMMUTA_E_VERSION, immuta_codec_custom(&newer.known, &codec, ERR));
  CHECK_EQ(self.destroyed, ++destroyed);
  immuta_codec_vtable small = good; /* too small to be read: nothing is known of it */
  small.struct_size--;
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_codec_custom(&small, &codec, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_codec_custom(NULL, &codec, ERR));
  CHECK_EQ(self.destroyed, destroyed);
  CHECK(codec == NULL);
}

static void in_a_child(void *codec) {
  immuta_options *options = immuta_options_new();
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_options_add_codec(options, codec));
  immuta_options_free(options);
  immuta_codec_free(codec);
}

static void a_forked_child_destroys_nothing(void) {
  inverter *self = mmap(NULL, sizeof *self, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(self != MAP_FAILED);
  immuta_codec *codec = custom(self, INVERTER_ID);
  check_process_succeeds(check_fork(in_a_child, codec));
  CHECK_EQ(self->destroyed, 0);
  immuta_codec_free(codec);
  CHECK_EQ(self->destroyed, 1);
}

/* ---- Arguments ---- */

static void levels_and_kinds_have_bounds(void) {
  const struct {
    int32_t kind, level;
  } bad[] = {{0, 0},  {5, 0},  {-1, 0}, {INT32_MIN, 0}, {IMMUTA_CODEC_DEFLATE, -1}, {IMMUTA_CODEC_DEFLATE, 10},
             {IMMUTA_CODEC_LZ4, 1}, {IMMUTA_CODEC_SNAPPY, -1}};
  immuta_codec *codec = NULL;
  for (size_t i = 0; i < CHECK_COUNT(bad); i++)
    CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_codec_builtin(bad[i].kind, bad[i].level, &codec, ERR));
  if (has_zstd()) {
    CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_codec_builtin(IMMUTA_CODEC_ZSTD, 23, &codec, ERR));
    CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_codec_builtin(IMMUTA_CODEC_ZSTD, -8, &codec, ERR));
    immuta_codec_free(builtin(IMMUTA_CODEC_ZSTD, 22));
    immuta_codec_free(builtin(IMMUTA_CODEC_ZSTD, -7));
  } else {
    CHECK_STATUS(IMMUTA_E_UNSUPPORTED, immuta_codec_builtin(IMMUTA_CODEC_ZSTD, 0, &codec, ERR));
    CHECK_MESSAGE("zstd");
  }
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_codec_builtin(IMMUTA_CODEC_LZ4, 0, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_codec_external(0xffff, "x", &codec, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_codec_external(0x10000, NULL, &codec, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_codec_external(0x10000, "", &codec, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_codec_external(0x10000, "x", NULL, ERR));
  CHECK(codec == NULL);
  immuta_codec_free(NULL);
}

static void a_chain_has_at_most_16_codecs(void) {
  immuta_options *options = immuta_options_new();
  immuta_codec *lz4 = builtin(IMMUTA_CODEC_LZ4, 0);
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_add_codec(options, NULL));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_add_codec(NULL, lz4));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_options_add_codec(options, (immuta_codec *)options));
  for (int i = 0; i < 16; i++) CHECK_OK(immuta_options_add_codec(options, lz4));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_add_codec(options, lz4));
  CHECK_OK(immuta_options_add_namespace(options, "a"));
  immuta_log *log = NULL;
  CHECK_OK(immuta_open(check_dir(), options, &log, ERR));
  immuta_options_free(options);
  immuta_codec_free(lz4);
  check_append(log, 0, 1000, 1);
  CHECK_OK(immuta_close(log, ERR));
  log = OPEN(.read_only = 1);
  immuta_stream *stream = check_stream(log, 0, 0);
  check_next(stream, 0, 1000, 1);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static const check_case cases[] = {
    CASE(a_failing_encoder_appends_nothing),
    CASE(a_failing_decoder_fails_its_record_only),
    CASE(a_batch_ends_before_the_record_that_fails),
    CASE(an_encoder_past_the_limit_is_stopped_whatever_it_returns),
    CASE(a_decoder_past_the_limit_is_stopped_whatever_it_returns),
    CASE(a_sink_is_for_its_call_and_its_thread),
    CASE(a_codec_may_use_other_logs),
    CASE(a_codec_is_destroyed_once_when_nothing_uses_it),
    CASE(a_codec_that_cannot_be_made_is_destroyed_too),
    CASE(a_forked_child_destroys_nothing),
    CASE(levels_and_kinds_have_bounds),
    CASE(a_chain_has_at_most_16_codecs),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
