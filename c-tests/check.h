/* The test harness of the C suites: checks that print what they saw, cases that run alone, and the few helpers every
 * suite needs.
 *
 * A suite is one C file: functions `static void case_name(void)`, a table of them, and a `main` that hands the table to
 * check_main. Each case runs in a forked child with an empty directory of its own, so a crash, a hang or a leaked
 * thread ends that case only. The parent calls the library only to warm up valgrind. A failed check prints itself and
 * ends the case, from whatever thread or process it is in.
 *
 *     static void first_record_is_at_8(void) {
 *       immuta_log *log = OPEN(.readers = 2);
 *       immuta_appended appended;
 *       CHECK_OK(immuta_append(log, 0, "hello world", 11, &appended, ERR));
 *       CHECK_EQ(appended.offset, 8);
 *       CHECK_OK(immuta_close(log, ERR));
 *     }
 *     static const check_case cases[] = {CASE(first_record_is_at_8)};
 *     int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
 *
 * Pass ERR as the error of a call inside CHECK_OK or CHECK_STATUS: its message is printed on failure, and every such
 * check also demands what the interface promises about errors (written on failure only, with the code that is returned
 * and a message). The error stays in check_error until the next such check begins, which clears it before anything
 * else.
 *
 * check/assert.h has the checks, check/files.h files and bytes, check/log.h the log in one line, check/tasks.h threads
 * and processes; check/format.h, for those who ask for it, reads the files independently of the library. */
#ifndef IMMUTA_CHECK_H
#define IMMUTA_CHECK_H
#include "check/assert.h"
#include "check/files.h"
#include "check/log.h"
#include "check/tasks.h"

#include <ftw.h>
#include <sys/mman.h>
#include <sys/prctl.h>

typedef struct check_case {
  const char *name;
  void (*run)(void);
} check_case;
#define CASE(function) {#function, function}

static inline int check_remove(const char *path, const struct stat *status, int kind, struct FTW *position) {
  (void)status, (void)position;
  if (kind == FTW_D) return chmod(path, 0700), 0;
  return remove(path);
}

/* The directory is made accessible from the outside in, then removed from the inside out. */
static inline void check_remove_directory(void) {
  nftw(check_directory, check_remove, 16, FTW_PHYS);
  nftw(check_directory, check_remove, 16, FTW_PHYS | FTW_DEPTH);
}

static inline void check_make_directory(const char *name) {
  const char *parent = getenv("IMMUTA_TEST_DIR");
  if (parent == NULL || parent[0] == '\0') parent = getenv("TMPDIR");
  if (parent == NULL || parent[0] == '\0') parent = "/tmp";
  snprintf(check_directory, sizeof check_directory, "%s/immuta-%.80s-XXXXXX", parent, name);
  if (mkdtemp(check_directory) == NULL || chmod(check_directory, 0755) != 0) {
    printf("cannot make a directory in %s: %s\n", parent, strerror(errno));
    exit(CHECK_EXIT_FAILED);
  }
}

/* Opens, writes, reads and closes a log in each mode. Valgrind translates code when it first runs, and a child inherits
 * what its parent has translated. Without this, the library would be translated again in every case, which takes longer
 * than the case itself. A suite whose cases need a process that has not called the library yet defines CHECK_COLD
 * before it includes this header. */
static inline void check_warm_up(void) {
  check_make_directory("warm-up");
  for (int durable = 0; durable <= 1; durable++) {
    for (int read_only = 0; read_only <= 1; read_only++) {
      immuta_log *log = OPEN(.durable = durable, .read_only = read_only, .names = {durable ? "durable" : "fast"});
      if (!read_only) {
        check_append(log, 0, 100, 1);
        check_append(log, 0, 5000, 2);
        CHECK_OK(immuta_sync(log, 0, ERR));
      }
      immuta_stream *stream = check_stream(log, 0, 0);
      check_next(stream, 0, 100, 1);
      check_next(stream, 1, 5000, 2);
      check_end(stream);
      immuta_stream_done(stream);
      (void)check_report(log, 0), (void)check_stats(log, 0);
      CHECK_OK(immuta_close(log, ERR));
    }
  }
  check_remove_directory();
  atomic_store(check_counter, 0);
}

/* Runs one case in a child of its own process group, so that whatever it leaves running ends with it. Returns the exit
 * status. */
static inline int check_run_case(const check_case *test) {
  check_make_directory(test->name);
  fflush(stdout);
  pid_t parent = getpid(), pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(CHECK_EXIT_FAILED);
    alarm(CHECK_CASE_SECONDS_MAX); /* a hang is a failure, not a frozen run */
    test->run();
    exit(0);
  }
  int status = -1;
  if (pid < 0 || waitpid(pid, &status, 0) != pid) status = -1;
  if (pid > 0) kill(-pid, SIGKILL);
  check_remove_directory();
  if (status != -1 && WIFSIGNALED(status)) {
    printf("\n    ended by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
    return CHECK_EXIT_FAILED;
  }
  return status == -1 ? CHECK_EXIT_FAILED : WEXITSTATUS(status);
}

/* Runs every case, or those named in argv; 0 when all passed. */
static inline int check_main(const check_case *cases, size_t count, int argc, char **argv) {
  check_counter = mmap(NULL, sizeof *check_counter, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (check_counter == MAP_FAILED) return CHECK_EXIT_FAILED;
#ifndef CHECK_COLD
  if (getenv("IMMUTA_TEST_WARM_UP") != NULL) check_warm_up();
#endif
  int failed = 0, ran = 0;
  for (size_t i = 0; i < count; i++) {
    int wanted = argc < 2;
    for (int a = 1; a < argc; a++) wanted |= strcmp(argv[a], cases[i].name) == 0;
    if (!wanted) continue;
    uint64_t before = atomic_load(check_counter);
    printf("  %s ... ", cases[i].name);
    int status = check_run_case(&cases[i]);
    int passed = status == 0 || status == CHECK_EXIT_SKIPPED;
    if (status == 0) printf("ok (%" PRIu64 " checks)\n", atomic_load(check_counter) - before);
    else printf("%s\n", passed ? "" : "  FAILED");
    if (!passed && status != CHECK_EXIT_FAILED)
      printf("    exit status %d%s\n", status, status == 99 ? ": valgrind or a sanitizer found errors" : "");
    failed += !passed;
    ran++;
  }
  if (ran == 0) printf("no case has that name\n");
  printf("%" PRIu64 " checks\n", atomic_load(check_counter));
  return failed == 0 && ran > 0 ? 0 : CHECK_EXIT_FAILED;
}

#endif
