/* Functions that a call runs, and the code around the C calls that all classes share. */
#ifndef IMMUTA_FUNCTION_HPP
#define IMMUTA_FUNCTION_HPP

#include <immuta/result.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace immuta {
inline namespace IMMUTA_CXX_NAMESPACE {

namespace detail {

/* Converts between integers where the types differ. */
template <class To, class From>
constexpr To to_integer(From value) noexcept {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace detail

template <class Signature>
class function_ref;

/// A function of the caller's, as a parameter: a lambda, a function, or any other object that can be called. It is used
/// only until the call that takes it returns, on the thread of that call.
///
/// The function may throw. The exception does not pass through the library: the call stops as if the function had asked
/// for it, and throws the exception again before it returns.
///
/// Ownership: none.
template <class Answer, class... Arguments>
class function_ref<Answer(Arguments...)> {
 public:
  /// No function.
  function_ref() noexcept = default;

  /// Refers to a function.
  ///
  /// @param function  a function, a lambda, or another object that can be called. It must exist as long as this object
  ///                  is used.
  template <class Function, std::enable_if_t<!std::is_same_v<std::decay_t<Function>, function_ref> &&
                                                 std::is_invocable_v<Function &, Arguments...>,
                                             int> = 0>
  function_ref(Function &&function) noexcept {
    using callable = std::remove_reference_t<Function>;
    using returned = std::invoke_result_t<callable &, Arguments...>;
    static_assert(std::is_same_v<returned, bool> == std::is_same_v<Answer, bool>,
                  "a progress function returns bool (true to go on), a read function returns an integer");
    static_assert(std::is_integral_v<returned>, "the function must return an integer");
    if constexpr (std::is_function_v<callable>) {
      target_.function = reinterpret_cast<void (*)()>(&function);
      call_ = [](target to, Arguments... arguments) -> Answer {
        return detail::to_integer<Answer>(reinterpret_cast<callable *>(to.function)(arguments...));
      };
    } else {
      target_.object = std::addressof(function);
      call_ = [](target to, Arguments... arguments) -> Answer {
        auto *called = static_cast<callable *>(const_cast<void *>(to.object));
        return detail::to_integer<Answer>(std::invoke(*called, arguments...));
      };
    }
  }

  /// @return whether there is a function.
  [[nodiscard]] explicit operator bool() const noexcept { return call_ != nullptr; }

  /// Calls the function, which must be there.
  ///
  /// @param arguments  of the function.
  /// @return what it returns, as `Answer`.
  Answer operator()(Arguments... arguments) const { return call_(target_, arguments...); }

 private:
  union target {
    const void *object;
    void (*function)();
  };

  target target_{nullptr};
  Answer (*call_)(target, Arguments...) = nullptr;
};

/// Gives the next piece of a payload, for log::append_from: `std::int64_t read(void *buffer, std::size_t capacity)`.
/// It returns how many bytes it put into the buffer, 1 to capacity; 0 at the end of the payload; a negative value to
/// give up. Any integer type will do.
using read_function = function_ref<std::int64_t(void *, std::size_t)>;

/// Called with the progress of a long call: `bool progress(std::uint64_t done, std::uint64_t total)`. Both are records,
/// for immuta::import_file bytes. `total` is 0 while it is still being found out. It returns true to go on, false to
/// stop with status::cancelled.
using progress_function = function_ref<bool(std::uint64_t, std::uint64_t)>;

namespace detail {

/* The error of a call that answered `answer`. `empty` is the class of the object that was empty, or null. If a codec's
 * function threw, this throws its exception. */
inline error failure(immuta_status answer, const immuta_error &written, const char *empty) {
  if (empty != nullptr) {
    return error(status::handle, {"this immuta::", empty,
                                  " holds nothing: it was closed or moved from, or never opened; use the object that "
                                  "it was moved to, or open it again"});
  }
  const bool is_written = written.code == answer;
  if (is_written && answer == IMMUTA_E_CODEC_FAILED) codec_exception::of_this_thread().rethrow(written.os_error);
  if (is_written) return error(written);
  const auto code = static_cast<status>(answer);
  return error(code, status_text(code));
}

/* Runs a C call: `function(&error)`. `empty` as above. */
template <class Function>
result<void> call(const char *empty, Function &&function) {
  immuta_error written;
  written.code = IMMUTA_OK;
  const immuta_status answer = function(&written);
  if (answer == IMMUTA_OK) return {};
  return failure(answer, written, empty);
}

/* Runs a C call that gives something: `function(&out, &error)`. The value is made of what it gives. */
template <class Value, class Out = Value, class Function>
result<Value> call(const char *empty, Function &&function) {
  immuta_error written;
  written.code = IMMUTA_OK;
  Out out;
  const immuta_status answer = function(&out, &written);
  if (answer == IMMUTA_OK) return Value(std::move(out));
  return failure(answer, written, empty);
}

/* A function of the caller's while a C call runs it, and the exception that left it. */
template <class Function>
struct running {
  explicit running(Function which) noexcept : function(which) {}

  Function function;
  std::exception_ptr caught;
};

inline std::int32_t run_progress(void *user, std::uint64_t done, std::uint64_t total) noexcept {
  auto &run = *static_cast<running<progress_function> *>(user);
  return guarded(run.caught, std::int32_t{1}, [&] { return std::int32_t{run.function(done, total) ? 0 : 1}; });
}

inline std::int64_t run_read(void *user, void *buffer, std::size_t capacity) noexcept {
  auto &run = *static_cast<running<read_function> *>(user);
  return guarded(run.caught, std::int64_t{-1}, [&] { return run.function(buffer, capacity); });
}

/* Refuses a string that a C function would see the beginning of only. */
inline result<void> check_string(const char *name, const std::string &text) {
  if (text.find('\0') == std::string::npos) return {};
  return error(status::argument, {"the ", name, " has a zero byte inside; leave it out"});
}

/* Whether a library of one version may be used with a header of another: the same major and minor number, and the same
 * or a later patch. */
constexpr bool fits(std::uint32_t library, std::uint32_t header) noexcept {
  return library >> 8 == header >> 8 && library >= header;
}

/* Refuses a library that does not fit the header that this code was compiled with. */
inline result<void> check_version() {
  if (fits(immuta_version_number(), IMMUTA_VERSION_NUMBER)) return {};
  return error(status::version, {"the program was compiled with immuta.hpp ", IMMUTA_VERSION_STRING,
                                 ", and the library that is running is libimmuta ", immuta_version(),
                                 "; compile with the header of that library, or use a library of the same major and "
                                 "minor version that is not older than the header"});
}

}  // namespace detail
}  // namespace IMMUTA_CXX_NAMESPACE
}  // namespace immuta

#endif
