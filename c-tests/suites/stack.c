/* How much stack a call takes: measured on threads whose stacks are painted before, against what docs/c-api.md says.
 * Hosts run threads with small stacks, and callbacks of other languages on smaller ones. */
#include "check.h"

#include "codecs.h"

enum { KIB = 1024, STACK_BYTES = 512 * KIB, PAINT = 0xa5 };
/* What docs/c-api.md promises. */
enum { RUNNING_BYTES_MAX = 32 * KIB, OPENING_BYTES_MAX = 64 * KIB };

typedef struct scene {
  immuta_log *log;
  immuta_stream *stream;
} scene;

/* ---- Measuring ---- */

typedef struct measured {
  void (*call)(scene *self);
  scene *scene;
} measured;

static void *make_call(void *argument) {
  measured *self = argument;
  self->call(self->scene);
  return NULL;
}

/* How many bytes of its stack a thread takes that makes `call`. */
static size_t depth(void (*call)(scene *self), scene *with) {
  unsigned char *stack =
      mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  CHECK(stack != MAP_FAILED);
  memset(stack, PAINT, STACK_BYTES);
  pthread_attr_t attributes;
  pthread_t thread;
  measured self = {call, with};
  CHECK_EQ(pthread_attr_init(&attributes), 0);
  CHECK_EQ(pthread_attr_setstack(&attributes, stack, STACK_BYTES), 0);
  CHECK_EQ(pthread_create(&thread, &attributes, make_call, &self), 0);
  check_join(thread);
  pthread_attr_destroy(&attributes);
  size_t untouched = 0;
  while (untouched < STACK_BYTES && stack[untouched] == PAINT) untouched++;
  CHECK(munmap(stack, STACK_BYTES) == 0);
  return STACK_BYTES - untouched;
}

static void do_nothing(scene *self) { (void)self; }

/* Makes `call` twice and measures the second: in the first one the loader looks symbols up, on the stack, too. */
static void expect_at_most(size_t limit, const char *name, void (*call)(scene *self), scene *self) {
  depth(call, self);
  size_t nothing = depth(do_nothing, self), bytes = depth(call, self);
  bytes = bytes > nothing ? bytes - nothing : 0;
  printf("\n    %-24s %6.1f KiB", name, (double)bytes / KIB);
  CHECK(bytes <= limit);
}

static void not_under_a_checker(void) {
  if (getenv("IMMUTA_TEST_SLOW") != NULL) CHECK_NOT_HERE("a checker's frames are larger");
}

/* ---- Calls of a running program ---- */

static unsigned char payload[64 * KIB];

static void append(scene *self) {
  CHECK_EQ(immuta_append(self->log, 0, payload, sizeof payload, NULL, ERR), IMMUTA_OK);
}

static void append_much(scene *self) {
  static unsigned char much[4 << 20];
  CHECK_EQ(immuta_append(self->log, 0, much, sizeof much, NULL, ERR), IMMUTA_OK);
}

static void append_parts(scene *self) {
  immuta_slice parts[300];
  for (size_t i = 0; i < CHECK_COUNT(parts); i++) parts[i] = (immuta_slice){payload, 10};
  CHECK_EQ(immuta_appendv(self->log, 0, parts, CHECK_COUNT(parts), NULL, ERR), IMMUTA_OK);
}

static void append_batch(scene *self) {
  immuta_slice records[300];
  for (size_t i = 0; i < CHECK_COUNT(records); i++) records[i] = (immuta_slice){payload, 100};
  CHECK_EQ(immuta_append_batch(self->log, 0, records, CHECK_COUNT(records), NULL, ERR), IMMUTA_OK);
}

static int64_t give(void *user, void *buffer, size_t capacity) {
  (void)buffer;
  return (*(int *)user)++ < 3 ? (int64_t)capacity : 0;
}

static void append_from(scene *self) {
  int calls = 0;
  CHECK_EQ(immuta_append_from(self->log, 0, give, &calls, NULL, ERR), IMMUTA_OK);
}

static void commit(scene *self) {
  immuta_txn *txn = NULL;
  CHECK_EQ(immuta_txn_begin(self->log, 0, &txn, ERR), IMMUTA_OK);
  for (int i = 0; i < 10; i++) CHECK_EQ(immuta_txn_append(txn, payload, 1000, ERR), IMMUTA_OK);
  CHECK_EQ(immuta_txn_commit(txn, NULL, ERR), IMMUTA_OK);
}

