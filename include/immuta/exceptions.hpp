/* The namespace of the C++ interface, and the code that differs where exceptions are switched off.
 *
 * Everything is in `immuta`, in an inline namespace. The name of the latter has the version of the header, and two
 * settings of the compiler: exceptions, and run-time type information. Code for different settings therefore has
 * different names, and a program may link files that were compiled with different settings. An object of the one must
 * not be passed to the other. The linker reports it where the object is a parameter, and only there: see docs/cxx.md.
 * Pass the C object instead: see `get` and `release` of each class. */
#ifndef IMMUTA_EXCEPTIONS_HPP
#define IMMUTA_EXCEPTIONS_HPP

#include <immuta.h>

#include <cstdint>
#include <exception>
#include <limits>
#include <utility>

#define IMMUTA_CXX_JOIN(major, minor, exceptions, types) v##major##_##minor##exceptions##types
#define IMMUTA_CXX_NAME(major, minor, exceptions, types) IMMUTA_CXX_JOIN(major, minor, exceptions, types)
#if defined(__cpp_exceptions)
#define IMMUTA_CXX_EXCEPTIONS
#else
#define IMMUTA_CXX_EXCEPTIONS _no_exceptions
#endif
#if defined(__cpp_rtti)
#define IMMUTA_CXX_TYPES
#else
#define IMMUTA_CXX_TYPES _no_rtti
#endif
/// The inline namespace of the C++ interface. A type of yours that has objects of this interface as members may be in
/// `inline namespace IMMUTA_CXX_NAMESPACE`, too: see "Without exceptions" in docs/cxx.md.
#define IMMUTA_CXX_NAMESPACE \
  IMMUTA_CXX_NAME(IMMUTA_VERSION_MAJOR, IMMUTA_VERSION_MINOR, IMMUTA_CXX_EXCEPTIONS, IMMUTA_CXX_TYPES)

namespace immuta {
inline namespace IMMUTA_CXX_NAMESPACE {
namespace detail {

#if defined(__cpp_exceptions)

template <class Error>
[[noreturn]] void raise(const Error &why) {
  throw why;
}

/* What `function` returns. If it throws, `caught` keeps the exception, and the answer is `instead`. */
template <class Answer, class Function>
Answer guarded(std::exception_ptr &caught, Answer instead, Function &&function) noexcept {
  try {
    return function();
  } catch (...) {
    caught = std::current_exception();
    return instead;
  }
}

inline void rethrow(std::exception_ptr &caught) {
  if (caught) std::rethrow_exception(std::exchange(caught, std::exception_ptr()));
}

#else

/* Without exceptions, the message goes to standard error, and the program ends. */
template <class Error>
[[noreturn]] void raise(const Error &why) {
  why.print();
  std::terminate();
}

template <class Answer, class Function>
Answer guarded(std::exception_ptr &, Answer, Function &&function) noexcept {
  return function();
}

inline void rethrow(std::exception_ptr &) noexcept {}

#endif

/* An exception that left a codec's function. The library runs such a function inside a call on the same thread (an
 * append, a commit, `next`), which then answers IMMUTA_E_CODEC_FAILED with the function's value as os_error. The value
 * is a mark here, so that the call finds its own exception, and never that of an earlier call.
 *
 * The codec and the call may be code of two shared libraries. So the slot is visible whatever the compiler's flags are,
 * and both libraries use the same one. As they may have been compiled with headers of two patches, the class stays as
 * it is within a minor version. Libraries that are kept apart, for example by a version script, have a slot each. These
 * begin with different marks: a call then has status::codec_failed, and not an exception that another call left. */
class [[gnu::visibility("default")]] codec_exception {
 public:
  static codec_exception &of_this_thread() {
    thread_local codec_exception slot;
    return slot;
  }

  /* Returns the mark, for the library. */
  std::int32_t keep(std::exception_ptr caught) noexcept {
    caught_ = std::move(caught);
    mark_ = mark_ == last_mark ? first_mark : mark_ + 1;
    return mark_;
  }

  void rethrow(std::int32_t mark) {
    if (mark == mark_) detail::rethrow(caught_);
  }

 private:
  /* Far from the values that a codec of C would return. */
  static constexpr std::int32_t first_mark = std::numeric_limits<std::int32_t>::min() + 1;
  static constexpr std::int32_t last_mark = first_mark / 2;

  /* The first mark comes from the slot's address: the product's upper bits differ for addresses that are close to each
   * other. */
  codec_exception() noexcept
      : mark_(first_mark +
              static_cast<std::int32_t>(reinterpret_cast<std::uintptr_t>(this) * 0x9e3779b97f4a7c15u >> 34)) {}

  std::exception_ptr caught_;
  std::int32_t mark_;
};

}  // namespace detail
}  // namespace IMMUTA_CXX_NAMESPACE
}  // namespace immuta

#endif
