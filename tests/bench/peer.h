/*
 * peer: a POP3 client's connection, blocking, for the load generator. Errors
 * end the program with a line that says what the server said: a benchmark of
 * wrong answers is none.
 */
#ifndef POSTERN_BENCH_PEER_H
#define POSTERN_BENCH_PEER_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum peer_tls { PEER_PLAIN, PEER_IMPLICIT, PEER_STLS };

struct peer_target {
	const char *host; /* numeric IPv4 */
	uint16_t port;
	enum peer_tls tls;
	bool resume; /* TLS: the session of the connection before */
	SSL_CTX *context;
	int patience; /* seconds, for an answer */
};

enum { PEER_BUFFER = 256 * 1024 };

struct peer {
	int fd;
	SSL *ssl;
	unsigned source; /* 0: any address; n: the n-th of 127.1.0.0/16 */
	size_t at, held;
	char buffer[PEER_BUFFER];
};

/* A context that takes any certificate. */
SSL_CTX *peer_context(void);

/* Connects, reads the greeting, does TLS. *session (may be NULL) is used and
 * replaced when the target says so. */
void peer_open(
	struct peer *peer, const struct peer_target *target, SSL_SESSION **session);

/* Closes; with TLS as clients do, without waiting for the server's word. */
void peer_close(struct peer *peer);

void peer_send(struct peer *peer, const char *data, size_t n);

/* Sends one command (without CRLF) and its CRLF. */
void peer_command(struct peer *peer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* One line, without CRLF, NUL behind it; borrowed until the next call. Returns
 * its octets with CRLF. */
size_t peer_line(struct peer *peer, char **line);

/* A reply that must begin with +OK. */
void peer_ok(struct peer *peer);

/* Reads until the server has closed the connection. */
void peer_end(struct peer *peer);

/* The lines behind +OK up to the lone dot; returns their octets. */
uint64_t peer_multiline(struct peer *peer);

/* USER and PASS, each waited for. */
void peer_login(struct peer *peer, const char *user, const char *password);

#endif
