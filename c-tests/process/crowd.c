/* A crowd of streams, each waiting in a thread of its own, with a pool of 4 readers for all of them: every stream gets
 * every record, and waiting takes no descriptor. The program prints what the waiting costs.
 *
 *   crowd DIRECTORY STREAMS IDLE_SECONDS inside     the writer is in this process
 *   crowd DIRECTORY STREAMS IDLE_SECONDS outside    the writer is in another, forked before the library is used */
#include "process.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

enum { RECORDS = 20, POOL = 4, STACK_BYTES = 64 << 10, STREAMS_MIN = 100 };

typedef struct member {
  immuta_stream *stream;
  pthread_t thread;
} member;

static _Atomic uint64_t received, awaited; /* by all members together */
static sem_t all_received;

static void *take_part(void *stream) {
  immuta_error error;
  immuta_record record;
  for (uint64_t number = 0; number < RECORDS; number++) {
    REQUIRE_OK(immuta_stream_next(stream, -1, &record, &error), &error);
    REQUIRE_EQ(record.number, number);
    REQUIRE_EQ(record.size, sizeof number);
    REQUIRE(memcmp(record.data, &number, sizeof number) == 0);
    REQUIRE_OK(immuta_record_done(&record), &error);
    if (atomic_fetch_add(&received, 1) + 1 == atomic_load(&awaited)) sem_post(&all_received);
  }
  REQUIRE_EQ(immuta_stream_next(stream, -1, &record, &error), IMMUTA_E_CLOSED); /* idle, then shut down */
  return NULL;
}

/* ---- The writer, here or there ----------------------------------------------------------------------------------- */

typedef struct numbers_writer {
  immuta_log *log;      /* if the writer is here; else NULL, and the pipes of the writer's process */
  int orders, answers;
  pid_t pid;
} numbers_writer;

static void append_number(immuta_log *log, uint64_t number) {
  immuta_error error;
  REQUIRE_OK(immuta_append(log, 0, &number, sizeof number, NULL, &error), &error);
}

/* Appends as many records as each order says and answers when that is done; ends when the orders end. */
static void serve(const char *directory, int orders, int answers) {
  immuta_error error;
  immuta_log *log = open_log(directory, 0, 1, 1000000000);
  uint64_t number = 0;
  do {
    REQUIRE_EQ(write(answers, &number, sizeof number), sizeof number);
    if (read(orders, &number, sizeof number) != sizeof number) break;
    append_number(log, number);
  } while (1);
  REQUIRE_OK(immuta_close(log, &error), &error);
  exit(0);
}

static void await_answer(const numbers_writer *self) {
  uint64_t number;
  REQUIRE_EQ(read(self->answers, &number, sizeof number), sizeof number);
}

static numbers_writer writer_elsewhere(const char *directory) {
  int orders[2], answers[2];
  REQUIRE(pipe(orders) == 0 && pipe(answers) == 0);
  numbers_writer self = {.orders = orders[1], .answers = answers[0], .pid = fork()};
  REQUIRE(self.pid >= 0);
  if (self.pid == 0) {
    close(orders[1]);
    close(answers[0]);
    serve(directory, orders[0], answers[1]);
  }
  close(orders[0]);
  close(answers[1]);
  await_answer(&self);
  return self;
}

static void writer_append(const numbers_writer *self, uint64_t number) {
  if (self->log != NULL) {
    append_number(self->log, number);
    return;
  }
  REQUIRE_EQ(write(self->orders, &number, sizeof number), sizeof number);
  await_answer(self);
}

static void writer_end(const numbers_writer *self) {
  int status = 0;
  if (self->log != NULL) return;
  close(self->orders);
  REQUIRE_EQ(waitpid(self->pid, &status, 0), self->pid);
  REQUIRE_EQ(status, 0);
}

/* ---- The crowd --------------------------------------------------------------------------------------------------- */

static uint64_t descriptors(void) {
  uint64_t count = 0;
  DIR *directory = opendir("/proc/self/fd");
  REQUIRE(directory != NULL);
  while (readdir(directory) != NULL) count++;
  closedir(directory);
  return count;
}

