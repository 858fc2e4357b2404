/*
 * ask: see ask.h. Runs in a gate child, inside a handshake. Trusts the keeper, checks
 * the form of what it says all the same. A keeper that does not answer fails the
 * handshake, and with it this connection only.
 */
#include "gate/ask.h"

#include "base/io.h"
#include "postern/fds.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ANSWER_MS = 30 * 1000,
	REQUEST_MAX = KEEPER_SIGNED_MAX + 16,
	ANSWER_MAX = KEEPER_SIGNATURE_MAX + 2 * sizeof(struct keeper_ticket) + 64,
};

/* Sends the request; the answer's octets in storage[ANSWER_MAX], or 0. */
static size_t ask(const struct buf *request, unsigned char *storage)
{
	struct span out = buf_span(request);
	if (!buf_ok(request) || send(FD_GATE_KEEPER, out.p, out.n, MSG_NOSIGNAL) <= 0 ||
		io_wait(FD_GATE_KEEPER, POLLIN, io_now() + ANSWER_MS) <= 0)
		return 0;
	ssize_t got = recv(FD_GATE_KEEPER, storage, ANSWER_MAX, MSG_DONTWAIT);
	return got > 0 ? (size_t)got : 0;
}

ssize_t ask_signature(struct told *told, const struct keeper_sign *sign,
	unsigned char *signature, size_t size)
{
	unsigned char request[REQUEST_MAX], storage[ANSWER_MAX];
	struct keeper_signature answer;
	struct buf message;
	buf_fixed(&message, request, sizeof(request));
	keeper_sign_encode(&message, sign);
	size_t n = ask(&message, storage);
	if (keeper_signature_decode(span_of(storage, n), &answer) < 0 ||
		answer.signature.n > size)
		return -1;
	memcpy(signature, answer.signature.p, answer.signature.n);
	told->fresh = answer.fresh;
	told->have_fresh = true;
	memcpy(told->witness, answer.witness, WITNESS);
	n = answer.signature.n;
	explicit_bzero(storage, sizeof(storage));
	explicit_bzero(&answer, sizeof(answer));
	return (ssize_t)n;
}

bool ask_ticket(struct told *told, const unsigned char name[KEEPER_TICKET_NAME])
{
	unsigned char request[REQUEST_MAX], storage[ANSWER_MAX];
	struct keeper_opened answer;
	struct buf message;
	/* After a HelloRetryRequest the client shows it again. */
	if (told->asked)
		return told->have_shown &&
		       memcmp(name, told->shown.name, KEEPER_TICKET_NAME) == 0;
	told->asked = true;
	buf_fixed(&message, request, sizeof(request));
	keeper_open_encode(&message, name);
	size_t n = ask(&message, storage);
	if (keeper_opened_decode(span_of(storage, n), &answer) < 0 || !answer.known)
		return false;
	told->shown = answer.shown;
	told->fresh = answer.fresh;
	told->have_shown = told->have_fresh = true;
	explicit_bzero(storage, sizeof(storage));
	explicit_bzero(&answer, sizeof(answer));
	return true;
}

void ask_end(struct told *told)
{
	close(FD_GATE_KEEPER);
	explicit_bzero(told, sizeof(*told));
}
