/* The process whose system calls are refused. It opens, commits, syncs and closes in fast and in durable mode, and
 * continues whatever the calls return. It reports what became of each commit, so that the driver knows what the log
 * must hold.
 *
 *   inject DIRECTORY work     reports commit << 2 | outcome, once before the commit and once after it
 *   inject DIRECTORY check    opens, checks every byte, reports each commit and the record count, closes, and verifies
 *
 * A record is its commit's number, its index in the commit and how many are in it, then bytes that follow from
 * these. */
#include "process.h"

enum { BEGUN, ACKNOWLEDGED, REFUSED, UNKNOWN };
enum { HEAD = 16, LARGEST = 70000, BATCH = 5, SESSIONS = 3, JOURNAL_SIZE = 128 << 10, SECONDS_MAX = 60 };

typedef struct record_head {
  uint64_t commit;
  uint32_t index, count;
} record_head;

/* Mostly small; one in six is longer than a half of the journal holds. */
static size_t record_size(uint64_t commit) { return commit % 6 == 4 ? LARGEST : HEAD + (size_t)(mix(commit) % 300); }

static void fill(unsigned char *bytes, record_head head) {
  memcpy(bytes, &head, sizeof head);
  for (size_t at = HEAD; at < record_size(head.commit); at++)
    bytes[at] = (unsigned char)(mix(head.commit) >> at % 8 * 8) ^ (unsigned char)at;
}

static immuta_status try_open(const char *directory, int32_t fast, immuta_log **log, immuta_error *error) {
  immuta_options *options = immuta_options_new();
  if (options == NULL) return IMMUTA_E_NO_MEMORY;
  REQUIRE_OK(immuta_options_add_namespace(options, "events"), error);
  REQUIRE_OK(immuta_options_set_reader_count(options, 1), error);
  REQUIRE_OK(immuta_options_set_flush_interval(options, 0), error);
  REQUIRE_OK(immuta_options_set_fast_write(options, fast), error);
  REQUIRE_OK(immuta_options_set_journal_size(options, JOURNAL_SIZE), error);
  const char *io = getenv("IMMUTA_TEST_IO");
  if (io != NULL && strcmp(io, "syscall") == 0) REQUIRE_OK(immuta_options_set_io(options, IMMUTA_IO_SYSCALL), error);
  const immuta_status status = immuta_open(directory, options, log, error);
  immuta_options_free(options);
  return status;
}

static int is_poisoned(immuta_log *log) {
  immuta_error error = {0};
  immuta_stats stats;
  REQUIRE_OK(immuta_stats_get(log, 0, &stats, sizeof stats, &error), &error);
  return stats.poisoned != 0;
}

/* One commit of `count` records, tried once more if no outcome is unknown. If the log is poisoned already, nothing is
 * reported. */
static void commit(immuta_log *log, uint32_t count) {
  static unsigned char bytes[BATCH][LARGEST];
  static uint64_t next;
  immuta_status status = IMMUTA_E_IO;
  for (int try = 0; try < 2 && status != IMMUTA_OK && !is_poisoned(log); try++) {
    const uint64_t number = next++;
    immuta_slice slices[BATCH];
    for (uint32_t i = 0; i < count; i++) {
      fill(bytes[i], (record_head){number, i, count});
      slices[i] = (immuta_slice){bytes[i], record_size(number)};
    }
    immuta_error error = {0};
    tell(number << 2 | BEGUN);
    status = immuta_append_batch(log, 0, slices, count, NULL, &error);
    if (status != IMMUTA_OK) fprintf(stderr, "commit %llu: %s\n", (unsigned long long)number, error.message);
    tell(number << 2 | (status == IMMUTA_OK ? ACKNOWLEDGED : is_poisoned(log) ? UNKNOWN : REFUSED));
  }
}

static void work(const char *directory, int32_t fast) {
  immuta_error error = {0};
  immuta_log *log = NULL;
  if (try_open(directory, fast, &log, &error) != IMMUTA_OK) {
    fprintf(stderr, "open: %s\n", error.message);
    return;
  }
  commit(log, 1);
  commit(log, BATCH);
  if (immuta_sync(log, 0, &error) != IMMUTA_OK) fprintf(stderr, "sync: %s\n", error.message);
  for (int i = 0; i < 4; i++) commit(log, 1);
  if (immuta_close(log, &error) != IMMUTA_OK) fprintf(stderr, "close: %s\n", error.message);
}

static void check(const char *directory) {
  static unsigned char expected[LARGEST];
  immuta_error error = {0};
  immuta_log *log = NULL;
  immuta_stream *stream = NULL;
  immuta_record record;
  immuta_report report;
  REQUIRE_OK(try_open(directory, 1, &log, &error), &error);
  REQUIRE_OK(immuta_stream_open(log, 0, 0, &stream, &error), &error);
  uint32_t next_index = 0;
  uint64_t count = 0;
  immuta_status status;
  while ((status = immuta_stream_next(stream, 0, &record, &error)) == IMMUTA_OK) {
    record_head head;
    REQUIRE(record.size >= sizeof head);
    memcpy(&head, record.data, sizeof head);
    REQUIRE_EQ(record.size, record_size(head.commit));
    fill(expected, head);
    REQUIRE(memcmp(record.data, expected, record.size) == 0);
    REQUIRE_EQ(head.index, next_index); /* no part of a batch is missing */
    next_index = head.index + 1 == head.count ? 0 : head.index + 1;
    if (head.index == 0) tell(head.commit);
    count++;
    REQUIRE_OK(immuta_record_done(&record), &error);
  }
  REQUIRE_EQ(status, IMMUTA_TIMEOUT);
  REQUIRE_EQ(next_index, 0);
  immuta_stream_done(stream);
  REQUIRE_OK(immuta_close(log, &error), &error);
  REQUIRE_OK(immuta_verify(directory, "events", NULL, NULL, NULL, &report, sizeof report, &error), &error);
  REQUIRE_EQ(report.finding, IMMUTA_OK);
  REQUIRE_EQ(report.count, count);
  tell(count);
}

int main(int argc, char **argv) {
  REQUIRE(argc == 3);
  alarm(SECONDS_MAX); /* a hang is a failure */
  if (strcmp(argv[2], "check") == 0) {
    check(argv[1]);
    return 0;
  }
  (void)!write(-1, "work begins", 11); /* a mark for the driver: calls before it are the loader's */
  for (int session = 0; session < SESSIONS; session++) work(argv[1], session % 2 == 0);
  return 0;
}
