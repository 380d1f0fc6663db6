/* A small file system in a mount namespace that no other process sees; for the suites about the lack of room. */
#ifndef IMMUTA_SMALL_DISK_H
#define IMMUTA_SMALL_DISK_H
#include "check.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

static inline int write_to(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  ssize_t written = write(fd, text, strlen(text));
  return close(fd) == 0 && written == (ssize_t)strlen(text) ? 0 : -1;
}

/* A mount namespace of this process. Without root it takes a user namespace in which the user is root; 0 where that is
 * refused. */
static inline int enter_own_mounts(void) {
  char users[32], groups[32];
  if (geteuid() == 0) return unshare(CLONE_NEWNS) == 0;
  snprintf(users, sizeof users, "0 %u 1", geteuid());
  snprintf(groups, sizeof groups, "0 %u 1", getegid());
  return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_to("/proc/self/setgroups", "deny") == 0 &&
         write_to("/proc/self/uid_map", users) == 0 && write_to("/proc/self/gid_map", groups) == 0;
}

/* A new tmpfs of `size`, as mount takes it; the case is skipped where that is refused. */
static inline const char *mount_small_disk(const char *size) {
  const char *path = check_path("disk");
  char options[64];
  snprintf(options, sizeof options, "size=%s,mode=0777", size);
  CHECK(mkdir(path, 0777) == 0);
  if (!enter_own_mounts())
    CHECK_SKIP(
        "a mount namespace needs root or a kernel that gives users namespaces (sysctl user.max_user_namespaces)");
  if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
      mount("immuta-test", path, "tmpfs", 0, options) != 0)
    CHECK_SKIP("mounting a tmpfs is refused here; run as root outside a restricted container");
  return path;
}

static inline void resize_small_disk(const char *disk, const char *options) {
  CHECK(mount("immuta-test", disk, "tmpfs", MS_REMOUNT, options) == 0);
}

#endif
