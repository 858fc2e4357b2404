/*
 * stream: the client's octets. Runs in a gate child, on what a stranger sends.
 * A broken connection is a return value, never a death. The buffers are fixed,
 * so no peer can make them grow and no copy of a secret stays behind in
 * freed memory.
 */
#include "gate/stream.h"

#include "base/io.h"

#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	LINGER_MS = 2000,	 /* for the last reply to be taken */
	LINGER_OCTETS = 1 << 20, /* thrown away meanwhile */
	SCRATCH_SIZE = 2048,
};

void stream_init(struct stream *s, int fd)
{
	s->fd = fd;
	s->ssl = NULL;
	s->ahead = 0;
	s->broken = false;
	buf_fixed(&s->in, s->in_storage, sizeof(s->in_storage));
	buf_fixed(&s->out, s->out_storage, sizeof(s->out_storage));
}

int stream_tls_wait(struct stream *s, int ret, int64_t deadline)
{
	int error = SSL_get_error(s->ssl, ret);
	short events = 0;
	if (error == SSL_ERROR_WANT_READ)
		events = POLLIN;
	else if (error == SSL_ERROR_WANT_WRITE)
		events = POLLOUT;
	if (!events) {
		s->broken = error == SSL_ERROR_SYSCALL || error == SSL_ERROR_SSL;
		ERR_clear_error();
		errno = EPROTO;
		return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
	}
	int ready = io_wait(s->fd, events, deadline);
	if (ready == 0)
		errno = ETIMEDOUT;
	return ready > 0 ? 1 : -1;
}

/* Takes octets out of the kernel until only the last keep of those looked at
 * are still there. */
static int take(struct stream *s, size_t keep)
{
	unsigned char scratch[SCRATCH_SIZE];
	int result = 0;
	while (s->ahead > keep) {
		size_t n = s->ahead - keep;
		ssize_t got = recv(s->fd, scratch,
			n < sizeof(scratch) ? n : sizeof(scratch), MSG_DONTWAIT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			result = -1;
			break;
		}
		s->ahead -= (size_t)got;
	}
	explicit_bzero(scratch, sizeof(scratch));
	return result;
}

int stream_settle(struct stream *s)
{
	size_t held = buf_len(&s->in);
	return take(s, held < s->ahead ? held : s->ahead);
}

static int more_plain(struct stream *s, int64_t deadline)
{
	if (take(s, 0) < 0)
		return -1;
	size_t room = buf_room(&s->in);
	unsigned char *to = buf_reserve(&s->in, room);
	for (;;) {
		ssize_t got = recv(s->fd, to, room, MSG_PEEK | MSG_DONTWAIT);
		if (got > 0) {
			buf_commit(&s->in, (size_t)got);
			s->ahead = (size_t)got;
			return 1;
		}
		if (got == 0)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return -1;
		int ready = io_wait(s->fd, POLLIN, deadline);
		if (ready <= 0) {
			if (ready == 0)
				errno = ETIMEDOUT;
			return -1;
		}
	}
}

static int more_tls(struct stream *s, int64_t deadline)
{
	size_t room = buf_room(&s->in);
	unsigned char *to = buf_reserve(&s->in, room);
	for (;;) {
		int got = SSL_read(s->ssl, to, (int)room);
		if (got > 0) {
			buf_commit(&s->in, (size_t)got);
			return 1;
		}
		int ready = stream_tls_wait(s, got, deadline);
		if (ready <= 0)
			return ready;
	}
}

int stream_more(struct stream *s, int64_t deadline)
{
	if (stream_flush(s, deadline) < 0)
		return -1;
	if (buf_room(&s->in) == 0) {
		errno = EMSGSIZE;
		return -1;
	}
	return s->ssl ? more_tls(s, deadline) : more_plain(s, deadline);
}

void stream_used(struct stream *s, size_t n)
{
	n = n < buf_len(&s->in) ? n : buf_len(&s->in);
	explicit_bzero(s->in.data + s->in.head, n);
	buf_consume(&s->in, n);
}

static int flush_tls(struct stream *s, int64_t deadline)
{
	while (buf_len(&s->out)) {
		struct span rest = buf_span(&s->out);
		int put = SSL_write(s->ssl, rest.p, (int)rest.n);
		if (put > 0) {
			buf_consume(&s->out, (size_t)put);
			continue;
		}
		if (stream_tls_wait(s, put, deadline) <= 0)
			return -1;
	}
	return 0;
}

int stream_flush(struct stream *s, int64_t deadline)
{
	int result = 0;
	if (buf_len(&s->out))
		result = s->ssl ? flush_tls(s, deadline)
				: io_write_all(s->fd, buf_span(&s->out), deadline);
	buf_reset(&s->out);
	return result;
}

int stream_peek(struct stream *s)
{
	char c;
	ssize_t got;
	if (!s->ssl || s->sealed) {
		do
			got = recv(s->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);
		while (got < 0 && errno == EINTR);
		if (got < 0)
			return errno == EAGAIN ? -1 : 0;
		return got > 0;
	}
	got = SSL_peek(s->ssl, &c, 1);
	if (got > 0)
		return 1;
	int error = SSL_get_error(s->ssl, (int)got);
	ERR_clear_error();
	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? -1 : 0;
}

static void linger(int fd)
{
	char scratch[SCRATCH_SIZE];
	int64_t deadline = io_now() + LINGER_MS;
	for (size_t total = 0; total < LINGER_OCTETS;) {
		ssize_t got = recv(fd, scratch, sizeof(scratch), MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
			break;
		if (got < 0 && io_wait(fd, POLLIN, deadline) <= 0)
			break;
		total += got > 0 ? (size_t)got : 0;
	}
	explicit_bzero(scratch, sizeof(scratch));
}

void stream_end(struct stream *s)
{
	if (s->ssl && !s->broken) {
		SSL_shutdown(s->ssl);
		ERR_clear_error();
	}
	if (shutdown(s->fd, SHUT_WR) == 0)
		linger(s->fd);
	close(s->fd);
	s->fd = -1;
}
