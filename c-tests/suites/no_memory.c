/* Memory that is refused. Every function of the header is called with each single allocation refused, and with all from
 * each one on, in whatever thread: it answers IMMUTA_E_NO_MEMORY or does without, has changed nothing, loses no memory,
 * and succeeds when there is some again. A call reports another failure in the same way with or without memory.
 *
 * The allocator of the whole program is this file's: it passes on to that of the C library what it does not refuse.
 * Every case is a child of this process; one that ends there is reported with the function and the number of the
 * allocation, and the next number is tried, so that one run shows all of them. */
#include "check.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
int main(void) {
  printf("NOT HERE: a sanitizer has an allocator of its own\n");
  return 0;
}
#else

#include "no_memory_calls.h"

/* ---- the allocator ---- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *old);

static atomic_bool refuses, refuses_all_later;
static atomic_uint_fast64_t asked_for, refused_count, refuse_number;
static atomic_int_fast64_t living; /* allocations that were not freed */

static int is_refused(void) {
  if (!atomic_load(&refuses)) return 0;
  uint_fast64_t number = atomic_fetch_add(&asked_for, 1), refused = atomic_load(&refuse_number);
  if (number != refused && !(number > refused && atomic_load(&refuses_all_later))) return 0;
  atomic_fetch_add(&refused_count, 1);
  errno = ENOMEM;
  return 1;
}

static void *counted(void *made) {
  if (made != NULL) atomic_fetch_add(&living, 1);
  return made;
}

void *malloc(size_t size) { return is_refused() ? NULL : counted(__libc_malloc(size)); }
void *calloc(size_t count, size_t size) { return is_refused() ? NULL : counted(__libc_calloc(count, size)); }

