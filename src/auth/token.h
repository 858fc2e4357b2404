/*
 * token: OAuth 2.0 bearer tokens that are signed JWTs (RFC 7519), checked against the
 * public keys of the issuers that the administrator named. Nobody is asked over the
 * network.
 */
#ifndef POSTERN_AUTH_TOKEN_H
#define POSTERN_AUTH_TOKEN_H

#include "base/span.h"
#include "postern/login.h"
#include "postern/setup.h"

#include <openssl/evp.h>

enum { TOKEN_KEY_MAX = 16384 }; /* octets of a public key's PEM file */

struct issuer {
	const struct issuer_setup *setup;
	EVP_PKEY *key;
};

struct issuers {
	uint32_t n;
	struct issuer list[SETUP_ISSUERS_MAX];
};

/* Reads the keys. 0; or -1, logged, when one cannot be used (the others can). */
int token_open(struct issuers *issuers, const struct auth_setup *setup);

/*
 * Whose token is it? Signed by a known issuer (RS256 to RS512, ES256 to ES512),
 * within its time ("exp" must be, "nbf" may), for our audience. The account is its
 * "email", which must be verified (true and nothing else), or, when there is none, its
 * "sub". Returns NULL, the account and who issued it, or the reason of a refusal:
 * "token", "token-expired", "token-issuer", "token-audience", "token-email".
 */
const char *token_account(const struct issuers *issuers, struct span token,
	int64_t now_seconds, char account[LOGIN_NAME_MAX + 1],
	const struct issuer_setup **by);

/* May the issuer speak for an account of that name: is its domain one of the issuer's,
 * or has that none? */
bool token_is_of_domain(const struct issuer_setup *by, const char *name);

#endif
