/* Event loops inside one process: when the descriptor of a stream is readable, and when it is not. Two processes are in
 * poll_process.c. */
#include "check.h"

#include "polling.h"

#include <fcntl.h>

static immuta_log *open_polled(immuta_stream **stream_out) {
  immuta_log *log = OPEN();
  *stream_out = check_stream(log, 0, 0);
  return log;
}

static void finish(immuta_log *log, immuta_stream *stream) {
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

/* ---- The descriptor ---------------------------------------------------------------------------------------------- */

static void a_stream_has_one_descriptor_from_its_first_use_to_its_end(void) {
  immuta_stream *stream, *by_arming;
  immuta_log *log = open_polled(&stream);
  by_arming = check_stream(log, 0, 0);
  size_t before = check_descriptors();
  int fd = poll_fd(stream);
  CHECK_EQ(check_descriptors(), before + 1);
  CHECK(fd >= 3);
  CHECK_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  CHECK_EQ(poll_fd(stream), fd);
  CHECK_OK(immuta_stream_poll_arm(stream, ERR));
  CHECK_EQ(poll_fd(stream), fd);
  CHECK_OK(immuta_stream_poll_arm(by_arming, ERR)); /* arming is a use, too */
  CHECK_EQ(check_descriptors(), before + 2);
  CHECK(poll_fd(by_arming) != fd);
  immuta_stream_done(by_arming);
  CHECK_EQ(check_descriptors(), before + 1);
  immuta_stream_done(stream);
  CHECK(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
  check_append(log, 0, 10, 0); /* no stream is armed */
  CHECK_OK(immuta_close(log, ERR));
}

static void the_descriptor_is_no_standard_stream(void) {
  immuta_stream *stream;
  immuta_log *log = open_polled(&stream);
  CHECK(close(0) == 0);
  CHECK(poll_fd(stream) >= 3);
  CHECK(fcntl(0, F_GETFD) == -1);
  finish(log, stream);
}

static void a_missing_descriptor_is_told(void) {
  immuta_stream *stream;
  immuta_log *log = open_polled(&stream);
  rlim_t usual = check_limit(RLIMIT_NOFILE, 3);
  int fd = -7;
  CHECK_STATUS(IMMUTA_E_LIMIT, immuta_stream_poll_fd(stream, &fd, ERR));
  CHECK_EQ(ERR->os_error, EMFILE);
  CHECK_EQ(fd, -7);
  CHECK_STATUS(IMMUTA_E_LIMIT, immuta_stream_poll_arm(stream, ERR));
  check_limit(RLIMIT_NOFILE, usual);
  CHECK_OK(immuta_stream_poll_arm(stream, ERR));
  check_append(log, 0, 10, 0);
  CHECK(is_readable(poll_fd(stream)));
  finish(log, stream);
}

/* ---- When it is readable ----------------------------------------------------------------------------------------- */

static void a_record_makes_an_armed_stream_readable_until_it_is_armed_again(void) {
  immuta_stream *stream;
  immuta_log *log = open_polled(&stream);
  int fd = poll_fd(stream);
  CHECK(!is_readable(fd));
  check_append(log, 0, 10, 0);
  CHECK(!is_readable(fd)); /* not armed */
  check_next(stream, 0, 10, 0);
  for (uint64_t i = 1; i < 10; i++) {
    CHECK_OK(immuta_stream_poll_arm(stream, ERR));
    CHECK(!is_readable(fd));
    check_append(log, 0, 10, i);
    CHECK(is_readable(fd)); /* the append has done it, in this very thread */
    check_next(stream, i, 10, i);
    check_end(stream);
    CHECK(is_readable(fd)); /* level-triggered, and only arming clears it */
  }
  CHECK_OK(immuta_stream_poll_arm(stream, ERR));
  CHECK_OK(immuta_stream_poll_arm(stream, ERR)); /* twice is once */
  CHECK(!is_readable(fd));
  finish(log, stream);
}

static void what_is_there_already_is_told_at_once(void) {
  immuta_stream *stream;
  immuta_log *log = open_polled(&stream);
  check_append(log, 0, 10, 0);
  CHECK_STATUS(IMMUTA_READY, immuta_stream_poll_arm(stream, ERR));
  CHECK_STATUS(IMMUTA_READY, immuta_stream_poll_arm(stream, ERR));
  check_next(stream, 0, 10, 0);
  CHECK_OK(immuta_stream_poll_arm(stream, ERR));
  CHECK_OK(immuta_stream_seek(stream, 0, ERR));
  CHECK_STATUS(IMMUTA_READY, immuta_stream_poll_arm(stream, ERR));
  finish(log, stream);
}

static void an_interrupt_is_a_reason(void) {
  immuta_stream *stream;
  immuta_log *log = open_polled(&stream);
  immuta_record record;
  CHECK_OK(immuta_stream_interrupt(stream)); /* before there is a descriptor */
  CHECK_STATUS(IMMUTA_READY, immuta_stream_poll_arm(stream, ERR));
  CHECK_STATUS(IMMUTA_READY, immuta_stream_poll_arm(stream, ERR)); /* which did not take it */
  CHECK_STATUS(IMMUTA_INTERRUPTED, immuta_stream_next(stream, 0, &record, ERR));
  CHECK_OK(immuta_stream_poll_arm(stream, ERR));
  int fd = poll_fd(stream);
  CHECK(!is_readable(fd));
  CHECK_OK(immuta_stream_interrupt(stream));
  CHECK_OK(immuta_stream_interrupt(stream));
  CHECK(is_readable(fd));
  CHECK_STATUS(IMMUTA_INTERRUPTED, immuta_stream_next(stream, 0, &record, ERR));
  check_end(stream);
  CHECK_OK(immuta_stream_poll_arm(stream, ERR));
  CHECK(!is_readable(fd));
  finish(log, stream);
}

static immuta_stream *interrupted_by_signal;
static void interrupt_it(int signal) {
  (void)signal;
  immuta_stream_interrupt(interrupted_by_signal);
}

static void a_signal_handler_may_interrupt_an_event_loop(void) {
  immuta_log *log = open_polled(&interrupted_by_signal);
  int fd = poll_fd(interrupted_by_signal);
  CHECK(signal(SIGUSR1, interrupt_it) != SIG_ERR);
  CHECK_OK(immuta_stream_poll_arm(interrupted_by_signal, ERR));
  CHECK(raise(SIGUSR1) == 0);
  CHECK(is_readable(fd));
  CHECK_STATUS(IMMUTA_INTERRUPTED, immuta_stream_next(interrupted_by_signal, 0, &(immuta_record){0}, ERR));
  finish(log, interrupted_by_signal);
}

static void the_end_of_the_log_is_a_reason(void) {
  for (int by_close = 0; by_close < 2; by_close++) {
    immuta_stream *stream, *late;
    immuta_log *log = open_polled(&stream);
    late = check_stream(log, 0, 0);
    int fd = poll_fd(stream), none = -7;
    CHECK_OK(immuta_stream_poll_arm(stream, ERR));
    CHECK_OK(by_close ? immuta_close(log, ERR) : immuta_shutdown(log, ERR));
    CHECK(is_readable(fd));
    CHECK_STATUS(IMMUTA_E_CLOSED, immuta_stream_next(stream, 0, &(immuta_record){0}, ERR));
    CHECK_STATUS(IMMUTA_READY, immuta_stream_poll_arm(stream, ERR));
    CHECK_EQ(poll_fd(stream), fd);
    CHECK_STATUS(IMMUTA_READY, immuta_stream_poll_arm(late, ERR));
    CHECK_STATUS(IMMUTA_E_CLOSED, immuta_stream_poll_fd(late, &none, ERR));
    CHECK_EQ(none, -7);
    CHECK_OK(immuta_stream_interrupt(stream));
    immuta_stream_done(stream);
    immuta_stream_done(late);
    if (!by_close) CHECK_OK(immuta_close(log, ERR));
  }
}

static void only_those_are_readable_whose_record_came(void) {
  enum { STREAMS = 100 };
  immuta_log *log = OPEN(.names = {"a", "b"});
  immuta_stream *streams[STREAMS], *other = check_stream(log, 1, 0);
  int fds[STREAMS], other_fd = poll_fd(other);
  for (int i = 0; i < STREAMS; i++) {
    streams[i] = check_stream(log, 0, i);
    fds[i] = poll_fd(streams[i]);
    CHECK_OK(immuta_stream_poll_arm(streams[i], ERR));
  }
  CHECK_OK(immuta_stream_poll_arm(other, ERR));
  for (int i = 0; i < STREAMS; i++) {
    check_append(log, 0, 10, (uint64_t)i);
    for (int s = 0; s < STREAMS; s++)
      if (is_readable(fds[s]) != (s <= i)) CHECK_EQ(is_readable(fds[s]), s <= i);
  }
  CHECK(!is_readable(other_fd));
  check_append(log, 1, 10, 7);
  CHECK(is_readable(other_fd));
  for (int i = 0; i < STREAMS; i++) {
    check_next(streams[i], (uint64_t)i, 10, (uint64_t)i);
    immuta_stream_done(streams[i]);
  }
  finish(log, other);
}

/* ---- Races ------------------------------------------------------------------------------------------------------- */

static void no_edge_is_lost_to_a_concurrent_writer(void) {
  uint64_t rounds = check_io() == IMMUTA_IO_SYSCALL ? 100000 : 1000000;
  poll_race race = poll_race_new(check_rounds(rounds, 3000));
  immuta_log *log = OPEN(.names = {"a"}, .flush_interval_ns = -1);
  poll_loop loop = {.race = race, .log = log};
  pthread_t thread = check_start(poll_loop_run, &loop);
  while (atomic_load(&loop.stream) == NULL) sched_yield();
  poll_race_write(race, log, atomic_load(&loop.stream));
  check_join(thread);
  immuta_stream_done(loop.stream);
  CHECK(loop.waits > loop.race.rounds / 100); /* it did wait, and not only see existing records */
  printf("%" PRIu64 " waits in %" PRIu64 " rounds, ", loop.waits, race.rounds);
  CHECK_OK(immuta_close(log, ERR));
}

static void no_end_is_lost_to_an_event_loop(void) {
  uint64_t rounds = check_rounds(500, 20);
  for (uint64_t i = 0; i < rounds; i++) {
    immuta_log *log = OPEN(.flush_interval_ns = -1);
    poll_loop loop = {.race = poll_race_new(UINT64_MAX), .log = log};
    pthread_t thread = check_start(poll_loop_run, &loop);
    while (atomic_load(&loop.stream) == NULL) sched_yield();
    for (uint64_t spin = 0; spin < i * 20; spin++) atomic_signal_fence(memory_order_seq_cst);
    CHECK_OK(immuta_shutdown(log, ERR));
    check_join(thread);
    immuta_stream_done(loop.stream);
    CHECK_OK(immuta_close(log, ERR));
    unlink(check_path("a.log"));
    unlink(check_path("a.idx"));
    check_gate_free(loop.race.go);
  }
}

/* Streams come, are armed and go while others append: an append finds only those that are there. */
static atomic_int appending;
static void *append_until_told(void *log) {
  for (uint64_t i = 0; atomic_load(&appending); i++) check_append(log, 0, 10, i);
  return NULL;
}

static void streams_may_go_while_they_are_rung_for(void) {
  immuta_log *log = OPEN(.flush_interval_ns = -1);
  size_t before = check_descriptors();
  atomic_store(&appending, 1);
  pthread_t thread = check_start(append_until_told, log);
  for (uint64_t i = 0; i < check_rounds(20000, 300); i++) {
    immuta_stream *streams[] = {check_stream(log, 0, -1), check_stream(log, 0, INT64_MAX)};
    immuta_status status = immuta_stream_poll_arm(streams[0], ERR);
    CHECK(status == IMMUTA_OK || status == IMMUTA_READY);
    CHECK_OK(immuta_stream_poll_arm(streams[1], ERR));
    immuta_stream_done(streams[i % 2]);
    immuta_stream_done(streams[1 - i % 2]);
  }
  CHECK_EQ(check_descriptors(), before);
  atomic_store(&appending, 0);
  check_join(thread);
  CHECK_OK(immuta_close(log, ERR));
}

/* ---- Misuse ------------------------------------------------------------------------------------------------------ */

static void *next_for_ever(void *stream) {
  return (void *)(intptr_t)immuta_stream_next(stream, -1, &(immuta_record){0}, NULL);
}

static void misuse_is_told(void) {
  immuta_stream *stream;
  immuta_log *log = open_polled(&stream);
  int fd = -7;
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_stream_poll_fd(NULL, &fd, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_stream_poll_fd(stream, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_stream_poll_fd((immuta_stream *)(void *)log, &fd, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_stream_poll_arm(NULL, ERR));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_stream_poll_arm((immuta_stream *)(void *)log, ERR));
  pthread_t thread = check_start(next_for_ever, stream);
  check_until_waiting(log, 0, 1);
  CHECK_STATUS(IMMUTA_E_BUSY, immuta_stream_poll_fd(stream, &fd, ERR));
  CHECK_STATUS(IMMUTA_E_BUSY, immuta_stream_poll_arm(stream, ERR));
  CHECK_OK(immuta_stream_interrupt(stream));
  CHECK_EQ((intptr_t)check_join(thread), IMMUTA_INTERRUPTED);
  CHECK_EQ(fd, -7);
  finish(log, stream);
}

/* By exec, since what the threads of the parent own is lost in a child. */
static void poll_in_child(void *stream) {
  int fd = -7;
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_stream_poll_fd(stream, &fd, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_stream_poll_arm(stream, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_stream_interrupt(stream));
  CHECK_EQ(fd, -7);
  immuta_stream_done(stream);
  execl("/bin/sh", "sh", "-c", "exit 0", NULL);
  CHECK(0 && "exec works");
}

static void a_child_neither_polls_nor_rings(void) {
  immuta_stream *stream;
  immuta_log *log = open_polled(&stream);
  int fd = poll_fd(stream);
  CHECK_OK(immuta_stream_poll_arm(stream, ERR));
  check_process_succeeds(check_fork(poll_in_child, stream));
  CHECK(!is_readable(fd));
  check_append(log, 0, 10, 0);
  CHECK(is_readable(fd));
  finish(log, stream);
}

static const check_case cases[] = {
    CASE(a_stream_has_one_descriptor_from_its_first_use_to_its_end),
    CASE(the_descriptor_is_no_standard_stream),
    CASE(a_missing_descriptor_is_told),
    CASE(a_record_makes_an_armed_stream_readable_until_it_is_armed_again),
    CASE(what_is_there_already_is_told_at_once),
    CASE(an_interrupt_is_a_reason),
    CASE(a_signal_handler_may_interrupt_an_event_loop),
    CASE(the_end_of_the_log_is_a_reason),
    CASE(only_those_are_readable_whose_record_came),
    CASE(no_edge_is_lost_to_a_concurrent_writer),
    CASE(no_end_is_lost_to_an_event_loop),
    CASE(streams_may_go_while_they_are_rung_for),
    CASE(misuse_is_told),
    CASE(a_child_neither_polls_nor_rings),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
