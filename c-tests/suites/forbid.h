/* System calls that fail because the kernel says so, by a filter that cannot be taken back: for cases and children of
 * their own. */
#ifndef FORBID_H
#define FORBID_H
#include "check.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449 /* the same on every architecture; older headers lack it */
#endif

/* From here on these calls of this thread, and of those it starts, fail with `error`. */
static inline void forbid_calls(const uint32_t *calls, size_t count, int error) {
  struct sock_filter program[64];
  size_t length = 0;
  CHECK(2 * count + 2 <= CHECK_COUNT(program));
  program[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (size_t i = 0; i < count; i++) {
    program[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1);
    program[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error);
  }
  program[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog filter = {.len = (unsigned short)length, .filter = program};
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) CHECK_SKIP("seccomp filters are refused here");
}

static inline void forbid_call(uint32_t call, int error) { forbid_calls(&call, 1, error); }

#endif
