/*
 * pop3-gate: strangers, TLS, AUTHORIZATION.
 *
 * Runs as: the gate's own user, from before its exec on; never root.
 * Links: libssl and libcrypto.
 * Parent: holds the control channel and the TLS context, without the private key or any
 * other secret; reads facts from the master; never a peer's octet.
 * Child: one connection: its client, verdict channel, wire and, until the handshake,
 * its channel to the keeper; no file, no fork, nothing else. Believes the master's
 * facts, and no octet of the client. Fails: a certificate that cannot be used ends the
 * parent with EXIT_REFUSED and a line that names the file, so that the master keeps the
 * parent it had.
 */
#include "base/die.h"
#include "base/fdtab.h"
#include "base/io.h"
#include "gate/authorization.h"
#include "gate/relay.h"
#include "postern/fds.h"
#include "sandbox/sandbox.h"
#include "warm/warm.h"

#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/* Static, not on the stack: it is large, and pages that no login touches cost a
 * child nothing. */
static struct program {
	struct gate_setup setup;
	struct tls tls;
	struct told told;
	struct facts facts; /* of the connection that is forked next */
	struct gate gate;
} program;

static uint64_t decode(void *self, struct span message)
{
	struct program *p = self;
	if (facts_decode(message, &p->facts) < 0)
		return 0;
	return p->facts.connection;
}

static int descriptors(const struct program *p)
{
	return p->tls.ctx ? FACTS_DESCRIPTORS_TLS : FACTS_DESCRIPTORS;
}

static void lay_table(const struct program *p, const int *fds)
{
	int one = 1;
	if (fdtab_place(FD_GATE_CLIENT, fds, descriptors(p)) < 0)
		die(EXIT_TEMPORARY, "descriptors");
	/* Replies are whole when they are written. Inherited by the session. */
	setsockopt(FD_GATE_CLIENT, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (io_nonblock(FD_GATE_CLIENT) < 0 || io_nonblock(FD_GATE_WIRE) < 0)
		die(EXIT_TEMPORARY, "descriptors");
	/* A peer that is gone is an error of write(2), not a signal. */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		die(EXIT_TEMPORARY, "signal");
	if (sandbox_gate(p->tls.kernel != 0) < 0)
		die(EXIT_TEMPORARY, "sandbox");
}

static int child(void *self, const int *fds)
{
	struct program *p = self;
	struct gate *g = &p->gate;
	lay_table(p, fds);
	g->setup = &p->setup;
	g->facts = &p->facts;
	g->tls = &p->tls;
	g->claim.verdict = FD_GATE_VERDICT;
	g->deadline = io_now() + (int64_t)p->setup.login_seconds * 1000;
	stream_init(&g->stream, FD_GATE_CLIENT);
	if (authorization_run(g) == EVENT_READY && g->stream.ssl && !g->stream.sealed)
		relay_run(&g->stream, FD_GATE_WIRE);
	_exit(EXIT_DONE);
}

static void begin(struct program *p)
{
	struct buf message;
	buf_init(&message, MESSAGE_MAX + 1);
	warm_begin("pop3-gate", FD_GATE_LAST, &message);
	if (gate_setup_decode(buf_span(&message), &p->setup) < 0)
		die(EXIT_MALFORMED, "a set-up that cannot be understood");
	buf_free(&message);
	if (p->setup.certificate && tls_begin(&p->tls, &p->told, &p->setup) < 0)
		_exit(EXIT_REFUSED);
	close(FD_GATE_CERTIFICATE);
	if (sandbox_gate_parent() < 0)
		die(EXIT_TEMPORARY, "sandbox");
}

int main(void)
{
	begin(&program);
	warm_ready();
	warm_run(&(const struct warm_work){
		.intake = FD_CONTROL,
		.descriptors = (size_t)descriptors(&program),
		.decode = decode,
		.child = child,
		.self = &program,
	});
}
