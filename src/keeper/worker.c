/*
 * worker: takes a channel, reads one request that is there already, answers,
 * closes. So a gate has one signature for its connection, and no channel
 * can keep a worker waiting. A request that is not well-formed, or that asks for
 * anything but a handshake's signature, is answered by the end of the channel.
 */
#include "keeper/worker.h"

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "ipc/fdpass.h"
#include "postern/abi.h"
#include "postern/fds.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = KEEPER_SIGNED_MAX + 16, ANSWER_MAX = KEEPER_SIGNATURE_MAX + 16 };

static int receive(int channel, struct keeper_sign *sign, unsigned char *storage)
{
	ssize_t n = recv(channel, storage, REQUEST_MAX + 1, MSG_DONTWAIT);
	return n > 0 ? keeper_sign_decode(span_of(storage, (size_t)n), sign) : -1;
}

static void answer(int channel, struct span signature)
{
	unsigned char storage[ANSWER_MAX];
	struct buf message;
	buf_fixed(&message, storage, sizeof(storage));
	keeper_signature_encode(&message, signature);
	if (!buf_ok(&message))
		bug("a signature that does not fit");
	struct span out = buf_span(&message);
	/* A gate that is gone needs no answer. */
	(void)send(channel, out.p, out.n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void serve(const struct key *key, uint64_t connection, int channel)
{
	unsigned char request[REQUEST_MAX + 1], signature[KEEPER_SIGNATURE_MAX];
	struct keeper_sign sign;
	ssize_t n = -1;
	if (receive(channel, &sign, request) == 0)
		n = key_sign(key, &sign, signature, sizeof(signature));
	if (n > 0)
		answer(channel, span_of(signature, (size_t)n));
	else
		log_line("connection=%llu: a request that is no handshake's",
			(unsigned long long)connection);
}

_Noreturn void worker_run(const struct key *key)
{
	if (sandbox_keeper() < 0)
		die(EXIT_TEMPORARY, "sandbox");
	for (;;) {
		unsigned char storage[64];
		uint64_t connection;
		int channel = -1;
		size_t came = 0;
		ssize_t n = fdpass_recv(
			FD_CONTROL, storage, sizeof(storage), &channel, 1, &came, 0);
		if (n == 0 || (n < 0 && errno != EBADMSG))
			_exit(n == 0 ? EXIT_DONE : EXIT_TEMPORARY);
		if (n > 0 && came == 1 &&
			keeper_channel_decode(
				span_of(storage, (size_t)n), &connection) == 0)
			serve(key, connection, channel);
		else
			log_line("work that cannot be understood");
		if (n > 0)
			io_close(&channel);
	}
}
