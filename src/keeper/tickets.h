/*
 * tickets: keys for TLS session tickets (RFC 8446 section 4.6.1), one for each ticket,
 * told to the gate of the connection that it is given on, and once more to that of the
 * first connection that shows it. Nobody but the keeper can say which key is whose.
 */
#ifndef POSTERN_KEEPER_TICKETS_H
#define POSTERN_KEEPER_TICKETS_H

#include "postern/keeper.h"

#include <stdatomic.h>

enum {
	TICKETS_KNOWN = 1 << 20,	   /* that many of the newest can be opened */
	TICKETS_MARKS = 2 * TICKETS_KNOWN, /* bits */
	TICKETS_SECRET = 32,		   /* octets */
};

/* What the workers share: who was given, who was opened. */
struct tickets_used {
	_Atomic uint64_t last;
	_Atomic uint64_t marks[TICKETS_MARKS / 64];
};

struct tickets {
	unsigned char names[TICKETS_SECRET], keys[TICKETS_SECRET];
	struct tickets_used *used;
};

/* Before the workers are forked: fresh secrets. 0, or -1. */
int tickets_begin(struct tickets *t);

/* A new ticket's name and key. now: seconds, of a clock that does not jump. 0, or -1.
 */
int tickets_give(const struct tickets *t, uint64_t now, struct keeper_ticket *ticket);

/* The key of the ticket of that name, when it is ours, not too old and was not opened
 * before: then it has been now. 0, or -1. */
int tickets_open(const struct tickets *t, uint64_t now,
	const unsigned char name[KEEPER_TICKET_NAME], struct keeper_ticket *ticket);

#endif
