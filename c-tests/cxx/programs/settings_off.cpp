/* The file of settings.cpp that is compiled with -fno-exceptions -fno-rtti. */
#include "cxx/programs/settings_off.hpp"

#include <immuta.hpp>

#if defined(__cpp_exceptions) || defined(__cpp_rtti)
#error "compile this file with -fno-exceptions -fno-rtti"
#endif

void off::value_of_an_error(const char *) { static_cast<void>(immuta::log::open("").value()); }

/* How many records were read. */
int off::appends_and_reads(const char *directory) {
  immuta::options how;
  how.namespaces = {"off"};
  how.codecs = {immuta::codec::custom(
                    0x10000, "pass", [](immuta::bytes data, immuta::sink &out) { out.write(data); },
                    [](immuta::bytes data, immuta::sink &out) { out.write(data); })
                    .value()};
  auto log = immuta::log::open(directory, how);
  if (!log || !log->append_batch(0, {"one", "two"})) return -1;
  if (!log->append_from(0, [](void *, std::size_t) { return 0; })) return -1;
  auto stream = log->open_stream(0);
  int count = 0;
  for (auto &next : stream->records(std::chrono::seconds(0))) count += next.has_value() ? 1 : 100;
  if (!log->close() || stream->next(immuta::forever).code() != immuta::status::closed) return -1;
  if (!immuta::verify(directory, "off", how, [](std::uint64_t, std::uint64_t) { return true; })) return -1;
  return count;
}

immuta_status off::status_of_append(immuta_log *log) {
  immuta::log borrowed(log);
  const auto appended = borrowed.append(0, "refused");
  static_cast<void>(borrowed.release());
  return static_cast<immuta_status>(appended.code());
}
