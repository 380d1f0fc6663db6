/* What the two sides of the benchmark share, and the functions that the driver in ../src calls. */
#ifndef BENCH_H
#define BENCH_H
#include <stddef.h>
#include <stdint.h>

/* What a side has to do. ../src/contenders.rs has the same struct. */
typedef struct workload {
  const char *directory;
  const unsigned char *payload; /* as many bytes as a call may append */
  size_t size;                  /* of a record */
  uint64_t count;               /* records, calls or samples */
  uint64_t start;               /* record number where streams start */
  uint64_t parts;               /* streams or namespaces that take turns */
  unsigned threads;             /* that share the count */
} workload;

#define LOG_HEADER_BYTES 8u       /* the message count */
#define INDEX_HEADER_BYTES 16384u /* of the index file */
#define INDEX_ENTRY_BYTES 24u
#define BATCH_RECORDS 100u /* of a packed append */

/* ---- Measured functions: each returns the nanoseconds of its loop, without opening and closing ------------------- */

/* library.c: libimmuta. They write or read "library.log". */
double library_append(const workload *work);
double library_append_packed(const workload *work);
double library_append_threads(const workload *work);
double library_append_durable(const workload *work);
double library_read_next(const workload *work);
double library_read_batch(const workload *work);
double library_read_random(const workload *work);
/* `count` times: opening a log that was closed, without closing it again. */
double library_open_closed(const workload *work);
/* `count` times: a new stream, and its first record. */
double library_start_stream(const workload *work);
/* `count` records over all, read by streams and appended to namespaces that take turns. */
double library_read_streams(const workload *work);
double library_append_namespaces(const workload *work);
const char *library_engine(const char *directory);

/* cold.c */
double cat(const workload *work);
/* Returns the part of the log's files that is in the page cache nevertheless. */
double drop_from_page_cache(const workload *work);

/* bare.c: the same necessary work and nothing else. They write "bare.log" or read what the library wrote. */
double bare_append(const workload *work);
double bare_append_packed(const workload *work);
double bare_read(const workload *work);
double bare_read_random(const workload *work);

/* bare_durable.c: one pwrite and one fdatasync for each record. Writes "bare.wal". */
double bare_append_durable(const workload *work);

/* ---- Contenders: ways to append records one by one, each beside a flush every second: sustained.c ---------------- */

typedef struct contender {
  void *(*open)(const workload *work); /* makes new files, named after its side */
  void (*append)(void *state, const workload *work);
  void (*close)(void *state);
} contender;

extern const contender library_by_mapping, library_by_syscall, bare_by_mapping, bare_by_pwrite;

typedef struct sustained {
  double each_ns;      /* of a record, on average */
  double worst_second; /* rate of the slowest second over the mean rate */
  double longest_ns;   /* of 16 records in a row */
  double seconds;      /* that the run took */
} sustained;

/* Appends at full speed for so many seconds, or until the record file has so many bytes. */
sustained run_sustained(const contender *who, const workload *work, double seconds, double slice_seconds,
                        uint64_t bytes_max);

/* paced.c: appends `count` records, one each `interval_ns`. A latency is the time from when a record was due, so that
 * an append that had to wait for the one before it counts as late. */
void run_paced(const contender *who, const workload *work, double interval_ns, uint64_t *latencies_ns);

/* ---- Other measurements ------------------------------------------------------------------------------------------ */

/* wake.c: takes `count` samples. */
void library_wake(const workload *work, int is_process, uint64_t *latencies_ns);
void bare_wake(const workload *work, int is_process, uint64_t *latencies_ns);

/* follow.c */
typedef struct followed {
  double took_ns; /* the writer */
  double lag_bytes_max;
} followed;
followed library_append_followed(const workload *work);

/* memory.c: the anonymous memory that a stream over the whole log takes, and that `count` waiting streams take. */
double library_stream_memory(const workload *work);
double library_waiting_memory(const workload *work);

/* syscalls.c: of the thread that appends. */
double syscalls_per_append(const contender *who, const workload *work);

/* ---- Helpers ----------------------------------------------------------------------------------------------------- */

/* crc32c.c */
uint32_t crc32c(const void *data, size_t size);

/* common.c */
double now_ns(void);
int64_t wall_clock_ns(void);
uint64_t free_bytes(const char *directory);
/* Waits until the device has nothing left to write of the file system of a directory. */
void settle(const char *directory);
/* A pseudo-random number below `limit`, which is below 2^32; the same sequence on both sides. */
uint64_t random_below(uint64_t *state, uint64_t limit);
void path_of(char *path, size_t capacity, const workload *work, const char *name);
/* Has each thread of the workload call `share` with its part of the count; returns how long they took together. */
double run_threads(const workload *work, void (*share)(const workload *, uint64_t count, void *argument),
                   void *argument);
_Noreturn void die(const char *format, ...);

#endif
