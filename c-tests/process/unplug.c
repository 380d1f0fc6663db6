/* Stops a process at some moment, and makes the kernel write back a part of what the process wrote, as it might have
 * done by then. The part is pages of its files (the first page more often than others), or the metadata of all of them,
 * before and after the moment. The device then holds what a power cut leaves.
 *
 *   unplug PROCESS DIRECTORY SEED    of the log; the file DIRECTORY.other serves to make the file system commit */
#include "process.h"
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>

enum { WRITES_MOST = 4, PAGE = 4096, PATH_SIZE = 4096 };

static uint64_t random_state;
static uint64_t below(uint64_t bound) {
  random_state = mix(random_state);
  return random_state % bound;
}

/* fsync of one file commits the metadata of all files: sizes and names, but not the bytes of mapped and delayed
 * pages. */
static void commit_metadata(const char *directory) {
  char path[PATH_SIZE];
  REQUIRE(snprintf(path, sizeof path, "%s.other", directory) < PATH_SIZE);
  const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  REQUIRE(fd >= 0);
  REQUIRE_EQ(write(fd, "x", 1), 1);
  REQUIRE(fsync(fd) == 0);
  close(fd);
}

/* Page 0, or some pages; a file that does not exist yet has none. */
static void write_back_pages(const char *directory) {
  static const char *const names[] = {"events.log", "events.idx", "events.wal", "events.live"};
  char path[PATH_SIZE];
  REQUIRE(snprintf(path, sizeof path, "%s/%s", directory, names[below(4)]) < PATH_SIZE);
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) {
    REQUIRE_EQ(errno, ENOENT);
    return;
  }
  const uint64_t pages = (uint64_t)status.st_size / PAGE + 1, first = below(2) == 0 ? 0 : below(pages);
  const uint64_t count = first == 0 ? 1 : 1 + below(pages - first);
  const unsigned flags = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  REQUIRE(sync_file_range(fd, (off_t)(first * PAGE), (off_t)(count * PAGE), flags) == 0);
  close(fd);
}

static void write_back(const char *directory) {
  for (uint64_t writes = below(WRITES_MOST + 1); writes > 0; writes--)
    if (below(3) == 0) commit_metadata(directory);
    else write_back_pages(directory);
}

/* Whether a thread no longer runs: it is stopped or has ended. */
static int is_still(const char *task) {
  char text[1024];
  FILE *file = fopen(task, "r");
  if (file == NULL) return 1; /* it has ended */
  text[fread(text, 1, sizeof text - 1, file)] = '\0';
  fclose(file);
  const char *name_end = strrchr(text, ')');
  return name_end == NULL || strchr("TZX", name_end[2]) != NULL;
}

static int is_stopped(const char *tasks) {
  DIR *directory = opendir(tasks);
  if (directory == NULL) return 1;
  int still = 1;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    char path[PATH_SIZE];
    if (entry->d_name[0] == '.') continue;
    REQUIRE(snprintf(path, sizeof path, "%s/%s/stat", tasks, entry->d_name) < PATH_SIZE);
    still &= is_still(path);
  }
  closedir(directory);
  return still;
}

int main(int argc, char **argv) {
  REQUIRE(argc == 4);
  random_state = strtoull(argv[3], NULL, 10);
  write_back(argv[2]);
  char tasks[64];
  snprintf(tasks, sizeof tasks, "/proc/%s/task", argv[1]);
  REQUIRE(kill((pid_t)strtol(argv[1], NULL, 10), SIGSTOP) == 0);
  while (!is_stopped(tasks)) sched_yield();
  write_back(argv[2]);
  return 0;
}
