/* Maintenance: verify, repair, import, scan, and their progress functions. */
#ifndef IMMUTA_CXX_UPKEEP_HPP
#define IMMUTA_CXX_UPKEEP_HPP

#include "cxx/check.hpp"

#include <stdexcept>

namespace upkeep {

using immuta::outcome;
using immuta::status;

inline void append(int count) {
  immuta::log log = check::open();
  for (int i = 0; i < count; i++) CHECK_CODE(ok, log.append(0, "a record"));
  CHECK_CODE(ok, log.close());
}

/* A byte of the payload of a record changes. */
inline void damage(std::size_t number) {
  std::string log = check::read_file(check::path("a.log"));
  log[8 + 16 * number + 8] ^= 1;
  check::write_file(check::path("a.log"), log);
}

CASE(verify_finds_what_is_damaged) {
  append(10);
  CHECK(immuta::verify(check::directory, "a").value().finding == status::ok);
  damage(4);
  std::uint64_t last = 0;
  const auto progress = [&](std::uint64_t done, std::uint64_t total) {
    CHECK(total == 0 || done <= total);
    last = done;
    return true;
  };
  const immuta::report found = immuta::verify(check::directory, "a", check::options(), progress).value();
  CHECK(found.finding == status::corrupt && found.outcome == outcome::damaged && found.count == 10);
  CHECK(found.bad_records == 1 && found.first_bad_number == 4 && found.first_bad_offset == 8 + 16 * 4);
  CHECK(last == 10);
  CHECK_CODE(not_found, immuta::verify(check::directory, "b"));
  CHECK_CODE(name, immuta::verify(check::directory, ""));
  CHECK_CODE(argument, immuta::verify(check::directory, std::string("a\0b", 3)));
}

CASE(repair_changes_nothing_unless_it_is_asked_to) {
  append(10);
  damage(4);
  const std::string before = check::read_file(check::path("a.log"));
  const immuta::report dry = immuta::repair(check::directory, "a").value();
  CHECK(dry.outcome == outcome::damaged && dry.bad_records == 1 && check::read_file(check::path("a.log")) == before);
  immuta::repair_mode apply;
  apply.apply = true;
  const immuta::report mended = immuta::repair(check::directory, "a", apply, check::options()).value();
  CHECK(mended.outcome == outcome::repaired && mended.finding == status::corrupt && mended.count == 10);
  CHECK(mended.salvage == check::path("a.salvage-1"));
  apply.accept_count = true;
  CHECK_CODE(ok, immuta::repair(check::directory, "a", apply));
  const immuta::log log = check::open();
  immuta::stream stream = log.open_stream(0, immuta::start::number(4)).value();
  CHECK_CODE(corrupt, stream.next(immuta::forever));
  CHECK_CODE(locked, immuta::repair(check::directory, "a", apply));
  CHECK_CODE(argument, immuta::repair(std::string("/tmp\0", 5), "a"));
}

CASE(import_makes_a_namespace_of_a_file) {
  const std::string source = check::path("source");
  check::write_file(source, std::string("\3\0\0\0\0\0\0\0one\5\0\0\0\0\0\0\0three", 24));
  const auto imported = immuta::import_file(source, check::directory, "a");
  CHECK(imported.value().outcome == outcome::adopted && imported->count == 2 && imported->adopted == 2);
  CHECK(check::contents(check::open()) == "one,three,");
  CHECK_CODE(exists, immuta::import_file(source, check::directory, "a"));
  CHECK_CODE(not_found, immuta::import_file(check::path("none"), check::directory, "b"));
  check::write_file(source, "not a record file at all");
  CHECK_CODE(layout, immuta::import_file(source, check::directory, "b"));
  CHECK_CODE(argument, immuta::import_file(source, check::directory, std::string("b\0", 2)));
}

CASE(scan_lists_what_is_there_and_why_not) {
  append(1);
  check::write_file(check::path("b.log"), "no record file");
  const auto found = immuta::scan(check::directory, check::options()).value();
  CHECK(found.size() == 2);
  CHECK(found[0].name == "a" && found[0].finding == status::ok && found[0].message.empty());
  CHECK(found[1].name == "b" && found[1].finding == status::corrupt);
  CHECK(check::contains(found[1].message.c_str(), "b.log"));
  CHECK_CODE(not_found, immuta::scan(check::path("none")));
  CHECK_CODE(argument, immuta::scan(std::string("/tmp\0", 5)));
}

CASE(a_progress_function_stops_what_it_watches) {
  append(1);
  const auto stop = [](std::uint64_t, std::uint64_t) { return false; };
  CHECK_CODE(cancelled, immuta::verify(check::directory, "a", {}, stop));
  CHECK_CODE(cancelled, immuta::repair(check::directory, "a", {}, {}, stop));
  CHECK_CODE(cancelled, immuta::import_file(check::path("a.log"), check::directory, "b", {}, stop));
  CHECK(immuta::scan(check::directory).value().size() == 1);
}

#if defined(__cpp_exceptions)

CASE(an_exception_of_a_progress_function_comes_out_of_the_call) {
  append(1);
  const auto leave = [](std::uint64_t, std::uint64_t) -> bool { throw std::runtime_error("stopped"); };
  int caught = 0;
  const auto expect = [&](auto call) {
    try {
      static_cast<void>(call());
    } catch (const std::runtime_error &thrown) {
      caught += std::string_view(thrown.what()) == "stopped";
    }
  };
  expect([&] { return immuta::verify(check::directory, "a", {}, leave); });
  expect([&] { return immuta::repair(check::directory, "a", {}, {}, leave); });
  expect([&] { return immuta::import_file(check::path("a.log"), check::directory, "b", {}, leave); });
  CHECK(caught == 3);
  CHECK(immuta::scan(check::directory).value().size() == 1);
}

CASE(an_exception_of_a_codec_comes_out_of_the_import) {
  append(1);
  const auto leave = [](immuta::bytes, immuta::sink &) { throw std::runtime_error("stopped"); };
  immuta::options how = check::options();
  how.codecs = {immuta::codec::custom(0x10000, "leaving", leave, leave).value()};
  bool caught = false;
  try {
    static_cast<void>(immuta::import_file(check::path("a.log"), check::directory, "b", how));
  } catch (const std::runtime_error &thrown) {
    caught = std::string_view(thrown.what()) == "stopped";
  }
  CHECK(caught);
}

#endif

}  // namespace upkeep

#endif
