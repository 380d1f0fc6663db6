/* Users who may open a record file may open what the library makes beside it, by owner, group, mode and access list,
 * whatever the umask and whichever user made it. No other user may, at any moment. Cases about other users need
 * root. */
#include "check.h"

#include "durable.h"
#include "forbid.h"
#include "golden.h"

#include <grp.h>
#include <sys/xattr.h>

enum { ALICE = 4001, BOB = 4002, TEAM = 4010, RECORDS_LEFT = 12 };

#define ACCESS_LIST "system.posix_acl_access"
#define DEFAULT_LIST "system.posix_acl_default"

/* What a file is to be like. */
typedef struct look {
  mode_t mode;
  uid_t owner;
  gid_t group;
} look;

static look look_at(const char *name) {
  struct stat status;
  if (lstat(check_path(name), &status) != 0) printf("\n    there is no %s", name);
  CHECK(lstat(check_path(name), &status) == 0);
  return (look){status.st_mode & 07777, status.st_uid, status.st_gid};
}

static void expect_look(const char *name, look expected) {
  const look found = look_at(name);
  if (found.mode != expected.mode || found.owner != expected.owner || found.group != expected.group)
    printf("\n    %s is %o of %u:%u, expected %o of %u:%u", name, found.mode, found.owner, found.group, expected.mode,
           expected.owner, expected.group);
  CHECK_EQ(found.mode, expected.mode);
  CHECK_EQ(found.owner, expected.owner);
  CHECK_EQ(found.group, expected.group);
}

/* Every file of the namespace but the record file; returns how many there are. */
static size_t expect_all_look(look expected) {
  struct dirent **entries;
  const int count = scandir(check_dir(), &entries, NULL, alphasort);
  size_t looked_at = 0;
  CHECK(count >= 0);
  for (int i = 0; i < count; free(entries[i++])) {
    if (strncmp(entries[i]->d_name, "a.", 2) != 0 || strcmp(entries[i]->d_name, "a.log") == 0) continue;
    expect_look(entries[i]->d_name, expected);
    looked_at++;
  }
  free(entries);
  return looked_at;
}

static void remove_all_but(const char *kept, const char *also_kept) {
  struct dirent **entries;
  const int count = scandir(check_dir(), &entries, NULL, alphasort);
  CHECK(count >= 0);
  for (int i = 0; i < count; free(entries[i++]))
    if (entries[i]->d_name[0] != '.' && strcmp(entries[i]->d_name, kept) != 0 &&
        strcmp(entries[i]->d_name, also_kept) != 0)
      CHECK(unlink(check_path(entries[i]->d_name)) == 0);
  free(entries);
}

static void some_records(immuta_log *log) { append_records(log, 0, RECORDS_LEFT); }

static void make_records(void) {
  immuta_log *log = OPEN();
  some_records(log);
  CHECK_OK(immuta_close(log, ERR));
}

static void repair_all(void) {
  immuta_report report;
  immuta_options *options = check_options((check_setup){.unused = 0});
  CHECK_OK(immuta_repair(check_dir(), "a", options, IMMUTA_REPAIR_APPLY, NULL, NULL, &report, sizeof report, ERR));
  CHECK_EQ(report.outcome, IMMUTA_OUTCOME_REPAIRED);
  immuta_options_free(options);
}

/* Of the first record. */
static void flip_a_byte(void) {
  const check_file file = check_read_file(check_path("a.log"));
  const unsigned char flipped = file.data[8 + 8] ^ 1;
  check_patch_file(check_path("a.log"), 8 + 8, &flipped, 1);
  free(file.data);
}

/* Makes the library create every kind of file that it makes beside the closed a.log, which has no other file: live
 * page, index file, journal, salvage, and copies of damaged files. They come from opening and from repairing. Checks
 * each of them, and the journal while it exists. */
