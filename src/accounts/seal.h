/*
 * seal: secrets that must be read back, because APOP and CRAM-MD5 compute with
 * the secret itself. They are kept under libsodium's secretbox, the key beside the
 * database in a file of its own (FILE.key, 0600), so that a copy of the
 * database alone tells nothing. A sealed secret opens only for the account it was
 * made for.
 */
#ifndef POSTERN_ACCOUNTS_SEAL_H
#define POSTERN_ACCOUNTS_SEAL_H

#include "base/secret.h"
#include "postern/login.h"

enum {
	SEAL_KEY = 32, /* octets */
	SEAL_OVERHEAD = 40,
	SEAL_SECRET_MAX = LOGIN_PASSWORD_MAX,
	SEAL_MAX = SEAL_SECRET_MAX + SEAL_OVERHEAD,
};

struct seal_key {
	unsigned char octets[SEAL_KEY];
};

/*
 * Reads the key of the database at the path. 0, or -1 with errno: ENOENT; EPERM:
 * others than its owner may read or write the file, or it belongs to
 * neither root nor the caller; EINVAL: not exactly SEAL_KEY octets of a
 * regular file.
 */
int seal_key_load(struct seal_key *key, const char *database);

/* As load; when there is none, draws one and creates the file atomically: with
 * two callers at once, both get the one that was first. */
int seal_key_make(struct seal_key *key, const char *database);

void seal_key_wipe(struct seal_key *key);

/* Seals 1 to SEAL_SECRET_MAX octets for that account. 0 with *n octets in sealed;
 * or -1 with errno EINVAL. */
int seal_close(const struct seal_key *key, const char *account, struct span secret,
	unsigned char sealed[SEAL_MAX], size_t *n);

/* 0; or -1 (the secret is then empty) with errno EBADMSG when it was damaged, made
 * with another key or for another account. Wipe the secret when done. */
int seal_open(const struct seal_key *key, const char *account, struct span sealed,
	struct secret *secret);

#endif
