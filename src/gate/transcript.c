/*
 * transcript: see transcript.h. Runs in a gate child, on a handshake with a stranger.
 * What does not fit is left out, and then the client cannot use EXTERNAL.
 */
#include "gate/transcript.h"

enum { CERTIFICATE_VERIFY = 15 };

void transcript_hear(struct transcript *t, bool written, struct span message)
{
	if (!t->wanted || t->complete || message.n == 0)
		return;
	if (message.n > sizeof(t->octets) - t->n) {
		t->too_long = true;
		return;
	}
	memcpy(t->octets + t->n, message.p, message.n);
	t->n += message.n;
	t->complete = !written && message.p[0] == CERTIFICATE_VERIFY;
}

struct span transcript_span(const struct transcript *t)
{
	return span_of(t->octets, t->complete && !t->too_long ? t->n : 0);
}
