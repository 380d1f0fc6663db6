/* Messages and paths, however long the directory is and whatever is in its name: cause and advice are whole, and no
 * path is cut. */
#include "check.h"

#include <fcntl.h>

enum { LEVEL_BYTES = 200, LEVELS = 15, LONG_BYTES = 4096 };

/* A directory whose path is about 3000 bytes long. */
static const char *long_directory(void) {
  static char path[LONG_BYTES];
  size_t size = (size_t)snprintf(path, sizeof path, "%s", check_dir());
  for (int level = 0; level < LEVELS; level++) {
    path[size++] = '/';
    memset(path + size, 'a' + level, LEVEL_BYTES);
    path[size += LEVEL_BYTES] = '\0';
    CHECK(mkdir(path, 0777) == 0);
  }
  return path;
}

static void expect_fitted(const char *cause_and_advice, const char *file) {
  const char *message = check_error.message;
  CHECK_MESSAGE(cause_and_advice);
  CHECK_MESSAGE(file);
  CHECK(strncmp(message, "\xe2\x80\xa6/", 4) == 0);         /* an ellipsis, then whole names */
  CHECK(strlen(message) > sizeof check_error.message - LEVEL_BYTES - 8); /* as many as fit */
}

static void cause_and_advice_are_whole_beside_a_long_path(void) {
  const char *directory = long_directory();
  immuta_log *log = NULL, *other = NULL;
  CHECK_STATUS(IMMUTA_E_NOT_FOUND, TRY_OPEN(&log, .directory = directory, .read_only = 1, .names = {"events"}));
  expect_fitted("check ", "events.log: ");
  CHECK_OK(TRY_OPEN(&log, .directory = directory, .names = {"events"}));
  CHECK_STATUS(IMMUTA_E_LOCKED, TRY_OPEN(&other, .directory = directory, .names = {"events"}));
  expect_fitted("it is locked by another writer; open read-only, or close that writer; this process holds it, through "
                "another descriptor",
                "events.log: ");
  CHECK_OK(immuta_shutdown(log, ERR));
  CHECK_STATUS(IMMUTA_E_CLOSED, immuta_append(log, 0, "x", 1, NULL, ERR));
  expect_fitted("was shut down; open it again", "");
  CHECK_OK(immuta_close(log, ERR));
}

static void a_long_name_leaves_cause_and_advice_whole_too(void) {
  char name[201];
  memset(name, 'n', 200);
  name[200] = '\0';
  const char *directory = long_directory();
  immuta_log *log = NULL, *other = NULL;
  CHECK_OK(TRY_OPEN(&log, .directory = directory, .names = {name}));
  CHECK_STATUS(IMMUTA_E_LOCKED, TRY_OPEN(&other, .directory = directory, .names = {name}));
  expect_fitted("it is locked by another writer; open read-only, or close that writer; this process holds it, through "
                "another descriptor",
                "nnn.log: ");
  CHECK_STATUS(IMMUTA_E_EXISTS, immuta_namespace_add(log, name, &(uint32_t){0}, ERR));
  CHECK_MESSAGE("is open already");
  CHECK_OK(immuta_close(log, ERR));
}

static void what_is_no_letter_is_escaped(void) {
  immuta_log *log = NULL;
  CHECK_STATUS(IMMUTA_E_NOT_FOUND, TRY_OPEN(&log, .directory = check_path("a\nb\x1b[31m\xff\xc3\xa4"), .read_only = 1));
  CHECK_MESSAGE("/a\\nb\\u{1b}[31m\\xff\xc3\xa4: ");
  for (const char *letter = check_error.message; *letter != '\0'; letter++) CHECK((unsigned char)*letter >= 0x20);
}

/* ---- The path of what was kept ----------------------------------------------------------------------------------- */

/* A closed log with bytes after its end, which opening it cuts off and keeps. */
static immuta_log *open_with_bytes_after(const char *directory) {
  immuta_log *log = NULL;
  char path[LONG_BYTES + 16];
  CHECK_OK(TRY_OPEN(&log, .directory = directory));
  check_append(log, 0, 100, 1);
  CHECK_OK(immuta_close(log, ERR));
  snprintf(path, sizeof path, "%s/a.log", directory);
  const int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
  CHECK(fd >= 0 && write(fd, "\x09half a record", 14) == 14 && close(fd) == 0);
  CHECK_OK(TRY_OPEN(&log, .directory = directory));
  return log;
}

