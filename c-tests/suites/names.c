/* Names and numbers of namespaces: which names are legal, how they are numbered, found and added at run time. */
#include "check.h"

static void name_of_bytes(char *name, size_t size, char byte) {
  memset(name, byte, size);
  name[size] = '\0';
}

static const char *const illegal[] = {
    "", ".", "..", ".hidden", "a/b", "/", "/a", "a/", "line\nbreak", "tab\t", "\x01", "del\x7f", "\xff", "caf\xe9",
    "\xc3", "\xed\xa0\x80" /* a surrogate */, "\xc0\xaf" /* an overlong slash */, "\xf4\x90\x80\x80" /* too high */,
    "a.00000000000000000000" /* as files of a later segment are called */, "a.b.18446744073709551615",
};

static void illegal_names_are_refused_everywhere(void) {
  immuta_options *options = immuta_options_new();
  immuta_log *log = OPEN(.no_names = 1);
  char long_name[301];
  uint32_t ns = 77;
  for (size_t i = 0; i < CHECK_COUNT(illegal) + 2; i++) {
    const char *name = i < CHECK_COUNT(illegal) ? illegal[i] : long_name;
    if (name == long_name) name_of_bytes(long_name, i == CHECK_COUNT(illegal) ? 201 : 300, 'x');
    CHECK_STATUS(IMMUTA_E_NAME, immuta_options_add_namespace(options, name));
    CHECK_STATUS(IMMUTA_E_NAME, immuta_namespace_add(log, name, &ns, ERR));
    CHECK_MESSAGE("name");
    CHECK_STATUS(IMMUTA_E_NAME,
                 immuta_verify(check_dir(), name, NULL, NULL, NULL, &(immuta_report){0}, sizeof(immuta_report), ERR));
  }
  CHECK_EQ(ns, 77);
  CHECK_EQ(immuta_namespace_count(log), 0);
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_options_add_namespace(options, NULL));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_namespace_add(log, NULL, &ns, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_namespace_find(log, NULL, &ns, ERR));
  CHECK_OK(immuta_close(log, ERR));
  immuta_options_free(options);
}

static void exotic_names_are_names(void) {
  char longest[201];
  name_of_bytes(longest, 200, 'x');
  const char *names[] = {"a", "A", " ", "two words", "a.log", "-", "*", "\\", "%s%n", "\xc3\xa9t\xc3\xa9",
                         "\xf0\x9f\xa6\x80", "a..", "00000000000000000001", "a.0000000000000000001" /* 19 digits */,
                         "a.000000000000000000001", "a.0000000000000000000f", "a.00000000000000000001.b", longest};
  immuta_log *log = OPEN(.no_names = 1);
  for (uint32_t i = 0; i < CHECK_COUNT(names); i++) {
    uint32_t ns = 99, found = 99;
    char name[201];
    CHECK_OK(immuta_namespace_add(log, names[i], &ns, ERR));
    CHECK_OK(immuta_namespace_find(log, names[i], &found, ERR));
    CHECK_EQ(found, ns);
    CHECK_OK(immuta_namespace_name(log, ns, name, sizeof name, ERR));
    CHECK_STR(name, names[i]);
    check_append(log, ns, 10 + i, i);
  }
  CHECK_OK(immuta_close(log, ERR));
  log = OPEN(.no_names = 1, .read_only = 1); /* none named: every log there */
  CHECK_EQ(immuta_namespace_count(log), CHECK_COUNT(names));
  for (uint32_t i = 0; i < CHECK_COUNT(names); i++) {
    uint32_t ns = 99;
    CHECK_OK(immuta_namespace_find(log, names[i], &ns, ERR));
    CHECK_EQ(check_stats(log, ns).data_bytes, 8 + 8 + 10 + i);
  }
  CHECK_OK(immuta_close(log, ERR));
}

static void namespaces_are_numbered_as_added(void) {
  immuta_log *log = OPEN(.names = {"zebra", "ant", "mole"});
  const char *names[] = {"zebra", "ant", "mole", "bee"};
  char name[6];
  uint32_t ns;
  CHECK_EQ(immuta_namespace_count(log), 3);
  CHECK_OK(immuta_namespace_add(log, "bee", &ns, ERR));
  CHECK_EQ(ns, 3);
  CHECK_EQ(immuta_namespace_count(log), 4);
  for (uint32_t i = 0; i < 4; i++) {
    CHECK_OK(immuta_namespace_find(log, names[i], &ns, ERR));
    CHECK_EQ(ns, i);
    CHECK_OK(immuta_namespace_name(log, i, name, strlen(names[i]) + 1, ERR));
    CHECK_STR(name, names[i]);
  }
  CHECK_OK(immuta_close(log, ERR));
}

