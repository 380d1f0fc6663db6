/* Sparse copies on a full tmpfs, where touching a hole in memory takes a page that does not exist: readers of either
 * engine get the zeros that a hole stands for, and no signal. */
#include "check.h"

#include "forbid.h"
#include "small_disk.h"

enum { PAGE = 4096, ZEROS = 40 * PAGE, RECORDS = 6 };

static char disk[1024];

static const char *on_disk(const char *name) {
  static _Thread_local char path[1100];
  CHECK(snprintf(path, sizeof path, "%s/%s", disk, name) < (int)sizeof path);
  return path;
}

/* Copies a file as `cp --sparse=always` does: pages of zeros become holes. */
static void copy_sparsely(const char *name) {
  static const unsigned char zeros[PAGE];
  const check_file file = check_read_file(check_path(name));
  const int fd = open(on_disk(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  CHECK(fd >= 0);
  CHECK(ftruncate(fd, (off_t)file.size) == 0);
  for (size_t at = 0; at < file.size; at += PAGE) {
    const size_t size = file.size - at < PAGE ? file.size - at : PAGE;
    if (memcmp(file.data + at, zeros, size) != 0) CHECK_EQ(pwrite(fd, file.data + at, size, (off_t)at), size);
  }
  close(fd);
  free(file.data);
}

/* Mounts the disk, puts sparse copies of the case's files there, and leaves no page free. */
static void copy_to_a_full_disk(void) {
  static const char *const names[] = {"a.log", "a.idx", "a.live"};
  static const unsigned char page[PAGE];
  snprintf(disk, sizeof disk, "%s", mount_small_disk("1m"));
  for (size_t i = 0; i < CHECK_COUNT(names); i++) copy_sparsely(names[i]);
  const int fd = open(on_disk("ballast"), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  CHECK(fd >= 0);
  while (write(fd, page, sizeof page) > 0) continue;
  CHECK_EQ(errno, ENOSPC);
  close(fd);
}

static uint64_t room_taken(void) {
  struct stat status;
  CHECK(stat(on_disk("a.log"), &status) == 0);
  return (uint64_t)status.st_blocks * 512;
}

/* Every second record is zeros over many pages, the others are none. */
static void append_zeros_between(immuta_log *log, uint64_t from) {
  static const unsigned char zeros[ZEROS];
  for (uint64_t number = from; number < from + RECORDS; number++) {
    if (number % 2 == 0) check_append(log, 0, 3 * PAGE, number);
    else CHECK_OK(immuta_append(log, 0, zeros, sizeof zeros, NULL, ERR));
  }
}

static void expect_zeros_between(immuta_log *log, uint64_t count) {
  static const unsigned char zeros[ZEROS];
  immuta_stream *stream = check_stream(log, 0, 0);
  for (uint64_t number = 0; number < count; number++) {
    immuta_record record;
    CHECK_OK(immuta_stream_next(stream, 10 * CHECK_SECOND, &record, ERR)); /* a reader looks every 20 ms */
    CHECK_EQ(record.number, number);
    if (number % 2 == 0) CHECK(record.size == 3 * PAGE && check_is_fill(record.data, record.size, number));
    else CHECK(record.size == ZEROS && memcmp(record.data, zeros, ZEROS) == 0);
    CHECK_OK(immuta_record_done(&record));
  }
  check_end(stream);
  immuta_stream_done(stream);
}

static void holes_of_a_copy_are_read_as_zeros(void) {
  immuta_log *log = OPEN();
  append_zeros_between(log, 0);
  CHECK_OK(immuta_close(log, ERR));
  copy_to_a_full_disk();
  const uint64_t before = room_taken();
  CHECK(before < ZEROS);
  for (int unverified = 0; unverified < 2; unverified++) {
    log = OPEN(.directory = disk, .read_only = 1, .unverified = unverified);
    expect_zeros_between(log, RECORDS);
    CHECK_OK(immuta_close(log, ERR));
  }
  CHECK_EQ(room_taken(), before); /* reading fills no hole */
  log = OPEN(.directory = disk);
  expect_zeros_between(log, RECORDS);
  CHECK(unlink(on_disk("ballast")) == 0);
  append_zeros_between(log, RECORDS);
  expect_zeros_between(log, 2 * RECORDS);
  CHECK_OK(immuta_close(log, ERR));
}

/* The only descriptor serves a record from the mapping, the next one through its buffer, and the first one again. */
static void a_record_before_a_hole_is_read_again_after_the_hole(void) {
  immuta_log *log = OPEN();
  append_zeros_between(log, 0);
  CHECK_OK(immuta_close(log, ERR));
  copy_to_a_full_disk();
  log = OPEN(.directory = disk, .read_only = 1, .readers = 1);
  immuta_stream *stream = check_stream(log, 0, 0);
  for (int i = 0; i < 2; i++) {
    immuta_record zeros;
    check_next(stream, 0, 3 * PAGE, 0);
    CHECK_OK(immuta_stream_next(stream, 0, &zeros, ERR));
    CHECK_EQ(zeros.size, ZEROS);
    CHECK_OK(immuta_record_done(&zeros));
    CHECK_OK(immuta_stream_seek(stream, 0, ERR));
  }
  immuta_stream_done(stream);
  CHECK_OK(immuta_close(log, ERR));
}

/* As in a sandbox that knows no such question. */
static void a_system_that_does_not_say_where_holes_are_is_read_by_calls(void) {
  immuta_log *log = OPEN();
  append_zeros_between(log, 0);
  CHECK_OK(immuta_close(log, ERR));
  copy_to_a_full_disk();
  forbid_call(SYS_lseek, EINVAL);
  log = OPEN(.directory = disk, .read_only = 1);
  expect_zeros_between(log, RECORDS);
  CHECK_OK(immuta_close(log, ERR));
}

/* The count itself lies in a hole. */
static void a_log_that_is_all_hole_is_empty(void) {
  CHECK_OK(immuta_close(OPEN(), ERR));
  copy_to_a_full_disk();
  CHECK_EQ(room_taken(), 0);
  immuta_log *reader = OPEN(.directory = disk, .read_only = 1);
  CHECK_EQ(check_stats(reader, 0).count, 0);
  CHECK_EQ(room_taken(), 0);
  CHECK(unlink(on_disk("ballast")) == 0);
  immuta_log *log = OPEN(.directory = disk);
  append_zeros_between(log, 0);
  expect_zeros_between(reader, RECORDS);
  CHECK_OK(immuta_close(log, ERR));
  CHECK_OK(immuta_close(reader, ERR));
}

static const check_case cases[] = {
    CASE(holes_of_a_copy_are_read_as_zeros),
    CASE(a_record_before_a_hole_is_read_again_after_the_hole),
    CASE(a_system_that_does_not_say_where_holes_are_is_read_by_calls),
    CASE(a_log_that_is_all_hole_is_empty),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
