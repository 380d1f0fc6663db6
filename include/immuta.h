/*
 * libimmuta: an embeddable append-only log. One writer, many readers, in one process or several; nothing lost.
 *
 * A log is a directory. Each namespace in it is an isolated sequence of records, numbered from 0. One opener at a
 * time may write. Any number of others, in any process, may open the same directory read-only and follow it.
 *
 * Status    Every call that can fail returns an immuta_status. 0 (IMMUTA_OK) is success. A positive value means that
 *           nothing failed but there is no result (IMMUTA_TIMEOUT, IMMUTA_INTERRUPTED, IMMUTA_READY). A negative value
 *           is an error. Five errors can come from any call. The lists below do not always repeat them.
 *             IMMUTA_E_ARGUMENT   A required pointer is NULL, or a size is impossible.
 *             IMMUTA_E_HANDLE     This is no such object, or it was released.
 *             IMMUTA_E_NO_MEMORY  The system refused memory. Nothing changed.
 *             IMMUTA_E_FORKED     The object was made before a fork, in the parent.
 *             IMMUTA_E_PANIC      A bug in the library, contained. The message is worth a report.
 * err       The last parameter of most calls: NULL, or a struct of the caller's. It is written on failure only. It
 *           receives a message for a person, and the namespace, record number and byte offset concerned.
 * *_out     Results. They are written on success only, and never read. They are required unless "may be NULL" is said.
 * Strings   NUL-terminated. Names are UTF-8; paths are taken byte for byte. Data with size 0 may be NULL.
 * Times     Timeouts are in nanoseconds: 0 tries once, a negative one waits for ever. Points in time are nanoseconds
 *           since 1970-01-01 UTC.
 * ns        The number of a namespace, in the order added, from 0. With a single namespace it is 0.
 * Values    The constants of a group are one enum, for example enum immuta_status_code. So debuggers and bindings know
 *           their names. Parameters and fields are integers of a fixed size, because a newer library may have more
 *           values. To switch over a group, convert: switch ((enum immuta_status_code)status). Have a default.
 * Must use  Where an ignored status can lose data, a function is marked IMMUTA_MUST_USE, and the compiler warns.
 * Ownership An object belongs to the caller from the call that makes it until the call that releases it.
 *             immuta_options_new        immuta_options_free
 *             immuta_codec_...          immuta_codec_free
 *             immuta_open               immuta_close
 *             immuta_txn_begin          immuta_txn_commit or immuta_txn_rollback
 *             immuta_stream_open...     immuta_stream_done
 *             immuta_stream_next        immuta_record_done
 *             immuta_stream_next_batch  immuta_batch_done
 *           All releasing calls but the commit accept NULL. Do not free() what the library returns. After a call the
 *           library keeps no pointer of the caller's. The exception is what the vtable of a codec leads to, until its
 *           destroy is called. Streams and records may outlive their log: streams then answer IMMUTA_E_CLOSED, records
 *           stay readable.
 * Misuse    A released object must not be used. The library often notices (IMMUTA_E_HANDLE). That is a help in finding
 *           mistakes, not a promise. Record and batch tokens are always checked, so a second done is caught.
 * Threads   Each function names its rule.
 *             any      At any time, from any threads, also on the same object.
 *             one      One thread at a time for each object. A second one gets IMMUTA_E_BUSY and changes nothing.
 *             signal   From a signal handler, too.
 * Callbacks A callback runs on the calling thread, without a library lock held. It may call the library, also on the
 *           objects in use. It may even release the log, the options and the codecs of the call around it. An append
 *           whose log was closed in this way answers IMMUTA_E_CLOSED. A stream whose codec decodes is busy: every call
 *           on it answers IMMUTA_E_BUSY. Two calls differ: immuta_stream_interrupt works, and immuta_stream_done does
 *           nothing. An object that is released already answers IMMUTA_E_HANDLE. Such an object is a transaction while
 *           it is committed, and in a codec's destroy the object whose release led to it. Callbacks must return
 *           normally. What unwinds out of a callback (an exception, pthread_exit, a cancellation) ends the process by
 *           abort(), after a message on standard error. The message is left out if the write would block. A
 *           longjmp out of a callback is undefined behaviour. A child that a callback forks must not return from the
 *           callback. If it does, the call ends in the child with an error.
 * Cancel    pthread_cancel takes effect outside the library only. A call goes on to its end, waits included; the
 *           thread ends at its next cancellation point. immuta_stream_interrupt ends a wait. This is for the deferred
 *           type, the default. PTHREAD_CANCEL_ASYNCHRONOUS must not be set during a call.
 * Fork      A forked child must not use objects made before the fork. Every call on them answers IMMUTA_E_FORKED,
 *           except that close, free and the done calls succeed and release nothing. The child may open logs of its
 *           own. The parent goes on undisturbed. From Linux 4.14 on, the same holds where no fork handler runs (_Fork,
 *           clone). But then, if the parent is killed, a log of the parent's may stay locked until the child calls the
 *           library, execs or ends. A child that shares memory or descriptors with its parent (vfork, CLONE_VM,
 *           CLONE_FILES) must not call the library.
 * Process   The library installs no signal handler, prints nothing, and never ends the process. (See Callbacks above
 *           and SIGBUS below for what can end it.) Descriptors are close-on-exec. A log has at most one thread of its
 *           own, which blocks all signals. A call takes at most 32 KiB of stack; opening (of a log or a namespace),
 *           closing and maintenance take at most 64 KiB.
 * Variables No environment variable changes what the library does. Two lines may be printed after all, on standard
 *           error: why a callback ends the process, and where a bug was that was contained (IMMUTA_E_PANIC).
 *           RUST_BACKTRACE=1 adds the calls that led to the bug.
 * Memory    If the system refuses memory, a call answers IMMUTA_E_NO_MEMORY; if it refuses a thread, IMMUTA_E_LIMIT.
 *           The call has changed nothing and lost nothing, and succeeds when there is memory again. Only a repair may
 *           have begun: run it again. If memory is refused for the message of another error, that message is shorter.
 * Files     A namespace NAME consists of files in the directory of the log. Programs other than the library only read
 *           them.
 *             NAME.log         The records. The layout is public and never changes.
 *             NAME.idx         Offset, time and checksum of each record. It is made again if it is lost.
 *             NAME.live        One page through which the writer wakes readers. It is a hint, and made again.
 *             NAME.wal         The journal of a durable writer, while the log is open and after a crash.
 *             NAME.salvage-K   What recovery or a repair cut off, or put in quarantine.
 *             NAME.idx.bad-K   An index file that gave way to a new one.
 *             NAME.wal.bad-K   A journal that a repair has used, or one of another time.
 * Structs   immuta_error, immuta_appended, immuta_slice, immuta_record and immuta_batch never change. immuta_stats and
 *           immuta_report may grow at the end. For these two the caller passes sizeof. The library fills what fits and
 *           zeroes the rest, so that either side may be the newer one.
 * Parsers   A tool that knows no attributes defines IMMUTA_PARSER before it reads this header. The file immuta.cdef is
 *           for cffi and its like: the declarations of this header without directives, attributes and comments.
 * Unloading The shared library stays loaded until the process ends; dlclose does nothing.
 *
 * How the main objects are used:
 *
 *   write    immuta_options_new, immuta_options_add_namespace, ...
 *            immuta_open(directory, options, &log, &error), immuta_options_free
 *            immuta_append(log, ns, data, size, &appended, &error), ...
 *            immuta_sync(log, ns, &error) where a record must survive a power failure now
 *            immuta_close(log, &error)
 *
 *   read     immuta_stream_open(log, ns, start, &stream, &error)
 *            immuta_stream_next(stream, timeout_ns, &record, &error): use record.data and record.size
 *            immuta_record_done(&record), then the next one
 *            immuta_stream_done(stream)
 *            immuta_close(log, &error)
 *
 *   batch    immuta_txn_begin(log, ns, &txn, &error)
 *            immuta_txn_append(txn, data, size, &error), ...
 *            immuta_txn_commit(txn, &appended, &error) or immuta_txn_rollback(txn)
 *
 * Caveats:
 *
 *   SIGBUS     With the mapping engine the host may get SIGBUS. This happens where another program cuts a file of an
 *              open log, where the device fails, or where a full disk meets a reflinked open log. IMMUTA_IO_SYSCALL
 *              never maps a file.
 *   Fast mode  A power failure loses at most what was appended since the last completed flush: about a second unless
 *              set otherwise. A kill of the process loses nothing. Durable mode loses nothing in either case.
 *   Readers    A stream lends records from a bounded pool. A thread that holds all readers of a namespace and waits
 *              for another record waits for itself. Set a deadline, or give records back first.
 *   Fork       Objects of the parent cannot be used in a child; see Fork above.
 *   Callbacks  An exception or pthread_exit out of a callback ends the process. A longjmp out of one is undefined
 *              behaviour.
 *   Network    The files belong on a local file system. One machine alone may use NFS, SMB or FUSE; the promises are
 *              then those of that file system. docs/operations.md says more.
 *
 * Generated from src/ffi by c-tests/header: edit there. */

#ifndef IMMUTA_H
#define IMMUTA_H

#include <stddef.h>
#include <stdint.h>

// The version of this header; immuta_version_number() is that of the library.
#define IMMUTA_VERSION_MAJOR 0
#define IMMUTA_VERSION_MINOR 2
#define IMMUTA_VERSION_PATCH 0
#define IMMUTA_VERSION_NUMBER ((IMMUTA_VERSION_MAJOR << 16) | (IMMUTA_VERSION_MINOR << 8) | IMMUTA_VERSION_PATCH)
#define IMMUTA_VERSION_STRING "0.2.0"

// A tool that only reads declarations defines IMMUTA_PARSER before it reads this header. The rest is plain C99 then,
// and no target is refused.
#if defined(IMMUTA_PARSER)
#define IMMUTA_MUST_USE
#define IMMUTA_INT32
#else

#if !defined(__linux__)
#error "libimmuta needs Linux, whose futex and file locks it uses"
#elif UINTPTR_MAX != UINT64_MAX
#error "libimmuta needs a 64-bit target: compile without -m32 and -mx32"
#elif defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "libimmuta needs a little-endian target, as its files are little-endian"
#endif

// Marks a function whose status says whether data is safe: the compiler warns if a caller ignores it. A cast to void
// silences the warning of [[nodiscard]], but not that of GCC's attribute. Look at the status.
#if (defined(__cplusplus) && __cplusplus >= 201703L) || (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L)
#define IMMUTA_MUST_USE [[nodiscard]]
#elif defined(__GNUC__)
#define IMMUTA_MUST_USE __attribute__((warn_unused_result))
#else
#define IMMUTA_MUST_USE
#endif

