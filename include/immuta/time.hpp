/* How long a call waits, and when a record was appended, by std::chrono. */
#ifndef IMMUTA_TIME_HPP
#define IMMUTA_TIME_HPP

#include <immuta/exceptions.hpp>

#include <chrono>
#include <cstdint>
#include <ratio>

namespace immuta {
inline namespace IMMUTA_CXX_NAMESPACE {

/// When a record was appended, in UTC.
using time_point = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

/// How long a call waits: any std::chrono::duration, or immuta::forever.
///
/// @code{.cpp}
/// using namespace std::chrono_literals;
/// auto record = stream.next(2s);          // waits up to two seconds
/// record = stream.next(0s);               // tries once
/// record = stream.next(immuta::forever);  // waits until there is a record
/// @endcode
class timeout {
 public:
  /// Takes a duration.
  ///
  /// @param wait  0 and less tries once, so a deadline that has passed does not wait. What is less than a nanosecond is
  ///              rounded up; what is longer than 292 years waits for ever.
  template <class Rep, class Period>
  constexpr timeout(std::chrono::duration<Rep, Period> wait) noexcept : ns_(in_ns(wait)) {}

  /// @return a timeout that is never reached, as immuta::forever is.
  [[nodiscard]] static constexpr timeout without_limit() noexcept { return timeout(); }

  /// @return the timeout as the C functions take it: nanoseconds, 0 to try once, negative without limit.
  [[nodiscard]] constexpr std::int64_t ns() const noexcept { return ns_; }

 private:
  constexpr timeout() noexcept = default;

  template <class Rep, class Period>
  static constexpr std::int64_t in_ns(std::chrono::duration<Rep, Period> wait) noexcept {
    using nanoseconds = std::chrono::nanoseconds;
    if (!(wait > wait.zero())) return 0;
    /* Compared as floating point, because the nanoseconds may be too many for an integer. */
    const std::chrono::duration<double, std::nano> approximate = wait;
    if (approximate.count() > 9.2e18) return -1;
    const nanoseconds below = std::chrono::duration_cast<nanoseconds>(wait);
    return below.count() + (below < wait ? 1 : 0);
  }

  std::int64_t ns_ = -1;
};

/// Waits until there is a record, an interrupt, or an error.
inline constexpr timeout forever = timeout::without_limit();

}  // namespace IMMUTA_CXX_NAMESPACE
}  // namespace immuta

#endif
