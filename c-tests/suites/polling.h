/* What the two poll suites share: an event loop of one stream, and a writer that races with it. Include it after
 * check.h. */
#ifndef POLLING_H
#define POLLING_H
#include "check.h"

#include <poll.h>
#include <sys/mman.h>

static inline int poll_fd(immuta_stream *stream) {
  int fd = -1;
  CHECK_OK(immuta_stream_poll_fd(stream, &fd, ERR));
  return fd;
}

/* Whether it is readable now. */
static inline int is_readable(int fd) {
  struct pollfd one = {.fd = fd, .events = POLLIN};
  return poll(&one, 1, 0) == 1;
}

/* Returns when it is readable, however long that takes. */
static inline void wait_readable(int fd) {
  struct pollfd one = {.fd = fd, .events = POLLIN};
  int ready;
  do ready = poll(&one, 1, -1);
  while (ready < 0 && errno == EINTR);
  CHECK_EQ(ready, 1);
}

/* Rounds of one event each, so that a lost one leaves the loop asleep for ever. `taken` is in memory that processes
 * share. */
typedef struct poll_race {
  uint64_t rounds;
  _Atomic uint64_t *taken; /* events the loop has seen */
  check_gate go;           /* opened by the writer: the log is there */
} poll_race;

static inline poll_race poll_race_new(uint64_t rounds) {
  void *shared = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED);
  return (poll_race){rounds, shared, check_gate_new()};
}

enum { POLL_SPINS_MAX = 2000, POLL_INTERRUPT_EVERY = 16 };

/* Makes one event per round, after the loop has taken the last one. The distance varies: before, while and after the
 * loop arms. An event is an append, or an interrupt where there is a `stream` of this process. */
static inline void poll_race_write(poll_race race, immuta_log *log, immuta_stream *stream) {
  uint64_t random = 1;
  for (uint64_t round = 0; round < race.rounds; round++) {
    while (atomic_load(race.taken) != round) sched_yield();
    random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    for (uint64_t spin = random >> 40; spin % POLL_SPINS_MAX != 0; spin--) atomic_signal_fence(memory_order_seq_cst);
    immuta_status status = stream != NULL && (random >> 33) % POLL_INTERRUPT_EVERY == 0
                               ? immuta_stream_interrupt(stream)
                               : immuta_append(log, 0, &round, sizeof round, NULL, ERR);
    if (status != IMMUTA_OK) CHECK_OK(status);
  }
}

/* An event loop of one stream, as the header teaches it: takes what it can read, arms, waits. Ends after the last
 * round, or with the log. */
typedef struct poll_loop {
  poll_race race;
  immuta_log *log;
  immuta_stream *_Atomic stream; /* made by the loop; released by the loop's starter: the writer may interrupt */
  uint64_t waits;
} poll_loop;

static inline void *poll_loop_run(void *argument) {
  poll_loop *self = argument;
  immuta_stream *stream = check_stream(self->log, 0, 0);
  int fd = poll_fd(stream);
  atomic_store(&self->stream, stream);
  for (uint64_t seen = 0; seen < self->race.rounds;) {
    immuta_record record;
    immuta_status status = immuta_stream_next(stream, 0, &record, ERR);
    if (status == IMMUTA_OK || status == IMMUTA_INTERRUPTED) {
      if (status == IMMUTA_OK && immuta_record_done(&record) != IMMUTA_OK) CHECK(0 && "it can be given back");
      atomic_store(self->race.taken, ++seen);
      continue;
    }
    if (status == IMMUTA_E_CLOSED) break;
    if (status != IMMUTA_TIMEOUT) CHECK_STATUS(IMMUTA_TIMEOUT, status);
    status = immuta_stream_poll_arm(stream, ERR);
    if (status == IMMUTA_READY) continue;
    if (status != IMMUTA_OK) CHECK_OK(status);
    wait_readable(fd);
    self->waits++;
  }
  return NULL;
}

#endif
