/* Threads: appends and streams at once, an interrupt and a shutdown from elsewhere, codecs on all of them. */
#ifndef IMMUTA_CXX_THREADS_HPP
#define IMMUTA_CXX_THREADS_HPP

#include "cxx/check.hpp"

#include <stdexcept>
#include <thread>

namespace threads {

using namespace std::chrono_literals;
using immuta::status;

/* Returns once `count` streams wait inside the library. */
inline void until_waiting(const immuta::log &log, std::uint64_t count) {
  while (log.stats(0).value().waiters != count) std::this_thread::yield();
}

CASE(threads_append_and_follow_at_once) {
  constexpr std::uint64_t writers = 3, each = 200;
  immuta::log log = check::open();
  std::vector<std::thread> all;
  std::atomic<std::uint64_t> seen{0};
  for (int reader = 0; reader < 2; reader++) {
    all.emplace_back([&] {
      immuta::stream stream = log.open_stream(0).value();
      std::uint64_t expected = 0;
      for (auto &next : stream.records(immuta::forever)) {
        CHECK(next.value().number() == expected++);
        seen++;
        if (expected == writers * each) return;
      }
    });
  }
  for (std::uint64_t writer = 0; writer < writers; writer++) {
    all.emplace_back([&] {
      for (std::uint64_t i = 0; i < each; i++) CHECK_CODE(ok, log.append(0, immuta::bytes::of(i)));
    });
  }
  for (std::thread &thread : all) thread.join();
  CHECK(seen == 2 * writers * each);
}

CASE(another_thread_ends_a_wait) {
  immuta::log log = check::open();
  immuta::stream stream = log.open_stream(0).value();
  std::thread waits([&] {
    CHECK_CODE(interrupted, stream.next(immuta::forever));
    CHECK_CODE(closed, stream.next(immuta::forever));
  });
  until_waiting(log, 1);
  CHECK(stream.interrupt() == status::ok);
  until_waiting(log, 1);
  CHECK_CODE(ok, log.shutdown());
  waits.join();
  CHECK_CODE(ok, log.close());
}

CASE(a_stream_and_a_record_move_between_threads) {
  immuta::log log = check::open();
  CHECK_CODE(ok, log.append_batch(0, {"one", "two"}));
  immuta::stream stream = log.open_stream(0).value();
  immuta::record record = stream.next(0s).value();
  std::thread other([moved = std::move(stream), lent = std::move(record)]() mutable {
    CHECK(lent.text() == "one");
    lent.close();
    CHECK(moved.next(0s).value().text() == "two");
  });
  other.join();
  CHECK(log.stats(0).value().readers_in_use == 0);
}

#if defined(__cpp_exceptions)

/* Each thread gets the exception of its own call. */
CASE(each_thread_gets_its_own_exception) {
  const auto leave = [](immuta::bytes data, immuta::sink &) { throw std::runtime_error(std::string(data.text())); };
  immuta::options how = check::options();
  how.codecs = {immuta::codec::custom(0x10000, "leaving", leave, leave).value()};
  immuta::log log = check::open(how);
  std::vector<std::thread> all;
  for (int thread = 0; thread < 4; thread++) {
    all.emplace_back([&log, thread] {
      for (int i = 0; i < 50; i++) {
        const std::string text = std::to_string(thread) + "/" + std::to_string(i);
        std::string caught;
        try {
          static_cast<void>(log.append(0, text));
        } catch (const std::runtime_error &thrown) {
          caught = thrown.what();
        }
        CHECK(caught == text);
      }
    });
  }
  for (std::thread &thread : all) thread.join();
  CHECK(log.stats(0).value().count == 0);
}

#endif

}  // namespace threads

#endif
