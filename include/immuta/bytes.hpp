/* immuta::bytes and immuta::bytes_list: payloads that a call is given, one or many. */
#ifndef IMMUTA_BYTES_HPP
#define IMMUTA_BYTES_HPP

#include <immuta/exceptions.hpp>

#include <array>
#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <string_view>
#include <type_traits>
#include <vector>

namespace immuta {
inline namespace IMMUTA_CXX_NAMESPACE {

namespace detail {

template <class T>
inline constexpr bool is_byte = sizeof(T) == 1 && !std::is_same_v<T, bool> &&
                                (std::is_integral_v<T> || std::is_same_v<T, std::byte>);

/* What std::data gives for a container: the type of its elements. */
template <class Container>
using element_of = std::remove_cv_t<std::remove_pointer_t<decltype(std::data(std::declval<const Container &>()))>>;

/* Containers of bytes that lie in one piece. An array of characters is left out: a string literal ends with a zero
 * that is no part of the text. */
template <class Container, class = void>
struct is_bytes : std::false_type {};
template <class Container>
struct is_bytes<Container, std::void_t<element_of<Container>, decltype(std::size(std::declval<const Container &>()))>>
    : std::bool_constant<is_byte<element_of<Container>> &&
                         (!std::is_array_v<Container> || std::is_same_v<element_of<Container>, std::byte> ||
                          std::is_same_v<element_of<Container>, unsigned char> ||
                          std::is_same_v<element_of<Container>, signed char>)> {};

/* Arrays, whose elements are part of the object. */
template <class T>
inline constexpr bool is_array = std::is_array_v<T>;
template <class T, std::size_t Size>
inline constexpr bool is_array<std::array<T, Size>> = true;

/* Other types with elements, such as std::string_view and std::span, whatever the type of the elements is. */
template <class T, class = void>
struct is_view : std::false_type {};
template <class T>
struct is_view<T, std::void_t<element_of<T>, decltype(std::size(std::declval<const T &>()))>>
    : std::bool_constant<!is_array<T>> {};

}  // namespace detail

/// Bytes of the caller's: a pointer and a size, like std::span<const std::byte> and `immuta_slice`.
///
/// From and to other types:
///
/// @code{.cpp}
/// const std::vector<unsigned char> buffer = {1, 2, 3};
/// immuta::bytes payload = "text";                                 // a literal, std::string, std::string_view
/// payload = buffer;                                               // a container of bytes, also std::span
/// payload = immuta::bytes(buffer.data(), 2);                      // a pointer and a size in bytes
/// const std::string_view text = payload.text();                   // also std::span<const std::byte> s = payload;
/// @endcode
///
/// Ownership: none. What the bytes point to must live as long as they are used. A call copies what it keeps.
/// Threads: as a pointer.
class bytes {
 public:
  using value_type = std::byte;              ///< One byte.
  using iterator = const std::byte *;        ///< A pointer: the bytes lie in one piece.
  using const_iterator = const std::byte *;  ///< The same: the bytes are read-only.

  /// No bytes.
  constexpr bytes() noexcept = default;

  /// Takes a pointer and a size.
  ///
  /// @param data  the first byte; may be null when size is 0.
  /// @param size  in bytes.
  constexpr bytes(const void *data, std::size_t size) noexcept : slice_{data, size} {}

  /// Takes text by its pointer.
  ///
  /// @param text  `const char *` to text up to its first zero; null is no bytes.
  template <class Pointer, std::enable_if_t<std::is_same_v<Pointer, const char *> || std::is_same_v<Pointer, char *>,
                                            int> = 0>
  bytes(const Pointer &text) noexcept : slice_{text, text == nullptr ? 0 : std::strlen(text)} {}

  /// Takes text by its array.
  ///
  /// @param text  a literal, or another array of characters: up to its first zero, or whole if there is none.
  template <std::size_t Size>
  bytes(const char (&text)[Size]) noexcept : slice_{text, std::string_view(text, Size).find('\0')} {
    if (slice_.size == std::string_view::npos) slice_.size = Size;
  }

  /// Takes a container of bytes.
  ///
  /// @param container  one-byte elements in one piece: std::string, std::vector, std::array, std::span, ...
  template <class Container, std::enable_if_t<detail::is_bytes<Container>::value, int> = 0>
  constexpr bytes(const Container &container) noexcept : slice_{std::data(container), std::size(container)} {}

  /// The bytes of an object in memory, with its byte order and its padding.
  ///
  /// @param object  of a type that can be copied byte by byte, and that is no view of bytes elsewhere. The compiler
  ///                refuses views, but cannot see a pointer that is a member.
  /// @return its bytes, valid as long as the object is there.
  template <class T>
  [[nodiscard]] static bytes of(const T &object) noexcept {
    static_assert(std::is_trivially_copyable_v<T>, "only objects that memcpy can copy can be stored as bytes");
    static_assert(!std::is_pointer_v<T>, "a pointer has no meaning in a log; pass what it points to");
    static_assert(!detail::is_view<T>::value,
                  "the bytes of a view are a pointer; pass the view itself, or immuta::bytes(data, size in bytes)");
    return bytes(std::addressof(object), sizeof object);
  }

  /// @return the first byte. If there are no bytes, null or any other pointer, not to be read from.
  [[nodiscard]] const std::byte *data() const noexcept { return static_cast<const std::byte *>(slice_.data); }

  /// @return the size in bytes.
  [[nodiscard]] constexpr std::size_t size() const noexcept { return slice_.size; }
  /// @return whether there are no bytes.
  [[nodiscard]] constexpr bool empty() const noexcept { return slice_.size == 0; }

  /// @return an iterator at the first byte.
  [[nodiscard]] const std::byte *begin() const noexcept { return data(); }
  /// @return an iterator after the last byte.
  [[nodiscard]] const std::byte *end() const noexcept { return data() + slice_.size; }

  /// @param index  less than size(), which is not checked.
  /// @return the byte.
  [[nodiscard]] const std::byte &operator[](std::size_t index) const noexcept { return data()[index]; }

  /// @return the same bytes as text.
  [[nodiscard]] std::string_view text() const noexcept {
    return std::string_view(static_cast<const char *>(slice_.data), slice_.size);
  }
  /// @return the same bytes as text.
  [[nodiscard]] explicit operator std::string_view() const noexcept { return text(); }

  /// @param left   bytes.
  /// @param right  bytes.
  /// @return whether both have the same size and the same bytes.
  friend bool operator==(const bytes &left, const bytes &right) noexcept { return left.text() == right.text(); }
  /// @param left   bytes.
  /// @param right  bytes.
  /// @return whether sizes or bytes differ.
  friend bool operator!=(const bytes &left, const bytes &right) noexcept { return !(left == right); }

 private:
  immuta_slice slice_{nullptr, 0};
};

/* The C interface takes arrays of immuta_slice. `bytes` has nothing but one, so an array of the one is an array of the
 * other in memory. */
static_assert(std::is_standard_layout_v<bytes> && std::is_trivially_copyable_v<bytes>);
static_assert(sizeof(bytes) == sizeof(immuta_slice) && alignof(bytes) == alignof(immuta_slice));

namespace detail {

/* Ranges of what converts to bytes. Their elements must exist outside the iterator, or be views. */
template <class Range, class = void>
struct is_bytes_range : std::false_type {};
template <class Range>
struct is_bytes_range<Range, std::void_t<decltype(*std::begin(std::declval<const Range &>())),
                                         decltype(std::end(std::declval<const Range &>()))>> {
  using element = decltype(*std::begin(std::declval<const Range &>()));
  static constexpr bool lasts = std::is_lvalue_reference_v<element> || std::is_same_v<std::decay_t<element>, bytes> ||
                                std::is_same_v<std::decay_t<element>, std::string_view>;
  static constexpr bool value = lasts && std::is_convertible_v<element, bytes>;
};

/* Whether std::data gives bytes. */
template <class Range, class = void>
struct is_bytes_array : std::false_type {};
template <class Range>
struct is_bytes_array<Range, std::void_t<element_of<Range>>> : std::is_same<element_of<Range>, bytes> {};

}  // namespace detail

/// Payloads in order, as a parameter of a function: the records of a batch, or the parts of a record.
///
/// @code{.cpp}
/// const std::vector<std::string> lines = {"three", "four"};
/// log.append_batch(0, {"one", "two"}).value();
/// log.append_batch(0, lines).value();
/// @endcode
///
/// Ownership: none, so it is for parameters only. A list that is not an array of immuta::bytes is made into one, which
/// takes 16 bytes of memory for each payload and may throw std::bad_alloc.
class bytes_list {
 public:
  /// No payloads.
  bytes_list() noexcept = default;

  /// Takes payloads in braces.
  ///
  /// @param list  such as `{"one", buffer}`.
  bytes_list(std::initializer_list<bytes> list) noexcept : data_(std::data(list)), size_(list.size()) {}

  /// Takes a container of payloads.
  ///
  /// @param range  its elements convert to immuta::bytes.
  template <class Range, std::enable_if_t<detail::is_bytes_range<Range>::value, int> = 0>
  bytes_list(const Range &range) {
    if constexpr (detail::is_bytes_array<Range>::value) {
      data_ = std::data(range);
      size_ = std::size(range);
    } else {
      for (const bytes item : range) made_.push_back(item);
      data_ = made_.data();
      size_ = made_.size();
    }
  }

  bytes_list(const bytes_list &) = delete;
  bytes_list &operator=(const bytes_list &) = delete;

  /// @return the payloads, as the C functions take them.
  [[nodiscard]] const immuta_slice *data() const noexcept { return reinterpret_cast<const immuta_slice *>(data_); }

  /// @return how many payloads there are.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::vector<bytes> made_;
  const bytes *data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace IMMUTA_CXX_NAMESPACE
}  // namespace immuta

#endif
