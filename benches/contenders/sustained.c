/* Writing at full speed for many seconds, beside a flush each second: the library with its default options, and two
 * bare loops that make the same promise. One stores into mappings, one calls pwrite for record and entry; a thread
 * beside them calls fdatasync for both files each second. */
#define _GNU_SOURCE
#include "bare.h"
#include "library.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_RECORDS 16u /* timed together, so that the clock costs little */
#define FALLOCATE_STEP_BYTES ((uint64_t)64 << 20)
#define ADDRESS_SPACE_BYTES ((uint64_t)1 << 38) /* of each mapping; a run ends below it */

/* ---- The library ------------------------------------------------------------------------------------------------- */

static void *open_mapping_engine(const workload *work) { return library_open(work->directory, (library_options){0}); }

static void *open_syscall_engine(const workload *work) {
  return library_open(work->directory, (library_options){.io = IMMUTA_IO_SYSCALL});
}

static void append_library(void *log, const workload *work) {
  immuta_error error;
  immuta_appended appended;
  must(immuta_append(log, 0, work->payload, work->size, &appended, &error), &error);
}

static void close_library(void *log) { library_close(log); }

/* ---- The bare loops ---------------------------------------------------------------------------------------------- */

typedef struct bare {
  int log, index;
  unsigned char *log_bytes, *index_bytes; /* of the mapping loop */
  uint64_t log_room, index_room;          /* populated up to here */
  uint64_t log_blocks, index_blocks;      /* allocated up to here */
  uint64_t count, end;
  int64_t time_ns;
  unsigned char *record; /* of the pwrite loop: size word and payload */
  pthread_t flusher;
  atomic_int is_over;
} bare;

static void *flush_each_second(void *argument) {
  bare *self = argument;
  struct timespec due;
  clock_gettime(CLOCK_MONOTONIC, &due);
  while (!atomic_load(&self->is_over)) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec > due.tv_sec || (now.tv_sec == due.tv_sec && now.tv_nsec >= due.tv_nsec)) {
      if (fdatasync(self->log) != 0 || fdatasync(self->index) != 0) die("cannot sync");
      clock_gettime(CLOCK_MONOTONIC, &due);
      due.tv_sec++;
    }
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
  }
  return NULL;
}

static int create(const workload *work, const char *name) {
  char path[4096];
  path_of(path, sizeof path, work, name);
  const int descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0) die("cannot make %s", path);
  return descriptor;
}

static bare *open_bare(const workload *work) {
  bare *self = calloc(1, sizeof *self);
  if (self == NULL) die("no memory");
  self->log = create(work, "bare.log");
  self->index = create(work, "bare.idx");
  self->end = LOG_HEADER_BYTES;
  if (pthread_create(&self->flusher, NULL, flush_each_second, self) != 0) die("cannot start a thread");
  return self;
}

