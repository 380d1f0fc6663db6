/* immuta::log: an open directory of namespaces. */
#ifndef IMMUTA_LOG_HPP
#define IMMUTA_LOG_HPP

#include <immuta/report.hpp>
#include <immuta/stream.hpp>
#include <immuta/transaction.hpp>

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace immuta {
inline namespace IMMUTA_CXX_NAMESPACE {

namespace detail {

/* A destructor has no way to report, which is what log::close is for. */
struct close_log {
  void operator()(immuta_log *log) const noexcept {
    const immuta_status unreported = immuta_close(log, nullptr);
    static_cast<void>(unreported);
  }
};

}  // namespace detail

/// An open log: a directory of namespaces. `ns` is the number of a namespace, in the order added, from 0.
///
/// @code{.cpp}
/// immuta::options how;
/// how.namespaces = {"events"};
/// immuta::log log = immuta::log::open(directory, how).value();
/// const std::uint64_t number = log.append(0, "hello world").value().number;
/// log.sync(0).value();    // what was appended so far survives a power failure
/// log.close().value();    // reports what the destructor could not
/// @endcode
///
/// Ownership: the object holds the log; it can be moved, not copied. The destructor closes the log, and cannot report a
/// failure. Streams, records, batches and transactions may outlive the log: streams and transactions then have
/// status::closed, records stay readable.
/// Threads: any call but close, moving and destroying, from any thread at any time.
class log {
 public:
  /// No log.
  log() noexcept = default;

  /// Takes over a log of the C functions.
  ///
  /// @param taken  released by this object from now on.
  explicit log(immuta_log *taken) noexcept : log_(taken) {}

  /// Opens a log: all namespaces of the options, or none. A writer creates what is missing, and mends what a crash
  /// left.
  ///
  /// @param directory  path of the log, also a std::filesystem::path; created where it is missing.
  /// @param how        namespaces, limits and modes.
  /// @return the log; status::locked: another writer has it open; status::version: header and library do not fit;
  ///         status::name, status::exists, status::argument: the options; status::not_found: read-only, and there is no
  ///         such log; status::corrupt and others: the files were refused, and not changed. See immuta_open.
  ///
  /// Threads: any.
  [[nodiscard]] static result<log> open(const std::string &directory, const options &how = {}) {
    if (auto whole = detail::check_string("path of the log", directory); !whole) return whole.error();
    auto made = detail::to_c(how);
    if (!made) return made.error();
    return detail::call<log, immuta_log *>(nullptr, [&](immuta_log **out, immuta_error *why) {
      return immuta_open(directory.c_str(), made->get(), out, why);
    });
  }

  /// Appends one record. When this succeeds, readers see it, and it survives the death of the process.
  ///
  /// @param ns    number of the namespace.
  /// @param data  the payload, copied; no bytes are a record, too.
  /// @return what was appended; status::no_namespace; status::read_only; status::too_large; status::codec_failed;
  ///         status::no_space: it succeeds once there is room; status::closed; status::poisoned, status::io: the
  ///         message says whether the record may be there; status::handle, and others: see immuta_append. Unless the
  ///         message says otherwise, nothing was appended.
  [[nodiscard]] result<appended> append(std::uint32_t ns, bytes data) {
    return detail::call<appended>(empty(), [&](appended *out, immuta_error *why) {
      return immuta_append(get(), ns, data.data(), data.size(), out, why);
    });
  }

  /// Appends one record whose payload is in parts, which are joined.
  ///
  /// @param ns     number of the namespace.
  /// @param parts  in order, copied; no parts make an empty record.
  /// @return as append.
  [[nodiscard]] result<appended> append_parts(std::uint32_t ns, const bytes_list &parts) {
    return detail::call<appended>(empty(), [&](appended *out, immuta_error *why) {
      return immuta_appendv(get(), ns, parts.data(), parts.size(), out, why);
    });
  }

  /// Appends one record whose payload a function gives piece by piece. Other appends do not wait for it.
  ///
  /// @code{.cpp}
  /// std::istringstream input("a long text");
  /// const auto read = [&input](void *buffer, std::size_t capacity) {
  ///   return input.read(static_cast<char *>(buffer), static_cast<std::streamsize>(capacity)).gcount();
  /// };
  /// log.append_from(0, read).value();
  /// @endcode
  ///
  /// @param ns    number of the namespace.
  /// @param read  called until it returns 0 or less: see read_function. It may use this log. If it throws, nothing is
  ///              appended, and this call throws the exception again.
  /// @return as append; status::callback: it gave up (error::os_error is its value), or claimed more than fits;
  ///         status::argument: there is no function.
  [[nodiscard]] result<appended> append_from(std::uint32_t ns, read_function read) {
    detail::running<read_function> run(read);
    auto answer = detail::call<appended>(empty(), [&](appended *out, immuta_error *why) {
      return immuta_append_from(get(), ns, read ? detail::run_read : nullptr, &run, out, why);
    });
    detail::rethrow(run.caught);
    return answer;
  }

  /// Appends many records as one batch: all or none, whatever happens. Readers see all of them at once.
  ///
  /// @param ns       number of the namespace.
  /// @param records  in order, copied; none appends nothing.
  /// @return as append.
  [[nodiscard]] result<appended> append_batch(std::uint32_t ns, const bytes_list &records) {
    return detail::call<appended>(empty(), [&](appended *out, immuta_error *why) {
      return immuta_append_batch(get(), ns, records.data(), records.size(), out, why);
    });
  }

  /// Appends many records as one batch, from payloads that lie one after the other.
  ///
  /// @param ns     number of the namespace.
  /// @param data   the payloads, copied.
  /// @param sizes  of each payload, in bytes; together the size of data.
  /// @return as append; status::argument if the sizes do not add up.
  [[nodiscard]] result<appended> append_packed(std::uint32_t ns, bytes data, const std::vector<std::size_t> &sizes) {
    std::size_t left = data.size();
    for (const std::size_t size : sizes) {
      if (size > left) return error(status::argument, "the sizes of the records are more than the data together");
      left -= size;
    }
    if (left != 0) return error(status::argument, "the sizes of the records are less than the data together");
    return detail::call<appended>(empty(), [&](appended *out, immuta_error *why) {
      return immuta_append_packed(get(), ns, data.data(), sizes.data(), sizes.size(), out, why);
    });
  }

  /// Appends many records as one batch if the first of them gets a given number. A producer that does not know whether
  /// its last append succeeded repeats it with this call, and it happens once.
  ///
  /// @param ns       number of the namespace.
  /// @param number   that the first record must get.
  /// @param records  in order, copied; none checks the number.
  /// @return as append; status::conflict: error::number() is the number of the next record.
  [[nodiscard]] result<appended> append_at(std::uint32_t ns, std::uint64_t number, const bytes_list &records) {
    return detail::call<appended>(empty(), [&](appended *out, immuta_error *why) {
      return immuta_append_at(get(), ns, number, records.data(), records.size(), out, why);
    });
  }

  /// Begins a transaction. It takes memory only, and blocks no append.
  ///
  /// @param ns  number of the namespace.
  /// @return the transaction; status::no_namespace, status::read_only, status::closed, status::no_memory,
  ///         status::handle.
  [[nodiscard]] result<transaction> begin_transaction(std::uint32_t ns) {
    return detail::call<transaction, immuta_txn *>(empty(), [&](immuta_txn **out, immuta_error *why) {
      return immuta_txn_begin(get(), ns, out, why);
    });
  }

  /// Opens a stream.
  ///
  /// @param ns    number of the namespace.
  /// @param from  where it begins.
  /// @return the stream; status::no_namespace, status::closed, status::no_memory, status::handle; status::argument for
  ///         a number of 2^63 or more; status::corrupt: by time, and an index entry on the way is damaged; read-only
  ///         also what stream::next has for files that cannot be read.
  [[nodiscard]] result<stream> open_stream(std::uint32_t ns, start from = start::beginning()) const {
    constexpr std::uint64_t last = std::numeric_limits<std::int64_t>::max();
    if (from.at_ == start::at::number && from.value_ > last) {
      return error(status::argument, "a stream begins at a record below 2^63; take start::now for new records");
    }
    return detail::call<stream, immuta_stream *>(empty(), [&](immuta_stream **out, immuta_error *why) {
      const std::int64_t value = from.at_ == start::at::now ? -1 : static_cast<std::int64_t>(from.value_);
      return from.at_ == start::at::time ? immuta_stream_open_at_time(get(), ns, value, out, why)
                                         : immuta_stream_open(get(), ns, value, out, why);
    });
  }

  /// Flushes a namespace: every append that returned before is on the device when this succeeds.
  ///
  /// @param ns  number of the namespace.
  /// @return nothing; status::no_namespace, status::read_only, status::closed; status::poisoned, status::io: a write or
  ///         sync failed, now or earlier; status::no_space; status::handle.
  [[nodiscard]] result<void> sync(std::uint32_t ns) {
    return detail::call(empty(), [&](immuta_error *why) { return immuta_sync(get(), ns, why); });
  }

  /// Adds a namespace to the open log. A writer creates it if it is missing.
  ///
  /// @param name  1 to 200 bytes of UTF-8 without '/', control characters, a leading dot, or a dot and 20 digits at
  ///              the end.
  /// @return its number; status::name; status::exists: the log has it open; status::closed; else as open.
  [[nodiscard]] result<std::uint32_t> add_namespace(const std::string &name) {
    if (auto whole = detail::check_string("name of a namespace", name); !whole) return whole.error();
    return detail::call<std::uint32_t>(empty(), [&](std::uint32_t *out, immuta_error *why) {
      return immuta_namespace_add(get(), name.c_str(), out, why);
    });
  }

  /// Finds an open namespace.
  ///
  /// @param name  its name.
  /// @return its number; status::no_namespace: none of this name is open; status::handle.
  [[nodiscard]] result<std::uint32_t> find_namespace(const std::string &name) const {
    if (auto whole = detail::check_string("name of a namespace", name); !whole) return whole.error();
    return detail::call<std::uint32_t>(empty(), [&](std::uint32_t *out, immuta_error *why) {
      return immuta_namespace_find(get(), name.c_str(), out, why);
    });
  }

  /// @return how many namespaces are open: their numbers are 0 to this count minus 1. 0 if there is no log.
  [[nodiscard]] std::uint32_t namespace_count() const noexcept { return immuta_namespace_count(get()); }

  /// The name of a namespace.
  ///
  /// @param ns  number of the namespace.
  /// @return the name; status::no_namespace, status::handle.
  [[nodiscard]] result<std::string> namespace_name(std::uint32_t ns) const {
    struct name {
      char text[256];
      explicit operator std::string() const { return text; }
    };
    return detail::call<std::string, name>(empty(), [&](name *out, immuta_error *why) {
      return immuta_namespace_name(get(), ns, out->text, sizeof out->text, why);
    });
  }

  /// The figures of a namespace.
  ///
  /// @param ns  number of the namespace.
  /// @return the figures, also after shutdown; status::no_namespace, status::handle; read-only also status::io and
  ///         others: NAME.idx cannot be read.
  [[nodiscard]] result<immuta::stats> stats(std::uint32_t ns) const {
    return detail::call<immuta::stats, immuta_stats>(empty(), [&](immuta_stats *out, immuta_error *why) {
      return immuta_stats_get(get(), ns, out, sizeof *out, why);
    });
  }

  /// What opening a namespace found.
  ///
  /// @param ns  number of the namespace.
  /// @return the report; status::no_namespace, status::handle.
  [[nodiscard]] result<immuta::report> report(std::uint32_t ns) const {
    return detail::call<immuta::report, immuta_report>(empty(), [&](immuta_report *out, immuta_error *why) {
      return immuta_report_get(get(), ns, out, sizeof *out, why);
    });
  }

  /// The whole path of the file that keeps what opening a namespace cut off, however long it is.
  ///
  /// @param ns  number of the namespace.
  /// @return the path, byte for byte; empty where nothing is kept; status::no_namespace, status::no_memory,
  ///         status::handle.
  [[nodiscard]] result<std::string> salvage_path(std::uint32_t ns) const {
    auto size = detail::call<std::size_t>(empty(), [&](std::size_t *out, immuta_error *why) {
      return immuta_report_salvage_path(get(), ns, nullptr, 0, out, why);
    });
    if (!size) return size.error();
    std::string path(*size, '\0');  // and a zero after it, which the call writes, too
    auto copied = detail::call(empty(), [&](immuta_error *why) {
      return immuta_report_salvage_path(get(), ns, path.data(), path.size() + 1, nullptr, why);
    });
    if (!copied) return copied.error();
    return path;
  }

  /// Ends all use of the log: waits end, appends and streams have status::closed from now on, everything is flushed.
  /// The object still holds the log. Call it before close if other threads use the log.
  ///
  /// @return nothing; status::poisoned, status::io: not everything reached the disk; status::no_space; status::handle.
  [[nodiscard]] result<void> shutdown() {
    return detail::call(empty(), [&](immuta_error *why) { return immuta_shutdown(get(), why); });
  }

  /// Shuts the log down, if that has not been done, and releases it, whatever the answer is.
  ///
  /// @return as shutdown; status::handle: it was closed or moved from before.
  ///
  /// Threads: one, and no other may be calling the log.
  [[nodiscard]] result<void> close() {
    return detail::call(empty(), [&](immuta_error *why) -> immuta_status {
      if (log_ == nullptr) return IMMUTA_E_HANDLE;
      return immuta_close(log_.release(), why);
    });
  }

  /// @return whether there is a log: it was opened, and neither closed nor moved from.
  [[nodiscard]] explicit operator bool() const noexcept { return log_ != nullptr; }

  /// @return the C object; null if there is none. It remains this object's.
  [[nodiscard]] immuta_log *get() const noexcept { return log_.get(); }

  /// Gives the log away; this object is empty then.
  ///
  /// @return the C object, which the caller releases by immuta_close from now on; null if there is none.
  [[nodiscard]] immuta_log *release() noexcept { return log_.release(); }

 private:
  [[nodiscard]] const char *empty() const noexcept { return log_ == nullptr ? "log" : nullptr; }

  std::unique_ptr<immuta_log, detail::close_log> log_;
};

}  // namespace IMMUTA_CXX_NAMESPACE
}  // namespace immuta

#endif
