//! ```text
//! libimmuta: an embeddable append-only log. One writer, many readers, in one process or several; nothing lost.
//!
//! A log is a directory. Each namespace in it is an isolated sequence of records, numbered from 0. One opener at a
//! time may write. Any number of others, in any process, may open the same directory read-only and follow it.
//!
//! Status    Every call that can fail returns an immuta_status. 0 (IMMUTA_OK) is success. A positive value means that
//!           nothing failed but there is no result (IMMUTA_TIMEOUT, IMMUTA_INTERRUPTED, IMMUTA_READY). A negative value
//!           is an error. Five errors can come from any call. The lists below do not always repeat them.
//!             IMMUTA_E_ARGUMENT   A required pointer is NULL, or a size is impossible.
//!             IMMUTA_E_HANDLE     This is no such object, or it was released.
//!             IMMUTA_E_NO_MEMORY  The system refused memory. Nothing changed.
//!             IMMUTA_E_FORKED     The object was made before a fork, in the parent.
//!             IMMUTA_E_PANIC      A bug in the library, contained. The message is worth a report.
//! err       The last parameter of most calls: NULL, or a struct of the caller's. It is written on failure only. It
//!           receives a message for a person, and the namespace, record number and byte offset concerned.
//! *_out     Results. They are written on success only, and never read. They are required unless "may be NULL" is said.
//! Strings   NUL-terminated. Names are UTF-8; paths are taken byte for byte. Data with size 0 may be NULL.
//! Times     Timeouts are in nanoseconds: 0 tries once, a negative one waits for ever. Points in time are nanoseconds
//!           since 1970-01-01 UTC.
//! ns        The number of a namespace, in the order added, from 0. With a single namespace it is 0.
//! Values    The constants of a group are one enum, for example enum immuta_status_code. So debuggers and bindings know
//!           their names. Parameters and fields are integers of a fixed size, because a newer library may have more
//!           values. To switch over a group, convert: switch ((enum immuta_status_code)status). Have a default.
//! Must use  Where an ignored status can lose data, a function is marked IMMUTA_MUST_USE, and the compiler warns.
//! Ownership An object belongs to the caller from the call that makes it until the call that releases it.
//!             immuta_options_new        immuta_options_free
//!             immuta_codec_...          immuta_codec_free
//!             immuta_open               immuta_close
//!             immuta_txn_begin          immuta_txn_commit or immuta_txn_rollback
//!             immuta_stream_open...     immuta_stream_done
//!             immuta_stream_next        immuta_record_done
//!             immuta_stream_next_batch  immuta_batch_done
//!           All releasing calls but the commit accept NULL. Do not free() what the library returns. After a call the
//!           library keeps no pointer of the caller's. The exception is what the vtable of a codec leads to, until its
//!           destroy is called. Streams and records may outlive their log: streams then answer IMMUTA_E_CLOSED, records
//!           stay readable.
//! Misuse    A released object must not be used. The library often notices (IMMUTA_E_HANDLE). That is a help in finding
//!           mistakes, not a promise. Record and batch tokens are always checked, so a second done is caught.
//! Threads   Each function names its rule.
//!             any      At any time, from any threads, also on the same object.
//!             one      One thread at a time for each object. A second one gets IMMUTA_E_BUSY and changes nothing.
//!             signal   From a signal handler, too.
//! Callbacks A callback runs on the calling thread, without a library lock held. It may call the library, also on the
//!           objects in use. It may even release the log, the options and the codecs of the call around it. An append
//!           whose log was closed in this way answers IMMUTA_E_CLOSED. A stream whose codec decodes is busy: every call
//!           on it answers IMMUTA_E_BUSY. Two calls differ: immuta_stream_interrupt works, and immuta_stream_done does
//!           nothing. An object that is released already answers IMMUTA_E_HANDLE. Such an object is a transaction while
//!           it is committed, and in a codec's destroy the object whose release led to it. Callbacks must return
//!           normally. What unwinds out of a callback (an exception, pthread_exit, a cancellation) ends the process by
//!           abort(), after a message on standard error. The message is left out if the write would block. A
//!           longjmp out of a callback is undefined behaviour. A child that a callback forks must not return from the
//!           callback. If it does, the call ends in the child with an error.
//! Cancel    pthread_cancel takes effect outside the library only. A call goes on to its end, waits included; the
//!           thread ends at its next cancellation point. immuta_stream_interrupt ends a wait. This is for the deferred
//!           type, the default. PTHREAD_CANCEL_ASYNCHRONOUS must not be set during a call.
//! Fork      A forked child must not use objects made before the fork. Every call on them answers IMMUTA_E_FORKED,
//!           except that close, free and the done calls succeed and release nothing. The child may open logs of its
//!           own. The parent goes on undisturbed. From Linux 4.14 on, the same holds where no fork handler runs (_Fork,
//!           clone). But then, if the parent is killed, a log of the parent's may stay locked until the child calls the
//!           library, execs or ends. A child that shares memory or descriptors with its parent (vfork, CLONE_VM,
//!           CLONE_FILES) must not call the library.
//! Process   The library installs no signal handler, prints nothing, and never ends the process. (See Callbacks above
//!           and SIGBUS below for what can end it.) Descriptors are close-on-exec. A log has at most one thread of its
//!           own, which blocks all signals. A call takes at most 32 KiB of stack; opening (of a log or a namespace),
//!           closing and maintenance take at most 64 KiB.
//! Variables No environment variable changes what the library does. Two lines may be printed after all, on standard
//!           error: why a callback ends the process, and where a bug was that was contained (IMMUTA_E_PANIC).
//!           RUST_BACKTRACE=1 adds the calls that led to the bug.
//! Memory    If the system refuses memory, a call answers IMMUTA_E_NO_MEMORY; if it refuses a thread, IMMUTA_E_LIMIT.
//!           The call has changed nothing and lost nothing, and succeeds when there is memory again. Only a repair may
//!           have begun: run it again. If memory is refused for the message of another error, that message is shorter.
//! Files     A namespace NAME consists of files in the directory of the log. Programs other than the library only read
//!           them.
//!             NAME.log         The records. The layout is public and never changes.
//!             NAME.idx         Offset, time and checksum of each record. It is made again if it is lost.
//!             NAME.live        One page through which the writer wakes readers. It is a hint, and made again.
//!             NAME.wal         The journal of a durable writer, while the log is open and after a crash.
//!             NAME.salvage-K   What recovery or a repair cut off, or put in quarantine.
//!             NAME.idx.bad-K   An index file that gave way to a new one.
//!             NAME.wal.bad-K   A journal that a repair has used, or one of another time.
//! Structs   immuta_error, immuta_appended, immuta_slice, immuta_record and immuta_batch never change. immuta_stats and
//!           immuta_report may grow at the end. For these two the caller passes sizeof. The library fills what fits and
//!           zeroes the rest, so that either side may be the newer one.
//! Parsers   A tool that knows no attributes defines IMMUTA_PARSER before it reads this header. The file immuta.cdef is
//!           for cffi and its like: the declarations of this header without directives, attributes and comments.
//! Unloading The shared library stays loaded until the process ends; dlclose does nothing.
//!
//! How the main objects are used:
//!
//!   write    immuta_options_new, immuta_options_add_namespace, ...
//!            immuta_open(directory, options, &log, &error), immuta_options_free
//!            immuta_append(log, ns, data, size, &appended, &error), ...
//!            immuta_sync(log, ns, &error) where a record must survive a power failure now
//!            immuta_close(log, &error)
//!
//!   read     immuta_stream_open(log, ns, start, &stream, &error)
//!            immuta_stream_next(stream, timeout_ns, &record, &error): use record.data and record.size
//!            immuta_record_done(&record), then the next one
//!            immuta_stream_done(stream)
//!            immuta_close(log, &error)
//!
//!   batch    immuta_txn_begin(log, ns, &txn, &error)
//!            immuta_txn_append(txn, data, size, &error), ...
//!            immuta_txn_commit(txn, &appended, &error) or immuta_txn_rollback(txn)
//!
//! Caveats:
//!
//!   SIGBUS     With the mapping engine the host may get SIGBUS. This happens where another program cuts a file of an
//!              open log, where the device fails, or where a full disk meets a reflinked open log. IMMUTA_IO_SYSCALL
//!              never maps a file.
//!   Fast mode  A power failure loses at most what was appended since the last completed flush: about a second unless
//!              set otherwise. A kill of the process loses nothing. Durable mode loses nothing in either case.
//!   Readers    A stream lends records from a bounded pool. A thread that holds all readers of a namespace and waits
//!              for another record waits for itself. Set a deadline, or give records back first.
//!   Fork       Objects of the parent cannot be used in a child; see Fork above.
//!   Callbacks  An exception or pthread_exit out of a callback ends the process. A longjmp out of one is undefined
//!              behaviour.
//!   Network    The files belong on a local file system. One machine alone may use NFS, SMB or FUSE; the promises are
//!              then those of that file system. docs/operations.md says more.
//! ```
// The lines above are the first page of include/immuta.h, and the documentation of the exported functions is the
// rest: c-tests/header generates the header from these files. They are written for readers of C.

#![allow(non_camel_case_types, reason = "these types are spelled as in C")]
#![allow(unsafe_code, reason = "the boundary to C; each block argues its soundness")]
#![allow(clippy::missing_safety_doc, reason = "the first page is the contract of every pointer")]
#![allow(clippy::doc_markdown, reason = "the documentation becomes C comments, where backticks are noise")]
#![allow(clippy::unused_self, reason = "what a `Call` lends lives as long as it, so its methods borrow it")]

mod append;
mod callback;
mod codec;
mod error;
mod figures;
mod guard;
mod handle;
mod library;
mod log;
mod maintenance;
mod namespace;
mod options;
mod poll;
mod ptr;
mod record;
mod sink;
mod slice;
mod status;
mod stream;
mod token;
mod txn;

#[cfg(test)]
mod tests;
