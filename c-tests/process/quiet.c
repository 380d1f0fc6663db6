/* Appends while no thread is asleep and no stream of an event loop is armed, then reads by number. Marks that strace
 * shows surround both, so that the system calls between them can be counted.
 *
 *   quiet DIRECTORY APPENDS    prints the engine and the bytes appended to each file between the marks */
#include "process.h"

enum { RECORD_BYTES = 100, WARM_UP_APPENDS = 20000, WARM_UP_JUMPS = 3, JUMPS = 10000 };

static void append_many(immuta_log *log, uint64_t appends) {
  static const char data[RECORD_BYTES] = "quiet";
  immuta_error error;
  immuta_appended appended;
  for (uint64_t i = 0; i < appends; i++)
    REQUIRE_OK(immuta_append(log, 0, data, sizeof data, &appended, &error), &error);
}

/* A write to no descriptor: seen by strace, refused by the kernel, and nothing the library would ever do. */
static void mark(const char *text) { REQUIRE(write(-1, text, strlen(text)) == -1 && errno == EBADF); }

/* Reads records by number, in an order that goes through the whole log. */
static void jump(immuta_stream *stream, uint64_t jumps, uint64_t count) {
  immuta_error error;
  immuta_record record;
  for (uint64_t i = 0; i < jumps; i++) {
    const uint64_t number = (i * UINT64_C(2654435761) + count / 2) % count;
    REQUIRE_OK(immuta_stream_seek(stream, number, &error), &error);
    REQUIRE_OK(immuta_stream_next(stream, 0, &record, &error), &error);
    REQUIRE(record.number == number && record.size == RECORD_BYTES);
    REQUIRE_OK(immuta_record_done(&record), &error);
  }
}

/* An event loop that has been served, and is busy elsewhere now. */
static immuta_stream *be_rung_for_once(immuta_log *log) {
  immuta_error error;
  immuta_stream *stream;
  REQUIRE_OK(immuta_stream_open(log, 0, -1, &stream, &error), &error);
  REQUIRE_OK(immuta_stream_poll_arm(stream, &error), &error);
  append_many(log, 1);
  return stream;
}

int main(int argc, char **argv) {
  REQUIRE(argc == 3);
  immuta_error error;
  immuta_stats before, after;
  immuta_log *log = open_log(argv[1], 0, 1, 0);
  append_many(log, WARM_UP_APPENDS);
  immuta_stream *stream = be_rung_for_once(log);
  REQUIRE_OK(immuta_stats_get(log, 0, &before, sizeof before, &error), &error);
  mark("quiet begins");
  append_many(log, strtoull(argv[2], NULL, 10));
  mark("quiet ends");
  jump(stream, WARM_UP_JUMPS, WARM_UP_APPENDS);
  mark("jumps begin");
  jump(stream, JUMPS, WARM_UP_APPENDS);
  mark("jumps end");
  REQUIRE_OK(immuta_stats_get(log, 0, &after, sizeof after, &error), &error);
  printf("%s %llu %llu\n", after.engine == IMMUTA_IO_MMAP ? "mmap" : "syscall",
         (unsigned long long)(after.data_bytes - before.data_bytes),
         (unsigned long long)(after.count - before.count) * 24);
  immuta_stream_done(stream);
  REQUIRE_OK(immuta_close(log, &error), &error);
  return 0;
}
