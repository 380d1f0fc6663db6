/* An independent reader of the journal, written from docs/format.md and sharing nothing with the library; and a forger,
 * which gives bytes that a test wrote the checksums that the library expects. For the suites of durable mode, about
 * namespace "a": include it after check.h. */
#ifndef IMMUTA_CHECK_JOURNAL_H
#define IMMUTA_CHECK_JOURNAL_H
#include "check/format.h"

enum { WAL_PAGE = 4096, WAL_CRC_AT = WAL_PAGE - 4, WAL_FRAME = 52, WAL_FRAME_CRC_AT = WAL_FRAME - 4 };

/* Where the fields lie in a header and in a frame, for those who forge them. */
enum { WAL_SIZE_AT = 16, WAL_LOG_ID_AT = 24, WAL_EPOCH_AT = 40, WAL_GENERATION_AT = 48, WAL_FIRST_NUMBER_AT = 64 };
enum {
  FRAME_LENGTH_AT = 0, FRAME_SEQUENCE_AT = 8, FRAME_NUMBER_AT = 16,
  FRAME_COUNT_AT = 24, FRAME_OFFSET_AT = 32, FRAME_TIME_AT = 40
};

static const unsigned char wal_magic[8] = {0x89, 'I', 'M', 'W', 0x0d, 0x0a, 0x1a, 0x0a};
static const uint64_t wal_in_place = UINT64_C(1) << 63;

typedef struct wal_header {
  uint64_t journal_size, epoch, generation, salt, first_number, first_offset;
  unsigned char log_id[16];
} wal_header;

typedef struct wal_frame {
  uint64_t length, sequence, first_number, count, offset;
  int64_t time_ns;
  int in_place;
  size_t at, end; /* where it lies in the journal, its bytes included */
} wal_frame;

static inline size_t wal_half_at(check_file wal, int half) { return half == 0 ? 0 : wal.size / 2; }

/* Whether a half has a header. */
static inline int wal_is_begun(check_file wal, int half) {
  const unsigned char *page = wal.data + wal_half_at(wal, half);
  return memcmp(page, wal_magic, 8) == 0 && check_u32(page + WAL_CRC_AT) == crc32c(0, page, WAL_CRC_AT);
}

/* The header of a half, every byte of it looked at. */
static inline wal_header wal_read_header(check_file wal, int half) {
  const unsigned char *page = wal.data + wal_half_at(wal, half);
  CHECK_BYTES(page, 8, wal_magic, 8);
  CHECK_EQ(check_u32(page + 8), 1); /* version */
  CHECK_EQ(check_u32(page + 12), WAL_PAGE);
  CHECK_EQ(check_u64(page + 80), 0); /* base: the first segment of its namespace */
  CHECK(is_zero(page + 88, WAL_CRC_AT - 88));
  CHECK_EQ(check_u32(page + WAL_CRC_AT), crc32c(0, page, WAL_CRC_AT));
  wal_header header = {.journal_size = check_u64(page + WAL_SIZE_AT),
                       .epoch = check_u64(page + WAL_EPOCH_AT),
                       .generation = check_u64(page + WAL_GENERATION_AT),
                       .salt = check_u64(page + 56),
                       .first_number = check_u64(page + WAL_FIRST_NUMBER_AT),
                       .first_offset = check_u64(page + 72)};
  memcpy(header.log_id, page + WAL_LOG_ID_AT, sizeof header.log_id);
  CHECK_EQ(header.journal_size, wal.size);
  return header;
}

static inline uint32_t wal_frame_crc(const unsigned char *frame, size_t body, uint64_t salt) {
  unsigned char salt_bytes[8];
  put_u64(salt_bytes, salt);
  return crc32c(crc32c(crc32c(0, salt_bytes, 8), frame, WAL_FRAME_CRC_AT), frame + WAL_FRAME, body);
}

/* The frame at `at` in a half that ends at `half_end`; 0 when none verifies there. */
static inline int wal_read_frame(check_file wal, uint64_t salt, size_t at, size_t half_end, wal_frame *read) {
  if (half_end - at < WAL_FRAME) return 0;
  const unsigned char *frame = wal.data + at;
  uint64_t length = check_u64(frame);
  *read = (wal_frame){.length = length & ~wal_in_place,
                      .in_place = (length & wal_in_place) != 0,
                      .sequence = check_u64(frame + FRAME_SEQUENCE_AT),
                      .first_number = check_u64(frame + FRAME_NUMBER_AT),
                      .count = check_u64(frame + FRAME_COUNT_AT),
                      .offset = check_u64(frame + FRAME_OFFSET_AT),
                      .time_ns = (int64_t)check_u64(frame + FRAME_TIME_AT),
                      .at = at};
  uint64_t body = read->in_place ? 0 : read->length;
  if (body > half_end - at - WAL_FRAME) return 0;
  read->end = at + WAL_FRAME + (size_t)body;
  return check_u32(frame + WAL_FRAME_CRC_AT) == wal_frame_crc(frame, (size_t)body, salt);
}

/* The frames of a half, up to the first that does not verify, into `frames`; how many. */
static inline size_t wal_read_frames(check_file wal, int half, wal_frame *frames, size_t most) {
  size_t count = 0, at = wal_half_at(wal, half) + WAL_PAGE, half_end = wal_half_at(wal, half) + wal.size / 2;
  uint64_t salt = wal_read_header(wal, half).salt;
  wal_frame frame;
  for (; wal_read_frame(wal, salt, at, half_end, &frame); at = frame.end) {
    CHECK(count < most);
    frames[count++] = frame;
  }
  return count;
}

/* Frames of one half continue each other, and they hold the same bytes as the record file. Returns where the last one
 * ends. */
static inline size_t wal_check_frames(check_file wal, check_file log, const wal_frame *frames, size_t count) {
  CHECK(count > 0);
  for (size_t i = 0; i < count; i++) {
    const wal_frame *frame = &frames[i], *before = i > 0 ? &frames[i - 1] : NULL;
    CHECK(before == NULL || frame->sequence == before->sequence + 1);
    CHECK(before == NULL || frame->first_number == before->first_number + before->count);
    CHECK(before == NULL || frame->offset == before->offset + before->length);
    CHECK(before == NULL || frame->time_ns >= before->time_ns);
    CHECK(before == NULL || frame->at == before->end);
    CHECK(frame->offset + frame->length <= log.size);
    if (!frame->in_place)
      CHECK_BYTES(wal.data + frame->at + WAL_FRAME, frame->length, log.data + frame->offset, frame->length);
  }
  return frames[count - 1].end;
}

/* ---- Forging: after bytes were changed, the checksums are made right ---- */

static inline void put_u32(unsigned char *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (unsigned char)(value >> 8 * i);
}

static inline void wal_seal_header(check_file wal, int half) {
  unsigned char *page = wal.data + wal_half_at(wal, half);
  put_u32(page + WAL_CRC_AT, crc32c(0, page, WAL_CRC_AT));
}

static inline void wal_seal_frame(check_file wal, const wal_frame *frame, uint64_t salt) {
  unsigned char *bytes = wal.data + frame->at;
  put_u32(bytes + WAL_FRAME_CRC_AT, wal_frame_crc(bytes, frame->end - frame->at - WAL_FRAME, salt));
}

#endif
