/* Moves money between accounts: both entries of a transfer are in the log, or neither is, whatever happens in between.
 *
 *   transaction [DIRECTORY]      DIRECTORY is ./log-data unless given. Run it twice: the balances go on. */
#include <immuta.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALICE, BOB, ACCOUNTS };

static const char *const names[ACCOUNTS] = {"alice", "bob"};
static int64_t balances[ACCOUNTS] = {100, 100};

/* One record: an account, and what is added to its balance. */
typedef struct entry {
  int32_t account, amount;
} entry;

static void must(immuta_status status, const immuta_error *error) {
  if (status == IMMUTA_OK) return;
  fprintf(stderr, "%s: %s\n", immuta_status_name(status), error->message);
  exit(EXIT_FAILURE);
}

static immuta_log *open_log(const char *directory) {
  immuta_error error = {0};
  immuta_log *log = NULL;
  immuta_options *options = immuta_options_new();
  if (immuta_options_add_namespace(options, "accounts") != IMMUTA_OK) exit(EXIT_FAILURE);
  must(immuta_open(directory, options, &log, &error), &error);
  immuta_options_free(options);
  return log;
}

/* Applies the entries the stream has not seen yet. */
static void catch_up(immuta_stream *stream) {
  immuta_error error = {0};
  immuta_record record;
  immuta_status status;
  while ((status = immuta_stream_next(stream, 0, &record, &error)) == IMMUTA_OK) {
    entry found;
    memcpy(&found, record.data, sizeof found); /* records lie at any address */
    balances[found.account] += found.amount;
    immuta_record_done(&record);
  }
  if (status != IMMUTA_TIMEOUT) must(status, &error);
}

static void transfer(immuta_log *log, int32_t from, int32_t to, int32_t amount) {
  immuta_error error = {0};
  immuta_txn *txn = NULL;
  const entry taken = {from, -amount}, given = {to, amount};
  must(immuta_txn_begin(log, 0, &txn, &error), &error);
  must(immuta_txn_append(txn, &taken, sizeof taken, &error), &error);

  /* Second thoughts cost nothing: what is staged is in memory only. */
  if (balances[from] < amount) {
    immuta_txn_rollback(txn);
    printf("%s has no %" PRId32 "\n", names[from], amount);
    return;
  }
  must(immuta_txn_append(txn, &given, sizeof given, &error), &error);

  immuta_appended appended;
  must(immuta_txn_commit(txn, &appended, &error), &error); /* releases it, whatever the answer */
  printf("%s gives %s %" PRId32 ": records %" PRIu64 " and %" PRIu64 "\n", names[from], names[to], amount,
         appended.number, appended.number + 1);
}

int main(int argc, char **argv) {
  immuta_error error = {0};
  immuta_log *log = open_log(argc > 1 ? argv[1] : "./log-data");
  immuta_stream *stream = NULL;
  must(immuta_stream_open(log, 0, 0, &stream, &error), &error);
  catch_up(stream);
  transfer(log, ALICE, BOB, 30);
  catch_up(stream);
  transfer(log, ALICE, BOB, 1000);
  catch_up(stream);
  for (int i = 0; i < ACCOUNTS; i++) printf("%s: %" PRId64 "\n", names[i], balances[i]);
  immuta_stream_done(stream);
  must(immuta_close(log, &error), &error);
  return EXIT_SUCCESS;
}
