/* The table below has the errors that each call of the storage layer may return, and what the caller gets then. The
 * errors come from manual pages, from file systems that lack the call and from sandboxes (EPERM, ENOSYS). A filter of
 * the kernel refuses the call; each row is reached, in a process of its own. */
#include "check.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifdef SYS_renameat
#define RENAME SYS_renameat
#else
#define RENAME SYS_renameat2
#endif
#ifdef SYS_newfstatat
#define STAT_AT SYS_newfstatat
#else
#define STAT_AT SYS_fstatat
#endif
#ifdef SYS_mkdir
#define MAKE_DIRECTORY SYS_mkdir
#else
#define MAKE_DIRECTORY SYS_mkdirat
#endif

enum { RECORDS = 3, RECORD_BYTES = 100, WAIT_NS = 10000000, ANY_ARGUMENT = -1, ERRORS_MAX = 20 };

/* What is under way when the call is refused. */
typedef enum act {
  CREATE, OPEN_IT, OPEN_MAPPED, ADOPT, READ_ONLY, READ_ALL, READ_ADOPTED, APPEND, APPEND_MAPPED, APPEND_DURABLE, SYNC,
  CLOSE, NEXT, WAIT, POLL, REPAIR, IMPORT
} act;

/* A call, told from others of its kind by one argument, and the result of `act` for each error that the call
 * returns. */
typedef struct row {
  const char *name;
  long call;
  int argument;
  uint32_t value;
  act during;
  struct {
    int error;
    immuta_status expected;
  } answers[ERRORS_MAX]; /* up to the first that is 0 */
} row;

#define CALL(call) #call, (call), ANY_ARGUMENT, 0
#define CALL_WITH(call, argument, value) #call " with " #value, (call), (argument), (value)
#define NO_ROOM {ENOSPC, IMMUTA_E_NO_SPACE}, {EDQUOT, IMMUTA_E_NO_SPACE}
#define DENIED {EACCES, IMMUTA_E_PERMISSION}, {EPERM, IMMUTA_E_PERMISSION}
#define LACKING {ENOSYS, IMMUTA_E_UNSUPPORTED}
#define FAULTY {EIO, IMMUTA_E_IO}

/* A write or sync whose outcome is unknown poisons the namespace: IMMUTA_E_IO, whatever the number. The test checks
 * that these rows poison it and no others do. */
