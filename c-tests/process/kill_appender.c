/* The process that is killed. It opens the log, reports how many records it found, then appends for ever from some
 * threads. It reports up to which record appends have returned (the acknowledgement the log must keep). With
 * IMMUTA_TEST_SYNC it syncs now and then, and reports SAFE | up to which record.
 *
 *   kill_appender DIRECTORY SEED LIFE THREADS            until killed
 *   kill_appender DIRECTORY SEED LIFE THREADS APPENDS    so many appends by each, then a clean close and a
 *                                                        verification */
#include "payload.h"
#include <pthread.h>

enum { BATCH_LARGEST = 32, THREADS_MAX = 8, SYNC_ONE_IN = 32 };
static const uint64_t SAFE = UINT64_C(1) << 63;

typedef struct appender {
  immuta_log *log;
  uint64_t writer, sequence, random, appends;
  uint64_t end;         /* where the last append ended; alone, the next one goes there */
  int is_alone, is_syncing;
  unsigned char *arena; /* room for one batch */
  pthread_t thread;
} appender;

/* What recovery left must end with a whole batch. */
static void check_last_batch(immuta_log *log, uint64_t count) {
  immuta_error error = {0};
  immuta_stream *stream = NULL;
  immuta_record record;
  if (count == 0) return;
  REQUIRE_OK(immuta_stream_open(log, 0, (int64_t)count - 1, &stream, &error), &error);
  REQUIRE_OK(immuta_stream_next(stream, 0, &record, &error), &error);
  payload_head head = payload_check(&record);
  REQUIRE_EQ(head.index + 1, head.count);
  REQUIRE_OK(immuta_record_done(&record), &error);
  immuta_stream_done(stream);
}

/* The next `count` records of this writer. */
static void fill_records(appender *self, immuta_slice *records, uint32_t count) {
  unsigned char *at = self->arena;
  for (uint32_t i = 0; i < count; i++) {
    const payload_head head = {self->writer, self->sequence++, i, count};
    payload_fill(at, &head);
    records[i] = (immuta_slice){at, payload_size(&head)};
    at += records[i].size;
  }
}

static void append_single(appender *self, const immuta_slice *record, immuta_appended *appended, immuta_error *error) {
  REQUIRE_OK(immuta_append(self->log, 0, record->data, record->size, appended, error), error);
}

static void append_parts(appender *self, const immuta_slice *record, immuta_appended *appended, immuta_error *error) {
  const unsigned char *data = record->data;
  immuta_slice parts[] = {{data, 8}, {NULL, 0}, {data + 8, 9}, {data + 17, record->size - 17}};
  REQUIRE_OK(immuta_appendv(self->log, 0, parts, sizeof parts / sizeof *parts, appended, error), error);
}

static void append_transaction(appender *self, const immuta_slice *records, uint32_t count, immuta_appended *appended,
                               immuta_error *error) {
  immuta_txn *txn = NULL;
  REQUIRE_OK(immuta_txn_begin(self->log, 0, &txn, error), error);
  for (uint32_t i = 0; i < count; i++)
    REQUIRE_OK(immuta_txn_append(txn, records[i].data, records[i].size, error), error);
  REQUIRE_OK(immuta_txn_commit(txn, appended, error), error);
}

static void append_something(appender *self) {
  immuta_error error = {0};
  immuta_appended appended;
  immuta_slice records[BATCH_LARGEST];
  self->random = mix(self->random);
  const int kind = (int)(self->random % 4);
  const uint32_t count = kind < 2 ? 1 : 2 + (uint32_t)(self->random >> 32) % (BATCH_LARGEST - 1);
  fill_records(self, records, count);
  switch (kind) {
  case 0: append_single(self, records, &appended, &error); break;
  case 1: append_parts(self, records, &appended, &error); break;
  case 2: append_transaction(self, records, count, &appended, &error); break;
  default: REQUIRE_OK(immuta_append_batch(self->log, 0, records, count, &appended, &error), &error);
  }
  REQUIRE_EQ(appended.count, count);
  REQUIRE(self->is_alone ? appended.number == self->end : appended.number >= self->end);
  self->end = appended.number + count;
}

/* Commits happen in order, so when an append has returned, everything before it is committed, too. */
static void acknowledge(uint64_t end) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static uint64_t acknowledged;
  REQUIRE(pthread_mutex_lock(&lock) == 0);
  if (end > acknowledged) tell(acknowledged = end);
  REQUIRE(pthread_mutex_unlock(&lock) == 0);
}

/* Everything appended before the call is on disk when it returns. */
static void sync_and_tell(const appender *self) {
  immuta_error error = {0};
  REQUIRE_OK(immuta_sync(self->log, 0, &error), &error);
  tell(SAFE | self->end);
}

static void *append_on(void *argument) {
  appender *self = argument;
  for (uint64_t i = 0; i < self->appends; i++) {
    append_something(self);
    acknowledge(self->end);
    if (self->is_syncing && (self->random >> 8) % SYNC_ONE_IN == 0) sync_and_tell(self);
  }
  return NULL;
}

int main(int argc, char **argv) {
  REQUIRE(argc == 5 || argc == 6);
  const uint64_t seed = strtoull(argv[2], NULL, 10), life = strtoull(argv[3], NULL, 10),
                 threads = strtoull(argv[4], NULL, 10);
  REQUIRE(threads > 0 && threads <= THREADS_MAX);
  immuta_error error = {0};
  immuta_log *log = open_log(argv[1], 0, 2, 10000000);
  const uint64_t found = record_count(log);
  check_last_batch(log, found);
  tell(found);
  appender appenders[THREADS_MAX];
  for (uint64_t i = 0; i < threads; i++) {
    const uint64_t writer = life * THREADS_MAX + i;
    appenders[i] =
        (appender){.log = log, .writer = writer, .random = seed ^ writer, .end = found, .is_alone = threads == 1};
    appenders[i].is_syncing = getenv("IMMUTA_TEST_SYNC") != NULL;
    appenders[i].appends = argc == 6 ? strtoull(argv[5], NULL, 10) : UINT64_MAX;
    appenders[i].arena = malloc((size_t)BATCH_LARGEST * PAYLOAD_LARGEST);
    REQUIRE(appenders[i].arena != NULL);
    REQUIRE(pthread_create(&appenders[i].thread, NULL, append_on, &appenders[i]) == 0);
  }
  for (uint64_t i = 0; i < threads; i++) {
    REQUIRE(pthread_join(appenders[i].thread, NULL) == 0);
    free(appenders[i].arena);
  }
  const uint64_t count = record_count(log);

  immuta_report report;
  REQUIRE_OK(immuta_close(log, &error), &error);
  REQUIRE_OK(immuta_verify(argv[1], "events", NULL, NULL, NULL, &report, sizeof report, &error), &error);
  REQUIRE_EQ(report.finding, IMMUTA_OK);
  REQUIRE_EQ(report.bad_records, 0);
  REQUIRE_EQ(report.count, count);
  return 0;
}
