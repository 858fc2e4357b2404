/*
 * tickets: TLS session tickets (RFC 8446 section 4.6.1), of TLS 1.3 only. Their keys
 * are the keeper's, a key for each: a gate is told the one of the ticket that it gives,
 * and of one that its client shows.
 */
#ifndef POSTERN_GATE_TICKETS_H
#define POSTERN_GATE_TICKETS_H

#include "gate/ask.h"

#include <openssl/ssl.h>

/* On a fresh context; *told must outlive it, and is that of the one connection. 0, or
 * -1. */
int tickets_begin(struct told *told, SSL_CTX *ctx);

#endif
