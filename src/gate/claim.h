/*
 * claim: one attempt to log in: a LOGIN up the verdict channel, a verdict back
 * (include/postern/login.h, verdict.h).
 */
#ifndef POSTERN_GATE_CLAIM_H
#define POSTERN_GATE_CLAIM_H

#include "gate/stream.h"
#include "postern/abi.h"
#include "postern/login.h"
#include "postern/verdict.h"

struct claim {
	int verdict; /* the channel */
	unsigned char storage[MESSAGE_MAX + 1];
};

enum claim_result {
	CLAIM_SENT,	/* now await */
	CLAIM_ANSWERED, /* *verdict holds; its spans borrow from the claim */
	CLAIM_HUNG_UP,	/* the client is gone, or the channel, or the answer was bad */
	CLAIM_NONE,	/* no answer: the server's fault */
};

/*
 * Sends the login; path and tls are filled in from the stream. The copy of the
 * secret made here is wiped at once; the caller wipes its own.
 */
enum claim_result claim_send(struct claim *c, struct stream *s, struct login *login);

/*
 * Waits for the verdict. A client that ends the stream with nothing left to read
 * is gone: nobody waits for this verdict any more.
 */
enum claim_result claim_await(
	struct claim *c, struct stream *s, struct verdict *verdict);

/* The baton: the session may speak. 0, or -1. */
int claim_hand_over(struct claim *c);

#endif
