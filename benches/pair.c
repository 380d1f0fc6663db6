/* Compares two builds of the library, of two commits for example: both are loaded, and called in turns of 1000 appends,
 * then of 1000 records read by next, by next_batch, and by number in any order. Prints the median nanoseconds for a
 * record on each side, and the median of the ratios of the turns, second to first. The load of a machine changes more
 * slowly than the turns, so differences of one percent show.
 *
 *   make pair FIRST=before.so SECOND=after.so [BYTES=100] [TURNS=2000]
 *   build/make/pair FIRST SECOND BYTES TURNS DIRECTORY
 *
 * FIRST and SECOND are two files: the loader takes the same file for one library. DIRECTORY must exist; the logs in it
 * are called first and second, and are left there. */
#define _GNU_SOURCE
#include "bench.h"

#include <dlfcn.h>
#include <immuta.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALLS_PER_TURN = 1000, TURNS_MAX = 1000000, BYTES_MAX = 1 << 26 };
enum { RECORDS_PER_BATCH = 250, BYTES_PER_BATCH = 1 << 20 };

typedef struct side {
  void *library;
  immuta_log *log;
  immuta_stream *stream;
  uint64_t first; /* number of the first record appended */
  immuta_status (*append)(immuta_log *, uint32_t, const void *, size_t, immuta_appended *, immuta_error *);
  immuta_status (*next)(immuta_stream *, int64_t, immuta_record *, immuta_error *);
  immuta_status (*done)(immuta_record *);
  immuta_status (*next_batch)(immuta_stream *, size_t, size_t, int64_t, immuta_batch *, immuta_error *);
  immuta_status (*batch_done)(immuta_batch *);
  immuta_status (*seek)(immuta_stream *, uint64_t, immuta_error *);
  double *turns_ns; /* for a record, in each turn */
} side;

static void must(immuta_status status, const immuta_error *error) {
  if (status != IMMUTA_OK) die("%s", error->message);
}

/* Sets the function pointer at `function` to the library's function of that name. */
static void find(const side *self, const char *name, void *function) {
  void *found = dlsym(self->library, name);
  if (found == NULL) die("%s", dlerror());
  memcpy(function, &found, sizeof found);
}

static void open_side(side *self, const char *path, const char *directory, const char *name, size_t turns) {
  immuta_options *(*options_new)(void);
  immuta_status (*add_namespace)(immuta_options *, const char *);
  immuta_status (*set_flush_interval)(immuta_options *, int64_t);
  immuta_status (*open_log)(const char *, const immuta_options *, immuta_log **, immuta_error *);
  immuta_status (*open_stream)(immuta_log *, uint32_t, int64_t, immuta_stream **, immuta_error *);
  immuta_status (*position)(immuta_stream *, uint64_t *);
  void (*options_free)(immuta_options *);
  immuta_error error = {0};
  char *log_path = NULL;
  self->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (self->library == NULL) die("%s", dlerror());
  find(self, "immuta_options_new", &options_new);
  find(self, "immuta_options_add_namespace", &add_namespace);
  find(self, "immuta_options_set_flush_interval", &set_flush_interval);
  find(self, "immuta_options_free", &options_free);
  find(self, "immuta_open", &open_log);
  find(self, "immuta_stream_open", &open_stream);
  find(self, "immuta_append", &self->append);
  find(self, "immuta_stream_next", &self->next);
  find(self, "immuta_record_done", &self->done);
  find(self, "immuta_stream_next_batch", &self->next_batch);
  find(self, "immuta_batch_done", &self->batch_done);
  find(self, "immuta_stream_seek", &self->seek);
  find(self, "immuta_stream_position", &position);
  immuta_options *options = options_new();
  if (asprintf(&log_path, "%s/%s", directory, name) < 0) die("no memory");
  must(add_namespace(options, "pair"), &error);
  must(set_flush_interval(options, 0), &error); /* no flush beside the calls */
  must(open_log(log_path, options, &self->log, &error), &error);
  must(open_stream(self->log, 0, -1, &self->stream, &error), &error); /* from now on: an older log may be there */
  must(position(self->stream, &self->first), &error);
  options_free(options);
  free(log_path);
  self->turns_ns = calloc(turns, sizeof *self->turns_ns);
  if (self->turns_ns == NULL) die("no memory");
}

