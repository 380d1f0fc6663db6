/* Helpers of both sides. */
#define _GNU_SOURCE
#include "bench.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 64

_Noreturn void die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("bench: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  _exit(EXIT_FAILURE);
}

double now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

int64_t wall_clock_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

uint64_t free_bytes(const char *directory) {
  struct statvfs status;
  if (statvfs(directory, &status) != 0) die("cannot ask how much room %s has", directory);
  return (uint64_t)status.f_bavail * status.f_frsize;
}

void settle(const char *directory) {
  const int descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0 || syncfs(descriptor) != 0) die("cannot sync the file system of %s", directory);
  close(descriptor);
}

uint64_t random_below(uint64_t *state, uint64_t limit) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (*state >> 32) * limit >> 32;
}

void path_of(char *path, size_t capacity, const workload *work, const char *name) {
  if (snprintf(path, capacity, "%s/%s", work->directory, name) >= (int)capacity) die("path too long");
}

typedef struct worker {
  const workload *work;
  void (*share)(const workload *, uint64_t, void *);
  void *argument;
  pthread_t thread;
} worker;

static void *run_worker(void *argument) {
  const worker *self = argument;
  self->share(self->work, self->work->count / self->work->threads, self->argument);
  return NULL;
}

double run_threads(const workload *work, void (*share)(const workload *, uint64_t, void *), void *argument) {
  worker workers[THREADS_MAX];
  if (work->threads > THREADS_MAX) die("%u threads are more than %d", work->threads, THREADS_MAX);
  const double start_ns = now_ns();
  for (unsigned i = 0; i < work->threads; i++) {
    workers[i] = (worker){.work = work, .share = share, .argument = argument};
    if (pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]) != 0) die("cannot start a thread");
  }
  for (unsigned i = 0; i < work->threads; i++) pthread_join(workers[i].thread, NULL);
  return now_ns() - start_ns;
}
