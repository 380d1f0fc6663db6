/* Runs one work on one peer, and prints one line of JSON. README.md in the folder above describes works and arguments.
 *
 *   PROGRAM WORK --records N --bytes B --directory D [--threads T] [--batch K] [--seconds S] [--variant V] */
#define _GNU_SOURCE
#include "peer.h"

#include <ftw.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATH_BYTES 4096u
#define THREADS_MAX 64u
#define BATCH_MAX 4096u
#define BLOCK_RECORDS 16u        /* timed together in a sustained run, so that the clock costs little */
#define WARM_UP_RECORDS 100000u  /* at most */
#define POOL_PERIOD 1048573u     /* a prime */
#define RECORD_BYTES_MAX 131072u

const char *variant = "";

typedef struct work {
  const char *name;
  uint64_t records, bytes, threads, batch;
  double seconds;
} work;

typedef struct measurement {
  uint64_t records;
  double total_ns, read_ns, worst_second, longest_ns;
} measurement;

_Noreturn void die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(EXIT_FAILURE);
}

static double now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* ---- Payloads: the same in every language ------------------------------------------------------------------------ */

/* Record N is the bytes at N * size modulo the period, so that neighbours share nothing that a compressor finds. */
static unsigned char pool[POOL_PERIOD + RECORD_BYTES_MAX];

static void fill_pool(void) {
  uint64_t state = 0;
  for (size_t at = 0; at < POOL_PERIOD; at += 8) { /* splitmix64 */
    uint64_t word = state += UINT64_C(0x9e3779b97f4a7c15);
    word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
    word ^= word >> 31;
    memcpy(pool + at, &word, 8);
  }
  memcpy(pool + POOL_PERIOD, pool, RECORD_BYTES_MAX);
}

typedef struct payloads {
  uint64_t size, offset;
} payloads;

static payloads payloads_from(uint64_t number, uint64_t size) {
  return (payloads){.size = size, .offset = number % POOL_PERIOD * size % POOL_PERIOD};
}

static inline const unsigned char *next_payload(payloads *self) {
  const unsigned char *payload = pool + self->offset;
  self->offset += self->size;
  if (self->offset >= POOL_PERIOD) self->offset -= POOL_PERIOD;
  return payload;
}

/* ---- Reading ----------------------------------------------------------------------------------------------------- */

typedef struct touched {
  uint64_t records, bytes;
  unsigned char mixed;
} touched;

static void touch(void *context, const void *data, size_t size) {
  touched *self = context;
  const unsigned char *bytes = data;
  self->records++;
  self->bytes += size;
  self->mixed ^= bytes[0] ^ bytes[size - 1];
}

typedef struct comparison {
  payloads expected;
  uint64_t records;
} comparison;

static void compare(void *context, const void *data, size_t size) {
  comparison *self = context;
  if (size != self->expected.size || memcmp(data, next_payload(&self->expected), size) != 0)
    die("record %llu differs from what was appended", (unsigned long long)self->records);
  self->records++;
}

typedef struct collection {
  unsigned char *bytes;
  uint64_t records, capacity;
  size_t size;
} collection;

static void collect(void *context, const void *data, size_t size) {
  collection *self = context;
  if (size != self->size || self->records == self->capacity) die("a record too many, or of %zu bytes", size);
  memcpy(self->bytes + self->records++ * size, data, size);
}

static int compare_bytes(const void *left, const void *right, void *size) {
  return memcmp(left, right, *(const size_t *)size);
}

static double read_all(const char *directory, visit_record visit, void *context) {
  void *reader = the_peer.open_reader(directory);
  const double start_ns = now_ns();
  the_peer.read(reader, visit, context);
  const double took_ns = now_ns() - start_ns;
  the_peer.close_reader(reader);
  return took_ns;
}

static double read_timed(const work *task, const char *directory) {
  touched seen = {0};
  const double took_ns = read_all(directory, touch, &seen);
  if (seen.records != task->records || seen.bytes != task->records * task->bytes)
    die("read %llu records of %llu", (unsigned long long)seen.records, (unsigned long long)task->records);
  return took_ns;
}

/* Every byte of every record, in the order of the appends. */
static void verify(const work *task, const char *directory, uint64_t records) {
  comparison state = {.expected = payloads_from(0, task->bytes)};
  read_all(directory, compare, &state);
  if (state.records != records)
    die("read %llu records, %llu were appended", (unsigned long long)state.records, (unsigned long long)records);
}

