/*
 * offer: the mechanisms that the sources could verify now, and the master's word of
 * it. What an administrator adds or deletes changes it while the server runs.
 */
#ifndef POSTERN_AUTH_OFFER_H
#define POSTERN_AUTH_OFFER_H

#include "auth/decide.h"

#include <sys/types.h>
#include <time.h>

/* How often the databases are looked at. */
enum { OFFER_TICK_MS = 2000 };

/* What stat(2) tells of a file; all zero: it is not there. */
struct offer_file {
	ino_t inode;
	off_t size;
	struct timespec changed;
};

struct offer {
	uint32_t mechanisms; /* as last reported */
	/* of each source: the database and its write-ahead log */
	struct offer_file files[SETUP_SOURCES_MAX][2];
};

/* In the warm parent, before it is ready. 0, or -1 with errno. */
int offer_begin(struct offer *offer, struct auth *auth);

/* Looks whether a database has changed; reports when the set has. Where none has, its
 * log goes back into it. */
void offer_follow(struct offer *offer, struct auth *auth);

/* Nobody will ask any more: what is in the logs goes back into the databases. */
void offer_end(struct offer *offer, struct auth *auth);

#endif
