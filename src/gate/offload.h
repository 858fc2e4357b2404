/*
 * offload: giving a TLS connection to the kernel once its client has logged in, so that
 * the session can hold the client's socket as it does without TLS, and the gate can
 * end.
 */
#ifndef POSTERN_GATE_OFFLOAD_H
#define POSTERN_GATE_OFFLOAD_H

#include "base/ktls.h"

#include <openssl/ssl.h>

enum { OFFLOAD_SECRET_MAX = 48 }; /* octets: of SHA-384 */

struct offload {
	uint32_t kernel; /* what ktls_probe() found; 0: never */
	bool attached;
	bool rekeyed;		/* KeyUpdate: the secrets below are none any more */
	uint64_t read, written; /* records under the keys that are in use */
	/* The traffic secrets of TLS 1.3 */
	unsigned char client[OFFLOAD_SECRET_MAX], server[OFFLOAD_SECRET_MAX];
	size_t client_n, server_n;
};

/* In the parent, on its context. */
void offload_prepare(SSL_CTX *ctx);

/* Before the handshake; ssl must not outlive o. */
void offload_begin(struct offload *o, uint32_t kernel, SSL *ssl);

/* SSL's message callback, arg being the struct offload: offload_begin() sets it.
 * Whoever sets another calls this one. */
void offload_hear(int written, int version, int type, const void *data, size_t n,
	SSL *ssl, void *arg);

/*
 * Could the kernel go on with this connection now? Not when something was read that
 * nobody has taken yet. True: the socket is prepared; until offload_hand_over() or the
 * next SSL_read() nothing has changed.
 */
bool offload_possible(struct offload *o, SSL *ssl);

/* Gives it away: no more SSL call on it. 0; or -1: the connection is of no more use. */
int offload_hand_over(struct offload *o, SSL *ssl);

/* The keys as they are now; to_client: what the server writes with. 0, or -1. */
int offload_keys(
	const struct offload *o, SSL *ssl, bool to_client, struct ktls_keys *keys);

#endif
