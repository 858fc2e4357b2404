/*
 * proof: that the client of this very connection has the key of a certificate. A gate
 * cannot be believed to have seen that, so it sends the handshake's messages: one of
 * them is signed by the keeper, which testifies to it, and the last by the client, over
 * all that came before, that signature with it.
 */
#ifndef POSTERN_AUTH_PROOF_H
#define POSTERN_AUTH_PROOF_H

#include "base/span.h"
#include "postern/keeper.h"
#include "postern/witness.h"

enum { PROOF_SIGNED_MAX = KEEPER_SIGNED_MAX };

/* A signature, the octets that it is over, and its SignatureScheme. */
struct proof_signature {
	unsigned scheme;
	struct span octets; /* of the client: what was said before */
	struct span signature;
};

struct proof {
	bool tls13;
	bool sha384;		 /* the cipher suite's hash; else SHA-256 */
	struct span certificate; /* DER, the client's own */
	struct proof_signature client;
	struct span server_signature;
	/* what the keeper signed, as it must have been */
	unsigned char server_octets[PROOF_SIGNED_MAX];
	size_t server_n;
};

/* Takes the messages apart, in the one order that each version has; borrows from them.
 * 0; or -1: they are no such handshake. Nothing has been verified then. */
int proof_read(struct span messages, struct proof *proof);

/* Did the keeper sign this handshake, for this connection? */
bool proof_is_ours(const struct proof *proof, const unsigned char key[WITNESS_KEY],
	uint64_t connection, struct span witness);

/* Did the owner of the certificate's key? The certificate must be one that an
 * administrator knows: it is parsed here. */
bool proof_is_the_owners(const struct proof *proof);

#endif