static void until_all_wait(immuta_log *log, uint64_t streams) {
  immuta_error error;
  immuta_stats stats;
  do {
    sched_yield();
    REQUIRE_OK(immuta_stats_get(log, 0, &stats, sizeof stats, &error), &error);
  } while (stats.waiters != streams);
}

/* Starts as many members as the machine allows, and says so when that is fewer than wanted. */
static uint64_t gather(immuta_log *log, member *members, uint64_t wanted) {
  immuta_error error;
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0);
  uint64_t count = 0;
  for (; count < wanted; count++) {
    member *self = &members[count];
    REQUIRE_OK(immuta_stream_open(log, 0, 0, &self->stream, &error), &error);
    int refused = pthread_create(&self->thread, &attributes, take_part, self->stream);
    if (refused == 0) continue;
    printf("  this machine refused thread %llu: %s\n", (unsigned long long)count, strerror(refused));
    immuta_stream_done(self->stream);
    break;
  }
  pthread_attr_destroy(&attributes);
  REQUIRE(count >= STREAMS_MIN);
  return count;
}

/* Every other record comes when all are asleep again, the ones between while they are still busy. */
static void hand_out(const numbers_writer *writer, immuta_log *log, uint64_t streams) {
  for (uint64_t number = 0; number < RECORDS; number += 2) {
    until_all_wait(log, streams);
    atomic_store(&awaited, streams * (number + 2));
    writer_append(writer, number);
    writer_append(writer, number + 1);
    while (sem_wait(&all_received) != 0) REQUIRE_EQ(errno, EINTR);
  }
  REQUIRE_EQ(received, streams * RECORDS);
}

static double cpu_ms(const struct rusage *usage) {
  return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1e3 +
         (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e3;
}

/* The figure this program is for; the pause is what is measured. */
static void measure_idling(uint64_t streams, time_t seconds) {
  struct rusage before, after;
  struct timespec pause = {.tv_sec = seconds};
  getrusage(RUSAGE_SELF, &before);
  while (nanosleep(&pause, &pause) != 0) REQUIRE_EQ(errno, EINTR);
  getrusage(RUSAGE_SELF, &after);
  printf("  %llu streams idle for %lld s: %.2f ms of CPU time, %ld context switches\n", (unsigned long long)streams,
         (long long)seconds, cpu_ms(&after) - cpu_ms(&before),
         after.ru_nvcsw + after.ru_nivcsw - before.ru_nvcsw - before.ru_nivcsw);
}

int main(int argc, char **argv) {
  REQUIRE(argc == 5);
  immuta_error error;
  uint64_t wanted = strtoull(argv[2], NULL, 10);
  int inside = strcmp(argv[4], "inside") == 0;
  numbers_writer writer = {0};
  if (!inside) writer = writer_elsewhere(argv[1]);
  immuta_log *log = open_log(argv[1], !inside, POOL, 1000000000);
  if (inside) writer.log = log;
  member *members = calloc(wanted, sizeof *members);
  REQUIRE(members != NULL && sem_init(&all_received, 0, 0) == 0);

  uint64_t descriptors_before = descriptors();
  uint64_t streams = gather(log, members, wanted);
  until_all_wait(log, streams);
  REQUIRE_EQ(descriptors(), descriptors_before);
  hand_out(&writer, log, streams);
  until_all_wait(log, streams);
  printf("  writer %s: %llu streams, %d readers, %d records each, all received\n", argv[4], (unsigned long long)streams,
         POOL, RECORDS);
  measure_idling(streams, (time_t)strtoll(argv[3], NULL, 10));

  REQUIRE_OK(immuta_shutdown(log, &error), &error);
  for (uint64_t i = 0; i < streams; i++) {
    REQUIRE(pthread_join(members[i].thread, NULL) == 0);
    immuta_stream_done(members[i].stream);
  }
  REQUIRE_OK(immuta_close(log, &error), &error);
  writer_end(&writer);
  free(members);
  return 0;
}
