/*
 * worker: takes a channel, reads the request that is there already, answers, closes.
 * So a gate has one handshake of its connection: a signature, or the key of a ticket
 * that its client has shown. One whose ticket does not open asks for the signature
 * next, on the same channel; meanwhile the worker serves others, and at most WAITING
 * such channels wait with it: the oldest goes for a new one. A request that is not
 * well-formed, out of its turn, or for anything but a handshake, is answered by the end
 * of the channel.
 */
#include "keeper/worker.h"

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "ipc/fdpass.h"
#include "ipc/msg.h"
#include "postern/abi.h"
#include "postern/fds.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	WAITING = 8, /* KEEPER_DESCRIPTORS of src/sandbox/keeper.c has room for them */
	REQUEST_MAX = KEEPER_SIGNED_MAX + 16,
	ANSWER_MAX = KEEPER_SIGNATURE_MAX + 2 * sizeof(struct keeper_ticket) + 64,
};

struct channel {
	uint64_t connection;
	int fd;
	bool asked; /* for a ticket, which did not open */
};

struct worker {
	const struct key *key;
	const struct tickets *tickets;
	const unsigned char *witness_key;
	struct channel waiting[WAITING]; /* the oldest first */
	size_t waiting_n;
};

static uint64_t seconds(void)
{
	return (uint64_t)(io_now() / 1000);
}

static void send_answer(const struct channel *c, struct buf *message)
{
	if (!buf_ok(message))
		bug("an answer that does not fit");
	struct span out = buf_span(message);
	/* A gate that is gone needs no answer. */
	(void)send(c->fd, out.p, out.n, MSG_DONTWAIT | MSG_NOSIGNAL);
	buf_wipe(message);
}

static bool sign(const struct worker *w, struct channel *c, struct span request)
{
	unsigned char storage[ANSWER_MAX], octets[KEEPER_SIGNATURE_MAX];
	struct keeper_sign wanted;
	struct keeper_signature answer;
	struct buf message;
	ssize_t n = -1;
	if (keeper_sign_decode(request, &wanted) == 0 &&
		tickets_give(w->tickets, seconds(), &answer.fresh) == 0)
		n = key_sign(w->key, &wanted, octets, sizeof(octets));
	if (n <= 0)
		return false;
	answer.signature = span_of(octets, (size_t)n);
	witness_make(w->witness_key, c->connection, wanted.octets, answer.signature,
		answer.witness);
	buf_fixed(&message, storage, sizeof(storage));
	keeper_signature_encode(&message, &answer);
	send_answer(c, &message);
	explicit_bzero(&answer, sizeof(answer));
	return true;
}

static bool open_ticket(const struct worker *w, struct channel *c, struct span request)
{
	unsigned char storage[ANSWER_MAX], name[KEEPER_TICKET_NAME];
	struct keeper_opened answer = { 0 };
	struct buf message;
	if (c->asked || keeper_open_decode(request, name) < 0)
		return false;
	answer.known = tickets_open(w->tickets, seconds(), name, &answer.shown) == 0 &&
		       tickets_give(w->tickets, seconds(), &answer.fresh) == 0;
	c->asked = !answer.known;
	buf_fixed(&message, storage, sizeof(storage));
	keeper_opened_encode(&message, &answer);
	send_answer(c, &message);
	explicit_bzero(&answer, sizeof(answer));
	return true;
}

/* The end of a channel on which something may still be to come. */
static void keep(struct worker *w, const struct channel *c)
{
	if (w->waiting_n == WAITING) {
		io_close(&w->waiting[0].fd);
		memmove(w->waiting, w->waiting + 1,
			--w->waiting_n * sizeof(w->waiting[0]));
	}
	w->waiting[w->waiting_n++] = *c;
}

static void serve(struct worker *w, struct channel c)
{
	unsigned char storage[REQUEST_MAX + 1];
	ssize_t n = recv(c.fd, storage, sizeof(storage), MSG_DONTWAIT);
	struct span request = span_of(storage, n > 0 ? (size_t)n : 0);
	bool asked = c.asked;
	bool good = msg_type(request) == MESSAGE_OPEN ? open_ticket(w, &c, request)
						      : sign(w, &c, request);
	/* A gate that went away while it had the turn has asked for nothing. */
	if (!good && !(asked && n == 0))
		log_line("connection=%llu: a request that is no handshake's",
			(unsigned long long)c.connection);
	if (good && c.asked && !asked)
		keep(w, &c);
	else
		io_close(&c.fd);
}

/* The next connection; flags as those of recv(2). */
static void take(struct worker *w, int flags)
{
	unsigned char storage[64];
	struct channel c = { .fd = -1 };
	size_t came = 0;
	ssize_t n = fdpass_recv(
		FD_CONTROL, storage, sizeof(storage), &c.fd, 1, &came, flags);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n == 0 || (n < 0 && errno != EBADMSG))
		_exit(n == 0 ? EXIT_DONE : EXIT_TEMPORARY);
	if (n > 0 && came == 1 &&
		keeper_channel_decode(span_of(storage, (size_t)n), &c.connection) ==
			0) {
		serve(w, c);
		return;
	}
	log_line("work that cannot be understood");
	if (n > 0)
		io_close(&c.fd);
}

/* Whichever of the channels has something: each once. */
static void look(struct worker *w)
{
	struct pollfd p[WAITING + 1] = { { .fd = FD_CONTROL, .events = POLLIN } };
	struct channel before[WAITING];
	size_t n = w->waiting_n;
	memcpy(before, w->waiting, sizeof(before));
	for (size_t i = 0; i < n; i++)
		p[i + 1] = (struct pollfd){ .fd = before[i].fd, .events = POLLIN };
	if (poll(p, n + 1, -1) < 0 && errno != EINTR)
		_exit(EXIT_TEMPORARY);
	w->waiting_n = 0;
	for (size_t i = 0; i < n; i++)
		if (p[i + 1].revents)
			serve(w, before[i]);
		else
			w->waiting[w->waiting_n++] = before[i];
	if (p[0].revents)
		take(w, MSG_DONTWAIT);
}

_Noreturn void worker_run(const struct key *key, const struct tickets *tickets,
	const unsigned char witness_key[WITNESS_KEY])
{
	struct worker w = {
		.key = key, .tickets = tickets, .witness_key = witness_key
	};
	if (sandbox_keeper() < 0)
		die(EXIT_TEMPORARY, "sandbox");
	for (;;)
		if (w.waiting_n)
			look(&w);
		else
			take(&w, 0);
}