static void make_everything(look expected) {
  immuta_log *log = OPEN(.durable = 1, .journal_size = JOURNAL_BYTES); /* adopts */
  CHECK_EQ(expect_all_look(expected), 3);
  check_append(log, 0, 100, 1);
  CHECK_OK(immuta_close(log, ERR));
  check_patch_file(check_path("a.log"), check_file_size(check_path("a.log")), "bytes behind", 12);
  CHECK_OK(immuta_close(OPEN(), ERR));
  expect_look("a.salvage-1", expected);
  check_patch_file(check_path("a.idx"), 0, "damage", 6);
  CHECK_OK(immuta_close(OPEN(), ERR));
  expect_look("a.idx.bad-1", expected);
  flip_a_byte();
  repair_all();
  expect_look("a.salvage-2", expected);
  expect_look("a.idx.bad-2", expected);
  CHECK_EQ(expect_all_look(expected), 6);
  remove_all_but("a.log", "a.live");
}

/* ---- Modes, as the user who runs this ---------------------------------------------------------------------------- */

static void modes_are_those_of_the_record_file(void) {
  static const mode_t masks[] = {022, 077, 0, 0777}, modes[] = {0600, 0640, 0660, 0644, 0666, 0700, 06755};
  make_records();
  const check_file records = check_read_file(check_path("a.log"));
  for (size_t m = 0; m < CHECK_COUNT(masks); m++)
    for (size_t i = 0; i < CHECK_COUNT(modes); i++) {
      umask(022);
      remove_all_but("a.log", "a.log");
      check_write_file(check_path("a.log"), records.data, records.size);
      CHECK(chmod(check_path("a.log"), modes[i]) == 0);
      umask(masks[m]);
      make_everything((look){modes[i] & 0777, getuid(), getgid()});
    }
  umask(022);
  free(records.data);
}

static void a_new_record_file_goes_by_the_umask_and_the_others_by_it(void) {
  static const mode_t masks[] = {022, 077, 0, 027};
  for (size_t m = 0; m < CHECK_COUNT(masks); m++) {
    umask(masks[m]);
    immuta_log *log = OPEN(.durable = 1, .journal_size = JOURNAL_BYTES);
    const look expected = {0666 & ~masks[m], getuid(), getgid()};
    expect_look("a.log", expected);
    CHECK_EQ(expect_all_look(expected), 3);
    CHECK_OK(immuta_close(log, ERR));
    remove_all_but("", "");
    immuta_report report;
    immuta_options *options = check_options((check_setup){.unused = 0});
    CHECK_OK(immuta_import(golden("count8-plain"), check_dir(), "a", options, NULL, NULL, &report, sizeof report, ERR));
    immuta_options_free(options);
    expect_look("a.log", expected);
    CHECK_EQ(expect_all_look(expected), 1);
    remove_all_but("", "");
  }
}

/* An opener of the group, whose umask is strict, leaves the group its access: index file and journal of a killed log,
 * replaced. */
static void a_journal_that_is_replaced_keeps_no_mode_of_its_own(void) {
  umask(022);
  leave_killed(some_records);
  CHECK(chmod(check_path("a.log"), 0660) == 0);
  expect_look("a.wal", (look){0644, getuid(), getgid()});
  umask(077);
  immuta_log *log = OPEN(.durable = 1, .journal_size = JOURNAL_BYTES);
  expect_look("a.wal", (look){0660, getuid(), getgid()});
  expect_look("a.idx", (look){0644, getuid(), getgid()}); /* it was there, and may have been given on purpose */
  CHECK_OK(immuta_close(log, ERR));
}

/* Denying a step shows what a file is like before that step; the temporary names are the same files. */
static void without(void *calls) {
  const uint32_t *denied = calls;
  umask(0);
  forbid_calls(denied, 4, EPERM);
  make_everything((look){0600, geteuid(), getegid()});
}

static void no_file_is_ever_wider_than_in_the_end(void) {
  uint32_t modes[] = {SYS_fchmod, SYS_fchmod, SYS_fchmod, SYS_fchmod};
#ifdef SYS_chmod
  modes[1] = SYS_chmod;
#endif
  make_records();
  remove_all_but("a.log", "a.log");
  CHECK(chmod(check_path("a.log"), 0666) == 0);
  check_process_succeeds(check_fork(without, modes));
}

