/*
 * tls: the TLS context of the gate parent, and handshakes of its children.
 */
#ifndef POSTERN_GATE_TLS_H
#define POSTERN_GATE_TLS_H

#include "gate/stream.h"
#include "gate/tickets.h"
#include "postern/setup.h"

struct tls {
	SSL_CTX *ctx;	   /* NULL: no certificate, no TLS */
	struct told *told; /* to the gate of the one connection */
	/* OpenSSL's own idea of what is secure enough */
	int (*usual)(const SSL *ssl, const SSL_CTX *ctx, int operation, int bits,
		int nid, void *other, void *ex);
	uint32_t kernel; /* what ktls_probe() found; 0: nothing for it */
};

/*
 * Reads the certificate chain (PEM) from FD_GATE_CERTIFICATE and builds the context.
 * *told must outlive it. Returns 0; or -1 after a log line that names the file by its
 * path in the set-up.
 */
int tls_begin(struct tls *tls, struct told *told, const struct gate_setup *setup);

/*
 * A handshake on the stream, which speaks TLS from then on; uses up FD_GATE_KEEPER. 0,
 * or -1, with *why for the log: the connection is then of no more use.
 */
int tls_accept(const struct tls *tls, struct stream *s, bool ask_certificate,
	int64_t deadline, const char **why);

/* "TLSv1.3"; empty for a plain stream. */
const char *tls_name(const struct stream *s);

#endif
