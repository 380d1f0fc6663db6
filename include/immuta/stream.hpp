/* immuta::stream: a position in a namespace, which waits for records and lends them. */
#ifndef IMMUTA_STREAM_HPP
#define IMMUTA_STREAM_HPP

#include <immuta/function.hpp>
#include <immuta/record.hpp>
#include <immuta/time.hpp>

#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

namespace immuta {
inline namespace IMMUTA_CXX_NAMESPACE {

/// Where a stream begins.
class start {
 public:
  /// At the first record of the namespace.
  ///
  /// @return this place.
  [[nodiscard]] static constexpr start beginning() noexcept { return start(at::number, 0); }

  /// At what is appended after the stream was opened.
  ///
  /// @return this place.
  [[nodiscard]] static constexpr start now() noexcept { return start(at::now, 0); }

  /// At a record.
  ///
  /// @param number  of the record, counted from 0, up to 2^63 - 1. If it does not exist yet, the stream waits for it.
  /// @return this place.
  [[nodiscard]] static constexpr start number(std::uint64_t number) noexcept { return start(at::number, number); }

  /// At the first record appended at this time or later.
  ///
  /// @param time  if there is no such record, the stream waits for the next one.
  /// @return this place.
  [[nodiscard]] static constexpr start time(time_point time) noexcept {
    return start(at::time, static_cast<std::uint64_t>(time.time_since_epoch().count()));
  }

 private:
  friend class log;
  enum class at { number, now, time };

  constexpr start(at which, std::uint64_t value) noexcept : at_(which), value_(value) {}

  at at_;
  std::uint64_t value_;
};

/// What stream::poll_arm found.
enum class poll : std::int32_t {
  armed = IMMUTA_OK,     ///< Wait for the descriptor.
  ready = IMMUTA_READY,  ///< Do not wait, call stream::next: there is a record, an interrupt, the end, or an error.
};

namespace detail {

struct done_stream {
  void operator()(immuta_stream *stream) const noexcept { immuta_stream_done(stream); }
};

}  // namespace detail

/// What stream::records and stream::batches give: each step of a loop over it is one call of `next`.
///
/// An element is a result. After one that has an error, the loop ends, and the stream stays at the record that the
/// error names. Without a record before the timeout, and after an interrupt, the loop ends without an element. The
/// record of a step is given back before the next one is fetched, unless it was moved out of the result.
///
/// Ownership: it refers to the stream, which must outlive it.
template <class Next>
class lent_range {
 public:
  using value_type = std::invoke_result_t<Next &>;  ///< A result with a record or a batch.

  /// For stream::records and stream::batches.
  ///
  /// @param next  called for each element.
  explicit lent_range(Next next) : next_(std::move(next)) {}

  /// The end of the range.
  struct sentinel {};

  /// An input iterator: one pass, one element at a time.
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;  ///< One pass.
    using value_type = lent_range::value_type;          ///< A result with a record or a batch.
    using difference_type = std::ptrdiff_t;             ///< As the standard library asks for.
    using pointer = value_type *;                       ///< To an element.
    using reference = value_type &;                     ///< To an element, from which the record may be moved out.

    /// For begin().
    ///
    /// @param range  that the elements come from.
    explicit iterator(lent_range *range) noexcept : range_(range) {}

    /// @return the element.
    reference operator*() const noexcept { return *range_->current_; }
    /// @return the element.
    pointer operator->() const noexcept { return &*range_->current_; }
    /// Gives back the record of this step, and fetches the next one.
    ///
    /// @return this iterator.
    iterator &operator++() {
      range_->advance();
      return *this;
    }
    /// The same.
    void operator++(int) { range_->advance(); }
    /// @return whether there are no more elements.
    bool operator==(sentinel) const noexcept { return !range_->current_.has_value(); }
    /// @param end  the end.
    /// @return whether there is an element.
    bool operator!=(sentinel end) const noexcept { return !(*this == end); }

   private:
    lent_range *range_;
  };

  /// Fetches the first element. A second loop goes on where the first one ended.
  ///
  /// @return an iterator at this element.
  [[nodiscard]] iterator begin() {
    current_.reset();
    advance();
    return iterator(this);
  }
  /// @return the end.
  [[nodiscard]] sentinel end() const noexcept { return {}; }

 private:
  void advance() {
    const bool has_failed = current_.has_value() && !current_->has_value();
    current_.reset();
    if (has_failed) return;
    current_.emplace(next_());
    if (static_cast<std::int32_t>(current_->code()) > 0) current_.reset();
  }

  Next next_;
  std::optional<value_type> current_;
};

/// A position in a namespace. A stream takes memory only: there can be any number of them, waiting or not.
///
/// @code{.cpp}
/// using namespace std::chrono_literals;
/// immuta::stream stream = log.open_stream(0).value();
/// for (auto &next : stream.records(0s)) {            // 0s: up to the end; immuta::forever: follows the log
///   const immuta::record &record = next.value();     // throws if the record is damaged, or the log was shut down
///   std::printf("%zu bytes\n", record.size());
/// }
/// @endcode
///
/// Ownership: the object holds the stream; it can be moved, not copied. Records may outlive it. If it is destroyed by a
/// codec's function inside one of its own calls, the stream is not released.
/// Threads: one at a time, else status::busy; interrupt: any.
class stream {
 public:
  /// No stream.
  stream() noexcept = default;

