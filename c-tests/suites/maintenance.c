/* Repair and import where the system or another thread is in the way: permission, a read-only file system, an
 * unavailable engine, limits of the process, memory, options in use. Each gives a status and changes nothing, and once
 * the cause is gone the call succeeds. */
/* The library asks the kernel only once in a process whether it knows MADV_POPULATE_WRITE. One case has that call
 * refused. */
#define CHECK_COLD
#include "check.h"

#include "forbid.h"
#include "golden.h"
#include "small_disk.h"
#include "snapshot.h"

#include <malloc.h>

/* The last record makes the file so large that the library reads it through a buffer of full size, which does not fit
 * on the heap. */
enum { RECORDS = 10, RECORD_BYTES = 100, LAST_BYTES = 300 << 10 };

/* Where the logs of a case are, what is imported there, and with what options its calls are made. */
static const char *directory;
static char source[1024];
static immuta_options *options;

static const char *in_directory(const char *name) {
  static char path[1024];
  CHECK(snprintf(path, sizeof path, "%s/%s", directory, name) < (int)sizeof path);
  return path;
}

static immuta_status repair(uint32_t flags) {
  immuta_report report;
  check_error = (immuta_error){0};
  return immuta_repair(directory, "a", options, flags, NULL, NULL, &report, sizeof report, ERR);
}

static immuta_status dry_run(void) { return repair(0); }
static immuta_status apply(void) { return repair(IMMUTA_REPAIR_APPLY); }

static immuta_status import(void) {
  immuta_report report;
  check_error = (immuta_error){0};
  return immuta_import(source, directory, "b", options, NULL, NULL, &report, sizeof report, ERR);
}

static immuta_status (*const calls[])(void) = {dry_run, apply, import};

/* Namespace "a" has a damaged record, so that there is something to repair; there is no "b". */
static void begin(const char *where) {
  directory = where;
  /* A copy, since another user may not be allowed into the directory of the golden files. */
  snprintf(source, sizeof source, "%s", check_path("source"));
  check_copy_file(golden("count16-plain"), source);
  CHECK(chmod(source, 0644) == 0);
  options = check_options((check_setup){.no_names = 1});
  immuta_log *log = OPEN(.directory = directory);
  for (uint64_t i = 0; i < RECORDS; i++) check_append(log, 0, RECORD_BYTES, i);
  check_append(log, 0, LAST_BYTES, RECORDS);
  CHECK_OK(immuta_close(log, ERR));
  check_patch_file(in_directory("a.log"), 8 + 5 * (8 + RECORD_BYTES) + 50, "\xff\xfe", 2);
}

/* Each of the calls is refused, and changes nothing. */
static void expect_all_refused(immuta_status expected, const char *part) {
  check_snapshot before = check_snapshot_of(directory);
  for (size_t i = 0; i < CHECK_COUNT(calls); i++) {
    CHECK_STATUS(expected, calls[i]());
    CHECK_MESSAGE(part);
    check_snapshot_same(&before, directory);
  }
}

static void expect_all_succeed(void) {
  for (size_t i = 0; i < CHECK_COUNT(calls); i++) CHECK_OK(calls[i]());
  immuta_log *log = OPEN(.directory = directory, .names = {"b"});
  expect_messages(log);
  CHECK_OK(immuta_close(log, ERR));
  immuta_options_free(options);
}

/* ---- File systems ------------------------------------------------------------------------------------------------ */

static void try_without_permission(void *secret) {
  immuta_options *of_the_parent = options; /* not for a child */
  check_become_nobody();
  options = check_options((check_setup){.no_names = 1});
  expect_all_refused(IMMUTA_E_PERMISSION, directory);
  CHECK_EQ(ERR->os_error, EACCES);
  directory = check_path("open");
  snprintf(source, sizeof source, "%s", (const char *)secret);
  CHECK_STATUS(IMMUTA_E_PERMISSION, import());
  CHECK_MESSAGE("secret");
  CHECK_EQ(check_snapshot_of(directory).count, 0);
  immuta_options_free(options);
  options = of_the_parent; /* reachable to the end, so no leak is reported */
}

static void without_permission(void) {
  begin(check_path("log"));
  char secret[1024];
  snprintf(secret, sizeof secret, "%s", check_path("secret"));
  check_copy_file(golden("count16-plain"), secret);
  check_snapshot before = check_snapshot_of(directory);
  CHECK(chmod(secret, 0) == 0 && mkdir(check_path("open"), 0777) == 0 && chmod(check_path("open"), 0777) == 0);
  CHECK(chmod(in_directory("a.log"), 0444) == 0 && chmod(in_directory("a.idx"), 0444) == 0 &&
        chmod(directory, 0555) == 0);
  check_process_succeeds(check_fork(try_without_permission, secret));
  CHECK(chmod(in_directory("a.log"), 0644) == 0 && chmod(in_directory("a.idx"), 0644) == 0 &&
        chmod(directory, 0755) == 0);
  check_snapshot_same(&before, directory);
  expect_all_succeed();
}

