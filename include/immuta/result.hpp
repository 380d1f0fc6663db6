/* immuta::result<T>: what a call gives, or why it gives nothing. */
#ifndef IMMUTA_RESULT_HPP
#define IMMUTA_RESULT_HPP

#include <immuta/error.hpp>

#include <functional>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace immuta {
inline namespace IMMUTA_CXX_NAMESPACE {

template <class T>
class result;

namespace detail {

/* `function(value)` as a result. */
template <class Function, class... Value>
auto transformed(Function &&function, Value &&...value) {
  using made = std::invoke_result_t<Function, Value...>;
  if constexpr (std::is_void_v<made>) {
    std::invoke(std::forward<Function>(function), std::forward<Value>(value)...);
    return result<made>();
  } else {
    return result<made>(std::invoke(std::forward<Function>(function), std::forward<Value>(value)...));
  }
}

/* What error() gives where nothing failed. */
inline const error &no_error() noexcept {
  static const error none(status::ok, status_text(status::ok));
  return none;
}

}  // namespace detail

/// What a call gives, or the error that says why it gives nothing; the shape of std::expected.
///
/// Every call of this interface that can fail returns a result. A result must not be dropped: the compiler warns. Where
/// there is no record (status::timeout, status::interrupted), the result has no value, either; code() says why.
///
/// Two ways to use a result:
///
/// @code{.cpp}
/// const immuta::appended first = log.append(0, "one").value();       // throws immuta::error if it fails
/// if (auto second = log.append(0, "two"); !second) second.error().print();
/// @endcode
///
/// In code that is compiled without exceptions, value() of an error writes the message to standard error and calls
/// std::terminate.
///
/// Ownership: the result owns the value. Threads: as any value.
template <class T>
class [[nodiscard]] result {
 public:
  using value_type = T;              ///< What the call gives.
  using error_type = immuta::error;  ///< Why it gives nothing.

  /// A result with a value.
  ///
  /// @param value  what the call gives.
  result(T value) : state_(std::in_place_index<0>, std::move(value)) {}

  /// A result without one.
  ///
  /// @param why  the error.
  result(const immuta::error &why) noexcept : state_(std::in_place_index<1>, why) {}

  /// @return whether there is a value.
  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  /// @return whether there is a value.
  [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }

  /// @return the status of the call: status::ok if there is a value.
  [[nodiscard]] immuta::status code() const noexcept { return error().code(); }

  /// @return why there is no value. If there is one, the code of this error is status::ok.
  [[nodiscard]] const immuta::error &error() const noexcept {
    const immuta::error *why = std::get_if<1>(&state_);
    return why != nullptr ? *why : detail::no_error();
  }

  /// Gives the value. Throws the error if there is none; without exceptions, ends the program with its message.
  ///
  /// @return the value, which may be changed or moved out.
  T &value() & {
    check();
    return *std::get_if<0>(&state_);
  }
  /// The same for a result that must not be changed.
  ///
  /// @return the value.
  const T &value() const & {
    check();
    return *std::get_if<0>(&state_);
  }
  /// Moves the value out of a temporary result, so that `for (auto &x : call().value())` is safe.
  ///
  /// @return the value itself, not a reference.
  T value() && {
    check();
    return std::move(*std::get_if<0>(&state_));
  }

  /// @return the same as value(), checked, too.
  [[nodiscard]] T &operator*() & { return value(); }
  /// @return the same as value(), checked, too.
  [[nodiscard]] const T &operator*() const & { return value(); }
  /// @return the same as value(), checked, too.
  [[nodiscard]] T operator*() && { return std::move(*this).value(); }
  /// @return a pointer to value(), checked, too.
  [[nodiscard]] T *operator->() & { return &value(); }
  /// @return a pointer to value(), checked, too.
  [[nodiscard]] const T *operator->() const & { return &value(); }
  /// Deleted for a temporary result: through `->` a member would take a temporary value for one that lasts. Write
  /// `value().member()`. There stream::records, for one, is refused for a stream that is a temporary.
  T *operator->() && = delete;
  const T *operator->() const && = delete;

  /// Gives the value, or another one if there is none.
  ///
  /// @param other  what converts to T.
  /// @return a copy of the value, or `other`.
  template <class Other>
  [[nodiscard]] T value_or(Other &&other) const & {
    return has_value() ? **this : static_cast<T>(std::forward<Other>(other));
  }
  /// The same for a temporary result.
  ///
  /// @param other  what converts to T.
  /// @return the value, moved out, or `other`.
  template <class Other>
  [[nodiscard]] T value_or(Other &&other) && {
    return has_value() ? std::move(*this).value() : static_cast<T>(std::forward<Other>(other));
  }

  /// Goes on with the value, or passes on the error.
  ///
  /// @param function  takes the value, returns a result.
  /// @return that result, or one with the error of this one.
  template <class Function>
  auto and_then(Function &&function) const & {
    using next = std::invoke_result_t<Function, const T &>;
    return has_value() ? std::invoke(std::forward<Function>(function), value()) : next(error());
  }
  /// The same for a temporary result.
  ///
  /// @param function  takes the value, which is moved out, returns a result.
  /// @return that result, or one with the error of this one.
  template <class Function>
  auto and_then(Function &&function) && {
    using next = std::invoke_result_t<Function, T>;
    return has_value() ? std::invoke(std::forward<Function>(function), std::move(*this).value()) : next(error());
  }

  /// Changes the value, or passes on the error.
  ///
  /// @param function  takes the value, returns another one, or nothing.
  /// @return a result with what the function returned, or one with the error of this one.
  template <class Function>
  auto transform(Function &&function) const & {
    using next = decltype(detail::transformed(std::forward<Function>(function), value()));
    return has_value() ? detail::transformed(std::forward<Function>(function), value()) : next(error());
  }
  /// The same for a temporary result.
  ///
  /// @param function  takes the value, which is moved out, returns another one, or nothing.
  /// @return a result with what the function returned, or one with the error of this one.
  template <class Function>
  auto transform(Function &&function) && {
    using next = decltype(detail::transformed(std::forward<Function>(function), std::move(*this).value()));
    return has_value() ? detail::transformed(std::forward<Function>(function), std::move(*this).value())
                       : next(error());
  }

  /// Goes on with the error, or passes on the value.
  ///
  /// @param function  takes the error, returns a result of the same type.
  /// @return a copy of this result, or what the function returned.
  template <class Function>
  [[nodiscard]] result or_else(Function &&function) const & {
    return has_value() ? *this : std::invoke(std::forward<Function>(function), error());
  }
  /// The same for a temporary result.
  ///
  /// @param function  takes the error, returns a result of the same type.
  /// @return this result, moved, or what the function returned.
  template <class Function>
  [[nodiscard]] result or_else(Function &&function) && {
    return has_value() ? std::move(*this) : std::invoke(std::forward<Function>(function), error());
  }

 private:
  void check() const {
    if (!has_value()) detail::raise(error());
  }

  std::variant<T, immuta::error> state_;
};

/// The result of a call that gives nothing but success.
template <>
class [[nodiscard]] result<void> {
 public:
  using value_type = void;           ///< There is none.
  using error_type = immuta::error;  ///< Why the call failed.

  /// Success.
  result() noexcept = default;

  /// Failure.
  ///
  /// @param why  the error.
  result(const immuta::error &why) noexcept : error_(why) {}

  /// @return whether the call succeeded.
  [[nodiscard]] bool has_value() const noexcept { return !error_.has_value(); }
  /// @return whether the call succeeded.
  [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }
  /// @return the status of the call.
  [[nodiscard]] immuta::status code() const noexcept { return error().code(); }
  /// @return why the call failed. If it succeeded, the code of this error is status::ok.
  [[nodiscard]] const immuta::error &error() const noexcept { return error_ ? *error_ : detail::no_error(); }

  /// Throws the error if there is one; without exceptions, ends the program with its message.
  void value() const {
    if (error_) detail::raise(*error_);
  }
  /// The same as value().
  void operator*() const { value(); }

  /// Goes on after success, or passes on the error.
  ///
  /// @param function  takes nothing, returns a result.
  /// @return that result, or one with the error of this one.
  template <class Function>
  auto and_then(Function &&function) const {
    using next = std::invoke_result_t<Function>;
    return has_value() ? std::invoke(std::forward<Function>(function)) : next(error());
  }

  /// Gives a value after success, or passes on the error.
  ///
  /// @param function  takes nothing, returns a value, or nothing.
  /// @return a result with what the function returned, or one with the error of this one.
  template <class Function>
  auto transform(Function &&function) const {
    using next = decltype(detail::transformed(std::forward<Function>(function)));
    return has_value() ? detail::transformed(std::forward<Function>(function)) : next(error());
  }

  /// Goes on with the error, or passes on the success.
  ///
  /// @param function  takes the error, returns a `result<void>`.
  /// @return this result, or what the function returned.
  template <class Function>
  [[nodiscard]] result or_else(Function &&function) const {
    return has_value() ? *this : std::invoke(std::forward<Function>(function), error());
  }

 private:
  std::optional<immuta::error> error_;
};

}  // namespace IMMUTA_CXX_NAMESPACE
}  // namespace immuta

#endif
