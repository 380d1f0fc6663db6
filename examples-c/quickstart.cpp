/* libimmuta in one page of C++: open a log, append a record, read every record back. It is quickstart.c in C++, and
 * either may go on with the other's log.
 *
 *   quickstart-cpp [DIRECTORY]      DIRECTORY is ./log-data unless given. Run it twice: the log grows. */
#include <immuta.hpp>

#include <chrono>
#include <cstdlib>
#include <iostream>

static const char *outcome_text(immuta::outcome outcome) {
  switch (outcome) {
    case immuta::outcome::created: return "created";
    case immuta::outcome::clean: return "closed cleanly last time";
    case immuta::outcome::recovered: return "recovered after a crash";
    case immuta::outcome::adopted: return "adopted, the index file was missing";
    default: return "opened";
  }
}

static void run(const char *directory) {
  using namespace std::chrono_literals;

  /* Options are a struct; what is not set has a sensible default. */
  immuta::options how;
  how.namespaces = {"default"};
  how.reader_count = 10;

  /* Every call that can fail returns a result. value() gives what it holds, or throws immuta::error. */
  immuta::log log = immuta::log::open(directory, how).value();

  /* Namespaces have numbers, in the order of the options. What did opening this one find? */
  const std::uint32_t ns = 0;
  const immuta::report report = log.report(ns).value();
  std::cout << outcome_text(report.outcome) << ": " << report.count << " records\n";

  const immuta::appended appended = log.append(ns, "hello world").value();
  std::cout << "appended record " << appended.number << ": offset " << appended.offset << ", size "
            << appended.stored_size << '\n';

  /* Ends after two seconds without a new record. */
  immuta::stream stream = log.open_stream(ns, immuta::start::beginning()).value();
  for (auto &next : stream.records(2s)) {
    const immuta::record &record = next.value();
    std::cout << "size of the record: " << record.size() << '\n';
    std::cout << "content: " << record.text() << '\n';
    /* A record holds one of the ten descriptors until here. */
  }

  log.close().value(); /* reports a failed sync, which the destructor cannot */
}

int main(int argc, char **argv) {
  try {
    run(argc > 1 ? argv[1] : "./log-data");
    return EXIT_SUCCESS;
  } catch (const immuta::error &why) {
    why.print();
    return EXIT_FAILURE;
  }
}
