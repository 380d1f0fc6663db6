/* Calls that need no record: versions, the names and texts of the status codes, and the structs that may grow. */
#include "check.h"

/* ---- Versions and status codes ----------------------------------------------------------------------------------- */

#define STATUS(code) {code, #code}
static const struct {
  immuta_status code;
  const char *name;
} statuses[] = {
    STATUS(IMMUTA_OK),            STATUS(IMMUTA_TIMEOUT),        STATUS(IMMUTA_INTERRUPTED),
    STATUS(IMMUTA_READY),         STATUS(IMMUTA_E_ARGUMENT),     STATUS(IMMUTA_E_HANDLE),
    STATUS(IMMUTA_E_NAME),        STATUS(IMMUTA_E_NAMESPACE),    STATUS(IMMUTA_E_EXISTS),
    STATUS(IMMUTA_E_NOT_FOUND),   STATUS(IMMUTA_E_MISSING),      STATUS(IMMUTA_E_LOCKED),
    STATUS(IMMUTA_E_READ_ONLY),   STATUS(IMMUTA_E_PERMISSION),   STATUS(IMMUTA_E_NOT_REGULAR),
    STATUS(IMMUTA_E_UNSUPPORTED), STATUS(IMMUTA_E_NO_SPACE),     STATUS(IMMUTA_E_NO_MEMORY),
    STATUS(IMMUTA_E_LIMIT),       STATUS(IMMUTA_E_IO),           STATUS(IMMUTA_E_POISONED),
    STATUS(IMMUTA_E_CLOSED),      STATUS(IMMUTA_E_BUSY),         STATUS(IMMUTA_E_POOL),
    STATUS(IMMUTA_E_TOO_LARGE),   STATUS(IMMUTA_E_CONFLICT),     STATUS(IMMUTA_E_CORRUPT),
    STATUS(IMMUTA_E_TRUNCATED),   STATUS(IMMUTA_E_AMBIGUOUS),    STATUS(IMMUTA_E_LAYOUT),
    STATUS(IMMUTA_E_VERSION),     STATUS(IMMUTA_E_MISMATCH),     STATUS(IMMUTA_E_REPLACED),
    STATUS(IMMUTA_E_CODEC),       STATUS(IMMUTA_E_CODEC_FAILED), STATUS(IMMUTA_E_CALLBACK),
    STATUS(IMMUTA_E_CANCELLED),   STATUS(IMMUTA_E_FORKED),       STATUS(IMMUTA_E_PANIC),
};

static void every_status_has_its_name_and_a_text_of_its_own(void) {
  for (size_t i = 0; i < CHECK_COUNT(statuses); i++) {
    const char *text = immuta_status_text(statuses[i].code);
    CHECK_STR(immuta_status_name(statuses[i].code), statuses[i].name);
    CHECK(text != NULL && strlen(text) > 1);
    for (size_t j = 0; j < i; j++) CHECK(strcmp(text, immuta_status_text(statuses[j].code)) != 0);
  }
}

static void unknown_statuses_get_a_name_and_a_text_too(void) {
  const immuta_status unknown[] = {4, 1000, INT32_MAX, -36, -1000, INT32_MIN};
  for (size_t i = 0; i < CHECK_COUNT(unknown); i++) {
    const char *name = immuta_status_name(unknown[i]), *text = immuta_status_text(unknown[i]);
    CHECK(name != NULL && name[0] != '\0' && text != NULL && text[0] != '\0');
    for (size_t j = 0; j < CHECK_COUNT(statuses); j++) CHECK(strcmp(name, statuses[j].name) != 0);
  }
}

static void header_and_library_are_of_one_version(void) {
  char text[32];
  snprintf(text, sizeof text, "%d.%d.%d", IMMUTA_VERSION_MAJOR, IMMUTA_VERSION_MINOR, IMMUTA_VERSION_PATCH);
  CHECK_STR(IMMUTA_VERSION_STRING, text);
  CHECK_STR(immuta_version(), text);
  CHECK_EQ(immuta_version_number(), IMMUTA_VERSION_NUMBER);
  CHECK_EQ(immuta_version_number() >> 16, IMMUTA_VERSION_MAJOR);
}

/* ---- The growing structs ----------------------------------------------------------------------------------------- */

typedef immuta_status (*fill_function)(immuta_log *, void *, size_t);
static immuta_status fill_stats(immuta_log *log, void *out, size_t size) {
  return immuta_stats_get(log, 0, out, size, ERR);
}

static immuta_status fill_report(immuta_log *log, void *out, size_t size) {
  return immuta_report_get(log, 0, out, size, ERR);
}

/* A caller of another version passes another size: it gets what fits, zeroes beyond what the library knows, and nothing
 * after. */
static void check_growing(immuta_log *log, fill_function fill, size_t known, size_t smallest) {
  unsigned char full[1024], other[1024];
  CHECK_OK(fill(log, full, known));
  for (size_t size = smallest; size <= known + 64; size += 4) {
    memset(other, 0xaa, sizeof other);
    CHECK_OK(fill(log, other, size));
    CHECK_BYTES(other, size < known ? size : known, full, size < known ? size : known);
    for (size_t i = known; i < size; i++) CHECK_EQ(other[i], 0);
    for (size_t i = size; i < size + 16; i++) CHECK_EQ(other[i], 0xaa);
  }
  CHECK_STATUS(IMMUTA_E_ARGUMENT, fill(log, NULL, known));
}