static void names_are_never_cut_to_fit(void) {
  immuta_log *log = OPEN(.names = {"zebra"});
  char buffer[8] = "before";
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_namespace_name(log, 0, buffer, 5, ERR));
  CHECK_MESSAGE("too few");
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_namespace_name(log, 0, buffer, 0, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_namespace_name(log, 0, NULL, 8, ERR));
  CHECK_STATUS(IMMUTA_E_NAMESPACE, immuta_namespace_name(log, 1, buffer, sizeof buffer, ERR));
  CHECK_STR(buffer, "before");
  CHECK_OK(immuta_close(log, ERR));
}

static void a_namespace_is_added_once(void) {
  immuta_options *options = immuta_options_new();
  CHECK_OK(immuta_options_add_namespace(options, "a"));
  CHECK_STATUS(IMMUTA_E_EXISTS, immuta_options_add_namespace(options, "a"));
  immuta_options_free(options);
  immuta_log *log = OPEN(.names = {"a"});
  uint32_t ns = 77;
  CHECK_STATUS(IMMUTA_E_EXISTS, immuta_namespace_add(log, "a", &ns, ERR));
  CHECK_MESSAGE("a");
  CHECK_EQ(ns, 77);
  CHECK_EQ(immuta_namespace_count(log), 1);
  CHECK_OK(immuta_close(log, ERR));
}

static void unknown_namespaces_are_named(void) {
  immuta_log *log = OPEN(.names = {"a"});
  uint32_t ns = 77;
  CHECK_STATUS(IMMUTA_E_NAMESPACE, immuta_namespace_find(log, "b", &ns, ERR));
  CHECK_MESSAGE("b");
  CHECK_EQ(ns, 77);
  CHECK_OK(immuta_close(log, ERR));
}

static void added_namespaces_are_like_those_opened(void) {
  immuta_log *log = OPEN(.names = {"a"}, .readers = 3, .max_record_size = 100);
  uint32_t ns;
  CHECK_OK(immuta_namespace_add(log, "b", &ns, ERR));
  CHECK_EQ(check_stats(log, ns).readers, 3);
  CHECK_EQ(check_report(log, ns).outcome, IMMUTA_OUTCOME_CREATED);
  CHECK_STATUS(IMMUTA_E_TOO_LARGE, immuta_append(log, ns, check_dir(), 101, NULL, ERR));
  check_append(log, ns, 100, 7);
  check_append(log, 0, 50, 8);
  CHECK_EQ(check_stats(log, 0).count, 1);
  CHECK_OK(immuta_close(log, ERR));
  log = OPEN(.names = {"b", "a"});
  CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_CLEAN);
  CHECK_EQ(check_stats(log, 0).data_bytes, 8 + 8 + 100);
  CHECK_EQ(check_stats(log, 1).data_bytes, 8 + 8 + 50);
  CHECK_OK(immuta_close(log, ERR));
}

static void *add_namespaces(void *log) {
  for (uint32_t i = 0; i < 50; i++) {
    char name[16];
    uint32_t ns;
    snprintf(name, sizeof name, "n%u", i);
    CHECK_OK(immuta_namespace_add(log, name, &ns, ERR));
    CHECK_EQ(ns, i + 1);
  }
  return NULL;
}

static void adding_goes_on_beside_appending(void) {
  immuta_log *log = OPEN(.names = {"a"}, .readers = 1);
  pthread_t thread = check_start(add_namespaces, log);
  for (uint64_t i = 0; i < 2000; i++) check_append(log, 0, 20, i);
  check_join(thread);
  CHECK_EQ(immuta_namespace_count(log), 51);
  CHECK_EQ(check_stats(log, 0).count, 2000);
  CHECK_OK(immuta_close(log, ERR));
}

static void readers_add_only_what_exists(void) {
  immuta_log *writer = OPEN(.names = {"a", "b"});
  check_append(writer, 1, 10, 3);
  immuta_log *reader = OPEN(.names = {"a"}, .read_only = 1);
  uint32_t ns;
  CHECK_STATUS(IMMUTA_E_NOT_FOUND, immuta_namespace_add(reader, "c", &ns, ERR));
  CHECK_MESSAGE("c.log");
  CHECK(!check_exists(check_path("c.log")));
  CHECK_OK(immuta_namespace_add(reader, "b", &ns, ERR));
  CHECK_EQ(ns, 1);
  CHECK_EQ(check_stats(reader, ns).count, 1);
  CHECK_OK(immuta_close(reader, ERR));
  CHECK_OK(immuta_close(writer, ERR));
}

/* What a scan said, as "name status," for each. */
typedef struct scanned {
  char text[1000];
  int stop_after;
} scanned;

