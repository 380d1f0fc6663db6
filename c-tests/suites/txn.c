/* Transactions: what is staged becomes visible as one commit or not at all, to threads and to other processes, whatever
 * else is appended meanwhile and however the transaction ends. */
#include "check.h"

#include "snapshot.h"

static immuta_txn *begin(immuta_log *log, uint32_t ns) {
  immuta_txn *txn = NULL;
  CHECK_OK(immuta_txn_begin(log, ns, &txn, ERR));
  CHECK(txn != NULL);
  return txn;
}

/* Stages one record of check_fill(seed) bytes. */
static void stage(immuta_txn *txn, size_t size, uint64_t seed) {
  unsigned char *data = malloc(size + 1);
  CHECK(data != NULL);
  check_fill(data, size, seed);
  CHECK_OK(immuta_txn_append(txn, data, size, ERR));
  free(data);
}

static immuta_appended commit(immuta_txn *txn) {
  immuta_appended appended;
  CHECK_OK(immuta_txn_commit(txn, &appended, ERR));
  return appended;
}

/* ---- Commit and rollback ----------------------------------------------------------------------------------------- */

static void staged_records_are_appended_together(void) {
  immuta_log *log = OPEN();
  immuta_stream *stream = check_stream(log, 0, 0);
  check_append(log, 0, 5, 100);
  check_next(stream, 0, 5, 100);
  immuta_txn *txn = begin(log, 0);
  uint64_t sum = 0;
  for (uint64_t i = 0; i < 10; sum += i * 1000, i++) stage(txn, i * 1000, i);
  check_end(stream); /* nothing before the commit */
  CHECK_EQ(check_stats(log, 0).count, 1);
  immuta_appended appended = commit(txn);
  CHECK(appended.number == 1 && appended.offset == 8 + 13 && appended.count == 10 && appended.stored_size == sum);
  immuta_stats stats = check_stats(log, 0);
  CHECK(stats.count == 11 && stats.appends == 11 && stats.commits == 2);
  int64_t time_ns = 0;
  for (uint64_t i = 0; i < 10; i++) {
    immuta_record record;
    CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
    CHECK(record.number == 1 + i && record.size == i * 1000 && check_is_fill(record.data, record.size, i));
    CHECK_EQ(record.flags, i == 9 ? IMMUTA_RECORD_BATCH_END : 0);
    if (i == 0) time_ns = record.time_ns;
    CHECK_EQ(record.time_ns, time_ns);
    CHECK_OK(immuta_record_done(&record));
  }
  check_end(stream);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  CHECK_EQ(check_file_size(check_path("a.log")), 8 + 13 + 10 * 8 + sum);
}

static void a_rollback_leaves_nothing(void) {
  immuta_log *log = OPEN(.flush_interval_ns = -1);
  check_append(log, 0, 10, 1);
  check_snapshot before = check_snapshot_take();
  immuta_txn *txn = begin(log, 0);
  for (uint64_t i = 0; i < 100; i++) stage(txn, 100, i);
  immuta_txn_rollback(txn);
  check_snapshot_unchanged(&before);
  CHECK_EQ(check_append(log, 0, 10, 2).number, 1);
  CHECK_OK(immuta_close(log, ERR));
}

static void an_empty_transaction_appends_nothing(void) {
  immuta_log *log = OPEN(.flush_interval_ns = -1);
  check_append(log, 0, 10, 1);
  check_snapshot before = check_snapshot_take();
  immuta_appended appended = commit(begin(log, 0));
  CHECK(appended.number == 1 && appended.count == 0 && appended.stored_size == 0);
  CHECK_OK(immuta_txn_commit(begin(log, 0), NULL, ERR)); /* the result may be left */
  immuta_txn_rollback(begin(log, 0));
  check_snapshot_unchanged(&before);
  CHECK_OK(immuta_close(log, ERR));
}