static const row table[] = {
    {CALL(MAKE_DIRECTORY), CREATE,
     {NO_ROOM, DENIED, FAULTY, LACKING, {EROFS, IMMUTA_E_READ_ONLY}, {ENOTDIR, IMMUTA_E_NOT_REGULAR},
      {ELOOP, IMMUTA_E_NOT_REGULAR}, {ENAMETOOLONG, IMMUTA_E_ARGUMENT}, {ENOMEM, IMMUTA_E_NO_MEMORY},
      {EINVAL, IMMUTA_E_UNSUPPORTED}, {EMLINK, IMMUTA_E_IO}}},
    {CALL(SYS_openat), OPEN_IT,
     {NO_ROOM, DENIED, FAULTY, LACKING, {ENOENT, IMMUTA_E_NOT_FOUND}, {ENOTDIR, IMMUTA_E_NOT_REGULAR},
      {ELOOP, IMMUTA_E_NOT_REGULAR}, {ENXIO, IMMUTA_E_NOT_REGULAR}, {EMFILE, IMMUTA_E_LIMIT}, {ENFILE, IMMUTA_E_LIMIT},
      {ENOMEM, IMMUTA_E_NO_MEMORY}, {ENAMETOOLONG, IMMUTA_E_ARGUMENT}, {EROFS, IMMUTA_E_READ_ONLY},
      {EINVAL, IMMUTA_E_UNSUPPORTED}, {ENODEV, IMMUTA_E_UNSUPPORTED}, {ENOKEY, IMMUTA_E_PERMISSION},
      {ESTALE, IMMUTA_E_REPLACED}}},
    {CALL_WITH(SYS_openat, 2, O_RDONLY | O_DIRECTORY | O_CLOEXEC), READ_ONLY,
     {DENIED, FAULTY, LACKING, {ENOENT, IMMUTA_E_NOT_FOUND}, {ENOTDIR, IMMUTA_E_NOT_REGULAR}, {EMFILE, IMMUTA_E_LIMIT},
      {ESTALE, IMMUTA_E_REPLACED}}},
    {CALL(SYS_fstatfs), OPEN_IT,
     {{EIO, IMMUTA_OK}, {EPERM, IMMUTA_OK}, {ENOSYS, IMMUTA_OK}, {EACCES, IMMUTA_OK}, {ENOMEM, IMMUTA_OK}}},
    {CALL(SYS_fstatfs), ADOPT, {{EPERM, IMMUTA_OK}, {ENOSYS, IMMUTA_OK}}},
    {CALL(STAT_AT), OPEN_IT,
     {DENIED, FAULTY, LACKING, {ENOMEM, IMMUTA_E_NO_MEMORY}, {ENAMETOOLONG, IMMUTA_E_ARGUMENT}}},
    {CALL(SYS_statx), OPEN_IT, {{ENOSYS, IMMUTA_OK}, {EPERM, IMMUTA_OK}}}, /* there is another call for the same */
    {CALL(SYS_statx), APPEND, {FAULTY, {EPERM, IMMUTA_OK}, {ENOMEM, IMMUTA_E_NO_MEMORY}, {ESTALE, IMMUTA_E_REPLACED}}},
    {CALL_WITH(SYS_fcntl, 1, F_OFD_SETLK), OPEN_IT,
     {FAULTY, LACKING, {EPERM, IMMUTA_E_PERMISSION}, {EAGAIN, IMMUTA_E_LOCKED}, {EACCES, IMMUTA_E_LOCKED},
      {EINVAL, IMMUTA_E_UNSUPPORTED}, {ENOLCK, IMMUTA_E_UNSUPPORTED}, {EOPNOTSUPP, IMMUTA_E_UNSUPPORTED}}},
    {CALL_WITH(SYS_fcntl, 1, F_OFD_GETLK), READ_ONLY,
     {DENIED, FAULTY, LACKING, {EINVAL, IMMUTA_E_UNSUPPORTED}, {ENOLCK, IMMUTA_E_UNSUPPORTED},
      {EOPNOTSUPP, IMMUTA_E_UNSUPPORTED}}},
    {CALL(SYS_prlimit64), CREATE, {{EPERM, IMMUTA_OK}, {ENOSYS, IMMUTA_OK}}},
    {CALL(SYS_fsync), CREATE, {NO_ROOM, FAULTY, LACKING, {EROFS, IMMUTA_E_READ_ONLY}, {EPERM, IMMUTA_E_PERMISSION}}},
    {CALL(SYS_fdatasync), CREATE,
     {NO_ROOM, FAULTY, LACKING, {EINVAL, IMMUTA_E_UNSUPPORTED}, {EPERM, IMMUTA_E_PERMISSION}}},
    {CALL(SYS_pwrite64), CREATE,
     {NO_ROOM, FAULTY, {EFBIG, IMMUTA_E_NO_SPACE}, {EPERM, IMMUTA_E_PERMISSION}, {EAGAIN, IMMUTA_E_LIMIT}, LACKING}},
    /* There is a device for the same. */
    {CALL(SYS_getrandom), CREATE, {FAULTY, {EPERM, IMMUTA_OK}, {ENOSYS, IMMUTA_OK}}},
    /* Without holes all is data. */
    {CALL(SYS_lseek), ADOPT,
     {FAULTY, LACKING, {EPERM, IMMUTA_E_PERMISSION}, {EINVAL, IMMUTA_OK}, {EOPNOTSUPP, IMMUTA_OK}}},
    {CALL(RENAME), ADOPT, {NO_ROOM, DENIED, FAULTY, LACKING, {EROFS, IMMUTA_E_READ_ONLY}, {EBUSY, IMMUTA_E_IO}}},
    {CALL(SYS_unlinkat), ADOPT,
     {DENIED, FAULTY, LACKING, {ENOENT, IMMUTA_OK}, {EROFS, IMMUTA_E_READ_ONLY}, {EBUSY, IMMUTA_E_IO}}},
    {CALL_WITH(SYS_mmap, 3, MAP_SHARED), OPEN_MAPPED,
     {{ENOMEM, IMMUTA_E_NO_MEMORY}, {EAGAIN, IMMUTA_E_LIMIT}, DENIED, LACKING, {ENODEV, IMMUTA_E_UNSUPPORTED},
      {EINVAL, IMMUTA_E_UNSUPPORTED}}},
    {CALL_WITH(SYS_madvise, 2, MADV_POPULATE_WRITE), OPEN_IT,
     {{EINVAL, IMMUTA_OK}, {EPERM, IMMUTA_OK}, {ENOSYS, IMMUTA_OK}}},
    {CALL_WITH(SYS_madvise, 2, MADV_POPULATE_WRITE), APPEND_MAPPED,
     {{EFAULT, IMMUTA_E_NO_SPACE}, {ENOMEM, IMMUTA_E_NO_MEMORY}, {EHWPOISON, IMMUTA_E_IO},
      {EINVAL, IMMUTA_E_UNSUPPORTED}, {EPERM, IMMUTA_E_PERMISSION}}},
    {CALL(SYS_fallocate), APPEND,
     {NO_ROOM, FAULTY, {EFBIG, IMMUTA_E_NO_SPACE}, {EOPNOTSUPP, IMMUTA_OK}, {ENOSYS, IMMUTA_OK}, {EPERM, IMMUTA_OK},
      {EINVAL, IMMUTA_E_UNSUPPORTED}, {ENODEV, IMMUTA_E_UNSUPPORTED}}},
    {CALL(SYS_pwritev), APPEND,
     {NO_ROOM, {EFBIG, IMMUTA_E_NO_SPACE}, FAULTY, {ENOSYS, IMMUTA_E_IO}, {EPERM, IMMUTA_E_IO}, {EINVAL, IMMUTA_E_IO},
      {EAGAIN, IMMUTA_E_IO}}},
    /* Of the entry, and of the zeros that are to take its place. With EFBIG nothing was written. */
    {CALL(SYS_pwrite64), APPEND,
     {FAULTY, {ENOSPC, IMMUTA_E_IO}, {EDQUOT, IMMUTA_E_IO}, {EFBIG, IMMUTA_E_NO_SPACE}, {EPERM, IMMUTA_E_IO},
      {ENOSYS, IMMUTA_E_IO}}},
    /* Of the count, at offset 0. */
    {CALL_WITH(SYS_pwrite64, 3, 0), APPEND,
     {FAULTY, {ENOSPC, IMMUTA_E_IO}, {EDQUOT, IMMUTA_E_IO}, {EFBIG, IMMUTA_E_IO}, {EPERM, IMMUTA_E_IO},
      {ENOSYS, IMMUTA_E_IO}}},
    {CALL(SYS_fdatasync), SYNC,
     {FAULTY, {ENOSPC, IMMUTA_E_IO}, {EDQUOT, IMMUTA_E_IO}, {EROFS, IMMUTA_E_IO}, {EINVAL, IMMUTA_E_IO},
      {EPERM, IMMUTA_E_IO}, {ENOSYS, IMMUTA_E_IO}}},
    /* The flusher looks, and the append waits for its checkpoint. */
    {CALL(STAT_AT), APPEND_DURABLE, {FAULTY, {ENOMEM, IMMUTA_E_NO_MEMORY}}},
    /* What may not be looked at counts as in place. */
    {CALL(STAT_AT), SYNC, {{EACCES, IMMUTA_OK}, {EPERM, IMMUTA_OK}, {ENOSYS, IMMUTA_OK}}},
    {CALL(SYS_pwrite64), SYNC, {FAULTY, {ENOSPC, IMMUTA_E_IO}, {EDQUOT, IMMUTA_E_IO}, {EPERM, IMMUTA_E_IO}}},
    {CALL(SYS_ftruncate), CLOSE,
     {FAULTY, {EPERM, IMMUTA_E_IO}, {ENOSPC, IMMUTA_E_IO}, {ETXTBSY, IMMUTA_E_IO}, {ENOSYS, IMMUTA_E_IO}}},
    {CALL(SYS_close), CLOSE, {{EIO, IMMUTA_OK}, {EPERM, IMMUTA_OK}}},
    {CALL(SYS_pread64), NEXT,
     {FAULTY, LACKING, {EPERM, IMMUTA_E_PERMISSION}, {EAGAIN, IMMUTA_E_LIMIT}, {EINVAL, IMMUTA_E_UNSUPPORTED}}},
    {CALL(SYS_getdents64), READ_ALL,
     {FAULTY, LACKING, {ENOENT, IMMUTA_OK} /* a directory that is gone is empty */, {EPERM, IMMUTA_E_PERMISSION},
      {EINVAL, IMMUTA_E_UNSUPPORTED}}},
    {CALL(SYS_memfd_create), READ_ADOPTED,
     {{EMFILE, IMMUTA_E_LIMIT}, {ENFILE, IMMUTA_E_LIMIT}, {ENOMEM, IMMUTA_E_NO_MEMORY}, LACKING,
      {EPERM, IMMUTA_E_PERMISSION}, {EINVAL, IMMUTA_E_UNSUPPORTED}}},
    /* Looks again until the time is over. */
    {CALL(SYS_futex), WAIT, {{EPERM, IMMUTA_TIMEOUT}, {ENOSYS, IMMUTA_TIMEOUT}}},
    {CALL(SYS_clone3), POLL, {{EAGAIN, IMMUTA_E_LIMIT}, {EPERM, IMMUTA_E_PERMISSION}}},
    {CALL(SYS_openat), REPAIR,
     {NO_ROOM, DENIED, FAULTY, LACKING, {EMFILE, IMMUTA_E_LIMIT}, {ENOMEM, IMMUTA_E_NO_MEMORY}}},
    {CALL(SYS_pwrite64), REPAIR, {NO_ROOM, FAULTY, LACKING, {EFBIG, IMMUTA_E_NO_SPACE}, {EPERM, IMMUTA_E_PERMISSION}}},
    {CALL(SYS_fdatasync), REPAIR, {NO_ROOM, FAULTY, LACKING, {EINVAL, IMMUTA_E_UNSUPPORTED}}},
    {CALL(RENAME), REPAIR, {NO_ROOM, DENIED, FAULTY, LACKING}},
    {CALL(SYS_openat), IMPORT,
     {NO_ROOM, DENIED, FAULTY, LACKING, {EMFILE, IMMUTA_E_LIMIT}, {ENOMEM, IMMUTA_E_NO_MEMORY}}},
    {CALL(SYS_pwrite64), IMPORT, {NO_ROOM, FAULTY, LACKING, {EFBIG, IMMUTA_E_NO_SPACE}, {EPERM, IMMUTA_E_PERMISSION}}},
    {CALL(SYS_fdatasync), IMPORT, {NO_ROOM, FAULTY, LACKING, {EINVAL, IMMUTA_E_UNSUPPORTED}}},
    {CALL(RENAME), IMPORT, {NO_ROOM, DENIED, FAULTY, LACKING}},
    {CALL(SYS_eventfd2), POLL,
     {{EMFILE, IMMUTA_E_LIMIT}, {ENFILE, IMMUTA_E_LIMIT}, {ENODEV, IMMUTA_E_UNSUPPORTED}, {ENOMEM, IMMUTA_E_NO_MEMORY},
      LACKING, {EPERM, IMMUTA_E_PERMISSION}}},
};

