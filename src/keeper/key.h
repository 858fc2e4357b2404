/*
 * key: the private key, and signatures with it.
 */
#ifndef POSTERN_KEEPER_KEY_H
#define POSTERN_KEEPER_KEY_H

#include "postern/keeper.h"

#include <openssl/evp.h>

struct key {
	EVP_PKEY *pkey;
	bool rsa; /* else EC */
};

/*
 * Reads certificate and key (PEM) from FD_KEEPER_CERTIFICATE and FD_KEEPER_KEY. Returns
 * 0; or -1 after a log line that names the file at fault by its path in the
 * set-up. Never asks for a passphrase.
 */
int key_read(struct key *key, const struct keeper_setup *setup);

/*
 * Signs what has the form of a TLS handshake signature under a scheme that goes with
 * the key and that form. Returns the octets of the signature, or -1.
 */
ssize_t key_sign(const struct key *key, const struct keeper_sign *sign,
	unsigned char *signature, size_t size);

#endif
