/*
 * remember: logins that were verified a moment ago, so that a client that polls does
 * not pay a slow password hash each time. In memory that only auth maps and every
 * auth child shares; gone with the warm parent.
 *
 * What is remembered is a keyed hash (BLAKE2b, a random key) over everything that
 * the decision rested on: which source, which account, its stamp (whatever changes a
 * credential changes the stamp), the client's address and the whole password. Any
 * difference is another hash, so nothing that is remembered answers for another.
 */
#ifndef POSTERN_AUTH_REMEMBER_H
#define POSTERN_AUTH_REMEMBER_H

#include "base/span.h"
#include "postern/facts.h"

#include <stdint.h>

enum { REMEMBER_KEY = 32, REMEMBER_TAG = 16, REMEMBER_WAYS = 4, REMEMBER_SETS = 4096 };

struct remember_table;

struct remember {
	struct remember_table *table; /* shared; NULL: nothing is remembered */
	uint32_t seconds;
	unsigned char key[REMEMBER_KEY];
};

/* What the decision rests on. */
struct remember_claim {
	uint32_t source;      /* its place in the configured order */
	struct span account;  /* as stored */
	struct span stamp;    /* of the account's credential */
	struct span password; /* all of it */
	const struct netaddr *peer;
};

/* Before the first fork. seconds 0: remembers nothing. 0, or -1 with errno. */
int remember_open(struct remember *remember, uint32_t seconds);

bool remember_knows(const struct remember *remember, const struct remember_claim *claim,
	int64_t now_seconds);

/* A claim that was just verified, for the next `seconds`. */
void remember_add(const struct remember *remember, const struct remember_claim *claim,
	int64_t now_seconds);

#endif