/* ---- The filter -------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t refusals, refused_with;

/* In place of the call: counted, and answered. */
static void refuse(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  ucontext_t *interrupted = context;
  refusals++;
#if defined __x86_64__
  interrupted->uc_mcontext.gregs[REG_RAX] = -refused_with;
#elif defined __aarch64__
  interrupted->uc_mcontext.regs[0] = (uint64_t)-refused_with;
#else
  (void)interrupted;
#endif
}

static void begin_to_refuse(const row *refused, int error) {
  const uint32_t argument = refused->argument == ANY_ARGUMENT
                                ? 0
                                : (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (size_t)refused->argument);
  /* SIGSYS is blocked while the C library makes a thread, and on the flusher. The kernel answers their calls; no
   * handler counts them. */
  const int is_counted = refused->call != SYS_clone3 && refused->during != APPEND_DURABLE;
  const uint32_t answer = is_counted ? SECCOMP_RET_TRAP : SECCOMP_RET_ERRNO | (uint32_t)error;
  struct sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)refused->call, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refused->argument == ANY_ARGUMENT ? (uint32_t)refused->call : refused->value,
               0, 1),
      BPF_STMT(BPF_RET | BPF_K, answer),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog filter = {.len = CHECK_COUNT(program), .filter = program};
  struct sigaction action = {.sa_sigaction = refuse, .sa_flags = SA_SIGINFO | SA_NODEFER};
  refused_with = error;
  refusals = !is_counted;
  CHECK(sigaction(SIGSYS, &action, NULL) == 0);
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) == 0);
}

