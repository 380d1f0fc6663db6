/* immuta::transaction: records staged one by one, and appended together or not at all. */
#ifndef IMMUTA_TRANSACTION_HPP
#define IMMUTA_TRANSACTION_HPP

#include <immuta/bytes.hpp>
#include <immuta/function.hpp>

#include <memory>

namespace immuta {
inline namespace IMMUTA_CXX_NAMESPACE {

/// What was appended: `number` and `offset` of the first record, `stored_size` of all payloads in bytes, and how many
/// records (`count`). See immuta_appended.
using appended = ::immuta_appended;

namespace detail {

struct rollback_txn {
  void operator()(immuta_txn *txn) const noexcept { immuta_txn_rollback(txn); }
};

}  // namespace detail

/// Records on their way into a namespace, kept in memory until the commit. No reader sees them before. There can be any
/// number of transactions at once; none blocks an append.
///
/// @code{.cpp}
/// immuta::transaction transfer = log.begin_transaction(0).value();
/// transfer.append("alice -30").value();
/// transfer.append("bob +30").value();
/// transfer.commit().value();          // both records, or neither
/// @endcode
///
/// Ownership: the object holds the transaction; it can be moved, not copied. The destructor rolls back. A codec's
/// function that commit runs must not move the object, assign to it or destroy it.
/// Threads: one at a time, else status::busy.
class transaction {
 public:
  /// No transaction.
  transaction() noexcept = default;

  /// Takes over a transaction of the C functions.
  ///
  /// @param taken  committed or rolled back by this object from now on.
  explicit transaction(immuta_txn *taken) noexcept : txn_(taken) {}

  /// Stages one record. On any error it is not staged, and the transaction goes on with those before it.
  ///
  /// @param data  the payload, copied; no bytes are a record, too.
  /// @return nothing; status::too_large, status::no_memory, status::busy, status::handle.
  [[nodiscard]] result<void> append(bytes data) {
    return detail::call(empty(), [&](immuta_error *why) {
      return immuta_txn_append(get(), data.data(), data.size(), why);
    });
  }

  /// Stages one record whose payload is in parts, which are joined.
  ///
  /// @param parts  in order, copied; no parts make an empty record.
  /// @return as append.
  [[nodiscard]] result<void> append_parts(const bytes_list &parts) {
    return detail::call(empty(), [&](immuta_error *why) {
      return immuta_txn_appendv(get(), parts.data(), parts.size(), why);
    });
  }

  /// Appends the staged records as one batch: all or none, whatever happens.
  ///
  /// Whatever the answer, the transaction is over and this object is empty, unless the answer is status::busy.
  ///
  /// @return what was appended; status::closed: the log was closed meanwhile; status::busy: another thread is using the
  ///         transaction, and nothing changed; status::handle, also in a codec's function that a commit of the same
  ///         transaction runs; else as log::append.
  ///
  /// Threads: one. Another one may be inside a call when this one begins: that is status::busy. But if this one goes
  /// through, no other thread may use the object any more.
  [[nodiscard]] result<appended> commit() {
    return detail::call<appended>(empty(), [&](appended *out, immuta_error *why) {
      const immuta_status answer = immuta_txn_commit(get(), out, why);
      // Not before the call: a thread that makes the transaction busy reads the pointer.
      if (answer != IMMUTA_E_BUSY) static_cast<void>(txn_.release());
      return answer;
    });
  }

  /// Drops the staged records: none was appended, and none will be. Without a transaction there is nothing to do.
  void rollback() noexcept { txn_.reset(); }

  /// @return whether there is a transaction: it was begun, and neither ended nor moved from.
  [[nodiscard]] explicit operator bool() const noexcept { return txn_ != nullptr; }

  /// @return the C object; null if there is none. It remains this object's.
  [[nodiscard]] immuta_txn *get() const noexcept { return txn_.get(); }

  /// Gives the transaction away; this object is empty then.
  ///
  /// @return the C object, which the caller commits or rolls back from now on; null if there is none.
  [[nodiscard]] immuta_txn *release() noexcept { return txn_.release(); }

 private:
  [[nodiscard]] const char *empty() const noexcept { return txn_ == nullptr ? "transaction" : nullptr; }

  std::unique_ptr<immuta_txn, detail::rollback_txn> txn_;
};

}  // namespace IMMUTA_CXX_NAMESPACE
}  // namespace immuta

#endif
