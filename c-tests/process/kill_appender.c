/* The process that is killed: opens the log, tells how many records it found, then appends for ever and tells the
 * next number after each append that returned (the acknowledgement the log must keep).
 *
 *   kill_appender DIRECTORY SEED            until killed
 *   kill_appender DIRECTORY SEED APPENDS    so many appends, then a clean close and a verification */
#include "payload.h"

enum { BATCH_LARGEST = 32 };

typedef struct appender {
  immuta_log *log;
  uint64_t next, random;
  unsigned char *arena; /* room for one batch */
} appender;

/* What recovery left must end with a whole batch. */
static void check_last_batch(const appender *self) {
  immuta_error error = {0};
  immuta_stream *stream = NULL;
  immuta_record record;
  if (self->next == 0) return;
  REQUIRE_OK(immuta_stream_open(self->log, 0, (int64_t)self->next - 1, &stream, &error), &error);
  REQUIRE_OK(immuta_stream_next(stream, 0, &record, &error), &error);
  payload_head head = payload_check(&record, self->next - 1);
  REQUIRE_EQ(head.batch_first + head.batch_count, self->next);
  REQUIRE_OK(immuta_record_done(&record), &error);
  immuta_stream_done(stream);
}

static void append_batch(appender *self, uint64_t count, immuta_appended *appended, immuta_error *error) {
  immuta_slice slices[BATCH_LARGEST];
  unsigned char *at = self->arena;
  for (uint64_t i = 0; i < count; i++) {
    payload_fill(at, self->next + i, self->next, count);
    slices[i] = (immuta_slice){at, payload_size(self->next + i)};
    at += slices[i].size;
  }
  REQUIRE_OK(immuta_append_batch(self->log, 0, slices, (size_t)count, appended, error), error);
}

static void append_single(appender *self, immuta_appended *appended, immuta_error *error) {
  payload_fill(self->arena, self->next, self->next, 1);
  REQUIRE_OK(immuta_append(self->log, 0, self->arena, payload_size(self->next), appended, error), error);
}

static void append_parts(appender *self, immuta_appended *appended, immuta_error *error) {
  size_t size = payload_size(self->next);
  payload_fill(self->arena, self->next, self->next, 1);
  immuta_slice parts[] = {{self->arena, 8}, {NULL, 0}, {self->arena + 8, 9}, {self->arena + 17, size - 17}};
  REQUIRE_OK(immuta_appendv(self->log, 0, parts, sizeof parts / sizeof *parts, appended, error), error);
}

static void append_something(appender *self) {
  immuta_error error = {0};
  immuta_appended appended;
  uint64_t count = 1;
  self->random = mix(self->random);
  switch (self->random % 3) {
  case 0: append_single(self, &appended, &error); break;
  case 1: append_parts(self, &appended, &error); break;
  default:
    count = 2 + (self->random >> 32) % (BATCH_LARGEST - 1);
    append_batch(self, count, &appended, &error);
  }
  REQUIRE_EQ(appended.number, self->next);
  REQUIRE_EQ(appended.count, count);
  self->next += count;
  tell(self->next);
}

int main(int argc, char **argv) {
  REQUIRE(argc == 3 || argc == 4);
  immuta_error error = {0};
  appender self = {.log = open_log(argv[1], 0, 2, 10000000), .random = strtoull(argv[2], NULL, 10)};
  self.next = record_count(self.log);
  self.arena = malloc((size_t)BATCH_LARGEST * PAYLOAD_LARGEST);
  REQUIRE(self.arena != NULL);
  check_last_batch(&self);
  tell(self.next);
  uint64_t appends = argc == 4 ? strtoull(argv[3], NULL, 10) : UINT64_MAX;
  for (uint64_t i = 0; i < appends; i++) append_something(&self);

  immuta_report report;
  REQUIRE_OK(immuta_close(self.log, &error), &error);
  REQUIRE_OK(immuta_verify(argv[1], "events", NULL, NULL, NULL, &report, sizeof report, &error), &error);
  REQUIRE_EQ(report.finding, IMMUTA_OK);
  REQUIRE_EQ(report.bad_records, 0);
  REQUIRE_EQ(report.count, self.next);
  free(self.arena);
  return 0;
}
