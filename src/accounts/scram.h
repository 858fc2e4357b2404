/*
 * scram: what the server keeps of a password for SCRAM (RFC 5802 section 3, RFC
 * 7677): salt, iteration count, StoredKey and ServerKey. Nobody can log in with them
 * nor learn the password, short of guessing it.
 */
#ifndef POSTERN_ACCOUNTS_SCRAM_H
#define POSTERN_ACCOUNTS_SCRAM_H

#include "base/span.h"

#include <stdint.h>

enum scram_hash {
	SCRAM_SHA_1 = 1,
	SCRAM_SHA_256 = 2,
};

enum {
	SCRAM_SALT = 16,
	SCRAM_KEY_MAX = 32,
	/* The client pays them, once a login. RFC 7677 wants 4,096 at least, of which a
	 * guess costs a fifteenth of one at our Argon2id. */
	SCRAM_ITERATIONS = 100000,
};

struct scram_keys {
	enum scram_hash hash;
	uint32_t iterations;
	size_t size; /* of each key: 20 or 32 octets */
	unsigned char salt[SCRAM_SALT];
	unsigned char stored[SCRAM_KEY_MAX], server[SCRAM_KEY_MAX];
};

/*
 * Derives the keys of a password, prepared (saslprep.h), with a fresh salt. 0, or -1
 * with errno ENOMEM.
 */
int scram_derive(struct scram_keys *keys, enum scram_hash hash, struct span password);

void scram_wipe(struct scram_keys *keys);

#endif
