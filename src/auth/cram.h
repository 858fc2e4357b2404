/*
 * cram: the digest of CRAM-MD5 (RFC 2195).
 */
#ifndef POSTERN_AUTH_CRAM_H
#define POSTERN_AUTH_CRAM_H

#include "base/span.h"

/* Is digest (32 lower-case hex digits) HMAC-MD5(secret, challenge)? An empty secret is
 * nobody's; it costs the same. */
bool cram_verify(struct span challenge, struct span secret, struct span digest);

#endif
