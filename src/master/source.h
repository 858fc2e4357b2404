/*
 * source: what the master remembers of where connections come from: how many
 * there are, how many logins failed. IPv4 by address, IPv6 by /64.
 */
#ifndef POSTERN_MASTER_SOURCE_H
#define POSTERN_MASTER_SOURCE_H

#include "postern/facts.h"

struct source {
	uint8_t family;	   /* 4 or 6 */
	uint8_t prefix[8]; /* an IPv4 address and zeros, or a /64 */
	uint32_t connections;
	uint32_t failures; /* counted, and forgotten with time */
	int64_t last_failure;
	struct source *next;			 /* of the same bucket */
	struct source *idle_before, *idle_after; /* while connections == 0 */
};

struct sources {
	struct source **buckets;
	size_t buckets_n; /* a power of two */
	size_t n, idle_n;
	struct source *idle_first, *idle_last; /* oldest first */
	uint64_t key[2]; /* random: peers choose their addresses */
};

/* 0, or -1 with errno. */
int sources_init(struct sources *sources);

/* The entry of an address, made when it is new; it counts one connection more.
 * NULL with errno when there is no memory. */
struct source *source_enter(struct sources *sources, const struct netaddr *peer);

/* One connection less. An entry without connections is forgotten when it has
 * nothing to tell, or when there are too many of them. */
void source_leave(struct sources *sources, struct source *source, int64_t now);

/* A login from there was refused. Milliseconds until the peer may be told. */
int64_t source_refused(struct source *source, int64_t now);

/* A login from there was good. */
void source_accepted(struct source *source, int64_t now);

void sources_free(struct sources *sources);

#endif
