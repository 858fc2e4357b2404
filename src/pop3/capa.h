/*
 * capa: the capability list (RFC 2449), worded once for both states so that it
 * cannot differ, except for STLS (RFC 2595 section 4: not once TLS is active, and
 * not in TRANSACTION).
 */
#ifndef POSTERN_POP3_CAPA_H
#define POSTERN_POP3_CAPA_H

#include "base/buf.h"

struct capa {
	uint32_t mechanisms; /* what auth can verify, facts.mechanisms */
	bool passwords; /* USER, PLAIN, tokens: this connection may carry them now */
	bool tls;  /* TLS is active: the -PLUS mechanisms and EXTERNAL make sense */
	bool stls; /* STLS would be accepted now */
};

/* The mechanisms that may be used: a subset of capa->mechanisms. */
uint32_t capa_offered(const struct capa *capa);

/* The whole multi-line reply, "+OK" line and terminator included. */
void capa_reply(struct buf *out, const struct capa *capa);

#endif
