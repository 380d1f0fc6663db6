/* Results, errors, bytes, timeouts: what needs no log. */
#ifndef IMMUTA_CXX_VALUES_HPP
#define IMMUTA_CXX_VALUES_HPP

#include "cxx/check.hpp"

#include <array>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <type_traits>
#if defined(__cpp_lib_span)
#include <span>
#endif

namespace values {

using namespace std::chrono_literals;
using immuta::bytes;
using immuta::result;
using immuta::status;

inline immuta::error error(status code) { return immuta::error(code, "the text"); }

CASE(a_result_has_a_value_or_an_error) {
  result<std::string> good("value");
  CHECK(good && good.has_value() && good.code() == status::ok && good.error().code() == status::ok);
  CHECK(good.value() == "value" && *good == "value" && good->size() == 5);
  good.value() = "other";
  CHECK(good.value_or("none") == "other");

  const result<std::string> bad(error(status::corrupt));
  CHECK(!bad && !bad.has_value() && bad.code() == status::corrupt);
  CHECK(std::strcmp(bad.error().message(), "the text") == 0);
  CHECK(bad.value_or("none") == "none");
  CHECK(result<std::string>(error(status::io)).value_or("none") == "none");

  const result<void> nothing;
  CHECK(nothing && nothing.code() == status::ok && nothing.error().code() == status::ok);
  nothing.value();
  CHECK(result<void>(error(status::io)).code() == status::io);
}

CASE(a_result_moves_what_cannot_be_copied) {
  using owner = std::unique_ptr<int>;
  result<owner> held(std::make_unique<int>(7));
  result<owner> moved(std::move(held));
  CHECK(**moved == 7);
  const owner taken = std::move(moved).value();
  CHECK(*taken == 7);
  CHECK(*result<owner>(std::make_unique<int>(8)).value_or(nullptr) == 8);
  static_assert(!std::is_copy_constructible_v<result<owner>>);
  static_assert(std::is_same_v<decltype(std::declval<result<owner>>().value()), owner>, "safe in a range-for");
}

CASE(results_are_chained) {
  const auto half = [](int value) -> result<int> {
    if (value % 2 != 0) return error(status::argument);
    return value / 2;
  };
  const result<int> twelve(12);
  CHECK(twelve.and_then(half).and_then(half).value() == 3);
  CHECK_CODE(argument, twelve.and_then(half).and_then(half).and_then(half));
  CHECK(twelve.transform([](int value) { return std::to_string(value); }).value() == "12");
  CHECK_CODE(io, result<int>(error(status::io)).transform([](int value) { return value; }));
  int seen = 0;
  CHECK_CODE(ok, twelve.transform([&](int value) { seen = value; }));
  CHECK(seen == 12);
  const auto mend = [](const immuta::error &why) -> result<int> {
    if (why.code() == status::io) return 1;
    return why;
  };
  CHECK(result<int>(error(status::io)).or_else(mend).value() == 1);
  CHECK_CODE(pool, result<int>(error(status::pool)).or_else(mend));
  CHECK(twelve.or_else(mend).value() == 12);

  const result<void> done;
  CHECK(done.and_then([] { return result<int>(5); }).value() == 5);
  CHECK(done.transform([] { return 6; }).value() == 6);
  CHECK_CODE(io, result<void>(error(status::io)).transform([] {}));
  CHECK_CODE(ok, result<void>(error(status::io)).or_else([](const immuta::error &) { return result<void>(); }));
}

#if defined(__cpp_exceptions)
CASE(the_value_of_an_error_throws_it) {
  const result<int> bad(error(status::locked));
  int caught = 0;
  const auto expect = [&](auto function) {
    try {
      function();
    } catch (const immuta::error &why) {
      const std::exception &thrown = why;
      CHECK(why.code() == status::locked && std::strcmp(thrown.what(), "the text") == 0);
      caught++;
    }
  };
  expect([&] { static_cast<void>(bad.value()); });
  expect([&] { static_cast<void>(*bad); });
  expect([&] { static_cast<void>(bad.operator->()); });
  expect([] { static_cast<void>(result<int>(error(status::locked)).value()); });
  expect([] { result<void>(error(status::locked)).value(); });
  CHECK(caught == 5);
}
#endif

CASE(an_error_carries_what_the_c_struct_has) {
  immuta_error raw{};
  raw.code = IMMUTA_E_TRUNCATED;
  raw.os_error = 5;
  raw.ns = 6;
  raw.number = 7;
  raw.offset = 8;
  std::strcpy(raw.message, "cut off");
  const immuta::error why(raw);
  CHECK(why.code() == status::truncated && why.os_error() == 5 && why.ns() == 6);
  CHECK(why.number() == 7 && why.offset() == 8);
  CHECK(std::strcmp(why.what(), "cut off") == 0 && why.get().number == 7);
  const immuta::error cut(status::io, std::string(1000, 'x'));
  CHECK(std::strlen(cut.message()) == 479);
}

CASE(statuses_have_the_names_of_c) {
  CHECK(std::strcmp(immuta::status_name(status::pool), "IMMUTA_E_POOL") == 0);
  CHECK(std::strcmp(immuta::status_name(static_cast<status>(-999)), "IMMUTA_UNKNOWN") == 0);
  CHECK(std::strcmp(immuta::status_text(status::ok), immuta_status_text(IMMUTA_OK)) == 0);
  CHECK(immuta::version_number() == IMMUTA_VERSION_NUMBER);
  CHECK(std::strcmp(immuta::version(), IMMUTA_VERSION_STRING) == 0);
}

CASE(bytes_are_made_of_texts_and_containers) {
  const std::string text("with\0zero", 9);
  const std::vector<unsigned char> vector = {1, 2, 3};
  const std::array<std::byte, 2> array = {std::byte{4}, std::byte{5}};
  const unsigned char plain[] = {6, 7};
  const char unterminated[] = {'h', 'i'};
  char buffer[10] = "short";
  const char *const pointer = buffer;
  CHECK(bytes("hello world").size() == 11 && bytes("").empty() && bytes("cut\0off").size() == 3);
  CHECK(bytes(unterminated).size() == 2 && bytes(buffer).size() == 5 && bytes(pointer).size() == 5);
  CHECK(bytes(text).size() == 9 && bytes(text).text() == text);
  CHECK(bytes(std::string_view("view")).text() == "view");
  CHECK(bytes(vector).size() == 3 && bytes(vector)[2] == std::byte{3} && bytes(vector).data() != nullptr);
  CHECK(bytes(array).size() == 2 && *(bytes(array).end() - 1) == std::byte{5});
  CHECK(bytes(plain).size() == 2);
  CHECK(bytes(plain, 1).size() == 1);
  CHECK(bytes().empty() && bytes(static_cast<const char *>(nullptr)).empty() && bytes(std::string()).empty());
  const std::uint32_t number = 0x01020304;
  CHECK(bytes::of(number).size() == 4 && bytes::of(number)[0] == std::byte{4});
  const std::array<std::uint16_t, 2> numbers = {1, 2};
  CHECK(bytes::of(numbers).size() == 4 && bytes::of(plain).size() == 2 && bytes::of(array) == bytes(array));
  CHECK(bytes("same") == bytes(std::string("same")) && bytes("same") != bytes("some") && bytes() == bytes(""));
  CHECK(static_cast<std::string_view>(bytes("text")) == "text");
  static_assert(!std::is_convertible_v<std::vector<int>, bytes>, "the order of bytes in an int is not said");
  static_assert(!std::is_convertible_v<std::vector<bool>, bytes>);
  static_assert(!std::is_convertible_v<int, bytes>);
#if defined(__cpp_lib_span)
  const std::span<const std::byte> span = bytes(vector);
  CHECK(span.size() == 3 && span[0] == std::byte{1});
  CHECK(bytes(span) == bytes(vector));
#endif
}

/* What the C functions see of a list. */
inline std::string seen(const immuta::bytes_list &list) {
  std::string all;
  for (std::size_t i = 0; i < list.size(); i++)
    all += std::string(static_cast<const char *>(list.data()[i].data), list.data()[i].size) + ",";
  return all;
}

CASE(lists_are_made_of_anything_that_holds_bytes) {
  const std::string text = "text";
  CHECK(seen({}) == "");
  CHECK(seen({"one"}) == "one,");
  CHECK(seen({"one", text, std::string_view("view"), bytes()}) == "one,text,view,,");
  CHECK(seen(std::vector<bytes>{"a", "b"}) == "a,b,");
  CHECK(seen(std::array<bytes, 1>{"a"}) == "a,");
  CHECK(seen(std::vector<std::string>{"a", "bc"}) == "a,bc,");
  CHECK(seen(std::list<std::string_view>{"d", "e"}) == "d,e,");
  CHECK(seen(std::vector<std::string>()) == "");
  const char *const array[] = {"f", "g"};
  CHECK(seen(array) == "f,g,");
  static_assert(!std::is_convertible_v<std::string, immuta::bytes_list>, "a text is no list of payloads");
  static_assert(!std::is_convertible_v<std::vector<int>, immuta::bytes_list>);
}

CASE(timeouts_are_made_of_durations) {
  using immuta::timeout;
  CHECK(timeout(2s).ns() == 2000000000 && timeout(3ms).ns() == 3000000 && timeout(1ns).ns() == 1);
  CHECK(timeout(0s).ns() == 0);
  CHECK(timeout(-5s).ns() == 0);  // a deadline that has passed
  CHECK(timeout(std::chrono::duration<double>(0.5)).ns() == 500000000);
  CHECK(timeout(std::chrono::duration<double, std::nano>(0.25)).ns() == 1);
  CHECK(timeout(std::chrono::duration<int, std::ratio<1, 3>>(1)).ns() == 333333334);
  CHECK(timeout(std::chrono::hours(24 * 365 * 300)).ns() < 0);
  CHECK(timeout(std::chrono::nanoseconds::max()).ns() < 0);
  CHECK(timeout(std::chrono::duration<double>(1e300)).ns() < 0);
  CHECK(immuta::forever.ns() < 0);
  static_assert(timeout(1s).ns() == 1000000000);
}

CASE(handles_are_moved_and_not_copied) {
  const auto is_handle = [](auto of) {
    using handle = typename decltype(of)::element_type;
    return !std::is_copy_constructible_v<handle> && !std::is_copy_assignable_v<handle> &&
           std::is_nothrow_move_constructible_v<handle> && std::is_nothrow_move_assignable_v<handle> &&
           std::is_nothrow_default_constructible_v<handle>;
  };
  CHECK(is_handle(std::shared_ptr<immuta::log>()));
  CHECK(is_handle(std::shared_ptr<immuta::stream>()));
  CHECK(is_handle(std::shared_ptr<immuta::transaction>()));
  CHECK(is_handle(std::shared_ptr<immuta::record>()));
  CHECK(is_handle(std::shared_ptr<immuta::batch>()));
  static_assert(std::is_copy_constructible_v<immuta::codec>, "copies are the same codec");
}

}  // namespace values

#endif