typedef struct failing_call {
  uint32_t call;
  int error;
  immuta_status expected;
} failing_call;

static void open_with_a_failing_call(void *argument) {
  const failing_call *self = argument;
  const check_snapshot before = check_snapshot_take();
  forbid_call(self->call, self->error);
  immuta_log *log = NULL;
  CHECK_STATUS(self->expected, TRY_OPEN(&log, .names = {"a"}));
  CHECK_EQ(ERR->os_error, self->error);
  CHECK_MESSAGE("a.");
  check_snapshot_unchanged(&before);
}

/* A failure other than a lack of permission fails the opening, and leaves nothing. */
static void a_quota_or_a_device_that_fails_is_told(void) {
  failing_call calls[] = {{SYS_fgetxattr, EIO, IMMUTA_E_IO},
                          {SYS_fremovexattr, ENOSPC, IMMUTA_E_NO_SPACE},
                          {SYS_fchown, EDQUOT, IMMUTA_E_NO_SPACE}};
  make_records();
  remove_all_but("a.log", "a.log");
  for (size_t i = 0; i < CHECK_COUNT(calls); i++) {
    if (calls[i].call == SYS_fchown && geteuid() != 0) continue; /* the file would not be another's */
    if (calls[i].call == SYS_fchown) CHECK(chown(check_path("a.log"), ALICE, ALICE) == 0);
    check_process_succeeds(check_fork(open_with_a_failing_call, &calls[i]));
  }
}

/* ---- Access lists ------------------------------------------------------------------------------------------------ */

/* A list as the kernel takes it: the group nothing, BOB what `bob` says. */
static size_t fill_list(unsigned char list[44], unsigned group, unsigned bob) {
  const struct {
    uint16_t tag, permissions;
    uint32_t id;
  } entries[] = {{1, 6, UINT32_MAX},
                 {2, (uint16_t)bob, BOB},
                 {4, (uint16_t)group, UINT32_MAX},
                 {16, 6, UINT32_MAX},
                 {32, 0, UINT32_MAX}};
  const uint32_t version = 2;
  memcpy(list, &version, sizeof version);
  memcpy(list + sizeof version, entries, sizeof entries);
  return sizeof version + sizeof entries;
}

static void set_list(const char *path, const char *kind, unsigned group, unsigned bob) {
  unsigned char list[44];
  const size_t size = fill_list(list, group, bob);
  if (setxattr(path, kind, list, size, 0) != 0) CHECK_SKIP("the file system of the tests has no access lists");
}

static void expect_list(const char *name, unsigned group, unsigned bob) {
  unsigned char expected[44], found[64];
  const size_t size = fill_list(expected, group, bob);
  CHECK_EQ(getxattr(check_path(name), ACCESS_LIST, found, sizeof found), size);
  CHECK_BYTES(found, size, expected, size);
}

static void expect_no_list(const char *name) {
  unsigned char found[64];
  CHECK_EQ(getxattr(check_path(name), ACCESS_LIST, found, sizeof found), -1);
  CHECK_EQ(errno, ENODATA);
}

static void the_list_of_the_record_file_is_taken_over(void) {
  make_records();
  remove_all_but("a.log", "a.log");
  set_list(check_path("a.log"), ACCESS_LIST, 0, 4);
  const look expected = {0660, getuid(), getgid()}; /* the mask stands where the group's bits would */
  immuta_log *log = OPEN(.durable = 1, .journal_size = JOURNAL_BYTES);
  static const char *const names[] = {"a.idx", "a.wal", "a.live"};
  for (size_t i = 0; i < CHECK_COUNT(names); i++) {
    expect_look(names[i], expected);
    expect_list(names[i], 0, 4);
  }
  CHECK_OK(immuta_close(log, ERR));
}

static void a_list_of_the_directory_is_none_of_theirs(void) {
  make_records();
  remove_all_but("a.log", "a.log");
  CHECK(chmod(check_path("a.log"), 0660) == 0);
  set_list(check_dir(), DEFAULT_LIST, 7, 7);
  immuta_log *log = OPEN(.durable = 1, .journal_size = JOURNAL_BYTES);
  static const char *const names[] = {"a.idx", "a.wal", "a.live"};
  for (size_t i = 0; i < CHECK_COUNT(names); i++) {
    expect_look(names[i], (look){0660, getuid(), getgid()});
    expect_no_list(names[i]);
  }
  CHECK_OK(immuta_close(log, ERR));
}

