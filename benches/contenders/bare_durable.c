/* The bare loop of durable appends: each record is one pwrite into a file of zeros that is on the device as a whole,
 * and one fdatasync. Threads share the file and nothing else, so each of them syncs for itself. */
#define _GNU_SOURCE
#include "bench.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES ((size_t)16 << 20) /* as long as the library's journal; after the end it continues at the start */

typedef struct zeroed_file {
  int descriptor;
  _Atomic uint64_t appended;
} zeroed_file;

static void create_zeroed(const workload *work, zeroed_file *file) {
  static const unsigned char zeros[1 << 20];
  char path[4096];
  path_of(path, sizeof path, work, "bare.wal");
  file->descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file->descriptor < 0) die("cannot make %s", path);
  for (size_t at = 0; at < FILE_BYTES; at += sizeof zeros)
    if (pwrite(file->descriptor, zeros, sizeof zeros, (off_t)at) != (ssize_t)sizeof zeros) die("cannot write %s", path);
  if (fsync(file->descriptor) != 0) die("cannot sync %s", path);
}

static void append_share(const workload *work, uint64_t count, void *argument) {
  zeroed_file *file = argument;
  unsigned char record[8 + 1024];
  const uint64_t size = work->size, stored = 8 + size, slots = FILE_BYTES / stored;
  if (stored > sizeof record) die("records of %zu bytes are too long", work->size);
  memcpy(record, &size, 8);
  memcpy(record + 8, work->payload, size);
  for (uint64_t i = 0; i < count; i++) {
    const uint64_t slot = atomic_fetch_add(&file->appended, 1) % slots;
    if (pwrite(file->descriptor, record, stored, (off_t)(slot * stored)) != (ssize_t)stored) die("cannot write");
    if (fdatasync(file->descriptor) != 0) die("cannot sync");
  }
}

double bare_append_durable(const workload *work) {
  zeroed_file file = {.appended = 0};
  create_zeroed(work, &file);
  const double took_ns = run_threads(work, append_share, &file);
  close(file.descriptor);
  return took_ns;
}
