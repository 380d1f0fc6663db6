/* Functions that the library runs: codecs, read functions, and what becomes of their exceptions. */
#ifndef IMMUTA_CXX_FUNCTIONS_HPP
#define IMMUTA_CXX_FUNCTIONS_HPP

#include "cxx/check.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <sstream>
#include <stdexcept>

namespace functions {

using namespace std::chrono_literals;
using immuta::bytes;
using immuta::codec;
using immuta::sink;
using immuta::status;

inline void flip(bytes data, sink &out) {
  std::string flipped(data.text());
  for (char &letter : flipped) letter = static_cast<char>(~letter);
  out.write(flipped);
}

inline codec flipping() { return codec::custom(0x10000, "flip", flip, flip).value(); }

inline immuta::log open(const codec &with, std::optional<std::uint64_t> max_record_size = {}) {
  immuta::options how = check::options();
  how.codecs = {with};
  how.max_record_size = max_record_size;
  return check::open(how);
}

CASE(payloads_go_through_codecs_and_come_back) {
  const std::string text(1000, 'x');
  std::uint32_t number = 0;
  for (const codec &each : {codec::deflate(9).value(), codec::zstd(-1).value(), codec::zstd().value(),
                            codec::lz4().value(), codec::snappy().value(), flipping()}) {
    immuta::options how = check::options();
    how.namespaces = {"n" + std::to_string(number++)};
    how.codecs = {each, codec::external(0x20000, "outside").value()};
    immuta::log log = check::open(how);
    CHECK_CODE(ok, log.append(0, text));
    immuta::stream stream = log.open_stream(0).value();
    const immuta::record record = stream.next(0s).value();
    CHECK(record.text() == text);
    CHECK((record.stored_size() < 200) == (number != 6));
  }
  const std::string stored = check::read_file(check::path("n5.log"));
  CHECK(stored.find('x') == std::string::npos && stored.find(static_cast<char>(~'x')) != std::string::npos);
}

CASE(a_codec_that_cannot_be_is_refused) {
  CHECK_CODE(argument, codec::deflate(77));
  CHECK_CODE(argument, codec::zstd(23));
  CHECK_CODE(argument, codec::external(1, "small id"));
  CHECK_CODE(argument, codec::external(0x10000, std::string("a\0b", 3)));
  const auto life = std::make_shared<int>(0);
  const auto encode = [life](bytes, sink &) {};
  CHECK_CODE(argument, codec::custom(1, "small id", encode, flip));
  CHECK_CODE(argument, codec::custom(0x10000, "", encode, flip));
  CHECK_CODE(argument, codec::custom(0x10000, std::string("a\0b", 3), encode, flip));
  CHECK(life.use_count() == 2);  // this one, and the one in `encode`
}

CASE(a_codec_lives_as_long_as_it_is_used) {
  const auto life = std::make_shared<int>(0);
  immuta::log log;
  {
    const auto encode = [life](bytes data, sink &out) { out.write(data); };
    const codec made = codec::custom(0x10000, "counted", encode, flip).value();
    const codec copy = made;
    CHECK(copy && copy.get() == made.get());
    log = open(copy);
  }
  CHECK(life.use_count() == 2);
  CHECK_CODE(ok, log.append(0, "used"));
  CHECK_CODE(ok, log.close());
  CHECK(life.use_count() == 1);
}

CASE(a_codec_fails_by_a_value) {
  const auto refuse = [](bytes data, sink &out) -> int {
    out.write(data);
    return data == bytes("bad") ? 42 : 0;
  };
  immuta::log log = open(codec::custom(0x10000, "refusing", refuse, refuse).value());
  CHECK_CODE(ok, log.append(0, "good"));
  const auto refused = log.append(0, "bad");
  CHECK_CODE(codec_failed, refused);
  CHECK(refused.error().os_error() == 42);
  CHECK(check::contents(log) == "good,");
}

CASE(a_codec_may_not_use_the_stream_that_reads) {
  immuta::stream stream;
  const auto pass = [](bytes data, sink &out) { out.write(data); };
  const auto intrude = [&](bytes data, sink &out) {
    CHECK_CODE(busy, stream.next(0s));
    CHECK_CODE(busy, stream.position());
    CHECK(stream.interrupt() == status::ok);
    out.write(data);
  };
  immuta::log log = open(codec::custom(0x10000, "intruding", pass, intrude).value());
  CHECK_CODE(ok, log.append(0, "lent all the same"));
  stream = log.open_stream(0).value();
  CHECK(stream.next(0s).value().text() == "lent all the same");
  CHECK_CODE(interrupted, stream.next(0s));
}

CASE(a_codec_may_not_use_the_transaction_that_is_committed) {
  immuta::transaction staged;
  const auto pass = [](bytes data, sink &out) { out.write(data); };
  const auto intrude = [&](bytes data, sink &out) {
    CHECK_CODE(handle, staged.append("late"));
    CHECK_CODE(handle, staged.commit());
    staged.rollback();
    out.write(data);
  };
  immuta::log log = open(codec::custom(0x10000, "intruding", intrude, pass).value());
  staged = log.begin_transaction(0).value();
  CHECK_CODE(ok, staged.append("appended all the same"));
  CHECK(staged.commit().value().count == 1);
  CHECK(!staged && check::contents(log) == "appended all the same,");
}

CASE(a_sink_refuses_what_is_too_large) {
  status seen = status::ok;
  const auto swell = [&](bytes data, sink &out) {
    CHECK(out.get() != nullptr && out.write(data) == status::ok);
    seen = out.write(std::string(100, 'x'));
#if defined(__cpp_exceptions)
    throw std::runtime_error("dropped: the refusal comes first");
#endif
  };
  immuta::log log = open(codec::custom(0x10000, "swelling", swell, swell).value(), 50);
  CHECK_CODE(too_large, log.append(0, "small"));
  CHECK(seen == status::too_large);
}

CASE(a_function_gives_the_payload_in_pieces) {
  immuta::log log = check::open();
  std::istringstream input(std::string(100000, 'y'));
  const auto read = [&](void *buffer, std::size_t capacity) {
    return input.read(static_cast<char *>(buffer), static_cast<std::streamsize>(capacity)).gcount();
  };
  CHECK(log.append_from(0, read).value().stored_size == 100000);
  const auto give_up = log.append_from(0, [](void *, std::size_t) { return -7; });
  CHECK_CODE(callback, give_up);
  CHECK(give_up.error().os_error() == -7);
  CHECK_CODE(callback, log.append_from(0, [](void *, std::size_t capacity) { return capacity + 1; }));
  CHECK_CODE(argument, log.append_from(0, {}));
  CHECK(log.stats(0).value().count == 1);
}

inline int twice(void *buffer, std::size_t) {
  static int left = 2;
  if (left-- == 0) return 0;
  *static_cast<char *>(buffer) = 'z';
  return 1;
}

CASE(a_function_of_any_kind_will_do) {
  immuta::log log = check::open();
  CHECK_CODE(ok, log.append_from(0, twice));
  struct counter {
    std::int64_t left;
    std::int64_t operator()(void *buffer, std::size_t) {
      *static_cast<char *>(buffer) = 'c';
      return left-- > 0 ? 1 : 0;
    }
  };
  counter three{3};
  CHECK_CODE(ok, log.append_from(0, three));
  const std::function<long(void *, std::size_t)> end = [](void *, std::size_t) { return 0L; };
  CHECK_CODE(ok, log.append_from(0, end));
  CHECK(check::contents(log) == "zz,ccc,,");
  CHECK(three.left == -1);
}

#if defined(__cpp_exceptions)

/* The text of the std::runtime_error that `function` throws; empty if it throws none. */
template <class Function>
std::string thrown_by(Function &&function) {
  try {
    function();
  } catch (const std::runtime_error &thrown) {
    return thrown.what();
  }
  return "";
}

/* Throws what the payload says, in encode or in decode. */
inline codec throwing() {
  const auto encode = [](bytes data, sink &out) {
    if (data.text().substr(0, 6) == "encode") throw std::runtime_error(std::string(data.text()));
    out.write(data);
  };
  const auto decode = [](bytes data, sink &out) {
    if (data.text().substr(0, 6) == "decode") throw std::runtime_error(std::string(data.text()));
    out.write(data);
  };
  return codec::custom(0x10000, "throwing", encode, decode).value();
}

CASE(an_exception_of_a_codec_comes_out_of_the_call_around_it) {
  immuta::log log = open(throwing());
  CHECK(thrown_by([&] { static_cast<void>(log.append(0, "encode 1")); }) == "encode 1");
  CHECK(thrown_by([&] { static_cast<void>(log.append_parts(0, {"encode", " 2"})); }) == "encode 2");
  CHECK(thrown_by([&] { static_cast<void>(log.append_batch(0, {"fine", "encode 3"})); }) == "encode 3");
  CHECK(thrown_by([&] { static_cast<void>(log.append_at(0, 0, {"encode 4"})); }) == "encode 4");
  immuta::transaction staged = log.begin_transaction(0).value();
  CHECK_CODE(ok, staged.append("encode 5"));
  CHECK(thrown_by([&] { static_cast<void>(staged.commit()); }) == "encode 5");
  CHECK(!staged && log.stats(0).value().count == 0);

  CHECK_CODE(ok, log.append_batch(0, {"decode 6", "fine"}));
  immuta::stream stream = log.open_stream(0).value();
  CHECK(thrown_by([&] { static_cast<void>(stream.next(0s)); }) == "decode 6");
  CHECK(thrown_by([&] { static_cast<void>(stream.next_batch(9, 99, 0s)); }) == "decode 6");
  CHECK(thrown_by([&] { for (auto &next : stream.records(0s)) static_cast<void>(next); }) == "decode 6");
  CHECK(stream.position().value() == 0);
  CHECK_CODE(ok, stream.seek(1));
  CHECK(stream.next(0s).value().text() == "fine");
}

CASE(an_exception_of_an_earlier_call_is_not_thrown) {
  immuta::log log = open(throwing());
  immuta_error why{};
  CHECK(immuta_append(log.get(), 0, "encode", 6, nullptr, &why) == IMMUTA_E_CODEC_FAILED);
  CHECK(why.os_error != 0);
  /* A failure without an exception, of a codec of C, on the same thread. */
  const auto fail = [](bytes, sink &) -> int { return 1; };
  immuta::options how = check::options();
  how.namespaces = {"b"};
  how.codecs = {codec::custom(0x10001, "failing", fail, fail).value()};
  immuta::log other = check::open(how);
  CHECK_CODE(codec_failed, other.append(0, "fails"));
  CHECK_CODE(ok, log.append(0, "fine"));
  CHECK_CODE(no_namespace, log.append(5, "fine"));
}

CASE(an_exception_passes_from_an_inner_call_to_the_outer_one) {
  immuta::log inner = open(throwing());
  const auto nested = [&](bytes data, sink &out) {
    static_cast<void>(inner.append(0, data));
    out.write(data);
  };
  immuta::options how = check::options();
  how.namespaces = {"outer"};
  how.codecs = {codec::custom(0x10001, "nested", nested, nested).value()};
  immuta::log outer = check::open(how);
  CHECK(thrown_by([&] { static_cast<void>(outer.append(0, "encode inside")); }) == "encode inside");
  CHECK_CODE(ok, outer.append(0, "fine"));
  CHECK(check::contents(inner) == "fine,");
}

CASE(an_exception_of_a_read_function_comes_out_of_the_append) {
  immuta::log log = check::open();
  int pieces = 0;
  const auto read = [&](void *buffer, std::size_t) -> std::int64_t {
    if (++pieces == 3) throw std::runtime_error("the third piece");
    *static_cast<char *>(buffer) = 'x';
    return 1;
  };
  CHECK(thrown_by([&] { static_cast<void>(log.append_from(0, read)); }) == "the third piece");
  CHECK(log.stats(0).value().count == 0);
  CHECK_CODE(ok, log.append(0, "fine"));
}

#endif

}  // namespace functions

#endif
