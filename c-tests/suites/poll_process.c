/* Event loops over a read-only log: one thread of the library waits for the writers of other processes, for all streams
 * of the log, while writers come, go and come back. Processes are forked before the library is used; gates, never
 * sleeps, keep them in step. */
#include "check.h"

#include "forbid.h"
#include "polling.h"

#include <sys/epoll.h>
#include <sys/types.h>

/* A writer in another process, told by its parent what to do, one step at a time. */
typedef struct writer {
  check_gate go, done;
  int io;
  pid_t pid;
} writer;

static void writer_start(writer *self, void (*run)(void *)) {
  self->go = check_gate_new();
  self->done = check_gate_new();
  self->pid = check_fork(run, self);
}

static void writer_step(writer *self) {
  check_gate_open(self->go);
  check_gate_wait(self->done);
}

/* Opens, appends `n` to each namespace at step n + 1, closes at the last. */
enum { STEPS = 5 };
static void append_in_steps(void *argument) {
  writer *self = argument;
  check_gate_wait(self->go);
  immuta_log *log = OPEN(.names = {"a", "b"}, .io = self->io);
  check_gate_open(self->done);
  for (uint64_t step = 0; step < STEPS; step++) {
    check_gate_wait(self->go);
    check_append(log, 0, 10, step);
    check_append(log, 1, 20, step);
    check_gate_open(self->done);
  }
  check_gate_wait(self->go);
  CHECK_OK(immuta_close(log, ERR));
  check_gate_open(self->done);
}

/* Arms `stream`, which has nothing to read. */
static int arm(immuta_stream *stream) {
  CHECK_OK(immuta_stream_poll_arm(stream, ERR));
  return poll_fd(stream);
}

/* Arms and waits until there is something to call for; spurious calls are answered by arming again. */
static immuta_status poll_next(immuta_stream *stream, immuta_record *record) {
  for (;;) {
    *ERR = (immuta_error){0};
    immuta_status status = immuta_stream_next(stream, 0, record, ERR);
    if (status != IMMUTA_TIMEOUT) return status;
    status = immuta_stream_poll_arm(stream, ERR);
    if (status == IMMUTA_OK) wait_readable(poll_fd(stream));
    else CHECK_STATUS(IMMUTA_READY, status);
  }
}

static void expect_next(immuta_stream *stream, uint64_t number, size_t size, uint64_t seed) {
  immuta_record record;
  CHECK_OK(poll_next(stream, &record));
  CHECK(record.number == number && record.size == size && check_is_fill(record.data, record.size, seed));
  CHECK_OK(immuta_record_done(&record));
}

/* Waits for the writer's steps one after the other, of records of `size` bytes, and lets it end. */
static void follow_one(writer *w, immuta_stream *stream, size_t size) {
  for (uint64_t step = 0; step < STEPS; step++) {
    arm(stream);
    writer_step(w);
    expect_next(stream, step, size, step);
  }
  writer_step(w);
}

/* ---- Following --------------------------------------------------------------------------------------------------- */

static void follow_steps(int writer_io, int reader_io) {
  writer w = {.io = writer_io};
  writer_start(&w, append_in_steps);
  writer_step(&w);
  immuta_log *log = OPEN(.names = {"a", "b"}, .read_only = 1, .io = reader_io);
  immuta_stream *streams[] = {check_stream(log, 0, 0), check_stream(log, 1, 0), check_stream(log, 1, STEPS - 1)};
  int last_fd = arm(streams[2]);
  for (uint64_t step = 0; step < STEPS; step++) {
    int fds[] = {arm(streams[0]), arm(streams[1])};
    CHECK(!is_readable(fds[0]) && !is_readable(fds[1]));
    writer_step(&w);
    wait_readable(fds[0]);
    wait_readable(fds[1]);
    expect_next(streams[0], step, 10, step);
    expect_next(streams[1], step, 20, step);
  }
  wait_readable(last_fd);
  expect_next(streams[2], STEPS - 1, 20, STEPS - 1);
  writer_step(&w);
  check_process_succeeds(w.pid);
  for (size_t i = 0; i < CHECK_COUNT(streams); i++) immuta_stream_done(streams[i]);
  CHECK_OK(immuta_close(log, ERR));
}

