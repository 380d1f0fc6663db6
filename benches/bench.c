/* Measures libimmuta against bare C loops that do the same necessary work, in turns (A B A B) in the same run and on
 * the same file system. Prints the medians, and the median of the ratios of each turn.
 *
 *   bench [--quick] [--only TEXT] [DIRECTORY]
 *
 * The files are made below DIRECTORY (default: here) and removed. --only runs the rows that have TEXT in their name. */
#define _GNU_SOURCE
#include "sustained.h"

#include <fcntl.h>
#include <immuta.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 9
#define THREADS_MAX 16
#define SUSTAINED_ROUNDS 4
#define SUSTAINED_SECONDS 5.0

typedef struct contest {
  const char *name;
  double (*library)(const workload *);
  double (*bare)(const workload *);
  size_t size;
  uint64_t count;
  unsigned threads;
  enum { READS, WRITES, SYNCS } kind; /* what writes starts without files; what syncs leaves other files on each side */
} contest;

static const contest contests[] = {
    {"append 100 B", library_append, bare_append, 100, 1000000, 1, WRITES},
    {"append 1 KiB", library_append, bare_append, 1024, 200000, 1, WRITES},
    /* The read contests use the log that the last write contest left. */
    {"read 1 KiB, next", library_read_next, bare_read, 1024, 200000, 1, READS},
    {"read 1 KiB, next_batch", library_read_batch, bare_read, 1024, 200000, 1, READS},
    {"durable 1 KiB", library_append_durable, bare_append_durable, 1024, 500, 1, SYNCS},
    {"durable 1 KiB, 16 threads", library_append_durable, bare_append_durable, 1024, 4000, 16, SYNCS},
};

/* Writing for many seconds beside a flush each second. The bare side is the better one of those named. */
typedef struct long_contest {
  const char *name;
  const contender *library, *bare, *other_bare;
  size_t size;
} long_contest;

static const long_contest long_contests[] = {
    {"sustained 100 B", &library_by_mapping, &bare_by_mapping, &bare_by_pwrite, 100},
    {"sustained 1 KiB", &library_by_mapping, &bare_by_mapping, &bare_by_pwrite, 1024},
    {"sustained 100 B, syscalls", &library_by_syscall, &bare_by_pwrite, NULL, 100},
    {"sustained 1 KiB, syscalls", &library_by_syscall, &bare_by_pwrite, NULL, 1024},
};

static char directory[4096];

/* The files of one side: "library" or "bare". */
static void remove_files(const char *side) {
  static const char *const suffixes[] = {"log", "idx", "live", "wal"};
  for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
    char path[sizeof directory + 16];
    snprintf(path, sizeof path, "%s/%s.%s", directory, side, suffixes[i]);
    unlink(path);
  }
}

static void remove_directory(void) {
  remove_files("library");
  remove_files("bare");
  rmdir(directory);
}

_Noreturn void die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("bench: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(EXIT_FAILURE);
}

double now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
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
  const double start_ns = now_ns();
  for (unsigned i = 0; i < work->threads; i++) {
    workers[i] = (worker){.work = work, .share = share, .argument = argument};
    if (pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]) != 0) die("cannot start a thread");
  }
  for (unsigned i = 0; i < work->threads; i++) pthread_join(workers[i].thread, NULL);
  return now_ns() - start_ns;
}

