/*
 * keeper: signatures for TLS handshakes, made where the private key is, and the keys of
 * session tickets. The master makes a pair of SEQPACKET ends for each connection of a
 * listener that can do TLS; the gate has the outer end. When the inner one turns
 * readable the master hands it to the keeper (CHANNEL, one descriptor), which reads one
 * SIGN, answers with one SIGNATURE or with nothing, and closes. Or it reads one OPEN
 * and answers with OPENED: if the ticket was known, it closes, if not, SIGN may follow.
 * One connection, one handshake.
 */
#ifndef POSTERN_KEEPER_H
#define POSTERN_KEEPER_H

#include "base/buf.h"
#include "postern/setup.h"

#include <stdint.h>

enum {
	KEEPER_WORKERS_MAX = 64,
	KEEPER_SIGNED_MAX = 512,	  /* octets to be signed */
	KEEPER_SIGNATURE_MAX = 2048,	  /* octets; RSA of 16384 bits */
	KEEPER_TICKET_NAME = 16,	  /* octets; RFC 5077 section 4 */
	KEEPER_TICKET_KEY = 64,		  /* octets: to encipher, to authenticate */
	KEEPER_TICKET_SECONDS = 2 * 3600, /* a ticket is good for so long, and once */
};

/* FD_KEEPER_CERTIFICATE and FD_KEEPER_KEY hold PEM. */
struct keeper_setup {
	unsigned char witness_key[WITNESS_KEY]; /* shared with auth */
	uint32_t workers; /* processes that sign, 1 to KEEPER_WORKERS_MAX */
	char certificate_path[SETUP_PATH_MAX + 1]; /* for messages only */
	char key_path[SETUP_PATH_MAX + 1];	   /* for messages only */
};

void keeper_setup_encode(struct buf *message, const struct keeper_setup *setup);
int keeper_setup_decode(struct span message, struct keeper_setup *setup);

/* SignatureScheme of RFC 8446 section 4.2.3; the numbers are IANA's. */
enum keeper_scheme {
	SCHEME_RSA_PKCS1_SHA256 = 0x0401,
	SCHEME_RSA_PKCS1_SHA384 = 0x0501,
	SCHEME_RSA_PKCS1_SHA512 = 0x0601,
	SCHEME_ECDSA_SHA256 = 0x0403,
	SCHEME_ECDSA_SHA384 = 0x0503,
	SCHEME_ECDSA_SHA512 = 0x0603,
	SCHEME_RSA_PSS_SHA256 = 0x0804,
	SCHEME_RSA_PSS_SHA384 = 0x0805,
	SCHEME_RSA_PSS_SHA512 = 0x0806,
};

/* The octets to be signed, not their hash: the keeper looks at their form. */
struct keeper_sign {
	enum keeper_scheme scheme;
	struct span octets; /* 1 to KEEPER_SIGNED_MAX */
};

void keeper_sign_encode(struct buf *message, const struct keeper_sign *sign);
int keeper_sign_decode(struct span message, struct keeper_sign *sign);

struct keeper_ticket {
	unsigned char name[KEEPER_TICKET_NAME], key[KEEPER_TICKET_KEY];
};

struct keeper_signature {
	struct span signature;		/* 1 to KEEPER_SIGNATURE_MAX octets */
	struct keeper_ticket fresh;	/* for a ticket of this connection */
	unsigned char witness[WITNESS]; /* to auth, of the signature and its octets */
};

void keeper_signature_encode(
	struct buf *message, const struct keeper_signature *signature);
int keeper_signature_decode(struct span message, struct keeper_signature *signature);

/* Which ticket the client has shown. */
void keeper_open_encode(
	struct buf *message, const unsigned char name[KEEPER_TICKET_NAME]);
int keeper_open_decode(struct span message, unsigned char name[KEEPER_TICKET_NAME]);

struct keeper_opened {
	bool known; /* else the tickets are empty */
	struct keeper_ticket shown, fresh;
};

void keeper_opened_encode(struct buf *message, const struct keeper_opened *opened);
int keeper_opened_decode(struct span message, struct keeper_opened *opened);

/* Master to keeper, with the inner end. */
void keeper_channel_encode(struct buf *message, uint64_t connection);
int keeper_channel_decode(struct span message, uint64_t *connection);

#endif
