/*
 * attempt: one claim, decided. An auth child's whole life.
 */
#ifndef POSTERN_AUTH_ATTEMPT_H
#define POSTERN_AUTH_ATTEMPT_H

#include "auth/source.h"

struct auth {
	struct auth_setup setup;
	struct source sources[SETUP_SOURCES_MAX];
	struct facts facts; /* of the connection that is being served */
};

/* The sources of the set-up, prepared. How many of them can be used. */
uint32_t attempt_prepare(struct auth *auth);

/* What the sources could verify now: facts.mechanisms. */
uint32_t attempt_offer(const struct auth *auth);

/*
 * Takes the one LOGIN from FD_AUTH_VERDICT and decides it. Exits:
 *   EXIT_DONE       the identity went to the session parent
 *   EXIT_REFUSED    the client is not who it says
 *   EXIT_MALFORMED  no gate of ours sent that
 *   EXIT_TEMPORARY  our fault
 */
_Noreturn void attempt_run(struct auth *auth);

#endif