// The integer type of an enum, in languages that can name it. There any int32_t may be converted to the enum, also one
// without a name.
#if (defined(__cplusplus) && __cplusplus >= 201103L) || (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L)
#define IMMUTA_INT32 : int32_t
#else
#define IMMUTA_INT32
#endif

#endif // IMMUTA_PARSER

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* ====================================================================================================================
 * OBJECTS AND ERRORS
 *
 * What calls take and answer. Each object is described once here, and used by the functions further down.
 * ================================================================================================================= */

/// The answer of a call, one of enum immuta_status_code. 0 is success. A positive value means that nothing failed but
/// there is no result. A negative value is an error. Numbers are never reused. A newer library may return numbers that
/// this header does not know.
typedef int32_t immuta_status;

/// How to open a log: namespaces, limits and modes. What is not set has its default.
///
/// Threads: one.
typedef struct immuta_options immuta_options;

/// An open log: a directory of namespaces.
///
/// Threads: any.
typedef struct immuta_log immuta_log;

/// A position in a namespace. A stream takes memory only: there can be any number of streams, waiting or not.
///
/// Threads: one, except where a function says more.
typedef struct immuta_stream immuta_stream;

/// Records on their way into a namespace, kept in memory until the commit. No reader sees them before the commit. If
/// the process ends before the commit, nothing of them is left. There can be any number of transactions at once, in one
/// namespace, too. They neither block nor see each other.
///
/// Threads: one.
typedef struct immuta_txn immuta_txn;

/// A codec, for immuta_options_add_codec. Any number of options, logs and threads may use the same codec.
///
/// Threads: any.
typedef struct immuta_codec immuta_codec;

/// Where a codec's function puts its output. The sink is valid until that function returns, on its thread only.
///
/// Threads: the one of the codec's function.
typedef struct immuta_sink immuta_sink;

/// What failed, for the program and for a person. The struct belongs to the caller, and is written on failure only.
///
/// Frozen: 512 bytes.
typedef struct immuta_error {
    /// The status returned: IMMUTA_E_*.
    int32_t code;
    /// errno of the system call that failed, or the value of the callback that failed; 0 if neither.
    int32_t os_error;
    /// The number of the namespace concerned; 0 where there is none.
    uint32_t ns;
    /// 0.
    uint32_t reserved;
    /// The number of the record concerned; 0 where there is none. With IMMUTA_E_CONFLICT: the number of the next
    /// record.
    uint64_t number;
    /// The byte offset concerned, in the file that the message names; 0 where there is none.
    uint64_t offset;
    /// One line of UTF-8, NUL-terminated: the file, what was found, and what to do next. It is for people; the wording
    /// may change. What was found and what to do next are always whole. If a path does not fit, its end is kept, after
    /// an ellipsis. Control characters and bytes that are not UTF-8 are escaped: \n, \u{1b}, \xff.
    char message[480];
} immuta_error;

/// The version of the library that is running, such as "0.2.0". The version of the header is IMMUTA_VERSION_STRING.
///
/// Returns a string that lives as long as the process.
///
/// Threads: any, signal.
const char *immuta_version(void);

/// The version as one number, to be compared with IMMUTA_VERSION_NUMBER.
///
/// A library with the same major and minor number and the same or a later patch fits this header. For programs that
/// check this, docs/c-api.md has the words.
///
/// Returns major << 16 | minor << 8 | patch.
///
/// Threads: any, signal.
uint32_t immuta_version_number(void);

/* ====================================================================================================================
 * OPTIONS
 *
 * How a log is opened: every setting has a default, so a log can be opened with NULL.
 * ================================================================================================================= */

/// How files are read and written: for immuta_options_set_io, and in immuta_stats.engine.
enum immuta_io IMMUTA_INT32 {
    /// Stores into shared mappings where the file system allows it, else system calls. Never in immuta_stats.engine.
    IMMUTA_IO_AUTO = 0,
    /// Shared mappings. Opening answers IMMUTA_E_UNSUPPORTED where they are not safe.
    IMMUTA_IO_MMAP = 1,
    /// System calls only. They are slower, but nothing that another process does to the files raises SIGBUS.
    IMMUTA_IO_SYSCALL = 2,
};

/// Makes options, all at their defaults.
///
/// Returns options for immuta_options_free, or NULL when there is no memory.
///
/// Threads: any.
immuta_options *immuta_options_new(void);

/// Releases options. A log that was opened with them does not need them any more.
///
/// options: options, or NULL.
///
/// Threads: one, and nothing may use the options afterwards.
void immuta_options_free(immuta_options *options);

/// Adds a namespace to open. The first one added has the number 0.
///
/// A writer opens what was added here, and creates what is missing. More namespaces can follow with
/// immuta_namespace_add. A read-only opener that adds none gets every namespace found in the directory, in the order of
/// their names. It passes over each file that has the name of a record file, NAME.log, and is no namespace. Such a file
/// is being made or imported, or a killed process left it half made. Or there is no NAME.idx beside it, and it is no
/// record file. Or NAME is not a legal name. immuta_namespace_scan says why.
///
/// options: options.
/// name:    1 to 200 bytes of UTF-8 without '/', control characters, a leading dot, or a dot and 20 digits at the
///          end; copied.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NAME: the name is illegal
///         IMMUTA_E_EXISTS: it was added before
///         IMMUTA_E_NO_MEMORY
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one.
immuta_status immuta_options_add_namespace(immuta_options *options, const char *name);

/// Sets how many reader descriptors each namespace has. They are opened with the log. Each record or batch that is held
/// uses one until it is done. While all are used, immuta_stream_next waits. Streams as such use none.
///
/// options: options.
/// count:   1 to 4096; 5 unless set.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: count is out of bounds
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one.
immuta_status immuta_options_set_reader_count(immuta_options *options, uint32_t count);

/// Sets when an append counts as written. In either mode an append that returned survives the death of the process.
///
/// Fast (1): a power failure costs at most what was appended since the last completed flush, and leaves whole batches
/// only.
///
/// Durable (0): a power failure costs no append that returned. Each append waits for the device, once for all threads
/// that append at the same time. Readers see a record only when it is durable. While the log is open, a journal,
/// NAME.wal, lies beside the records: see immuta_options_set_journal_size.
///
/// A log may be opened in the other mode the next time. Read-only logs ignore this setting.
///
/// options: options.
/// on:      1 fast, 0 durable; 1 unless set.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: neither 0 nor 1
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one.
immuta_status immuta_options_set_fast_write(immuta_options *options, int32_t on);

/// Sets how often a fast writer flushes, while there is something to flush.
///
/// options:     options.
/// interval_ns: nanoseconds, 0 or more; one second unless set. 0: time causes no flush. The writer still flushes by
///              size, with immuta_sync and at the close.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: negative
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one.
immuta_status immuta_options_set_flush_interval(immuta_options *options, int64_t interval_ns);

/// Makes a fast writer flush also when this many bytes were appended since the last flush.
///
/// options: options.
/// bytes:   of records; 0 unless set. 0: no such limit. The writer still flushes at least every GiB.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one.
immuta_status immuta_options_set_flush_bytes(immuta_options *options, uint64_t bytes);

/// Sets the largest record. A larger one is neither appended nor read: IMMUTA_E_TOO_LARGE. With codecs this is the
/// limit of what is appended, of what is stored, and of what each codec makes on the way. No more is ever allocated.
///
/// options: options.
/// bytes:   1 to 2^47 - 1; 64 MiB unless set.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: out of bounds
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one.
immuta_status immuta_options_set_max_record_size(immuta_options *options, uint64_t bytes);

/// Sets the size of a durable writer's journal. Each namespace has one journal, NAME.wal. It is written when the log is
/// opened, and removed when the log is closed cleanly. Fast writers and read-only logs ignore this setting.
///
/// A journal has two halves. While the records of one half are brought to their place, the other half is filled. With a
/// longer journal, appends wait less often for that. A commit larger than a half is made durable in its place instead,
/// which takes two syncs more.
///
/// options: options.
/// bytes:   65536 (64 KiB) to 1073741824 (1 GiB), rounded up to a multiple of 8192; 16 MiB unless set.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: out of bounds
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one.
immuta_status immuta_options_set_journal_size(immuta_options *options, uint64_t bytes);

/// Sets how the files are read and written.
///
/// options: options.
/// engine:  IMMUTA_IO_AUTO unless set, IMMUTA_IO_MMAP or IMMUTA_IO_SYSCALL.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: none of these
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one.
immuta_status immuta_options_set_io(immuta_options *options, int32_t engine);

/// Sets whether the log is only read. Any number of readers, in any process, may follow a log while a writer has it
/// open. A read-only log needs no permission to write, and works on a read-only file system. On disk it changes nothing
/// but NAME.live, the page through which readers are woken.
///
/// options: options.
/// on:      1 read-only, 0 for writing; 0 unless set.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: neither 0 nor 1
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one.
immuta_status immuta_options_set_read_only(immuta_options *options, int32_t on);

/// Sets whether every record read is checked against its checksum.
///
/// options: options.
/// on:      1 checked, 0 not; 1 unless set. With 0, records carry IMMUTA_RECORD_UNVERIFIED.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: neither 0 nor 1
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one.
immuta_status immuta_options_set_verify_reads(immuta_options *options, int32_t on);

/// Adds a codec to the chain that payloads go through. Payloads are encoded in the order added, and decoded in reverse.
/// All namespaces opened with these options have this chain.
///
/// The ids of a log's chain are recorded when the log is created, and do not change. Each opener names the same codecs
/// in the same order, or none. If an opener names none, it gets the recorded codecs at their default levels, provided
/// that all of them are built in. Anything else is IMMUTA_E_CODEC.
///
/// The chain of an adopted log (see IMMUTA_OUTCOME_ADOPTED) is unknown until the first append. Until then each opener
/// reads the log with the codecs that it names.
///
/// options: options.
/// codec:   a codec. The options keep hold of it, so the caller may release it.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: there are 16 already
///         IMMUTA_E_NO_MEMORY
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one; the codec is for any.
immuta_status immuta_options_add_codec(immuta_options *options, immuta_codec *codec);

/// Says what was wrong with the last call that refused to set or add something, and what is allowed. A refused call
/// changed nothing, so a log can be opened with the options as they were.
///
/// options: options.
/// err:     NULL, or written if a call was refused.
///
/// Returns IMMUTA_OK: none was refused
///         else the status that the last refused call answered, even if later calls succeeded
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: one.
immuta_status immuta_options_error(const immuta_options *options, immuta_error *err);

/* ====================================================================================================================
 * OPEN AND CLOSE
 *
 * A log is a directory; its namespaces are opened with it, or added later.
 * ================================================================================================================= */

