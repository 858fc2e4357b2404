/*
 * apop: the digest of APOP (RFC 1939 section 7).
 */
#ifndef POSTERN_AUTH_APOP_H
#define POSTERN_AUTH_APOP_H

#include "base/span.h"

/* Readies libcrypto without its configuration file. 0, or -1. */
int apop_init(void);

/*
 * Is digest (32 lower-case hex digits) MD5(challenge, secret)? The challenge is the
 * greeting's, with its angle brackets. An empty secret is nobody's; it costs
 * the same.
 */
bool apop_verify(struct span challenge, struct span secret, struct span digest);

#endif
