/* The C interface of libimmuta, as designed: names, signatures, structs, codes. The project's own include/immuta.h is generated from
 * the Rust source and carries the full documentation; this file says what it must amount to.
 *
 * Conventions. Status returned: 0 ok, > 0 nothing failed but there is no result, < 0 error. `error` may be NULL and is written on
 * failure only. `*_out` is written on success only and never read. `timeout_ns`: 0 tries once, negative waits for ever. Strings are
 * NUL-terminated UTF-8. `_free`, `_done`, `_close` accept NULL. `ns` is the number of a namespace, in the order added, from 0.
 * Threads: [any] at any time from any thread; [one] one thread at a time per handle, else IMMUTA_E_BUSY; [signal] also from a signal handler. */
#ifndef IMMUTA_H
#define IMMUTA_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

#define IMMUTA_VERSION_MAJOR 0
#define IMMUTA_VERSION_MINOR 1
#define IMMUTA_VERSION_PATCH 0
#define IMMUTA_VERSION_NUMBER ((IMMUTA_VERSION_MAJOR << 16) | (IMMUTA_VERSION_MINOR << 8) | IMMUTA_VERSION_PATCH)
#define IMMUTA_VERSION_STRING "0.1.0"

typedef int32_t immuta_status;
#define IMMUTA_OK 0
#define IMMUTA_TIMEOUT 1        /* no record before the deadline */
#define IMMUTA_INTERRUPTED 2    /* immuta_stream_interrupt */
#define IMMUTA_READY 3          /* poll_arm: do not wait, call next */
#define IMMUTA_E_ARGUMENT (-1)      /* NULL, out of bounds, unknown value */
#define IMMUTA_E_HANDLE (-2)        /* wrong kind, released, or a stale record token (caught where possible) */
#define IMMUTA_E_NAME (-3)          /* illegal namespace name */
#define IMMUTA_E_NAMESPACE (-4)     /* no such namespace in this log */
#define IMMUTA_E_EXISTS (-5)        /* namespace added twice */
#define IMMUTA_E_NOT_FOUND (-6)     /* nothing there to open or seek to */
#define IMMUTA_E_MISSING (-7)       /* the side file knows records, the record file is gone */
#define IMMUTA_E_LOCKED (-8)        /* another writer */
#define IMMUTA_E_READ_ONLY (-9)
#define IMMUTA_E_PERMISSION (-10)
#define IMMUTA_E_NOT_REGULAR (-11)
#define IMMUTA_E_UNSUPPORTED (-12)  /* this file system, kernel or build cannot */
#define IMMUTA_E_NO_SPACE (-13)     /* disk, quota, RLIMIT_FSIZE or the reserve; nothing changed */
#define IMMUTA_E_NO_MEMORY (-14)
#define IMMUTA_E_LIMIT (-15)        /* descriptors, threads, maps */
#define IMMUTA_E_IO (-16)           /* os_error says which */
#define IMMUTA_E_POISONED (-17)     /* an earlier sync or write failed; reopen */
#define IMMUTA_E_CLOSED (-18)
#define IMMUTA_E_BUSY (-19)
#define IMMUTA_E_POOL (-20)         /* every reader descriptor was held until the deadline */
#define IMMUTA_E_TOO_LARGE (-21)    /* over max_record_size, stored or decoded */
#define IMMUTA_E_CONFLICT (-22)     /* append_at: error.number is the next number */
#define IMMUTA_E_CORRUPT (-23)      /* error.number, error.offset */
#define IMMUTA_E_TRUNCATED (-24)
#define IMMUTA_E_AMBIGUOUS (-25)    /* zero tail that may or may not be empty records */
#define IMMUTA_E_LAYOUT (-26)       /* a file of another version of the original */
#define IMMUTA_E_VERSION (-27)      /* a newer format, or header and library differ */
#define IMMUTA_E_MISMATCH (-28)     /* side file of another log or another time */
#define IMMUTA_E_REPLACED (-29)     /* the files under a stream were replaced or rolled back */
#define IMMUTA_E_CODEC (-30)        /* the log was written with another chain */
#define IMMUTA_E_CODEC_FAILED (-31) /* this record could not be encoded or decoded */
#define IMMUTA_E_CALLBACK (-32)     /* a caller's callback failed; its value in os_error */
#define IMMUTA_E_CANCELLED (-33)    /* a progress callback said stop */
#define IMMUTA_E_FORKED (-34)
#define IMMUTA_E_PANIC (-35)        /* a bug in the library, contained */

