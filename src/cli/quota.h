/*
 * quota: what an account's maildrop may hold, and what it holds now; for delivery.
 */
#ifndef POSTERN_CLI_QUOTA_H
#define POSTERN_CLI_QUOTA_H

#include "config/config.h"
#include "postern/identity.h"

struct quota {
	uint64_t octets, messages; /* 0: none */
};

/* The quota of the account whom place_find() found. None when the caller may not read
 * the database. 0, or -1 (printed). */
int quota_of(const struct config *config, const struct identity *identity,
	struct quota *quota);

/* As the owner: is the maildrop full? Of an mbox the octets alone are asked. What
 * cannot be looked at is not full: delivering tells why. */
bool quota_is_full(const struct identity *identity, const struct quota *quota);

#endif
