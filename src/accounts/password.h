/*
 * password: one-way hashes of passwords. New ones are Argon2id by libsodium
 * (RFC 9106; 19 MiB, 2 passes, OWASP's first choice: a process per attempt
 * has to pay the memory). Hashes brought along from other servers are
 * verified too, and replaced at the next good login.
 */
#ifndef POSTERN_ACCOUNTS_PASSWORD_H
#define POSTERN_ACCOUNTS_PASSWORD_H

#include "base/span.h"

enum { PASSWORD_HASH_MAX = 255 }; /* octets, without NUL */

/* Once per process, before anything else of libsodium's: 0 or -1. */
int password_init(void);

/*
 * An Argon2id hash with a fresh salt ("$argon2id$...") of the prepared form
 * (saslprep.h). 0, or -1 with errno (ENOMEM; EINVAL: empty, a NUL in it, or longer than
 * LOGIN_PASSWORD_MAX).
 */
int password_hash(struct span password, char hash[PASSWORD_HASH_MAX + 1]);

/*
 * Is it the password of that hash, prepared or as it came? An empty or unknown hash is
 * nobody's, and costs as much as password_nobody().
 */
bool password_verify(const char *hash, struct span password);

/* Spends what password_verify() spends on one of our hashes, for accounts that do
 * not exist or have no password. Always false, but not at compile time. */
bool password_nobody(struct span password);

/* Is the hash of another kind, or weaker than a new one would be? */
bool password_needs_rehash(const char *hash);

/*
 * The stored form of a hash from another server, "{SCHEME}..." as in Dovecot's
 * passwd files or "$..." of crypt(3): ARGON2ID, SHA512-CRYPT, SHA256-CRYPT,
 * BLF-CRYPT, SSHA, SSHA256, SSHA512. {PLAIN} is hashed at once. 0, or -1 with errno
 * EINVAL when the scheme is unknown or the hash is not of its form.
 */
int password_import(struct span given, char hash[PASSWORD_HASH_MAX + 1]);

/*
 * App passwords are drawn by us (120 bits, "abcd-efgh-..." in six groups), so a
 * fast one-way hash is enough; blanks, hyphens and case do not count.
 */
enum { APP_PASSWORD_TEXT = 29, APP_PASSWORD_HASH = 32 };

void app_password_draw(char text[APP_PASSWORD_TEXT + 1]);

/* 0, or -1 when the octets cannot be an app password at all. */
int app_password_hash(struct span password, unsigned char hash[APP_PASSWORD_HASH]);

#endif
