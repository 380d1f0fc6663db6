/* What callers do with the values of immuta.h, compiled as C and as C++: none of it may cause a warning. */
#include <immuta.h>

int use(immuta_status status, const immuta_report *report, const immuta_stats *stats, const immuta_record *record);

int use(immuta_status status, const immuta_report *report, const immuta_stats *stats, const immuta_record *record) {
  int count = 0;
  if (status == IMMUTA_OK || IMMUTA_E_POOL == status || status < IMMUTA_OK) count++;
  if (report->outcome == IMMUTA_OUTCOME_CREATED || report->finding != IMMUTA_E_CORRUPT) count++;
  if (stats->mode == IMMUTA_MODE_FAST || stats->engine == IMMUTA_IO_MMAP) count++;
  if (record->flags & IMMUTA_RECORD_BATCH_END) count++;
  if ((record->flags & (IMMUTA_RECORD_ADOPTED | IMMUTA_RECORD_UNVERIFIED)) == 0) count++;

  immuta_status first = status < 0 ? status : IMMUTA_OK;
  immuta_status other = count > 1 ? IMMUTA_TIMEOUT : IMMUTA_E_BUSY;
  uint32_t flags = IMMUTA_REPAIR_APPLY | IMMUTA_REPAIR_ACCEPT_COUNT;
  flags |= count > 2 ? IMMUTA_REPAIR_APPLY : 0;
  int32_t engine = IMMUTA_IO_SYSCALL;
  int32_t kind = IMMUTA_CODEC_ZSTD;

  switch (status) {
    case IMMUTA_OK: count++; break;
    case IMMUTA_TIMEOUT: break;
    default: count--;
  }
  switch ((enum immuta_status_code)status) {
    case IMMUTA_OK: count++; break;
    case IMMUTA_E_PANIC: break;
    default: count--;
  }
  switch ((enum immuta_outcome)report->outcome) {
    case IMMUTA_OUTCOME_CLEAN: count++; break;
    default: break;
  }
  return count + first + other + (int)flags + engine + kind;
}
