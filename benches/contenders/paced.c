/* Appends at a fixed rate: each record is due at a time of its own, whatever became of the one before it. */
#include "bench.h"

void run_paced(const contender *who, const workload *work, double interval_ns, uint64_t *latencies_ns) {
  void *state = who->open(work);
  const double start_ns = now_ns();
  double time_ns = start_ns;
  for (uint64_t i = 0; i < work->count; i++) {
    const double due_ns = start_ns + (double)i * interval_ns;
    while (time_ns < due_ns) time_ns = now_ns();
    who->append(state, work);
    time_ns = now_ns();
    latencies_ns[i] = (uint64_t)(time_ns - due_ns);
  }
  who->close(state);
}
