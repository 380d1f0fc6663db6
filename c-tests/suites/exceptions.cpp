/* A host in C++ whose callbacks throw: the process ends by abort(), whatever handlers stand around the call, and what
 * was acknowledged before is there. Standard error has the reason, unless it cannot be written. */
#include <immuta.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

int checks = 0;
std::string directory;

void check(bool holds, const char *what) {
  checks++;
  if (holds) return;
  std::printf("CHECK(%s) failed\n", what);
  std::exit(1);
}
#define CHECK(expression) check((expression), #expression)

bool throws = false;

[[noreturn]] void leave() { throw std::runtime_error("out of a callback"); }

std::int64_t source(void *, void *, std::size_t) { leave(); }

std::int32_t pass(void *, const void *data, std::size_t size, immuta_sink *out) {
  if (throws) leave();
  return immuta_sink_write(out, data, size);
}

void destroy(void *) {
  if (throws) leave();
}

std::int32_t progress(void *, std::uint64_t, std::uint64_t) { leave(); }

struct opened {
  immuta_codec *codec = nullptr;
  immuta_options *options = immuta_options_new();
  immuta_log *log = nullptr;

  opened() {
    const immuta_codec_vtable vtable = {sizeof vtable, 0x10000, 0, "passing", nullptr, pass, pass, destroy};
    CHECK(immuta_codec_custom(&vtable, &codec, nullptr) == IMMUTA_OK);
    CHECK(immuta_options_add_namespace(options, "a") == IMMUTA_OK);
    CHECK(immuta_options_add_codec(options, codec) == IMMUTA_OK);
    CHECK(immuta_open(directory.c_str(), options, &log, nullptr) == IMMUTA_OK);
  }

  void close() {
    CHECK(immuta_close(log, nullptr) == IMMUTA_OK);
    immuta_options_free(options);
    immuta_codec_free(codec);
  }
};

/* The calls whose callbacks throw. */
void call(int which) {
  opened host;
  immuta_stream *stream = nullptr;
  immuta_record record;
  immuta_report report;
  CHECK(immuta_append(host.log, 0, "acknowledged", 12, nullptr, nullptr) == IMMUTA_OK);
  CHECK(immuta_stream_open(host.log, 0, 0, &stream, nullptr) == IMMUTA_OK);
  immuta_status status = IMMUTA_OK;
  throws = true;
  switch (which) {
    case 0: status = immuta_append_from(host.log, 0, source, nullptr, nullptr, nullptr); break;
    case 1: status = immuta_append(host.log, 0, "x", 1, nullptr, nullptr); break;
    case 2: status = immuta_stream_next(stream, -1, &record, nullptr); break;
    case 3:
      status = immuta_verify(directory.c_str(), "a", host.options, progress, nullptr, &report, sizeof report, nullptr);
      break;
    default: immuta_stream_done(stream); host.close();
  }
  std::printf("call %d answered %s\n", which, immuta_status_name(status));
}

constexpr int CALLS = 5;
constexpr unsigned CHILD_SECONDS_MAX = 60; /* a hang is a failure, not a frozen run */

/* What the process has as standard error. */
enum class standard_error { pipe, full_pipe, pipe_without_reader, nothing };
constexpr standard_error UNWRITABLE[] = {standard_error::full_pipe, standard_error::pipe_without_reader,
                                         standard_error::nothing};

void fill(int end) {
  const char bytes[4096] = "";
  const int flags = fcntl(end, F_GETFL);
  CHECK(fcntl(end, F_SETFL, flags | O_NONBLOCK) == 0);
  while (write(end, bytes, sizeof bytes) > 0) continue;
  CHECK(errno == EAGAIN);
  CHECK(fcntl(end, F_SETFL, flags) == 0);
}

/* What a host's handler of SIGABRT sees: the message has left SIGPIPE neither pending nor blocked. */
void on_abort(int) {
  sigset_t pending;
  sigpending(&pending);
  if (sigismember(&pending, SIGPIPE) != 0) _exit(4);
#ifndef CHECK_UNDER_THREAD_SANITIZER /* which calls handlers with every signal blocked */
  sigset_t blocked;
  pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  if (sigismember(&blocked, SIGPIPE) != 0) _exit(5);
#endif
}

void expect_abort(int which, standard_error kind) {
  std::fflush(stdout);
  int ends[2];
  CHECK(pipe(ends) == 0);
  if (kind == standard_error::full_pipe) fill(ends[1]);
  if (kind == standard_error::pipe_without_reader) CHECK(close(ends[0]) == 0);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    alarm(CHILD_SECONDS_MAX);
    std::signal(SIGABRT, on_abort);
    std::signal(SIGPIPE, SIG_DFL); /* whatever the program that started this one has set */
    dup2(ends[1], STDERR_FILENO);
    if (kind == standard_error::nothing) close(STDERR_FILENO);
    try {
      call(which);
    } catch (...) {
      _exit(2); /* it passed the library */
    }
    _exit(3); /* it was swallowed */
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGABRT);
  CHECK(close(ends[1]) == 0);
  if (kind == standard_error::pipe) {
    char said[1024] = "";
    CHECK(read(ends[0], said, sizeof said - 1) >= 0);
    CHECK(std::string(said).find("left a callback") != std::string::npos);
    CHECK(std::string(said).find("catch it in the callback") != std::string::npos);
  }
  if (kind != standard_error::pipe_without_reader) CHECK(close(ends[0]) == 0);
}

}  // namespace

int main() {
  const char *preloaded = std::getenv("LD_PRELOAD");
  if (preloaded != nullptr && std::string(preloaded).find("vgpreload") != std::string::npos) {
    std::printf("NOT HERE: valgrind hangs when a process of threads aborts\n0 checks\n");
    return 0;
  }
  const char *parent = std::getenv("IMMUTA_TEST_DIR");
  directory = std::string(parent != nullptr && *parent != 0 ? parent : "/tmp") + "/immuta-exceptions-XXXXXX";
  CHECK(mkdtemp(directory.data()) != nullptr);
  int acknowledged = 0;
  for (; acknowledged < CALLS; acknowledged++) expect_abort(acknowledged, standard_error::pipe);
  for (const standard_error kind : UNWRITABLE) {
    expect_abort(0, kind);
    acknowledged++;
  }
  opened host;
  immuta_stats stats;
  CHECK(immuta_stats_get(host.log, 0, &stats, sizeof stats, nullptr) == IMMUTA_OK);
  CHECK(stats.count == static_cast<std::uint64_t>(acknowledged));
  host.close();
  for (const char *name : {"a.log", "a.idx", "a.live"}) unlink((directory + "/" + name).c_str());
  CHECK(rmdir(directory.c_str()) == 0);
  std::printf("%d checks\n", checks);
}
