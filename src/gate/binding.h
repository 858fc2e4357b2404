/*
 * binding: channel binding data of a TLS connection, for the -PLUS mechanisms of SCRAM.
 */
#ifndef POSTERN_GATE_BINDING_H
#define POSTERN_GATE_BINDING_H

#include "base/span.h"
#include "postern/login.h"

#include <openssl/ssl.h>

/*
 * "tls-exporter" (RFC 9266; TLS 1.3), "tls-unique" (RFC 5929; TLS 1.2 with extended
 * master secret), "tls-server-end-point" (RFC 5929). Returns the octets; 0 when this
 * connection (ssl may be NULL) has none of that type.
 */
size_t binding_data(SSL *ssl, struct span type, unsigned char out[LOGIN_BINDING_MAX]);

#endif
