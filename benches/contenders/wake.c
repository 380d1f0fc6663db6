/* From an append to the return of a stream that waits for it, in another thread or another process; and the same for a
 * word in shared memory and a futex. The reader is given time to fall asleep before each sample. Writer and reader keep
 * to a processor each: where the scheduler puts them decides more than anything else how long it takes. */
#define _GNU_SOURCE
#include "library.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLEEP_NS 50e3    /* what the reader is given to fall asleep */
#define PATIENCE_NS 20e9 /* a reader that needs longer is gone */

typedef struct channel {
  _Atomic uint32_t word; /* the futex */
  _Atomic uint32_t log_exists, reader_is_ready;
  _Atomic uint64_t sent_ns, received;
  uint64_t latencies_ns[];
} channel;

typedef struct reader {
  const workload *work;
  channel *shared;
  immuta_log *log; /* in a thread: the writer's; in a process: none */
  cpu_set_t processor;
} reader;

/* The first or the last processor of those that this thread may use. */
static cpu_set_t end_of(const cpu_set_t *allowed, int is_last) {
  cpu_set_t chosen;
  CPU_ZERO(&chosen);
  for (unsigned i = 0; i < CPU_SETSIZE; i++) {
    const unsigned cpu = is_last ? CPU_SETSIZE - 1 - i : i;
    if (!CPU_ISSET(cpu, allowed)) continue;
    CPU_SET(cpu, &chosen);
    break;
  }
  return chosen;
}

static void keep_to(const cpu_set_t *processors) {
  if (sched_setaffinity(0, sizeof *processors, processors) != 0) die("cannot choose a processor");
}

static void wait_until(const _Atomic uint64_t *value, uint64_t expected) {
  const double start_ns = now_ns();
  while (atomic_load(value) != expected)
    if (now_ns() - start_ns > PATIENCE_NS) die("the reader does not answer");
}

static void wait_for(const _Atomic uint32_t *flag) {
  const double start_ns = now_ns();
  while (!atomic_load(flag))
    if (now_ns() - start_ns > PATIENCE_NS) die("the other side does not begin");
}

static void received(channel *shared, uint64_t sample) {
  shared->latencies_ns[sample] = (uint64_t)now_ns() - atomic_load(&shared->sent_ns);
}

static void *read_library(void *argument) {
  const reader *self = argument;
  immuta_error error;
  immuta_record record;
  keep_to(&self->processor);
  wait_for(&self->shared->log_exists);
  immuta_log *log = self->log;
  if (log == NULL) log = library_open(self->work->directory, (library_options){.read_only = 1});
  immuta_stream *stream = library_stream(log, 0);
  atomic_store(&self->shared->reader_is_ready, 1);
  for (uint64_t i = 0; i < self->work->count; i++) {
    must(immuta_stream_next(stream, -1, &record, &error), &error);
    received(self->shared, i);
    must(immuta_record_done(&record), &error);
    atomic_store(&self->shared->received, i + 1);
  }
  immuta_stream_done(stream);
  if (self->log == NULL) library_close(log);
  return NULL;
}

static void *read_word(void *argument) {
  const reader *self = argument;
  keep_to(&self->processor);
  atomic_store(&self->shared->reader_is_ready, 1);
  for (uint32_t i = 0; i < self->work->count; i++) {
    while (atomic_load(&self->shared->word) == i) syscall(SYS_futex, &self->shared->word, FUTEX_WAIT, i, NULL, NULL, 0);
    received(self->shared, i);
    atomic_store(&self->shared->received, i + 1);
  }
  return NULL;
}

static void send_record(reader *self, immuta_log *log) {
  immuta_error error;
  must(immuta_append(log, 0, self->work->payload, self->work->size, NULL, &error), &error);
}

static void send_word(reader *self) {
  atomic_fetch_add(&self->shared->word, 1);
  syscall(SYS_futex, &self->shared->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void run(const workload *work, int is_library, int is_process, uint64_t *latencies_ns) {
  const size_t size = sizeof(channel) + work->count * sizeof *latencies_ns;
  channel *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (shared == MAP_FAILED) die("no memory");
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) die("cannot ask for the processors");
  const cpu_set_t first = end_of(&allowed, 0);
  reader self = {.work = work, .shared = shared, .processor = end_of(&allowed, 1)};
  keep_to(&first);
  void *(*read)(void *) = is_library ? read_library : read_word;
  pthread_t thread;
  pid_t process = 0;
  if (is_process) {
    process = fork();
    if (process < 0) die("cannot fork");
    if (process == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      read(&self);
      _exit(EXIT_SUCCESS);
    }
  }
  immuta_log *log = is_library ? library_open(work->directory, (library_options){.without_flusher = 1}) : NULL;
  self.log = log;
  atomic_store(&shared->log_exists, 1);
  if (!is_process && pthread_create(&thread, NULL, read, &self) != 0) die("cannot start a thread");
  wait_for(&shared->reader_is_ready);
  for (uint64_t i = 0; i < work->count; i++) {
    wait_until(&shared->received, i);
    for (const double start_ns = now_ns(); now_ns() - start_ns < SLEEP_NS;) continue;
    atomic_store(&shared->sent_ns, (uint64_t)now_ns());
    if (is_library)
      send_record(&self, log);
    else
      send_word(&self);
  }
  wait_until(&shared->received, work->count);
  int status = 0;
  if (is_process ? waitpid(process, &status, 0) != process || status != 0 : pthread_join(thread, NULL) != 0)
    die("the reader failed");
  if (is_library) library_close(log);
  keep_to(&allowed);
  memcpy(latencies_ns, shared->latencies_ns, work->count * sizeof *latencies_ns);
  munmap(shared, size);
}

void library_wake(const workload *work, int is_process, uint64_t *latencies_ns) {
  run(work, 1, is_process, latencies_ns);
}

void bare_wake(const workload *work, int is_process, uint64_t *latencies_ns) {
  run(work, 0, is_process, latencies_ns);
}