static void open_without_lists(void *calls) {
  forbid_calls(calls, 4, EPERM);
  immuta_log *log = OPEN(.durable = 1, .journal_size = JOURNAL_BYTES);
  CHECK_EQ(expect_all_look((look){0600, geteuid(), getegid()}), 3);
  CHECK_OK(immuta_close(log, ERR));
}

/* If the system does not say whether there is a list, or takes none, only the owner is certain. */
static void without_its_list_a_file_is_the_owners_alone(void) {
  uint32_t calls[][4] = {
      {SYS_fgetxattr, SYS_fgetxattr, SYS_fgetxattr, SYS_fgetxattr},
      {SYS_fsetxattr, SYS_fsetxattr, SYS_fsetxattr, SYS_fsetxattr},
      {SYS_fgetxattr, SYS_fsetxattr, SYS_fremovexattr, SYS_fremovexattr},
  };
  make_records();
  set_list(check_path("a.log"), ACCESS_LIST, 0, 4);
  for (size_t i = 0; i < CHECK_COUNT(calls); i++) {
    remove_all_but("a.log", "a.log");
    check_process_succeeds(check_fork(open_without_lists, calls[i]));
  }
}

/* ---- Other users ------------------------------------------------------------------------------------------------- */

static void skip_without_root(void) {
  if (geteuid() != 0) CHECK_SKIP("files of other users need root (CAP_CHOWN)");
}

/* Goes on as `user` of `group`, and of TEAM as well if `in_team`. */
static void become(uid_t user, gid_t group, int in_team) {
  const gid_t team = TEAM;
  CHECK(setgroups((size_t)in_team, &team) == 0 && setresgid(group, group, group) == 0 &&
        setresuid(user, user, user) == 0);
}

static void make_records_of(uid_t owner, gid_t group, mode_t mode) {
  make_records();
  remove_all_but("a.log", "a.log");
  CHECK(chown(check_path("a.log"), owner, group) == 0 && chmod(check_path("a.log"), mode) == 0 &&
        chmod(check_dir(), 0777) == 0);
}

static void open_as_alice(void *unused) {
  (void)unused;
  become(ALICE, ALICE, 1);
  immuta_log *log = OPEN(.durable = 1, .journal_size = JOURNAL_BYTES);
  check_append(log, 0, 10, 1);
  immuta_log *reader = OPEN(.read_only = 1);
  CHECK_EQ(check_stats(reader, 0).count, check_stats(log, 0).count);
  CHECK_OK(immuta_close(reader, ERR));
  CHECK_OK(immuta_close(log, ERR));
  umask(0);
  make_everything((look){0600, ALICE, TEAM});
}

static void what_root_opens_or_repairs_stays_the_owners(void) {
  skip_without_root();
  make_records_of(ALICE, TEAM, 0600);
  make_everything((look){0600, ALICE, TEAM});
  CHECK_OK(immuta_close(OPEN(), ERR)); /* the index file was lost, and root opens it once */
  CHECK_OK(immuta_close(OPEN(.read_only = 1), ERR));
  CHECK_EQ(expect_all_look((look){0600, ALICE, TEAM}), 2);
  CHECK_EQ(look_at("a.log").owner, ALICE);
  check_process_succeeds(check_fork(open_as_alice, NULL));
}

/* A user who may only read and cannot give a live page to the owner makes none: it would be in the writer's way. */
/* Where the system allows links to files of others, as with fs.protected_hardlinks=0. */
static void a_file_that_has_another_name_is_not_given_away(void) {
  skip_without_root();
  make_records_of(ALICE, TEAM, 0640);
  check_write_file(check_path("secret"), "of root's", 9);
  CHECK(chmod(check_path("secret"), 0600) == 0);
  CHECK(link(check_path("secret"), check_path("a.idx")) == 0);
  immuta_log *log = OPEN(); /* adopts, and moves what is no index file aside */
  CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_ADOPTED);
  CHECK_OK(immuta_close(log, ERR));
  expect_look("secret", (look){0600, 0, getgid()});
}