static void on_a_read_only_file_system(void) {
  const char *disk = mount_small_disk("8m");
  begin(disk);
  resize_small_disk(disk, "size=8m,ro");
  expect_all_refused(IMMUTA_E_READ_ONLY, "read-only");
  CHECK_EQ(ERR->os_error, EROFS);
  resize_small_disk(disk, "size=8m,rw");
  expect_all_succeed();
}

static void without_the_engine_that_is_asked_for(void) {
  forbid_call(SYS_madvise, EINVAL); /* as a kernel too old for MADV_POPULATE_WRITE, for the rest of the case */
  begin(check_path("log"));
  CHECK_OK(immuta_options_set_io(options, IMMUTA_IO_MMAP));
  expect_all_refused(IMMUTA_E_UNSUPPORTED, "system-call io");
  CHECK_OK(immuta_options_set_io(options, IMMUTA_IO_AUTO));
  expect_all_succeed();
}

/* ---- Limits of the process --------------------------------------------------------------------------------------- */

static void without_descriptors(void) {
  begin(check_path("log"));
  size_t open_before = check_descriptors();
  for (size_t i = 0; i < CHECK_COUNT(calls); i++) {
    check_snapshot before = check_snapshot_of(directory);
    immuta_status status = IMMUTA_E_LIMIT;
    uint64_t refusals = 0;
    for (rlim_t room = 0; status != IMMUTA_OK; room++) { /* every step fails once */
      rlim_t usual = check_limit(RLIMIT_NOFILE, (rlim_t)open_before + room);
      status = calls[i]();
      check_limit(RLIMIT_NOFILE, usual);
      CHECK_EQ(check_descriptors(), open_before);
      if (status == IMMUTA_OK) break;
      CHECK_EQ(status, IMMUTA_E_LIMIT);
      CHECK_EQ(ERR->os_error, EMFILE);
      CHECK_MESSAGE("limit");
      check_snapshot_same(&before, directory);
      refusals++;
    }
    /* Valgrind has descriptors of its own among those counted. */
    CHECK(refusals > 0 || getenv("IMMUTA_TEST_SLOW") != NULL);
  }
}

static void without_memory(void) {
  if (getenv("IMMUTA_TEST_SLOW") != NULL) CHECK_NOT_HERE("valgrind and sanitizers have allocators of their own");
  /* One heap, and nothing large on it. */
  CHECK(mallopt(M_MMAP_THRESHOLD, 128 << 10) == 1 && mallopt(M_ARENA_MAX, 1) == 1);
  begin(check_path("log"));
  free(malloc(100 << 10)); /* room on the heap for what is small */
  check_snapshot before = check_snapshot_of(directory);
  for (size_t i = 0; i < CHECK_COUNT(calls); i++) {
    /* Less than a buffer or a mapping takes. */
    rlim_t usual = check_limit(RLIMIT_AS, check_address_space_bytes() + (64 << 10));
    immuta_status status = calls[i]();
    check_limit(RLIMIT_AS, usual);
    CHECK_EQ(status, IMMUTA_E_NO_MEMORY);
    CHECK_MESSAGE("memory");
    check_snapshot_same(&before, directory);
  }
  expect_all_succeed();
}

/* ---- Another thread ---------------------------------------------------------------------------------------------- */

static atomic_int has_been_busy;

static void *call_until_busy(void *call) {
  while (!atomic_load(&has_been_busy))
    if ((*(immuta_status (*const *)(void))call)() == IMMUTA_E_BUSY) atomic_store(&has_been_busy, 1);
  return NULL;
}

static void while_another_thread_uses_the_options(void) {
  if (getenv("IMMUTA_TEST_SLOW") != NULL) CHECK_NOT_HERE("threads take turns that are too long to meet by chance");
  begin(check_path("log"));
  for (int i = 0; i < 2000; i++) { /* so that copying the options takes a while */
    char name[200];
    snprintf(name, sizeof name, "%0199d", i);
    CHECK_OK(immuta_options_add_namespace(options, name));
  }
  for (size_t i = 0; i < CHECK_COUNT(calls); i++) {
    void *call = (void *)(uintptr_t)&calls[i];
    atomic_store(&has_been_busy, 0);
    pthread_t threads[] = {check_start(call_until_busy, call), check_start(call_until_busy, call)};
    check_join(threads[0]);
    check_join(threads[1]);
  }
}

static const check_case cases[] = {
    CASE(without_permission),
    CASE(on_a_read_only_file_system),
    CASE(without_the_engine_that_is_asked_for),
    CASE(without_descriptors),
    CASE(without_memory),
    CASE(while_another_thread_uses_the_options),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