/* ---- The acts ---------------------------------------------------------------------------------------------------- */

typedef struct strike {
  const row *refused;
  int error;
  immuta_status expected;
} strike;

static immuta_status act_under(const strike *blow, immuta_log **log) {
  const row *refused = blow->refused;
  const int io =
      refused->during == OPEN_MAPPED || refused->during == APPEND_MAPPED ? IMMUTA_IO_MMAP : IMMUTA_IO_SYSCALL;
  immuta_stream *stream = NULL;
  immuta_record record;
  int descriptor;
  *ERR = (immuta_error){0};
  switch (refused->during) {
    case CREATE:
      begin_to_refuse(refused, blow->error);
      return TRY_OPEN(log, .directory = check_path("new"), .io = io);
    case OPEN_IT:
    case OPEN_MAPPED:
    case ADOPT:
      if (refused->during == ADOPT) CHECK(unlink(check_path("a.idx")) == 0);
      begin_to_refuse(refused, blow->error);
      return TRY_OPEN(log, .io = refused->during == OPEN_IT ? IMMUTA_IO_AUTO : io);
    case READ_ONLY:
    case READ_ALL:
    case READ_ADOPTED:
      if (refused->during == READ_ADOPTED) CHECK(unlink(check_path("a.idx")) == 0);
      begin_to_refuse(refused, blow->error);
      return TRY_OPEN(log, .io = io, .read_only = 1, .no_names = refused->during == READ_ALL);
    case APPEND:
    case APPEND_MAPPED: {
      /* Appends enough that the file needs more room, so that fallocate, madvise and both kinds of writes are
       * called. */
      static char large[4 << 20];
      *log = OPEN(.io = io, .flush_interval_ns = -1);
      begin_to_refuse(refused, blow->error);
      return immuta_append(*log, 0, large, sizeof large, NULL, ERR);
    }
    case APPEND_DURABLE: {
      /* Appends until both halves of the journal are full, and once more: that append waits until the checkpoint is
       * tried again. The record file does not grow before that, since it holds no frame headers. */
      *log = OPEN(.io = io, .durable = 1, .journal_size = 65536, .flush_interval_ns = 3600000000000);
      check_append(*log, 0, 8, RECORDS);
      begin_to_refuse(refused, blow->error);
      immuta_status status = IMMUTA_OK;
      for (int i = 0; i < 2000 && status == IMMUTA_OK; i++) status = immuta_append(*log, 0, "8 bytes", 8, NULL, ERR);
      CHECK_EQ(status, blow->expected);
      return immuta_append(*log, 0, "8 bytes", 8, NULL, ERR);
    }
    case SYNC:
    case CLOSE:
      *log = OPEN(.io = io, .flush_interval_ns = -1);
      check_append(*log, 0, RECORD_BYTES, RECORDS);
      begin_to_refuse(refused, blow->error);
      return refused->during == SYNC ? immuta_sync(*log, 0, ERR) : immuta_shutdown(*log, ERR);
    case REPAIR:
    case IMPORT: {
      immuta_report report;
      if (refused->during == REPAIR) CHECK(unlink(check_path("a.idx")) == 0);
      begin_to_refuse(refused, blow->error);
      if (refused->during == REPAIR)
        return immuta_repair(check_dir(), "a", NULL, IMMUTA_REPAIR_APPLY, NULL, NULL, &report, sizeof report, ERR);
      return immuta_import(check_path("a.log"), check_path("new"), "a", NULL, NULL, NULL, &report, sizeof report, ERR);
    }
    case NEXT:
    case WAIT:
    case POLL:
      *log = OPEN(.io = io, .read_only = 1);
      stream = check_stream(*log, 0, refused->during == WAIT ? RECORDS : 0);
      begin_to_refuse(refused, blow->error);
      if (refused->during == WAIT) return immuta_stream_next(stream, WAIT_NS, &record, ERR);
      return refused->during == NEXT ? immuta_stream_next(stream, 0, &record, ERR)
                                     : immuta_stream_poll_fd(stream, &descriptor, ERR);
  }
  return IMMUTA_E_PANIC;
}