/* The same where threads appended in no certain order. */
static void verify_unordered(const work *task, const char *directory) {
  size_t size = task->bytes;
  collection found = {malloc(task->records * size), 0, task->records, size};
  unsigned char *expected = malloc(task->records * size);
  if (found.bytes == NULL || expected == NULL) die("no memory to compare the records");
  read_all(directory, collect, &found);
  payloads source = payloads_from(0, size);
  for (uint64_t i = 0; i < task->records; i++) memcpy(expected + i * size, next_payload(&source), size);
  qsort_r(found.bytes, found.records, size, compare_bytes, &size);
  qsort_r(expected, task->records, size, compare_bytes, &size);
  if (found.records != task->records || memcmp(found.bytes, expected, task->records * size) != 0)
    die("the records differ from what was appended");
  free(found.bytes);
  free(expected);
}

/* ---- Appending --------------------------------------------------------------------------------------------------- */

static double append_all(const work *task, const char *directory, mode how) {
  payloads source = payloads_from(0, task->bytes);
  void *log = the_peer.open(directory, how);
  const double start_ns = now_ns();
  for (uint64_t i = 0; i < task->records; i++) the_peer.append(log, next_payload(&source), task->bytes);
  const double took_ns = now_ns() - start_ns;
  the_peer.close(log);
  return took_ns;
}

static double append_batches(const work *task, const char *directory) {
  if (the_peer.append_batch == NULL || task->batch > BATCH_MAX) die("no batches, or none as large");
  const void *batch[BATCH_MAX];
  payloads source = payloads_from(0, task->bytes);
  void *log = the_peer.open(directory, FAST);
  const double start_ns = now_ns();
  for (uint64_t done = 0; done < task->records; done += task->batch) {
    for (uint64_t i = 0; i < task->batch; i++) batch[i] = next_payload(&source);
    the_peer.append_batch(log, batch, task->batch, task->bytes);
  }
  const double took_ns = now_ns() - start_ns;
  the_peer.close(log);
  return took_ns;
}

typedef struct appender {
  const work *task;
  void *log;
  uint64_t first;
  pthread_t thread;
} appender;

static void *append_share(void *argument) {
  const appender *self = argument;
  payloads source = payloads_from(self->first, self->task->bytes);
  for (uint64_t i = 0; i < self->task->records / self->task->threads; i++)
    the_peer.append(self->log, next_payload(&source), self->task->bytes);
  return NULL;
}

static double append_from_threads(const work *task, const char *directory) {
  if (!the_peer.shares_appends || task->threads > THREADS_MAX) die("no appends from several threads");
  appender appenders[THREADS_MAX];
  void *log = the_peer.open(directory, DURABLE);
  const double start_ns = now_ns();
  for (uint64_t i = 0; i < task->threads; i++) {
    appenders[i] = (appender){.task = task, .log = log, .first = i * (task->records / task->threads)};
    if (pthread_create(&appenders[i].thread, NULL, append_share, &appenders[i]) != 0) die("cannot start a thread");
  }
  for (uint64_t i = 0; i < task->threads; i++) pthread_join(appenders[i].thread, NULL);
  const double took_ns = now_ns() - start_ns;
  the_peer.close(log);
  return took_ns;
}

typedef struct syncer {
  void *log;
  atomic_int is_over;
  pthread_t thread;
} syncer;

static void *sync_each_second(void *argument) {
  syncer *self = argument;
  double due_ns = now_ns() + 1e9;
  while (!atomic_load(&self->is_over)) {
    if (now_ns() >= due_ns) {
      the_peer.sync(self->log);
      due_ns = now_ns() + 1e9;
    }
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
  }
  return NULL;
}

static measurement sustain(const work *task, const char *directory) {
  payloads source = payloads_from(0, task->bytes);
  void *log = the_peer.open(directory, FLUSHING);
  syncer beside = {.log = log};
  if (the_peer.sync != NULL && pthread_create(&beside.thread, NULL, sync_each_second, &beside) != 0)
    die("cannot start a thread");
  measurement result = {0};
  const double start_ns = now_ns();
  double second_ns = start_ns, worst_second_ns = 0, block_ns = start_ns;
  uint64_t second_records = 0;
  while (block_ns - start_ns < task->seconds * 1e9) {
    for (unsigned i = 0; i < BLOCK_RECORDS; i++) the_peer.append(log, next_payload(&source), task->bytes);
    result.records += BLOCK_RECORDS;
    const double time_ns = now_ns();
    if (time_ns - block_ns > result.longest_ns) result.longest_ns = time_ns - block_ns;
    block_ns = time_ns;
    if (time_ns - second_ns < 1e9 && time_ns - start_ns < task->seconds * 1e9) continue;
    /* What is left of the last second counts as one if it is half a second or more, or all there is. */
    const double each_ns = (time_ns - second_ns) / (double)(result.records - second_records);
    const int counts = time_ns - second_ns >= 0.5e9 || second_ns == start_ns;
    if (counts && each_ns > worst_second_ns) worst_second_ns = each_ns;
    second_ns = time_ns;
    second_records = result.records;
  }
  result.total_ns = block_ns - start_ns;
  result.worst_second = result.total_ns / (double)result.records / worst_second_ns;
  if (the_peer.sync != NULL) {
    atomic_store(&beside.is_over, 1);
    pthread_join(beside.thread, NULL);
  }
  the_peer.close(log);
  return result;
}