/// Called for one file in a log's directory that has the name of a record file, NAME.log.
///
/// user:    what the caller passed along.
/// name:    the name of the namespace; UTF-8, valid during this call.
/// status:  IMMUTA_OK: a read-only log would open this namespace. Else the reason why it would not, as immuta_open
///          answers. IMMUTA_E_NOT_FOUND: the namespace is being made, or its maker was killed. It becomes a namespace
///          when it is whole, or when a writer opens it. IMMUTA_E_NOT_REGULAR, IMMUTA_E_LAYOUT and others: the file is
///          something else, or damaged.
/// message: the same for a person, valid during this call; "" with IMMUTA_OK.
///
/// Returns 0 to go on, anything else to stop.
typedef int32_t (*immuta_found_fn)(void *user, const char *name, immuta_status status, const char *message);

/// Opens a log: all the namespaces of the options, or none.
///
/// A writer creates what is missing, the directory and those above it included. It mends what a crash left;
/// immuta_report_get says what was found. Files that are damaged, foreign or ambiguous are refused and not changed.
///
/// A namespace that is created exists for all processes from the moment it is whole. If its creation is refused, what
/// was made of it is removed. Directories stay. Namespaces that were created before the refused one stay, too, and are
/// empty.
///
/// The umask decides the mode of a new record file. Everything made beside a record file has the owner, group, mode and
/// access list of that file, as far as the process may give them. Users who may not open the record file cannot open it
/// at any moment.
///
/// directory: path of the log. Later changes of the working directory do not matter.
/// options:   copied; NULL for defaults: for writing, with no namespace yet.
/// log_out:   the log, for immuta_close.
/// err:       NULL, or written on failure only; ns says which namespace.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_LOCKED: another writer has a namespace open. Or a process holds a read lock on its record file; the
///             message then says so
///         IMMUTA_E_ARGUMENT: the path is empty, or the path or a name is longer than the system takes
///         IMMUTA_E_NOT_FOUND: read-only, and the directory or a record file is not there, or not whole yet. Also: the
///             directory, or a file, was removed during the call
///         IMMUTA_E_REPLACED: the files were replaced during the call; open them again
///         IMMUTA_E_MISSING: a record file is gone, and its index file or its journal knows records, or the index file
///             cannot be read to find out. Or a record file is shorter than its count, and the journal goes on after
///             it, or the index file cannot be read
///         IMMUTA_E_PERMISSION, IMMUTA_E_READ_ONLY: the system denies access, or the file system is read-only
///         IMMUTA_E_NOT_REGULAR: the directory, or one above it, is no directory; or a file is no regular file
///         IMMUTA_E_UNSUPPORTED: this file system has no locks, or no safe mappings where the options ask for them. Or
///             the file system, the kernel or a sandbox does not know a call that is needed
///         IMMUTA_E_NO_SPACE, IMMUTA_E_NO_MEMORY, IMMUTA_E_LIMIT, IMMUTA_E_IO: the system refused
///         IMMUTA_E_TOO_LARGE: read-only, and there are more than 16777216 records without an index file that knows
///             them all. They would be indexed in memory. If the log is opened for writing once, they are indexed on
///             disk
///         IMMUTA_E_CORRUPT, IMMUTA_E_TRUNCATED: records that were synced are damaged or gone. A read-only log is
///             opened all the same, and serves what verifies
///         IMMUTA_E_LAYOUT, IMMUTA_E_AMBIGUOUS, IMMUTA_E_VERSION, IMMUTA_E_MISMATCH: the files are not, or may not be,
///             what this library can write
///         IMMUTA_E_LAYOUT with err->offset 8: a program that writes a 16-byte header has appended to this log.
///             immuta_repair brings every record back
///         IMMUTA_E_CODEC: the log has other codecs than the options, or ones that must be named
///             (immuta_options_add_codec). The answer is IMMUTA_E_UNSUPPORTED if one of them is not in this build of
///             the library
///         IMMUTA_E_EXISTS: too many files were set aside as NAME.salvage-K, NAME.idx.bad-K or NAME.wal.bad-K; remove
///             some
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Ownership: the log is the caller's until immuta_close.
///
/// Threads: any.
IMMUTA_MUST_USE
immuta_status immuta_open(const char *directory,
                          const immuta_options *options,
                          immuta_log **log_out,
                          immuta_error *err);

/// Ends all use of a log. Waits end. Appends and streams answer IMMUTA_E_CLOSED from now on. Everything is flushed, and
/// the files are closed cleanly. Records on loan stay valid. The log itself remains, for immuta_close.
///
/// log: an open log. If it was shut down before, there is nothing left to do, and the answer is that of the first
///      time.
/// err: NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_POISONED, IMMUTA_E_IO: not everything reached the disk. Or a file of the log was removed, moved or
///             closed from outside the library; the message then says so. The next writer to open the log recovers it
///         IMMUTA_E_NO_SPACE: the file size limit of the process is below what is to be written. Every record is on the
///             device, and the next writer recovers the records.
///
/// Threads: any.
IMMUTA_MUST_USE immuta_status immuta_shutdown(immuta_log *log, immuta_error *err);

/// Shuts a log down, if that has not been done, and releases it. Streams and records may be released later.
///
/// log: a log that no other thread is calling with, or NULL. To get there: call immuta_shutdown, wait for the
///      threads, then call this. The log is released whatever the answer is.
/// err: NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         else what immuta_shutdown answers.
///
/// Threads: one, and nothing may use the log afterwards.
IMMUTA_MUST_USE immuta_status immuta_close(immuta_log *log, immuta_error *err);

/// Flushes a namespace now. When this returns IMMUTA_OK, every append that returned before the call is on the device.
/// In durable mode each append was on the device already. There this call brings the records to their place, so that
/// nothing of the journal is needed any more.
///
/// log: an open log.
/// ns:  number of the namespace.
/// err: NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NAMESPACE: no such namespace
///         IMMUTA_E_READ_ONLY: the log was opened read-only
///         IMMUTA_E_CLOSED: it was shut down
///         IMMUTA_E_POISONED, IMMUTA_E_IO: a write or sync failed, now or earlier. Or a file of the log was removed,
///             moved or closed from outside the library; the message then says so. The namespace takes no more appends
///             until the log is opened again
///         IMMUTA_E_NO_SPACE: the file size limit of the process is below what is to be written. The records are on the
///             device; the next flush counts them (immuta_stats.durable_count).
///
/// Threads: any.
IMMUTA_MUST_USE immuta_status immuta_sync(immuta_log *log, uint32_t ns, immuta_error *err);

/// Adds a namespace to an open log. A writer creates the namespace if it is missing, as a whole or not at all. With
/// this call a read-only log opens a namespace that was made after the log was opened.
///
/// log:    an open log.
/// name:   1 to 200 bytes of UTF-8 without '/', control characters, a leading dot, or a dot and 20 digits at the
///         end; copied.
/// ns_out: its number.
/// err:    NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NAME: the name is illegal
///         IMMUTA_E_EXISTS: the log has this namespace open
///         IMMUTA_E_CLOSED: the log was shut down
///         else what immuta_open answers for this namespace.
///
/// Threads: any.
immuta_status immuta_namespace_add(immuta_log *log,
                                   const char *name,
                                   uint32_t *ns_out,
                                   immuta_error *err);

/// Lists the namespaces in a directory. A file that has the name of a record file and is no namespace is listed, too,
/// with the reason. Nothing is changed.
///
/// Nothing watches a directory for namespaces that are made later. List them again, and add them with
/// immuta_namespace_add.
///
/// directory: path of the log.
/// options:   the engine, and the codecs, whose ids are compared; copied; NULL for defaults.
/// found:     called for each NAME.log, in the order of the names.
/// user:      passed to found.
/// err:       NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NOT_FOUND, IMMUTA_E_NOT_REGULAR, IMMUTA_E_PERMISSION: there is no directory, or it cannot be read
///         IMMUTA_E_IO, IMMUTA_E_NO_MEMORY, IMMUTA_E_LIMIT, IMMUTA_E_UNSUPPORTED: the system refused
///         IMMUTA_E_CANCELLED: found asked to stop
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: any.
immuta_status immuta_namespace_scan(const char *directory,
                                    const immuta_options *options,
                                    immuta_found_fn found,
                                    void *user,
                                    immuta_error *err);

/// Finds an open namespace by its name.
///
/// log:    an open log.
/// name:   the name.
/// ns_out: its number.
/// err:    NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NAMESPACE: the log has no namespace of this name open.
///
/// Threads: any.
immuta_status immuta_namespace_find(const immuta_log *log,
                                    const char *name,
                                    uint32_t *ns_out,
                                    immuta_error *err);

/// How many namespaces are open. Their numbers are 0 to this count minus 1.
///
/// log: an open log.
///
/// Returns the count; 0 also for what is not a log, and in a forked child.
///
/// Threads: any.
uint32_t immuta_namespace_count(const immuta_log *log);

/// Copies the name of a namespace.
///
/// log:      an open log.
/// ns:       number of the namespace.
/// buffer:   receives the name and a NUL.
/// capacity: of the buffer, in bytes; 201 is always enough.
/// err:      NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NAMESPACE: no such namespace
///         IMMUTA_E_ARGUMENT: the buffer is too small, nothing was written.
///
/// Threads: any.
immuta_status immuta_namespace_name(const immuta_log *log,
                                    uint32_t ns,
                                    char *buffer,
                                    size_t capacity,
                                    immuta_error *err);

/* ====================================================================================================================
 * APPEND
 *
 * One record or many, all or none; from any number of threads.
 * ================================================================================================================= */

/// What was appended. After an append of no records, number and offset are those of the next record, and the other
/// fields are 0.
///
/// Frozen: 32 bytes.
typedef struct immuta_appended {
    /// Number of the first record appended, counted from 0.
    uint64_t number;
    /// Offset of that record's size word in NAME.log, in bytes.
    uint64_t offset;
    /// The stored size of all payloads together, in bytes.
    uint64_t stored_size;
    /// Records appended.
    uint64_t count;
} immuta_appended;

/// Gives the next piece of a record's payload.
///
/// user:     what the caller of immuta_append_from passed.
/// buffer:   where the bytes go.
/// capacity: of the buffer, in bytes, at least 1.
///
/// Returns how many bytes it put there, 1 to capacity; 0 at the end of the payload; a negative value to give up. If it
/// gives up, nothing is appended, and the value comes back as os_error.
typedef int64_t (*immuta_read_fn)(void *user, void *buffer, size_t capacity);

/// Bytes of the caller's.
///
/// Frozen: 16 bytes.
typedef struct immuta_slice {
    /// The first byte; may be NULL when size is 0.
    const void *data;
    /// In bytes.
    size_t size;
} immuta_slice;

