/* The bare loops: what any library must do for these files, written down without a library. No locks, no limits, no
 * options, no errors handled beyond giving up. */
#define _GNU_SOURCE
#include "bench.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#define POPULATE_STEP_BYTES ((size_t)1 << 20)

typedef struct mapped_file {
  int descriptor;
  unsigned char *bytes;
  size_t size;
  size_t populated; /* bytes from the start whose pages are in place */
} mapped_file;

static void path_of(char *path, size_t capacity, const workload *work, const char *name) {
  if (snprintf(path, capacity, "%s/%s", work->directory, name) >= (int)capacity) die("path too long");
}

static mapped_file create_mapped(const workload *work, const char *name, size_t size) {
  char path[4096];
  path_of(path, sizeof path, work, name);
  size = (size + POPULATE_STEP_BYTES - 1) / POPULATE_STEP_BYTES * POPULATE_STEP_BYTES;
  mapped_file file = {.descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666), .size = size};
  if (file.descriptor < 0 || posix_fallocate(file.descriptor, 0, (off_t)size) != 0) die("cannot make %s", path);
  file.bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor, 0);
  if (file.bytes == MAP_FAILED) die("cannot map %s", path);
  return file;
}

static mapped_file open_mapped(const workload *work, const char *name) {
  char path[4096];
  struct stat status;
  path_of(path, sizeof path, work, name);
  mapped_file file = {.descriptor = open(path, O_RDONLY | O_CLOEXEC)};
  if (file.descriptor < 0 || fstat(file.descriptor, &status) != 0) die("cannot open %s", path);
  file.size = (size_t)status.st_size;
  file.bytes = mmap(NULL, file.size, PROT_READ, MAP_SHARED, file.descriptor, 0);
  if (file.bytes == MAP_FAILED) die("cannot map %s", path);
  return file;
}

static void unmap(mapped_file *file) {
  munmap(file->bytes, file->size);
  close(file->descriptor);
}

/* Room is made before it is written, so that a full disk is an error and not a signal. */
static void make_room(mapped_file *file, size_t end) {
  while (file->populated < end) {
    if (madvise(file->bytes + file->populated, POPULATE_STEP_BYTES, MADV_POPULATE_WRITE) != 0) die("no room");
    file->populated += POPULATE_STEP_BYTES;
  }
}

int64_t wall_clock_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

void store_entry(unsigned char *entry, uint64_t number, uint64_t offset, int64_t time_ns, uint32_t record_crc) {
  static const unsigned char log_id[16] = "sixteen bytes..";
  unsigned char bound[44];
  const uint64_t offset_and_batch_end = offset | UINT64_C(1) << 63;
  memcpy(bound, log_id, 16);
  memcpy(bound + 16, &number, 8);
  memcpy(bound + 24, &offset_and_batch_end, 8);
  memcpy(bound + 32, &time_ns, 8);
  memcpy(bound + 40, &record_crc, 4);
  const uint32_t entry_crc = crc32c(bound, sizeof bound);
  memcpy(entry, bound + 24, 20);
  memcpy(entry + 20, &entry_crc, 4);
}

double bare_append(const workload *work) {
  static _Atomic uint32_t sleepers; /* no thread sleeps; the library has to look, too */
  const size_t log_size = LOG_HEADER_BYTES + work->count * (8 + work->size);
  const size_t index_size = INDEX_HEADER_BYTES + work->count * INDEX_ENTRY_BYTES;
  const double start_ns = now_ns();
  mapped_file log = create_mapped(work, "bare.log", log_size);
  mapped_file index = create_mapped(work, "bare.idx", index_size);

  uint64_t end = LOG_HEADER_BYTES;
  int64_t time_ns = 0;
  for (uint64_t number = 0; number < work->count; number++) {
    const uint64_t size = work->size;
    unsigned char *entry = index.bytes + INDEX_HEADER_BYTES + number * INDEX_ENTRY_BYTES;
    make_room(&log, end + 8 + size);
    make_room(&index, INDEX_HEADER_BYTES + (number + 1) * INDEX_ENTRY_BYTES);

    unsigned char *record = log.bytes + end;
    memcpy(record, &size, 8);
    memcpy(record + 8, work->payload, size);
    const int64_t clock_ns = wall_clock_ns();
    if (clock_ns > time_ns) time_ns = clock_ns; /* times never decrease */
    store_entry(entry, number, end, time_ns, crc32c(record, 8 + size));

    atomic_store_explicit((_Atomic uint64_t *)(void *)log.bytes, number + 1, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&sleepers, memory_order_relaxed) != 0) die("somebody sleeps");
    end += 8 + size;
  }
  const double took_ns = now_ns() - start_ns;
  unmap(&log);
  unmap(&index);
  return took_ns;
}

double bare_read(const workload *work) {
  const double start_ns = now_ns();
  mapped_file log = open_mapped(work, "library.log");
  mapped_file index = open_mapped(work, "library.idx");
  uint64_t count, number = 0, offset = LOG_HEADER_BYTES;
  memcpy(&count, log.bytes, 8);
  for (; number < count; number++) {
    uint64_t size;
    uint32_t expected_crc;
    memcpy(&size, log.bytes + offset, 8);
    if (size > log.size - offset - 8) die("record %llu crosses the end", (unsigned long long)number);
    memcpy(&expected_crc, index.bytes + INDEX_HEADER_BYTES + number * INDEX_ENTRY_BYTES + 16, 4);
    if (crc32c(log.bytes + offset, 8 + size) != expected_crc) die("record %llu is damaged", (unsigned long long)number);
    offset += 8 + size;
  }
  const double took_ns = now_ns() - start_ns;
  if (number != work->count) die("read %llu records", (unsigned long long)number);
  unmap(&log);
  unmap(&index);
  return took_ns;
}
