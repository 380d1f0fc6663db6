/* Streams, records and batches on loan, loops over them, interrupts, event loops. */
#ifndef IMMUTA_CXX_STREAMS_HPP
#define IMMUTA_CXX_STREAMS_HPP

#include "cxx/check.hpp"

#include <numeric>

#include <poll.h>

namespace streams {

using namespace std::chrono_literals;
using immuta::start;
using immuta::status;

/* A log with the records "0" to "9", and as few readers as asked for. */
inline immuta::log of_ten(std::uint32_t readers = 5) {
  immuta::options how = check::options();
  how.reader_count = readers;
  immuta::log log = check::open(how);
  for (char digit = '0'; digit <= '9'; digit++) CHECK_CODE(ok, log.append(0, immuta::bytes(&digit, 1)));
  return log;
}

CASE(a_record_has_what_was_appended) {
  const auto before = std::chrono::system_clock::now() - 1h;
  immuta::log log = check::open();
  CHECK_CODE(ok, log.append_batch(0, {"first", "last"}));
  immuta::stream stream = log.open_stream(0).value();
  immuta::record record = stream.next(0s).value();
  CHECK(record.data() == immuta::bytes("first") && record.text() == "first" && record.size() == 5);
  CHECK(record.number() == 0 && record.offset() == 8 && record.stored_size() == 5);
  CHECK(record.time().has_value() && *record.time() > before && *record.time() < before + 2h);
  CHECK(!record.ends_batch() && !record.is_adopted() && !record.is_unverified());
  CHECK(record.get().number == 0 && record.get().token != 0);
  CHECK(stream.next(0s).value().ends_batch());
  CHECK_CODE(timeout, stream.next(0s));
  CHECK_CODE(timeout, stream.next(1ms));
}

CASE(streams_begin_where_they_are_asked_to) {
  immuta::log log = of_ten();
  const auto first = [&](start from) { return log.open_stream(0, from).value().position().value(); };
  CHECK(first(start::beginning()) == 0 && first(start::number(7)) == 7 && first(start::number(12)) == 12);
  CHECK(first(start::now()) == 10);
  CHECK(first(start::time(immuta::time_point())) == 0);
  CHECK(first(start::time(std::chrono::system_clock::now() + 1h)) == 10);
  CHECK_CODE(ok, log.open_stream(0, start::number(~std::uint64_t{0} >> 1)));
  CHECK_CODE(argument, log.open_stream(0, start::number(std::uint64_t{1} << 63)));
  CHECK_CODE(no_namespace, log.open_stream(1));

  immuta::stream stream = log.open_stream(0).value();
  CHECK_CODE(ok, stream.seek(8));
  CHECK(stream.next(0s).value().text() == "8" && stream.position().value() == 9);
}

CASE(a_loop_ends_where_the_log_ends) {
  immuta::log log = of_ten(1);
  immuta::stream stream = log.open_stream(0, start::number(3)).value();
  std::string seen;
  for (auto &next : stream.records(0s)) seen += next->text();
  CHECK(seen == "3456789");

  /* One reader is enough, because each record is given back before the next one is fetched. A range goes on. */
  auto records = stream.records(1ms);
  for (auto &next : records) CHECK(next && false);
  CHECK_CODE(ok, log.append(0, "more"));
  seen.clear();
  for (auto &next : records) seen += next->text();
  CHECK(seen == "more" && log.stats(0).value().readers_in_use == 0);
}

CASE(a_record_may_be_kept_out_of_a_loop) {
  immuta::log log = of_ten(2);
  immuta::stream stream = log.open_stream(0).value();
  immuta::record kept;
  for (auto &next : stream.records(0s)) {
    if (next->number() == 4) kept = std::move(*next);
  }
  CHECK(kept.text() == "4" && stream.position().value() == 10);
  CHECK(log.stats(0).value().readers_in_use == 1);
  CHECK(kept.close() == status::ok && kept.close() == status::ok);
  CHECK(log.stats(0).value().readers_in_use == 0);
}

CASE(a_loop_over_batches_sees_every_record) {
  immuta::log log = of_ten(1);
  immuta::stream stream = log.open_stream(0).value();
  std::vector<std::size_t> sizes;
  std::string seen;
  for (auto &next : stream.batches(4, 1 << 20, 0s)) {
    sizes.push_back(next->size());
    for (const immuta::record_view &record : *next) seen += record.text();
  }
  CHECK(seen == "0123456789" && sizes == std::vector<std::size_t>({4, 4, 2}));

  CHECK_CODE(ok, stream.seek(0));
  seen.clear();
  for (const auto &record : stream.next_batch(100, 3, 0s).value()) seen += record.text();
  CHECK(seen == "012");
  immuta::batch batch = stream.next_batch(2, 100, 0s).value();
  CHECK(batch.size() == 2 && !batch.empty() && batch[1].text() == "4" && batch[1].number() == 4);
  CHECK(std::accumulate(batch.begin(), batch.end(), std::size_t{0},
                        [](std::size_t sum, const auto &record) { return sum + record.size(); }) == 2);
  CHECK_CODE(pool, stream.next(0s));
  CHECK(batch.close() == status::ok && batch.close() == status::ok && batch.empty());
  CHECK_CODE(argument, stream.next_batch(0, 1, 0s));
}

CASE(a_loop_ends_after_an_error) {
  check::write_file(check::path("a.log"), std::string("\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0one\3\0\0\0\0\0\0\0two", 30));
  CHECK_CODE(ok, check::open().close());
  std::string damaged = check::read_file(check::path("a.log"));
  damaged[16] = 'X';
  check::write_file(check::path("a.log"), damaged);

  immuta::options how = check::options();
  how.read_only = true;
  const immuta::log log = check::open(how);
  immuta::stream stream = log.open_stream(0).value();
  std::vector<status> codes;
  for (auto &next : stream.records(0s)) codes.push_back(next.code());
  CHECK(codes == std::vector<status>({status::corrupt}));
  const auto bad = stream.next(0s);
  CHECK_CODE(corrupt, bad);
  CHECK(bad.error().number() == 0 && bad.error().offset() == 8);
  CHECK_CODE(ok, stream.seek(bad.error().number() + 1));
  const immuta::record good = stream.next(0s).value();
  CHECK(good.text() == "two" && good.is_adopted());
}

CASE(an_interrupt_ends_a_wait_and_a_loop) {
  immuta::log log = of_ten();
  immuta::stream stream = log.open_stream(0, start::now()).value();
  CHECK(stream.interrupt() == status::ok);
  CHECK_CODE(interrupted, stream.next(immuta::forever));
  CHECK(stream.interrupt() == status::ok);
  for (auto &next : stream.records(immuta::forever)) CHECK(next && false);
  CHECK_CODE(timeout, stream.next(0s));
  CHECK_CODE(ok, log.shutdown());
  CHECK_CODE(closed, stream.next(immuta::forever));
  CHECK_CODE(closed, log.append(0, "late"));
  CHECK_CODE(ok, log.close());
}

CASE(records_and_batches_outlive_their_stream_and_log) {
  immuta::log log = of_ten();
  immuta::stream stream = log.open_stream(0).value();
  immuta::record record = stream.next(0s).value();
  immuta::batch batch = stream.next_batch(2, 100, 0s).value();
  stream.close();
  CHECK_CODE(ok, log.close());
  CHECK(record.text() == "0" && batch[1].text() == "2");
  immuta::record moved = std::move(record);
  immuta::batch moved_batch = std::move(batch);
  CHECK(record.data().empty() && moved.text() == "0" && batch.empty() && moved_batch[0].text() == "1");
  moved = immuta::record();
  moved_batch = immuta::batch();
  CHECK(moved.size() == 0 && moved_batch.size() == 0);
}

CASE(a_descriptor_says_when_there_is_a_record) {
  immuta::log log = of_ten();
  immuta::stream stream = log.open_stream(0).value();
  const int fd = stream.poll_fd().value();
  CHECK(fd >= 3 && stream.poll_fd().value() == fd);
  CHECK(stream.poll_arm().value() == immuta::poll::ready);
  for (auto &next : stream.records(0s)) CHECK_CODE(ok, next);
  CHECK(stream.poll_arm().value() == immuta::poll::armed);
  pollfd waits{fd, POLLIN, 0};
  CHECK(poll(&waits, 1, 0) == 0);
  CHECK_CODE(ok, log.append(0, "new"));
  CHECK(poll(&waits, 1, -1) == 1);
  CHECK(stream.next(0s).value().text() == "new");
  CHECK_CODE(ok, log.shutdown());
  CHECK_CODE(closed, log.open_stream(0));
}

}  // namespace streams

#endif
