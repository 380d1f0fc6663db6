/* Compresses what is appended: by Zstandard (or what is asked for) and, after it, by a codec of this program's own.
 *
 *   compress DIRECTORY [deflate|zstd|lz4|snappy]      appends the lines of standard input to the namespace "lines"
 *
 * Run it again without input to see that they are still there. The log remembers which codecs it has: another built-in
 * one, or none, is refused with IMMUTA_E_CODEC. */
#include <immuta.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(immuta_status status, const immuta_error *error) {
  if (status == IMMUTA_OK) return;
  fprintf(stderr, "%s: %s\n", immuta_status_name(status), error->message);
  exit(EXIT_FAILURE);
}

/* ---- The program's own codec: every byte XORed with one of a key. It hides nothing; it shows how one is made. ---- */

#define SCRAMBLE_ID 0x10001 /* recorded in the log: the same transformation for ever */

/* Both directions are the same here. Output may be written in as many pieces as is convenient. */
static int32_t scramble(void *user, const void *data, size_t size, immuta_sink *out) {
  const char *key = user;
  const unsigned char *bytes = data;
  unsigned char piece[256];
  for (size_t i = 0; i < size;) {
    size_t count = 0;
    for (; count < sizeof piece && i < size; count++, i++)
      piece[count] = (unsigned char)(bytes[i] ^ (unsigned char)key[i % strlen(key)]);
    immuta_status status = immuta_sink_write(out, piece, count);
    if (status != IMMUTA_OK) return status; /* too large, or no memory: the append or the read says so */
  }
  return 0;
}

static void add_scramble(immuta_options *options, immuta_error *error) {
  char *key = malloc(7);
  if (key == NULL) exit(EXIT_FAILURE);
  memcpy(key, "immuta", 7);
  const immuta_codec_vtable vtable = {.struct_size = sizeof vtable,
                                      .id = SCRAMBLE_ID,
                                      .name = "scramble",
                                      .user = key,
                                      .encode = scramble,
                                      .decode = scramble,
                                      .destroy = free}; /* once nothing uses the codec any more */
  immuta_codec *codec = NULL;
  must(immuta_codec_custom(&vtable, &codec, error), error);
  if (immuta_options_add_codec(options, codec) != IMMUTA_OK) exit(EXIT_FAILURE);
  immuta_codec_free(codec); /* the options, and then the log, hold it */
}

/* ---- A built-in one ---- */

static void add_builtin(immuta_options *options, const char *name, immuta_error *error) {
  static const char *const names[] = {"deflate", "zstd", "lz4", "snappy"}; /* in the order of their numbers, from 1 */
  int32_t kind = 0;
  for (int32_t i = 0; i < 4; i++)
    if (strcmp(name, names[i]) == 0) kind = i + 1;
  immuta_codec *codec = NULL;
  must(immuta_codec_builtin(kind, 0, &codec, error), error);
  if (immuta_options_add_codec(options, codec) != IMMUTA_OK) exit(EXIT_FAILURE);
  immuta_codec_free(codec);
}

/* Prints the first record, how many there are, and what they take up. */
static void print_log(immuta_log *log, immuta_error *error) {
  uint64_t count = 0, size = 0, stored_size = 0;
  immuta_stream *stream = NULL;
  immuta_record record;
  must(immuta_stream_open(log, 0, 0, &stream, error), error);
  for (;;) {
    immuta_status status = immuta_stream_next(stream, 0, &record, error);
    if (status == IMMUTA_TIMEOUT) break; /* the end */
    must(status, error);
    count++;
    size += record.size;
    stored_size += record.stored_size;
    if (count == 1) printf("first: %.*s\n", (int)record.size, (const char *)record.data);
    immuta_record_done(&record);
  }
  printf("%" PRIu64 " records, %" PRIu64 " bytes, stored in %" PRIu64 "\n", count, size, stored_size);
  immuta_stream_done(stream);
}

int main(int argc, char **argv) {
  if (argc < 2 || argc > 3) {
    fprintf(stderr, "usage: %s DIRECTORY [deflate|zstd|lz4|snappy]\n", argv[0]);
    return EXIT_FAILURE;
  }
  immuta_error error = {0};
  immuta_options *options = immuta_options_new();
  if (options == NULL || immuta_options_add_namespace(options, "lines") != IMMUTA_OK) return EXIT_FAILURE;
  add_builtin(options, argc == 3 ? argv[2] : "zstd", &error);
  add_scramble(options, &error);

  immuta_log *log = NULL;
  must(immuta_open(argv[1], options, &log, &error), &error);
  immuta_options_free(options);

  char line[4096];
  while (fgets(line, sizeof line, stdin) != NULL)
    must(immuta_append(log, 0, line, strcspn(line, "\n"), NULL, &error), &error);
  print_log(log, &error);
  must(immuta_close(log, &error), &error);
  return EXIT_SUCCESS;
}