static int ascending(const void *left, const void *right) {
  const double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

static double median(double *values, size_t count) {
  qsort(values, count, sizeof *values, ascending);
  return values[count / 2];
}

/* Both sides did the same work only if the files say the same. */
static void compare_logs(const workload *work) {
  const size_t size = LOG_HEADER_BYTES + work->count * (8 + work->size);
  unsigned char *maps[2];
  for (int i = 0; i < 2; i++) {
    char path[sizeof directory + 16];
    snprintf(path, sizeof path, "%s/%s", directory, i == 0 ? "library.log" : "bare.log");
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (descriptor < 0 || fstat(descriptor, &status) != 0 || (size_t)status.st_size < size)
      die("%s is too short", path);
    maps[i] = mmap(NULL, size, PROT_READ, MAP_SHARED, descriptor, 0);
    if (maps[i] == MAP_FAILED) die("cannot map %s", path);
    close(descriptor);
  }
  if (memcmp(maps[0], maps[1], size) != 0) die("the two logs differ");
  for (int i = 0; i < 2; i++) munmap(maps[i], size);
}

static void print_side(double each_ns, double bytes) {
  const int is_long = each_ns >= 1e4;
  printf("%7.1f %s/record %7.*f MB/s   ", is_long ? each_ns / 1e3 : each_ns, is_long ? "us" : "ns", is_long,
         bytes / each_ns * 1e3);
}

/* In memory a sync costs nothing, and the figures of durable mode mean nothing. */
static void warn_of_tmpfs(void) {
  struct statfs status;
  if (statfs(directory, &status) == 0 && status.f_type == 0x01021994)
    puts("(a tmpfs: syncs are free here, so the durable figures say nothing about any device)");
}

static void run_contest(const contest *event, const unsigned char *payload, size_t rounds, uint64_t divisor) {
  const workload work = {directory, payload, event->size, event->count / divisor, event->threads};
  double library_ns[ROUNDS_MAX], bare_ns[ROUNDS_MAX], ratios[ROUNDS_MAX];
  /* One round more, to warm up. A side's old files go right before its turn, so that both write into pages just
   * freed. */
  for (size_t round = 0; round < rounds + 1; round++) {
    const size_t slot = round == 0 ? 0 : round - 1;
    if (event->kind != READS) remove_files("library");
    library_ns[slot] = event->library(&work) / (double)work.count;
    if (event->kind != READS) remove_files("bare");
    bare_ns[slot] = event->bare(&work) / (double)work.count;
    ratios[slot] = library_ns[slot] / bare_ns[slot];
    if (event->kind == WRITES && round == 0) compare_logs(&work);
  }
  const double library_each = median(library_ns, rounds), bare_each = median(bare_ns, rounds);
  const double bytes = (double)event->size;
  printf("%-25s ", event->name);
  print_side(library_each, bytes);
  print_side(bare_each, bytes);
  printf("%5.2f\n", median(ratios, rounds));
  fflush(stdout);
}

static sustained run_side(const contender *who, const workload *work, double seconds) {
  remove_files(who->files);
  const sustained result = run_sustained(who, work, seconds);
  remove_files(who->files);
  return result;
}

static void run_long_contest(const long_contest *event, const unsigned char *payload, size_t rounds, double seconds) {
  const workload work = {directory, payload, event->size, 0, 1};
  double library_ns[SUSTAINED_ROUNDS], bare_ns[SUSTAINED_ROUNDS], ratios[SUSTAINED_ROUNDS];
  sustained library = {0}, bare = {0};
  /* One run more, to warm up. The order turns with each round: a run fills the memory that the run before it freed, and
   * memory that was not in use lately is slower. */
  run_side(event->library, &work, seconds);
  for (size_t round = 0; round < rounds; round++) {
    if (round % 2 == 0) library = run_side(event->library, &work, seconds);
    bare = run_side(event->bare, &work, seconds);
    if (event->other_bare != NULL) {
      const sustained other = run_side(event->other_bare, &work, seconds);
      if (other.each_ns < bare.each_ns) bare = other;
    }
    if (round % 2 == 1) library = run_side(event->library, &work, seconds);
    library_ns[round] = library.each_ns;
    bare_ns[round] = bare.each_ns;
    ratios[round] = library.each_ns / bare.each_ns;
  }
  printf("%-25s ", event->name);
  print_side(median(library_ns, rounds), (double)event->size);
  print_side(median(bare_ns, rounds), (double)event->size);
  printf("%5.2f\n", median(ratios, rounds));
  printf("%-25s %4.2f of the mean, longest %5.1f ms     %4.2f of the mean, longest %5.1f ms\n", "  worst second",
         library.worst_second, library.longest_ns / 1e6, bare.worst_second, bare.longest_ns / 1e6);
  fflush(stdout);
}

int main(int argc, char **argv) {
  int quick = 0;
  const char *parent = ".", *only = "";
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--quick") == 0)
      quick = 1;
    else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
      only = argv[++i];
    else
      parent = argv[i];
  }
  snprintf(directory, sizeof directory, "%s/bench-data-XXXXXX", parent);
  if (mkdtemp(directory) == NULL) die("cannot make a directory in %s", parent);
  atexit(remove_directory);

  static unsigned char payload[1024];
  for (size_t i = 0; i < sizeof payload; i++) payload[i] = (unsigned char)(i * 131 + 7);

  const size_t rounds = quick ? 3 : ROUNDS_MAX;
  printf("libimmuta %s, %s engine, medians of %zu turns\n", immuta_version(), library_engine(directory), rounds);
  printf("%-25s %-31s   %-31s   %5s\n", "", "libimmuta", "bare C loop", "ratio");
  for (size_t i = 0; i < sizeof contests / sizeof *contests; i++)
    if (strstr(contests[i].name, only) != NULL) run_contest(&contests[i], payload, rounds, quick ? 10 : 1);
  for (size_t i = 0; i < sizeof long_contests / sizeof *long_contests; i++)
    if (strstr(long_contests[i].name, only) != NULL)
      run_long_contest(&long_contests[i], payload, quick ? 1 : SUSTAINED_ROUNDS, quick ? 1 : SUSTAINED_SECONDS);
  warn_of_tmpfs();
  return EXIT_SUCCESS;
}
