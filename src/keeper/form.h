/*
 * form: does it look like what a TLS server signs in a handshake, and like nothing
 * else? Pure functions on octets that a gate sent.
 */
#ifndef POSTERN_KEEPER_FORM_H
#define POSTERN_KEEPER_FORM_H

#include "base/span.h"

enum form {
	FORM_NONE,  /* not to be signed */
	FORM_TLS12, /* RFC 5246 7.4.3, RFC 8422 5.4: randoms, ECDHE parameters */
	FORM_TLS13, /* RFC 8446 4.4.3: CertificateVerify of a server */
};

enum form form_of(struct span octets);

#endif