static void a_loop_follows_a_writer_of_another_process(void) { follow_steps(check_io(), check_io()); }
static void mapping_loops_follow_system_call_writers(void) { follow_steps(IMMUTA_IO_SYSCALL, IMMUTA_IO_AUTO); }
static void system_call_loops_follow_mapping_writers(void) { follow_steps(IMMUTA_IO_AUTO, IMMUTA_IO_SYSCALL); }

static void run_loop(void *argument) {
  poll_race *race = argument;
  check_gate_wait(race->go);
  poll_loop loop = {.race = *race, .log = OPEN(.read_only = 1)};
  poll_loop_run(&loop);
  immuta_stream_done(loop.stream);
  CHECK_OK(immuta_close(loop.log, ERR));
}

static void no_edge_is_lost_between_processes(void) {
  /* The engine by system calls looks every 20 ms. */
  uint64_t rounds = check_io() == IMMUTA_IO_SYSCALL ? 200 : check_rounds(200000, 500);
  poll_race race = poll_race_new(rounds);
  pid_t pid = check_fork(run_loop, &race);
  immuta_log *log = OPEN(.flush_interval_ns = -1);
  check_gate_open(race.go);
  poll_race_write(race, log, NULL);
  check_process_succeeds(pid);
  CHECK_OK(immuta_close(log, ERR));
}

/* Every number of namespaces is served: also more than the kernel can wait for at once. */
enum { NAMESPACES = 130 };
static void append_to_many(void *argument) {
  writer *self = argument;
  immuta_log *log = OPEN(.no_names = 1, .readers = 1);
  for (uint32_t i = 0; i < NAMESPACES; i++) {
    char name[16];
    uint32_t ns;
    snprintf(name, sizeof name, "n%03u", i);
    CHECK_OK(immuta_namespace_add(log, name, &ns, ERR));
  }
  check_gate_open(self->done);
  for (uint32_t i = NAMESPACES; i-- > 0;) {
    check_gate_wait(self->go);
    check_append(log, i, 10, i);
    check_gate_open(self->done);
  }
  CHECK_OK(immuta_close(log, ERR));
}

static void one_loop_serves_many_namespaces(void) {
  writer w = {0};
  writer_start(&w, append_to_many);
  check_gate_wait(w.done);
  immuta_log *log = OPEN(.no_names = 1, .read_only = 1, .readers = 1);
  immuta_stream *streams[NAMESPACES];
  int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  CHECK(epoll_fd >= 0);
  for (uint32_t i = 0; i < NAMESPACES; i++) {
    streams[i] = check_stream(log, i, 0);
    struct epoll_event event = {.events = EPOLLIN, .data = {.u32 = i}};
    CHECK(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, arm(streams[i]), &event) == 0);
  }
  for (uint32_t i = NAMESPACES; i-- > 0;) {
    struct epoll_event event;
    writer_step(&w);
    CHECK_EQ(epoll_wait(epoll_fd, &event, 1, -1), 1);
    CHECK_EQ(event.data.u32, i);
    check_next(streams[i], 0, 10, i);
    arm(streams[i]);
  }
  check_process_succeeds(w.pid);
  close(epoll_fd);
  for (uint32_t i = 0; i < NAMESPACES; i++) immuta_stream_done(streams[i]);
  CHECK_OK(immuta_close(log, ERR));
}