/// Appends one record. When this call succeeds, readers see the record, and it survives the death of the process. In
/// durable mode (immuta_options_set_fast_write) it survives a power failure as well.
///
/// The statuses below are those of all appends.
///
/// log:          an open log.
/// ns:           number of the namespace.
/// data:         the payload, copied; may be NULL when size is 0.
/// size:         of the payload, in bytes; 0 is a record, too.
/// appended_out: may be NULL.
/// err:          NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NAMESPACE: no such namespace
///         IMMUTA_E_READ_ONLY: the log was opened read-only
///         IMMUTA_E_TOO_LARGE: a record is larger than max_record_size, before its codecs or after any of them. Or the
///             log would be larger than 2^47 bytes
///         IMMUTA_E_CODEC_FAILED: a codec failed; os_error is the value that a function of the caller's returned
///         IMMUTA_E_CORRUPT: the index file no longer says which codecs an adopted log has
///         IMMUTA_E_NO_SPACE: no room on the disk, in the quota or below the file size limit. The same append succeeds
///             once there is room
///         IMMUTA_E_NO_MEMORY, IMMUTA_E_LIMIT, IMMUTA_E_PERMISSION, IMMUTA_E_UNSUPPORTED, IMMUTA_E_REPLACED: the system
///             refused memory, a mapping, a thread or to make room, see the message. Nothing was written
///         IMMUTA_E_CLOSED: the log was shut down
///         IMMUTA_E_POISONED: an earlier write or sync failed. Reads go on; open the log again to append. If the
///             failure came while this append was in flight, the message says that the record may or may not be there
///         IMMUTA_E_IO: this write failed, or a file of the log was found to be removed, moved or closed from outside
///             the library. The namespace is poisoned now; the message says whether the record may be there. Or nothing
///             changed: the system did not say whether the files are in place, or making room failed.
///             immuta_stats.poisoned shows which it was.
///
/// Whatever the error, nothing was appended, unless the message of IMMUTA_E_IO, IMMUTA_E_POISONED or IMMUTA_E_PANIC
/// says otherwise.
///
/// Threads: any; appends happen one after the other.
IMMUTA_MUST_USE
immuta_status immuta_append(immuta_log *log,
                            uint32_t ns,
                            const void *data,
                            size_t size,
                            immuta_appended *appended_out,
                            immuta_error *err);

/// Appends one record whose payload is in parts, which are joined.
///
/// log:          an open log.
/// ns:           number of the namespace.
/// parts:        the parts in order, copied; may be NULL when part_count is 0.
/// part_count:   how many; 0 makes one empty record.
/// appended_out: may be NULL.
/// err:          NULL, or written on failure only.
///
/// Returns what immuta_append returns.
///
/// Threads: any.
IMMUTA_MUST_USE
immuta_status immuta_appendv(immuta_log *log,
                             uint32_t ns,
                             const immuta_slice *parts,
                             size_t part_count,
                             immuta_appended *appended_out,
                             immuta_error *err);

/// Appends one record whose payload a callback gives piece by piece. The payload is collected in memory first, so other
/// appends do not wait for the callback. The callback may use the library, this log included. It may even close the
/// log; then the answer is IMMUTA_E_CLOSED.
///
/// log:          an open log.
/// ns:           number of the namespace.
/// read:         called until it returns 0 or less.
/// user:         passed to read.
/// appended_out: may be NULL.
/// err:          NULL, or written on failure only.
///
/// Returns what immuta_append returns
///         IMMUTA_E_CALLBACK: the callback gave up (os_error is its value, or INT32_MIN for a lower one), or it claimed
///             more bytes than the buffer has.
///
/// Threads: any.
IMMUTA_MUST_USE
immuta_status immuta_append_from(immuta_log *log,
                                 uint32_t ns,
                                 immuta_read_fn read,
                                 void *user,
                                 immuta_appended *appended_out,
                                 immuta_error *err);

/// Appends many records as one batch: all or none, whatever happens. Readers see all of them at once.
///
/// log:          an open log.
/// ns:           number of the namespace.
/// records:      the payloads in order, copied; may be NULL when count is 0.
/// count:        how many; 0 appends nothing.
/// appended_out: may be NULL.
/// err:          NULL, or written on failure only.
///
/// Returns what immuta_append returns.
///
/// Threads: any.
IMMUTA_MUST_USE
immuta_status immuta_append_batch(immuta_log *log,
                                  uint32_t ns,
                                  const immuta_slice *records,
                                  size_t count,
                                  immuta_appended *appended_out,
                                  immuta_error *err);

/// Appends many records as one batch, as immuta_append_batch does, from payloads that lie one after the other. This is
/// for callers that cannot easily make a list of pointers.
///
/// log:          an open log.
/// ns:           number of the namespace.
/// data:         the payloads, copied; may be NULL when the sizes sum up to 0.
/// sizes:        of each payload, in bytes; may be NULL when count is 0.
/// count:        how many; 0 appends nothing.
/// appended_out: may be NULL.
/// err:          NULL, or written on failure only.
///
/// Returns what immuta_append returns.
///
/// Threads: any.
IMMUTA_MUST_USE
immuta_status immuta_append_packed(immuta_log *log,
                                   uint32_t ns,
                                   const void *data,
                                   const size_t *sizes,
                                   size_t count,
                                   immuta_appended *appended_out,
                                   immuta_error *err);

/// Appends many records as one batch, as immuta_append_batch does, if the first of them gets a given number. A producer
/// may not know whether its last append succeeded. With this call it can repeat the append, and the append happens
/// once.
///
/// log:          an open log.
/// ns:           number of the namespace.
/// number:       the number that the first record must get.
/// records:      the payloads in order, copied; may be NULL when count is 0.
/// count:        how many; 0 appends nothing, but checks the number.
/// appended_out: may be NULL.
/// err:          NULL, or written on failure only.
///
/// Returns what immuta_append returns
///         IMMUTA_E_CONFLICT: the next record has another number, given in err->number.
///
/// Threads: any.
IMMUTA_MUST_USE
immuta_status immuta_append_at(immuta_log *log,
                               uint32_t ns,
                               uint64_t number,
                               const immuta_slice *records,
                               size_t count,
                               immuta_appended *appended_out,
                               immuta_error *err);

/* ====================================================================================================================
 * TRANSACTIONS
 *
 * Records staged one by one in memory, and appended together or not at all.
 * ================================================================================================================= */

/// Begins a transaction. A transaction takes memory only, and blocks no append.
///
/// log:     an open log.
/// ns:      number of the namespace.
/// txn_out: the transaction, for immuta_txn_commit or immuta_txn_rollback.
/// err:     NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NAMESPACE: no such namespace
///         IMMUTA_E_READ_ONLY: the log was opened read-only
///         IMMUTA_E_CLOSED: it was shut down
///         IMMUTA_E_NO_MEMORY.
///
/// Ownership: the transaction is the caller's until commit or rollback takes it back, also after the log is closed.
///
/// Threads: any.
immuta_status immuta_txn_begin(immuta_log *log,
                               uint32_t ns,
                               immuta_txn **txn_out,
                               immuta_error *err);

/// Stages one record. On any error this record is not staged, and the transaction goes on with those before it.
///
/// txn:  a transaction.
/// data: the payload, copied; may be NULL when size is 0.
/// size: of the payload, in bytes; 0 is a record, too.
/// err:  NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_TOO_LARGE: the record is larger than max_record_size
///         IMMUTA_E_NO_MEMORY: the staged records need more memory than there is
///         IMMUTA_E_BUSY: another thread is using the transaction.
///
/// Threads: one.
IMMUTA_MUST_USE
immuta_status immuta_txn_append(immuta_txn *txn,
                                const void *data,
                                size_t size,
                                immuta_error *err);

/// Stages one record whose payload is in parts, which are joined.
///
/// txn:        a transaction.
/// parts:      the parts in order, copied; may be NULL when part_count is 0.
/// part_count: how many; 0 makes one empty record.
/// err:        NULL, or written on failure only.
///
/// Returns what immuta_txn_append returns.
///
/// Threads: one.
IMMUTA_MUST_USE
immuta_status immuta_txn_appendv(immuta_txn *txn,
                                 const immuta_slice *parts,
                                 size_t part_count,
                                 immuta_error *err);

/// Appends the staged records as one batch, as immuta_append_batch does: all or none, whatever happens. Readers see all
/// of them at once. The last record carries IMMUTA_RECORD_BATCH_END.
///
/// The call releases the transaction, unless the answer is IMMUTA_E_BUSY. If nothing was appended, its records are
/// gone; trying again begins with immuta_txn_begin.
///
/// txn:          a transaction that no other thread is using. In a codec's function that this call runs, the
///               transaction is released already: IMMUTA_E_HANDLE.
/// appended_out: may be NULL. For a transaction without records the count is 0, and nothing was appended.
/// err:          NULL, or written on failure only.
///
/// Returns what immuta_append returns
///         IMMUTA_E_CLOSED: also if the log was closed after the transaction began
///         IMMUTA_E_BUSY: another thread is using the transaction; nothing was changed.
///
/// Threads: one, and nothing may use the transaction afterwards.
IMMUTA_MUST_USE
immuta_status immuta_txn_commit(immuta_txn *txn,
                                immuta_appended *appended_out,
                                immuta_error *err);

/// Releases a transaction. None of its records was appended, and none will be.
///
/// txn: a transaction that no other thread is using, or NULL.
///
/// Threads: one, and nothing may use the transaction afterwards.
void immuta_txn_rollback(immuta_txn *txn);

/* ====================================================================================================================
 * STREAMS
 *
 * A position in a namespace, which waits for records that are not there yet and lends those that are.
 * ================================================================================================================= */

/// A record on loan, from immuta_stream_next until immuta_record_done. It uses one reader descriptor meanwhile. It may
/// outlive its stream and its log. Many threads may read it. It may be copied and moved. Give back only one copy.
///
/// Frozen: 64 bytes.
typedef struct immuta_record {
    /// The payload, read-only, valid until done. Never NULL, also when size is 0. Not aligned.
    const void *data;
    /// Size of the payload, in bytes.
    size_t size;
    /// The stored size of the payload, in bytes; the same as size in a log without codecs.
    uint64_t stored_size;
    /// Counted from 0.
    uint64_t number;
    /// Offset of the record's size word in NAME.log, in bytes.
    uint64_t offset;
    /// When it was appended; never decreasing from record to record. 0: unknown.
    int64_t time_ns;
    /// IMMUTA_RECORD_*.
    uint64_t flags;
    /// For the library's use; 0 in a record of a batch.
    uint64_t token;
} immuta_record;