static int32_t note_found(void *user, const char *name, immuta_status status, const char *message) {
  scanned *noted = user;
  const size_t used = strlen(noted->text);
  (void)snprintf(noted->text + used, sizeof noted->text - used, "%s %s,", name, immuta_status_name(status));
  CHECK_EQ(status == IMMUTA_OK, message[0] == '\0');
  if (status != IMMUTA_OK) CHECK(strstr(message, name) != NULL || status == IMMUTA_E_NAME);
  return noted->stop_after-- == 0;
}

static void put(const char *name, const char *bytes, size_t size) {
  FILE *file = fopen(check_path(name), "wb");
  CHECK(file != NULL && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

static void what_is_called_like_a_namespace_and_is_none_is_passed_over(void) {
  static const char text[] = "this is no log, it only is called like one; somebody's program wrote it\n";
  immuta_log *writer = OPEN(.names = {"whole"});
  check_append(writer, 0, 10, 3);
  put("text.log", text, sizeof text - 1);
  put("nothing.log", "", 0);
  put("short.log", text, 7);
  put(".hidden.log", text, 7);
  CHECK(mkdir(check_path("directory.log"), 0777) == 0);
  CHECK(mkfifo(check_path("fifo.log"), 0666) == 0);
  CHECK(symlink("nowhere", check_path("link.log")) == 0);

  scanned noted = {.stop_after = -1};
  CHECK_OK(immuta_namespace_scan(check_dir(), NULL, note_found, &noted, ERR));
  CHECK_STR(noted.text,
            ".hidden IMMUTA_E_NAME,directory IMMUTA_E_NOT_REGULAR,fifo IMMUTA_E_NOT_REGULAR,link IMMUTA_E_NOT_REGULAR,"
            "nothing IMMUTA_E_NOT_FOUND,short IMMUTA_E_NOT_FOUND,text IMMUTA_E_CORRUPT,whole IMMUTA_OK,");
  immuta_log *reader = OPEN(.no_names = 1, .read_only = 1);
  CHECK_EQ(immuta_namespace_count(reader), 1);
  CHECK_EQ(check_stats(reader, 0).count, 1);
  uint32_t ns;
  CHECK_STATUS(IMMUTA_E_NOT_FOUND, immuta_namespace_add(reader, "nothing", &ns, ERR));
  CHECK_MESSAGE("nothing.log");

  /* Made whole later, it is added to a log that was open before. */
  CHECK_OK(immuta_namespace_add(writer, "nothing", &ns, ERR));
  CHECK_OK(immuta_namespace_add(reader, "nothing", &ns, ERR));
  CHECK_EQ(ns, 1);
  CHECK_OK(immuta_close(reader, ERR));

  /* With an index file beside it, it is a namespace, whose damage is reported. */
  put("text.idx", text, sizeof text - 1);
  immuta_log *log = NULL;
  CHECK(TRY_OPEN(&log, .no_names = 1, .read_only = 1) < 0);
  CHECK_MESSAGE("text.log");
  CHECK_OK(immuta_close(writer, ERR));
}

static void a_scan_ends_when_it_is_told_to_and_needs_a_directory(void) {
  immuta_log *writer = OPEN(.names = {"a", "b", "c"});
  scanned noted = {.stop_after = 1};
  CHECK_STATUS(IMMUTA_E_CANCELLED, immuta_namespace_scan(check_dir(), NULL, note_found, &noted, ERR));
  CHECK_STR(noted.text, "a IMMUTA_OK,b IMMUTA_OK,");
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_namespace_scan(check_dir(), NULL, NULL, NULL, ERR));
  CHECK_STATUS(IMMUTA_E_ARGUMENT, immuta_namespace_scan(NULL, NULL, note_found, &noted, ERR));
  CHECK_STATUS(IMMUTA_E_NOT_FOUND, immuta_namespace_scan(check_path("none"), NULL, note_found, &noted, ERR));
  CHECK_STATUS(IMMUTA_E_NOT_REGULAR, immuta_namespace_scan(check_path("a.log"), NULL, note_found, &noted, ERR));
  CHECK_OK(immuta_close(writer, ERR));
}

static const check_case cases[] = {
    CASE(illegal_names_are_refused_everywhere),
    CASE(exotic_names_are_names),
    CASE(namespaces_are_numbered_as_added),
    CASE(names_are_never_cut_to_fit),
    CASE(a_namespace_is_added_once),
    CASE(unknown_namespaces_are_named),
    CASE(added_namespaces_are_like_those_opened),
    CASE(adding_goes_on_beside_appending),
    CASE(readers_add_only_what_exists),
    CASE(what_is_called_like_a_namespace_and_is_none_is_passed_over),
    CASE(a_scan_ends_when_it_is_told_to_and_needs_a_directory),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
