/* Answers of the library that are hard to get from it: another version, no memory for options, a transaction that
 * another thread is using. This program has functions of the same names, which hide those of the library. */
#include "cxx/check.hpp"

#include <functional>
#include <thread>

#include <dlfcn.h>

namespace {

std::uint32_t pretended = IMMUTA_VERSION_NUMBER;
bool has_memory = true;
/* What another thread does with a transaction while it is committed. The commit is refused then. */
std::function<void()> meanwhile;

/* The function of the library. */
template <class Function>
Function *real(const char *name) {
  return reinterpret_cast<Function *>(dlsym(RTLD_NEXT, name));
}

void expect_refusals() {
  const auto opened = immuta::log::open(check::directory);
  CHECK_CODE(version, opened);
  CHECK(check::contains(opened.error().message(), "immuta.hpp " IMMUTA_VERSION_STRING));
  CHECK(check::contains(opened.error().message(), immuta::version()));
  CHECK(check::contains(opened.error().message(), "compile with the header of that library"));
  CHECK_CODE(version, immuta::verify(check::directory, "a"));
  CHECK_CODE(version, immuta::repair(check::directory, "a"));
  CHECK_CODE(version, immuta::import_file(check::path("a.log"), check::directory, "b"));
  CHECK_CODE(version, immuta::scan(check::directory));
  CHECK_CODE(version, immuta::codec::zstd());
  CHECK_CODE(version, immuta::codec::external(0x10000, "outside"));
  const auto pass = [](immuta::bytes data, immuta::sink &out) { out.write(data); };
  CHECK_CODE(version, immuta::codec::custom(0x10000, "pass", pass, pass));
}

}  // namespace

extern "C" std::uint32_t immuta_version_number(void) { return pretended; }

extern "C" immuta_options *immuta_options_new(void) {
  return has_memory ? real<decltype(immuta_options_new)>("immuta_options_new")() : nullptr;
}

extern "C" immuta_status immuta_txn_commit(immuta_txn *txn, immuta_appended *appended, immuta_error *why) {
  if (!meanwhile) return real<decltype(immuta_txn_commit)>("immuta_txn_commit")(txn, appended, why);
  std::thread(meanwhile).join();
  return IMMUTA_E_BUSY;
}

CASE(a_library_of_another_minor_version_is_refused) {
  pretended = IMMUTA_VERSION_NUMBER + 0x100;
  expect_refusals();
}

CASE(a_library_of_another_major_version_is_refused) {
  pretended = IMMUTA_VERSION_NUMBER + 0x10000;
  expect_refusals();
}

CASE(a_later_patch_fits_and_an_earlier_one_does_not) {
  static_assert(immuta::detail::fits(0x010203, 0x010203) && immuta::detail::fits(0x010204, 0x010203));
  static_assert(!immuta::detail::fits(0x010202, 0x010203));
  pretended = IMMUTA_VERSION_NUMBER + 1;
  CHECK_CODE(ok, immuta::log::open(check::directory));
  pretended = IMMUTA_VERSION_NUMBER;
}

CASE(without_memory_for_options_a_log_is_not_opened) {
  has_memory = false;
  CHECK_CODE(no_memory, immuta::log::open(check::directory));
  has_memory = true;
}

/* The thread that makes it busy does not notice. */
CASE(a_commit_that_is_refused_as_busy_keeps_the_transaction) {
  immuta::log log = check::open();
  immuta::transaction staged = log.begin_transaction(0).value();
  meanwhile = [&] { CHECK_CODE(ok, staged.append("kept")); };
  const auto refused = staged.commit();
  CHECK_CODE(busy, refused);
  CHECK(std::string_view(refused.error().message()) == immuta::status_text(immuta::status::busy));
  meanwhile = nullptr;
  CHECK(staged.commit().value().count == 1);
  CHECK(check::contents(log) == "kept,");
}

int main() { return check::run_all(); }