void *memalign(size_t alignment, size_t size) {
  return is_refused() ? NULL : counted(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **made, size_t alignment, size_t size) {
  *made = memalign(alignment, size);
  return *made == NULL ? ENOMEM : 0;
}

void *realloc(void *old, size_t size) {
  if (is_refused()) return NULL;
  if (old == NULL) return counted(__libc_realloc(NULL, size));
  return __libc_realloc(old, size);
}

void free(void *old) {
  if (old != NULL) atomic_fetch_sub(&living, 1);
  __libc_free(old);
}

/* ---- the trials ---- */

typedef struct check_trial {
  const char *name;
  void (*arrange)(void);
  immuta_status (*act)(void);
  immuta_status answer; /* where there is memory */
  int starts_thread;    /* which may be refused as IMMUTA_E_LIMIT */
} check_trial;

#define TRIAL(arrange, act, answer) {#act " of " #arrange, arrange, act, answer, 0}
#define THREAD(arrange, act, answer) {#act " of " #arrange, arrange, act, answer, 1}

static const check_trial running[] = {
    THREAD(a_log, append, IMMUTA_OK),
    TRIAL(a_filled_log, append, IMMUTA_OK),
    TRIAL(a_log_that_flushes, append, IMMUTA_OK),
    TRIAL(a_filled_log, appendv, IMMUTA_OK),
    TRIAL(a_filled_log, append_from, IMMUTA_OK),
    TRIAL(a_filled_log, append_batch, IMMUTA_OK),
    TRIAL(a_filled_log, append_packed, IMMUTA_OK),
    TRIAL(a_filled_log, append_at, IMMUTA_OK),
    TRIAL(a_filled_log, append_at_another_number, IMMUTA_E_CONFLICT),
    TRIAL(a_filled_log, append_from_what_gives_up, IMMUTA_E_CALLBACK),
    TRIAL(a_filled_log, append_to_no_namespace, IMMUTA_E_NAMESPACE),
    TRIAL(a_filled_log, append_to_no_log, IMMUTA_E_ARGUMENT),
    TRIAL(a_filled_log, append_no_bytes, IMMUTA_E_ARGUMENT),
    TRIAL(a_filled_log, append_too_much, IMMUTA_E_TOO_LARGE),
    TRIAL(a_read_only_log, append, IMMUTA_E_READ_ONLY),
    TRIAL(a_stopped_log, append, IMMUTA_E_CLOSED),
    TRIAL(a_log_with_a_custom_codec, append, IMMUTA_OK),
    TRIAL(a_log_with_a_custom_codec, append_batch, IMMUTA_OK),
    THREAD(a_log_whose_codec_fails, append, IMMUTA_E_CODEC_FAILED),
    TRIAL(a_poisoned_log, append, IMMUTA_E_POISONED),
    TRIAL(a_poisoned_log, sync_log, IMMUTA_E_POISONED),
    TRIAL(a_deflated_log, append, IMMUTA_OK),
    TRIAL(a_deflated_log, append_batch, IMMUTA_OK),
    TRIAL(an_lz4_log, append, IMMUTA_OK),
    TRIAL(a_snappy_log, append, IMMUTA_OK),
    TRIAL(a_zstd_log, append, IMMUTA_OK),
    TRIAL(a_filled_log, txn_begin, IMMUTA_OK),
    TRIAL(a_read_only_log, txn_begin, IMMUTA_E_READ_ONLY),
    TRIAL(a_txn, txn_append, IMMUTA_OK),
    TRIAL(a_txn, txn_appendv, IMMUTA_OK),
    TRIAL(a_filled_txn, txn_commit, IMMUTA_OK),
    TRIAL(a_filled_txn, txn_rollback, IMMUTA_OK),
    TRIAL(a_filled_log, stream_open, IMMUTA_OK),
    TRIAL(a_filled_log, stream_open_at_time, IMMUTA_OK),
    TRIAL(a_read_only_log, stream_open, IMMUTA_OK),
    TRIAL(a_read_only_log, stream_open_at_time, IMMUTA_OK),
    TRIAL(a_stopped_log, stream_open, IMMUTA_E_CLOSED),
    TRIAL(a_stream, stream_next, IMMUTA_OK),
    TRIAL(a_record, stream_done, IMMUTA_OK),
    TRIAL(a_stream, stream_next_batch, IMMUTA_OK),
    TRIAL(a_stream, stream_next_batch_of_none, IMMUTA_E_ARGUMENT),
    TRIAL(a_stream_without_a_free_reader, stream_next_at_once, IMMUTA_E_POOL),
    TRIAL(a_stream_before_damage, stream_next, IMMUTA_E_CORRUPT),
    TRIAL(a_stream_before_damage, stream_next_batch, IMMUTA_E_CORRUPT),
    TRIAL(a_stream_whose_codec_fails, stream_next, IMMUTA_E_CODEC_FAILED),
    TRIAL(a_deflated_stream, stream_next, IMMUTA_OK),
    TRIAL(a_deflated_stream, stream_next_batch, IMMUTA_OK),
    TRIAL(an_lz4_stream, stream_next, IMMUTA_OK),
    TRIAL(a_snappy_stream, stream_next, IMMUTA_OK),
    TRIAL(a_zstd_stream, stream_next, IMMUTA_OK),
    TRIAL(a_read_only_stream, stream_next, IMMUTA_OK),
    TRIAL(a_read_only_stream, stream_next_batch, IMMUTA_OK),
    TRIAL(a_read_only_stream_beside_a_writer, stream_next, IMMUTA_OK),
    TRIAL(a_stream_of_files_put_in_place_of_others, stream_next, IMMUTA_OK),
    TRIAL(a_stream_of_a_killed_writer, stream_next, IMMUTA_OK),
    TRIAL(a_stream_whose_index_file_is_gone, stream_next, IMMUTA_E_REPLACED),
    TRIAL(a_stream_that_had_no_index_file, stream_next, IMMUTA_OK),
    TRIAL(a_stream, stream_seek, IMMUTA_OK),
    TRIAL(a_stream, stream_position, IMMUTA_OK),
    TRIAL(a_stream, stream_interrupt, IMMUTA_OK),
    TRIAL(a_stream, stream_done, IMMUTA_OK),
    TRIAL(a_stream, stream_poll_fd, IMMUTA_OK),
    TRIAL(a_stream, stream_poll_arm, IMMUTA_READY),
    THREAD(a_read_only_stream, stream_poll_fd, IMMUTA_OK),
    THREAD(a_read_only_stream, stream_poll_arm, IMMUTA_READY),
    TRIAL(a_record, record_done, IMMUTA_OK),
    TRIAL(nothing, stale_record_done, IMMUTA_E_HANDLE),
    TRIAL(a_batch, batch_done, IMMUTA_OK),
    TRIAL(a_filled_log, sync_log, IMMUTA_OK),
    TRIAL(a_read_only_log, sync_log, IMMUTA_E_READ_ONLY),
    TRIAL(a_filled_log, stats_get, IMMUTA_OK),
    TRIAL(a_read_only_log, stats_get, IMMUTA_OK),
    TRIAL(a_filled_log, report_get, IMMUTA_OK),
    TRIAL(a_log_with_a_salvage, report_get, IMMUTA_OK),
    TRIAL(a_log_with_a_salvage, report_salvage_path, IMMUTA_OK),
    TRIAL(a_filled_log, namespace_find, IMMUTA_OK),
    TRIAL(a_filled_log, namespace_find_none, IMMUTA_E_NAMESPACE),
    TRIAL(a_filled_log, namespace_name, IMMUTA_OK),
    TRIAL(a_filled_log, count_namespaces, IMMUTA_OK),
    TRIAL(nothing, options_new, IMMUTA_OK),
    TRIAL(options_and_a_codec, options_free, IMMUTA_OK),
    TRIAL(options, add_namespace, IMMUTA_OK),
    TRIAL(options, add_bad_namespace, IMMUTA_E_NAME),
    TRIAL(options_and_a_codec, add_codec, IMMUTA_OK),
    TRIAL(options, set_reader_count, IMMUTA_OK),
    TRIAL(options, set_bad_reader_count, IMMUTA_E_ARGUMENT),
    TRIAL(options, set_fast_write, IMMUTA_OK),
    TRIAL(options, set_flush_interval, IMMUTA_OK),
    TRIAL(options, set_flush_bytes, IMMUTA_OK),
    TRIAL(options, set_max_record_size, IMMUTA_OK),
    TRIAL(options, set_journal_size, IMMUTA_OK),
    TRIAL(options, set_io, IMMUTA_OK),
    TRIAL(options, set_read_only, IMMUTA_OK),
    TRIAL(options, set_verify_reads, IMMUTA_OK),
    TRIAL(options, options_error, IMMUTA_OK),
    TRIAL(options_with_a_refusal, options_error, IMMUTA_E_ARGUMENT),
    TRIAL(nothing, codec_builtin, IMMUTA_OK),
    TRIAL(nothing, codec_of_no_kind, IMMUTA_E_ARGUMENT),
    TRIAL(nothing, codec_external, IMMUTA_OK),
    TRIAL(nothing, codec_custom, IMMUTA_OK),
    TRIAL(options_and_a_codec, codec_free, IMMUTA_OK),
    TRIAL(a_filled_log, shutdown_log, IMMUTA_OK),
    TRIAL(a_filled_log, close_log, IMMUTA_OK),
    TRIAL(a_read_only_log, close_log, IMMUTA_OK),
    TRIAL(nothing, words, IMMUTA_OK),
};

static const check_trial opening[] = {
    TRIAL(a_filled_log, namespace_add, IMMUTA_OK),
    TRIAL(options_for_no_log, open_log, IMMUTA_OK),
    TRIAL(options_for_no_log, open_log_far_below, IMMUTA_OK),
    TRIAL(options_for_a_closed_log, open_log, IMMUTA_OK),
    TRIAL(options_for_a_killed_writers, open_log, IMMUTA_OK),
    TRIAL(options_for_no_index_file, open_log, IMMUTA_OK),
    TRIAL(options_for_bytes_behind, open_log, IMMUTA_OK),
    TRIAL(options_for_damage, open_log, IMMUTA_E_CORRUPT),
    TRIAL(options_for_cut_off_files, open_log, IMMUTA_E_TRUNCATED),
    TRIAL(options_for_no_record_file, open_log, IMMUTA_E_MISSING),
    TRIAL(options_for_another_layout, open_log, IMMUTA_E_LAYOUT),
    TRIAL(options_for_an_open_log, open_log, IMMUTA_E_LOCKED),
    TRIAL(options_for_a_deflated_log, open_log, IMMUTA_E_CODEC),
    TRIAL(options_to_read_nothing, open_log, IMMUTA_E_NOT_FOUND),
    TRIAL(options_to_read_a_closed_log, open_log, IMMUTA_OK),
    TRIAL(options_to_read_a_killed_writers, open_log, IMMUTA_OK),
    TRIAL(options_to_read_without_an_index_file, open_log, IMMUTA_OK),
};

static const check_trial maintenance[] = {
    TRIAL(options_for_no_index_file, namespace_scan, IMMUTA_OK),
    TRIAL(options_for_a_closed_log, verify, IMMUTA_OK),
    TRIAL(options_for_damage, verify, IMMUTA_OK),
    TRIAL(options_for_cut_off_files, verify, IMMUTA_OK),
    TRIAL(options_for_a_closed_log, verify_none, IMMUTA_E_NOT_FOUND),
    TRIAL(options_for_a_closed_log, repair_with_bad_flags, IMMUTA_E_ARGUMENT),
    TRIAL(options_for_a_closed_log, import_nothing, IMMUTA_E_NOT_FOUND),
    TRIAL(options_for_damage_between, repair, IMMUTA_OK),
    TRIAL(options_for_bytes_behind, repair, IMMUTA_OK),
    TRIAL(options_for_more_damage, look_what_repair_does, IMMUTA_OK),
    TRIAL(options_for_more_damage, repair, IMMUTA_OK),
    TRIAL(options_for_no_index_file, repair, IMMUTA_OK),
    TRIAL(options_for_no_index_file, import, IMMUTA_OK),
};

/* After so many processes that ended, the cause is not one allocation, and the test gives up. */
enum { FAILURES_MAX = 100 };

/* How far a trial is, in memory shared with the process it runs in. */
typedef struct check_progress {
  uint64_t number;
  int is_done;
} check_progress;

static int remove_below(const char *path, const struct stat *status, int kind, struct FTW *position) {
  (void)status, (void)kind;
  return position->level == 0 ? 0 : remove(path);
}

static void release_all(void) {
  if (it.record.token != 0) CHECK_OK(immuta_record_done(&it.record));
  if (it.batch.token != 0) CHECK_OK(immuta_batch_done(&it.batch));
  immuta_txn_rollback(it.txn);
  immuta_stream_done(it.stream);
  CHECK_STATUS(it.is_poisoned ? IMMUTA_E_POISONED : IMMUTA_OK, immuta_close(it.log, ERR));
  CHECK_OK(immuta_close(it.other, ERR));
  immuta_options_free(it.options);
  immuta_codec_free(it.codec);
  CHECK(nftw(check_dir(), remove_below, 16, FTW_PHYS | FTW_DEPTH) == 0);
}

/* The count of a writer; 0 for a reader, which may have learned of more records. */
static uint64_t record_count(void) {
  immuta_stats stats = check_stats(it.log, 0);
  return stats.read_only ? 0 : stats.count;
}

/* One call with allocation `number` refused, and perhaps all later ones. Returns whether the call got that far. */
static int attempt(const check_trial *trial, check_setup setup, uint64_t number, int and_all_later) {
  memset(&it, 0, sizeof it);
  it.setup = setup;
  trial->arrange();
  int is_open = it.log != NULL && trial->answer != IMMUTA_E_CLOSED;
  uint64_t count = is_open ? record_count() : 0;
  check_error = (immuta_error){0};
  atomic_store(&asked_for, 0), atomic_store(&refused_count, 0);
  atomic_store(&refuse_number, number), atomic_store(&refuses_all_later, and_all_later);
  atomic_store(&refuses, 1);
  immuta_status status = trial->act();
  atomic_store(&refuses, 0);
  int was_refused = atomic_load(&refused_count) > 0;
  int is_refusal = was_refused && status != trial->answer;
  immuta_status allowed =
      is_refusal && !(trial->starts_thread && status == IMMUTA_E_LIMIT) ? IMMUTA_E_NO_MEMORY : status;
  check_status(__FILE__, __LINE__, trial->name, is_refusal ? allowed : trial->answer, status);
  if (is_refusal) {
    if (is_open) CHECK_EQ(record_count(), count);
    CHECK_STATUS(trial->answer, trial->act());
  }
  release_all();
  return was_refused;
}

/* Attempts every number from that of `progress` on. If none ended the process, it attempts all of them once more: by
 * then everything that is made only once exists, so memory that is still held after the second round is lost. */
static void attempt_all(const check_trial *trial, check_setup setup, int and_all_later, check_progress *progress) {
  int is_whole = progress->number == 0;
  while (attempt(trial, setup, progress->number, and_all_later)) progress->number++;
  uint64_t end = progress->number;
  progress->is_done = 1;
  int64_t before = atomic_load(&living);
  for (progress->number = 0; is_whole && !and_all_later && progress->number < end; progress->number++) {
    attempt(trial, setup, progress->number, and_all_later);
    CHECK_EQ(atomic_load(&living), before);
  }
}

/* Does so in a process of its own; returns whether the process came to its end. */
static int attempted_all(const check_trial *trial, check_setup setup, int and_all_later, check_progress *progress) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    attempt_all(trial, setup, and_all_later, progress);
    fflush(stdout);
    _exit(0);
  }
  int status = -1;
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  if (status == 0) return 1;
  printf("\n    %s: allocation %" PRIu64 "%s refused: %s %d", trial->name, progress->number,
         and_all_later ? " and all later ones" : "", WIFSIGNALED(status) ? "ended by signal" : "failed with",
         WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
  CHECK(nftw(check_dir(), remove_below, 16, FTW_PHYS | FTW_DEPTH) == 0);
  return 0;
}

