/* Writing at full speed for many seconds: sustained.c. */
#ifndef BENCH_SUSTAINED_H
#define BENCH_SUSTAINED_H
#include "bench.h"

/* One way to append records: `open` makes new files named after `files`, `append` adds one record. */
typedef struct contender {
  const char *files; /* "library" or "bare" */
  void *(*open)(const workload *work);
  void (*append)(void *state, const workload *work);
  void (*close)(void *state);
} contender;

extern const contender library_by_mapping, library_by_syscall, bare_by_mapping, bare_by_pwrite;

typedef struct sustained {
  double each_ns;      /* of a record, on average */
  double worst_second; /* rate of the slowest second over the mean rate */
  double longest_ns;   /* of 16 records in a row */
} sustained;

/* Appends for so many seconds. The workload's count does not matter. */
sustained run_sustained(const contender *who, const workload *work, double seconds);

#endif