  /// Takes over a stream of the C functions.
  ///
  /// @param taken  released by this object from now on.
  explicit stream(immuta_stream *taken) noexcept : stream_(taken) {}

  /// Waits for the next record and lends it. On an error the position stays; seek passes over a bad record.
  ///
  /// A thread that holds all readers of the namespace and waits here without a limit waits for itself for ever. While
  /// the call waits for a reader, it looks for an interrupt once a second only.
  ///
  /// @param wait  how long: a duration (0 tries once), or immuta::forever.
  /// @return the record. Without one: status::timeout; status::interrupted; status::pool: there is a record, but every
  ///         reader was held until the deadline; status::closed: the log was shut down; status::corrupt,
  ///         status::truncated, status::too_large, status::codec_failed: this record cannot be read; status::codec,
  ///         status::replaced, status::busy, status::handle, and what the system refused: see immuta_stream_next.
  [[nodiscard]] result<record> next(timeout wait) {
    return detail::call<record, immuta_record>(empty(), [&](immuta_record *out, immuta_error *why) {
      return immuta_stream_next(get(), wait.ns(), out, why);
    });
  }

  /// Waits for the next records and lends as many as there are within the limits. It does not wait for more than one.
  /// While it waits for a reader, it looks for an interrupt once a second only.
  ///
  /// @param max_records  1 or more.
  /// @param max_bytes    of payloads together, 1 or more. The first record is lent even if it alone is larger.
  /// @param wait         how long: a duration (0 tries once), or immuta::forever.
  /// @return the records; status::argument if a limit is 0; else as next.
  [[nodiscard]] result<batch> next_batch(std::size_t max_records, std::size_t max_bytes, timeout wait) {
    return detail::call<batch, immuta_batch>(empty(), [&](immuta_batch *out, immuta_error *why) {
      return immuta_stream_next_batch(get(), max_records, max_bytes, wait.ns(), out, why);
    });
  }

  /// The records from the position on, for a loop. See lent_range.
  ///
  /// @param wait  for each record: 0 ends the loop where the log ends now, immuta::forever follows the log.
  /// @return a range of `result<record>`.
  [[nodiscard]] auto records(timeout wait) & {
    return lent_range([this, wait] { return next(wait); });
  }
  void records(timeout wait) && = delete;

  /// The same in batches.
  ///
  /// @param max_records  1 or more.
  /// @param max_bytes    of payloads together, 1 or more.
  /// @param wait         for each batch.
  /// @return a range of `result<batch>`.
  [[nodiscard]] auto batches(std::size_t max_records, std::size_t max_bytes, timeout wait) & {
    return lent_range([this, max_records, max_bytes, wait] { return next_batch(max_records, max_bytes, wait); });
  }
  void batches(std::size_t max_records, std::size_t max_bytes, timeout wait) && = delete;

