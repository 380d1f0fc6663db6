/* An independent reader of the index file, written from docs/format.md and sharing nothing with the library. So the
 * suites check the format as an outsider would read it. For the suites that look at bytes: include it after check.h. */
#ifndef IMMUTA_CHECK_FORMAT_H
#define IMMUTA_CHECK_FORMAT_H
#include "check/tasks.h"
#include "check/walk.h"

enum {
  LOG_EXTENSION = 65536, /* an open record file is a multiple of this long */
  IDX_PAGE = 4096,
  IDX_HEADER = 4 * IDX_PAGE,
  IDX_ENTRY = 24,
  IDX_CRC_AT = IDX_PAGE - 4,
  IDX_STATE_OPEN = 1,
  IDX_STATE_CLEAN = 2,
  IDX_STATE_POISONED = 3,
  IDX_MODE_DURABLE = 0,
  IDX_MODE_FAST = 1,
  LIVE_SIZE = 4096
};

static const unsigned char idx_magic[8] = {0x89, 'I', 'M', 'X', 0x0d, 0x0a, 0x1a, 0x0a};

/* CRC-32C, one bit at a time: slow and evident. `crc` is 0, or the result for the bytes before. */
static inline uint32_t crc32c(uint32_t crc, const void *data, size_t size) {
  const unsigned char *bytes = data;
  crc = ~crc;
  for (size_t i = 0; i < size; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
  }
  return ~crc;
}

static inline int is_zero(const unsigned char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++)
    if (bytes[i] != 0) return 0;
  return 1;
}

typedef struct idx_checkpoint {
  uint64_t seq, count, end, epoch;
  uint32_t state, mode;
} idx_checkpoint;

typedef struct idx_entry {
  uint64_t offset;
  int64_t time_ns;
  int last_of_batch, adopted, quarantined;
} idx_entry;

/* Page 0, every byte of it; the log id is bytes 40..56. */
static inline void idx_check_identity(const unsigned char *page) {
  CHECK_BYTES(page, 8, idx_magic, 8);
  CHECK_EQ(check_u32(page + 8), 1); /* version */
  CHECK_EQ(check_u32(page + 12), IDX_HEADER);
  CHECK_EQ(check_u32(page + 16), IDX_ENTRY);
  CHECK_EQ(check_u32(page + 20), 0);
  CHECK_EQ(check_u64(page + 24), 0); /* compatible flags */
  CHECK_EQ(check_u64(page + 32), 0); /* incompatible flags */
  CHECK(!is_zero(page + 40, 16));    /* log id: 128 random bits */
  CHECK(check_u64(page + 56) > UINT64_C(1500000000000000000)); /* created: ns since 1970, so after 2017 */
  CHECK(is_zero(page + 68, 64));                /* no codec ids */
  CHECK(is_zero(page + 132, IDX_CRC_AT - 132)); /* no place: the first segment of its namespace; and nothing else */
  CHECK_EQ(check_u32(page + IDX_CRC_AT), crc32c(0, page, IDX_CRC_AT));
}

static inline int idx_checkpoint_valid(const unsigned char *file, int which) {
  const unsigned char *page = file + (1 + which) * IDX_PAGE;
  return check_u32(page + IDX_CRC_AT) == crc32c(crc32c(0, file + 40, 16), page, IDX_CRC_AT);
}

static inline idx_checkpoint idx_read_checkpoint(const unsigned char *file, int which) {
  const unsigned char *page = file + (1 + which) * IDX_PAGE;
  CHECK(idx_checkpoint_valid(file, which));
  CHECK_EQ(check_u64(page + 40), 0); /* first: nothing was trimmed */
  CHECK_EQ(check_u32(page + 48), 0); /* the segment does not end early */
  CHECK(is_zero(page + 52, IDX_CRC_AT - 52));
  return (idx_checkpoint){.seq = check_u64(page),
                          .count = check_u64(page + 8),
                          .end = check_u64(page + 16),
                          .state = check_u32(page + 24),
                          .mode = check_u32(page + 28),
                          .epoch = check_u64(page + 32)};
}

/* The valid checkpoint with the higher sequence number. */
static inline idx_checkpoint idx_newest_checkpoint(const unsigned char *file) {
  CHECK(idx_checkpoint_valid(file, 0) || idx_checkpoint_valid(file, 1));
  if (!idx_checkpoint_valid(file, 1)) return idx_read_checkpoint(file, 0);
  if (!idx_checkpoint_valid(file, 0)) return idx_read_checkpoint(file, 1);
  idx_checkpoint a = idx_read_checkpoint(file, 0), b = idx_read_checkpoint(file, 1);
  return a.seq > b.seq ? a : b;
}

