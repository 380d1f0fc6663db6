/* Follows two namespaces from one thread, in an event loop that can also serve other descriptors: here, standard input.
 *
 *   epoll write DIRECTORY      opens the log for writing; each line read is appended to one namespace and the other
 *                              in turn
 *   epoll follow DIRECTORY     the same loop over a log that another process writes
 *
 * Both print every record and end with standard input. The loop is the same: the library signals a descriptor per
 * stream. */
#include <immuta.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { LEFT, RIGHT, NAMESPACES, INPUT = NAMESPACES, EVENTS };

static const char *const names[NAMESPACES] = {"left", "right"};

static void must(immuta_status status, const immuta_error *error) {
  if (status == IMMUTA_OK) return;
  fprintf(stderr, "%s: %s\n", immuta_status_name(status), error->message);
  exit(EXIT_FAILURE);
}

static void must_os(int result, const char *doing) {
  if (result >= 0) return;
  perror(doing);
  exit(EXIT_FAILURE);
}

static immuta_log *open_log(const char *directory, int read_only) {
  immuta_error error = {0};
  immuta_log *log = NULL;
  immuta_options *options = immuta_options_new();
  for (int i = 0; i < NAMESPACES; i++)
    if (immuta_options_add_namespace(options, names[i]) != IMMUTA_OK) exit(EXIT_FAILURE);
  if (immuta_options_set_read_only(options, read_only) != IMMUTA_OK) exit(EXIT_FAILURE);
  must(immuta_open(directory, options, &log, &error), &error);
  immuta_options_free(options);
  return log;
}

static void watch(int epoll_fd, int fd, uint32_t which) {
  struct epoll_event event = {.events = EPOLLIN, .data = {.u32 = which}};
  must_os(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

/* Prints what is there, then arms the stream; a record that came in between is printed, too. */
static void drain(immuta_stream *stream, const char *name) {
  immuta_error error = {0};
  immuta_status status;
  do {
    immuta_record record;
    while ((status = immuta_stream_next(stream, 0, &record, &error)) == IMMUTA_OK) {
      printf("%s %" PRIu64 " %.*s\n", name, record.number, (int)record.size, (const char *)record.data);
      immuta_record_done(&record);
    }
    if (status != IMMUTA_TIMEOUT) must(status, &error);
    fflush(stdout);
    status = immuta_stream_poll_arm(stream, &error);
  } while (status == IMMUTA_READY);
  must(status, &error);
}

/* Appends the lines of one read, which a terminal and a pipe of short lines give whole; the namespaces take turns. */
static void append_lines(immuta_log *log, char *bytes, size_t size) {
  static uint32_t turn = LEFT;
  immuta_error error = {0};
  for (char *line = bytes, *end; (end = memchr(line, '\n', size - (size_t)(line - bytes))) != NULL; line = end + 1) {
    must(immuta_append(log, turn, line, (size_t)(end - line), NULL, &error), &error);
    turn = (turn + 1) % NAMESPACES;
  }
}

static void serve(immuta_log *log, immuta_stream *const *streams, int epoll_fd, int read_only) {
  for (int i = 0; i < NAMESPACES; i++) drain(streams[i], names[i]);
  for (;;) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(epoll_fd, events, EVENTS, -1);
    must_os(count, "epoll_wait");
    for (int i = 0; i < count; i++) {
      uint32_t which = events[i].data.u32;
      if (which != INPUT) {
        drain(streams[which], names[which]);
        continue;
      }
      char input[4096];
      ssize_t size = read(STDIN_FILENO, input, sizeof input);
      must_os((int)size, "read");
      if (size == 0) return;
      if (!read_only) append_lines(log, input, (size_t)size);
    }
  }
}

int main(int argc, char **argv) {
  int read_only = argc == 3 && strcmp(argv[1], "follow") == 0;
  if (argc != 3 || (!read_only && strcmp(argv[1], "write") != 0)) {
    fprintf(stderr, "usage: %s write|follow DIRECTORY\n", argv[0]);
    return EXIT_FAILURE;
  }
  immuta_error error = {0};
  immuta_log *log = open_log(argv[2], read_only);
  immuta_stream *streams[NAMESPACES];
  int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  must_os(epoll_fd, "epoll_create1");
  watch(epoll_fd, STDIN_FILENO, INPUT);
  for (uint32_t ns = 0; ns < NAMESPACES; ns++) {
    int fd;
    must(immuta_stream_open(log, ns, 0, &streams[ns], &error), &error);
    must(immuta_stream_poll_fd(streams[ns], &fd, &error), &error);
    watch(epoll_fd, fd, ns);
  }
  serve(log, streams, epoll_fd, read_only);
  close(epoll_fd); /* before the descriptors of the streams go */
  for (int i = 0; i < NAMESPACES; i++) immuta_stream_done(streams[i]);
  must(immuta_close(log, &error), &error);
  return EXIT_SUCCESS;
}
