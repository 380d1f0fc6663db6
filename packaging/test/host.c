/* A program in which libimmuta.a is not the only library: each must keep to its own functions.
 *
 *   host DIRECTORY      appends a record through the codec Zstandard, reads it back, and prints who was there
 *
 * With HOST_ZSTD it calls the Zstandard library that it is linked with, with HOST_RUST a second Rust library. */
#include <immuta.h>
#include <stdio.h>
#include <string.h>

static char text[100000];

#ifdef HOST_ZSTD
#include <zstd.h>

static char compressed[200000], decompressed[sizeof text];

/* Whether the Zstandard library of this program is the one its header belongs to, and works. */
static int zstd_works(void) {
  if (ZSTD_versionNumber() != ZSTD_VERSION_NUMBER) return 0;
  size_t size = ZSTD_compress(compressed, sizeof compressed, text, sizeof text, 19);
  if (ZSTD_isError(size) || size >= sizeof text / 10) return 0;
  return ZSTD_decompress(decompressed, sizeof decompressed, compressed, size) == sizeof text &&
         memcmp(text, decompressed, sizeof text) == 0;
}
#endif

#ifdef HOST_RUST
int second_works(void);
#endif

static int run(const char *directory, immuta_error *error) {
  immuta_options *options = immuta_options_new();
  immuta_codec *codec = NULL;
  immuta_log *log = NULL;
  immuta_stream *stream = NULL;
  immuta_record record;
  immuta_appended appended = {0};
  immuta_status status = immuta_codec_builtin(IMMUTA_CODEC_ZSTD, 0, &codec, error);
  if (status == IMMUTA_OK) status = immuta_options_add_codec(options, codec);
  if (status == IMMUTA_OK) status = immuta_options_add_namespace(options, "host");
  if (status == IMMUTA_OK) status = immuta_open(directory, options, &log, error);
  if (status == IMMUTA_OK) status = immuta_append(log, 0, text, sizeof text, &appended, error);
  if (status == IMMUTA_OK) status = immuta_stream_open(log, 0, 0, &stream, error);
  if (status == IMMUTA_OK) status = immuta_stream_next(stream, 0, &record, error);
  if (status == IMMUTA_OK) {
    int same = record.size == sizeof text && memcmp(record.data, text, sizeof text) == 0;
    immuta_record_done(&record);
    if (!same || appended.stored_size >= sizeof text / 10) status = IMMUTA_E_CODEC_FAILED;
  }
  immuta_stream_done(stream);
  immuta_codec_free(codec);
  immuta_options_free(options);
  if (status == IMMUTA_OK) status = immuta_close(log, error);
  return status;
}

int main(int argc, char **argv) {
  immuta_error error = {0};
  for (size_t i = 0; i < sizeof text; i++) text[i] = "libimmuta keeps to its own functions. "[i % 38];
  immuta_status status = argc == 2 ? run(argv[1], &error) : IMMUTA_E_ARGUMENT;
  if (status != IMMUTA_OK) {
    fprintf(stderr, "%s: %s\n", immuta_status_name(status), error.message);
    return 1;
  }
  printf("immuta");
#ifdef HOST_ZSTD
  printf(zstd_works() ? " zstd" : " ZSTD OF ANOTHER VERSION");
#endif
#ifdef HOST_RUST
  printf(second_works() ? " rust" : " RUST FAILED");
#endif
  puts("");
  return 0;
}