static void sync_now(scene *self) {
  CHECK_EQ(immuta_append(self->log, 0, "new", 3, NULL, ERR), IMMUTA_OK);
  CHECK_EQ(immuta_sync(self->log, 0, ERR), IMMUTA_OK);
}

static void refused(scene *self) {
  CHECK_EQ(immuta_append_at(self->log, 0, UINT64_MAX, NULL, 0, NULL, ERR), IMMUTA_E_CONFLICT);
  CHECK_EQ(immuta_append(self->log, 7, NULL, 0, NULL, ERR), IMMUTA_E_NAMESPACE);
}

static void next(scene *self) {
  immuta_record record;
  CHECK_EQ(immuta_stream_next(self->stream, 0, &record, ERR), IMMUTA_OK);
  CHECK_EQ(immuta_record_done(&record), IMMUTA_OK);
}

static void next_batch(scene *self) {
  immuta_batch batch;
  CHECK_EQ(immuta_stream_next_batch(self->stream, 100, 1 << 20, 0, &batch, ERR), IMMUTA_OK);
  CHECK_EQ(immuta_batch_done(&batch), IMMUTA_OK);
  CHECK_EQ(immuta_stream_seek(self->stream, 1, ERR), IMMUTA_OK);
}

static void wait_in_vain(scene *self) {
  immuta_record record;
  immuta_stream *stream = NULL;
  CHECK_EQ(immuta_stream_open(self->log, 0, -1, &stream, ERR), IMMUTA_OK);
  CHECK_EQ(immuta_stream_next(stream, 1000000, &record, ERR), IMMUTA_TIMEOUT);
  immuta_stream_done(stream);
}

static void open_at_time(scene *self) {
  immuta_stream *stream = NULL;
  CHECK_EQ(immuta_stream_open_at_time(self->log, 0, 1, &stream, ERR), IMMUTA_OK);
  immuta_stream_done(stream);
}

static void poll_arm(scene *self) {
  int fd;
  immuta_stream *stream = NULL;
  CHECK_EQ(immuta_stream_open(self->log, 0, -1, &stream, ERR), IMMUTA_OK);
  CHECK_EQ(immuta_stream_poll_fd(stream, &fd, ERR), IMMUTA_OK);
  CHECK_EQ(immuta_stream_poll_arm(stream, ERR), IMMUTA_OK);
  CHECK_EQ(immuta_stream_interrupt(stream), IMMUTA_OK);
  immuta_stream_done(stream);
}

static void figures(scene *self) {
  immuta_stats stats;
  immuta_report report;
  CHECK_EQ(immuta_stats_get(self->log, 0, &stats, sizeof stats, ERR), IMMUTA_OK);
  CHECK_EQ(immuta_report_get(self->log, 0, &report, sizeof report, ERR), IMMUTA_OK);
}

typedef struct row {
  const char *name;
  void (*call)(scene *self);
} row;

static const row writing[] = {{"append", append},           {"append of 4 MiB", append_much}, {"appendv", append_parts},
                              {"append_batch", append_batch}, {"append_from", append_from},     {"txn_commit", commit},
                              {"sync", sync_now},             {"refused", refused}};
static const row reading[] = {{"next", next},         {"next_batch", next_batch}, {"next in vain", wait_in_vain},
                              {"open_at_time", open_at_time}, {"poll", poll_arm},         {"stats, report", figures}};

static void expect_rows(const row *rows, size_t count, scene *self) {
  for (size_t i = 0; i < count; i++) expect_at_most(RUNNING_BYTES_MAX, rows[i].name, rows[i].call, self);
}

/* Everything a running program calls, on a log as `setup` says, and over a read-only one. */
static void expect_small(check_setup setup) {
  immuta_log *log = check_open(setup);
  for (size_t i = 0; i < sizeof payload; i++) payload[i] = (unsigned char)(i * i >> 3);
  scene self = {.log = log};
  for (int i = 0; i < 8; i++) append(&self);
  self.stream = check_stream(log, 0, 0);
  expect_rows(writing, CHECK_COUNT(writing), &self);
  expect_rows(reading, CHECK_COUNT(reading), &self);
  immuta_stream_done(self.stream);
  setup.read_only = 1;
  self.log = check_open(setup);
  self.stream = check_stream(self.log, 0, 0);
  printf("\n  read-only:");
  expect_rows(reading, CHECK_COUNT(reading), &self);
  immuta_stream_done(self.stream);
  CHECK_OK(immuta_close(self.log, ERR));
  CHECK_OK(immuta_close(log, ERR));
}

