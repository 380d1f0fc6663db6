/* A program and two shared libraries, all compiled with hidden visibility: a codec of one throws inside a call of
 * another. `apart` as argument: the libraries are linked so that they share nothing of the header. */
#include "cxx/programs/libraries.hpp"

#include "cxx/check.hpp"

#include <thread>

namespace {

bool are_apart = false;

/* Of a call whose codec is of library one, and which is not in library one itself. */
std::string expected() { return are_apart ? "IMMUTA_E_CODEC_FAILED" : "from one"; }

immuta::log open(const char *name, const immuta::codec &codec) {
  immuta::options how = check::options();
  how.namespaces = {name};
  how.codecs = {codec};
  return check::open(how);
}

}  // namespace

CASE(an_exception_comes_out_of_a_call_in_another_library) {
  immuta::log log = open("a", one::throwing());
  CHECK(one::outcome_of_append_in_library(log) == "from one");
  CHECK(two::outcome_of_append_in_library(log) == expected());
  CHECK(outcome_of_append(log) == expected());
  CHECK(one::outcome_of_append_in_library(log) == "from one");
}

/* In a new thread, because libraries that are apart number their exceptions separately in each thread. */
CASE(an_exception_that_a_call_of_c_left_in_another_library_is_not_thrown) {
  immuta::log log = open("a", one::throwing());
  immuta::log other = open("b", two::throwing());
  std::thread([&] {
    CHECK(immuta_append(other.get(), 0, "payload", 7, nullptr, nullptr) == IMMUTA_E_CODEC_FAILED);
    CHECK(two::outcome_of_append_in_library(log) == expected());
  }).join();
}

int main(int, char **argv) {
  are_apart = argv[1] != nullptr && std::string_view(argv[1]) == "apart";
  return check::run_all();
}
