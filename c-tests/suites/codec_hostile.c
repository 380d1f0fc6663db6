/* Built-in codecs against what they did not write: bombs, headers that claim much, frames cut off or followed by
 * more. */
#include "check.h"

#include "check/format.h"
#include "codecs.h"

/* ---- Bombs ---- */

enum { BOMB_BYTES = 48 << 20, LIMIT_BYTES = 1 << 20 };

/* The most memory this process has had mapped, in bytes. */
static uint64_t most_mapped(void) {
  FILE *status = fopen("/proc/self/status", "r");
  CHECK(status != NULL);
  uint64_t kib = 0;
  for (char line[256]; fgets(line, sizeof line, status) != NULL;)
    if (strncmp(line, "VmPeak:", 7) == 0) kib = strtoull(line + 7, NULL, 10);
  fclose(status);
  CHECK(kib > 0);
  return kib << 10;
}

static void a_bomb_fails_its_record_only(void) {
  for (const int32_t *kind = kinds(); *kind != 0; kind++) {
    char name[] = {(char)('a' + *kind), 0};
    unsigned char *zeros = calloc(1, BOMB_BYTES);
    CHECK(zeros != NULL);
    immuta_codec *codec = builtin(*kind, 0);
    immuta_log *log = OPEN(.names = {name}, .codecs = {codec, codec}); /* the second makes it smaller still */
    immuta_appended appended;
    CHECK_OK(immuta_append(log, 0, "before", 6, NULL, ERR));
    CHECK_OK(immuta_append(log, 0, zeros, BOMB_BYTES, &appended, ERR));
    CHECK(appended.stored_size < BOMB_BYTES / 200);
    CHECK_OK(immuta_append(log, 0, "after", 5, NULL, ERR));
    CHECK_OK(immuta_close(log, ERR));
    free(zeros);

    log = OPEN(.names = {name}, .max_record_size = LIMIT_BYTES);
    uint64_t before = most_mapped();
    immuta_stream *stream = check_stream(log, 0, 1);
    immuta_record record;
    CHECK_STATUS(IMMUTA_E_TOO_LARGE, immuta_stream_next(stream, 0, &record, ERR));
    CHECK_EQ(ERR->number, 1);
    CHECK_EQ(ERR->offset, appended.offset);
    CHECK(most_mapped() - before < 8 * LIMIT_BYTES + (64 << 20)); /* and the reader's window */
    CHECK_OK(immuta_stream_seek(stream, 2, ERR));
    CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
    CHECK_BYTES(record.data, record.size, "after", 5);
    CHECK_OK(immuta_record_done(&record));
    immuta_stream_done(stream);
    CHECK_OK(immuta_close(log, ERR));
    immuta_codec_free(codec);
  }
}

/* ---- Records of our own making, adopted with a codec ---- */

/* Reads record 0 of a log whose only record is stored as these bytes; what next answers. */
static immuta_status read_stored(int32_t kind, const void *stored, size_t size, uint64_t limit,
                                 immuta_record *record_out) {
  unlink(check_path("a.idx"));
  unlink(check_path("a.log"));
  image expected = image_new();
  image_add(&expected, stored, size);
  check_write_file(check_path("a.log"), expected.bytes, expected.size);
  free(expected.bytes);
  immuta_codec *codec = builtin(kind, 0);
  immuta_log *log = OPEN(.read_only = 1, .max_record_size = limit, .codecs = {codec});
  immuta_stream *stream = check_stream(log, 0, 0);
  check_error = (immuta_error){0};
  immuta_status status = immuta_stream_next(stream, 0, record_out, ERR);
  immuta_stream_done(stream);
  CHECK(immuta_close(log, NULL) == IMMUTA_OK); /* check_error keeps what next wrote */
  immuta_codec_free(codec);
  return status;
}

