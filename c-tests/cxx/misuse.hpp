/* Objects used after they were closed or moved from, in a forked child, or by C code: a status, never a crash. */
#ifndef IMMUTA_CXX_MISUSE_HPP
#define IMMUTA_CXX_MISUSE_HPP

#include "cxx/check.hpp"

#include <sys/wait.h>

namespace misuse {

using namespace std::chrono_literals;
using immuta::status;

/* The error says which object it is, and what to do. */
template <class Result>
void expect_empty(const Result &result, const char *name) {
  CHECK_CODE(handle, result);
  CHECK(check::contains(result.error().message(), name));
  CHECK(check::contains(result.error().message(), "closed or moved from"));
}

inline void every_call_on(immuta::log &log) {
  const char *name = "immuta::log";
  CHECK(!log && log.get() == nullptr && log.namespace_count() == 0);
  expect_empty(log.append(0, "x"), name);
  expect_empty(log.append_parts(0, {"x"}), name);
  expect_empty(log.append_from(0, [](void *, std::size_t) { return 0; }), name);
  expect_empty(log.append_batch(0, {"x"}), name);
  expect_empty(log.append_packed(0, "x", {1}), name);
  expect_empty(log.append_at(0, 0, {"x"}), name);
  expect_empty(log.begin_transaction(0), name);
  expect_empty(log.open_stream(0), name);
  expect_empty(log.open_stream(0, immuta::start::time({})), name);
  expect_empty(log.sync(0), name);
  expect_empty(log.add_namespace("b"), name);
  expect_empty(log.find_namespace("a"), name);
  expect_empty(log.namespace_name(0), name);
  expect_empty(log.stats(0), name);
  expect_empty(log.report(0), name);
  expect_empty(log.salvage_path(0), name);
  expect_empty(log.shutdown(), name);
  expect_empty(log.close(), name);
}

inline void every_call_on(immuta::stream &stream) {
  const char *name = "immuta::stream";
  CHECK(!stream && stream.get() == nullptr);
  expect_empty(stream.next(immuta::forever), name);
  expect_empty(stream.next_batch(1, 1, immuta::forever), name);
  expect_empty(stream.seek(0), name);
  expect_empty(stream.position(), name);
  expect_empty(stream.poll_fd(), name);
  expect_empty(stream.poll_arm(), name);
  int steps = 0;
  for (auto &next : stream.records(immuta::forever)) {
    expect_empty(next, name);
    steps++;
  }
  CHECK(steps == 1);
  CHECK(stream.interrupt() == status::argument);
  stream.close();
}

inline void every_call_on(immuta::transaction &staged) {
  const char *name = "immuta::transaction";
  CHECK(!staged && staged.get() == nullptr);
  expect_empty(staged.append("x"), name);
  expect_empty(staged.append_parts({"x"}), name);
  expect_empty(staged.commit(), name);
  staged.rollback();
}

CASE(an_object_that_was_closed_says_so) {
  immuta::log log = check::open();
  immuta::stream stream = log.open_stream(0).value();
  immuta::transaction staged = log.begin_transaction(0).value();
  stream.close();
  staged.rollback();
  CHECK_CODE(ok, log.close());
  every_call_on(log);
  every_call_on(stream);
  every_call_on(staged);
}

CASE(an_object_that_was_moved_from_says_so) {
  immuta::log log = check::open();
  immuta::stream stream = log.open_stream(0).value();
  immuta::transaction staged = log.begin_transaction(0).value();
  immuta::log moved_log = std::move(log);
  const immuta::stream moved_stream = std::move(stream);
  immuta::transaction moved_staged = std::move(staged);
  every_call_on(log);
  every_call_on(stream);
  every_call_on(staged);
  CHECK_CODE(ok, moved_staged.append("moved"));
  CHECK_CODE(ok, moved_staged.commit());
  CHECK(moved_stream.position().value() == 0);
  CHECK(check::contents(moved_log) == "moved,");
  CHECK_CODE(ok, moved_log.close());
}

CASE(an_object_that_was_never_opened_says_so) {
  immuta::log log;
  immuta::stream stream;
  immuta::transaction staged;
  every_call_on(log);
  every_call_on(stream);
  every_call_on(staged);
  const immuta::record record;
  CHECK(record.data().empty() && record.number() == 0 && !record.time());
  const immuta::batch batch;
  for (const auto &each : batch) CHECK(each.size() == 0 && false);
}

CASE(a_record_given_back_by_c_code_is_noticed) {
  immuta::log log = check::open();
  CHECK_CODE(ok, log.append_batch(0, {"one", "two"}));
  immuta::stream stream = log.open_stream(0).value();
  immuta::record record = stream.next(0s).value();
  immuta_record copy = record.get();
  CHECK(immuta_record_done(&copy) == IMMUTA_OK);
  CHECK(record.close() == status::handle);
  record = immuta::record();
}

CASE(objects_pass_from_and_to_c) {
  immuta::log log = check::open();
  CHECK_CODE(ok, log.append(0, "shared"));
  immuta::log taken(log.release());
  immuta::stream stream(taken.open_stream(0).value().release());
  immuta_record lent = stream.next(0s).value().release();
  CHECK(lent.size == 6);
  const immuta::record record(lent);
  CHECK(record.text() == "shared");
  CHECK_CODE(ok, stream.seek(0));
  immuta_batch lent_batch = stream.next_batch(1, 10, 0s).value().release();
  const immuta::batch batch(lent_batch);
  CHECK(batch.get().count == 1 && batch.size() == 1);
  immuta::transaction staged(taken.begin_transaction(0).value().release());
  CHECK_CODE(ok, staged.commit());
  immuta_codec *raw = nullptr;
  CHECK(immuta_codec_builtin(IMMUTA_CODEC_LZ4, 0, &raw, nullptr) == IMMUTA_OK);
  const immuta::codec codec(raw);
  CHECK(codec && codec.get() == raw);
}

/* Also calls without an error struct, such as position, have a message. */
CASE(a_forked_child_is_refused_and_the_parent_goes_on) {
  immuta::log log = check::open();
  CHECK_CODE(ok, log.append_batch(0, {"one", "two"}));
  immuta::stream stream = log.open_stream(0).value();
  immuta::record record = stream.next(0s).value();
  std::fflush(stdout);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    CHECK_CODE(forked, log.append(0, "child"));
    CHECK_CODE(forked, stream.next(0s));
    CHECK_CODE(forked, stream.position());
    CHECK(std::string_view(stream.position().error().message()) == immuta::status_text(status::forked));
    CHECK(record.close() == status::ok);
    stream.close();
    CHECK_CODE(ok, log.close());
    /* As most children end. A leak check at an ordinary end would find what the parent's objects own. */
    execl("/bin/true", "true", static_cast<char *>(nullptr));
    _exit(2);
  }
  int ended = 0;
  CHECK(waitpid(child, &ended, 0) == child && WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
  CHECK(record.text() == "one" && stream.next(0s).value().text() == "two");
  CHECK_CODE(ok, log.append(0, "parent"));
}

}  // namespace misuse

#endif
