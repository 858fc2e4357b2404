/*
 * challenge: "<unique@host>" of the greeting, RFC 1939 section 7.
 */
#ifndef POSTERN_MASTER_CHALLENGE_H
#define POSTERN_MASTER_CHALLENGE_H

#include "postern/facts.h"

enum { CHALLENGE_RANDOM = 16, CHALLENGES_AT_ONCE = 32 };

/* Random octets drawn ahead, so that not every connection asks the kernel. All zero
 * is an empty store. */
struct challenges {
	unsigned char store[CHALLENGE_RANDOM * CHALLENGES_AT_ONCE];
	size_t left;
};

/* Never the same twice, not to be guessed. 0, or -1 with errno. */
int challenge_draw(struct challenges *challenges, const char *hostname,
	char challenge[FACTS_CHALLENGE_MAX + 1]);

#endif
