/* immuta::options: how a log is opened. */
#ifndef IMMUTA_OPTIONS_HPP
#define IMMUTA_OPTIONS_HPP

#include <immuta/codec.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace immuta {
inline namespace IMMUTA_CXX_NAMESPACE {

/// When an append counts as written. In either mode an append that returned survives the death of the process.
enum class mode : std::uint32_t {
  durable = IMMUTA_MODE_DURABLE,  ///< An append that returned survives a power failure.
  fast = IMMUTA_MODE_FAST,        ///< An append survives a power failure after the next flush.
};

/// How files are read and written.
enum class io : std::uint32_t {
  automatic = IMMUTA_IO_AUTO,   ///< Mappings where the file system allows it, else system calls.
  mmap = IMMUTA_IO_MMAP,        ///< Shared mappings; status::unsupported where they are not safe.
  syscall = IMMUTA_IO_SYSCALL,  ///< System calls only: slower, and nothing raises SIGBUS.
};

/// How to open a log: namespaces, limits and modes. A field that is not set has the library's default. The values are
/// checked when the options are used: then status::argument, status::name or status::exists says what is wrong.
///
/// @code{.cpp}
/// immuta::options how;
/// how.namespaces = {"events", "audit"};
/// how.mode = immuta::mode::durable;
/// auto opened = immuta::log::open(directory, how);
/// @endcode
///
/// In C++20: `immuta::log::open(directory, {.namespaces = {"events"}, .reader_count = 10})`.
///
/// Ownership: a value; a log copies what it needs. Threads: as any value.
struct options {
  /// The namespaces to open, numbered from 0 in this order. Each name is 1 to 200 bytes of UTF-8 without '/', control
  /// characters, a leading dot, or a dot and 20 digits at the end. A writer creates what is missing. A read-only log
  /// without names opens every namespace there is.
  std::vector<std::string> namespaces{};

  /// Reader descriptors of each namespace, 1 to 4096; 5 unless set. Each record or batch that is held uses one.
  std::optional<std::uint32_t> reader_count{};

  /// When an append counts as written.
  immuta::mode mode = immuta::mode::fast;

  /// How often a fast writer flushes while there is something to flush; one second unless set. 0: time causes no flush.
  std::optional<std::chrono::nanoseconds> flush_interval{};

  /// A fast writer also flushes when so many bytes were appended; 0 unless set, which is no such limit.
  std::optional<std::uint64_t> flush_bytes{};

  /// The largest record in bytes, as appended and as stored, 1 to 2^47 - 1; 64 MiB unless set.
  std::optional<std::uint64_t> max_record_size{};

  /// The journal of a durable writer in bytes, 64 KiB to 1 GiB; 16 MiB unless set.
  std::optional<std::uint64_t> journal_size{};

  /// How the files are read and written.
  immuta::io io = immuta::io::automatic;

  /// Whether the log is only read. Any number of readers may follow a log, in any process, while a writer has it open.
  bool read_only = false;

  /// Whether every record read is checked against its checksum.
  bool verify_reads = true;

  /// The codecs that payloads go through, in this order, at most 16. If there are none, the log is opened with the
  /// codecs it records, provided that all of them are built in.
  std::vector<codec> codecs{};
};

namespace detail {

struct free_options {
  void operator()(immuta_options *options) const noexcept { immuta_options_free(options); }
};
using c_options = std::unique_ptr<immuta_options, free_options>;

/* Makes the C object of options, and refuses a library of another version. */
inline result<c_options> to_c(const options &how) {
  if (auto fits = check_version(); !fits) return fits.error();
  for (const std::string &name : how.namespaces) {
    if (auto whole = check_string("name of a namespace", name); !whole) return whole.error();
  }
  for (const codec &each : how.codecs) {
    if (!each) return error(status::handle, "a codec of the options holds nothing: it was moved from, or never made");
  }
  c_options made(immuta_options_new());
  if (made == nullptr) return error(status::no_memory, status_text(status::no_memory));

  immuta_status answer = IMMUTA_OK;
  const auto set = [&](auto setter, auto value) {
    if (answer == IMMUTA_OK) answer = setter(made.get(), value);
  };
  for (const std::string &name : how.namespaces) set(immuta_options_add_namespace, name.c_str());
  if (how.reader_count) set(immuta_options_set_reader_count, *how.reader_count);
  set(immuta_options_set_fast_write, std::int32_t{how.mode == mode::fast ? 1 : 0});
  if (how.flush_interval) set(immuta_options_set_flush_interval, std::int64_t{how.flush_interval->count()});
  if (how.flush_bytes) set(immuta_options_set_flush_bytes, *how.flush_bytes);
  if (how.max_record_size) set(immuta_options_set_max_record_size, *how.max_record_size);
  if (how.journal_size) set(immuta_options_set_journal_size, *how.journal_size);
  set(immuta_options_set_io, static_cast<std::int32_t>(how.io));
  set(immuta_options_set_read_only, std::int32_t{how.read_only ? 1 : 0});
  set(immuta_options_set_verify_reads, std::int32_t{how.verify_reads ? 1 : 0});
  for (const codec &each : how.codecs) set(immuta_options_add_codec, each.get());
  if (answer == IMMUTA_OK) return made;

  immuta_error written;
  written.code = IMMUTA_OK;
  const immuta_status refused = immuta_options_error(made.get(), &written);
  return failure(refused == IMMUTA_OK ? answer : refused, written, nullptr);
}

}  // namespace detail
}  // namespace IMMUTA_CXX_NAMESPACE
}  // namespace immuta

#endif
