/* Threads, processes and how they wait for each other without sleeping; counts of what a process holds. */
#ifndef IMMUTA_CHECK_TASKS_H
#define IMMUTA_CHECK_TASKS_H
#include "check/log.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define CHECK_SECOND INT64_C(1000000000) /* in ns */

static inline pthread_t check_start(void *(*function)(void *), void *argument) {
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, function, argument), 0);
  return thread;
}

static inline void *check_join(pthread_t thread) {
  void *result = NULL;
  CHECK_EQ(pthread_join(thread, &result), 0);
  return result;
}

/* A gate stops threads or forked processes until another one opens it. Make it before they start; each opening lets one
 * wait end. */
typedef struct check_gate {
  int read_fd, write_fd;
} check_gate;

static inline check_gate check_gate_new(void) {
  int fds[2];
  CHECK(pipe2(fds, O_CLOEXEC) == 0);
  return (check_gate){fds[0], fds[1]};
}

/* A race detector does not see the pipe. This orders what threads do before an open and after a wait by the C memory
 * model, too. */
static atomic_uint check_gates_opened;

static inline void check_gate_open(check_gate gate) {
  atomic_fetch_add(&check_gates_opened, 1);
  CHECK(write(gate.write_fd, "x", 1) == 1);
}

static inline void check_gate_wait(check_gate gate) {
  char byte;
  ssize_t got;
  do got = read(gate.read_fd, &byte, 1);
  while (got < 0 && errno == EINTR);
  CHECK(got == 1);
  (void)atomic_load(&check_gates_opened);
}

static inline void check_gate_free(check_gate gate) {
  close(gate.read_fd);
  close(gate.write_fd);
}

/* Returns once `count` callers wait inside the library for records of `ns`: how a test knows that a thread really
 * sleeps. */
static inline void check_until_waiting(immuta_log *log, uint32_t ns, uint64_t count) {
  while (check_stats(log, ns).waiters != count) sched_yield();
}

/* As above, for waits that the library does not count: returns once the thread `tid` of this process sleeps. */
static inline void check_until_asleep(pid_t tid) {
  char path[64], state = 0;
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
  while (state != 'S') {
    FILE *stat = fopen(path, "r");
    CHECK(stat != NULL);
    CHECK(fscanf(stat, "%*d (%*[^)]) %c", &state) == 1);
    fclose(stat);
    sched_yield();
  }
}

/* How many rounds or which step width to use: different where each step takes long, as under valgrind or a
 * sanitizer. */
static inline uint64_t check_rounds(uint64_t usual, uint64_t slow) {
  return getenv("IMMUTA_TEST_SLOW") != NULL ? slow : usual;
}

/* Runs `function` in a child process, which ends with 0 unless a check fails. Fork before the library is used, as hosts
 * do. */
static inline pid_t check_fork(void (*function)(void *), void *argument) {
  fflush(stdout);
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid != 0) return pid;
  function(argument);
  exit(0);
}

static inline void check_process_succeeds(pid_t pid) {
  int status = 0;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  if (!WIFEXITED(status)) printf("\n    the process was ended by signal %d", WTERMSIG(status));
  CHECK(WIFEXITED(status));
  CHECK_EQ(WEXITSTATUS(status), 0);
}

/* The work of a child process, and the gate that says it is done. */
typedef struct check_life {
  void (*work)(void *);
  void *argument;
  check_gate done;
} check_life;

static inline void check_work_and_wait_to_be_killed(void *argument) {
  check_life *self = argument;
  self->work(self->argument);
  check_gate_open(self->done);
  for (;;) pause();
}

/* Runs `work` in a child process and then kills the child: logs that it opened and did not close stay as a crash leaves
 * them. */
static inline void check_fork_and_kill(void (*work)(void *), void *argument) {
  int status = 0;
  check_life life = {work, argument, check_gate_new()};
  pid_t pid = check_fork(check_work_and_wait_to_be_killed, &life);
  check_gate_wait(life.done);
  CHECK_EQ(kill(pid, SIGKILL), 0);
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  check_gate_free(life.done);
}

/* Gives up root, where the process has it. */
static inline void check_become_nobody(void) {
  if (geteuid() == 0) CHECK(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
}

/* No user except root may open these files of the test's directory for writing. */
static inline void check_make_read_only(const char *const *names, size_t count) {
  for (size_t i = 0; i < count; i++) CHECK(chmod(check_path(names[i]), 0444) == 0);
}

/* From here on this process may read these files of the test's directory, and write nothing there. */
static inline void check_write_no_more(const char *const *names, size_t count) {
  check_make_read_only(names, count);
  CHECK(chmod(check_dir(), 0555) == 0);
  check_become_nobody();
}

/* Sets a limit of this process, which may raise it again. Returns what the limit was. */
static inline rlim_t check_limit(__rlimit_resource_t resource, rlim_t value) {
  struct rlimit limit;
  CHECK(getrlimit(resource, &limit) == 0);
  rlim_t before = limit.rlim_cur;
  limit.rlim_cur = value;
  CHECK(setrlimit(resource, &limit) == 0);
  return before;
}

/* Threads of this process. */
static inline size_t check_threads(void) {
  DIR *directory = opendir("/proc/self/task");
  CHECK(directory != NULL);
  size_t count = 0;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) count += entry->d_name[0] != '.';
  closedir(directory);
  return count;
}

/* Returns once there are `count`: the kernel may take a moment to forget one that was joined. */
static inline void check_until_threads(size_t count) {
  while (check_threads() != count) sched_yield();
}

static inline void *check_count_other_threads(void *count) {
  *(size_t *)count = check_threads() - 1;
  return NULL;
}

/* The number of threads before the library starts any. A sanitizer starts a thread of its own with the first one, so a
 * thread is started and joined before the count. */
static inline size_t check_threads_at_first(void) {
  size_t count;
  check_join(check_start(check_count_other_threads, &count));
  check_until_threads(count);
  return count;
}

/* The address space of this process, and the part of it that is its own data. Limits are set relative to these figures,
 * because a sanitizer reserves terabytes. */
static inline void check_memory(size_t *address_space_bytes, size_t *data_bytes) {
  FILE *file = fopen("/proc/self/statm", "r");
  CHECK(file != NULL && fscanf(file, "%zu %*u %*u %*u %*u %zu", address_space_bytes, data_bytes) == 2);
  fclose(file);
  *address_space_bytes *= (size_t)sysconf(_SC_PAGESIZE);
  *data_bytes *= (size_t)sysconf(_SC_PAGESIZE);
}

static inline size_t check_address_space_bytes(void) {
  size_t address_space_bytes, data_bytes;
  check_memory(&address_space_bytes, &data_bytes);
  return address_space_bytes;
}

static inline size_t check_data_bytes(void) {
  size_t address_space_bytes, data_bytes;
  check_memory(&address_space_bytes, &data_bytes);
  return data_bytes;
}

/* Descriptors open in this process. */
static inline size_t check_descriptors(void) {
  DIR *directory = opendir("/proc/self/fd");
  CHECK(directory != NULL);
  size_t count = 0;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) count += entry->d_name[0] != '.';
  closedir(directory);
  return count - 1; /* not the one that looked */
}

#endif
