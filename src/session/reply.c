/*
 * reply: what the session says. Runs as the mailbox owner. Trusts nobody to read:
 * a client that takes nothing for as long as it may be idle has left.
 *
 * Fails by the sticky fault; whoever appends need not look, whoever sends must.
 */
#include "session/reply.h"

#include "base/die.h"
#include "base/io.h"
#include "base/num.h"
#include "base/pace.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	NAP_MS = 32,
	/* A relay has written what it took, and its client's reset comes a round trip
	 * later. */
	RELAY_MS = 250,
};

void reply_begin(struct reply_stream *replies, int peer)
{
	*replies = (struct reply_stream){ .peer = peer };
	buf_init(&replies->out, REPLY_MAX);
}

void reply_line(struct reply_stream *replies, const char *format, ...)
{
	char line[512]; /* RFC 2449 section 4 */
	va_list args;

	va_start(args, format);
	int n = vsnprintf(line, sizeof(line) - 2, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(line) - 2)
		bug("a reply that is too long");
	line[n] = '\r';
	line[n + 1] = '\n';
	buf_put(&replies->out, line, (size_t)n + 2);
}

static void listed(struct reply_stream *replies, uint64_t number, struct span what)
{
	char digits[NUM_DECIMAL_MAX];
	unsigned char *to = buf_reserve(&replies->out, sizeof(digits) + what.n + 3);

	if (!to)
		return;
	size_t n = num_format(number, digits);
	memcpy(to, digits, n);
	to[n++] = ' ';
	memcpy(to + n, what.p, what.n);
	n += what.n;
	to[n++] = '\r';
	to[n++] = '\n';
	buf_commit(&replies->out, n);
}

void reply_pair(struct reply_stream *replies, uint64_t number, uint64_t octets)
{
	char digits[NUM_DECIMAL_MAX];
	listed(replies, number, span_of(digits, num_format(octets, digits)));
}

void reply_named(struct reply_stream *replies, uint64_t number, const char *uid)
{
	listed(replies, number, span_str(uid));
}

int reply_spill(struct reply_stream *replies)
{
	size_t gathered = buf_len(&replies->out);
	if (gathered < REPLY_BLOCK)
		return 0;
	int result = reply_flush(replies);
	pace_lavish(&replies->moved, gathered);
	return result;
}

int reply_flush(struct reply_stream *replies)
{
	struct buf *out = &replies->out;

	if (!buf_ok(out) && !replies->fault)
		replies->fault = ENOMEM;
	while (buf_len(out) && !replies->fault) {
		ssize_t n = send(
			replies->peer, buf_span(out).p, buf_len(out), MSG_NOSIGNAL);
		if (n >= 0)
			buf_consume(out, (size_t)n);
		else if (errno != EINTR)
			replies->fault = errno;
	}
	if (replies->fault)
		return -1;
	replies->left.messages += replies->gathered.messages;
	replies->left.octets += replies->gathered.octets;
	replies->gathered = (struct reply_count){ 0 };
	return 0;
}

void reply_count_message(struct reply_stream *replies, uint64_t octets)
{
	replies->gathered.messages++;
	replies->gathered.octets += octets;
}

/* Has the peer hung up? Waits so long for it. Its half-close alone is none. */
static bool hung_up(const struct reply_stream *replies, int64_t deadline)
{
	return io_wait(replies->peer, 0, deadline) != 0;
}

/* Nobody tells when the last octet is acknowledged: it is looked for, after 1, 2, 4 ...
 * NAP_MS milliseconds. */
static int await_taken(const struct reply_stream *replies, int64_t deadline)
{
	int unsent = 0;

	for (int nap = 1;; nap = nap < NAP_MS ? 2 * nap : NAP_MS) {
		/* A kernel that cannot say it leaves us what we had: it was sent. */
		if (ioctl(replies->peer, TIOCOUTQ, &unsent) < 0 || !unsent)
			return 0;
		if (io_now() >= deadline)
			return EAGAIN;
		if (hung_up(replies, io_now() + nap))
			return ECONNRESET;
	}
}

int reply_prove(struct reply_stream *replies, bool relayed, int64_t deadline)
{
	if (reply_flush(replies) < 0)
		return -1;
	if (!replies->owed)
		return 0;
	replies->fault = await_taken(replies, deadline);
	if (!replies->fault && relayed && hung_up(replies, io_now() + RELAY_MS))
		replies->fault = ECONNRESET;
	replies->owed = false;
	return replies->fault ? -1 : 0;
}

void reply_believe(struct reply_stream *replies)
{
	replies->owed = false;
}

void reply_release(struct reply_stream *replies)
{
	if (!buf_len(&replies->out) && buf_ok(&replies->out))
		buf_free(&replies->out);
}