typedef struct immuta_options immuta_options;
typedef struct immuta_log immuta_log;
typedef struct immuta_stream immuta_stream;

/* frozen */
typedef struct immuta_error { int32_t code, os_error; uint32_t ns, reserved; uint64_t number, offset; char message[480]; } immuta_error;
typedef struct immuta_appended { uint64_t number, offset, stored_size, count; } immuta_appended; /* of the first record; stored_size of all */
typedef struct immuta_slice { const void *data; size_t size; } immuta_slice;
typedef struct immuta_record {
  const void *data; size_t size;      /* decoded payload, valid until done */
  uint64_t stored_size, number, offset;
  int64_t time_ns;                    /* since 1970 UTC; 0 unknown */
  uint64_t flags, token;              /* IMMUTA_RECORD_*; token is the library's */
} immuta_record;
#define IMMUTA_RECORD_BATCH_END 1u
#define IMMUTA_RECORD_ADOPTED 2u      /* indexed later: no checksum from the time of writing */
#define IMMUTA_RECORD_UNVERIFIED 4u   /* checksum not checked */
typedef struct immuta_batch { const immuta_record *records; size_t count; uint64_t reserved, token; } immuta_batch;

/* growing: the caller passes sizeof, the library fills what fits and zeroes the rest */
typedef struct immuta_stats {
  uint64_t count, durable_count, data_bytes, file_bytes, index_bytes, journal_bytes;
  uint64_t readers, readers_in_use, streams, waiters, appends, commits, syncs, records_read, checksum_failures;
  uint32_t mode, engine, poisoned, read_only;
} immuta_stats;
typedef struct immuta_report { /* of an open, a verify or a repair */
  int32_t outcome, finding;           /* IMMUTA_OUTCOME_*; IMMUTA_OK or the IMMUTA_E_* found */
  uint64_t count, header_count, recovered, adopted, trimmed_bytes, bad_records, first_bad_number, first_bad_offset;
  double seconds; char salvage[256];
} immuta_report;

typedef int64_t (*immuta_read_fn)(void *user, void *buffer, size_t capacity);       /* > 0 bytes, 0 end, < 0 give up */
typedef int32_t (*immuta_progress_fn)(void *user, uint64_t done, uint64_t total);   /* not 0: cancel */

/* library [any] */
const char *immuta_version(void);
uint32_t immuta_version_number(void);
const char *immuta_status_name(immuta_status status);   /* "IMMUTA_E_POOL" */
const char *immuta_status_text(immuta_status status);   /* one sentence */

/* options [one] */
immuta_options *immuta_options_new(void);
void immuta_options_free(immuta_options *options);
immuta_status immuta_options_add_namespace(immuta_options *options, const char *name);
immuta_status immuta_options_set_reader_count(immuta_options *options, uint32_t count);             /* 1..4096, default 5 */
immuta_status immuta_options_set_fast_write(immuta_options *options, int32_t on);                   /* default 1 */
immuta_status immuta_options_set_flush_interval(immuta_options *options, int64_t interval_ns);      /* default 1 s, 0 none */
immuta_status immuta_options_set_flush_bytes(immuta_options *options, uint64_t bytes);              /* default 0 none */
immuta_status immuta_options_set_max_record_size(immuta_options *options, uint64_t bytes);          /* default 64 MiB */
immuta_status immuta_options_set_io(immuta_options *options, int32_t engine);                       /* IMMUTA_IO_* */
immuta_status immuta_options_set_read_only(immuta_options *options, int32_t on);
immuta_status immuta_options_set_verify_reads(immuta_options *options, int32_t on);                 /* default 1 */
/* of immuta_report.outcome */
#define IMMUTA_OUTCOME_CREATED 1   /* a new, empty log */
#define IMMUTA_OUTCOME_CLEAN 2     /* it had been closed cleanly */
#define IMMUTA_OUTCOME_RECOVERED 3 /* left by a crash: the tail was verified (and mended, unless read-only) */
#define IMMUTA_OUTCOME_ADOPTED 4   /* records without a valid side file were indexed */
#define IMMUTA_OUTCOME_LIVE 5      /* read-only: a writer has it open */
#define IMMUTA_OUTCOME_DAMAGED 6   /* read-only or verify: finding says what is wrong; what verifies is served */

