/*
 * reply: what the session says. Runs as the mailbox owner. Trusts nobody to read:
 * a client that takes nothing for as long as it may be idle has left.
 *
 * Fails by the sticky fault; whoever appends need not look, whoever sends must.
 */
#include "session/reply.h"

#include "base/die.h"
#include "base/num.h"
#include "base/pace.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

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
	return replies->fault ? -1 : 0;
}

void reply_release(struct reply_stream *replies)
{
	if (!buf_len(&replies->out) && buf_ok(&replies->out))
		buf_free(&replies->out);
}