static void running_calls_take_little_stack(void) {
  not_under_a_checker();
  expect_small((check_setup){0});
}

static void durable_calls_take_little_stack(void) {
  not_under_a_checker();
  expect_small((check_setup){.durable = 1, .journal_size = 1 << 20});
}

static void calls_by_system_calls_take_little_stack(void) {
  not_under_a_checker();
  expect_small((check_setup){.io = IMMUTA_IO_SYSCALL, .durable = 1});
}

static void codecs_take_little_stack(void) {
  not_under_a_checker();
  for (const int32_t *kind = kinds(); *kind != 0; kind++) {
    printf("\n  codec %d:", *kind);
    immuta_codec *codec = builtin(*kind, *kind == IMMUTA_CODEC_ZSTD ? 19 : *kind == IMMUTA_CODEC_DEFLATE ? 9 : 0);
    expect_small((check_setup){.codecs = {codec}});
    immuta_codec_free(codec);
    check_remove_directory();
    CHECK_EQ(mkdir(check_dir(), 0755), 0);
  }
}

/* ---- Opening and maintenance ---- */

static void open_and_close(scene *self) {
  immuta_log *log = NULL;
  (void)self;
  immuta_options *options = immuta_options_new();
  CHECK_EQ(immuta_options_add_namespace(options, "a"), IMMUTA_OK);
  CHECK_EQ(immuta_options_set_fast_write(options, 0), IMMUTA_OK);
  CHECK_EQ(immuta_open(check_dir(), options, &log, ERR), IMMUTA_OK);
  immuta_options_free(options);
  CHECK_EQ(immuta_close(log, ERR), IMMUTA_OK);
}

static void add(scene *self) {
  static char name[] = "aa";
  uint32_t ns;
  name[1]++;
  CHECK_EQ(immuta_namespace_add(self->log, name, &ns, ERR), IMMUTA_OK);
}

static void verify(scene *self) {
  immuta_report report;
  (void)self;
  CHECK_EQ(immuta_verify(check_dir(), "a", NULL, NULL, NULL, &report, sizeof report, ERR), IMMUTA_OK);
}

static void repair(scene *self) {
  immuta_report report;
  (void)self;
  check_patch_file(check_path("a.log"), 8 + 8 + 5, "damage", 6);
  CHECK_EQ(immuta_repair(check_dir(), "a", NULL, IMMUTA_REPAIR_APPLY, NULL, NULL, &report, sizeof report, ERR),
           IMMUTA_OK);
}

static void import(scene *self) {
  immuta_report report;
  (void)self;
  for (const char *const *end = (const char *const[]){"i.log", "i.idx", "i.live", NULL}; *end != NULL; end++)
    unlink(check_path(*end));
  CHECK_EQ(immuta_import(check_path("source.log"), check_dir(), "i", NULL, NULL, NULL, &report, sizeof report, ERR),
           IMMUTA_OK);
}

static void opening_and_maintenance_take_more(void) {
  not_under_a_checker();
  scene self = {.log = OPEN()};
  for (int i = 0; i < 8; i++) append(&self);
  CHECK_OK(immuta_close(self.log, ERR));
  self.log = OPEN(.names = {"source"});
  for (int i = 0; i < 8; i++) check_append(self.log, 0, 100, 1);
  CHECK_OK(immuta_close(self.log, ERR));
  expect_at_most(OPENING_BYTES_MAX, "open, close", open_and_close, NULL);
  expect_at_most(OPENING_BYTES_MAX, "verify", verify, NULL);
  expect_at_most(OPENING_BYTES_MAX, "import", import, NULL);
  expect_at_most(OPENING_BYTES_MAX, "repair", repair, NULL);
  self.log = OPEN(.names = {"b"});
  expect_at_most(OPENING_BYTES_MAX, "namespace_add", add, &self);
  CHECK_OK(immuta_close(self.log, ERR));
}

static const check_case cases[] = {
    CASE(running_calls_take_little_stack),
    CASE(durable_calls_take_little_stack),
    CASE(calls_by_system_calls_take_little_stack),
    CASE(codecs_take_little_stack),
    CASE(opening_and_maintenance_take_more),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