/// Records that follow each other, on loan from immuta_stream_next_batch until immuta_batch_done. Together they use one
/// reader descriptor.
///
/// Frozen: 32 bytes.
typedef struct immuta_batch {
    /// The records, read-only, valid until the batch is done; they are not done one by one.
    const immuta_record *records;
    /// How many, at least 1.
    size_t count;
    /// 0.
    uint64_t reserved;
    /// For the library's use.
    uint64_t token;
} immuta_batch;

/// Opens a stream at a number.
///
/// log:        an open log.
/// ns:         number of the namespace.
/// start:      0: from the first record. N > 0: from record N, skipping the first N. If there are fewer, the stream
///             waits for record N. Negative: only what is appended after this call.
/// stream_out: the stream, for immuta_stream_done.
/// err:        NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NAMESPACE: no such namespace
///         IMMUTA_E_CLOSED: the log was shut down
///         IMMUTA_E_NO_MEMORY
///         read-only also what immuta_stream_next answers for files that cannot be read or were replaced.
///
/// Threads: any.
immuta_status immuta_stream_open(immuta_log *log,
                                 uint32_t ns,
                                 int64_t start,
                                 immuta_stream **stream_out,
                                 immuta_error *err);

/// Opens a stream at a time.
///
/// log:        an open log.
/// ns:         number of the namespace.
/// time_ns:    nanoseconds since 1970 UTC. The stream begins with the first record appended at this time or later. If
///             there is none, the stream waits for the next record. Records whose time is unknown (0) count as older
///             than any other.
/// stream_out: the stream, for immuta_stream_done.
/// err:        NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NAMESPACE: no such namespace
///         IMMUTA_E_CLOSED: the log was shut down
///         IMMUTA_E_NO_MEMORY
///         IMMUTA_E_CORRUPT: an index entry on the way is damaged
///         else what immuta_stream_next answers for files that cannot be read or were replaced.
///
/// Threads: any.
immuta_status immuta_stream_open_at_time(immuta_log *log,
                                         uint32_t ns,
                                         int64_t time_ns,
                                         immuta_stream **stream_out,
                                         immuta_error *err);

/// Waits for the next record and lends it to the caller.
///
/// The wait needs no descriptor. When there is a record, the call takes a reader descriptor for it. If all are held,
/// the call waits for one, until the same deadline. While it waits for a descriptor, it looks for an interrupt once a
/// second only. That wait ends at once when a descriptor is given back, at the deadline, and when the log is shut down.
///
/// A thread can deadlock itself: it holds records of a namespace, and waits here without a deadline while all reader
/// descriptors of the namespace are held. Give records back first, allow more readers
/// (immuta_options_set_reader_count), or set a deadline.
///
/// On any error the position stays, so the call can be made again. immuta_stream_seek passes over a bad record.
///
/// stream:     a stream.
/// timeout_ns: nanoseconds; 0 tries once, negative waits for ever.
/// record_out: the record, for immuta_record_done.
/// err:        NULL, or written on failure only; number and offset name the record.
///
/// Returns IMMUTA_OK: the stream is now positioned after this record
///         IMMUTA_TIMEOUT: no record before the deadline
///         IMMUTA_INTERRUPTED: immuta_stream_interrupt was called
///         IMMUTA_E_POOL: there is a record, but every reader descriptor was held until the deadline
///         IMMUTA_E_CLOSED: the log was shut down
///         IMMUTA_E_CORRUPT: the record does not match its checksum, or its index entry is damaged
///         IMMUTA_E_TRUNCATED: the record file ends before the record does
///         IMMUTA_E_TOO_LARGE: the record is larger than max_record_size, stored, decoded or between two codecs
///         IMMUTA_E_CODEC_FAILED: a codec failed to decode it; os_error is the value that a function of the caller's
///             returned
///         IMMUTA_E_CODEC: read-only, and an adopted log was appended to with codecs that had to be named
///         IMMUTA_E_REPLACED: the files were replaced or rolled back below the position
///         IMMUTA_E_IO, IMMUTA_E_PERMISSION, IMMUTA_E_LIMIT, IMMUTA_E_NO_MEMORY, IMMUTA_E_UNSUPPORTED,
///             IMMUTA_E_NOT_FOUND: the system refused, see the message
///         IMMUTA_E_BUSY: another thread is using the stream.
///
/// Ownership: the record is the caller's until immuta_record_done, also after the stream and the log are gone.
///
/// Threads: one.
immuta_status immuta_stream_next(immuta_stream *stream,
                                 int64_t timeout_ns,
                                 immuta_record *record_out,
                                 immuta_error *err);

/// Waits for the next records and lends them to the caller, as many as there are within the limits.
///
/// The call works as immuta_stream_next does, with one reader descriptor for all of the records. While the call waits
/// for that descriptor, it looks for an interrupt once a second only. It does not wait for more records when there is
/// one. If a record on the way is bad, the good ones before it are lent, and the next call fails.
///
/// stream:      a stream.
/// max_records: 1 or more.
/// max_bytes:   of payloads together, decoded and as stored, 1 or more. The first record is lent even if it alone is
///              larger.
/// timeout_ns:  nanoseconds; 0 tries once, negative waits for ever.
/// batch_out:   the records, for immuta_batch_done.
/// err:         NULL, or written on failure only; number and offset name the record.
///
/// Returns IMMUTA_OK: the stream is now positioned after the last of these records
///         IMMUTA_E_ARGUMENT: max_records or max_bytes is 0
///         else as immuta_stream_next does.
///
/// Ownership: the batch is the caller's until immuta_batch_done, also after the stream and the log are gone.
///
/// Threads: one.
immuta_status immuta_stream_next_batch(immuta_stream *stream,
                                       size_t max_records,
                                       size_t max_bytes,
                                       int64_t timeout_ns,
                                       immuta_batch *batch_out,
                                       immuta_error *err);

/// Moves a stream, forwards or backwards. This does not affect records on loan.
///
/// stream: a stream.
/// number: of the record that comes next. If it does not exist yet, the stream waits for it. To pass over a bad record,
///         give its number + 1.
/// err:    NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_BUSY: another thread is using the stream.
///
/// Threads: one.
immuta_status immuta_stream_seek(immuta_stream *stream, uint64_t number, immuta_error *err);

/// Says which record comes next.
///
/// stream:     a stream.
/// number_out: the number of the record that immuta_stream_next would lend.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_BUSY: another thread is using the stream.
///
/// Threads: one.
immuta_status immuta_stream_position(const immuta_stream *stream, uint64_t *number_out);

/// Ends a wait. If an immuta_stream_next or immuta_stream_next_batch is waiting for a record now, it answers
/// IMMUTA_INTERRUPTED at once. Else the next of these calls does. Only one answers so, however often
/// immuta_stream_interrupt was called before. The stream goes on from where it is. If the stream has a descriptor for
/// event loops, the descriptor becomes readable.
///
/// A call that waits for a reader descriptor (there is a record, and all descriptors are held) looks for an interrupt
/// once a second. So it answers IMMUTA_INTERRUPTED up to a second later. If it gets a descriptor or reaches its
/// deadline before that, it answers as without the interrupt, which is then for the next call.
///
/// stream: a stream that is not done before this call returns.
///
/// Returns IMMUTA_OK.
///
/// Threads: any, signal.
immuta_status immuta_stream_interrupt(immuta_stream *stream);

/// Releases a stream. Records and batches it lent stay valid until they are done.
///
/// stream: a stream that no other thread is using, or NULL. To end another thread's wait, call immuta_stream_interrupt,
///         then wait for that thread. While a call is inside the stream, as in a codec's function that it runs,
///         immuta_stream_done does nothing. The stream then remains, to be released later.
///
/// Threads: one, and nothing may use the stream afterwards.
void immuta_stream_done(immuta_stream *stream);

/* ====================================================================================================================
 * RECORDS
 *
 * What a stream has lent, and how it is given back.
 * ================================================================================================================= */

/// In immuta_record.flags, combined with |.
enum immuta_record_flag IMMUTA_INT32 {
    /// The last record of its batch. A record appended alone is a batch of one.
    IMMUTA_RECORD_BATCH_END = 1,
    /// Indexed later, so there is no checksum from the time of writing.
    IMMUTA_RECORD_ADOPTED = 2,
    /// The checksum was not checked, as the options asked.
    IMMUTA_RECORD_UNVERIFIED = 4,
};

/// Gives a record back. Its descriptor is free for other records at once. Its data must not be touched any more.
///
/// record: a record, which is zeroed. For a zeroed record, or NULL, there is nothing to do.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_HANDLE: the token is stale (a copy of this record was done) or never was one; nothing changed.
///
/// Threads: any; also others than the stream's.
immuta_status immuta_record_done(immuta_record *record);

/// Gives a batch back, with all its records.
///
/// batch: a batch, which is zeroed. For a zeroed batch, or NULL, there is nothing to do.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_HANDLE: the token is stale (a copy of this batch was done) or never was one; nothing changed.
///
/// Threads: any; also others than the stream's.
immuta_status immuta_batch_done(immuta_batch *batch);

/* ====================================================================================================================
 * EVENT LOOPS
 *
 * A descriptor for poll and epoll, in place of a thread that waits.
 * ================================================================================================================= */

/// Gives the descriptor of a stream for poll, select, epoll, or any loop built on them. The descriptor has a meaning
/// only after immuta_stream_poll_arm. Add it to the loop for reading. Then do this again and again:
///
///   - Call immuta_stream_next with timeout 0, until it answers IMMUTA_TIMEOUT.
///   - Call immuta_stream_poll_arm. If it answers IMMUTA_READY, call immuta_stream_next again at once.
///   - Wait in the loop until the descriptor is readable.
///
/// In a log that is open for writing, the thread that appends makes the descriptor readable. A read-only log starts one
/// thread at the first call of this function. That thread blocks all signals, and waits for all streams of the log.
/// immuta_shutdown ends it.
///
/// stream: a stream.
/// fd_out: the descriptor, the same one each time. It belongs to the stream, is close-on-exec and 3 or above. The
///         caller only polls it: no read, no write, no close.
/// err:    NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_LIMIT: no descriptor, or no thread, is available
///         IMMUTA_E_NO_MEMORY
///         IMMUTA_E_PERMISSION, IMMUTA_E_UNSUPPORTED: the kernel or a sandbox refuses such descriptors
///         IMMUTA_E_CLOSED: the log was shut down before the first call
///         IMMUTA_E_BUSY: another thread is using the stream.
///
/// Ownership: immuta_stream_done closes the descriptor. Take the descriptor out of the loop first.
///
/// Threads: one. The descriptor itself may be polled by any thread at any time.
immuta_status immuta_stream_poll_fd(immuta_stream *stream, int *fd_out, immuta_error *err);

