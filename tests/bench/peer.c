/*
 * peer: see peer.h. Runs as anybody, on loopback; trusts the server it measures.
 */
#include "peer.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

SSL_CTX *peer_context(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	if (!context)
		errx(1, "SSL_CTX_new");
	SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT);
	return context;
}

static void peer_tls(
	struct peer *peer, const struct peer_target *target, SSL_SESSION **session)
{
	peer->ssl = SSL_new(target->context);
	if (!peer->ssl || !SSL_set_fd(peer->ssl, peer->fd))
		errx(1, "SSL_new");
	if (target->resume && session && *session)
		SSL_set_session(peer->ssl, *session);
	int done;
	do
		done = SSL_connect(peer->ssl);
	while (done < 0 && errno == EINTR);
	if (done != 1)
		errx(1, "TLS handshake failed");
}

static void peer_bind(const struct peer *peer)
{
	struct sockaddr_in from = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x7f010000u + (peer->source & 0xffff)) };
	int one = 1;
	/* The port is chosen at connect(2), when all four halves are known. */
	setsockopt(peer->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (bind(peer->fd, (struct sockaddr *)&from, sizeof(from)) < 0)
		err(1, "bind");
}

static void peer_connect(struct peer *peer, const struct peer_target *target)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(target->port) };
	int one = 1;
	if (inet_pton(AF_INET, target->host, &to.sin_addr) != 1)
		errx(1, "%s is no IPv4 address", target->host);
	peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (peer->fd < 0)
		err(1, "socket");
	/* popa3d's queue of five connections loses some, which then wait for ever. */
	struct timeval patience = { .tv_sec = target->patience };
	setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (peer->source)
		peer_bind(peer);
	if (connect(peer->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		err(1, "connect");
}

void peer_open(
	struct peer *peer, const struct peer_target *target, SSL_SESSION **session)
{
	peer->ssl = NULL;
	peer->at = peer->held = 0;
	peer_connect(peer, target);
	if (target->tls == PEER_IMPLICIT)
		peer_tls(peer, target, session);
	peer_ok(peer);
	if (target->tls == PEER_STLS) {
		peer_command(peer, "STLS");
		peer_ok(peer);
		peer_tls(peer, target, session);
	}
	if (peer->ssl && target->resume && session) {
		/* TLS 1.3 tickets come with the first data, which is read by now
		 * (pop3s); the newest serves the next connection. */
		SSL_SESSION *newest = SSL_get1_session(peer->ssl);
		if (newest && SSL_SESSION_is_resumable(newest)) {
			SSL_SESSION_free(*session);
			*session = newest;
		} else {
			SSL_SESSION_free(newest);
		}
	}
}

void peer_close(struct peer *peer)
{
	if (peer->ssl) {
		SSL_shutdown(peer->ssl);
		SSL_free(peer->ssl);
	}
	close(peer->fd);
	peer->ssl = NULL;
	peer->fd = -1;
}

void peer_send(struct peer *peer, const char *data, size_t n)
{
	while (n) {
		ssize_t sent = peer->ssl ? SSL_write(peer->ssl, data, (int)n)
					 : write(peer->fd, data, n);
		if (sent <= 0)
			errx(1, "the server took no more");
		data += sent;
		n -= (size_t)sent;
	}
}

void peer_command(struct peer *peer, const char *format, ...)
{
	char line[512];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(line, sizeof(line) - 2, format, args);
	va_end(args);
	memcpy(line + n, "\r\n", 2);
	peer_send(peer, line, (size_t)n + 2);
}

static void peer_fill(struct peer *peer)
{
	if (peer->at) {
		memmove(peer->buffer, peer->buffer + peer->at, peer->held - peer->at);
		peer->held -= peer->at;
		peer->at = 0;
	}
	char *to = peer->buffer + peer->held;
	size_t room = PEER_BUFFER - peer->held;
	ssize_t got;
	/* A time limit on a socket makes a stop (SIGSTOP) an error. */
	do
		got = peer->ssl ? SSL_read(peer->ssl, to, (int)room)
				: read(peer->fd, to, room);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		errx(1, got < 0 && errno == EAGAIN ? "the server said nothing for long"
						   : "the server ended the connection");
	peer->held += (size_t)got;
}

size_t peer_line(struct peer *peer, char **line)
{
	for (;;) {
		char *from = peer->buffer + peer->at;
		char *end = memchr(from, '\n', peer->held - peer->at);
		if (end) {
			size_t n = (size_t)(end - from) + 1;
			peer->at += n;
			*end = '\0';
			if (n > 1 && end[-1] == '\r')
				end[-1] = '\0';
			*line = from;
			return n;
		}
		if (peer->held - peer->at == PEER_BUFFER)
			errx(1, "a line of more than %d octets", PEER_BUFFER);
		peer_fill(peer);
	}
}

void peer_ok(struct peer *peer)
{
	char *line;
	peer_line(peer, &line);
	if (strncmp(line, "+OK", 3) != 0)
		errx(1, "the server said: %s", line);
}

void peer_end(struct peer *peer)
{
	ssize_t got;
	do
		got = peer->ssl ? SSL_read(peer->ssl, peer->buffer, PEER_BUFFER)
				: read(peer->fd, peer->buffer, PEER_BUFFER);
	while (got > 0);
}

/* Does a line of these n octets begin with a dot? Compilers make vector code of the
 * loop over a block; memmem(3) would cost the client more than the servers spend. */
static bool has_dot_line(const char *p, size_t n)
{
	enum { BLOCK = 1024 };
	unsigned found = 0;
	for (; n > BLOCK && !found; p += BLOCK, n -= BLOCK)
		for (size_t i = 0; i < BLOCK; i++)
			found |= (unsigned)(p[i] == '\n') & (unsigned)(p[i + 1] == '.');
	return found || memmem(p, n, "\n.", 2);
}

/* Counts whole blocks and looks only at what can be the terminator. */
uint64_t peer_multiline(struct peer *peer)
{
	uint64_t octets = 0;
	peer_ok(peer);
	if (peer->held == peer->at)
		peer_fill(peer);
	while (peer->held - peer->at < 3)
		peer_fill(peer);
	if (memcmp(peer->buffer + peer->at, ".\r\n", 3) == 0) {
		peer->at += 3;
		return 0;
	}
	for (;;) {
		char *from = peer->buffer + peer->at;
		size_t n = peer->held - peer->at;
		char *end =
			has_dot_line(from, n) ? memmem(from, n, "\r\n.\r\n", 5) : NULL;
		if (end) {
			size_t whole = (size_t)(end - from) + 2;
			peer->at += whole + 3;
			return octets + whole;
		}
		if (n > 4) {
			octets += n - 4;
			peer->at += n - 4;
		}
		peer_fill(peer);
	}
}

void peer_login(struct peer *peer, const char *user, const char *password)
{
	peer_command(peer, "USER %s", user);
	peer_ok(peer);
	peer_command(peer, "PASS %s", password);
	peer_ok(peer);
}
