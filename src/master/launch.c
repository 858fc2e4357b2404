/*
 * launch: what the configuration means for each domain: its set-up message, its
 * descriptors, its user. Runs as the master; passes nothing on that the domain's
 * contract (include/postern/setup.h, fds.h) does not name.
 */
#include "master/launch.h"

#include "base/die.h"
#include "base/log.h"
#include "master/generation.h"
#include "master/master.h"
#include "postern/abi.h"
#include "postern/keeper.h"

#include <unistd.h>

enum { KEEPERS_MOST = 16 };

static void encode_gate(struct buf *message, const struct generation *g)
{
	struct gate_setup setup = {
		.login_seconds = g->config.login_seconds,
		.attempts = g->config.attempts,
		.bad_commands = g->config.bad_commands,
		.certificate = g->certificate >= 0,
		.kernel_tls = g->kernel_tls,
	};
	memcpy(setup.hostname, g->config.hostname, sizeof(setup.hostname));
	memcpy(setup.certificate_path, g->config.certificate,
		sizeof(setup.certificate_path));
	gate_setup_encode(message, &setup);
}

static void encode_auth(struct buf *message, const struct generation *g)
{
	struct auth_setup setup = {
		.root = g->master->root,
		.check = g->check,
		.pam_session = g->config.pam_session,
		.mechanisms = g->config.mechanisms,
		.remember_seconds = g->config.remember_seconds,
		.names = g->config.names,
		.issuers_n = (uint32_t)g->config.issuers_n,
		.sources_n = (uint32_t)g->config.sources_n,
	};
	memcpy(setup.hostname, g->config.hostname, sizeof(setup.hostname));
	memcpy(setup.sources, g->config.sources, sizeof(setup.sources));
	memcpy(setup.issuers, g->config.issuers, sizeof(setup.issuers));
	memcpy(setup.witness_key, g->witness_key, sizeof(setup.witness_key));
	auth_setup_encode(message, &setup);
}

static void encode_session(struct buf *message, const struct generation *g)
{
	session_setup_encode(
		message, &(struct session_setup){
				 .root = g->master->root,
				 .idle_seconds = g->config.idle_seconds,
				 .bad_commands = g->config.bad_commands,
				 .takeover_seconds = g->config.takeover_seconds,
				 .undo_seconds = g->config.undo_seconds,
				 .login_seconds = g->config.login_seconds,
			 });
}

/* One that signs for each processor. */
static void encode_keeper(struct buf *message, const struct generation *g)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	struct keeper_setup setup = { .workers = 1 };
	if (processors > 1)
		setup.workers =
			processors < KEEPERS_MOST ? (uint32_t)processors : KEEPERS_MOST;
	memcpy(setup.certificate_path, g->config.certificate,
		sizeof(setup.certificate_path));
	memcpy(setup.key_path, g->config.key, sizeof(setup.key_path));
	memcpy(setup.witness_key, g->witness_key, sizeof(setup.witness_key));
	keeper_setup_encode(message, &setup);
}

/* Opened once, and read from the start by each process that gets it. */
static void rewind_pem(int fd)
{
	if (fd >= 0 && lseek(fd, 0, SEEK_SET) < 0)
		log_line("the certificate or its key is no file");
}

/* The descriptors behind FD_CONTROL, as include/postern/fds.h has them. */
static int list_descriptors(
	const struct generation *g, enum domain_kind kind, int fds[3])
{
	switch (kind) {
	case DOMAIN_GATE:
		rewind_pem(g->certificate);
		fds[0] = g->certificate;
		return 1;
	case DOMAIN_KEEPER:
		rewind_pem(g->keeper_certificate);
		rewind_pem(g->key);
		fds[0] = g->keeper_certificate;
		fds[1] = g->key;
		return 2;
	case DOMAIN_AUTH:
		fds[0] = g->auth_end;
		return 1;
	default:
		fds[0] = g->session_end;
		fds[1] = g->locks;
		fds[2] = g->states;
		return 3;
	}
}

int launch(struct domain *d, int64_t ready_ms)
{
	static void (*const encode[DOMAINS])(
		struct buf * message, const struct generation *g) = {
		[DOMAIN_GATE] = encode_gate,
		[DOMAIN_AUTH] = encode_auth,
		[DOMAIN_SESSION] = encode_session,
		[DOMAIN_KEEPER] = encode_keeper,
	};
	struct generation *g = d->generation;
	struct master *m = g->master;
	unsigned char storage[MESSAGE_MAX];
	struct buf message;
	int fds[3];
	buf_fixed(&message, storage, sizeof(storage));
	encode[d->kind](&message, g);
	if (!buf_ok(&message))
		bug("a set-up message that does not fit");
	const struct unprivileged *user =
		d->kind == DOMAIN_KEEPER ? &g->keeper_user : &g->gate_user;
	struct domain_launch launch = {
		.programs = g->config.programs,
		.log = m->logger->writing[d->kind],
		.fds = fds,
		.fds_n = list_descriptors(g, d->kind, fds),
		.drop = m->root && (d->kind == DOMAIN_GATE || d->kind == DOMAIN_KEEPER),
		.uid = user->uid,
		.gid = user->gid,
		.setup = buf_span(&message),
	};
	if (domain_start(d, &launch) < 0)
		return -1;
	timer_set(&m->timers, &d->timer, d->started + ready_ms);
	return poller_watch(m->poller, &d->watch, d->control, POLLIN);
}
