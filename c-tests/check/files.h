/* The case's directory, whole files in and out, and deterministic bytes. */
#ifndef IMMUTA_CHECK_FILES_H
#define IMMUTA_CHECK_FILES_H
#include "check/assert.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

static char check_directory[512];

/* The case's own directory: fresh, empty, removed afterwards. */
static inline const char *check_dir(void) { return check_directory; }

/* `name` inside the case's directory. The last 8 results of a thread stay valid. */
static inline const char *check_path(const char *name) {
  static _Thread_local char paths[8][1024];
  static _Thread_local unsigned next;
  char *path = paths[next++ % 8];
  CHECK(snprintf(path, sizeof paths[0], "%s/%s", check_directory, name) < (int)sizeof paths[0]);
  return path;
}

typedef struct check_file {
  unsigned char *data; /* free() it */
  size_t size;
} check_file;

static inline check_file check_read_file(const char *path) {
  FILE *stream = fopen(path, "rb");
  if (stream == NULL) printf("\n    cannot read %s: %s", path, strerror(errno));
  CHECK(stream != NULL);
  struct stat status;
  CHECK(fstat(fileno(stream), &status) == 0);
  check_file file = {malloc((size_t)status.st_size + 1), (size_t)status.st_size};
  CHECK(file.data != NULL);
  CHECK_EQ(fread(file.data, 1, file.size, stream), file.size);
  fclose(stream);
  return file;
}

static inline void check_write_file(const char *path, const void *data, size_t size) {
  FILE *stream = fopen(path, "wb");
  if (stream == NULL) printf("\n    cannot write %s: %s", path, strerror(errno));
  CHECK(stream != NULL);
  if (size > 0) CHECK_EQ(fwrite(data, 1, size, stream), size);
  CHECK(fclose(stream) == 0);
}

static inline void check_copy_file(const char *from, const char *to) {
  check_file file = check_read_file(from);
  check_write_file(to, file.data, file.size);
  free(file.data);
}

static inline int check_exists(const char *path) {
  struct stat status;
  return lstat(path, &status) == 0;
}

static inline uint64_t check_file_size(const char *path) {
  struct stat status;
  CHECK(stat(path, &status) == 0);
  return (uint64_t)status.st_size;
}

/* The names in a directory, sorted, each followed by a space; free() it. */
static inline char *check_listing(const char *directory) {
  struct dirent **entries;
  int count = scandir(directory, &entries, NULL, alphasort);
  CHECK(count >= 0);
  char *names = calloc((size_t)count + 1, sizeof entries[0]->d_name + 1);
  CHECK(names != NULL);
  for (int i = 0; i < count; free(entries[i++]))
    if (entries[i]->d_name[0] != '.') strcat(strcat(names, entries[i]->d_name), " ");
  free(entries);
  return names;
}

/* Overwrites bytes of a file in place, as damage does. */
static inline void check_patch_file(const char *path, uint64_t offset, const void *data, size_t size) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  CHECK(fd >= 0);
  CHECK_EQ(pwrite(fd, data, size, (off_t)offset), size);
  close(fd);
}

/* Little-endian integers at `p`, as the formats store them. */
static inline uint64_t check_u64(const unsigned char *p) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; i--) value = value << 8 | p[i];
  return value;
}

static inline uint32_t check_u32(const unsigned char *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The generator of golden/README: the same bytes for the same seed, in every suite and in the golden files. */
static inline void check_fill(void *buffer, size_t size, uint64_t seed) {
  unsigned char *bytes = buffer;
  for (size_t i = 0; i < size; i++) {
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    bytes[i] = (unsigned char)(seed >> 56);
  }
}

/* Whether `data` is what check_fill writes for `seed`. */
static inline int check_is_fill(const void *data, size_t size, uint64_t seed) {
  const unsigned char *bytes = data;
  for (size_t i = 0; i < size; i++) {
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    if (bytes[i] != (unsigned char)(seed >> 56)) return 0;
  }
  return 1;
}

#endif
