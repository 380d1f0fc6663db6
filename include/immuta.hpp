/* libimmuta for C++17: an embeddable append-only log, on top of immuta.h. Headers only; link with libimmuta.
 *
 * docs/cxx.md is the guide. immuta.h says in full what each call does; the files in immuta/ say how it looks in C++.
 *
 *   open, append, namespaces       log.hpp           payloads in and out          bytes.hpp
 *   transactions                   transaction.hpp   statuses, versions           status.hpp
 *   streams, event loops           stream.hpp        errors                       error.hpp, result.hpp
 *   records and batches on loan    record.hpp        functions of yours           function.hpp
 *   namespaces, limits, modes      options.hpp       timeouts                     time.hpp
 *   codecs                         codec.hpp         exceptions on or off         exceptions.hpp
 *   verify, repair, import, scan   maintenance.hpp   figures and reports          report.hpp
 *
 * Errors    A call that can fail returns immuta::result<T>. Its value() gives what the call gives, or throws
 *           immuta::error. Without exceptions, look at it first: value() of an error then ends the program.
 * Handles   log, stream, transaction, record and batch hold an object of the library each. They can be moved, not
 *           copied, and give it back when they are destroyed. An object that was closed or moved from is empty. A call
 *           on it has status::handle; an empty record or batch has no bytes.
 * Memory    Where strings and vectors take memory, they may throw std::bad_alloc, as everywhere.
 * Functions What a call is given to run may throw. The call stops, and throws the exception again when it is out of the
 *           library.
 * Threads   As in C: a log from any thread at any time, streams and transactions from one at a time.
 * Fork      As in C: in a forked child, objects of the parent have status::forked, and destroying them does nothing. */
#ifndef IMMUTA_HPP
#define IMMUTA_HPP

#include <immuta/log.hpp>
#include <immuta/maintenance.hpp>

#endif