static void stats_fit_callers_of_any_version(void) {
  immuta_log *log = OPEN(.flush_interval_ns = -1);
  check_append(log, 0, 100, 1);
  check_growing(log, fill_stats, sizeof(immuta_stats), 8);
  CHECK_OK(immuta_close(log, ERR));
}

static void reports_fit_callers_of_any_version(void) {
  immuta_log *log = OPEN();
  check_growing(log, fill_report, sizeof(immuta_report), 8);
  CHECK_OK(immuta_close(log, ERR));
}

static void verify_fills_the_report_of_any_version(void) {
  immuta_log *log = OPEN();
  check_append(log, 0, 100, 1);
  CHECK_OK(immuta_close(log, ERR));
  unsigned char bytes[sizeof(immuta_report) + 64];
  memset(bytes, 0xaa, sizeof bytes);
  CHECK_OK(immuta_verify(check_dir(), "a", NULL, NULL, NULL, (immuta_report *)(void *)bytes, sizeof bytes, ERR));
  for (size_t i = sizeof(immuta_report); i < sizeof bytes; i++) CHECK_EQ(bytes[i], 0);
  memset(bytes, 0xaa, sizeof bytes);
  CHECK_OK(immuta_verify(check_dir(), "a", NULL, NULL, NULL, (immuta_report *)(void *)bytes, 16, ERR));
  CHECK_EQ(check_u64(bytes + 8), 1);
  CHECK_EQ(bytes[16], 0xaa);
}

static void stats_count_what_happened(void) {
  immuta_log *log = OPEN(.readers = 3, .flush_interval_ns = -1);
  immuta_slice records[] = {{"one", 3}, {"two", 3}, {"three", 5}};
  immuta_record record;
  CHECK_OK(immuta_append(log, 0, "zero", 4, NULL, ERR));
  CHECK_OK(immuta_append_batch(log, 0, records, 3, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_CONFLICT, immuta_append_at(log, 0, 7, records, 3, NULL, ERR));
  immuta_stream *stream = check_stream(log, 0, 0);
  CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
  immuta_stats stats = check_stats(log, 0);
  CHECK_EQ(stats.count, 4);
  CHECK_EQ(stats.data_bytes, 8 + 4 * 8 + 15);
  CHECK(stats.file_bytes >= stats.data_bytes && stats.file_bytes % 65536 == 0);
  CHECK(stats.index_bytes >= 16384 + 4 * 24);
  CHECK_EQ(stats.journal_bytes, 0);
  CHECK_EQ(stats.appends, 4);
  CHECK_EQ(stats.commits, 2);
  CHECK_EQ(stats.readers, 3);
  CHECK_EQ(stats.readers_in_use, 1);
  CHECK_EQ(stats.streams, 1);
  CHECK_EQ(stats.waiters, 0);
  CHECK_EQ(stats.records_read, 1);
  CHECK_EQ(stats.checksum_failures, 0);
  CHECK_OK(immuta_record_done(&record));
  immuta_stream_done(stream);
  uint64_t syncs = stats.syncs;
  CHECK_OK(immuta_sync(log, 0, ERR));
  stats = check_stats(log, 0);
  CHECK_EQ(stats.durable_count, 4);
  CHECK(stats.syncs > syncs);
  CHECK_EQ(stats.readers_in_use, 0);
  CHECK_EQ(stats.streams, 0);
  CHECK_OK(immuta_close(log, ERR));
}

static void reports_say_how_the_log_was_found(void) {
  immuta_log *log = OPEN();
  immuta_report report = check_report(log, 0);
  CHECK_EQ(report.outcome, IMMUTA_OUTCOME_CREATED);
  CHECK_EQ(report.finding, IMMUTA_OK);
  check_append(log, 0, 10, 1);
  immuta_log *reader = OPEN(.read_only = 1);
  CHECK_EQ(check_report(reader, 0).outcome, IMMUTA_OUTCOME_LIVE);
  CHECK_OK(immuta_close(reader, ERR));
  CHECK_OK(immuta_close(log, ERR));
  log = OPEN();
  report = check_report(log, 0);
  CHECK_EQ(report.outcome, IMMUTA_OUTCOME_CLEAN);
  CHECK_EQ(report.count, 1);
  CHECK_EQ(report.header_count, 1);
  CHECK_EQ(report.trimmed_bytes, 0);
  CHECK_EQ(report.bad_records, 0);
  CHECK_STR(report.salvage, "");
  CHECK(report.seconds >= 0.0);
  CHECK_OK(immuta_close(log, ERR));
  CHECK(unlink(check_path("a.idx")) == 0);
  log = OPEN();
  report = check_report(log, 0);
  CHECK_EQ(report.outcome, IMMUTA_OUTCOME_ADOPTED);
  CHECK_EQ(report.adopted, 1);
  CHECK_OK(immuta_close(log, ERR));
}

static const check_case cases[] = {
    CASE(every_status_has_its_name_and_a_text_of_its_own),
    CASE(unknown_statuses_get_a_name_and_a_text_too),
    CASE(header_and_library_are_of_one_version),
    CASE(stats_fit_callers_of_any_version),
    CASE(reports_fit_callers_of_any_version),
    CASE(verify_fills_the_report_of_any_version),
    CASE(stats_count_what_happened),
    CASE(reports_say_how_the_log_was_found),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
