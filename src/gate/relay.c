/*
 * relay: TLS client <-> wire. Runs in a gate child after the login; parses nothing
 * that it carries. Distrusts both ends alike. It has no deadline of its own while
 * the session lives (the session has); when that is gone, a client that does not
 * take the rest is given FLUSH_MS.
 *
 * A client that cannot be written to any more (reset) is told to the session at once,
 * by shutting the wire in both directions: the session still reads what was sent up it,
 * a QUIT, and knows that what it has said since did not arrive (reply_prove()). A
 * client that only closes its side gets what the session says.
 */
#include "gate/relay.h"

#include "base/io.h"
#include "base/pace.h"
#include "base/pages.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

enum {
	UP_SIZE = 16384, /* one TLS record */
	DOWN_SIZE = 131072,
	FLUSH_MS = 60 * 1000,
	QUIET_MS = 500, /* without an octet: memory is given back */
};

/* Octets on their way: held is a part of data. */
struct way {
	unsigned char *data;
	size_t size;
	struct span held;
	bool ended;   /* the source has ended */
	bool waiting; /* the source had nothing: poll before the next read */
	bool full;    /* the sink took nothing: poll before the next write */
};

struct relay {
	struct stream *s;
	int wire;
	struct way up, down;
	bool wire_shut;	  /* the session knows that the client has ended */
	bool client_gone; /* cannot be written to */
	size_t moved;	  /* see pace_lavish() */
	struct pace pace;
	bool quiet; /* since QUIET_MS, and all is given back */
	short ssl_read_wants, ssl_write_wants; /* POLLIN or POLLOUT */
	int64_t deadline;		       /* once the session has ended */
};

/* What a blocked SSL call waits for: an event of poll(2), 0 when it is over. */
static short wants(struct relay *r, int ret)
{
	int error = SSL_get_error(r->s->ssl, ret);
	ERR_clear_error();
	if (error == SSL_ERROR_WANT_READ)
		return POLLIN;
	if (error == SSL_ERROR_WANT_WRITE)
		return POLLOUT;
	if (error != SSL_ERROR_ZERO_RETURN)
		r->s->broken = true;
	return 0;
}

static void lose_client(struct relay *r)
{
	r->client_gone = true;
	r->s->broken = true;
	r->up.ended = r->down.ended = true;
	shutdown(r->wire, SHUT_RDWR);
}

/* Is the connection of the client over, in both directions? */
static bool is_reset(const struct relay *r)
{
	return io_wait(r->s->fd, 0, io_now()) != 0;
}

static void read_client(struct relay *r)
{
	int got = SSL_read(r->s->ssl, r->up.data, (int)r->up.size);
	if (got > 0) {
		r->up.held = span_of(r->up.data, (size_t)got);
		/* The socket has been read empty, if nothing is held. */
		r->ssl_read_wants = POLLIN;
		r->up.waiting = !SSL_has_pending(r->s->ssl);
		return;
	}
	r->ssl_read_wants = wants(r, got);
	r->up.waiting = r->ssl_read_wants != 0;
	r->up.ended = !r->up.waiting;
	if (r->up.ended && is_reset(r))
		lose_client(r);
}

static void write_wire(struct relay *r)
{
	ssize_t put = send(r->wire, r->up.held.p, r->up.held.n, MSG_NOSIGNAL);
	if (put >= 0) {
		r->up.held = span_tail(r->up.held, (size_t)put);
	} else if (errno == EAGAIN) {
		r->up.full = true;
	} else if (errno != EINTR) {
		/* The session reads no more: nor need we. */
		r->up.held = span_of(NULL, 0);
		r->up.ended = true;
	}
}

static void read_wire(struct relay *r)
{
	ssize_t got = io_read(r->wire, r->down.data, r->down.size);
	if (got > 0) {
		r->down.held = span_of(r->down.data, (size_t)got);
		/* Less than asked for: nothing more is there now. */
		r->down.waiting = (size_t)got < r->down.size;
		pace_lavish(&r->moved, (size_t)got);
	} else if (got < 0 && errno == EAGAIN) {
		r->down.waiting = true;
	} else {
		r->down.ended = true;
		r->deadline = io_now() + FLUSH_MS;
	}
}

