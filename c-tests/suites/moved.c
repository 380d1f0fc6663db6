/* Interference with the files of a writer: they are removed or moved, or the host closes descriptors that it does not
 * know and opens its own with their numbers. Nothing more is written, no file of the host is touched, and the error
 * says what happened. */
#include "check.h"

#include <sys/mman.h>

enum { RECORD_BYTES = 100, HOST_BYTES = 100000, TAKEN_MAX = 64 };

/* From here on the log refuses to write, in these words. */
static void expect_poisoned(immuta_log *log, const char *words) {
  CHECK_STATUS(IMMUTA_E_IO, immuta_sync(log, 0, ERR));
  CHECK_MESSAGE(words);
  CHECK_STATUS(IMMUTA_E_POISONED, immuta_append(log, 0, "x", 1, NULL, ERR));
  CHECK_MESSAGE(words);
  CHECK(check_stats(log, 0).poisoned);
  CHECK_STATUS(IMMUTA_E_POISONED, immuta_close(log, ERR));
  CHECK_MESSAGE(words);
}

static immuta_log *open_with_records(const char *name, int durable) {
  immuta_log *log = OPEN(.names = {name}, .durable = durable, .journal_size = 1 << 16, .flush_interval_ns = -1);
  for (uint64_t i = 0; i < 10; i++) check_append(log, 0, RECORD_BYTES, i);
  CHECK_OK(immuta_sync(log, 0, ERR));
  return log;
}

static void a_file_without_its_name_is_written_no_more(void) {
  const char *suffixes[] = {"log", "idx", "wal"};
  for (int durable = 0; durable <= 1; durable++)
    for (int removed = 0; removed <= 1; removed++)
      for (int i = 0; i < (durable ? 3 : 2); i++) {
        char name[64], file[80], words[160];
        snprintf(name, sizeof name, "n%d%d%d", durable, removed, i);
        snprintf(file, sizeof file, "%s.%s", name, suffixes[i]);
        snprintf(words, sizeof words, "%s: it was %s", file, removed ? "removed" : "moved");
        immuta_log *log = open_with_records(name, durable);
        if (removed) CHECK(unlink(check_path(file)) == 0);
        else CHECK(rename(check_path(file), check_path("elsewhere")) == 0);
        expect_poisoned(log, words);
        if (!removed) { /* put back in place the log is whole */
          CHECK(rename(check_path("elsewhere"), check_path(file)) == 0);
          log = OPEN(.names = {name});
          CHECK_EQ(check_stats(log, 0).count, 10);
          CHECK_OK(immuta_close(log, ERR));
        }
      }
}

static void a_directory_that_is_moved_is_noticed_and_a_change_of_the_working_directory_is_none(void) {
  CHECK(chdir(check_dir()) == 0);
  immuta_log *log = OPEN(.directory = "below");
  check_append(log, 0, RECORD_BYTES, 0);
  CHECK(chdir("/") == 0);
  CHECK_OK(immuta_sync(log, 0, ERR));
  CHECK(rename(check_path("below"), check_path("moved")) == 0);
  CHECK_STATUS(IMMUTA_E_IO, immuta_sync(log, 0, ERR));
  CHECK_MESSAGE("below: it was moved");
  CHECK_STATUS(IMMUTA_E_POISONED, immuta_close(log, ERR));
  log = OPEN(.directory = check_path("moved"));
  CHECK_EQ(check_stats(log, 0).count, 1);
  const char *names[] = {"moved/a.log", "moved/a.idx", "moved/a.live"};
  for (size_t i = 0; i < CHECK_COUNT(names); i++) CHECK(unlink(check_path(names[i])) == 0);
  CHECK(rmdir(check_path("moved")) == 0);
  CHECK_STATUS(IMMUTA_E_IO, immuta_sync(log, 0, ERR));
  CHECK_MESSAGE("moved: it was removed");
  CHECK_STATUS(IMMUTA_E_POISONED, immuta_close(log, ERR));
}

/* The descriptors that lead into the test's directory; how many there are. */
static size_t find_descriptors(int *found) {
  size_t count = 0;
  DIR *directory = opendir("/proc/self/fd");
  CHECK(directory != NULL);
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    char path[300], target[4096];
    snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
    ssize_t length = readlink(path, target, sizeof target);
    if (length < 0 || strncmp(target, check_dir(), strlen(check_dir())) != 0) continue;
    CHECK(count < TAKEN_MAX);
    found[count++] = atoi(entry->d_name);
  }
  closedir(directory);
  CHECK(count >= 4);
  return count;
}

static void close_descriptors(void) {
  int found[TAKEN_MAX];
  size_t count = find_descriptors(found);
  for (size_t i = 0; i < count; i++) CHECK(close(found[i]) == 0);
}