static void a_kernel_that_waits_for_one_word_only_will_do(void) {
  writer w = {0};
  writer_start(&w, append_in_steps);
  forbid_call(SYS_futex_waitv, ENOSYS);
  writer_step(&w);
  immuta_log *log = OPEN(.names = {"a", "b"}, .read_only = 1);
  immuta_stream *stream = check_stream(log, 1, 0);
  follow_one(&w, stream, 20);
  check_process_succeeds(w.pid);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void a_loop_needs_no_permission_to_write(void) {
  writer w = {0};
  umask(022);
  writer_start(&w, append_in_steps);
  writer_step(&w);
  check_write_no_more((const char *[]){"a.log", "a.idx", "a.live", "b.log", "b.idx", "b.live"}, 6);
  immuta_log *log = OPEN(.names = {"a", "b"}, .read_only = 1);
  immuta_stream *stream = check_stream(log, 0, 0);
  follow_one(&w, stream, 10);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

/* ---- Writers that die, forget or change -------------------------------------------------------------------------- */

static void append_once_and_wait_for_the_end(void *argument) {
  writer *self = argument;
  check_gate_wait(self->go);
  immuta_log *log = OPEN();
  check_append(log, 0, 10, check_stats(log, 0).count);
  check_gate_open(self->done);
  check_gate_wait(self->go);
  CHECK_OK(immuta_close(log, ERR));
}

static void a_loop_outlives_killed_writers(void) {
  enum { WRITERS = 5 };
  writer writers[WRITERS] = {0};
  for (int i = 0; i < WRITERS; i++) writer_start(&writers[i], append_once_and_wait_for_the_end);
  writer_step(&writers[0]);
  immuta_log *log = OPEN(.read_only = 1);
  immuta_stream *stream = check_stream(log, 0, 1);
  for (int i = 1; i < WRITERS; i++) {
    int status;
    arm(stream);
    CHECK(kill(writers[i - 1].pid, SIGKILL) == 0 && waitpid(writers[i - 1].pid, &status, 0) == writers[i - 1].pid);
    writer_step(&writers[i]); /* recovers, then appends */
    expect_next(stream, (uint64_t)i, 10, (uint64_t)i);
  }
  check_gate_open(writers[WRITERS - 1].go);
  check_process_succeeds(writers[WRITERS - 1].pid);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

/* The thread of this process called `name`; 0 if there is none. */
static pid_t find_thread(const char *name) {
  DIR *directory = opendir("/proc/self/task");
  pid_t found = 0;
  CHECK(directory != NULL);
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    char path[300], comm[32] = "";
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
    FILE *stream = fopen(path, "r");
    if (stream == NULL || fgets(comm, sizeof comm, stream) == NULL) comm[0] = '\0';
    if (stream != NULL) fclose(stream);
    comm[strcspn(comm, "\n")] = '\0';
    if (strcmp(comm, name) == 0) found = (pid_t)atoi(entry->d_name);
  }
  closedir(directory);
  return found;
}

/* The thread that serves event loops, once it has started, which is when it gives itself its name. */
static pid_t ringing_thread(void) {
  pid_t found;
  while ((found = find_thread("immuta-notify")) == 0) sched_yield();
  return found;
}

/* As after a kill between publishing and waking: no thread is woken. The loop still finds the record, since it looks
 * every second. */
static void a_record_that_nobody_was_woken_for_is_found(void) {
  enum { SLEEPERS_AT = 56 }; /* docs/format.md */
  static const unsigned char no_sleepers[4];
  writer w = {0};
  writer_start(&w, append_in_steps);
  writer_step(&w);
  immuta_log *log = OPEN(.names = {"a", "b"}, .read_only = 1);
  immuta_stream *stream = check_stream(log, 0, 0);
  int fd = arm(stream);
  check_until_asleep(ringing_thread());
  check_patch_file(check_path("a.live"), SLEEPERS_AT, no_sleepers, sizeof no_sleepers);
  writer_step(&w);
  wait_readable(fd);
  expect_next(stream, 0, 10, 0);
  for (int step = 1; step <= STEPS; step++) writer_step(&w);
  check_process_succeeds(w.pid);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void a_replaced_log_is_an_error_to_tell(void) {
  immuta_log *other = OPEN(.directory = check_path("other"));
  check_append(other, 0, 10, 0);
  CHECK_OK(immuta_close(other, ERR));
  CHECK_OK(immuta_close(OPEN(), ERR));
  immuta_log *log = OPEN(.read_only = 1);
  immuta_stream *stream = check_stream(log, 0, 0);
  immuta_record record;
  int fd = arm(stream);
  CHECK(rename(check_path("other/a.log"), check_path("a.log")) == 0);
  CHECK(rename(check_path("other/a.idx"), check_path("a.idx")) == 0);
  wait_readable(fd);
  CHECK_STATUS(IMMUTA_E_REPLACED, immuta_stream_next(stream, 0, &record, ERR));
  CHECK_STATUS(IMMUTA_READY, immuta_stream_poll_arm(stream, ERR));
  CHECK_STATUS(IMMUTA_E_REPLACED, immuta_stream_next(stream, 0, &record, ERR)); /* and at every further call */
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

/* ---- The thread -------------------------------------------------------------------------------------------------- */

static void expect_all_signals_blocked(pid_t tid) {
  char path[64], line[256];
  unsigned long long blocked = 0;
  snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
  FILE *stream = fopen(path, "r");
  CHECK(stream != NULL);
  while (fgets(line, sizeof line, stream) != NULL) sscanf(line, "SigBlk: %llx", &blocked);
  fclose(stream);
  /* Valgrind leaves the signals of faults unblocked while a thread runs. */
  const int is_checked = getenv("IMMUTA_TEST_SLOW") != NULL;
  for (int signal = 1; signal < SIGRTMIN - 2; signal++) {
    const int is_of_a_fault = signal == SIGILL || signal == SIGTRAP || signal == SIGBUS || signal == SIGFPE ||
                              signal == SIGSEGV || signal == SIGSYS;
    if (signal == SIGKILL || signal == SIGSTOP || (is_checked && is_of_a_fault)) continue;
    if ((blocked >> (signal - 1) & 1) == 0) CHECK_EQ(signal, 0);
  }
}

static void one_thread_serves_all_streams_from_the_first_to_the_end(void) {
  CHECK_OK(immuta_close(OPEN(.names = {"a", "b"}), ERR));
  size_t descriptors = check_descriptors(), before = check_threads_at_first();
  for (int by_close = 0; by_close < 2; by_close++) {
    immuta_log *log = OPEN(.names = {"a", "b"}, .read_only = 1);
    immuta_stream *streams[20];
    CHECK_EQ(check_threads(), before);
    for (uint32_t i = 0; i < CHECK_COUNT(streams); i++) {
      streams[i] = check_stream(log, i % 2, 0);
      arm(streams[i]);
    }
    CHECK_EQ(check_threads(), before + 1);
    expect_all_signals_blocked(ringing_thread());
    CHECK_OK(by_close ? immuta_close(log, ERR) : immuta_shutdown(log, ERR));
    check_until_threads(before);
    for (uint32_t i = 0; i < CHECK_COUNT(streams); i++) {
      CHECK(is_readable(poll_fd(streams[i])));
      CHECK_STATUS(IMMUTA_E_CLOSED, immuta_stream_next(streams[i], 0, &(immuta_record){0}, ERR));
      CHECK_STATUS(IMMUTA_READY, immuta_stream_poll_arm(streams[i], ERR));
      immuta_stream_done(streams[i]);
    }
    if (!by_close) CHECK_OK(immuta_close(log, ERR));
    CHECK_EQ(check_descriptors(), descriptors);
  }
}

static void interrupts_reach_a_loop_of_a_read_only_log(void) {
  CHECK_OK(immuta_close(OPEN(), ERR));
  immuta_log *log = OPEN(.read_only = 1);
  immuta_stream *stream = check_stream(log, 0, 0);
  for (int i = 0; i < 100; i++) {
    int fd = arm(stream);
    CHECK(!is_readable(fd));
    CHECK_OK(immuta_stream_interrupt(stream));
    CHECK(is_readable(fd));
    CHECK_STATUS(IMMUTA_INTERRUPTED, immuta_stream_next(stream, 0, &(immuta_record){0}, ERR));
  }
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static const check_case cases[] = {
    CASE(a_loop_follows_a_writer_of_another_process),
    CASE(mapping_loops_follow_system_call_writers),
    CASE(system_call_loops_follow_mapping_writers),
    CASE(no_edge_is_lost_between_processes),
    CASE(one_loop_serves_many_namespaces),
    CASE(a_kernel_that_waits_for_one_word_only_will_do),
    CASE(a_loop_needs_no_permission_to_write),
    CASE(a_loop_outlives_killed_writers),
    CASE(a_record_that_nobody_was_woken_for_is_found),
    CASE(a_replaced_log_is_an_error_to_tell),
    CASE(one_thread_serves_all_streams_from_the_first_to_the_end),
    CASE(interrupts_reach_a_loop_of_a_read_only_log),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