static void write_client(struct relay *r)
{
	struct span held = r->down.held;
	int put =
		SSL_write(r->s->ssl, held.p, held.n > INT_MAX ? INT_MAX : (int)held.n);
	if (put > 0) {
		r->down.held = span_tail(held, (size_t)put);
		return;
	}
	r->ssl_write_wants = wants(r, put);
	r->down.full = r->ssl_write_wants != 0;
	if (!r->down.full)
		lose_client(r);
}

/* One round of whatever can be done without waiting. False: nothing could. */
static bool carry(struct relay *r)
{
	bool moved = false;
	if (!r->up.held.n && !r->up.ended && !r->up.waiting) {
		read_client(r);
		moved = true;
	}
	if (r->up.held.n && !r->up.full) {
		write_wire(r);
		moved = true;
	}
	if (!r->down.held.n && !r->down.ended && !r->down.waiting) {
		read_wire(r);
		moved = true;
	}
	if (r->down.held.n && !r->down.full) {
		write_client(r);
		moved = true;
	}
	if (r->up.ended && !r->up.held.n && !r->wire_shut) {
		shutdown(r->wire, SHUT_WR);
		r->wire_shut = true;
	}
	return moved;
}

/* What only a busy relay needs. */
static void release(struct relay *r)
{
	if (!r->up.held.n)
		pages_release(r->up.data, r->up.size);
	if (!r->down.held.n)
		pages_release(r->down.data, r->down.size);
#ifdef __GLIBC__ /* others give back by themselves, or cannot be asked */
	malloc_trim(0);
#endif
	pages_release_stack();
	r->quiet = true;
}

/* poll(2) of both, first without sleep when they are quick. */
static int poll_both(struct relay *r, struct pollfd p[2], int timeout)
{
	bool whole = r->quiet || (timeout >= 0 && timeout <= QUIET_MS);
	int n, nap = whole ? timeout : QUIET_MS;
	pace_begin(&r->pace);
	do
		n = poll(p, 2, r->pace.brisk ? 0 : nap);
	while (n == 0 && pace_look_on(&r->pace));
	pace_end(&r->pace);
	if (n == 0 && nap != timeout) {
		release(r);
		n = poll(p, 2, timeout);
	}
	if (n > 0)
		r->quiet = false;
	return n;
}

static void wait_for_either(struct relay *r)
{
	struct pollfd client = { .fd = r->s->fd }, wire = { .fd = r->wire };
	if (r->up.waiting && !r->up.held.n && !r->up.ended)
		client.events |= r->ssl_read_wants;
	if (r->down.full)
		client.events |= r->ssl_write_wants;
	if (r->up.full)
		wire.events |= POLLOUT;
	if (r->down.waiting && !r->down.held.n && !r->down.ended)
		wire.events |= POLLIN;
	/* A wire that nothing is asked of would only report its hang-up, again and
	 * again; the client's is the end. */
	struct pollfd p[2] = { client, wire };
	if (!wire.events)
		p[1].fd = -1;
	int64_t left = r->deadline - io_now();
	int timeout = left > INT_MAX ? -1 : left > 0 ? (int)left : 0;
	if (poll_both(r, p, timeout) == 0 && timeout == 0)
		lose_client(r);
	if (p[0].revents && !client.events)
		lose_client(r);
	if (p[0].revents) {
		r->up.waiting = false;
		r->down.full = false;
	}
	if (p[1].revents) {
		r->down.waiting = false;
		r->up.full = false;
	}
}

/* The session has ended, and the client has got what it said, or is gone. */
static bool is_over(const struct relay *r)
{
	return r->client_gone || (r->down.ended && !r->down.held.n);
}

static void carry_all(struct relay *r)
{
	while (!is_over(r))
		if (!carry(r))
			wait_for_either(r);
}

void relay_run(struct stream *s, int wire)
{
	static unsigned char up[UP_SIZE], down[DOWN_SIZE];
	struct relay r = {
		.s = s,
		.wire = wire,
		.up = { .data = up, .size = sizeof(up), .held = stream_held(s) },
		.down = { .data = down, .size = sizeof(down) },
		.deadline = IO_FOREVER,
	};
	carry_all(&r);
	close(wire);
	stream_end(s);
}
