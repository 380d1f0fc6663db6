/* The bare loops: what any library must do for libimmuta's files, and nothing else. Fast: stores into two mappings;
 * with --variant pwrite three calls of pwrite. In sustained runs, beside an fdatasync of both files each second.
 * Durable: one pwrite and one fdatasync for each record, into a file of zeros. */
#define _GNU_SOURCE
#include "peer.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

uint32_t crc32c(const void *data, size_t size); /* crc32c.c of the other benchmark */

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#define HEADER_BYTES 8u
#define ENTRY_BYTES 24u
#define POPULATE_STEP_BYTES ((uint64_t)1 << 20)
#define FALLOCATE_STEP_BYTES ((uint64_t)64 << 20)
#define ADDRESS_SPACE_BYTES ((uint64_t)1 << 38)
#define RECORD_BYTES_MAX 131072u
#define ZEROED_BYTES ((uint64_t)16 << 20) /* as long as libimmuta's journal */

typedef struct mapped_file {
  int descriptor;
  unsigned char *bytes;
  uint64_t populated, allocated;
} mapped_file;

typedef struct bare {
  mapped_file log, index;
  uint64_t count, end;
  int64_t time_ns;
  int durable, by_pwrite;
  atomic_uint_fast64_t claimed; /* bytes of the durable file */
} bare;

static int open_file(const char *directory, const char *name, int flags) {
  char path[4096];
  if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path) die("path too long");
  const int descriptor = open(path, flags | O_CLOEXEC, 0666);
  if (descriptor < 0) die("cannot open %s", path);
  return descriptor;
}

static mapped_file map_file(const char *directory, const char *name, int flags, int protection) {
  mapped_file file = {.descriptor = open_file(directory, name, flags)};
  file.bytes = mmap(NULL, ADDRESS_SPACE_BYTES, protection, MAP_SHARED, file.descriptor, 0);
  if (file.bytes == MAP_FAILED) die("cannot map %s", name);
  madvise(file.bytes, ADDRESS_SPACE_BYTES, MADV_HUGEPAGE);
  return file;
}

static void unmap_file(mapped_file *file) {
  munmap(file->bytes, ADDRESS_SPACE_BYTES);
  close(file->descriptor);
}

/* Room is made before it is written, so that a full disk is an error and not a signal. A write of zeros makes pages
 * faster than faults do. */
static void make_room(mapped_file *file, uint64_t end) {
  static const unsigned char zeros[POPULATE_STEP_BYTES];
  while (file->populated < end) {
    if (file->allocated < file->populated + POPULATE_STEP_BYTES) {
      if (posix_fallocate(file->descriptor, (off_t)file->allocated, FALLOCATE_STEP_BYTES) != 0) die("no room");
      file->allocated += FALLOCATE_STEP_BYTES;
    }
    if (pwrite(file->descriptor, zeros, sizeof zeros, (off_t)file->populated) != (ssize_t)sizeof zeros) die("no room");
    if (madvise(file->bytes + file->populated, sizeof zeros, MADV_POPULATE_WRITE) != 0) die("no room");
    file->populated += POPULATE_STEP_BYTES;
  }
}

static void *open_log(const char *directory, mode how) {
  bare *self = calloc(1, sizeof *self);
  if (self == NULL) die("no memory");
  self->end = HEADER_BYTES;
  self->durable = how == DURABLE;
  self->by_pwrite = !self->durable && strcmp(variant, "pwrite") == 0;
  if (!self->durable) {
    self->log = map_file(directory, "bare.log", O_RDWR | O_CREAT | O_EXCL, PROT_READ | PROT_WRITE);
    self->index = map_file(directory, "bare.idx", O_RDWR | O_CREAT | O_EXCL, PROT_READ | PROT_WRITE);
    return self;
  }
  static const unsigned char zeros[1 << 20];
  self->log.descriptor = open_file(directory, "bare.wal", O_RDWR | O_CREAT | O_EXCL);
  for (uint64_t at = 0; at < ZEROED_BYTES; at += sizeof zeros)
    if (pwrite(self->log.descriptor, zeros, sizeof zeros, (off_t)at) != sizeof zeros) die("cannot write");
  if (fsync(self->log.descriptor) != 0) die("cannot sync");
  return self;
}

/* An entry has offset, time and checksum of the record, and a checksum that binds the entry to log and number. */
static void store_entry(unsigned char *entry, uint64_t number, uint64_t offset, int64_t time_ns, uint32_t record_crc) {
  static const unsigned char log_id[16] = "sixteen bytes..";
  unsigned char bound[44];
  memcpy(bound, log_id, 16);
  memcpy(bound + 16, &number, 8);
  memcpy(bound + 24, &offset, 8);
  memcpy(bound + 32, &time_ns, 8);
  memcpy(bound + 40, &record_crc, 4);
  const uint32_t entry_crc = crc32c(bound, sizeof bound);
  memcpy(entry, bound + 24, 20);
  memcpy(entry + 20, &entry_crc, 4);
}

/* Written whole: short writes do not happen to files below their limit. */
static void put(int descriptor, const void *bytes, size_t size, uint64_t at) {
  if (pwrite(descriptor, bytes, size, (off_t)at) != (ssize_t)size) die("cannot write");
}