static void suffer(void *argument) {
  const strike *blow = argument;
  const row *refused = blow->refused;
  immuta_log *log = NULL;
  const immuta_status status = act_under(blow, &log);
  if (status != blow->expected || refusals == 0) {
    printf("\n    %s, act %d, refused with %s %d times: ", refused->name, (int)refused->during, strerror(blow->error),
           (int)refusals);
  }
  check_status(__FILE__, __LINE__, refused->name, blow->expected, status);
  CHECK(refusals > 0);
  if (status >= IMMUTA_OK) _exit(0);
  const int is_written = refused->call == SYS_pwritev || refused->call == SYS_pwrite64;
  const int outcome_is_unknown =
      refused->during == SYNC || refused->during == CLOSE || (is_written && status == IMMUTA_E_IO);
  if (refused->during >= APPEND && refused->during <= CLOSE) CHECK_EQ(check_stats(log, 0).poisoned, outcome_is_unknown);
  /* os_error is the system's number, except for EFAULT of madvise: a store would fault because there is no room. */
  if (!(refused->call == SYS_madvise && blow->error == EFAULT) && status != IMMUTA_E_LOCKED)
    CHECK_EQ(ERR->os_error, blow->error);
  _exit(0); /* what is refused would be in the way of a clean end */
}

/* Also in a process of its own: the library asks the system some questions once per process, and must ask each of them
 * under each filter. */