/* Entry `number`, verified against its own checksum and that of the record's bytes in `log`. */
static inline idx_entry idx_read_entry(check_file idx, check_file log, uint64_t number) {
  size_t at = IDX_HEADER + (size_t)number * IDX_ENTRY;
  CHECK(at + IDX_ENTRY <= idx.size);
  const unsigned char *entry = idx.data + at;
  uint64_t word = check_u64(entry);
  idx_entry read = {.offset = word & ((UINT64_C(1) << 47) - 1),
                    .time_ns = (int64_t)check_u64(entry + 8),
                    .last_of_batch = word >> 63 != 0,
                    .adopted = (word >> 62 & 1) != 0,
                    .quarantined = (word >> 61 & 1) != 0};
  CHECK_EQ(word >> 47 & 0x3fff, 0); /* bits 47-60 */
  CHECK(read.offset + 8 <= log.size);
  uint64_t size = check_u64(log.data + read.offset);
  CHECK(size <= log.size - read.offset - 8);
  CHECK_EQ(check_u32(entry + 16), crc32c(0, log.data + read.offset, 8 + (size_t)size));
  unsigned char number_bytes[8];
  for (int i = 0; i < 8; i++) number_bytes[i] = (unsigned char)(number >> 8 * i);
  uint32_t bound = crc32c(crc32c(crc32c(0, idx.data + 40, 16), number_bytes, 8), entry, 20);
  CHECK_EQ(check_u32(entry + 20), bound);
  return read;
}

/* ---- The record file as it must be ---- */

/* What the record file must be: built beside the library's, record by record. */
typedef struct image {
  unsigned char *bytes;
  size_t size;
  uint64_t count;
} image;

static inline void put_u64(unsigned char *at, uint64_t value) {
  for (int i = 0; i < 8; i++) at[i] = (unsigned char)(value >> 8 * i);
}

static inline image image_new(void) {
  image made = {calloc(1, 8), 8, 0};
  CHECK(made.bytes != NULL);
  return made;
}

static inline void image_add(image *expected, const void *data, size_t size) {
  expected->bytes = realloc(expected->bytes, expected->size + 8 + size);
  CHECK(expected->bytes != NULL);
  put_u64(expected->bytes + expected->size, size);
  if (size > 0) memcpy(expected->bytes + expected->size + 8, data, size);
  expected->size += 8 + size;
  put_u64(expected->bytes, ++expected->count);
}

/* The file of an open log: the records, then zeros up to a multiple of 64 KiB. */
static inline void expect_open_file(const char *path, const image *expected) {
  check_file file = check_read_file(path);
  CHECK_EQ(file.size % LOG_EXTENSION, 0);
  CHECK(file.size >= expected->size);
  CHECK_BYTES(file.data, expected->size, expected->bytes, expected->size);
  const walk_result walked = walk_open(file.data, file.size);
  CHECK(walked.wrong == NULL);
  CHECK_EQ(walked.count, expected->count);
  CHECK_EQ(walked.end, expected->size);
  CHECK(is_zero(file.data + expected->size, file.size - expected->size));
  free(file.data);
}

static inline void expect_closed_file(const char *path, const image *expected) {
  check_file file = check_read_file(path);
  CHECK_BYTES(file.data, file.size, expected->bytes, expected->size);
  free(file.data);
}

/* ---- Both files of namespace "a" ---- */

/* The index file of a log that a writer in `mode` closed holds exactly the entries of the records of its record
 * file. */
static inline void expect_closed_index_file_of(uint32_t mode, uint64_t count) {
  check_file idx = check_read_file(check_path("a.idx")), log = check_read_file(check_path("a.log"));
  const walk_result walked = walk_closed(log.data, log.size);
  CHECK(walked.wrong == NULL);
  CHECK_EQ(walked.count, count);
  CHECK_EQ(idx.size, IDX_HEADER + count * IDX_ENTRY);
  idx_check_identity(idx.data);
  CHECK(is_zero(idx.data + 3 * IDX_PAGE, IDX_PAGE)); /* page 3 is unused */
  idx_checkpoint newest = idx_newest_checkpoint(idx.data);
  CHECK_EQ(newest.state, IDX_STATE_CLEAN);
  CHECK_EQ(newest.mode, mode);
  CHECK_EQ(newest.count, count);
  CHECK_EQ(newest.end, log.size);
  uint64_t offset = 8;
  int64_t latest_ns = 0;
  for (uint64_t i = 0; i < count; i++) {
    idx_entry entry = idx_read_entry(idx, log, i);
    CHECK_EQ(entry.offset, offset);
    CHECK(entry.time_ns >= latest_ns);
    latest_ns = entry.time_ns;
    offset += 8 + check_u64(log.data + offset);
  }
  CHECK_EQ(offset, log.size);
  free(idx.data);
  free(log.data);
}

static inline void expect_closed_index_file(uint64_t count) { expect_closed_index_file_of(IDX_MODE_FAST, count); }

static inline idx_checkpoint newest_on_disk(void) {
  check_file idx = check_read_file(check_path("a.idx"));
  idx_checkpoint newest = idx_newest_checkpoint(idx.data);
  free(idx.data);
  return newest;
}

static inline void expect_unchanged(const char *name, check_file before) {
  check_file after = check_read_file(check_path(name));
  CHECK_BYTES(after.data, after.size, before.data, before.size);
  free(after.data);
}

#endif