/* ---- One work ---------------------------------------------------------------------------------------------------- */

static measurement run(const work *task, const char *directory) {
  measurement result = {.records = task->records};
  if (mkdir(directory, 0777) != 0) die("cannot make %s", directory);
  if (strcmp(task->name, "append") == 0) {
    result.total_ns = append_all(task, directory, FAST);
  } else if (strcmp(task->name, "durable") == 0) {
    result.total_ns = task->threads > 1 ? append_from_threads(task, directory) : append_all(task, directory, DURABLE);
  } else if (strcmp(task->name, "batch") == 0) {
    result.total_ns = append_batches(task, directory);
  } else if (strcmp(task->name, "read") == 0) {
    append_all(task, directory, FAST);
    verify(task, directory, task->records);
    result.total_ns = read_timed(task, directory);
    return result;
  } else if (strcmp(task->name, "headline") == 0) {
    result.total_ns = append_all(task, directory, FAST);
    result.read_ns = read_timed(task, directory);
  } else if (strcmp(task->name, "sustained") == 0) {
    result = sustain(task, directory);
  } else {
    die("unknown work %s", task->name);
  }
  if (task->threads > 1)
    verify_unordered(task, directory);
  else
    verify(task, directory, result.records);
  return result;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk) {
  (void)status, (void)kind, (void)walk;
  return remove(path);
}

static void run_in(const char *parent, const char *name, const work *task, measurement *result) {
  char directory[PATH_BYTES];
  snprintf(directory, sizeof directory, "%s/%s", parent, name);
  *result = run(task, directory);
  nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* A tenth of the work, or less. */
static work warm_up_of(const work *task) {
  work less = *task;
  less.records = task->records / 10 < WARM_UP_RECORDS ? task->records / 10 : WARM_UP_RECORDS;
  less.records = (less.records / (task->threads * task->batch) + 1) * task->threads * task->batch;
  less.seconds = task->seconds / 10;
  return less;
}

int main(int argc, char **argv) {
  if (argc < 2) die("usage: %s WORK --records N --bytes B --directory D", argv[0]);
  work task = {.name = argv[1], .threads = 1, .batch = 1};
  const char *directory = ".";
  for (int i = 2; i + 1 < argc; i += 2) {
    const char *option = argv[i], *value = argv[i + 1];
    if (strcmp(option, "--records") == 0) task.records = strtoull(value, NULL, 10);
    else if (strcmp(option, "--bytes") == 0) task.bytes = strtoull(value, NULL, 10);
    else if (strcmp(option, "--threads") == 0) task.threads = strtoull(value, NULL, 10);
    else if (strcmp(option, "--batch") == 0) task.batch = strtoull(value, NULL, 10);
    else if (strcmp(option, "--seconds") == 0) task.seconds = strtod(value, NULL);
    else if (strcmp(option, "--directory") == 0) directory = value;
    else if (strcmp(option, "--variant") == 0) variant = value;
    else die("unknown option %s", option);
  }
  if (task.bytes == 0 || task.bytes > RECORD_BYTES_MAX) die("--bytes is 1 to %u", RECORD_BYTES_MAX);
  if (task.records % (task.threads * task.batch) != 0) die("--records is no multiple of the threads and the batch");
  fill_pool();
  measurement result;
  const work warm_up = warm_up_of(&task);
  run_in(directory, "warm-up", &warm_up, &result);
  run_in(directory, "measured", &task, &result);
  printf("{\"records\": %llu, \"total_ns\": %.0f, \"read_ns\": %.0f, \"worst_second\": %.4f, \"longest_ns\": %.0f}\n",
         (unsigned long long)result.records, result.total_ns, result.read_ns, result.worst_second, result.longest_ns);
  return EXIT_SUCCESS;
}
