/* A file system of one's own that is small, in a mount namespace that nobody else sees; for the suites about the lack of room. */
#ifndef IMMUTA_SMALL_DISK_H
#define IMMUTA_SMALL_DISK_H
#include "check.h"

#include <sched.h>
#include <sys/mount.h>

/* A new tmpfs of `size`, as mount takes it; the case is skipped where that is refused. */
static inline const char *mount_small_disk(const char *size) {
  const char *path = check_path("disk");
  char options[64];
  snprintf(options, sizeof options, "size=%s,mode=0777", size);
  CHECK(mkdir(path, 0777) == 0);
  if (unshare(CLONE_NEWNS) != 0) CHECK_SKIP("a mount namespace of one's own needs root (CAP_SYS_ADMIN)");
  if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 || mount("immuta-test", path, "tmpfs", 0, options) != 0)
    CHECK_SKIP("mounting a tmpfs is refused here; run as root outside a restricted container");
  return path;
}

static inline void resize_small_disk(const char *disk, const char *options) {
  CHECK(mount("immuta-test", disk, "tmpfs", MS_REMOUNT, options) == 0);
}

#endif