/* What a header claims is a number, not memory: with a limit that allows the claim, little is allocated. */
static void a_header_that_claims_much_allocates_little(void) {
  const struct {
    int32_t kind;
    immuta_status expected;
    size_t size;
    const char *stored;
  } frames[] = {
      /* Zstandard: a window of 2 GiB, 5 bytes; the same with a content size of 1 GiB; one block of 5 bytes that says
       * 1 GiB */
      {IMMUTA_CODEC_ZSTD, IMMUTA_OK, 14, "\x28\xb5\x2f\xfd\x00\xa8\x29\x00\x00hello"},
      {IMMUTA_CODEC_ZSTD, IMMUTA_E_CODEC_FAILED, 22,
       "\x28\xb5\x2f\xfd\xc0\xa8\x00\x00\x00\x40\x00\x00\x00\x00\x29\x00\x00hello"},
      {IMMUTA_CODEC_ZSTD, IMMUTA_E_CODEC_FAILED, 17, "\x28\xb5\x2f\xfd\xa0\x00\x00\x00\x40\x29\x00\x00hello"},
      /* LZ4: blocks of 4 MiB, 5 bytes; the same with a content size of 1 GiB; a block of 1 GiB */
      {IMMUTA_CODEC_LZ4, IMMUTA_OK, 20, "\x04\x22\x4d\x18\x40\x70\xdf\x05\x00\x00\x80hello\x00\x00\x00\x00"},
      {IMMUTA_CODEC_LZ4, IMMUTA_E_CODEC_FAILED, 28,
       "\x04\x22\x4d\x18\x68\x70\x00\x00\x00\x40\x00\x00\x00\x00\xe5\x05\x00\x00\x80hello\x00\x00\x00\x00"},
      {IMMUTA_CODEC_LZ4, IMMUTA_E_CODEC_FAILED, 20,
       "\x04\x22\x4d\x18\x40\x70\xdf\x00\x00\x00\x40hello\x00\x00\x00\x00"},
      /* Snappy: a chunk of 16 MiB; one whose content says 4 GiB */
      {IMMUTA_CODEC_SNAPPY, IMMUTA_E_CODEC_FAILED, 19, "\xff\x06\x00\x00sNaPpY\x00\xff\xff\xffhello"},
      {IMMUTA_CODEC_SNAPPY, IMMUTA_E_CODEC_FAILED, 23,
       "\xff\x06\x00\x00sNaPpY\x00\x09\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\x0f"},
  };
  immuta_record record;
  /* What the library makes only once, such as tables, is made before the measurement. */
  read_stored(IMMUTA_CODEC_DEFLATE, "", 0, UINT64_C(2) << 30, &record);
  uint64_t before = most_mapped();
  for (size_t i = 0; i < CHECK_COUNT(frames); i++) {
    if (frames[i].kind == IMMUTA_CODEC_ZSTD && !has_zstd()) continue;
    CHECK_STATUS(frames[i].expected,
                 read_stored(frames[i].kind, frames[i].stored, frames[i].size, UINT64_C(2) << 30, &record));
    if (frames[i].expected != IMMUTA_OK) continue;
    CHECK_BYTES(record.data, record.size, "hello", 5);
    CHECK_OK(immuta_record_done(&record));
  }
  CHECK(most_mapped() - before < 32 << 20);
  if (has_zstd()) /* a claim over the limit is believed */
    CHECK_STATUS(IMMUTA_E_TOO_LARGE,
                 read_stored(IMMUTA_CODEC_ZSTD, frames[1].stored, frames[1].size, 1 << 20, &record));
  CHECK_STATUS(IMMUTA_E_TOO_LARGE, read_stored(IMMUTA_CODEC_LZ4, frames[4].stored, frames[4].size, 1 << 20, &record));
}

/* A frame of the codec's own, cut off, or followed by another byte. */
static void a_frame_cut_off_or_followed_by_more_fails(void) {
  char text[3000];
  for (size_t i = 0; i < sizeof text; i++) text[i] = "the quick brown fox "[i % 20];
  for (const int32_t *kind = kinds(); *kind != 0; kind++) {
    immuta_codec *codec = builtin(*kind, 0);
    immuta_log *log = OPEN(.names = {"frame"}, .codecs = {codec});
    immuta_appended appended;
    CHECK_OK(immuta_append(log, 0, text, sizeof text, &appended, ERR));
    CHECK_OK(immuta_close(log, ERR));
    immuta_codec_free(codec);
    check_file file = check_read_file(check_path("frame.log"));
    size_t size = (size_t)appended.stored_size;
    unsigned char *frame = malloc(size + 1);
    CHECK(frame != NULL);
    memcpy(frame, file.data + 16, size);
    frame[size] = 0;
    free(file.data);
    immuta_record record;
    const size_t sizes[] = {0, 1, size / 2, size - 1, size + 1};
    /* No bytes are an empty Snappy stream. */
    for (size_t i = *kind == IMMUTA_CODEC_SNAPPY; i < CHECK_COUNT(sizes); i++) {
      CHECK_STATUS(IMMUTA_E_CODEC_FAILED, read_stored(*kind, frame, sizes[i], 1 << 20, &record));
      CHECK_EQ(ERR->number, 0);
      CHECK_EQ(ERR->offset, 8);
      CHECK_EQ(ERR->os_error, 0);
      CHECK_MESSAGE("a.log");
    }
    CHECK_OK(read_stored(*kind, frame, size, 1 << 20, &record));
    CHECK_BYTES(record.data, record.size, text, sizeof text);
    CHECK_OK(immuta_record_done(&record));
    free(frame);
    CHECK(unlink(check_path("frame.log")) == 0 && unlink(check_path("frame.idx")) == 0);
  }
}

/* Damaged bytes are reported before any codec sees them. */
static void damage_is_told_by_the_checksum_first(void) {
  inverter self = {.mark = 'i'};
  immuta_codec *codec = custom(&self, INVERTER_ID);
  immuta_log *log = open_with(codec);
  for (uint64_t i = 0; i < 3; i++) check_append(log, 0, 100, i);
  CHECK_OK(immuta_close(log, ERR));
  check_patch_file(check_path("a.log"), 8 + 109 + 8, "\xff", 1);
  for (int unverified = 0; unverified < 2; unverified++) {
    log = OPEN(.unverified = unverified, .codecs = {codec});
    immuta_stream *stream = check_stream(log, 0, 1);
    immuta_record record;
    CHECK_STATUS(unverified ? IMMUTA_E_CODEC_FAILED : IMMUTA_E_CORRUPT, immuta_stream_next(stream, 0, &record, ERR));
    CHECK_EQ(self.decoded, unverified);
    immuta_stream_done(stream);
    CHECK_OK(immuta_close(log, ERR));
  }
  immuta_codec_free(codec);
}

static const check_case cases[] = {
    CASE(a_bomb_fails_its_record_only),
    CASE(a_header_that_claims_much_allocates_little),
    CASE(a_frame_cut_off_or_followed_by_more_fails),
    CASE(damage_is_told_by_the_checksum_first),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
