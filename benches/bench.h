/* What the parts of the benchmark share. Each measured function works on files of its own in `directory`, does `count`
 * records of `size` bytes, and returns the nanoseconds its loop took; opening and closing are not measured. */
#ifndef BENCH_H
#define BENCH_H
#include <stddef.h>
#include <stdint.h>

typedef struct workload {
  const char *directory;
  const unsigned char *payload;
  size_t size;
  uint64_t count;
  unsigned threads; /* that share the count */
} workload;

#define LOG_HEADER_BYTES 8u       /* the message count */
#define INDEX_HEADER_BYTES 16384u /* of the index file */
#define INDEX_ENTRY_BYTES 24u

/* library.c: libimmuta. Writes and reads "library.log". */
double library_append(const workload *work);
double library_append_durable(const workload *work);
double library_read_next(const workload *work);
double library_read_batch(const workload *work);
const char *library_engine(const char *directory);

/* bare.c: the same necessary work and nothing else. Writes "bare.log", reads what the library wrote. */
double bare_append(const workload *work);
double bare_read(const workload *work);

/* An entry of the index file: offset, time, checksum of the record, checksum of the entry bound to log and number. */
void store_entry(unsigned char *entry, uint64_t number, uint64_t offset, int64_t time_ns, uint32_t record_crc);
int64_t wall_clock_ns(void);

/* bare_durable.c: one pwrite and one fdatasync for each record. Writes "bare.wal". */
double bare_append_durable(const workload *work);

/* crc32c.c */
uint32_t crc32c(const void *data, size_t size);

/* bench.c */
double now_ns(void);
/* Has each thread of the workload call `share` with its part of the count; returns how long they took together. */
double run_threads(const workload *work, void (*share)(const workload *, uint64_t count, void *argument),
                   void *argument);
_Noreturn void die(const char *format, ...);

#endif