static void a_host_that_closes_what_it_does_not_know_keeps_its_own_files(void) {
  for (int durable = 0; durable <= 1; durable++)
    for (int notice = 0; notice < 4; notice++) {
      char name[32];
      snprintf(name, sizeof name, "n%d%d", durable, notice);
      immuta_log *log = open_with_records(name, durable);
      int is_mapped = check_stats(log, 0).engine == IMMUTA_IO_MMAP;
      /* By system calls an append is written before anything looks, see docs/durability.md. */
      if (notice == 3 && !(durable && is_mapped)) {
        CHECK_OK(immuta_close(log, ERR));
        continue;
      }
      int host = memfd_create("host", MFD_CLOEXEC), taken[TAKEN_MAX];
      static char content[HOST_BYTES], after[HOST_BYTES + 1], large[1 << 21];
      memset(content, '!', sizeof content);
      CHECK(host >= 0 && write(host, content, sizeof content) == sizeof content);
      size_t count = find_descriptors(taken);
      for (size_t i = 0; i < count; i++) CHECK_EQ(dup2(host, taken[i]), taken[i]);
      if (notice == 0) CHECK_STATUS(IMMUTA_E_IO, immuta_sync(log, 0, ERR));
      if (notice == 1) CHECK_STATUS(IMMUTA_E_IO, immuta_append(log, 0, large, sizeof large, NULL, ERR));
      if (notice == 3) CHECK_STATUS(IMMUTA_E_IO, immuta_append(log, 0, "x", 1, NULL, ERR));
      if (notice != 2) {
        CHECK_MESSAGE("closed its descriptor");
        CHECK_STATUS(IMMUTA_E_POISONED, immuta_append(log, 0, "x", 1, NULL, ERR));
        CHECK_MESSAGE("closed its descriptor");
      }
      CHECK_STATUS(notice == 2 ? IMMUTA_E_IO : IMMUTA_E_POISONED, immuta_close(log, ERR));
      for (size_t i = 0; i < count; i++) {
        CHECK(fcntl(taken[i], F_GETFD) >= 0); /* what has the number now is not the library's to close */
        close(taken[i]);
      }
      CHECK_EQ(pread(host, after, sizeof after, 0), HOST_BYTES);
      CHECK(memcmp(content, after, HOST_BYTES) == 0);
      close(host);
      log = OPEN(.names = {name}); /* the lock went with its descriptor */
      CHECK(check_stats(log, 0).count >= 10); /* an append in flight may be there */
      CHECK_OK(immuta_close(log, ERR));
    }
}

static void descriptors_that_are_closed_are_noticed_though_nothing_is_opened(void) {
  static const int engines[] = {IMMUTA_IO_AUTO, IMMUTA_IO_SYSCALL};
  for (size_t i = 0; i < CHECK_COUNT(engines); i++)
    for (int notice = 0; notice < 2; notice++) {
      static char large[1 << 21];
      char name[32];
      snprintf(name, sizeof name, "n%zu%d", i, notice);
      immuta_log *log = OPEN(.names = {name}, .io = engines[i], .flush_interval_ns = -1);
      for (uint64_t record = 0; record < 10; record++) check_append(log, 0, RECORD_BYTES, record);
      close_descriptors();
      if (notice == 0) CHECK_STATUS(IMMUTA_E_IO, immuta_sync(log, 0, ERR));
      else
        CHECK_STATUS(
            IMMUTA_E_IO,
            immuta_append(log, 0, large, check_stats(log, 0).engine == IMMUTA_IO_MMAP ? sizeof large : 1, NULL, ERR));
      CHECK_MESSAGE("closed its descriptor");
      CHECK_STATUS(IMMUTA_E_POISONED, immuta_append(log, 0, "x", 1, NULL, ERR));
      CHECK_MESSAGE("closed its descriptor");
      CHECK_STATUS(IMMUTA_E_POISONED, immuta_close(log, ERR));
    }
}

/* The same files by the same numbers, or by those of another handle of the same log. The handle that got the lock last
 * is how the two are told apart. */
static void a_handle_without_its_descriptors_leaves_the_next_one_alone(void) {
  enum { CLOSED_AT_ONCE, LOOKS_FIRST, LOOKED_BEFORE, OTHER_NUMBERS, WAYS };
  for (int durable = 0; durable <= 1; durable++)
    for (int way = 0; way < WAYS; way++) {
      char name[32];
      snprintf(name, sizeof name, "n%d%d", durable, way);
      immuta_log *before = open_with_records(name, durable);
      close_descriptors();
      if (way == LOOKED_BEFORE) CHECK_STATUS(IMMUTA_E_IO, immuta_sync(before, 0, ERR));
      int of_host = way == OTHER_NUMBERS ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
      immuta_log *log = OPEN(.names = {name}, .durable = durable, .journal_size = 1 << 16, .flush_interval_ns = -1);
      for (uint64_t i = 10; i < 20; i++) check_append(log, 0, RECORD_BYTES, i);
      if (way == LOOKS_FIRST) expect_poisoned(before, "closed its descriptor");
      else {
        CHECK_STATUS(way == LOOKED_BEFORE ? IMMUTA_E_POISONED : IMMUTA_E_IO, immuta_close(before, ERR));
        CHECK_MESSAGE("closed its descriptor");
      }
      immuta_log *second = NULL;
      CHECK_STATUS(IMMUTA_E_LOCKED, TRY_OPEN(&second, .names = {name})); /* the lock is there still */
      check_append(log, 0, RECORD_BYTES, 20);
      CHECK_OK(immuta_sync(log, 0, ERR));
      CHECK_OK(immuta_close(log, ERR));
      log = OPEN(.names = {name});
      CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_CLEAN);
      immuta_stream *stream = check_stream(log, 0, 0);
      for (uint64_t i = 0; i <= 20; i++) check_next(stream, i, RECORD_BYTES, i);
      immuta_stream_done(stream);
      CHECK_OK(immuta_close(log, ERR));
      if (of_host >= 0) CHECK(close(of_host) == 0);
    }
}

static const check_case cases[] = {
    CASE(a_file_without_its_name_is_written_no_more),
    CASE(a_directory_that_is_moved_is_noticed_and_a_change_of_the_working_directory_is_none),
    CASE(a_host_that_closes_what_it_does_not_know_keeps_its_own_files),
    CASE(descriptors_that_are_closed_are_noticed_though_nothing_is_opened),
    CASE(a_handle_without_its_descriptors_leaves_the_next_one_alone),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
