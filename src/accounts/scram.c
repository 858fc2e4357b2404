/*
 * scram: keys of RFC 5802 section 3 from a password. Runs in the postern command, and
 * in auth when a hash is replaced at login.
 *
 *   SaltedPassword = PBKDF2(password, salt, iterations)
 *   StoredKey      = H(HMAC(SaltedPassword, "Client Key"))
 *   ServerKey      = HMAC(SaltedPassword, "Server Key")
 */
#include "accounts/scram.h"

#include "accounts/saslprep.h"
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

static const EVP_MD *digest_of(enum scram_hash hash)
{
	return hash == SCRAM_SHA_1 ? EVP_sha1() : EVP_sha256();
}

static int hmac(const EVP_MD *md, const unsigned char *key, size_t n, const char *text,
	unsigned char *out)
{
	unsigned size;
	return HMAC(md, key, (int)n, (const unsigned char *)text, strlen(text), out,
		       &size)
		       ? 0
		       : -1;
}

static int derive(struct scram_keys *keys, const EVP_MD *md, struct span password)
{
	unsigned char salted[EVP_MAX_MD_SIZE], client[EVP_MAX_MD_SIZE];
	int bad = !PKCS5_PBKDF2_HMAC((const char *)password.p, (int)password.n,
		keys->salt, SCRAM_SALT, (int)keys->iterations, md, (int)keys->size,
		salted);
	bad = bad || hmac(md, salted, keys->size, "Client Key", client) < 0;
	bad = bad || !EVP_Digest(client, keys->size, keys->stored, NULL, md, NULL);
	bad = bad || hmac(md, salted, keys->size, "Server Key", keys->server) < 0;
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client, sizeof(client));
	return bad ? -1 : 0;
}

int scram_derive(struct scram_keys *keys, enum scram_hash hash, struct span password)
{
	char text[SASLPREP_MAX];
	struct span prepared;
	*keys = (struct scram_keys){ .hash = hash, .iterations = SCRAM_ITERATIONS };
	keys->size = hash == SCRAM_SHA_1 ? 20 : 32;
	randombytes_buf(keys->salt, sizeof(keys->salt));
	(void)saslprep(password, text, &prepared);
	int result = derive(keys, digest_of(hash), prepared);
	explicit_bzero(text, sizeof(text));
	if (result == 0)
		return 0;
	scram_wipe(keys);
	errno = ENOMEM;
	return -1;
}

void scram_wipe(struct scram_keys *keys)
{
	explicit_bzero(keys, sizeof(*keys));
}
