/* immuta::codec: what payloads go through on their way into the file and out of it. */
#ifndef IMMUTA_CODEC_HPP
#define IMMUTA_CODEC_HPP

#include <immuta/bytes.hpp>
#include <immuta/function.hpp>

#include <memory>

namespace immuta {
inline namespace IMMUTA_CXX_NAMESPACE {

/// Where a codec's function puts its output. It is valid until that function returns.
///
/// Ownership: lent. Threads: the one of the codec's function.
class sink {
 public:
  /// Takes the sink of a function of the C interface.
  ///
  /// @param lent  what the library gave to that function.
  explicit sink(immuta_sink *lent) noexcept : sink_(lent) {}

  sink(const sink &) = delete;
  sink &operator=(const sink &) = delete;

  /// Adds bytes to the output.
  ///
  /// @param data  copied.
  /// @return status::ok; status::too_large if the output would be larger than options::max_record_size;
  ///         status::no_memory; status::handle on another thread, or after the codec's function has returned. If the
  ///         answer is too_large or no_memory, the append or the read fails with it, whatever the codec's function does
  ///         then. So the answer need not be looked at.
  status write(bytes data) noexcept {
    return static_cast<status>(immuta_sink_write(sink_, data.data(), data.size()));
  }

  /// @return the C object.
  [[nodiscard]] immuta_sink *get() const noexcept { return sink_; }

 private:
  immuta_sink *sink_;
};

namespace detail {

struct free_codec {
  void operator()(immuta_codec *codec) const noexcept { immuta_codec_free(codec); }
};

template <class Function>
std::int32_t run_codec(const Function &function, const void *data, std::size_t size, immuta_sink *out) noexcept {
  using returned = std::invoke_result_t<const Function &, bytes, sink &>;
  static_assert(std::is_void_v<returned> || std::is_same_v<returned, int>,
                "a codec's function returns nothing, or an int that is 0 for success");
  sink to(out);
  std::exception_ptr caught;
  const std::int32_t answer = guarded(caught, std::int32_t{-1}, [&]() -> std::int32_t {
    if constexpr (std::is_void_v<returned>) {
      std::invoke(function, bytes(data, size), to);
      return 0;
    } else {
      return std::invoke(function, bytes(data, size), to);
    }
  });
  return caught ? codec_exception::of_this_thread().keep(std::move(caught)) : answer;
}

template <class Encode, class Decode>
struct codec_functions {
  Encode encode;
  Decode decode;
};

}  // namespace detail

/// A codec, for options::codecs. Copies are the same codec.
///
/// Which codecs a log has is recorded with it: see "Codecs" in docs/c-api.md.
///
/// @code{.cpp}
/// immuta::options how;
/// how.namespaces = {"compressed"};
/// how.codecs = {immuta::codec::zstd(3).value()};
/// @endcode
///
/// Ownership: the codec is released when its last copy, and all logs opened with it, are gone. Threads: any.
class codec {
 public:
  /// No codec; options refuse it.
  codec() noexcept = default;

  /// Takes over a codec made by the C functions.
  ///
  /// @param taken  released by this object from now on.
  explicit codec(immuta_codec *taken) : codec_(taken, detail::free_codec()) {}

  /// Raw DEFLATE (RFC 1951).
  ///
  /// @param level  1 to 9, how hard it tries; 0 means 6. Only appending depends on it.
  /// @return the codec; status::argument for another level; status::unsupported if the library was built without it;
  ///         status::no_memory; status::version if header and library do not fit.
  [[nodiscard]] static result<codec> deflate(std::int32_t level = 0) { return builtin(IMMUTA_CODEC_DEFLATE, level); }

  /// Zstandard frames (RFC 8878).
  ///
  /// @param level  -7 to 22; 0 means 3. Only appending depends on it.
  /// @return as deflate.
  [[nodiscard]] static result<codec> zstd(std::int32_t level = 0) { return builtin(IMMUTA_CODEC_ZSTD, level); }

  /// LZ4 frames.
  ///
  /// @return as deflate.
  [[nodiscard]] static result<codec> lz4() { return builtin(IMMUTA_CODEC_LZ4, 0); }

  /// Snappy in its framing format.
  ///
  /// @return as deflate.
  [[nodiscard]] static result<codec> snappy() { return builtin(IMMUTA_CODEC_SNAPPY, 0); }

  /// A codec of two functions: `void encode(immuta::bytes data, immuta::sink &out)`, and `decode` of the same form.
  ///
  /// They are called on the thread that appends or reads, by several threads at once, so they must be callable as const
  /// objects. They may call the library. They return nothing, or an `int`: 0 for success, anything else fails this one
  /// payload with status::codec_failed, and comes back as error::os_error.
  ///
  /// They may also throw. Then the call in which the library ran the function throws the exception again: log::append
  /// and its like, transaction::commit, stream::next, stream::next_batch, or immuta::import_file. That call is on the
  /// same thread, and nothing was appended or lent. Two cases differ. If sink::write was refused before, the call has
  /// the error of that refusal. If the call around the function is one of the C interface, of code without exceptions,
  /// or of a shared library that is kept apart (see docs/cxx.md), it answers IMMUTA_E_CODEC_FAILED.
  ///
  /// @code{.cpp}
  /// const auto flip = [](immuta::bytes data, immuta::sink &out) {
  ///   std::string flipped(data.text());
  ///   for (char &letter : flipped) letter = static_cast<char>(~letter);
  ///   out.write(flipped);
  /// };
  /// const immuta::codec flipping = immuta::codec::custom(0x10000, "flip", flip, flip).value();
  /// @endcode
  ///
  /// @param id      0x10000 or more; it is recorded with the log, and means the same transformation for ever.
  /// @param name    for messages: 1 to 64 bytes of UTF-8 without control characters.
  /// @param encode  turns a payload into its stored form; copied or moved.
  /// @param decode  gives back exactly what encode was given. It must expect any bytes: files can be damaged.
  /// @return the codec; status::argument if id or name is out of bounds; status::no_memory; status::version.
  ///
  /// Ownership: the functions are destroyed, on the thread that made the last release, when nothing uses the codec any
  /// more. In a forked child they are never destroyed.
  template <class Encode, class Decode>
  [[nodiscard]] static result<codec> custom(std::uint32_t id, const std::string &name, Encode encode, Decode decode) {
    static_assert(std::is_invocable_v<const Encode &, bytes, sink &> &&
                      std::is_invocable_v<const Decode &, bytes, sink &>,
                  "a codec's functions take (immuta::bytes, immuta::sink &) and are const: several threads call them");
    using functions = detail::codec_functions<Encode, Decode>;
    if (auto refused = check(name); !refused) return refused.error();
    auto kept = std::make_unique<functions>(functions{std::move(encode), std::move(decode)});
    immuta_codec_vtable vtable{};
    vtable.struct_size = sizeof vtable;
    vtable.id = id;
    vtable.name = name.c_str();
    vtable.encode = [](void *user, const void *data, std::size_t size, immuta_sink *out) {
      return detail::run_codec(static_cast<const functions *>(user)->encode, data, size, out);
    };
    vtable.decode = [](void *user, const void *data, std::size_t size, immuta_sink *out) {
      return detail::run_codec(static_cast<const functions *>(user)->decode, data, size, out);
    };
    vtable.destroy = [](void *user) { delete static_cast<functions *>(user); };
    return detail::call<codec, immuta_codec *>(nullptr, [&](immuta_codec **out, immuta_error *why) {
      vtable.user = kept.release();  // destroyed by the library from here on, also if it refuses the codec
      return immuta_codec_custom(&vtable, out, why);
    });
  }

  /// A codec whose work is done outside the library: its id is recorded and compared, and the bytes stay as they are.
  ///
  /// @param id    0x10000 or more, and the same transformation for ever.
  /// @param name  for messages: 1 to 64 bytes of UTF-8 without control characters.
  /// @return as custom.
  [[nodiscard]] static result<codec> external(std::uint32_t id, const std::string &name) {
    if (auto refused = check(name); !refused) return refused.error();
    return detail::call<codec, immuta_codec *>(nullptr, [&](immuta_codec **out, immuta_error *why) {
      return immuta_codec_external(id, name.c_str(), out, why);
    });
  }

  /// @return whether there is a codec.
  [[nodiscard]] explicit operator bool() const noexcept { return codec_ != nullptr; }

  /// @return the C object; null if there is none. It remains this object's.
  [[nodiscard]] immuta_codec *get() const noexcept { return codec_.get(); }

 private:
  static result<codec> builtin(std::int32_t kind, std::int32_t level) {
    if (auto refused = detail::check_version(); !refused) return refused.error();
    return detail::call<codec, immuta_codec *>(nullptr, [&](immuta_codec **out, immuta_error *why) {
      return immuta_codec_builtin(kind, level, out, why);
    });
  }

  static result<void> check(const std::string &name) {
    return detail::check_version().and_then([&] { return detail::check_string("name of a codec", name); });
  }

  std::shared_ptr<immuta_codec> codec_;
};

}  // namespace IMMUTA_CXX_NAMESPACE
}  // namespace immuta

#endif
