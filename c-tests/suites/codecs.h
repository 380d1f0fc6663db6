/* What the suites about codecs share: the built-in ones of this build, and a custom one that counts and misbehaves on
 * request. */
#ifndef IMMUTA_CODECS_H
#define IMMUTA_CODECS_H
#include "check.h"

static inline immuta_codec *builtin(int32_t kind, int32_t level) {
  immuta_codec *codec = NULL;
  CHECK_OK(immuta_codec_builtin(kind, level, &codec, ERR));
  CHECK(codec != NULL);
  return codec;
}

/* Whether the library was built with Zstandard. */
static inline int has_zstd(void) {
  immuta_codec *codec = NULL;
  immuta_status status = immuta_codec_builtin(IMMUTA_CODEC_ZSTD, 0, &codec, NULL);
  CHECK(status == IMMUTA_OK || status == IMMUTA_E_UNSUPPORTED);
  immuta_codec_free(codec);
  return status == IMMUTA_OK;
}

/* The built-in kinds of this build, 0 after the last. */
static inline const int32_t *kinds(void) {
  static const int32_t all[] = {IMMUTA_CODEC_ZSTD, IMMUTA_CODEC_DEFLATE, IMMUTA_CODEC_LZ4, IMMUTA_CODEC_SNAPPY, 0};
  return has_zstd() ? all : all + 1;
}

/* ---- A custom codec: inverts every byte, and puts a mark in front so that it knows its own bytes ---- */

typedef struct inverter {
  _Atomic uint64_t encoded, decoded, destroyed;
  int32_t encode_returns, decode_returns; /* what the function ends with when it is done */
  size_t extra;                           /* bytes written beyond what is due */
  int ignores;                            /* goes on after a refusal, and returns 0 */
  immuta_status refused;                  /* what the sink answered last that was not IMMUTA_OK */
  unsigned char mark;
} inverter;

static inline int32_t inverter_write(inverter *self, const void *data, size_t size, immuta_sink *out) {
  immuta_status status = immuta_sink_write(out, data, size);
  if (status == IMMUTA_OK) return 0;
  self->refused = status;
  return self->ignores ? 0 : status;
}

static inline int32_t invert(inverter *self, const unsigned char *data, size_t size, immuta_sink *out) {
  for (size_t i = 0; i < size;) {
    unsigned char piece[1000];
    size_t count = 0;
    while (count < sizeof piece && i < size) piece[count++] = (unsigned char)~data[i++];
    if (inverter_write(self, piece, count, out) != 0) return -1;
  }
  for (size_t i = 0; i < self->extra; i++)
    if (inverter_write(self, "x", 1, out) != 0) return -1;
  return 0;
}

static inline int32_t inverter_encode(void *user, const void *data, size_t size, immuta_sink *out) {
  inverter *self = user;
  self->encoded++;
  CHECK(data != NULL);
  if (inverter_write(self, &self->mark, 1, out) != 0 || invert(self, data, size, out) != 0) return -1;
  return self->encode_returns;
}

static inline int32_t inverter_decode(void *user, const void *data, size_t size, immuta_sink *out) {
  inverter *self = user;
  const unsigned char *bytes = data;
  self->decoded++;
  CHECK(data != NULL);
  if (size == 0 || bytes[0] != self->mark) return 4711;
  if (invert(self, bytes + 1, size - 1, out) != 0) return -1;
  return self->decode_returns;
}

static inline void inverter_destroy(void *user) { ((inverter *)user)->destroyed++; }

enum { INVERTER_ID = 0x12345 };

static inline immuta_codec_vtable inverter_vtable(inverter *self, uint32_t id) {
  return (immuta_codec_vtable){.struct_size = sizeof(immuta_codec_vtable),
                               .id = id,
                               .name = "inverter",
                               .user = self,
                               .encode = inverter_encode,
                               .decode = inverter_decode,
                               .destroy = inverter_destroy};
}

static inline immuta_codec *custom(inverter *self, uint32_t id) {
  immuta_codec *codec = NULL;
  immuta_codec_vtable vtable = inverter_vtable(self, id);
  CHECK_OK(immuta_codec_custom(&vtable, &codec, ERR));
  CHECK(codec != NULL);
  return codec;
}

/* Opens with this one codec (NULL: none), which the caller keeps. */
static inline immuta_log *open_with(immuta_codec *codec) { return OPEN(.codecs = {codec}); }

#endif