static void read_as_bob(void *unused) {
  (void)unused;
  become(BOB, BOB, 0);
  immuta_log *log = OPEN(.read_only = 1);
  CHECK_EQ(check_stats(log, 0).count, RECORDS_LEFT);
  CHECK(!check_exists(check_path("a.live")));
  CHECK_OK(immuta_close(log, ERR));
}

static void readers_of_other_users_make_no_page(void) {
  skip_without_root();
  make_records_of(ALICE, ALICE, 0644);
  CHECK_OK(immuta_close(OPEN(), ERR));
  CHECK(unlink(check_path("a.live")) == 0);
  check_process_succeeds(check_fork(read_as_bob, NULL));
  CHECK_OK(immuta_close(OPEN(.read_only = 1), ERR)); /* root gives it away */
  expect_look("a.live", (look){0644, ALICE, ALICE});
}

/* Who opens it, and what the files look like then. */
typedef struct visit {
  uid_t user;
  gid_t group;
  int in_team;
  mode_t mode; /* of the record file */
  gid_t group_after;
  mode_t mode_after;
} visit;

static void open_as_visitor(void *argument) {
  const visit *self = argument;
  become(self->user, self->group, self->in_team);
  umask(0);
  make_everything((look){self->mode_after, self->user, self->group_after});
}

static void who_may_not_give_files_away_widens_nothing(void) {
  skip_without_root();
  static visit visits[] = {
      {BOB, BOB, 1, 0660, TEAM, 0660},    /* the group can be given */
      {BOB, BOB, 1, 0664, TEAM, 0664},    /**/
      {BOB, BOB, 0, 0666, BOB, 0666},     /* it cannot, and others have as much */
      {BOB, BOB, 0, 0626, BOB, 0622},     /* what either lacks, neither gets: each may be the other now */
      {BOB, BOB, 0, 0646, BOB, 0644},     /**/
      {BOB, BOB, 0, 0606, BOB, 0600},     /* the group was kept out */
      {ALICE, ALICE, 0, 0640, ALICE, 0600}, /* the owner is no member of the group */
      {ALICE, ALICE, 0, 0644, ALICE, 0644},
  };
  for (size_t i = 0; i < CHECK_COUNT(visits); i++) {
    make_records_of(ALICE, TEAM, visits[i].mode);
    check_process_succeeds(check_fork(open_as_visitor, &visits[i]));
    CHECK(unlink(check_path("a.log")) == 0);
    remove_all_but("", "");
  }
}

static void open_with_a_list_as_bob(void *unused) {
  (void)unused;
  become(BOB, BOB, 0);
  make_everything((look){0600, BOB, BOB});
}

static void a_list_is_not_given_with_a_wrong_group(void) {
  skip_without_root();
  make_records_of(ALICE, TEAM, 0660);
  set_list(check_path("a.log"), ACCESS_LIST, 6, 6);
  check_process_succeeds(check_fork(open_with_a_list_as_bob, NULL));
}

static const check_case cases[] = {
    CASE(modes_are_those_of_the_record_file),
    CASE(a_new_record_file_goes_by_the_umask_and_the_others_by_it),
    CASE(a_journal_that_is_replaced_keeps_no_mode_of_its_own),
    CASE(no_file_is_ever_wider_than_in_the_end),
    CASE(a_quota_or_a_device_that_fails_is_told),
    CASE(the_list_of_the_record_file_is_taken_over),
    CASE(a_list_of_the_directory_is_none_of_theirs),
    CASE(without_its_list_a_file_is_the_owners_alone),
    CASE(what_root_opens_or_repairs_stays_the_owners),
    CASE(a_file_that_has_another_name_is_not_given_away),
    CASE(readers_of_other_users_make_no_page),
    CASE(who_may_not_give_files_away_widens_nothing),
    CASE(a_list_is_not_given_with_a_wrong_group),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