  /// Moves the stream, forwards or backwards. This does not affect records on loan.
  ///
  /// @param number  of the record that comes next. To pass over a bad record: its error::number() + 1.
  /// @return nothing; status::busy, status::handle.
  [[nodiscard]] result<void> seek(std::uint64_t number) {
    return detail::call(empty(), [&](immuta_error *why) { return immuta_stream_seek(get(), number, why); });
  }

  /// The number of the record that next would lend.
  ///
  /// @return the number; status::busy, status::handle.
  [[nodiscard]] result<std::uint64_t> position() const {
    return detail::call<std::uint64_t>(empty(), [&](std::uint64_t *out, immuta_error *) {
      return immuta_stream_position(get(), out);
    });
  }

  /// Ends a wait: a `next` or `next_batch` that waits for a record now, or else the next one called, has
  /// status::interrupted. The stream goes on from where it is. A call that waits for a reader notices it up to a second
  /// later. If that call ends before, it has another answer, and the interrupt is for the next call.
  ///
  /// @return status::ok; status::argument if there is no stream.
  ///
  /// Threads: any, also a signal handler. The stream must not be closed, destroyed or moved meanwhile.
  status interrupt() const noexcept { return static_cast<status>(immuta_stream_interrupt(get())); }

  /// The descriptor for poll and epoll. It has a meaning only after poll_arm.
  ///
  /// @code{.cpp}
  /// const int fd = stream.poll_fd().value();
  /// for (;;) {
  ///   for (auto &next : stream.records(std::chrono::seconds(0))) std::printf("%zu bytes\n", next.value().size());
  ///   if (stream.poll_arm().value() == immuta::poll::ready) continue;
  ///   pollfd waits{fd, POLLIN, 0};  // or an event loop that other descriptors share
  ///   if (poll(&waits, 1, -1) < 0) break;
  /// }
  /// @endcode
  ///
  /// @return the descriptor, the same one each time; status::limit, status::no_memory, status::permission,
  ///         status::unsupported: none can be had; status::closed, status::busy, status::handle.
  ///
  /// Ownership: the descriptor is the stream's. Only poll it, and take it out of the loop before the stream is closed.
  [[nodiscard]] result<int> poll_fd() {
    return detail::call<int>(empty(), [&](int *out, immuta_error *why) {
      return immuta_stream_poll_fd(get(), out, why);
    });
  }

  /// Asks for one signal on the descriptor: it becomes unreadable, until there is a reason to call next.
  ///
  /// @return poll::armed: wait for the descriptor. poll::ready: call next at once. status::busy, status::handle, and as
  ///         poll_fd.
  [[nodiscard]] result<poll> poll_arm() {
    return detail::call<poll>(empty(), [&](poll *out, immuta_error *why) -> immuta_status {
      const immuta_status answer = immuta_stream_poll_arm(get(), why);
      if (answer != IMMUTA_OK && answer != IMMUTA_READY) return answer;
      *out = static_cast<poll>(answer);
      return IMMUTA_OK;
    });
  }

  /// Releases the stream, before the destructor does. Records and batches it lent stay valid.
  ///
  /// Threads: no other may be using the stream. To end its wait, call interrupt, then wait for the thread.
  void close() noexcept { stream_.reset(); }

  /// @return whether there is a stream: it was opened, and neither closed nor moved from.
  [[nodiscard]] explicit operator bool() const noexcept { return stream_ != nullptr; }

  /// @return the C object; null if there is none. It remains this object's.
  [[nodiscard]] immuta_stream *get() const noexcept { return stream_.get(); }

  /// Gives the stream away; this object is empty then.
  ///
  /// @return the C object, which the caller releases by immuta_stream_done from now on; null if there is none.
  [[nodiscard]] immuta_stream *release() noexcept { return stream_.release(); }

 private:
  [[nodiscard]] const char *empty() const noexcept { return stream_ == nullptr ? "stream" : nullptr; }

  std::unique_ptr<immuta_stream, detail::done_stream> stream_;
};

}  // namespace IMMUTA_CXX_NAMESPACE
}  // namespace immuta

#endif
