/*
 * claim: asks and awaits the verdict. Runs in a gate child. Trusts the verdict
 * channel (its other end is the master's, auth's, the session's), checks its form
 * all the same. The wait has a limit of its own, for a server that lost the
 * question; the client's login deadline does not run meanwhile.
 */
#include "gate/claim.h"

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "gate/tls.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	VERDICT_MS = 180 * 1000,
	/* Replies to what was pipelined before go with this one, if it comes soon. */
	GATHER_MS = 20,
};

static int send_message(struct claim *c, const struct buf *message)
{
	ssize_t sent;
	if (!buf_ok(message))
		bug("a message that does not fit");
	struct span out = buf_span(message);
	do
		sent = send(c->verdict, out.p, out.n, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -1 : 0;
}

static int send_login(struct claim *c, const struct login *login)
{
	struct buf message;
	buf_fixed(&message, c->storage, MESSAGE_MAX);
	login_encode(&message, login);
	int result = send_message(c, &message);
	buf_wipe(&message);
	return result;
}

/* Has the client hung up without leaving anything to be read? */
static bool client_gone(struct stream *s, struct pollfd *client)
{
	if (client->revents & (POLLERR | POLLHUP | POLLNVAL))
		return true;
	if (stream_held(s).n == 0 && stream_peek(s) == 0)
		return true;
	/* Half-closed behind pipelined commands, which are still to be served: from
	 * now on only a reset counts. */
	client->events = 0;
	return false;
}

/* 1 when the channel is readable, 0 at the deadline, -1 when the client is gone. */
static int await(struct claim *c, struct stream *s, int64_t deadline)
{
	struct pollfd p[2] = {
		{ .fd = c->verdict, .events = POLLIN },
		{ .fd = s->fd, .events = POLLRDHUP },
	};
	for (;;) {
		int64_t left = deadline - io_now();
		int n = left <= 0 ? 0 : poll(p, 2, (int)left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		if (p[0].revents)
			return 1;
		if (p[1].revents && client_gone(s, &p[1]))
			return -1;
	}
}

static enum claim_result receive(struct claim *c, struct verdict *verdict)
{
	ssize_t got;
	do
		got = recv(c->verdict, c->storage, sizeof(c->storage), 0);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return CLAIM_NONE;
	if (verdict_decode(span_of(c->storage, (size_t)got), verdict) < 0) {
		log_line("a verdict that cannot be understood");
		return CLAIM_NONE;
	}
	return CLAIM_ANSWERED;
}

/* What was read and decrypted can only go through the relay; what comes between this
 * claim and the session stays in the socket. */
static enum login_path path_of(struct stream *s)
{
	s->sealed = s->ssl && stream_held(s).n == 0 &&
		    offload_possible(&s->offload, s->ssl);
	return s->sealed ? PATH_KERNEL : s->ssl ? PATH_RELAY : PATH_DIRECT;
}

enum claim_result claim_send(struct claim *c, struct stream *s, struct login *login)
{
	login->path = path_of(s);
	login->tls = span_str(tls_name(s));
	if (stream_settle(s) < 0)
		return CLAIM_HUNG_UP;
	return send_login(c, login) < 0 ? CLAIM_NONE : CLAIM_SENT;
}

enum claim_result claim_await(
	struct claim *c, struct stream *s, struct verdict *verdict)
{
	int ready = await(c, s, io_now() + GATHER_MS);
	int64_t deadline = io_now() + VERDICT_MS;
	if (ready == 0 && stream_flush(s, deadline) < 0)
		return CLAIM_HUNG_UP;
	if (ready == 0)
		ready = await(c, s, deadline);
	if (ready < 0)
		return CLAIM_HUNG_UP;
	return ready ? receive(c, verdict) : CLAIM_NONE;
}

int claim_hand_over(struct claim *c)
{
	struct buf message;
	buf_fixed(&message, c->storage, sizeof(c->storage));
	baton_encode(&message);
	int result = send_message(c, &message);
	io_close(&c->verdict);
	return result;
}
