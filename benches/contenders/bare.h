/* The files of the bare loops. */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H
#include "bench.h"

typedef struct mapped_file {
  int descriptor;
  unsigned char *bytes;
  size_t size;
  size_t populated; /* bytes from the start whose pages are in place */
} mapped_file;

/* Of what the library wrote. */
mapped_file open_mapped(const workload *work, const char *name);
void unmap(mapped_file *file);

#define POPULATE_STEP_BYTES ((size_t)1 << 20)
/* Makes the pages of a step writable: by a write of zeros, which makes pages faster than faults do, and then mapped. */
void populate_step(int descriptor, unsigned char *bytes, uint64_t offset);

/* An entry of the index file: offset, time, checksum of the record, checksum of the entry bound to log and number. */
void store_entry(unsigned char *entry, uint64_t number, uint64_t offset, int is_batch_end, int64_t time_ns,
                 uint32_t record_crc);
/* The size of the record at an offset, whose checksum was compared with the one in the index. */
uint64_t verified_size(const mapped_file *log, const mapped_file *index, uint64_t number, uint64_t offset);

#endif
