/* Logs: opening, options, every form of append, transactions, namespaces, figures. */
#ifndef IMMUTA_CXX_LOGS_HPP
#define IMMUTA_CXX_LOGS_HPP

#include "cxx/check.hpp"

#include <filesystem>
#include <thread>

namespace logs {

using immuta::status;

CASE(what_is_appended_is_read) {
  immuta::log log = check::open();
  const immuta::appended one = log.append(0, "one").value();
  CHECK(one.number == 0 && one.offset == 8 && one.stored_size == 3 && one.count == 1);
  CHECK(log.append_parts(0, {"t", "w", "o"}).value().number == 1);
  CHECK(log.append_batch(0, std::vector<std::string>{"three", "four"}).value().count == 2);
  CHECK(log.append_packed(0, "fivesix", {4, 3}).value().number == 4);
  CHECK(log.append_at(0, 6, {"seven"}).value().number == 6);
  const auto late = log.append_at(0, 6, {"again"});
  CHECK_CODE(conflict, late);
  CHECK(late.error().number() == 7);
  CHECK_CODE(ok, log.append_batch(0, {}));
  CHECK_CODE(no_namespace, log.append(7, "nowhere"));
  CHECK(check::contents(log) == "one,two,three,four,five,six,seven,");
  CHECK_CODE(ok, log.sync(0));
  CHECK_CODE(no_namespace, log.sync(1));
  CHECK_CODE(ok, log.close());

  log = check::open();
  CHECK(log.report(0).value().outcome == immuta::outcome::clean);
  CHECK(log.report(0).value().count == 7);
}

CASE(packed_sizes_must_add_up) {
  immuta::log log = check::open();
  CHECK_CODE(argument, log.append_packed(0, "abc", {2, 2}));
  CHECK_CODE(argument, log.append_packed(0, "abc", {1, 1}));
  CHECK_CODE(argument, log.append_packed(0, "abc", {4, ~std::size_t{0}}));  // 3, if they may overflow
  CHECK_CODE(ok, log.append_packed(0, {}, {}));
  CHECK_CODE(ok, log.append_packed(0, "abc", {0, 3, 0}));
  CHECK(check::contents(log) == ",abc,,");
}

CASE(every_option_has_its_effect) {
  immuta::options how = check::options();
  how.namespaces = {"a", "b"};
  how.reader_count = 2;
  how.mode = immuta::mode::durable;
  how.max_record_size = 10;
  how.journal_size = 1 << 16;
  how.verify_reads = false;
  how.io = immuta::io::syscall;
  immuta::log log = check::open(how);
  CHECK_CODE(ok, log.append(1, "payload"));
  CHECK_CODE(too_large, log.append(1, "more than ten"));
  const immuta::stats figures = log.stats(1).value();
  CHECK(figures.readers == 2 && figures.mode == immuta::mode::durable && figures.engine == immuta::io::syscall);
  CHECK(figures.journal_bytes >= 1 << 16 && figures.journal_bytes < 1 << 20);
  CHECK(figures.count == 1 && figures.durable_count == 1 && figures.appends == 1 && !figures.read_only);
  immuta::stream stream = log.open_stream(1).value();
  CHECK(stream.next(std::chrono::seconds(0)).value().is_unverified());
  CHECK(log.stats(1).value().records_read == 1 && log.stats(1).value().streams == 1);
  stream.close();
  CHECK_CODE(ok, log.close());

  how = check::options();
  how.flush_interval = std::chrono::seconds(0);
  how.flush_bytes = 1;
  log = check::open(how);
  CHECK(log.stats(0).value().mode == immuta::mode::fast);
  CHECK_CODE(ok, log.append(0, "flushed"));
  while (log.stats(0).value().durable_count != 1) std::this_thread::yield();
  CHECK_CODE(ok, log.close());

  how = check::options();
  how.read_only = true;
  log = check::open(how);
  CHECK(log.stats(0).value().read_only);
  CHECK_CODE(read_only, log.append(0, "refused"));
  CHECK_CODE(read_only, log.begin_transaction(0));
}

CASE(options_that_are_refused_say_why) {
  const auto refused = [](auto change) {
    immuta::options how = check::options();
    change(how);
    return immuta::log::open(check::directory, how);
  };
  const auto readers = refused([](auto &how) { how.reader_count = 0; });
  CHECK_CODE(argument, readers);
  CHECK(check::contains(readers.error().message(), "4096"));
  const auto name = refused([](auto &how) { how.namespaces = {"a/b"}; });
  CHECK_CODE(name, name);
  CHECK(check::contains(name.error().message(), "a/b"));
  CHECK_CODE(exists, refused([](auto &how) { how.namespaces = {"a", "a"}; }));
  CHECK_CODE(argument, refused([](auto &how) { how.flush_interval = std::chrono::nanoseconds(-1); }));
  CHECK_CODE(argument, refused([](auto &how) { how.max_record_size = 0; }));
  CHECK_CODE(argument, refused([](auto &how) { how.journal_size = 1; }));
  CHECK_CODE(argument, refused([](auto &how) { how.io = static_cast<immuta::io>(9); }));
  const auto codec = immuta::codec::lz4().value();
  CHECK_CODE(argument, refused([&](auto &how) { how.codecs.assign(17, codec); }));
  CHECK_CODE(handle, refused([&](auto &how) { how.codecs = {immuta::codec()}; }));
  CHECK_CODE(argument, refused([](auto &how) { how.namespaces = {std::string("a\0b", 3)}; }));
  CHECK_CODE(argument, immuta::log::open(std::string("/tmp\0x", 6)));
  CHECK_CODE(argument, immuta::log::open(""));
}

CASE(a_path_may_be_of_any_kind) {
  const std::filesystem::path below = std::filesystem::path(check::directory) / "below";
  CHECK_CODE(ok, immuta::log::open(below, check::options()).value().close());
  CHECK_CODE(ok, immuta::log::open(below.c_str(), check::options()).value().close());
  std::filesystem::remove_all(below);
}

#if defined(__cpp_designated_initializers) && __cplusplus > 201703L
CASE(options_may_be_designated) {
  immuta::log log = immuta::log::open(check::directory, {.namespaces = {"x"}, .reader_count = 3}).value();
  CHECK(log.stats(0).value().readers == 3);
  CHECK_CODE(ok, log.close());
}
#endif

CASE(a_transaction_appends_all_or_nothing) {
  immuta::options how = check::options();
  how.max_record_size = 5;
  immuta::log log = check::open(how);
  immuta::transaction staged = log.begin_transaction(0).value();
  CHECK_CODE(ok, staged.append("one"));
  CHECK_CODE(too_large, staged.append("too large"));
  CHECK_CODE(ok, staged.append_parts({"t", "wo"}));
  CHECK(check::contents(log) == "");
  CHECK(staged.commit().value().count == 2);
  CHECK(!staged);
  CHECK_CODE(handle, staged.commit());

  staged = log.begin_transaction(0).value();
  CHECK_CODE(ok, staged.append("gone"));
  staged.rollback();
  staged.rollback();
  CHECK_CODE(handle, staged.append("late"));
  {
    immuta::transaction forgotten = log.begin_transaction(0).value();
    CHECK_CODE(ok, forgotten.append("gone"));
  }
  CHECK(check::contents(log) == "one,two,");

  staged = log.begin_transaction(0).value();
  CHECK_CODE(ok, staged.append("late"));
  CHECK_CODE(ok, log.close());
  CHECK_CODE(closed, staged.commit());
  CHECK(!staged);
}

CASE(namespaces_are_added_and_found) {
  immuta::log log = check::open();
  CHECK(log.namespace_count() == 1);
  CHECK(log.add_namespace("b").value() == 1);
  CHECK(log.find_namespace("b").value() == 1 && log.namespace_count() == 2);
  CHECK(log.namespace_name(1).value() == "b");
  CHECK_CODE(exists, log.add_namespace("b"));
  CHECK_CODE(name, log.add_namespace(".hidden"));
  CHECK_CODE(no_namespace, log.find_namespace("c"));
  CHECK_CODE(argument, log.find_namespace(std::string("a\0", 2)));
  CHECK_CODE(argument, log.add_namespace(std::string("a\0", 2)));
  CHECK_CODE(no_namespace, log.namespace_name(2));
  const std::string longest(200, 'n');
  CHECK(log.namespace_name(log.add_namespace(longest).value()).value() == longest);
}

CASE(a_second_writer_is_refused) {
  const immuta::log log = check::open();
  const auto second = immuta::log::open(check::directory, check::options());
  CHECK_CODE(locked, second);
  CHECK(check::contains(second.error().message(), check::directory.c_str()));
}

CASE(what_was_cut_off_is_named) {
  check::write_file(check::path("a.log"), std::string("\1\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0one", 19));
  CHECK_CODE(ok, check::open().close());
  check::write_file(check::path("a.log"), check::read_file(check::path("a.log")) + "not a record");
  immuta::log log = check::open();
  const immuta::report found = log.report(0).value();
  CHECK(found.outcome == immuta::outcome::recovered && found.count == 1 && found.trimmed_bytes == 12);
  CHECK(found.duration.count() >= 0);
  CHECK(log.salvage_path(0).value() == check::path("a.salvage-1"));
  CHECK(found.salvage == check::path("a.salvage-1"));
  CHECK(check::read_file(check::path("a.salvage-1")) == "not a record");
  CHECK_CODE(no_namespace, log.salvage_path(1));
  CHECK_CODE(no_namespace, log.report(1));
  CHECK_CODE(no_namespace, log.stats(1));
  CHECK(log.add_namespace("b").value() == 1 && log.salvage_path(1).value() == "");
}

CASE(closing_reports_what_did_not_reach_the_disk) {
  immuta::log log = check::open();
  CHECK_CODE(ok, log.append(0, "lost"));
  CHECK(unlink(check::path("a.log").c_str()) == 0);
  const auto closed = log.close();
  CHECK(!closed && static_cast<std::int32_t>(closed.code()) < 0);
  CHECK(check::contains(closed.error().message(), "a.log"));
  CHECK(!log);
}

}  // namespace logs

#endif
