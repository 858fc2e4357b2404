/*
 * cram: HMAC-MD5 over the challenge with the shared secret as the key (RFC 2195
 * section 2). Runs as root in an auth child. Trusts the challenge (the master drew it),
 * distrusts the digest. A failure of libcrypto counts as a wrong digest.
 */
#include "auth/cram.h"

#include "base/blake2b.h"
#include "base/secret.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { MD5_SIZE = 16 };

bool cram_verify(struct span challenge, struct span secret, struct span digest)
{
	unsigned char md[EVP_MAX_MD_SIZE] = { 0 };
	char hex[2 * MD5_SIZE + 1];
	unsigned n = 0;
	/* A key of no octets must still be a pointer. */
	const void *key = secret.n ? (const void *)secret.p : "";
	bool computed =
		HMAC(EVP_md5(), key, (int)secret.n, challenge.p, challenge.n, md, &n) &&
		n == MD5_SIZE;
	hex_of(md, MD5_SIZE, hex);
	bool same = secret_eq(span_of(hex, 2 * MD5_SIZE), digest);
	explicit_bzero(md, sizeof(md));
	explicit_bzero(hex, sizeof(hex));
	return computed && secret.n > 0 && same;
}
