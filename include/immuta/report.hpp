/* Figures of an open log, and reports of what was found. */
#ifndef IMMUTA_REPORT_HPP
#define IMMUTA_REPORT_HPP

#include <immuta/options.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace immuta {
inline namespace IMMUTA_CXX_NAMESPACE {

/// What opening, verifying or repairing a namespace came to.
enum class outcome : std::int32_t {
  created = IMMUTA_OUTCOME_CREATED,      ///< A new, empty log was created.
  clean = IMMUTA_OUTCOME_CLEAN,          ///< The log had been closed cleanly.
  recovered = IMMUTA_OUTCOME_RECOVERED,  ///< A crash left the log; its tail was verified, and mended unless read-only.
  adopted = IMMUTA_OUTCOME_ADOPTED,      ///< Records without a valid index file were indexed.
  live = IMMUTA_OUTCOME_LIVE,            ///< Opened read-only while a writer has the namespace open.
  damaged = IMMUTA_OUTCOME_DAMAGED,      ///< The finding says what is wrong; what verifies is served.
  repaired = IMMUTA_OUTCOME_REPAIRED,    ///< What the finding says was mended.
};

/// What opening, verifying, repairing or importing a namespace found. See immuta_report for each field in detail.
struct report {
  /// Copies a report of the C functions.
  ///
  /// @param from  whole, as a library of this version fills it.
  explicit report(const immuta_report &from)
      : outcome(static_cast<immuta::outcome>(from.outcome)),
        finding(static_cast<status>(from.finding)),
        count(from.count),
        header_count(from.header_count),
        recovered(from.recovered),
        adopted(from.adopted),
        trimmed_bytes(from.trimmed_bytes),
        bad_records(from.bad_records),
        first_bad_number(from.first_bad_number),
        first_bad_offset(from.first_bad_offset),
        duration(from.seconds),
        salvage(from.salvage),
        live_finding(static_cast<status>(from.live_finding)) {}

  immuta::outcome outcome;                 ///< What it came to.
  status finding;                          ///< status::ok, or what is wrong.
  std::uint64_t count;                     ///< Records in the log.
  std::uint64_t header_count;              ///< Records according to the first word of NAME.log, as it was found.
  std::uint64_t recovered;                 ///< Records found good beyond the last checkpoint.
  std::uint64_t adopted;                   ///< Records indexed now.
  std::uint64_t trimmed_bytes;             ///< Bytes cut off the end of NAME.log.
  std::uint64_t bad_records;               ///< Records found bad.
  std::uint64_t first_bad_number;          ///< The first bad record; only if first_bad_offset is not 0.
  std::uint64_t first_bad_offset;          ///< Where that record is, in bytes; 0: the finding is about no record.
  std::chrono::duration<double> duration;  ///< How long it took, in seconds.
  std::string salvage;                     ///< File that keeps what was cut off; empty if there is none.
  status live_finding;                     ///< What keeps a writer from using NAME.live; status::ok if nothing does.
};

/// The figures of one namespace. Counts of events begin when the namespace is opened. See immuta_stats.
struct stats {
  /// Copies figures of the C functions.
  ///
  /// @param from  whole, as a library of this version fills it.
  explicit stats(const immuta_stats &from)
      : count(from.count),
        durable_count(from.durable_count),
        data_bytes(from.data_bytes),
        file_bytes(from.file_bytes),
        index_bytes(from.index_bytes),
        journal_bytes(from.journal_bytes),
        readers(from.readers),
        readers_in_use(from.readers_in_use),
        streams(from.streams),
        waiters(from.waiters),
        appends(from.appends),
        commits(from.commits),
        syncs(from.syncs),
        records_read(from.records_read),
        checksum_failures(from.checksum_failures),
        mode(static_cast<immuta::mode>(from.mode)),
        engine(static_cast<io>(from.engine)),
        poisoned(from.poisoned != 0),
        read_only(from.read_only != 0) {}

  std::uint64_t count;              ///< Records that readers can see.
  std::uint64_t durable_count;      ///< Records known to be on the device.
  std::uint64_t data_bytes;         ///< Bytes of NAME.log up to the end of the last record.
  std::uint64_t file_bytes;         ///< Size of NAME.log in bytes, with room made in advance.
  std::uint64_t index_bytes;        ///< Bytes of NAME.idx.
  std::uint64_t journal_bytes;      ///< Bytes of the journal; 0 where there is none.
  std::uint64_t readers;            ///< Reader descriptors.
  std::uint64_t readers_in_use;     ///< Reader descriptors held by records and batches now.
  std::uint64_t streams;            ///< Open streams.
  std::uint64_t waiters;            ///< Calls that wait for a record now.
  std::uint64_t appends;            ///< Records appended.
  std::uint64_t commits;            ///< Single records and whole batches.
  std::uint64_t syncs;              ///< Flushes completed, and in durable mode syncs of the journal.
  std::uint64_t records_read;       ///< Records lent.
  std::uint64_t checksum_failures;  ///< Records not lent because they did not match their checksum.
  immuta::mode mode;                ///< In a read-only log, that of the last writer.
  io engine;                        ///< io::mmap or io::syscall.
  bool poisoned;                    ///< A write or sync failed: no appends until the log is opened again.
  bool read_only;                   ///< Opened read-only.
};

}  // namespace IMMUTA_CXX_NAMESPACE
}  // namespace immuta

#endif
