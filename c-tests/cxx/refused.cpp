/* What must not compile. Each line with a mark has a diagnostic of the compiler, of which the mark is a part; the other
 * lines have none. tests/runner/cxx.py reads the marks. */
#include <immuta.hpp>

#include <array>
#include <string>
#include <string_view>
#include <vector>

void dropped(immuta::log &log, immuta::stream &stream) {
  log.append(0, "x");               // refused: nodiscard
  log.sync(0);                      // refused: nodiscard
  log.close();                      // refused: nodiscard
  stream.seek(1);                   // refused: nodiscard
  stream.next(immuta::forever);     // refused: nodiscard
  immuta::log::open("x");           // refused: nodiscard
  immuta::repair("x", "a");         // refused: nodiscard
  static_cast<void>(log.sync(0));
  log.sync(0).value();
  stream.interrupt();
  stream.close();
}

void copied(immuta::log &log, immuta::record &record) {
  immuta::log second = log;         // refused: deleted
  immuta::record other = record;    // refused: deleted
  immuta::log third = std::move(log);
}

void dangling(immuta::log &log) {
  static_cast<void>(log.open_stream(0).value().records(immuta::forever));  // refused: deleted
  static_cast<void>((*log.open_stream(0)).records(immuta::forever));       // refused: deleted
  static_cast<void>(log.open_stream(0)->records(immuta::forever));         // refused: deleted
  static_cast<void>(log.open_stream(0)->batches(1, 1, immuta::forever));   // refused: deleted
  const auto constant = [&log]() -> const immuta::result<immuta::stream> { return log.open_stream(0); };
  static_cast<void>(constant()->position());                               // refused: deleted
  static_cast<void>(log.open_stream(0).value().position());
  auto stream = log.open_stream(0);
  static_cast<void>(stream->records(immuta::forever));
}

void functions(immuta::log &log) {
  int calls = 0;
  auto counting = [calls](immuta::bytes, immuta::sink &) mutable { calls++; };
  auto yes = [](immuta::bytes, immuta::sink &) { return true; };
  auto pass = [](immuta::bytes, immuta::sink &) {};
  auto both = immuta::codec::custom(0x10000, "a", pass, pass);
  auto states = immuta::codec::custom(0x10000, "a", counting, pass);  // refused: several threads call them
  auto bools = immuta::codec::custom(0x10000, "a", pass, yes);        // refused: 0 for success
  auto progress = immuta::verify("x", "a", {}, [](std::uint64_t, std::uint64_t) { return 1; });  // refused: true to go
  auto read = log.append_from(0, [](void *, std::size_t) { return false; });                     // refused: an integer
}

void values(immuta::log &log) {
  const std::vector<int> numbers = {1, 2};
  static_cast<void>(log.append(0, numbers));            // refused: vector<int
  static_cast<void>(log.append(0, 7));                  // refused: int
  static_cast<void>(log.append(0, nullptr));            // refused: nullptr
  static_cast<void>(log.append_batch(0, "one"));        // refused: bytes_list
  static_cast<void>(immuta::bytes::of(&numbers));       // refused: pointer
  const std::string_view text = "text";
  const std::wstring_view wide = L"text";
  const immuta::bytes view = text;
  static_cast<void>(immuta::bytes::of(text));           // refused: the bytes of a view
  static_cast<void>(immuta::bytes::of(wide));           // refused: the bytes of a view
  static_cast<void>(immuta::bytes::of(view));           // refused: the bytes of a view
  static_cast<void>(immuta::bytes::of(immuta::record_view()));  // refused: the bytes of a view
  const std::array<int, 2> array = {1, 2};
  static_cast<void>(log.append(0, immuta::bytes::of(array)));
  static_cast<void>(log.append(0, immuta::bytes::of(numbers[0])));
  const bool open = log;                                // refused: bool
}
