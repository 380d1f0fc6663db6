/* The bare loops: what any library must do for these files, written down without a library. No locks, no limits, no
 * options, no errors handled beyond giving up. */
#define _GNU_SOURCE
#include "bare.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

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

mapped_file open_mapped(const workload *work, const char *name) {
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

void unmap(mapped_file *file) {
  munmap(file->bytes, file->size);
  close(file->descriptor);
}

void populate_step(int descriptor, unsigned char *bytes, uint64_t offset) {
  static const unsigned char zeros[POPULATE_STEP_BYTES];
  if (pwrite(descriptor, zeros, sizeof zeros, (off_t)offset) != (ssize_t)sizeof zeros) die("cannot write zeros");
  if (madvise(bytes + offset, sizeof zeros, MADV_POPULATE_WRITE) != 0) die("no room");
}

/* Room is made before it is written, so that a full disk is an error and not a signal. */
static void make_room(mapped_file *file, size_t end) {
  for (; file->populated < end; file->populated += POPULATE_STEP_BYTES)
    populate_step(file->descriptor, file->bytes, file->populated);
}

void store_entry(unsigned char *entry, uint64_t number, uint64_t offset, int is_batch_end, int64_t time_ns,
                 uint32_t record_crc) {
  static const unsigned char log_id[16] = "sixteen bytes..";
  unsigned char bound[44];
  const uint64_t offset_and_batch_end = offset | (uint64_t)(is_batch_end != 0) << 63;
  memcpy(bound, log_id, 16);
  memcpy(bound + 16, &number, 8);
  memcpy(bound + 24, &offset_and_batch_end, 8);
  memcpy(bound + 32, &time_ns, 8);
  memcpy(bound + 40, &record_crc, 4);
  const uint32_t entry_crc = crc32c(bound, sizeof bound);
  memcpy(entry, bound + 24, 20);
  memcpy(entry + 20, &entry_crc, 4);
}

/* The two files of a run, and where the next record goes. */
typedef struct appender {
  mapped_file log, index;
  uint64_t count, end;
  int64_t time_ns;
} appender;

static appender create_files(const workload *work) {
  return (appender){
      .log = create_mapped(work, "bare.log", LOG_HEADER_BYTES + work->count * (8 + work->size)),
      .index = create_mapped(work, "bare.idx", INDEX_HEADER_BYTES + work->count * INDEX_ENTRY_BYTES),
      .end = LOG_HEADER_BYTES,
  };
}

/* Appends `count` records that lie one after the other, and lets readers see them. */
static inline void append_batch(appender *self, const unsigned char *payload, uint64_t size, uint64_t count) {
  static _Atomic uint32_t sleepers; /* no thread sleeps; the library has to look, too */
  make_room(&self->log, self->end + count * (8 + size));
  make_room(&self->index, INDEX_HEADER_BYTES + (self->count + count) * INDEX_ENTRY_BYTES);
  const int64_t clock_ns = wall_clock_ns();
  if (clock_ns > self->time_ns) self->time_ns = clock_ns; /* times never decrease */
  for (uint64_t i = 0; i < count; i++) {
    unsigned char *record = self->log.bytes + self->end;
    memcpy(record, &size, 8);
    memcpy(record + 8, payload + i * size, size);
    store_entry(self->index.bytes + INDEX_HEADER_BYTES + self->count * INDEX_ENTRY_BYTES, self->count, self->end,
                i + 1 == count, self->time_ns, crc32c(record, 8 + size));
    self->end += 8 + size;
    self->count++;
  }
  atomic_store_explicit((_Atomic uint64_t *)(void *)self->log.bytes, self->count, memory_order_release);
  atomic_thread_fence(memory_order_seq_cst);
  if (atomic_load_explicit(&sleepers, memory_order_relaxed) != 0) die("somebody sleeps");
}

static inline double append_all(const workload *work, uint64_t batch) {
  const double start_ns = now_ns();
  appender files = create_files(work);
  while (files.count < work->count) append_batch(&files, work->payload, work->size, batch);
  const double took_ns = now_ns() - start_ns;
  unmap(&files.log);
  unmap(&files.index);
  return took_ns;
}

double bare_append(const workload *work) { return append_all(work, 1); }

double bare_append_packed(const workload *work) { return append_all(work, BATCH_RECORDS); }

uint64_t verified_size(const mapped_file *log, const mapped_file *index, uint64_t number, uint64_t offset) {
  uint64_t size;
  uint32_t expected_crc;
  memcpy(&size, log->bytes + offset, 8);
  if (size > log->size - offset - 8) die("record %llu crosses the end", (unsigned long long)number);
  memcpy(&expected_crc, index->bytes + INDEX_HEADER_BYTES + number * INDEX_ENTRY_BYTES + 16, 4);
  if (crc32c(log->bytes + offset, 8 + size) != expected_crc) die("record %llu is damaged", (unsigned long long)number);
  return size;
}

double bare_read(const workload *work) {
  const double start_ns = now_ns();
  mapped_file log = open_mapped(work, "library.log");
  mapped_file index = open_mapped(work, "library.idx");
  uint64_t count, number = 0, offset = LOG_HEADER_BYTES;
  memcpy(&count, log.bytes, 8);
  for (; number < count; number++) offset += 8 + verified_size(&log, &index, number, offset);
  const double took_ns = now_ns() - start_ns;
  if (number != work->count) die("read %llu records", (unsigned long long)number);
  unmap(&log);
  unmap(&index);
  return took_ns;
}

double bare_read_random(const workload *work) {
  mapped_file log = open_mapped(work, "library.log");
  mapped_file index = open_mapped(work, "library.idx");
  uint64_t state = 0;
  const double start_ns = now_ns();
  for (uint64_t i = 0; i < work->count; i++) {
    const uint64_t number = random_below(&state, work->count);
    uint64_t offset;
    memcpy(&offset, index.bytes + INDEX_HEADER_BYTES + number * INDEX_ENTRY_BYTES, 8);
    verified_size(&log, &index, number, offset & ~(UINT64_C(1) << 63));
  }
  const double took_ns = now_ns() - start_ns;
  unmap(&log);
  unmap(&index);
  return took_ns;
}