/* Size word and payload of the next record, in `record`; its entry in `entry`. */
static void fill(bare *self, unsigned char *record, unsigned char *entry, const void *data, uint64_t size) {
  memcpy(record, &size, 8);
  memcpy(record + 8, data, size);
  struct timespec clock;
  clock_gettime(CLOCK_REALTIME, &clock);
  const int64_t clock_ns = (int64_t)clock.tv_sec * 1000000000 + clock.tv_nsec;
  if (clock_ns > self->time_ns) self->time_ns = clock_ns; /* times never decrease */
  store_entry(entry, self->count, self->end, self->time_ns, crc32c(record, 8 + size));
}

static void stage(bare *self, const void *data, uint64_t size) {
  const uint64_t entry_at = self->count * ENTRY_BYTES;
  if (self->by_pwrite) {
    static unsigned char record[8 + RECORD_BYTES_MAX];
    unsigned char entry[ENTRY_BYTES];
    fill(self, record, entry, data, size);
    put(self->log.descriptor, record, 8 + size, self->end);
    put(self->index.descriptor, entry, sizeof entry, entry_at);
  } else {
    make_room(&self->log, self->end + 8 + size);
    make_room(&self->index, entry_at + ENTRY_BYTES);
    fill(self, self->log.bytes + self->end, self->index.bytes + entry_at, data, size);
  }
  self->end += 8 + size;
  self->count++;
}

static void commit(bare *self) {
  if (self->by_pwrite) {
    put(self->log.descriptor, &self->count, sizeof self->count, 0);
    return;
  }
  atomic_store_explicit((_Atomic uint64_t *)(void *)self->log.bytes, self->count, memory_order_release);
  atomic_thread_fence(memory_order_seq_cst);
}

static void append_durable(bare *self, const void *data, uint64_t size) {
  unsigned char record[8 + RECORD_BYTES_MAX];
  const uint64_t at = atomic_fetch_add(&self->claimed, 8 + size);
  if (at + 8 + size > ZEROED_BYTES) die("the durable file has room for 16 MiB");
  memcpy(record, &size, 8);
  memcpy(record + 8, data, size);
  put(self->log.descriptor, record, 8 + size, at);
  if (fdatasync(self->log.descriptor) != 0) die("cannot sync");
}

static void append(void *log, const void *data, size_t size) {
  bare *self = log;
  if (self->durable) {
    append_durable(self, data, size);
  } else {
    stage(self, data, size);
    commit(self);
  }
}

static void append_batch(void *log, const void *const *payloads, size_t count, size_t size) {
  for (size_t i = 0; i < count; i++) stage(log, payloads[i], size);
  commit(log);
}

static void sync_log(void *log) {
  bare *self = log;
  if (fdatasync(self->log.descriptor) != 0 || fdatasync(self->index.descriptor) != 0) die("cannot sync");
}

static void close_log(void *log) {
  bare *self = log;
  if (self->durable) {
    close(self->log.descriptor);
  } else {
    unmap_file(&self->log);
    unmap_file(&self->index);
  }
  free(self);
}

static void *open_reader(const char *directory) {
  bare *self = calloc(1, sizeof *self);
  char path[4096];
  if (self == NULL) die("no memory");
  snprintf(path, sizeof path, "%s/bare.wal", directory);
  self->durable = access(path, F_OK) == 0;
  self->log = map_file(directory, self->durable ? "bare.wal" : "bare.log", O_RDONLY, PROT_READ);
  if (!self->durable) self->index = map_file(directory, "bare.idx", O_RDONLY, PROT_READ);
  return self;
}

/* The durable file has sizes and payloads only, and ends at a size of 0. */
static void read_durable(bare *self, visit_record visit, void *context) {
  for (uint64_t at = 0, size; at < ZEROED_BYTES; at += 8 + size) {
    memcpy(&size, self->log.bytes + at, 8);
    if (size == 0) break;
    visit(context, self->log.bytes + at + 8, size);
  }
}

static void read_records(void *log, visit_record visit, void *context) {
  bare *self = log;
  if (self->durable) {
    read_durable(self, visit, context);
    return;
  }
  uint64_t count, size;
  uint64_t at = HEADER_BYTES;
  memcpy(&count, self->log.bytes, 8);
  for (uint64_t number = 0; number < count; number++, at += 8 + size) {
    uint32_t expected_crc;
    memcpy(&size, self->log.bytes + at, 8);
    memcpy(&expected_crc, self->index.bytes + number * ENTRY_BYTES + 16, 4);
    if (crc32c(self->log.bytes + at, 8 + size) != expected_crc) die("a record is damaged");
    visit(context, self->log.bytes + at + 8, size);
  }
}

static void close_reader(void *log) {
  bare *self = log;
  unmap_file(&self->log);
  if (!self->durable) unmap_file(&self->index);
  free(self);
}

const peer the_peer = {
    .open = open_log,
    .append = append,
    .append_batch = append_batch,
    .sync = sync_log,
    .close = close_log,
    .open_reader = open_reader,
    .read = read_records,
    .close_reader = close_reader,
    .shares_appends = 1, /* durable ones only */
};
