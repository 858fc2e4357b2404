/*
 * verdict: the answer to a login, one datagram down the verdict channel, and
 * the baton, one datagram back.
 *
 * Who sends which:
 *   READY, IN_USE, PERM  the session, which has opened the maildrop or could not
 *   FAIL                 the master, when auth exited with EXIT_REFUSED; not
 *                        before the source's penalty is over
 *   TEMP                 the session; or the master, when auth or a session
 *                        that had said nothing ended in any other way
 *   MORE                 auth, which then exits with EXIT_MORE: the text goes to
 *                        the client as a SASL challenge; the client's answer
 *                        comes in a new LOGIN with the state, to another auth
 *                        process. So no process of root's waits for a client.
 * The gate awaits exactly one verdict for each LOGIN it sent. After READY it
 * writes its reply, sends BATON and closes the channel; a hang-up without
 * BATON tells the session that there is no client to serve.
 */
#ifndef POSTERN_VERDICT_H
#define POSTERN_VERDICT_H

#include "base/buf.h"
#include "postern/login.h"

#include <stdint.h>

enum { VERDICT_TEXT_MAX = 2048 }; /* octets of a challenge, before base64 */

enum verdict_kind {
	VERDICT_READY = 1,  /* messages, octets */
	VERDICT_FAIL = 2,   /* -ERR [AUTH] */
	VERDICT_IN_USE = 3, /* held_seconds; -ERR [IN-USE] */
	VERDICT_TEMP = 4,   /* -ERR [SYS/TEMP] */
	VERDICT_PERM = 5,   /* -ERR [SYS/PERM] */
	VERDICT_MORE = 6,   /* text, state */
};

struct verdict {
	enum verdict_kind kind;
	uint64_t messages;     /* READY */
	uint64_t octets;       /* READY: the sum of what STAT counts */
	uint64_t held_seconds; /* IN_USE: how long the other session has run */
	struct span text;      /* MORE: 0 to VERDICT_TEXT_MAX octets */
	struct span state;     /* MORE: 1 to LOGIN_STATE_MAX octets, sealed by auth */
};

void verdict_encode(struct buf *message, const struct verdict *verdict);
int verdict_decode(struct span message, struct verdict *verdict);

void baton_encode(struct buf *message);
int baton_decode(struct span message);

#endif
