/*
 * jws: a signed JSON Web Token in its compact form (RFC 7515, RFC 7519): its parts, and
 * whether a public key made the signature.
 */
#ifndef POSTERN_AUTH_JWS_H
#define POSTERN_AUTH_JWS_H

#include "base/span.h"

#include <jansson.h>
#include <openssl/evp.h>

enum { JWS_MAX = 12288, JWS_SIGNATURE_MAX = 1024 };

struct jws_algorithm;

struct jws {
	struct span text; /* what is signed; borrowed */
	json_t *claims;	  /* an object; nothing in it is true before the signature is */
	const struct jws_algorithm *algorithm;
	unsigned char signature[JWS_SIGNATURE_MAX];
	size_t signature_n;
};

/*
 * Takes the token apart. 0; or -1 when it has another form, an algorithm that is no
 * signature with a public key, a type that is neither an ID token's nor an access
 * token's, or what it calls critical ("crit"): of that we understand nothing.
 * jws_free() in both cases.
 */
int jws_parse(struct jws *jws, struct span token);

/* Is the key of the algorithm's kind, and the signature its? */
bool jws_is_signed_by(const struct jws *jws, EVP_PKEY *key);

/* Is this a key that some algorithm of ours takes? */
bool jws_key_fits(EVP_PKEY *key);

void jws_free(struct jws *jws);

#endif
