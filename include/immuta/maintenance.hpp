/* What is done to files: verify, repair, import, and listing. These work on a directory, without an open log. */
#ifndef IMMUTA_MAINTENANCE_HPP
#define IMMUTA_MAINTENANCE_HPP

#include <immuta/report.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace immuta {
inline namespace IMMUTA_CXX_NAMESPACE {

/// What immuta::repair may do. Without `apply` it changes nothing.
struct repair_mode {
  /// Change the files. Else only the report is made.
  bool apply = false;

  /// Believe the count of records where files hold nothing of them: see IMMUTA_REPAIR_ACCEPT_COUNT.
  bool accept_count = false;
};

/// A file in a log's directory that has the name of a record file, NAME.log.
struct found_namespace {
  /// The name of the namespace.
  std::string name;
  /// status::ok: a read-only log would open it. Else why it would not.
  status finding;
  /// The same for a person; empty with status::ok.
  std::string message;
};

namespace detail {

/* Options as the C functions take them, after the strings that go with them were checked. */
inline result<c_options> to_c(const options &how, std::initializer_list<const std::string *> strings) {
  for (const std::string *text : strings) {
    if (auto whole = check_string("path or name", *text); !whole) return whole.error();
  }
  return to_c(how);
}

/* Runs a C call that takes a progress function: `function(options, progress, user, &report, &error)`. */
template <class Function>
result<report> maintain(const c_options &how, progress_function progress, Function &&function) {
  running<progress_function> run(progress);
  auto answer = call<report, immuta_report>(nullptr, [&](immuta_report *out, immuta_error *why) {
    return function(how.get(), progress ? run_progress : nullptr, &run, out, why);
  });
  rethrow(run.caught);
  return answer;
}

inline std::int32_t collect(void *user, const char *name, immuta_status finding, const char *message) noexcept {
  using list = std::pair<std::vector<found_namespace>, std::exception_ptr>;
  auto &found = *static_cast<list *>(user);
  return guarded(found.second, std::int32_t{1}, [&] {
    found.first.push_back(found_namespace{name, static_cast<status>(finding), message});
    return std::int32_t{0};
  });
}

}  // namespace detail

/// Checks every byte of a namespace as it is stored, and changes nothing. A fault in the records is a result: look at
/// report::finding. The namespace may be open elsewhere.
///
/// @code{.cpp}
/// const auto progress = [](std::uint64_t done, std::uint64_t total) {
///   std::printf("%llu of %llu\n", static_cast<unsigned long long>(done), static_cast<unsigned long long>(total));
///   return true;  // go on
/// };
/// const immuta::report found = immuta::verify(directory, "events", {}, progress).value();
/// if (found.finding != immuta::status::ok) std::puts(immuta::status_text(found.finding));
/// @endcode
///
/// @param directory  path of the log.
/// @param name       of the namespace.
/// @param how        the engine, the largest record, and the codecs, whose ids are compared.
/// @param progress   called now and then with records checked; see progress_function. If it throws, this call stops and
///                   throws the exception again.
/// @return the report; status::name, status::not_found; status::missing, status::mismatch, status::version: nothing to
///         check against; status::codec; status::cancelled: progress asked to stop; and others: see immuta_verify.
///
/// Threads: any.
[[nodiscard]] inline result<report> verify(const std::string &directory, const std::string &name,
                                           const options &how = {}, progress_function progress = {}) {
  auto made = detail::to_c(how, {&directory, &name});
  if (!made) return made.error();
  return detail::maintain(*made, progress, [&](auto *c_how, auto run, void *user, immuta_report *out, auto *why) {
    return immuta_verify(directory.c_str(), name.c_str(), c_how, run, user, out, sizeof *out, why);
  });
}

/// Mends a namespace that log::open refuses, or one with damaged records. Unless `what.apply` is set, it only says what
/// it would do. Nothing that may be of use is deleted: see immuta_repair.
///
/// @param directory  path of the log.
/// @param name       of the namespace; no process may have it open for writing.
/// @param what       whether to change the files, and what to believe.
/// @param how        the engine, and the codecs, whose ids are compared.
/// @param progress   called now and then with records checked. Nothing is changed before its last call. If it throws,
///                   this call stops and throws the exception again.
/// @return the report; status::name, status::not_found, status::locked; status::missing: only a backup helps;
///         status::ambiguous, status::layout, status::no_space; status::cancelled: progress asked to stop, and nothing
///         changed; and others: see immuta_repair.
///
/// Threads: any.
[[nodiscard]] inline result<report> repair(const std::string &directory, const std::string &name,
                                           repair_mode what = {}, const options &how = {},
                                           progress_function progress = {}) {
  auto made = detail::to_c(how, {&directory, &name});
  if (!made) return made.error();
  std::uint32_t flags = 0;
  if (what.apply) flags |= std::uint32_t{IMMUTA_REPAIR_APPLY};
  if (what.accept_count) flags |= std::uint32_t{IMMUTA_REPAIR_ACCEPT_COUNT};
  return detail::maintain(*made, progress, [&](auto *c_how, auto run, void *user, immuta_report *out, auto *why) {
    return immuta_repair(directory.c_str(), name.c_str(), c_how, flags, run, user, out, sizeof *out, why);
  });
}

/// Makes a new namespace from a record file of any layout that the original Go library ever wrote. The file is only
/// read. The namespace exists as a whole, closed cleanly, or not at all.
///
/// @param source_file  path of the file, a regular one that no process writes meanwhile; its name must be UTF-8.
/// @param directory    path of the log; created where it is missing.
/// @param name         of the namespace; there must be no file of it.
/// @param how          the engine, and the codecs that the records went through.
/// @param progress     called now and then with bytes read. If it throws, this call stops, leaves nothing, and throws
///                     the exception again.
/// @return the report; status::name, status::not_found, status::not_regular, status::exists, status::locked;
///         status::layout, status::truncated, status::ambiguous, status::corrupt: what is wrong with the file;
///         status::codec_failed, status::too_large; status::cancelled; and others: see immuta_import.
///
/// Threads: any.
[[nodiscard]] inline result<report> import_file(const std::string &source_file, const std::string &directory,
                                                const std::string &name, const options &how = {},
                                                progress_function progress = {}) {
  auto made = detail::to_c(how, {&source_file, &directory, &name});
  if (!made) return made.error();
  return detail::maintain(*made, progress, [&](auto *c_how, auto run, void *user, immuta_report *out, auto *why) {
    return immuta_import(source_file.c_str(), directory.c_str(), name.c_str(), c_how, run, user, out, sizeof *out,
                         why);
  });
}

/// Lists the namespaces in a directory. A file that has the name of a record file and is no namespace is listed, too,
/// with the reason. Nothing is changed.
///
/// @param directory  path of the log.
/// @param how        the engine, and the codecs, whose ids are compared.
/// @return the list, in the order of the names; status::not_found, status::not_regular, status::permission: there is no
///         directory, or it cannot be read; and others: see immuta_namespace_scan.
///
/// Threads: any.
[[nodiscard]] inline result<std::vector<found_namespace>> scan(const std::string &directory,
                                                               const options &how = {}) {
  auto made = detail::to_c(how, {&directory});
  if (!made) return made.error();
  std::pair<std::vector<found_namespace>, std::exception_ptr> found;
  auto listed = detail::call(nullptr, [&](immuta_error *why) {
    return immuta_namespace_scan(directory.c_str(), made->get(), detail::collect, &found, why);
  });
  detail::rethrow(found.second);
  if (!listed) return listed.error();
  return std::move(found.first);
}

}  // namespace IMMUTA_CXX_NAMESPACE
}  // namespace immuta

#endif
