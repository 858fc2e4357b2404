/*
 * scram: the server's side of SCRAM (RFC 5802, RFC 7677), messages and proofs, without
 * any account. tests/unit/auth_scram.c runs it on the RFCs' own examples.
 */
#ifndef POSTERN_AUTH_SCRAM_H
#define POSTERN_AUTH_SCRAM_H

#include "accounts/scram.h"
#include "base/buf.h"

enum {
	SCRAM_FIRST_MAX = 500, /* octets of client-first that we take */
	SCRAM_FINAL_MAX = 2048,
	SCRAM_SERVER_NONCE = 24, /* characters of ours */
};

struct scram_first {
	unsigned char flag;	  /* 'n', 'y' or 'p' */
	struct span gs2;	  /* the header, to and with its second comma */
	struct span binding_type; /* of 'p' */
	struct span authzid;	  /* a saslname; empty: none */
	struct span bare;
	struct span name; /* a saslname: =2C and =3D stand for ',' and '=' */
	struct span nonce;
};

/* client-first-message. 0; or -1 when it has another form or is too long. */
int scram_parse_first(struct span message, struct scram_first *first);

/* Does the saslname mean this name? */
bool scram_name_is(struct span saslname, struct span name);

/* server-first-message: the client's nonce and ours, the keys' salt and iterations. */
void scram_put_server_first(struct buf *out, struct span client_nonce,
	struct span server_nonce, const struct scram_keys *keys);

struct scram_final {
	struct span binding;	   /* of "c=", base64 */
	struct span nonce;	   /* of "r=" */
	struct span proof;	   /* of "p=", base64 */
	struct span without_proof; /* the message before ",p=" */
};

/* client-final-message. 0, or -1. */
int scram_parse_final(struct span message, struct scram_final *final);

/* Is "c=" the gs2 header, and behind it the channel binding data? */
bool scram_binding_is(struct span base64, struct span gs2, struct span data);

/*
 * Does the proof show that the client has the password of these keys? auth_message is
 * client-first-bare "," server-first "," client-final-without-proof.
 */
bool scram_proof_fits(
	const struct scram_keys *keys, struct span auth_message, struct span proof);

/* server-final-message: "v=" and our own proof. */
void scram_put_server_final(
	struct buf *out, const struct scram_keys *keys, struct span auth_message);

#endif
