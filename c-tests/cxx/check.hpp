/* Cases and checks of the C++ suite: each case has a directory of its own, and a check that fails ends the program. */
#ifndef IMMUTA_CXX_CHECK_HPP
#define IMMUTA_CXX_CHECK_HPP

#include <immuta.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <dirent.h>
#include <unistd.h>

#define CHECK(expression) check::that((expression), __FILE__, __LINE__, #expression)
/* A result has this status. */
#define CHECK_CODE(expected, result) check::code((result), immuta::status::expected, __FILE__, __LINE__, #result)
#define CASE(name)                                          \
  static void name();                                       \
  static const check::registered name##_case(#name, &name); \
  static void name()

namespace check {

inline std::atomic<unsigned> count{0};

[[noreturn]] inline void fail(const char *file, int line, const std::string &what) {
  std::printf("    %s:%d: %s\n", file, line, what.c_str());
  std::fflush(stdout);
  _exit(1);
}

inline void that(bool holds, const char *file, int line, const char *expression) {
  count++;
  if (!holds) fail(file, line, std::string("CHECK(") + expression + ") failed");
}

template <class Result>
void code(const Result &result, immuta::status expected, const char *file, int line, const char *expression) {
  count++;
  if (result.code() == expected) return;
  fail(file, line, std::string(expression) + " gave " + immuta::status_name(result.code()) + ", expected " +
                       immuta::status_name(expected) + ": " + result.error().message());
}

struct entry {
  const char *name;
  void (*run)();
};

inline std::vector<entry> &cases() {
  static std::vector<entry> all;
  return all;
}

struct registered {
  registered(const char *name, void (*run)()) { cases().push_back({name, run}); }
};

/* The directory of the case that runs. */
inline std::string directory;

inline std::string path(const char *name) { return directory + "/" + name; }

inline void make_directory() {
  const char *parent = std::getenv("IMMUTA_TEST_DIR");
  directory = std::string(parent != nullptr && *parent != 0 ? parent : "/tmp") + "/immuta-cxx-XXXXXX";
  CHECK(mkdtemp(directory.data()) != nullptr);
}

/* Removes the directory, which has files only. */
inline void remove_directory() {
  DIR *listed = opendir(directory.c_str());
  CHECK(listed != nullptr);
  while (const dirent *file = readdir(listed)) unlink(path(file->d_name).c_str());
  closedir(listed);
  CHECK(rmdir(directory.c_str()) == 0);
}

inline int run_all() {
  for (const entry &each : cases()) {
    std::printf("%s\n", each.name);
    std::fflush(stdout);
    make_directory();
    each.run();
    remove_directory();
  }
  std::printf("%u checks\n", count.load());
  return 0;
}

/* Options for the namespace "a", with the engine that this run tests. */
inline immuta::options options() {
  immuta::options how;
  how.namespaces = {"a"};
  const char *io = std::getenv("IMMUTA_TEST_IO");
  if (io != nullptr && std::string_view(io) == "syscall") how.io = immuta::io::syscall;
  return how;
}

inline immuta::log open(const immuta::options &how = options()) { return immuta::log::open(directory, how).value(); }

/* The payloads from the beginning to the end, each followed by a comma. */
inline std::string contents(const immuta::log &log, std::uint32_t ns = 0) {
  std::string all;
  immuta::stream stream = log.open_stream(ns).value();
  for (auto &next : stream.records(std::chrono::seconds(0))) all += std::string(next.value().text()) + ",";
  return all;
}

inline bool contains(const char *text, const char *part) {
  return std::string_view(text).find(part) != std::string_view::npos;
}

inline std::string read_file(const std::string &file) {
  std::FILE *opened = std::fopen(file.c_str(), "rb");
  CHECK(opened != nullptr);
  std::string all;
  for (int byte; (byte = std::fgetc(opened)) != EOF;) all += static_cast<char>(byte);
  std::fclose(opened);
  return all;
}

inline void write_file(const std::string &file, std::string_view text) {
  std::FILE *opened = std::fopen(file.c_str(), "wb");
  CHECK(opened != nullptr);
  CHECK(std::fwrite(text.data(), 1, text.size(), opened) == text.size());
  CHECK(std::fclose(opened) == 0);
}

}  // namespace check

#endif