static unsigned char *map(int descriptor) {
  unsigned char *bytes = mmap(NULL, ADDRESS_SPACE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (bytes == MAP_FAILED) die("cannot map");
  madvise(bytes, ADDRESS_SPACE_BYTES, MADV_HUGEPAGE);
  return bytes;
}

static void *open_mapping(const workload *work) {
  bare *self = open_bare(work);
  self->log_bytes = map(self->log);
  self->index_bytes = map(self->index);
  return self;
}

static void *open_pwrite(const workload *work) {
  bare *self = open_bare(work);
  self->record = malloc(8 + work->size);
  if (self->record == NULL) die("no memory");
  return self;
}

static void make_room(int descriptor, unsigned char *bytes, uint64_t *blocks, uint64_t *room, uint64_t end) {
  while (*room < end) {
    if (*blocks < *room + POPULATE_STEP_BYTES) {
      if (posix_fallocate(descriptor, (off_t)*blocks, FALLOCATE_STEP_BYTES) != 0) die("no room");
      *blocks += FALLOCATE_STEP_BYTES;
    }
    populate_step(descriptor, bytes, *room);
    *room += POPULATE_STEP_BYTES;
  }
}

/* The entry of the next record. Times never decrease. */
static void next_entry(bare *self, unsigned char *entry, uint32_t record_crc) {
  const int64_t clock_ns = wall_clock_ns();
  if (clock_ns > self->time_ns) self->time_ns = clock_ns;
  store_entry(entry, self->count, self->end, 1, self->time_ns, record_crc);
}

static void append_mapping(void *argument, const workload *work) {
  bare *self = argument;
  const uint64_t size = work->size;
  const uint64_t entry_at = INDEX_HEADER_BYTES + self->count * INDEX_ENTRY_BYTES;
  make_room(self->log, self->log_bytes, &self->log_blocks, &self->log_room, self->end + 8 + size);
  make_room(self->index, self->index_bytes, &self->index_blocks, &self->index_room, entry_at + INDEX_ENTRY_BYTES);
  unsigned char *record = self->log_bytes + self->end;
  memcpy(record, &size, 8);
  memcpy(record + 8, work->payload, size);
  next_entry(self, self->index_bytes + entry_at, crc32c(record, 8 + size));
  self->end += 8 + size;
  self->count++;
  atomic_store_explicit((_Atomic uint64_t *)(void *)self->log_bytes, self->count, memory_order_release);
  atomic_thread_fence(memory_order_seq_cst);
}

/* Written whole: short writes do not happen to files below their limit. */
static void put(int descriptor, const void *bytes, size_t size, uint64_t at) {
  if (pwrite(descriptor, bytes, size, (off_t)at) != (ssize_t)size) die("cannot write");
}

static void append_pwrite(void *argument, const workload *work) {
  bare *self = argument;
  const uint64_t size = work->size;
  unsigned char entry[INDEX_ENTRY_BYTES];
  memcpy(self->record, &size, 8);
  memcpy(self->record + 8, work->payload, size);
  next_entry(self, entry, crc32c(self->record, 8 + size));
  put(self->log, self->record, 8 + size, self->end);
  put(self->index, entry, sizeof entry, INDEX_HEADER_BYTES + self->count * INDEX_ENTRY_BYTES);
  self->end += 8 + size;
  self->count++;
  put(self->log, &self->count, sizeof self->count, 0);
}

static void close_bare(void *argument) {
  bare *self = argument;
  atomic_store(&self->is_over, 1);
  pthread_join(self->flusher, NULL);
  if (self->log_bytes != NULL) munmap(self->log_bytes, ADDRESS_SPACE_BYTES);
  if (self->index_bytes != NULL) munmap(self->index_bytes, ADDRESS_SPACE_BYTES);
  free(self->record);
  close(self->log);
  close(self->index);
  free(self);
}

/* ---- A run ------------------------------------------------------------------------------------------------------- */

const contender library_by_mapping = {open_mapping_engine, append_library, close_library};
const contender library_by_syscall = {open_syscall_engine, append_library, close_library};
const contender bare_by_mapping = {open_mapping, append_mapping, close_bare};
const contender bare_by_pwrite = {open_pwrite, append_pwrite, close_bare};

sustained run_sustained(const contender *who, const workload *work, double seconds, double slice_seconds,
                        uint64_t bytes_max) {
  void *state = who->open(work);
  const double start_ns = now_ns();
  const uint64_t count_max = bytes_max / (8 + work->size);
  double slice_ns = start_ns, worst_slice_ns = 0, longest_ns = 0, block_ns = start_ns;
  uint64_t count = 0, slice_count = 0;
  for (;;) {
    for (unsigned i = 0; i < BLOCK_RECORDS; i++) who->append(state, work);
    count += BLOCK_RECORDS;
    const double time_ns = now_ns();
    if (time_ns - block_ns > longest_ns) longest_ns = time_ns - block_ns;
    block_ns = time_ns;
    if (count >= count_max) break;
    if (time_ns - slice_ns < slice_seconds * 1e9) continue;
    const double each_ns = (time_ns - slice_ns) / (double)(count - slice_count);
    if (each_ns > worst_slice_ns) worst_slice_ns = each_ns;
    slice_ns = time_ns;
    slice_count = count;
    if (time_ns - start_ns >= seconds * 1e9) break;
  }
  const double took_ns = block_ns - start_ns, each_ns = took_ns / (double)count;
  who->close(state);
  return (sustained){.each_ns = each_ns,
                     .worst_second = worst_slice_ns > 0 ? each_ns / worst_slice_ns : 1,
                     .longest_ns = longest_ns,
                     .seconds = took_ns / 1e9};
}
