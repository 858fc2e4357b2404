/*
 * apop: MD5 over the challenge of the greeting and the shared secret (RFC 1939
 * section 7). Runs as root in an auth child. Trusts the challenge (the master drew
 * it), distrusts the digest. MD5 is weak; the RFC has no other. A failure of
 * libcrypto counts as a wrong digest.
 */
#include "auth/apop.h"

#include "base/blake2b.h"
#include "base/secret.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

enum { MD5_SIZE = 16 };

int apop_init(void)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	/* The first digest makes libcrypto look for its providers. */
	if (!OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) ||
		!EVP_Digest("", 0, md, &n, EVP_md5(), NULL))
		return -1;
	return n == MD5_SIZE ? 0 : -1;
}

static int digest_of(struct span challenge, struct span secret, unsigned char *md)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned n = 0;
	bool done = context && EVP_DigestInit_ex(context, EVP_md5(), NULL) &&
		    EVP_DigestUpdate(context, challenge.p, challenge.n) &&
		    EVP_DigestUpdate(context, secret.p, secret.n) &&
		    EVP_DigestFinal_ex(context, md, &n) && n == MD5_SIZE;
	EVP_MD_CTX_free(context);
	return done ? 0 : -1;
}

bool apop_verify(struct span challenge, struct span secret, struct span digest)
{
	unsigned char md[EVP_MAX_MD_SIZE] = { 0 };
	char hex[2 * MD5_SIZE + 1];
	int computed = digest_of(challenge, secret, md);
	hex_of(md, MD5_SIZE, hex);
	bool same = secret_eq(span_of(hex, 2 * MD5_SIZE), digest);
	explicit_bzero(md, sizeof(md));
	explicit_bzero(hex, sizeof(hex));
	return computed == 0 && secret.n > 0 && same;
}