/* of immuta_stats.mode */
#define IMMUTA_MODE_DURABLE 0
#define IMMUTA_MODE_FAST 1

/* of options_set_io and immuta_stats.engine */
#define IMMUTA_IO_AUTO 0
#define IMMUTA_IO_MMAP 1
#define IMMUTA_IO_SYSCALL 2

/* log */
immuta_status immuta_open(const char *directory, const immuta_options *options, immuta_log **log_out, immuta_error *error);
immuta_status immuta_shutdown(immuta_log *log, immuta_error *error);   /* [any] wakes and ends everything; repeatable */
immuta_status immuta_close(immuta_log *log, immuta_error *error);      /* shutdown and release; always consumes; reports a failed sync */
immuta_status immuta_namespace_add(immuta_log *log, const char *name, uint32_t *ns_out, immuta_error *error);    /* at run time */
immuta_status immuta_namespace_find(immuta_log *log, const char *name, uint32_t *ns_out, immuta_error *error);
uint32_t immuta_namespace_count(immuta_log *log);
immuta_status immuta_namespace_name(immuta_log *log, uint32_t ns, char *buffer, size_t capacity, immuta_error *error);
immuta_status immuta_sync(immuta_log *log, uint32_t ns, immuta_error *error);
immuta_status immuta_stats_get(immuta_log *log, uint32_t ns, immuta_stats *stats_out, size_t stats_size, immuta_error *error);
immuta_status immuta_report_get(immuta_log *log, uint32_t ns, immuta_report *report_out, size_t report_size, immuta_error *error);

/* append [any] */
immuta_status immuta_append(immuta_log *log, uint32_t ns, const void *data, size_t size, immuta_appended *appended_out, immuta_error *error);
immuta_status immuta_appendv(immuta_log *log, uint32_t ns, const immuta_slice *parts, size_t part_count, immuta_appended *appended_out, immuta_error *error);
immuta_status immuta_append_from(immuta_log *log, uint32_t ns, immuta_read_fn read, void *user, immuta_appended *appended_out, immuta_error *error);
immuta_status immuta_append_batch(immuta_log *log, uint32_t ns, const immuta_slice *records, size_t count, immuta_appended *appended_out, immuta_error *error);
immuta_status immuta_append_packed(immuta_log *log, uint32_t ns, const void *data, const size_t *sizes, size_t count, immuta_appended *appended_out, immuta_error *error);
immuta_status immuta_append_at(immuta_log *log, uint32_t ns, uint64_t number, const immuta_slice *records, size_t count, immuta_appended *appended_out, immuta_error *error);


/* stream [one] */
immuta_status immuta_stream_open(immuta_log *log, uint32_t ns, int64_t start, immuta_stream **stream_out, immuta_error *error);
immuta_status immuta_stream_open_at_time(immuta_log *log, uint32_t ns, int64_t time_ns, immuta_stream **stream_out, immuta_error *error);
immuta_status immuta_stream_next(immuta_stream *stream, int64_t timeout_ns, immuta_record *record_out, immuta_error *error);
immuta_status immuta_stream_next_batch(immuta_stream *stream, size_t max_records, size_t max_bytes, int64_t timeout_ns, immuta_batch *batch_out, immuta_error *error);
immuta_status immuta_stream_seek(immuta_stream *stream, uint64_t number, immuta_error *error);
immuta_status immuta_stream_position(immuta_stream *stream, uint64_t *number_out);
immuta_status immuta_stream_interrupt(immuta_stream *stream);                     /* [any] [signal] sticky once */
void immuta_stream_done(immuta_stream *stream);

/* record [any] */
immuta_status immuta_record_done(immuta_record *record);   /* zeroes *record; a second time is OK, a stale copy IMMUTA_E_HANDLE */
immuta_status immuta_batch_done(immuta_batch *batch);


/* maintenance: by path, since opening may have refused */
immuta_status immuta_verify(const char *directory, const char *name, const immuta_options *options, immuta_progress_fn progress, void *user, immuta_report *report_out, size_t report_size, immuta_error *error);

#ifdef __cplusplus
}
#endif
#endif