/* After a number that ended the process a new one goes on with the next. */
static void refuse(const check_trial *trials, size_t count, check_setup setup, int and_all_later) {
  check_progress *progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(progress != MAP_FAILED);
  int failed = 0;
  for (size_t i = 0; i < count; i++)
    for (*progress = (check_progress){0}; !progress->is_done && failed < FAILURES_MAX; progress->number++)
      failed += !attempted_all(&trials[i], setup, and_all_later, progress);
  CHECK_EQ(failed, 0);
}

static const check_setup fast, durable = {.durable = 1, .journal_size = 65536};

static void running_each_single_one(void) { refuse(running, CHECK_COUNT(running), fast, 0); }
static void running_all_from_each_one_on(void) { refuse(running, CHECK_COUNT(running), fast, 1); }
static void running_durably_each_single_one(void) { refuse(running, CHECK_COUNT(running), durable, 0); }
static void running_durably_all_from_each_one_on(void) { refuse(running, CHECK_COUNT(running), durable, 1); }
static void opening_each_single_one(void) { refuse(opening, CHECK_COUNT(opening), fast, 0); }
static void opening_durably_all_from_each_one_on(void) { refuse(opening, CHECK_COUNT(opening), durable, 1); }
static void maintaining_each_single_one(void) { refuse(maintenance, CHECK_COUNT(maintenance), fast, 0); }
static void maintaining_all_from_each_one_on(void) { refuse(maintenance, CHECK_COUNT(maintenance), fast, 1); }

static const check_case cases[] = {
    CASE(running_each_single_one),
    CASE(running_all_from_each_one_on),
    CASE(running_durably_each_single_one),
    CASE(running_durably_all_from_each_one_on),
    CASE(opening_each_single_one),
    CASE(opening_durably_all_from_each_one_on),
    CASE(maintaining_each_single_one),
    CASE(maintaining_all_from_each_one_on),
};

int main(int argc, char **argv) {
  if (getenv("IMMUTA_TEST_SLOW") != NULL) {
    printf("NOT HERE: valgrind has an allocator of its own\n");
    return 0;
  }
  /* Thousands of logs are made, and none has to survive, so they are in memory if possible. */
  if (access("/dev/shm", W_OK | X_OK) == 0) setenv("IMMUTA_TEST_DIR", "/dev/shm", 0);
  return check_main(cases, CHECK_COUNT(cases), argc, argv);
}
#endif