static void payloads_are_copied_and_parts_joined(void) {
  immuta_log *log = OPEN();
  char data[] = "one";
  const immuta_slice parts[] = {{data, 3}, {NULL, 0}, {" and two", 8}};
  immuta_txn *txn = begin(log, 0);
  CHECK_OK(immuta_txn_append(txn, data, 3, ERR));
  CHECK_OK(immuta_txn_appendv(txn, parts, 3, ERR));
  memcpy(data, "xxx", 3);
  CHECK_OK(immuta_txn_appendv(txn, NULL, 0, ERR));
  CHECK_OK(immuta_txn_append(txn, NULL, 0, ERR));
  CHECK_EQ(commit(txn).count, 4);
  const char *const expected[] = {"one", "one and two", "", ""};
  immuta_stream *stream = check_stream(log, 0, 0);
  for (size_t i = 0; i < CHECK_COUNT(expected); i++) {
    immuta_record record;
    CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
    CHECK_BYTES(record.data, record.size, expected[i], strlen(expected[i]));
    CHECK_OK(immuta_record_done(&record));
  }
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void transactions_go_on_side_by_side(void) {
  enum { TXNS = 20, STAGED = 30 };
  immuta_log *log = OPEN(.names = {"a", "b"});
  immuta_txn *txns[TXNS];
  for (uint32_t t = 0; t < TXNS; t++) txns[t] = begin(log, t % 2);
  for (uint64_t i = 0; i < STAGED; i++)
    for (uint64_t t = 0; t < TXNS; t++) {
      stage(txns[t], 100 + t, t * STAGED + i);
      if (i % 10 == 0) check_append(log, t % 2, 7, 7); /* no append waits for a transaction */
    }
  uint64_t ends[2] = {TXNS / 2 * 3, TXNS / 2 * 3};
  for (uint32_t t = TXNS; t-- > 0;) { /* in the order of their commits, not of their beginnings */
    if (t % 5 == 0) {
      immuta_txn_rollback(txns[t]);
      continue;
    }
    CHECK_EQ(commit(txns[t]).number, ends[t % 2]);
    immuta_stream *stream = check_stream(log, t % 2, (int64_t)ends[t % 2]);
    for (uint64_t i = 0; i < STAGED; i++) check_next(stream, ends[t % 2] + i, 100 + t, (uint64_t)t * STAGED + i);
    check_end(stream);
    immuta_stream_done(stream);
    ends[t % 2] += STAGED;
  }
  CHECK_OK(immuta_close(log, ERR));
}

/* ---- Readers beside it ------------------------------------------------------------------------------------------- */

enum { COMMITS = 1000, RECORDS_PER_COMMIT = 7, ALL_RECORDS = COMMITS * RECORDS_PER_COMMIT };

/* Reads all records; with one record of a transaction all its others are there, too. */
static void *read_whole_transactions(void *stream) {
  for (uint64_t number = 0; number < ALL_RECORDS; number++) {
    immuta_record record;
    int64_t timeout_ns = number % RECORDS_PER_COMMIT == 0 ? -1 : 0;
    CHECK_OK(immuta_stream_next(stream, timeout_ns, &record, ERR));
    CHECK(record.number == number && check_is_fill(record.data, record.size, number));
    CHECK_OK(immuta_record_done(&record));
  }
  return NULL;
}

/* At any time the log has a whole number of transactions. */
static void *count_whole_transactions(void *log) {
  for (uint64_t count = 0; count < ALL_RECORDS;) {
    count = check_stats(log, 0).count;
    if (count % RECORDS_PER_COMMIT != 0) CHECK_EQ(count % RECORDS_PER_COMMIT, 0);
    sched_yield();
  }
  return NULL;
}

static void commit_all(immuta_log *log) {
  for (uint64_t number = 0; number < ALL_RECORDS;) {
    immuta_txn *txn = begin(log, 0);
    for (int i = 0; i < RECORDS_PER_COMMIT; i++, number++) stage(txn, number % 900, number);
    commit(txn);
  }
}

static void threads_never_see_a_part(void) {
  immuta_log *log = OPEN();
  immuta_stream *stream = check_stream(log, 0, 0);
  pthread_t reader = check_start(read_whole_transactions, stream), counter = check_start(count_whole_transactions, log);
  commit_all(log);
  check_join(reader);
  check_join(counter);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void read_from_outside(void *gate) {
  check_gate_wait(*(check_gate *)gate);
  immuta_log *log = OPEN(.read_only = 1);
  immuta_stream *stream = check_stream(log, 0, 0);
  pthread_t counter = check_start(count_whole_transactions, log);
  read_whole_transactions(stream);
  check_join(counter);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void other_processes_never_see_a_part(void) {
  check_gate go = check_gate_new();
  pid_t pid = check_fork(read_from_outside, &go);
  immuta_log *log = OPEN();
  check_gate_open(go);
  commit_all(log);
  check_process_succeeds(pid);
  CHECK_OK(immuta_close(log, ERR));
}

enum { KILLS = 10, COMMITS_BEFORE_A_KILL = 20, RECORDS_BEFORE_A_KILL = 60 };

static void commit_until_killed(void *gate) {
  static const unsigned char data[4000];
  immuta_log *log = OPEN(.flush_interval_ns = -1);
  immuta_txn *never = begin(log, 0);
  stage(never, 100, 0);
  for (uint64_t commits = 1;; commits++) {
    immuta_txn *txn = begin(log, 0);
    for (int i = 0; i < RECORDS_BEFORE_A_KILL; i++) CHECK_OK(immuta_txn_append(txn, data, sizeof data, ERR));
    commit(txn);
    if (commits == COMMITS_BEFORE_A_KILL) check_gate_open(*(check_gate *)gate);
  }
}

static void a_kill_leaves_no_part(void) {
  for (int round = 0; round < KILLS; round++) {
    check_gate gate = check_gate_new();
    int status = 0;
    pid_t pid = check_fork(commit_until_killed, &gate);
    check_gate_wait(gate);
    CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    immuta_log *log = OPEN();
    uint64_t count = check_stats(log, 0).count;
    CHECK(count >= (uint64_t)(round + 1) * COMMITS_BEFORE_A_KILL * RECORDS_BEFORE_A_KILL);
    CHECK_EQ(count % RECORDS_BEFORE_A_KILL, 0);
    CHECK_OK(immuta_close(log, ERR));
    check_gate_free(gate);
  }
}

/* ---- Refusals ---------------------------------------------------------------------------------------------------- */

static void what_is_too_large_is_not_staged_and_the_rest_stays(void) {
  static unsigned char data[1001];
  const immuta_slice parts[] = {{data, 600}, {data, 401}}, endless[] = {{data, SIZE_MAX}, {data, 2}};
  immuta_log *log = OPEN(.names = {"a", "b"}, .max_record_size = 1000);
  immuta_txn *txn = begin(log, 1);
  stage(txn, 1000, 1);
  CHECK_STATUS(IMMUTA_E_TOO_LARGE, immuta_txn_append(txn, data, 1001, ERR));
  CHECK_MESSAGE("1001");
  CHECK_MESSAGE("max_record_size");
  CHECK_EQ(ERR->ns, 1);
  CHECK_STATUS(IMMUTA_E_TOO_LARGE, immuta_txn_appendv(txn, parts, 2, ERR));
  CHECK(immuta_txn_append(txn, data, SIZE_MAX, ERR) < 0);
  CHECK(immuta_txn_appendv(txn, endless, 2, ERR) < 0);
  stage(txn, 999, 2);
  CHECK_EQ(commit(txn).count, 2);
  immuta_stream *stream = check_stream(log, 1, 0);
  check_next(stream, 0, 1000, 1);
  check_next(stream, 1, 999, 2);
  check_end(stream);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

static void what_memory_cannot_hold_is_not_staged_and_the_rest_stays(void) {
  enum { SIZE = 48 << 20 };
  unsigned char *data = malloc(SIZE);
  CHECK(data != NULL);
  check_fill(data, SIZE, 2);
  immuta_log *log = OPEN();
  immuta_txn *txn = begin(log, 0);
  stage(txn, 10, 1);
  rlim_t usual = check_limit(RLIMIT_AS, 1 << 20); /* less than there is already */
  immuta_status status = immuta_txn_append(txn, data, SIZE, ERR);
  check_limit(RLIMIT_AS, usual);
  CHECK_EQ(status, IMMUTA_E_NO_MEMORY);
  CHECK_MESSAGE("memory");
  CHECK_OK(immuta_txn_append(txn, data, SIZE, ERR));
  CHECK_EQ(commit(txn).count, 2);
  immuta_stream *stream = check_stream(log, 0, 0);
  check_next(stream, 0, 10, 1);
  check_next(stream, 1, SIZE, 2);
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
  free(data);
}

static void where_nothing_is_appended_nothing_begins(void) {
  immuta_log *log = OPEN();
  immuta_txn *txn = NULL;
  CHECK_STATUS(IMMUTA_E_NAMESPACE, immuta_txn_begin(log, 1, &txn, ERR));
  CHECK_EQ(ERR->ns, 1);
  immuta_log *reader = OPEN(.read_only = 1);
  CHECK_STATUS(IMMUTA_E_READ_ONLY, immuta_txn_begin(reader, 0, &txn, ERR));
  CHECK_MESSAGE("read-only");
  CHECK_OK(immuta_shutdown(log, ERR));
  CHECK_STATUS(IMMUTA_E_CLOSED, immuta_txn_begin(log, 0, &txn, ERR));
  CHECK(txn == NULL);
  CHECK_OK(immuta_close(reader, ERR));
  CHECK_OK(immuta_close(log, ERR));
}

static void a_transaction_outlives_its_log_but_not_the_right_to_commit(void) {
  immuta_log *log = OPEN();
  check_append(log, 0, 10, 1);
  immuta_txn *early = begin(log, 0), *late = begin(log, 0), *dropped = begin(log, 0), *empty = begin(log, 0);
  stage(early, 10, 2);
  stage(late, 10, 3);
  stage(dropped, 10, 4);
  CHECK_OK(immuta_shutdown(log, ERR));
  CHECK_STATUS(IMMUTA_E_CLOSED, immuta_txn_commit(early, NULL, ERR));
  CHECK_MESSAGE("open");
  CHECK_OK(immuta_close(log, ERR));
  log = OPEN(); /* the lock does not wait for transactions */
  stage(late, 10, 5);
  CHECK_STATUS(IMMUTA_E_CLOSED, immuta_txn_commit(late, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_CLOSED, immuta_txn_commit(empty, NULL, ERR));
  immuta_txn_rollback(dropped);
  CHECK_EQ(check_stats(log, 0).count, 1);
  CHECK_OK(immuta_close(log, ERR));
}

static void misuse_is_told(void) {
  immuta_log *log = OPEN();
  immuta_txn *txn = begin(log, 0), *other = NULL;
  const immuta_slice bad[] = {{"x", 1}, {NULL, 1}};
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_txn_begin(NULL, 0, &other, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_txn_begin(log, 0, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_txn_begin((immuta_log *)(void *)txn, 0, &other, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_txn_append(NULL, "x", 1, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_txn_append(txn, NULL, 1, ERR));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_txn_append((immuta_txn *)(void *)log, "x", 1, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_txn_appendv(NULL, bad, 1, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_txn_appendv(txn, bad, 2, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_txn_appendv(txn, NULL, 1, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_txn_commit(NULL, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_txn_commit((immuta_txn *)(void *)log, NULL, ERR));
  CHECK(other == NULL);
  immuta_txn_rollback(NULL);
  immuta_txn_rollback((immuta_txn *)(void *)log);
  CHECK_EQ(commit(txn).count, 0);
  CHECK_OK(immuta_close(log, ERR));
}

/* ---- Threads and forks ------------------------------------------------------------------------------------------- */

static atomic_int busy_seen;
static atomic_uint_fast64_t staged;

/* Records so large that a call takes longer than a thread's turn, also where threads take turns. */
static void *stage_until_busy(void *txn) {
  static const unsigned char data[16 << 20];
  while (!atomic_load(&busy_seen)) {
    immuta_status status = immuta_txn_append(txn, data, sizeof data, NULL);
    CHECK(atomic_load(&staged) < 32); /* by then they have met */
    if (status == IMMUTA_OK) atomic_fetch_add(&staged, 1);
    else atomic_store(&busy_seen, 1), CHECK_EQ(status, IMMUTA_E_BUSY);
  }
  return NULL;
}

static void a_second_thread_in_one_transaction_is_told_so(void) {
  immuta_log *log = OPEN();
  immuta_txn *txn = begin(log, 0);
  pthread_t threads[] = {check_start(stage_until_busy, txn), check_start(stage_until_busy, txn)};
  check_join(threads[0]);
  check_join(threads[1]);
  CHECK_EQ(commit(txn).count, atomic_load(&staged));
  CHECK_OK(immuta_close(log, ERR));
}

/* What the threads of this process own is lost in a child, and memory checkers would call that a leak: it leaves by
 * exec. */
static void end_forked_transaction(void *argument) {
  immuta_txn **txns = argument;
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_txn_append(txns[0], "x", 1, ERR));
  CHECK_MESSAGE("fork");
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_txn_appendv(txns[0], NULL, 0, ERR));
  CHECK_STATUS(IMMUTA_E_FORKED, immuta_txn_commit(txns[0], NULL, ERR));
  immuta_txn_rollback(txns[1]);
  execl("/bin/sh", "sh", "-c", "exit 0", NULL);
  CHECK(0 && "exec works");
}

static void a_child_neither_commits_nor_rolls_back(void) {
  immuta_log *log = OPEN();
  immuta_txn *txns[] = {begin(log, 0), begin(log, 0)};
  stage(txns[0], 10, 0);
  stage(txns[1], 10, 1);
  check_process_succeeds(check_fork(end_forked_transaction, txns));
  CHECK_EQ(check_stats(log, 0).count, 0);
  for (uint64_t i = 0; i < 2; i++) CHECK_EQ(commit(txns[i]).number, i);
  CHECK_OK(immuta_close(log, ERR));
}

static const check_case cases[] = {
    CASE(staged_records_are_appended_together),
    CASE(a_rollback_leaves_nothing),
    CASE(an_empty_transaction_appends_nothing),
    CASE(payloads_are_copied_and_parts_joined),
    CASE(transactions_go_on_side_by_side),
    CASE(threads_never_see_a_part),
    CASE(other_processes_never_see_a_part),
    CASE(a_kill_leaves_no_part),
    CASE(what_is_too_large_is_not_staged_and_the_rest_stays),
    CASE(what_memory_cannot_hold_is_not_staged_and_the_rest_stays),
    CASE(where_nothing_is_appended_nothing_begins),
    CASE(a_transaction_outlives_its_log_but_not_the_right_to_commit),
    CASE(misuse_is_told),
    CASE(a_second_thread_in_one_transaction_is_told_so),
    CASE(a_child_neither_commits_nor_rolls_back),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