static void make_records(void *unused) {
  (void)unused;
  immuta_log *log = NULL;
  const int maps = TRY_OPEN(&log, .io = IMMUTA_IO_MMAP) == IMMUTA_OK;
  if (maps) check_write_file(check_path("maps"), "", 0);
  if (!maps) CHECK_OK(TRY_OPEN(&log, .io = IMMUTA_IO_SYSCALL));
  for (uint64_t i = 0; i < RECORDS; i++) check_append(log, 0, RECORD_BYTES, i);
  CHECK_OK(immuta_close(log, ERR));
}

static void expect_records(void *unused) {
  (void)unused;
  immuta_log *log = OPEN();
  CHECK(check_stats(log, 0).count >= RECORDS);
  CHECK_OK(immuta_close(log, ERR));
}

static void every_refusal_is_answered_as_the_table_says(void) {
#if !defined __x86_64__ && !defined __aarch64__
  CHECK_NOT_HERE("how a refused call is answered is written for x86-64 and aarch64");
#endif
  if (getenv("IMMUTA_TEST_SLOW") != NULL)
    CHECK_NOT_HERE("valgrind and sanitizers make calls of their own, and see signals first");
  if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0) CHECK_SKIP("this kernel has no seccomp filters");
  check_process_succeeds(check_fork(make_records, NULL));
  const int maps = check_exists(check_path("maps"));
  check_file records = check_read_file(check_path("a.log")), entries = check_read_file(check_path("a.idx"));
  size_t wrong = 0; /* the loop goes on, so that every wrong row is printed */
  for (size_t i = 0; i < CHECK_COUNT(table); i++) {
    /* The mapping engine does not work here. */
    if (!maps && (table[i].during == OPEN_MAPPED || table[i].during == APPEND_MAPPED)) continue;
    for (size_t j = 0; j < ERRORS_MAX && table[i].answers[j].error != 0; j++) {
      strike blow = {&table[i], table[i].answers[j].error, table[i].answers[j].expected};
      check_write_file(check_path("a.log"), records.data, records.size);
      check_write_file(check_path("a.idx"), entries.data, entries.size);
      int status = 0;
      const pid_t child = check_fork(suffer, &blow);
      CHECK_EQ(waitpid(child, &status, 0), child);
      if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        printf("\n    %s, act %d, refused with %s: wait status %#x", table[i].name, (int)table[i].during,
               strerror(blow.error), (unsigned)status);
        wrong++;
      }
      check_process_succeeds(check_fork(expect_records, NULL));
      const char *new[] = {"new/a.log", "new/a.idx", "new/a.idx.tmp", "new/a.live", "new"};
      for (size_t k = 0; k < CHECK_COUNT(new); k++) (void)remove(check_path(new[k]));
    }
  }
  CHECK_EQ(wrong, 0);
  free(records.data);
  free(entries.data);
}

static const check_case cases[] = {
    CASE(every_refusal_is_answered_as_the_table_says),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
