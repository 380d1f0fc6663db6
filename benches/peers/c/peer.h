/* What a peer written in C gives to the harness. All of a peer's files are in the directory it is opened with. */
#ifndef PEER_H
#define PEER_H
#include <stddef.h>
#include <stdint.h>

typedef void (*visit_record)(void *context, const void *data, size_t size);

typedef enum mode {
  FAST,     /* the peer syncs nothing while it appends, as far as it can be told so */
  FLUSHING, /* the same, but for a sync each second: of its own, or by the call below */
  DURABLE,  /* a record is on the device before its append returns */
} mode;

typedef struct peer {
  /* Creates the log. */
  void *(*open)(const char *directory, mode how);
  void (*append)(void *log, const void *data, size_t size);
  /* NULL: there are no batches. All payloads have the same size. */
  void (*append_batch)(void *log, const void *const *payloads, size_t count, size_t size);
  /* Called each second beside the appends, in mode FLUSHING; NULL: not possible, or the log does so itself. */
  void (*sync)(void *log);
  void (*close)(void *log);

  void *(*open_reader)(const char *directory);
  /* Visits every record in order. */
  void (*read)(void *reader, visit_record visit, void *context);
  void (*close_reader)(void *reader);
  int shares_appends; /* threads may append at the same time */
} peer;

extern const peer the_peer;  /* of the program */
extern const char *variant; /* value of --variant, or "" */

_Noreturn void die(const char *format, ...);

#endif