/// Asks for one signal on the descriptor of a stream. After this call the descriptor is unreadable, until there is a
/// reason to call immuta_stream_next. Then it stays readable until the stream is armed again. Reasons are the record at
/// the position of the stream, an interrupt, the end of the log, and an error to report. If there was a reason before
/// this call, it is not missed: the answer is IMMUTA_READY.
///
/// A readable descriptor is an invitation, not a promise: immuta_stream_next may still answer IMMUTA_TIMEOUT. After any
/// other call on the stream (next, next_batch, seek), arm the stream again before you wait. IMMUTA_E_POOL is no reason
/// to wait here: there is a record, so give back others first.
///
/// stream: a stream.
/// err:    NULL, or written on failure only.
///
/// Returns IMMUTA_OK: armed, wait for the descriptor
///         IMMUTA_READY: do not wait, call immuta_stream_next. There is a record, an interrupt, the end of the log
///             (IMMUTA_E_CLOSED) or an error
///         IMMUTA_E_LIMIT, IMMUTA_E_NO_MEMORY, IMMUTA_E_PERMISSION, IMMUTA_E_UNSUPPORTED: there is no descriptor yet,
///             and none is available
///         IMMUTA_E_BUSY: another thread is using the stream.
///
/// Threads: one.
immuta_status immuta_stream_poll_arm(immuta_stream *stream, immuta_error *err);

/* ====================================================================================================================
 * CODECS
 *
 * What payloads go through on their way into the file and out of it.
 * ================================================================================================================= */

/// The codecs that come with the library, for immuta_codec_builtin.
enum immuta_codec_kind IMMUTA_INT32 {
    /// Raw DEFLATE (RFC 1951). Levels 1 to 9; 0 means 6.
    IMMUTA_CODEC_DEFLATE = 1,
    /// A Zstandard frame (RFC 8878). Levels -7 to 22; 0 means 3. A library built without it answers
    /// IMMUTA_E_UNSUPPORTED.
    IMMUTA_CODEC_ZSTD = 2,
    /// An LZ4 frame. No levels: 0.
    IMMUTA_CODEC_LZ4 = 3,
    /// Snappy in its framing format. No levels: 0.
    IMMUTA_CODEC_SNAPPY = 4,
};

/// A codec of the caller's.
///
/// The library calls encode and decode on the thread that appends or reads, from several threads at once. They may call
/// the library, see Callbacks on the first page. They give their output to immuta_sink_write, in any number of pieces,
/// and return 0. Any other value fails this one payload with IMMUTA_E_CODEC_FAILED and comes back as os_error. decode
/// must give back exactly what encode was given. It must expect any bytes at all: files can be damaged.
typedef struct immuta_codec_vtable {
    /// sizeof(immuta_codec_vtable).
    size_t struct_size;
    /// The id that the index file records: 0x10000 or more, and the same transformation for ever.
    uint32_t id;
    /// 0.
    uint32_t reserved;
    /// For messages: 1 to 64 bytes of UTF-8 without control characters; copied.
    const char *name;
    /// Passed to the functions.
    void *user;
    /// Turns a payload into its stored form. data is never NULL.
    int32_t (*encode)(void *user, const void *data, size_t size, immuta_sink *out);
    /// Turns the stored form back into the payload. data is never NULL.
    int32_t (*decode)(void *user, const void *data, size_t size, immuta_sink *out);
    /// Called once, when nothing uses the codec any more, on the thread that made the last release. May be NULL.
    void (*destroy)(void *user);
} immuta_codec_vtable;

/// Makes a codec that comes with the library. It stores the standard frame of its kind, the same on every machine. The
/// tools of that format can read it.
///
/// kind:      IMMUTA_CODEC_DEFLATE, IMMUTA_CODEC_ZSTD, IMMUTA_CODEC_LZ4 or IMMUTA_CODEC_SNAPPY.
/// level:     how hard the codec tries, within the bounds of its kind; 0 is its default. Only appending depends on it.
/// codec_out: the codec, for immuta_codec_free.
/// err:       NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: the kind is unknown, or it has no such level
///         IMMUTA_E_UNSUPPORTED: this library was built without this kind
///         IMMUTA_E_NO_MEMORY.
///
/// Ownership: the codec is the caller's until immuta_codec_free.
///
/// Threads: any.
immuta_status immuta_codec_builtin(int32_t kind,
                                   int32_t level,
                                   immuta_codec **codec_out,
                                   immuta_error *err);

/// Makes a codec of the caller's functions.
///
/// vtable:    copied, with the name. What user leads to must live until destroy is called.
/// codec_out: the codec, for immuta_codec_free.
/// err:       NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: encode or decode is NULL, or the id, the name or struct_size is out of bounds
///         IMMUTA_E_VERSION: struct_size is that of a newer header
///         IMMUTA_E_NO_MEMORY.
///
/// Ownership: the codec is the caller's until immuta_codec_free.
///
/// destroy is called exactly once if this function could read the vtable. It can read the vtable whenever vtable is not
/// NULL and struct_size is not too small. If this function fails, it calls destroy before it returns. Else destroy is
/// called when the codec and all options, logs and streams that use it are released. In a forked child destroy is never
/// called.
///
/// Threads: any.
immuta_status immuta_codec_custom(const immuta_codec_vtable *vtable,
                                  immuta_codec **codec_out,
                                  immuta_error *err);

/// Makes a codec whose work is done outside the library. This is for bindings that transform payloads themselves. The
/// id of the codec is recorded and compared. The library does not change the bytes.
///
/// id:        0x10000 or more, and the same transformation for ever.
/// name:      for messages: 1 to 64 bytes of UTF-8 without control characters; copied.
/// codec_out: the codec, for immuta_codec_free.
/// err:       NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: the id or the name is out of bounds
///         IMMUTA_E_NO_MEMORY.
///
/// Ownership: the codec is the caller's until immuta_codec_free.
///
/// Threads: any.
immuta_status immuta_codec_external(uint32_t id,
                                    const char *name,
                                    immuta_codec **codec_out,
                                    immuta_error *err);

/// Releases the caller's hold on a codec. Options that the codec was added to, and logs opened with them, keep theirs.
///
/// codec: a codec, or NULL.
///
/// Threads: any, and nothing may use this pointer afterwards.
void immuta_codec_free(immuta_codec *codec);

/// Adds bytes to a codec's output. If the answer is IMMUTA_E_TOO_LARGE or IMMUTA_E_NO_MEMORY, the append or the read
/// fails with that status, whatever the codec's function returns.
///
/// sink: what the codec's function was given.
/// data: copied; may be NULL when size is 0.
/// size: in bytes.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_TOO_LARGE: the output would be larger than max_record_size
///         IMMUTA_E_NO_MEMORY: the system refused memory
///         IMMUTA_E_HANDLE: this is no sink of a function that is running on this thread.
///
/// Threads: the one of the codec's function.
immuta_status immuta_sink_write(immuta_sink *sink, const void *data, size_t size);

/* ====================================================================================================================
 * MAINTENANCE
 *
 * What is done to files: verify, repair, import. These work on a directory, without an open log.
 * ================================================================================================================= */

/// What opening or verifying a namespace found.
///
/// May grow at the end: pass sizeof.
typedef struct immuta_report {
    /// IMMUTA_OUTCOME_*.
    int32_t outcome;
    /// IMMUTA_OK, or the IMMUTA_E_* that says what is wrong. For an opening, IMMUTA_E_CORRUPT with a first_bad_offset
    /// that is not 0 has a meaning of its own: records from first_bad_number on were appended and are not in the log.
    /// Either the count is beyond what verifies, or whole records follow after a gap. A power failure in fast mode does
    /// that; a kill does not.
    int32_t finding;
    /// Records in the log.
    uint64_t count;
    /// Records according to the first word of NAME.log, as it was found.
    uint64_t header_count;
    /// Records found good beyond the last checkpoint.
    uint64_t recovered;
    /// Records indexed now.
    uint64_t adopted;
    /// Bytes cut off the end of NAME.log. This includes room that was never used.
    uint64_t trimmed_bytes;
    /// Records found bad. Only immuta_verify reads every record.
    uint64_t bad_records;
    /// The first bad record, or the record at which the finding was made. It means something only if first_bad_offset
    /// is not 0.
    uint64_t first_bad_number;
    /// Where that record is, in bytes: in NAME.log, or in NAME.idx if the record's entry is missing or damaged. 0: the
    /// finding is about no record, but for example about a damaged checkpoint, a missing journal or a count that went
    /// back.
    uint64_t first_bad_offset;
    /// How long opening or verifying took.
    double seconds;
    /// Path of the file that keeps what was cut off, NUL-terminated. Empty if that was only zeros, or the rest of a
    /// commit that was never completed. (Then no entry proves a whole record in it, and the count includes none.) If
    /// the path does not fit, this is only the name of the file, which is in the log's directory.
    /// immuta_report_salvage_path gives the whole path.
    char salvage[256];
    /// Opened for writing: IMMUTA_OK, or the IMMUTA_E_* that keeps the writer from using NAME.live, or from saying by
    /// its lock that it is ready. Readers of other processes are not woken then; they look every 20 ms. Nothing else
    /// changes.
    int32_t live_finding;
    /// 0.
    uint32_t reserved;
} immuta_report;

/// In immuta_report.outcome: what was done.
enum immuta_outcome IMMUTA_INT32 {
    /// A new, empty log was created.
    IMMUTA_OUTCOME_CREATED = 1,
    /// The log had been closed cleanly.
    IMMUTA_OUTCOME_CLEAN = 2,
    /// A crash left the log; its tail was verified (and mended, unless read-only).
    IMMUTA_OUTCOME_RECOVERED = 3,
    /// Records without a valid index file were indexed.
    IMMUTA_OUTCOME_ADOPTED = 4,
    /// Opened read-only while a writer has the namespace open.
    IMMUTA_OUTCOME_LIVE = 5,
    /// Read-only, or immuta_verify: finding says what is wrong; what verifies is served.
    IMMUTA_OUTCOME_DAMAGED = 6,
    /// immuta_repair with IMMUTA_REPAIR_APPLY: what finding says was mended.
    IMMUTA_OUTCOME_REPAIRED = 7,
};

/// Called with the progress of a long call, at the latest after every 1024 records or 16 MiB read. That holds inside
/// one record and in a search for records, too.
///
/// user:  what the caller passed along.
/// done:  records dealt with; for immuta_import, bytes.
/// total: how many there are in all; 0 while that is still being found out.
///
/// Returns 0 to go on, anything else to stop.
typedef int32_t (*immuta_progress_fn)(void *user, uint64_t done, uint64_t total);

