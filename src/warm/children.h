/*
 * children: which child of a warm parent serves which connection, found by pid
 * when it is reaped and by connection when the master wants it ended.
 */
#ifndef POSTERN_WARM_CHILDREN_H
#define POSTERN_WARM_CHILDREN_H

#include "base/poison.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct child_entry {
	uint64_t connection;
	pid_t pid;
	uint32_t next_pid, next_connection; /* index + 1 in the chain; 0: its end */
};

/* All zero is an empty table. */
struct children {
	struct child_entry *entries;	  /* [0, n) are in use */
	uint32_t *by_pid, *by_connection; /* heads: index + 1 */
	uint32_t n;
	uint32_t size; /* of each array; a power of two */
};

/* Room for one more? Grows the table when it is full. 0, or -1 with errno. */
int children_reserve(struct children *c);

/* Needs a children_reserve() before it. */
void children_add(struct children *c, pid_t pid, uint64_t connection);

/* Takes the child out. Its connection, or 0 when there is none of that pid. */
uint64_t children_remove(struct children *c, pid_t pid);

/* The child that serves the connection, or 0. */
pid_t children_find(const struct children *c, uint64_t connection);

/* Empty again, and without memory. */
void children_free(struct children *c);

#endif