static void the_path_of_what_was_kept_is_never_cut(void) {
  const char *directory = long_directory();
  immuta_log *log = open_with_bytes_after(directory);
  CHECK_STR(check_report(log, 0).salvage, "a.salvage-1"); /* its name alone: the path does not fit */
  char path[LONG_BYTES], expected[LONG_BYTES + 16];
  size_t size = 0;
  CHECK_OK(immuta_report_salvage_path(log, 0, NULL, 0, &size, ERR));
  snprintf(expected, sizeof expected, "%s/a.salvage-1", directory);
  CHECK_EQ(size, strlen(expected));
  memset(path, 'x', sizeof path);
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_report_salvage_path(log, 0, path, size, &size, ERR));
  CHECK_MESSAGE("too few");
  CHECK(path[0] == 'x');
  CHECK_OK(immuta_report_salvage_path(log, 0, path, size + 1, NULL, ERR));
  CHECK_STR(path, expected);
  CHECK_EQ(check_file_size(path), 14);
  CHECK_OK(immuta_close(log, ERR));
}

static void a_path_that_fits_is_given_byte_for_byte(void) {
  const char *directory = check_path("a\nb\xff");
  immuta_log *log = open_with_bytes_after(directory);
  char path[512];
  size_t size = 0;
  CHECK_OK(immuta_report_salvage_path(log, 0, path, sizeof path, &size, ERR));
  CHECK_EQ(size, strlen(path));
  CHECK_STR(check_report(log, 0).salvage, path);
  CHECK_EQ(check_file_size(path), 14);
  CHECK_OK(immuta_close(log, ERR));
}

static void where_nothing_was_kept_the_path_is_empty(void) {
  immuta_log *log = OPEN();
  char path[8] = "x";
  size_t size = 99;
  CHECK_OK(immuta_report_salvage_path(log, 0, path, sizeof path, &size, ERR));
  CHECK_STR(path, "");
  CHECK_EQ(size, 0);
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_report_salvage_path(log, 0, NULL, sizeof path, &size, ERR));
  CHECK_OK(immuta_shutdown(log, ERR));
  CHECK_OK(immuta_report_salvage_path(log, 0, path, sizeof path, &size, ERR));
  CHECK_OK(immuta_close(log, ERR));
}

/* ---- What options refused ---------------------------------------------------------------------------------------- */

static void options_say_what_was_wrong_and_what_is_allowed(void) {
  immuta_options *o = check_options((check_setup){.readers = 3});
  immuta_log *log = NULL;
  check_error = (immuta_error){0};
  CHECK_OK(immuta_options_error(o, ERR));
#define REFUSED(call, code, wrong, allowed)          \
  CHECK_EQ((call), (code));                          \
  CHECK_STATUS((code), immuta_options_error(o, ERR)); \
  CHECK_MESSAGE(wrong);                              \
  CHECK_MESSAGE(allowed)
  REFUSED(immuta_options_set_reader_count(o, 5000), IMMUTA_E_ARGUMENT, "5000", "4096");
  REFUSED(immuta_options_set_fast_write(o, 7), IMMUTA_E_ARGUMENT, "7", "neither 0 nor 1");
  REFUSED(immuta_options_set_flush_interval(o, -5), IMMUTA_E_ARGUMENT, "-5", "0 ");
  REFUSED(immuta_options_set_max_record_size(o, 0), IMMUTA_E_ARGUMENT, "0", "140737488355327");
  REFUSED(immuta_options_set_journal_size(o, 77), IMMUTA_E_ARGUMENT, "77", "65536");
  REFUSED(immuta_options_set_io(o, 9), IMMUTA_E_ARGUMENT, "9", "IMMUTA_IO_MMAP");
  REFUSED(immuta_options_add_namespace(o, "a/b"), IMMUTA_E_NAME, "a/b", "slash");
  REFUSED(immuta_options_add_namespace(o, "a"), IMMUTA_E_EXISTS, "a", "added before");
  REFUSED(immuta_options_add_codec(o, NULL), IMMUTA_E_ARGUMENT, "NULL", "");
  CHECK_OK(immuta_options_set_verify_reads(o, 1));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_error(o, ERR)); /* one that succeeds takes nothing back */
  CHECK_OK(immuta_open(check_dir(), o, &log, ERR));              /* and none that was refused is in the way */
  CHECK_EQ(check_stats(log, 0).readers, 3);
  CHECK_OK(immuta_close(log, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_error(NULL, ERR));
  immuta_options_free(o);
}

static const check_case cases[] = {
    CASE(cause_and_advice_are_whole_beside_a_long_path),
    CASE(a_long_name_leaves_cause_and_advice_whole_too),
    CASE(what_is_no_letter_is_escaped),
    CASE(the_path_of_what_was_kept_is_never_cut),
    CASE(a_path_that_fits_is_given_byte_for_byte),
    CASE(where_nothing_was_kept_the_path_is_empty),
    CASE(options_say_what_was_wrong_and_what_is_allowed),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
