/* Records: what a stream lends, one by one or in batches. */
#ifndef IMMUTA_RECORD_HPP
#define IMMUTA_RECORD_HPP

#include <immuta/bytes.hpp>
#include <immuta/status.hpp>
#include <immuta/time.hpp>

#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

namespace immuta {
inline namespace IMMUTA_CXX_NAMESPACE {

/// What a record is, without holding it. The bytes are valid until the record, or the batch it is in, is closed.
///
/// Ownership: none. Threads: any, since nothing is written.
class record_view {
 public:
  /// No record: no bytes, and 0 everywhere.
  constexpr record_view() noexcept = default;

  /// Describes a record of the C functions.
  ///
  /// @param lent  a record that the library lends, to the caller.
  explicit constexpr record_view(const immuta_record &lent) noexcept : raw_(lent) {}

  /// @return the payload, read-only. It is not aligned: copy it by memcpy into an object of another type.
  [[nodiscard]] immuta::bytes data() const noexcept { return immuta::bytes(raw_.data, raw_.size); }

  /// @return the payload as text.
  [[nodiscard]] std::string_view text() const noexcept { return data().text(); }

  /// @return the size of the payload, in bytes.
  [[nodiscard]] std::size_t size() const noexcept { return raw_.size; }

  /// @return the stored size of the payload, in bytes; the same as size() in a log without codecs.
  [[nodiscard]] std::uint64_t stored_size() const noexcept { return raw_.stored_size; }

  /// @return the number of the record, counted from 0.
  [[nodiscard]] std::uint64_t number() const noexcept { return raw_.number; }

  /// @return the offset of the record's size word in NAME.log, in bytes.
  [[nodiscard]] std::uint64_t offset() const noexcept { return raw_.offset; }

  /// @return when the record was appended; never decreasing from record to record. Nothing if that is unknown.
  [[nodiscard]] std::optional<time_point> time() const noexcept {
    if (raw_.time_ns == 0) return std::nullopt;
    return time_point(std::chrono::nanoseconds(raw_.time_ns));
  }

  /// @return whether it is the last record of its batch. A record appended alone is a batch of one.
  [[nodiscard]] bool ends_batch() const noexcept { return has(IMMUTA_RECORD_BATCH_END); }

  /// @return whether it was indexed later, so that there is no checksum from the time of writing.
  [[nodiscard]] bool is_adopted() const noexcept { return has(IMMUTA_RECORD_ADOPTED); }

  /// @return whether its checksum was not checked, as options::verify_reads asked.
  [[nodiscard]] bool is_unverified() const noexcept { return has(IMMUTA_RECORD_UNVERIFIED); }

  /// @return the C struct. Do not give it back: the record or the batch that holds it does.
  [[nodiscard]] const immuta_record &get() const noexcept { return raw_; }

 private:
  friend class record;

  [[nodiscard]] bool has(std::uint64_t flag) const noexcept { return (raw_.flags & flag) != 0; }

  immuta_record raw_{};
};

/* A batch of C is an array of immuta_record. `record_view` has nothing but one, so an array of the one is an array of
 * the other in memory. */
static_assert(std::is_standard_layout_v<record_view> && std::is_trivially_copyable_v<record_view>);
static_assert(sizeof(record_view) == sizeof(immuta_record) && alignof(record_view) == alignof(immuta_record));

/// A record on loan, from stream::next. It uses one reader descriptor of the namespace until it is closed or destroyed.
/// It may outlive its stream and its log. A closed or moved-from record has no bytes, and 0 everywhere.
///
/// Ownership: the object holds the record; it can be moved, not copied.
/// Threads: many threads may read it. One may close it, while no other reads.
class record : public record_view {
 public:
  /// No record.
  record() noexcept = default;

  /// Takes over a record that a C function lent.
  ///
  /// @param lent  not given back by anybody else.
  explicit record(const immuta_record &lent) noexcept : record_view(lent) {}

  /// Takes the record over.
  ///
  /// @param other  has no record afterwards.
  record(record &&other) noexcept : record_view(other) { other.raw_ = immuta_record{}; }
  /// Gives the own record back, and takes the other one over.
  ///
  /// @param other  has no record afterwards.
  /// @return this object.
  record &operator=(record &&other) noexcept {
    if (this != &other) {
      close();
      raw_ = other.release();
    }
    return *this;
  }
  /// Gives the record back.
  ~record() { close(); }

  /// Gives the record back, before the destructor does.
  ///
  /// @return status::ok, also if there is nothing to give back; status::handle if a copy of the C struct was given back
  ///         already, which is a mistake in the program.
  status close() noexcept { return static_cast<status>(immuta_record_done(&raw_)); }

  /// Gives the record away; this object has none then.
  ///
  /// @return the C struct, which the caller gives back by immuta_record_done from now on.
  [[nodiscard]] immuta_record release() noexcept { return std::exchange(raw_, immuta_record{}); }
};

/// Records that follow each other, on loan from stream::next_batch. Together they use one reader descriptor, until the
/// batch is closed or destroyed. It may outlive its stream and its log.
///
/// @code{.cpp}
/// immuta::batch batch = stream.next_batch(1000, 1 << 20, immuta::forever).value();
/// for (const immuta::record_view &record : batch) std::printf("%zu bytes\n", record.size());
/// @endcode
///
/// Ownership: the object holds the records; it can be moved, not copied.
/// Threads: many threads may read it. One may close it, while no other reads.
class batch {
 public:
  using value_type = record_view;              ///< One record.
  using iterator = const record_view *;        ///< A pointer: the descriptions lie one after the other.
  using const_iterator = const record_view *;  ///< The same: they are read-only.

  /// No records.
  batch() noexcept = default;

  /// Takes over a batch that a C function lent.
  ///
  /// @param lent  not given back by anybody else.
  explicit batch(const immuta_batch &lent) noexcept : raw_(lent) {}

  /// Takes the records over.
  ///
  /// @param other  has no records afterwards.
  batch(batch &&other) noexcept : raw_(other.release()) {}
  /// Gives the own records back, and takes the others over.
  ///
  /// @param other  has no records afterwards.
  /// @return this object.
  batch &operator=(batch &&other) noexcept {
    if (this != &other) {
      close();
      raw_ = other.release();
    }
    return *this;
  }
  /// Gives the records back.
  ~batch() { close(); }

  /// @return the first record; they lie one after the other.
  [[nodiscard]] const record_view *data() const noexcept {
    return reinterpret_cast<const record_view *>(raw_.records);
  }

  /// @return how many records there are: at least 1, or 0 after the batch was closed or moved from.
  [[nodiscard]] std::size_t size() const noexcept { return raw_.count; }
  /// @return whether there are no records.
  [[nodiscard]] bool empty() const noexcept { return raw_.count == 0; }

  /// @return an iterator at the first record.
  [[nodiscard]] const record_view *begin() const noexcept { return data(); }
  /// @return an iterator after the last record.
  [[nodiscard]] const record_view *end() const noexcept { return data() + raw_.count; }

  /// @param index  less than size(), which is not checked.
  /// @return the record, valid until the batch is closed.
  [[nodiscard]] const record_view &operator[](std::size_t index) const noexcept { return data()[index]; }

  /// Gives the batch back with all its records, before the destructor does.
  ///
  /// @return as record::close.
  status close() noexcept { return static_cast<status>(immuta_batch_done(&raw_)); }

  /// @return the C struct. It remains this object's.
  [[nodiscard]] const immuta_batch &get() const noexcept { return raw_; }

  /// Gives the records away; this object has none then.
  ///
  /// @return the C struct, which the caller gives back by immuta_batch_done from now on.
  [[nodiscard]] immuta_batch release() noexcept { return std::exchange(raw_, immuta_batch{}); }

 private:
  immuta_batch raw_{};
};

}  // namespace IMMUTA_CXX_NAMESPACE
}  // namespace immuta

#endif
