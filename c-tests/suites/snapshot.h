/* What a directory holds, so that a test can say: nothing changed. NAME.live is left out: it is never part of the log,
 * and every process that waits writes it. */
#ifndef IMMUTA_SNAPSHOT_H
#define IMMUTA_SNAPSHOT_H
#include "check.h"

enum { CHECK_SNAPSHOT_FILES_MAX = 32 };

typedef struct check_snapshot {
  size_t count;
  struct {
    char name[256];
    mode_t kind;
    uint64_t size, hash;
  } files[CHECK_SNAPSHOT_FILES_MAX];
} check_snapshot;

static inline uint64_t check_hash_file(const char *path) {
  check_file file = check_read_file(path);
  uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
  for (size_t i = 0; i < file.size; i++) hash = (hash ^ file.data[i]) * UINT64_C(0x100000001b3);
  free(file.data);
  return hash;
}

static inline int check_snapshot_wants(const struct dirent *entry) {
  size_t length = strlen(entry->d_name);
  int is_live = length > 5 && strcmp(entry->d_name + length - 5, ".live") == 0;
  return !is_live && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* The files of `directory`, by name. */
static inline check_snapshot check_snapshot_of(const char *directory) {
  check_snapshot snapshot = {0};
  struct dirent **entries = NULL;
  int count = scandir(directory, &entries, check_snapshot_wants, alphasort);
  CHECK(count >= 0 && count <= CHECK_SNAPSHOT_FILES_MAX);
  for (int i = 0; i < count; i++) {
    char path[1024];
    struct stat status;
    CHECK(snprintf(path, sizeof path, "%s/%s", directory, entries[i]->d_name) < (int)sizeof path);
    CHECK(lstat(path, &status) == 0);
    snprintf(snapshot.files[i].name, sizeof snapshot.files[i].name, "%s", entries[i]->d_name);
    snapshot.files[i].kind = status.st_mode & S_IFMT;
    if (S_ISREG(status.st_mode)) {
      snapshot.files[i].size = (uint64_t)status.st_size;
      snapshot.files[i].hash = check_hash_file(path);
    }
    free(entries[i]);
  }
  free(entries);
  snapshot.count = (size_t)count;
  return snapshot;
}

/* Ends the case unless `directory` holds the same names with the same bytes. */
static inline void check_snapshot_same(const check_snapshot *before, const char *directory) {
  check_snapshot now = check_snapshot_of(directory);
  for (size_t i = 0; i < now.count && i < before->count; i++) {
    CHECK_STR(now.files[i].name, before->files[i].name);
    CHECK_EQ(now.files[i].kind, before->files[i].kind);
    if (now.files[i].hash != before->files[i].hash) printf("\n    %s changed", now.files[i].name);
    CHECK_EQ(now.files[i].size, before->files[i].size);
    CHECK_EQ(now.files[i].hash, before->files[i].hash);
  }
  CHECK_EQ(now.count, before->count);
}

static inline check_snapshot check_snapshot_take(void) { return check_snapshot_of(check_dir()); }
static inline void check_snapshot_unchanged(const check_snapshot *before) { check_snapshot_same(before, check_dir()); }

#endif
