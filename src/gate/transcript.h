/*
 * transcript: the messages of a handshake in which the client shows a certificate, as
 * they crossed, up to its CertificateVerify: what EXTERNAL claims with.
 */
#ifndef POSTERN_GATE_TRANSCRIPT_H
#define POSTERN_GATE_TRANSCRIPT_H

#include "base/span.h"
#include "postern/login.h"

#include <stdbool.h>

struct transcript {
	bool wanted;   /* a certificate is asked for */
	bool complete; /* the client has shown one, and that it has the key */
	bool too_long;
	size_t n;
	unsigned char octets[LOGIN_SECRET_MAX];
};

/* One handshake message, with its header, in either direction. */
void transcript_hear(struct transcript *t, bool written, struct span message);

/* The messages; empty: the client has shown nothing, or too much. */
struct span transcript_span(const struct transcript *t);

#endif
