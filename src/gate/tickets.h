/*
 * tickets: the keys of TLS session tickets (RFC 5077, RFC 8446 section 4.6.1). They
 * are born in the gate parent's memory, rotate there, and die with it: no file,
 * no message and no other domain ever holds one. A child inherits the two keys
 * of its time, the one that seals new tickets and the one before it.
 */
#ifndef POSTERN_GATE_TICKETS_H
#define POSTERN_GATE_TICKETS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	TICKET_NAME = 16,		/* octets; RFC 5077 section 4 */
	TICKET_KEY = 32,		/* AES-256 and HMAC-SHA-256 */
	TICKET_ROTATE_MS = 3600 * 1000, /* a key seals for so long, opens for twice */
};

struct ticket_key {
	unsigned char name[TICKET_NAME];
	unsigned char cipher[TICKET_KEY];
	unsigned char mac[TICKET_KEY];
};

struct tickets {
	struct ticket_key keys[2]; /* now, before */
	bool have_before;
	int64_t born; /* io_now() */
};

/* Fresh keys, used by ctx from now on; *t must outlive it. 0, or -1. */
int tickets_begin(struct tickets *t, SSL_CTX *ctx, int64_t now);

/* In the parent, before each fork: a new key when it is time. Without randomness
 * the old key stays. */
void tickets_rotate(struct tickets *t, int64_t now);

#endif
