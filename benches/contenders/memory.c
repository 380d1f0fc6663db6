/* Memory that the library takes of a process: what of it is private and in no file. */
#define _GNU_SOURCE
#include "library.h"

#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define SAMPLES 64u
#define STACK_BYTES ((size_t)64 << 10)

static double anonymous_bytes(void) {
  char line[256];
  unsigned long long kibibytes = 0;
  FILE *file = fopen("/proc/self/status", "r");
  if (file == NULL) die("cannot read /proc/self/status");
  while (fgets(line, sizeof line, file) != NULL)
    if (sscanf(line, "RssAnon: %llu kB", &kibibytes) == 1) break;
  fclose(file);
  if (kibibytes == 0) die("/proc/self/status has no RssAnon");
  return (double)kibibytes * 1024;
}

/* What was freed before must not hide what is taken now. */
static double trimmed_bytes(void) {
  malloc_trim(0);
  return anonymous_bytes();
}

double library_stream_memory(const workload *work) {
  immuta_error error;
  immuta_record record;
  immuta_log *log = library_open(work->directory, (library_options){.without_flusher = 1});
  const double before = trimmed_bytes();
  double most = before;
  immuta_stream *stream = library_stream(log, 0);
  for (uint64_t number = 0; number < work->count; number++) {
    must(immuta_stream_next(stream, 0, &record, &error), &error);
    must(immuta_record_done(&record), &error);
    if (number % (work->count / SAMPLES + 1) != 0) continue;
    const double bytes = anonymous_bytes();
    if (bytes > most) most = bytes;
  }
  const double last = anonymous_bytes();
  immuta_stream_done(stream);
  library_close(log);
  return (last > most ? last : most) - before;
}

static void *wait_for_record(void *argument) {
  immuta_error error;
  immuta_record record;
  const immuta_status status = immuta_stream_next(argument, -1, &record, &error);
  if (status != IMMUTA_E_CLOSED) die("a stream that waits answers %s", immuta_status_name(status));
  immuta_stream_done(argument);
  return NULL;
}

double library_waiting_memory(const workload *work) {
  immuta_error error;
  immuta_stats stats;
  immuta_log *log = library_open(work->directory, (library_options){.without_flusher = 1});
  pthread_t *threads = calloc(work->count, sizeof *threads);
  /* Shared memory, so that the stacks do not count. */
  unsigned char *stacks =
      mmap(NULL, work->count * STACK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (threads == NULL || stacks == MAP_FAILED) die("no memory");
  for (size_t i = 0; i < work->count; i++) threads[i] = 0; /* in memory from here on */
  const double before = trimmed_bytes();
  for (size_t i = 0; i < work->count; i++) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    if (pthread_attr_setstack(&attributes, stacks + i * STACK_BYTES, STACK_BYTES) != 0) die("cannot set a stack");
    if (pthread_create(&threads[i], &attributes, wait_for_record, library_stream(log, 0)) != 0)
      die("cannot start thread %zu of %llu: raise the limit of threads", i, (unsigned long long)work->count);
    pthread_attr_destroy(&attributes);
  }
  do {
    sched_yield();
    must(immuta_stats_get(log, 0, &stats, sizeof stats, &error), &error);
  } while (stats.waiters != work->count);
  const double bytes = anonymous_bytes() - before;
  must(immuta_shutdown(log, &error), &error);
  for (size_t i = 0; i < work->count; i++) pthread_join(threads[i], NULL);
  library_close(log);
  munmap(stacks, work->count * STACK_BYTES);
  free(threads);
  return bytes;
}
