/* RocksDB through its C interface: puts with its write-ahead log on; the keys are the record numbers. Fast: no
 * syncs; sustained: a flush of the log with a sync each second, beside the puts. Durable: synced puts, which RocksDB
 * groups over threads. Checksums are verified when reading. */
#include "peer.h"

#include <rocksdb/c.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct store {
  rocksdb_t *db;
  rocksdb_options_t *options;
  rocksdb_writeoptions_t *write;
  rocksdb_writebatch_t *batch;
  atomic_uint_fast64_t next;
} store;

static void must(char *error) {
  if (error != NULL) die("%s", error);
}

/* The key of the next record: big-endian, so that the order of keys is that of numbers. */
static void next_key(store *self, char key[8]) {
  const uint64_t big_endian = __builtin_bswap64(atomic_fetch_add(&self->next, 1));
  memcpy(key, &big_endian, 8);
}

static void *open_store(const char *directory, mode how) {
  store *self = calloc(1, sizeof *self);
  char *error = NULL;
  if (self == NULL) die("no memory");
  self->options = rocksdb_options_create();
  rocksdb_options_set_create_if_missing(self->options, 1);
  rocksdb_options_increase_parallelism(self->options, (int)sysconf(_SC_NPROCESSORS_ONLN));
  self->db = rocksdb_open(self->options, directory, &error);
  must(error);
  self->write = rocksdb_writeoptions_create();
  rocksdb_writeoptions_set_sync(self->write, how == DURABLE);
  self->batch = rocksdb_writebatch_create();
  return self;
}

static void append(void *log, const void *data, size_t size) {
  store *self = log;
  char key[8], *error = NULL;
  next_key(self, key);
  rocksdb_put(self->db, self->write, key, sizeof key, data, size, &error);
  must(error);
}

static void append_batch(void *log, const void *const *payloads, size_t count, size_t size) {
  store *self = log;
  char key[8], *error = NULL;
  rocksdb_writebatch_clear(self->batch);
  for (size_t i = 0; i < count; i++) {
    next_key(self, key);
    rocksdb_writebatch_put(self->batch, key, sizeof key, payloads[i], size);
  }
  rocksdb_write(self->db, self->write, self->batch, &error);
  must(error);
}

static void sync_store(void *log) {
  store *self = log;
  char *error = NULL;
  rocksdb_flush_wal(self->db, 1, &error);
  must(error);
}

static void close_store(void *log) {
  store *self = log;
  rocksdb_writebatch_destroy(self->batch);
  rocksdb_writeoptions_destroy(self->write);
  rocksdb_close(self->db);
  rocksdb_options_destroy(self->options);
  free(self);
}

static void *open_reader(const char *directory) { return open_store(directory, FAST); }

static void read_records(void *log, visit_record visit, void *context) {
  store *self = log;
  char *error = NULL;
  size_t size;
  rocksdb_readoptions_t *options = rocksdb_readoptions_create();
  rocksdb_iterator_t *records = rocksdb_create_iterator(self->db, options);
  for (rocksdb_iter_seek_to_first(records); rocksdb_iter_valid(records); rocksdb_iter_next(records)) {
    const char *data = rocksdb_iter_value(records, &size);
    visit(context, data, size);
  }
  rocksdb_iter_get_error(records, &error);
  must(error);
  rocksdb_iter_destroy(records);
  rocksdb_readoptions_destroy(options);
}

const peer the_peer = {
    .open = open_store,
    .append = append,
    .append_batch = append_batch,
    .sync = sync_store,
    .close = close_store,
    .open_reader = open_reader,
    .read = read_records,
    .close_reader = close_store,
    .shares_appends = 1,
};