/// For immuta_repair, combined with |.
enum immuta_repair_flag IMMUTA_INT32 {
    /// Change the files. Without this flag, only the report is made.
    IMMUTA_REPAIR_APPLY = 1,
    /// Believe the count of records. This matters in two cases.
    ///
    /// A file without an index file may end in zeros that may or may not be empty records. With this flag the count is
    /// believed; without it, the zeros are no records.
    ///
    /// Empty records may also lie in a hole of NAME.log, so that the file holds nothing of them, and NAME.idx may have
    /// no entries that confirm them. With this flag the count, in NAME.log or in a checkpoint, is believed if there is
    /// room for their entries, which take 24 bytes each. Without it, the answer is IMMUTA_E_AMBIGUOUS.
    IMMUTA_REPAIR_ACCEPT_COUNT = 2,
};

/// Checks every byte of a namespace as it is stored, and changes nothing. Payloads are not decoded.
///
/// A fault in the records is a result, not a failure of the check. The answer is IMMUTA_OK then, and
/// report_out->finding says what was found: IMMUTA_E_CORRUPT, IMMUTA_E_TRUNCATED, IMMUTA_E_LAYOUT or
/// IMMUTA_E_AMBIGUOUS. The namespace may be open elsewhere. The check covers what is committed when it begins.
///
/// directory:   path of the log.
/// name:        of the namespace.
/// options:     how the files are read (engine, largest record) and the codecs, whose ids are compared; copied; NULL
///              for defaults.
/// progress:    called now and then; may be NULL.
/// user:        passed to progress.
/// report_out:  what was found.
/// report_size: sizeof(immuta_report), 1 or more bytes.
/// err:         NULL, or written on failure only.
///
/// Returns IMMUTA_OK: everything was checked, look at report_out->finding
///         IMMUTA_E_NAME: the name is illegal
///         IMMUTA_E_NOT_FOUND: there is no such namespace
///         IMMUTA_E_MISSING, IMMUTA_E_MISMATCH, IMMUTA_E_VERSION: there is nothing to check the records against
///         IMMUTA_E_CODEC, IMMUTA_E_UNSUPPORTED: as immuta_open, other codecs than the log's
///         IMMUTA_E_PERMISSION, IMMUTA_E_NOT_REGULAR, IMMUTA_E_IO, IMMUTA_E_NO_MEMORY, IMMUTA_E_LIMIT: the namespace
///             cannot be read
///         IMMUTA_E_REPLACED: the files were replaced during the call
///         IMMUTA_E_CANCELLED: progress asked to stop
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: any.
IMMUTA_MUST_USE
immuta_status immuta_verify(const char *directory,
                            const char *name,
                            const immuta_options *options,
                            immuta_progress_fn progress,
                            void *user,
                            immuta_report *report_out,
                            size_t report_size,
                            immuta_error *err);

/// Mends a namespace that immuta_open refuses, or one with damaged records. Without IMMUTA_REPAIR_APPLY it only says
/// what it would do, and changes nothing.
///
/// Records keep their numbers. Nothing that may be of use is deleted. Copies are made before anything is changed:
///
///   NAME.salvage-K   the records of NAME.log that will be quarantined, and what will be cut off after the others
///   NAME.idx.bad-K   NAME.idx
///   NAME.wal.bad-K   a NAME.wal that was used
///
/// Not copied: zeros after the records, the count, size words that are proven wrong, and damaged bytes whose right ones
/// NAME.wal has.
///
/// What is done:
///
///   - A wrong size word or count is corrected, where the index file proves the right one.
///   - A damaged entry whose record fits between its neighbours is made again, as adopted.
///   - A damaged record that NAME.wal still has is written again.
///   - Any other damaged record is quarantined: its place stays. Reading it answers IMMUTA_E_CORRUPT from then on, with
///     verify_reads off, too. immuta_verify counts it.
///   - Records that are missing beyond what verifies are quarantined, if later records prove where they belong. Else
///     the log ends there.
///   - Records that a program without NAME.idx appended are indexed, where their sizes lead to the end. Such programs
///     are releases of the Go original with an 8-byte header, and those with a 16-byte one. The latter write over the
///     size of the first record.
///   - An index file that cannot be read, or is another log's, gives way to a new one. This is done where the sizes in
///     NAME.log lead to the end of that file.
///
/// So after a power failure in fast mode a repair leaves more records than an opening, and not a clean prefix.
///
/// A namespace without a fault is opened and closed. Without IMMUTA_REPAIR_APPLY it is reported as opening would report
/// it. The files that a repair makes have the owner, group and mode of NAME.log, so root may run it for the owner.
/// Afterwards the namespace is closed cleanly. A repair that was interrupted, at whatever point, can be run again.
///
/// Where opening is enough, the report is that of opening. Else its fields are:
///
///   outcome            IMMUTA_OUTCOME_REPAIRED, or without IMMUTA_REPAIR_APPLY IMMUTA_OUTCOME_DAMAGED
///   finding            why opening refuses; IMMUTA_E_CORRUPT for damage that opening does not look at
///   count              records that remain
///   header_count       records that the count in NAME.log claims, or its checkpoint if that is more
///   recovered          records found good beyond the checkpoint
///   adopted            entries made
///   trimmed_bytes      bytes copied to NAME.salvage-K
///   bad_records        records in quarantine
///   first_bad_number   the first damage, and
///   first_bad_offset   where it is
///   salvage            path of the first copy
///
/// directory:   path of the log.
/// name:        of the namespace; no process may have it open for writing.
/// options:     the engine, and the codecs, whose ids are compared; copied; NULL for defaults.
/// flags:       IMMUTA_REPAIR_*, combined with |.
/// progress:    called now and then with records checked; may be NULL. Nothing is changed before the last call.
/// user:        passed to progress.
/// report_out:  what was found, and what was or would be done.
/// report_size: sizeof(immuta_report), 1 or more bytes.
/// err:         NULL, or written on failure only. Nothing was changed then, unless the code says that the system
///              refused. In that case the repair can be run again.
///
/// Returns IMMUTA_OK: look at report_out
///         IMMUTA_E_NAME: the name is illegal
///         IMMUTA_E_ARGUMENT: flags or options are out of bounds
///         IMMUTA_E_NOT_FOUND: there is no such namespace
///         IMMUTA_E_LOCKED: a writer has it open. Or a process holds a read lock on its record file; the message then
///             says so
///         IMMUTA_E_MISSING: NAME.log is gone, or shorter than its count, and NAME.idx cannot be read. Only a backup
///             helps
///         IMMUTA_E_CORRUPT, IMMUTA_E_MISMATCH, IMMUTA_E_AMBIGUOUS: as immuta_open, and there is not one record to
///             begin with. Or IMMUTA_REPAIR_ACCEPT_COUNT asks for more records than the file has
///         IMMUTA_E_AMBIGUOUS also: only a count claims empty records in a hole, and IMMUTA_REPAIR_ACCEPT_COUNT is not
///             set to believe it
///         IMMUTA_E_TRUNCATED: NAME.log was cut off from outside the library during the call
///         IMMUTA_E_LAYOUT: a file of another layout without a NAME.idx of its own, for immuta_import
///         IMMUTA_E_VERSION, IMMUTA_E_CODEC, IMMUTA_E_UNSUPPORTED, IMMUTA_E_NOT_REGULAR, IMMUTA_E_PERMISSION,
///             IMMUTA_E_READ_ONLY, IMMUTA_E_REPLACED: as immuta_open
///         IMMUTA_E_EXISTS: too many copies of one name; remove some
///         IMMUTA_E_NO_SPACE: there is no room for the copies and the new index file. This is checked before anything
///             is made, without IMMUTA_REPAIR_APPLY, too
///         IMMUTA_E_IO, IMMUTA_E_NO_MEMORY, IMMUTA_E_LIMIT: the system refused
///         IMMUTA_E_CANCELLED: progress asked to stop
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: any.
IMMUTA_MUST_USE
immuta_status immuta_repair(const char *directory,
                            const char *name,
                            const immuta_options *options,
                            uint32_t flags,
                            immuta_progress_fn progress,
                            void *user,
                            immuta_report *report_out,
                            size_t report_size,
                            immuta_error *err);

/// Makes a new namespace from a record file of any layout that the original Go library ever wrote. There are three: a
/// 16-byte header (count, offset of the last record), an 8-byte one (count), or no header. The 8-byte one is also this
/// library's.
///
/// The file is only read, and not locked. The caller must see to it that no process writes the file meanwhile; this is
/// checked. The layout is the one that the file fits exactly; it is never guessed. The records are indexed as adopted:
/// without a time, and with a checksum from now on. The namespace exists as a whole, closed cleanly, or not at all.
///
/// source_file: path of the file, which must be a regular one. Its name must be UTF-8.
/// directory:   path of the log; created, with those above it, where it is missing.
/// name:        of the namespace; there must be no file of it.
/// options:     the engine, and the codecs the records went through; copied; NULL for defaults. If codecs are named,
///              every record is decoded once to make sure, under max_record_size, and the chain is recorded. If none is
///              named, the chain stays unknown until the first append, as in any adopted log.
/// progress:    called now and then with bytes read; may be NULL. Each byte is counted twice: copied, and compared.
///              What follows, decoding and indexing, is reported with done equal to total.
/// user:        passed to progress.
/// report_out:  outcome is IMMUTA_OUTCOME_ADOPTED; count, header_count and adopted are the records imported.
/// report_size: sizeof(immuta_report), 1 or more bytes.
/// err:         NULL, or written on failure only; number and offset are those in the source file.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NAME: the name is illegal
///         IMMUTA_E_ARGUMENT: options are out of bounds, source_file has no file name, or one that is not UTF-8
///         IMMUTA_E_NOT_FOUND: there is no such source file
///         IMMUTA_E_NOT_REGULAR: source_file is no regular file (symbolic links are not followed), or directory is no
///             directory
///         IMMUTA_E_LAYOUT: the file fits no layout, or two; the message names them
///         IMMUTA_E_TRUNCATED: the file fits one up to a record that is cut off
///         IMMUTA_E_AMBIGUOUS: the file ends in zeros that may or may not be empty records, or has empty records in a
///             hole. It holds nothing of records in a hole; a copy without holes has them
///         IMMUTA_E_CORRUPT: its size words lead elsewhere than its count says, or it changed during the call
///         IMMUTA_E_EXISTS: there is a file of the namespace
///         IMMUTA_E_LOCKED: another opener or import is making the namespace right now
///         IMMUTA_E_CODEC_FAILED, IMMUTA_E_TOO_LARGE: a record is not what the codecs make, or is too large
///         IMMUTA_E_PERMISSION, IMMUTA_E_READ_ONLY, IMMUTA_E_UNSUPPORTED, IMMUTA_E_REPLACED: as immuta_open
///         IMMUTA_E_NO_SPACE, IMMUTA_E_IO, IMMUTA_E_NO_MEMORY, IMMUTA_E_LIMIT: the system refused
///         IMMUTA_E_CANCELLED: progress asked to stop
///         IMMUTA_E_BUSY: another thread is using the options.
///
/// Threads: any.
IMMUTA_MUST_USE
immuta_status immuta_import(const char *source_file,
                            const char *directory,
                            const char *name,
                            const immuta_options *options,
                            immuta_progress_fn progress,
                            void *user,
                            immuta_report *report_out,
                            size_t report_size,
                            immuta_error *err);

