/* Reading a file that is not in the page cache: the library, and what `cat` does. */
#define _GNU_SOURCE
#include "bare.h"
#include "library.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define CAT_BYTES ((size_t)128 << 10)

double drop_from_page_cache(const workload *work) {
  static const char *const names[] = {"library.log", "library.idx"};
  size_t resident = 0, pages = 0;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    mapped_file file = open_mapped(work, names[i]);
    if (fsync(file.descriptor) != 0 || posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_DONTNEED) != 0)
      die("cannot drop %s from the page cache", names[i]);
    const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE), count = (file.size + page_bytes - 1) / page_bytes;
    unsigned char *state = malloc(count);
    if (state == NULL || mincore(file.bytes, file.size, state) != 0) die("cannot ask which pages are in memory");
    for (size_t page = 0; page < count; page++) resident += state[page] & 1;
    pages += count;
    free(state);
    unmap(&file);
  }
  return (double)resident / (double)pages;
}

double cat(const workload *work) {
  char path[4096];
  path_of(path, sizeof path, work, "library.log");
  unsigned char *buffer = malloc(CAT_BYTES);
  const double start_ns = now_ns();
  const int input = open(path, O_RDONLY | O_CLOEXEC), output = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (buffer == NULL || input < 0 || output < 0) die("cannot open %s", path);
  posix_fadvise(input, 0, 0, POSIX_FADV_SEQUENTIAL);
  for (ssize_t size; (size = read(input, buffer, CAT_BYTES)) != 0;)
    if (size < 0 || write(output, buffer, (size_t)size) != size) die("cannot read %s", path);
  const double took_ns = now_ns() - start_ns;
  close(input);
  close(output);
  free(buffer);
  return took_ns;
}
