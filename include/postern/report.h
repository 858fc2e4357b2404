/*
 * report: what a warm parent tells the master, and KILL, the one order that a
 * warm parent takes. Both name a connection by the master's number.
 */
#ifndef POSTERN_REPORT_H
#define POSTERN_REPORT_H

#include "base/buf.h"
#include "postern/login.h"

#include <stdint.h>

enum report_kind {
	REPORT_READY = 1,    /* set up and serving; connection is 0 */
	REPORT_STARTED = 2,  /* a child for this connection: pid */
	REPORT_ENDED = 3,    /* it is reaped: pid, status as from wait(2) */
	REPORT_ACCEPTED = 4, /* from an auth child: account (the name as stored) */
	/* from auth, parent or child: the mechanisms it can verify now (a set as
	 * facts.mechanisms); connection is 0; before READY, and when they change */
	REPORT_OFFER = 5,
	/* from an auth child, before it ends with EXIT_REFUSED: credential */
	REPORT_REFUSED = 6,
	/* the answer to each KILL: pid, or 0 when there is no child of that connection
	 */
	REPORT_OBEYED = 7,
	/* from an auth child, before it ends with EXIT_MORE for a claim that begins an
	 * exchange: credential */
	REPORT_BEGUN = 8,
	REPORT_LAST = REPORT_BEGUN,
};

struct report {
	enum report_kind kind;
	uint64_t connection;
	int32_t pid;	     /* STARTED, ENDED, OBEYED */
	int32_t status;	     /* ENDED */
	struct span account; /* ACCEPTED; 1 to LOGIN_NAME_MAX octets */
	uint32_t mechanisms; /* OFFER */
	/* REFUSED: a keyed hash of name and secret, the key being auth's: it tells
	 * nothing but whether two refused claims were the same one. BEGUN: of the name
	 * alone. */
	uint64_t credential;
};

void report_encode(struct buf *message, const struct report *report);
int report_decode(struct span message, struct report *report);

/*
 * Master to a warm parent: end the child of this connection with SIGKILL. Each is
 * answered, OBEYED. What came from above before it is taken first, on the intake too,
 * so after an answer without a pid none can begin.
 */
void kill_encode(struct buf *message, uint64_t connection);
int kill_decode(struct span message, uint64_t *connection);

#endif
