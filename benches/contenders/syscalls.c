/* Counts the system calls of the thread that appends: a child appends, and its parent traces it. */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <linux/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WARM_UP_APPENDS 20000u
#define MARK_DESCRIPTOR (-1)

/* A write to no descriptor: seen by the parent, refused by the kernel. Marks where the counting begins and ends. */
static void mark(void) {
  if (write(MARK_DESCRIPTOR, "", 0) != -1 || errno != EBADF) die("a write to no descriptor was not refused");
}

static _Noreturn void append_traced(const contender *who, const workload *work) {
  if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) die("cannot be traced: %s", strerror(errno));
  raise(SIGSTOP);
  void *state = who->open(work);
  for (uint64_t i = 0; i < WARM_UP_APPENDS; i++) who->append(state, work);
  mark();
  for (uint64_t i = 0; i < work->count; i++) who->append(state, work);
  mark();
  who->close(state);
  _exit(EXIT_SUCCESS);
}

static int wait_for_child(pid_t child) {
  int status;
  if (waitpid(child, &status, 0) != child) die("cannot wait for the traced child");
  return status;
}

/* The number of the call that the child enters, or -1 if it leaves one. */
static int64_t entered_call(pid_t child, int *is_mark) {
  struct __ptrace_syscall_info info;
  memset(&info, 0, sizeof info);
  if (ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info) <= 0) die("cannot read calls: %s", strerror(errno));
  if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return -1;
  *is_mark = info.entry.nr == SYS_write && (int)info.entry.args[0] == MARK_DESCRIPTOR;
  return (int64_t)info.entry.nr;
}

double syscalls_per_append(const contender *who, const workload *work) {
  const pid_t child = fork();
  if (child < 0) die("cannot fork");
  if (child == 0) append_traced(who, work);
  int status = wait_for_child(child);
  if (!WIFSTOPPED(status)) die("the traced child ended");
  if (ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) != 0) die("cannot trace");
  uint64_t count = 0;
  int signal_to_pass = 0;
  for (unsigned marks = 0; marks < 2;) {
    if (ptrace(PTRACE_SYSCALL, child, NULL, signal_to_pass) != 0) die("cannot trace: %s", strerror(errno));
    status = wait_for_child(child);
    if (!WIFSTOPPED(status)) die("the traced child ended early");
    const int is_call = WSTOPSIG(status) == (SIGTRAP | 0x80);
    signal_to_pass = is_call ? 0 : WSTOPSIG(status);
    int is_mark = 0;
    if (!is_call || entered_call(child, &is_mark) < 0) continue;
    if (is_mark)
      marks++;
    else if (marks == 1)
      count++;
  }
  ptrace(PTRACE_DETACH, child, NULL, NULL);
  status = wait_for_child(child);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) die("the traced child failed");
  return (double)count / (double)work->count;
}