typedef struct turn_work {
  const void *payload;
  size_t size;
  uint64_t count; /* of records, when all turns are over */
  size_t round;   /* how many turns of this kind are over */
} turn_work;

typedef void turn_function(const side *, const turn_work *);

static void append_turn(const side *self, const turn_work *work) {
  immuta_error error;
  for (int call = 0; call < CALLS_PER_TURN; call++)
    must(self->append(self->log, 0, work->payload, work->size, NULL, &error), &error);
}

static void next_record(const side *self, size_t size) {
  immuta_error error;
  immuta_record record;
  must(self->next(self->stream, 0, &record, &error), &error);
  if (record.size != size) die("a record of %zu bytes, expected %zu", record.size, size);
  must(self->done(&record), &error);
}

static void next_turn(const side *self, const turn_work *work) {
  for (int call = 0; call < CALLS_PER_TURN; call++) next_record(self, work->size);
}

static void batch_turn(const side *self, const turn_work *work) {
  immuta_error error;
  immuta_batch batch;
  (void)work;
  for (size_t left = CALLS_PER_TURN; left > 0;) {
    const size_t wanted = left < RECORDS_PER_BATCH ? left : RECORDS_PER_BATCH;
    must(self->next_batch(self->stream, wanted, BYTES_PER_BATCH, 0, &batch, &error), &error);
    left -= batch.count;
    must(self->batch_done(&batch), &error);
  }
}

/* Random numbers, the same ones for both sides. */
static void jump_turn(const side *self, const turn_work *work) {
  immuta_error error;
  uint64_t state = work->round;
  for (int call = 0; call < CALLS_PER_TURN; call++) {
    must(self->seek(self->stream, self->first + random_below(&state, work->count), &error), &error);
    next_record(self, work->size);
  }
}

static int ascending(const void *left, const void *right) {
  const double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

static double median(double *values, size_t count) {
  qsort(values, count, sizeof *values, ascending);
  return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static void compare(const char *what, side *sides, turn_function *turn, const void *payload, size_t size,
                    size_t turns) {
  immuta_error error;
  double *ratios = calloc(turns, sizeof *ratios);
  if (ratios == NULL) die("no memory");
  turn_work work = {payload, size, turns * CALLS_PER_TURN, 0};
  for (side *self = sides; self < sides + 2; self++) must(self->seek(self->stream, self->first, &error), &error);
  for (; work.round < turns; work.round++) {
    for (size_t place = 0; place < 2; place++) { /* the order changes with each round */
      side *self = &sides[(work.round + place) % 2];
      const double start_ns = now_ns();
      turn(self, &work);
      self->turns_ns[work.round] = (now_ns() - start_ns) / CALLS_PER_TURN;
    }
    ratios[work.round] = sides[1].turns_ns[work.round] / sides[0].turns_ns[work.round];
  }
  printf("%-10s %zu B: first %.1f ns, second %.1f ns, ratio %.3f\n", what, size, median(sides[0].turns_ns, turns),
         median(sides[1].turns_ns, turns), median(ratios, turns));
  free(ratios);
}

int main(int argc, char **argv) {
  if (argc != 6) die("pair FIRST SECOND BYTES TURNS DIRECTORY");
  const unsigned long size = strtoul(argv[3], NULL, 10), turns = strtoul(argv[4], NULL, 10);
  if (size > BYTES_MAX || turns == 0 || turns > TURNS_MAX)
    die("BYTES is at most %d, TURNS is 1 to %d", (int)BYTES_MAX, (int)TURNS_MAX);
  unsigned char *payload = malloc(size + 1);
  if (payload == NULL) die("no memory");
  memset(payload, 7, size + 1);
  side sides[2];
  open_side(&sides[0], argv[1], argv[5], "first", turns);
  open_side(&sides[1], argv[2], argv[5], "second", turns);
  compare("append", sides, append_turn, payload, size, turns);
  compare("next", sides, next_turn, payload, size, turns);
  compare("next_batch", sides, batch_turn, payload, size, turns);
  compare("by number", sides, jump_turn, payload, size, turns);
  return EXIT_SUCCESS;
}
