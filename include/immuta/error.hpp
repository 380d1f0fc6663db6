/* immuta::error: what failed, for the program and for a person. */
#ifndef IMMUTA_ERROR_HPP
#define IMMUTA_ERROR_HPP

#include <immuta/status.hpp>

#include <cstdio>
#include <exception>
#include <initializer_list>
#include <string_view>

namespace immuta {
inline namespace IMMUTA_CXX_NAMESPACE {

/// What failed. A result carries it, and result::value throws it. It is a copy of the C struct `immuta_error`.
///
/// Base decisions on code, os_error, ns, number and offset. The message is for people, and its wording may change.
///
/// @code{.cpp}
/// const auto appended = log.append(0, "hello");
/// if (!appended && appended.code() == immuta::status::no_space) std::puts(appended.error().message());
/// @endcode
///
/// Threads: as any value.
///
/// It can be caught in another shared library than the one that threw it, whatever the compiler's flags for visibility
/// are. See docs/cxx.md for libraries that are kept apart.
class [[gnu::visibility("default")]] error : public std::exception {
 public:
  /// Takes over what a C function wrote.
  ///
  /// @param from  written by the library.
  explicit error(const immuta_error &from) noexcept : raw_(from) {}

  /// An error that did not come from the library, for example from a function in result::and_then.
  ///
  /// @param code  what it is.
  /// @param text  for people, UTF-8; what is beyond 479 bytes is cut off.
  error(immuta::status code, std::string_view text) noexcept : error(code, {text}) {}
  /// The same for a text in pieces, which are joined.
  ///
  /// @param code  what it is.
  /// @param text  for people, UTF-8; what is beyond 479 bytes is cut off.
  error(immuta::status code, std::initializer_list<std::string_view> text) noexcept : raw_() {
    raw_.code = static_cast<immuta_status>(code);
    std::size_t used = 0;
    for (const std::string_view piece : text) {
      used += piece.copy(raw_.message + used, sizeof raw_.message - 1 - used);
    }
  }

  /// @return the status; never status::ok in the error of a failed call.
  [[nodiscard]] immuta::status code() const noexcept { return static_cast<immuta::status>(raw_.code); }

  /// @return errno of the system call that failed, or the value of the function that failed; 0 if neither.
  [[nodiscard]] int os_error() const noexcept { return raw_.os_error; }

  /// @return the number of the namespace concerned; 0 where there is none.
  [[nodiscard]] std::uint32_t ns() const noexcept { return raw_.ns; }

  /// @return the number of the record concerned; 0 where there is none. With status::conflict: the number of the next
  ///         record.
  [[nodiscard]] std::uint64_t number() const noexcept { return raw_.number; }

  /// @return the byte offset concerned, in the file that the message names; 0 where there is none.
  [[nodiscard]] std::uint64_t offset() const noexcept { return raw_.offset; }

  /// @return one line of UTF-8: the path of the file, what was found, and what to do next. It lives as long as this
  ///         object.
  [[nodiscard]] const char *message() const noexcept { return raw_.message; }

  /// @return the message, by the name that std::exception has for it.
  [[nodiscard]] const char *what() const noexcept override { return raw_.message; }

  /// @return the C struct.
  [[nodiscard]] const immuta_error &get() const noexcept { return raw_; }

  /// Writes the name of the status and the message to standard error, in one line.
  void print() const noexcept { std::fprintf(stderr, "libimmuta: %s: %s\n", status_name(code()), message()); }

 private:
  immuta_error raw_;
};

}  // namespace IMMUTA_CXX_NAMESPACE
}  // namespace immuta

#endif
