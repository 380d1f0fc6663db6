/* One program of two files: this one is compiled with exceptions and run-time types, settings_off.cpp without. Each
 * must run its own code of the header, in whatever order they are linked. */
#include "cxx/check.hpp"
#include "cxx/programs/settings_off.hpp"

#include <cstring>
#include <stdexcept>

#include <fcntl.h>
#include <sys/wait.h>

namespace {

/* Runs `function` in a child process, which must end by SIGABRT. Returns what it wrote to standard error. */
std::string output_of_abort(void (*function)(const char *)) {
  const std::string file = check::path("stderr");
  std::fflush(stdout);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    const int fd = open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(dup2(fd, STDERR_FILENO) == STDERR_FILENO);
    function(check::directory.c_str());
    _exit(0);
  }
  int ended = 0;
  CHECK(waitpid(child, &ended, 0) == child && WIFSIGNALED(ended) && WTERMSIG(ended) == SIGABRT);
  return check::read_file(file);
}

}  // namespace

CASE(with_exceptions_the_value_of_an_error_is_thrown) {
  bool caught = false;
  try {
    static_cast<void>(immuta::log::open("").value());
  } catch (const std::exception &thrown) {
    const auto *why = dynamic_cast<const immuta::error *>(&thrown);
    caught = why != nullptr && why->code() == immuta::status::argument;
  }
  CHECK(caught);
}

CASE(without_exceptions_the_value_of_an_error_ends_the_program_with_its_message) {
  const std::string written = output_of_abort(off::value_of_an_error);
  const std::string message = immuta::log::open("").error().message();
  CHECK(!message.empty() && written.find("libimmuta: IMMUTA_E_ARGUMENT: " + message + "\n") == 0);
}

CASE(without_exceptions_calls_give_results) { CHECK(off::appends_and_reads(check::directory.c_str()) == 3); }

CASE(with_exceptions_a_read_function_may_throw_beside_code_that_cannot) {
  immuta::log log = check::open();
  std::string caught;
  try {
    static_cast<void>(log.append_from(0, [](void *, std::size_t) -> int { throw std::runtime_error("thrown"); }));
  } catch (const std::runtime_error &thrown) {
    caught = thrown.what();
  }
  CHECK(caught == "thrown");
}

/* An object passes between the two as the C object. The exception of a codec stays on the side that can throw. */
CASE(objects_pass_between_the_two_as_c_objects) {
  const auto leave = [](immuta::bytes, immuta::sink &) { throw std::runtime_error("thrown"); };
  immuta::options how = check::options();
  how.codecs = {immuta::codec::custom(0x10000, "leaving", leave, leave).value()};
  immuta::log log = check::open(how);
  CHECK(off::status_of_append(log.get()) == IMMUTA_E_CODEC_FAILED);
  CHECK_CODE(ok, log.append_batch(0, {}));
}

int main() { return check::run_all(); }
