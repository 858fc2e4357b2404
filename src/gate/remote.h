/*
 * remote: a private key that is elsewhere. An OpenSSL provider of our own, inside
 * the gate: a key of it is the public half, and a signature with it is a question to
 * the keeper (include/postern/keeper.h). Whoever reads the gate's memory finds
 * no private key there.
 */
#ifndef POSTERN_GATE_REMOTE_H
#define POSTERN_GATE_REMOTE_H

#include "gate/ask.h"

#include <openssl/core.h>
#include <openssl/evp.h>

#define REMOTE_PROVIDER "postern"

/*
 * The private key that goes with the public one (RSA or EC), for
 * SSL_CTX_use_PrivateKey(). What comes with a signature goes to *told, which must
 * outlive it. NULL with OpenSSL's error. The first call loads the provider.
 */
EVP_PKEY *remote_key(const EVP_PKEY *public, struct told *told);

/* --- between the provider's files --- */

/* A key of the provider: the public half, as OpenSSL's own provider has it. */
struct remote_key {
	EVP_PKEY *public;
	struct told *told;
};

/* An octet pointer among the parameters that a key is made of: told. */
#define REMOTE_TOLD "postern-told"

extern const OSSL_DISPATCH remote_rsa_keys[], remote_ec_keys[];
extern const OSSL_DISPATCH remote_signatures[];

#endif
