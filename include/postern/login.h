/*
 * login: the gate's claims, one datagram up the verdict channel. Everything in
 * it is the word of an unprivileged process that talks to strangers: auth
 * checks all of it and believes none.
 */
#ifndef POSTERN_LOGIN_H
#define POSTERN_LOGIN_H

#include "base/buf.h"
#include "base/secret.h"

#include <limits.h>
#include <stdint.h>

/* <limits.h> has one for the host's own log-in names; here it means ours. */
#undef LOGIN_NAME_MAX

enum {
	LOGIN_NAME_MAX = 255,	  /* octets of an account name */
	LOGIN_PASSWORD_MAX = 512, /* octets of a password; fits struct secret */
	LOGIN_SECRET_MAX = 12288, /* octets of a SASL message (a token) */
	LOGIN_STATE_MAX = 1024,	  /* octets of auth's sealed state */
	LOGIN_TLS_MAX = 64,	  /* octets of a TLS description, for the log */
	LOGIN_DIGEST = 32,	  /* hex digits of an APOP or CRAM-MD5 digest */
	LOGIN_BINDING_MAX = 128,  /* octets of channel binding data */
};

enum login_mechanism {
	LOGIN_USER = 1,	    /* USER and PASS: name, password */
	LOGIN_APOP = 2,	    /* name, the 32 lower-case hex digits of the digest */
	LOGIN_PLAIN = 3,    /* SASL PLAIN (RFC 4616): name, password */
	LOGIN_LOGIN = 4,    /* SASL LOGIN: name, password */
	LOGIN_CRAM_MD5 = 5, /* RFC 2195: name, the 32 lower-case hex digits */
	/* RFC 5802, 7677: the secret is one message of the client, the name is
	 * the one that client-first gave, in every step; binding: see below */
	LOGIN_SCRAM_SHA_1 = 6,
	LOGIN_SCRAM_SHA_256 = 7,
	LOGIN_SCRAM_SHA_1_PLUS = 8,
	LOGIN_SCRAM_SHA_256_PLUS = 9,
	/* of these the name is what the client asked for; empty: nothing */
	/* RFC 4422 appendix A; the secret is the handshake's messages, from ClientHello
	 * to the client's CertificateVerify, as they crossed */
	LOGIN_EXTERNAL = 10,
	LOGIN_OAUTHBEARER = 11, /* RFC 7628: name, the token alone */
	LOGIN_XOAUTH2 = 12,	/* name, the token alone */
	LOGIN_MECHANISM_LAST = LOGIN_XOAUTH2,
};

/* Every bit 1 << mechanism. */
enum { LOGIN_MECHANISMS_ALL = (2 << LOGIN_MECHANISM_LAST) - 2 };

/* How the gate wants the session to reach the client. */
enum login_path {
	PATH_DIRECT = 1, /* plain: the session gets the client, the gate exits */
	PATH_RELAY = 2,	 /* TLS: the session gets the wire, the gate relays */
	PATH_KERNEL = 3, /* TLS, which the kernel goes on with: as PATH_DIRECT */
	PATH_LAST = PATH_KERNEL,
};

struct login {
	enum login_mechanism mechanism;
	enum login_path path;
	struct span tls;  /* "TLSv1.3", printable ASCII; empty on a plain one */
	struct span name; /* 1 to LOGIN_NAME_MAX octets (EXTERNAL on: 0), no NUL */
	/* 1 to LOGIN_PASSWORD_MAX octets, no NUL; of the mechanisms from SCRAM on:
	 * 1 to LOGIN_SECRET_MAX octets; 0 too when there is a state */
	struct span secret;
	/* of the second and later steps of a mechanism: the state that came with
	 * VERDICT_MORE, as it came (auth sealed it); else empty */
	struct span state;
	/* channel binding data of the TLS connection, for the -PLUS mechanisms; for
	 * EXTERNAL the keeper's testimony (witness.h) */
	struct span binding;
};

void login_encode(struct buf *message, const struct login *login);

/* The spans borrow from message: wipe that when done. */
int login_decode(struct span message, struct login *login);

/* "USER", "APOP", or the SASL name: "PLAIN", "SCRAM-SHA-256". */
const char *login_mechanism_name(enum login_mechanism mechanism);

#endif
