/* Statuses and versions: immuta::status names what a call answered. */
#ifndef IMMUTA_STATUS_HPP
#define IMMUTA_STATUS_HPP

#include <immuta/exceptions.hpp>

#include <cstdint>

namespace immuta {
inline namespace IMMUTA_CXX_NAMESPACE {

/// What a call answered: the statuses of immuta.h, by the same names without IMMUTA_ and E_.
///
/// 0 is success. Above 0, nothing failed but there is no result. Below 0 is an error. A newer library may answer with
/// values that have no name here, so a `switch` needs a default.
enum class status : std::int32_t {
  ok = IMMUTA_OK,                        ///< Success.
  timeout = IMMUTA_TIMEOUT,              ///< No record before the deadline.
  interrupted = IMMUTA_INTERRUPTED,      ///< stream::interrupt ended the wait.
  ready = IMMUTA_READY,                  ///< Call next: see stream::poll_arm.
  argument = IMMUTA_E_ARGUMENT,          ///< An argument is out of its bounds. A mistake in the program.
  handle = IMMUTA_E_HANDLE,              ///< The object is empty: it was closed, or moved from.
  name = IMMUTA_E_NAME,                  ///< An illegal namespace name.
  no_namespace = IMMUTA_E_NAMESPACE,     ///< This log has no such namespace.
  exists = IMMUTA_E_EXISTS,              ///< It was added before, or there are files of it.
  not_found = IMMUTA_E_NOT_FOUND,        ///< There is nothing to open at this path.
  missing = IMMUTA_E_MISSING,            ///< The record file is gone, and other files know its records.
  locked = IMMUTA_E_LOCKED,              ///< Another writer has the namespace open.
  read_only = IMMUTA_E_READ_ONLY,        ///< The log was opened read-only, or the file system is read-only.
  permission = IMMUTA_E_PERMISSION,      ///< The operating system denies access.
  not_regular = IMMUTA_E_NOT_REGULAR,    ///< Not a regular file, or not a directory.
  unsupported = IMMUTA_E_UNSUPPORTED,    ///< This file system, kernel or library cannot do it.
  no_space = IMMUTA_E_NO_SPACE,          ///< No room. Nothing changed; it succeeds once there is room.
  no_memory = IMMUTA_E_NO_MEMORY,        ///< The system refused memory. Nothing changed.
  limit = IMMUTA_E_LIMIT,                ///< A limit was reached: descriptors, threads, mappings.
  io = IMMUTA_E_IO,                      ///< Input or output failed; error::os_error is the errno.
  poisoned = IMMUTA_E_POISONED,          ///< An earlier write failed: no more appends until the log is opened again.
  closed = IMMUTA_E_CLOSED,              ///< The log was shut down or closed.
  busy = IMMUTA_E_BUSY,                  ///< Another thread is using this object.
  pool = IMMUTA_E_POOL,                  ///< There is a record, but every reader was held until the deadline.
  too_large = IMMUTA_E_TOO_LARGE,        ///< The record is larger than options::max_record_size allows.
  conflict = IMMUTA_E_CONFLICT,          ///< log::append_at: error::number is the next number.
  corrupt = IMMUTA_E_CORRUPT,            ///< Bytes do not match their checksum or their neighbours.
  truncated = IMMUTA_E_TRUNCATED,        ///< The record file is shorter than what was once synced.
  ambiguous = IMMUTA_E_AMBIGUOUS,        ///< The files can be read in more than one way.
  layout = IMMUTA_E_LAYOUT,              ///< A file of another layout.
  version = IMMUTA_E_VERSION,            ///< The format is newer than the library. Or the header does not fit it.
  mismatch = IMMUTA_E_MISMATCH,          ///< The index file belongs to another log, or another time of this one.
  replaced = IMMUTA_E_REPLACED,          ///< The files under a reader were replaced or rolled back.
  codec = IMMUTA_E_CODEC,                ///< The log was written with other codecs than those named.
  codec_failed = IMMUTA_E_CODEC_FAILED,  ///< A codec could not encode or decode this record.
  callback = IMMUTA_E_CALLBACK,          ///< A function of the caller's gave up.
  cancelled = IMMUTA_E_CANCELLED,        ///< A progress function asked to stop.
  forked = IMMUTA_E_FORKED,              ///< The object was made before a fork, in the parent.
  panic = IMMUTA_E_PANIC,                ///< A bug in the library, contained. Please report it.
};

/// The name that a status has in C.
///
/// @param which  any status.
/// @return such as "IMMUTA_E_POOL"; "IMMUTA_UNKNOWN" if the library knows no such status. It lives as long as the
///         process.
///
/// Threads: any.
[[nodiscard]] inline const char *status_name(status which) noexcept {
  return immuta_status_name(static_cast<immuta_status>(which));
}

/// One sentence about a status. error::message says more.
///
/// @param which  any status.
/// @return the sentence; it lives as long as the process.
///
/// Threads: any.
[[nodiscard]] inline const char *status_text(status which) noexcept {
  return immuta_status_text(static_cast<immuta_status>(which));
}

/// The version of the library that is running, such as "0.2.0". That of the header is IMMUTA_VERSION_STRING.
///
/// @return a string that lives as long as the process.
///
/// Threads: any, also a signal handler.
[[nodiscard]] inline const char *version() noexcept { return immuta_version(); }

/// The same as one number, to be compared with IMMUTA_VERSION_NUMBER.
///
/// @return major << 16 | minor << 8 | patch.
///
/// Threads: any, also a signal handler.
[[nodiscard]] inline std::uint32_t version_number() noexcept { return immuta_version_number(); }

}  // namespace IMMUTA_CXX_NAMESPACE
}  // namespace immuta

#endif