/* ====================================================================================================================
 * FIGURES
 *
 * What an open log has done so far, and what opening it found.
 * ================================================================================================================= */

/// In immuta_stats.mode: when an append counts as written.
enum immuta_mode IMMUTA_INT32 {
    /// An append that returned survives a power failure.
    IMMUTA_MODE_DURABLE = 0,
    /// An append survives a power failure after the next flush.
    IMMUTA_MODE_FAST = 1,
};

/// The figures of one namespace. Counts of events begin when the namespace is opened.
///
/// May grow at the end: pass sizeof.
typedef struct immuta_stats {
    /// Records that readers can see.
    uint64_t count;
    /// Records known to be on the device, whatever happens to the power. In fast mode: those that the last completed
    /// flush covers. In durable mode: all that readers can see. In a read-only log: those that the newest checkpoint in
    /// NAME.idx covers, and all that readers can see while a durable writer is at work. In a read-only log without an
    /// index file: 0.
    uint64_t durable_count;
    /// Bytes of NAME.log up to the end of the last record.
    uint64_t data_bytes;
    /// Size of NAME.log in bytes. While the log is open, this includes room made in advance.
    uint64_t file_bytes;
    /// Bytes of NAME.idx.
    uint64_t index_bytes;
    /// Bytes of the journal, NAME.wal; 0 where there is none, as in fast mode.
    uint64_t journal_bytes;
    /// Reader descriptors.
    uint64_t readers;
    /// Reader descriptors held by records and batches now.
    uint64_t readers_in_use;
    /// Open streams.
    uint64_t streams;
    /// Calls that wait for a record now.
    uint64_t waiters;
    /// Records appended.
    uint64_t appends;
    /// Commits: single records and whole batches.
    uint64_t commits;
    /// Flushes completed. In durable mode also the syncs of the journal, each of which makes one or more commits
    /// durable.
    uint64_t syncs;
    /// Records lent.
    uint64_t records_read;
    /// Records that were not lent because they did not match their checksum.
    uint64_t checksum_failures;
    /// IMMUTA_MODE_*. In a read-only log, that of the last writer.
    uint32_t mode;
    /// IMMUTA_IO_MMAP or IMMUTA_IO_SYSCALL.
    uint32_t engine;
    /// 1: an earlier write or sync failed. There are no appends until the log is opened again.
    uint32_t poisoned;
    /// 1: opened read-only.
    uint32_t read_only;
} immuta_stats;

/// Reads the figures of a namespace.
///
/// log:        an open log.
/// ns:         number of the namespace.
/// stats_out:  the figures.
/// stats_size: sizeof(immuta_stats), 1 or more bytes.
/// err:        NULL, or written on failure only.
///
/// Returns IMMUTA_OK, also after immuta_shutdown
///         IMMUTA_E_NAMESPACE: no such namespace
///         IMMUTA_E_IO, IMMUTA_E_PERMISSION, IMMUTA_E_LIMIT, IMMUTA_E_UNSUPPORTED: read-only, and NAME.idx cannot be
///             read.
///
/// Threads: any.
immuta_status immuta_stats_get(const immuta_log *log,
                               uint32_t ns,
                               immuta_stats *stats_out,
                               size_t stats_size,
                               immuta_error *err);

/// Reads what opening a namespace found.
///
/// log:         an open log.
/// ns:          number of the namespace.
/// report_out:  the report.
/// report_size: sizeof(immuta_report), 1 or more bytes.
/// err:         NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NAMESPACE: no such namespace.
///
/// Threads: any.
immuta_status immuta_report_get(const immuta_log *log,
                                uint32_t ns,
                                immuta_report *report_out,
                                size_t report_size,
                                immuta_error *err);

/// Copies the path of the file that keeps what opening a namespace cut off: immuta_report.salvage, however long it is.
///
/// log:      an open log.
/// ns:       number of the namespace.
/// buffer:   receives the path, byte for byte, and a NUL; an empty string where nothing is kept. May be NULL when
///           capacity is 0.
/// capacity: of the buffer, in bytes. 0 asks for the size only.
/// size_out: size of the path in bytes, without the NUL; may be NULL.
/// err:      NULL, or written on failure only.
///
/// Returns IMMUTA_OK, also after immuta_shutdown
///         IMMUTA_E_NAMESPACE: no such namespace
///         IMMUTA_E_ARGUMENT: the buffer is too small; nothing was written
///         IMMUTA_E_NO_MEMORY: the system refused memory.
///
/// Threads: any.
immuta_status immuta_report_salvage_path(const immuta_log *log,
                                         uint32_t ns,
                                         char *buffer,
                                         size_t capacity,
                                         size_t *size_out,
                                         immuta_error *err);

/* ====================================================================================================================
 * STATUSES
 *
 * What each number means, and what to do about it.
 * ================================================================================================================= */

/// The values of immuta_status, and of the fields that say what was found.
enum immuta_status_code IMMUTA_INT32 {
    /// Success.
    IMMUTA_OK = 0,
    /// No record before the deadline.
    IMMUTA_TIMEOUT = 1,
    /// immuta_stream_interrupt ended the wait.
    IMMUTA_INTERRUPTED = 2,
    /// immuta_stream_poll_arm: do not wait, call immuta_stream_next.
    IMMUTA_READY = 3,
    /// An argument is NULL where it must not be, out of its bounds, or unknown. A mistake in the program.
    IMMUTA_E_ARGUMENT = -1,
    /// The handle is of another kind or released, or the record token is stale (caught where possible).
    IMMUTA_E_HANDLE = -2,
    /// An illegal namespace name: 1 to 200 bytes of UTF-8, no '/', no control character, no leading dot, no dot and 20
    /// digits at the end.
    IMMUTA_E_NAME = -3,
    /// This log has no such namespace.
    IMMUTA_E_NAMESPACE = -4,
    /// The namespace was added before, or there are files of it. Or too many files were set aside under one name;
    /// remove some.
    IMMUTA_E_EXISTS = -5,
    /// There is nothing to open at this path.
    IMMUTA_E_NOT_FOUND = -6,
    /// The index file or the journal knows records, but the record file is gone. Restore it; no empty log is made in
    /// its place.
    IMMUTA_E_MISSING = -7,
    /// Another writer has the namespace open. The message names that writer's process where it can.
    IMMUTA_E_LOCKED = -8,
    /// The log was opened read-only, or the file system is read-only.
    IMMUTA_E_READ_ONLY = -9,
    /// The operating system denies access.
    IMMUTA_E_PERMISSION = -10,
    /// Not a regular file, or not a directory where one is needed.
    IMMUTA_E_NOT_REGULAR = -11,
    /// This file system, kernel or build of the library cannot do what the call asks for.
    IMMUTA_E_UNSUPPORTED = -12,
    /// No room: disk, quota or file size limit. Nothing changed; the same call succeeds once there is room.
    IMMUTA_E_NO_SPACE = -13,
    /// The system refused memory. Nothing changed.
    IMMUTA_E_NO_MEMORY = -14,
    /// A limit of the process or the system was reached: descriptors, threads, mappings.
    IMMUTA_E_LIMIT = -15,
    /// Input or output failed; os_error of the error struct is the errno.
    IMMUTA_E_IO = -16,
    /// An earlier write or sync failed, so the namespace takes no more appends. Reads go on. Close the log and open it
    /// again.
    IMMUTA_E_POISONED = -17,
    /// The log was shut down or closed.
    IMMUTA_E_CLOSED = -18,
    /// Another thread is using this object; one thread at a time may use it.
    IMMUTA_E_BUSY = -19,
    /// There is a record, but every reader descriptor of the namespace was held until the deadline.
    IMMUTA_E_POOL = -20,
    /// The record is larger than max_record_size allows, stored or decoded. Or a log without an index file has too many
    /// records to be read.
    IMMUTA_E_TOO_LARGE = -21,
    /// immuta_append_at expected another number; number of the error struct is the next one.
    IMMUTA_E_CONFLICT = -22,
    /// Bytes do not match their checksum or their neighbours; number and offset of the error struct say where.
    IMMUTA_E_CORRUPT = -23,
    /// The record file is shorter than what was once synced.
    IMMUTA_E_TRUNCATED = -24,
    /// The file ends in zeros that may or may not be empty records. Nothing was changed.
    IMMUTA_E_AMBIGUOUS = -25,
    /// A file of another layout: one of another version of the original, or not a log at all. Nothing was changed.
    IMMUTA_E_LAYOUT = -26,
    /// The format is newer than this library.
    IMMUTA_E_VERSION = -27,
    /// The index file belongs to another log or to another time of this one. Nothing was changed.
    IMMUTA_E_MISMATCH = -28,
    /// The files under a reader were replaced or rolled back.
    IMMUTA_E_REPLACED = -29,
    /// The log was written with other codecs than those named when it was opened. Nothing was changed.
    IMMUTA_E_CODEC = -30,
    /// A codec could not encode or decode this record; os_error is the value that a function of the caller's returned.
    IMMUTA_E_CODEC_FAILED = -31,
    /// A callback of the caller's failed; its value is os_error of the error struct.
    IMMUTA_E_CALLBACK = -32,
    /// A progress callback asked to stop.
    IMMUTA_E_CANCELLED = -33,
    /// The object was made before a fork, in the parent.
    IMMUTA_E_FORKED = -34,
    /// A bug in the library, contained. What the bug touched takes no more appends until the log is opened again.
    IMMUTA_E_PANIC = -35,
};

/// The name of a status: "IMMUTA_E_POOL" for IMMUTA_E_POOL, "IMMUTA_UNKNOWN" for a number that is no status.
///
/// status: any number.
///
/// Returns a string that lives as long as the process, never NULL.
///
/// Threads: any.
const char *immuta_status_name(immuta_status status);

/// One sentence about a status, for when there is no error struct. The message of an error struct says more.
///
/// status: any number.
///
/// Returns a string that lives as long as the process, never NULL.
///
/// Threads: any.
const char *immuta_status_text(immuta_status status);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* IMMUTA_H */
