/* Gives the walk of check/walk.h a name that can be linked. */
#include "check/walk.h"

walk_result walker_walk(const unsigned char *file, size_t size, int closed);

walk_result walker_walk(const unsigned char *file, size_t size, int closed) {
  return closed ? walk_closed(file, size) : walk_open(file, size);
}
