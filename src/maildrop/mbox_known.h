/*
 * mbox_known: unique-ids of an earlier form that clients know.
 */
#ifndef POSTERN_MAILDROP_MBOX_KNOWN_H
#define POSTERN_MAILDROP_MBOX_KNOWN_H

#include "maildrop/driver.h"

#define KNOWN_NAME "known-ids"
#define KNOWN_NEW  "known-ids.new"

/* A message's id as a scan finds it, and the one that clients have. */
struct mbox_known_pair {
	uint64_t found[2], given[2];
};

/* What is in the state directory; all zero: not read yet. */
struct mbox_known {
	bool loaded;
	struct mbox_known_pair *pairs; /* in order of found */
	size_t n;
};

/* Puts the id that clients have in the place of the one that a scan found. */
void mbox_known_id(struct maildrop *drop, uint64_t id[2]);

/*
 * Clients know the messages of the snapshot, which a scan has just found, by their ids
 * of the former form: gives those to them, and keeps a table of the ones that differ.
 * 0, or -1 with errno: it could not be kept, and has to be done again.
 */
int mbox_known_learn(struct maildrop *drop);

/* Nothing is left in the mbox. */
void mbox_known_forget(struct maildrop *drop);

void mbox_known_free(struct mbox_known *known);

#endif
