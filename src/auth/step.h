/*
 * step: what auth must know again when a client's next SASL message comes. Between
 * the two no process of auth exists: the state travels through the gate and back,
 * sealed (libsodium's secretbox) with a key that only auth's memory holds. It opens
 * only on the same connection, for the same mechanism and name, for a few minutes.
 */
#ifndef POSTERN_AUTH_STEP_H
#define POSTERN_AUTH_STEP_H

#include "base/buf.h"
#include "postern/facts.h"
#include "postern/login.h"

enum { STEP_KEY = 32, STEP_SECONDS = 300, STEP_DATA_MAX = 560 };

enum step_kind {
	STEP_SCRAM_FIRST = 1, /* client-first was answered */
	STEP_SCRAM_PROVEN,    /* the proof fits; the client has yet to see ours */
	STEP_TOKEN_REFUSED,   /* the client has yet to see why */
	STEP_LAST = STEP_TOKEN_REFUSED,
};

struct step {
	enum step_kind kind;
	size_t n;
	unsigned char data[STEP_DATA_MAX]; /* the mechanism's own */
};

/* Appends the sealed form to out; ask buf_ok(). */
void step_close(const unsigned char key[STEP_KEY], const struct facts *facts,
	const struct login *login, const struct step *step, struct buf *out);

/* Opens login->state. 0; or -1 with errno EBADMSG when it is not ours, of another
 * connection, mechanism or name, or ESTALE when it is too old. */
int step_open(const unsigned char key[STEP_KEY], const struct facts *facts,
	const struct login *login, struct step *step);

#endif
