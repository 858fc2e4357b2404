/*
 * generation: what the configuration means for each domain, and the life of the
 * warm parents: set-up, READY before a deadline, starting again, slower
 * and slower when one dies at birth.
 */
#include "master/generation.h"

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "master/attempt.h"
#include "master/errand.h"
#include "master/master.h"
#include "master/place.h"
#include "postern/abi.h"
#include "postern/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	READY_MS = 30000,     /* from exec to READY */
	BIRTH_MS = 5000,      /* who ends sooner died at birth */
	AGAIN_FIRST_MS = 250, /* the first wait after such a death */
	AGAIN_MOST_MS = 60000,
	REPORTS_AT_ONCE = 64,
	KEEPERS_MOST = 16,
};

static void on_control(void *owner, short events);
static void on_timer(void *owner);

static int open_pem(const char *path, const char *what)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		log_line("cannot open the %s %s: %s", what, path, strerror(errno));
	return fd;
}

static bool find_user(
	const struct master *m, const char *name, struct unprivileged *found)
{
	if (!m->root)
		return true;
	errno = 0;
	const struct passwd *user = getpwnam(name);
	if (!user || user->pw_uid == 0 || user->pw_gid == 0) {
		log_line(user ? "the user %s must not be root"
			      : "the user %s does not exist",
			name);
		return false;
	}
	found->uid = user->pw_uid;
	found->gid = user->pw_gid;
	return true;
}

/* The key's user holds nothing else, so it must be nobody else. */
static bool find_users(struct generation *g)
{
	bool good = find_user(g->master, g->config.user, &g->gate_user);
	if (!g->config.certificate[0])
		return good;
	good = find_user(g->master, g->config.keeper_user, &g->keeper_user) && good;
	if (good && g->master->root && g->gate_user.uid == g->keeper_user.uid) {
		log_line("the keeper's user must not be the gate's");
		return false;
	}
	return good;
}

static bool open_all(struct generation *g)
{
	bool good = find_users(g);
	if (g->config.certificate[0]) {
		g->certificate = open_pem(g->config.certificate, "certificate");
		g->keeper_certificate = open_pem(g->config.certificate, "certificate");
		g->key = open_pem(g->config.key, "key");
		good = good && g->certificate >= 0 && g->keeper_certificate >= 0 &&
		       g->key >= 0;
	}
	g->locks =
		place_open(g->check ? "/" : g->config.runtime, g->check ? "" : "locks");
	g->states = place_open(g->check ? "/" : g->config.state, "");
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		log_line("socketpair: %s", strerror(errno));
		return false;
	}
	g->auth_end = pair[0];
	g->session_end = pair[1];
	return good && g->locks >= 0 && g->states >= 0;
}

struct generation *generation_new(
	struct master *master, const struct config *config, bool check)
{
	struct generation *g = calloc(1, sizeof(*g));
	size_t timers = rows_timers(&master->rows) + DOMAINS;
	for (const struct generation *old = master->generations; old; old = old->next)
		timers += DOMAINS;
	if (!g || timers_reserve(&master->timers, timers) < 0) {
		log_line("a new configuration: %s", strerror(errno));
		free(g);
		return NULL;
	}
	g->master = master;
	g->config = *config;
	g->check = check;
	g->auth_end = g->session_end = g->certificate = g->keeper_certificate = g->key =
		g->locks = g->states = -1;
	for (int kind = 0; kind < DOMAINS; kind++)
		g->domains[kind] = (struct domain){
			.kind = (enum domain_kind)kind,
			.generation = g,
			.control = -1,
			.watch = { .fd = -1,
				.ready = on_control,
				.owner = &g->domains[kind] },
			.timer = { .fire = on_timer, .owner = &g->domains[kind] },
		};
	if (open_all(g))
		return g;
	generation_free(g);
	return NULL;
}

static void encode_gate(struct buf *message, const struct generation *g)
{
	struct gate_setup setup = {
		.login_seconds = g->config.login_seconds,
		.attempts = g->config.attempts,
		.bad_commands = g->config.bad_commands,
		.certificate = g->certificate >= 0,
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
		.issuers_n = (uint32_t)g->config.issuers_n,
		.sources_n = (uint32_t)g->config.sources_n,
	};
	memcpy(setup.hostname, g->config.hostname, sizeof(setup.hostname));
	memcpy(setup.sources, g->config.sources, sizeof(setup.sources));
	memcpy(setup.issuers, g->config.issuers, sizeof(setup.issuers));
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

static int start(struct domain *d)
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
		.fds = fds,
		.fds_n = list_descriptors(g, d->kind, fds),
		.drop = m->root && (d->kind == DOMAIN_GATE || d->kind == DOMAIN_KEEPER),
		.uid = user->uid,
		.gid = user->gid,
		.setup = buf_span(&message),
	};
	if (domain_start(d, &launch) < 0)
		return -1;
	timer_set(&m->timers, &d->timer, d->started + READY_MS);
	return poller_watch(m->poller, &d->watch, d->control, POLLIN);
}

static void try_again(struct domain *d)
{
	int64_t wait = AGAIN_FIRST_MS;
	for (unsigned i = 1; i < d->deaths && wait < AGAIN_MOST_MS; i++)
		wait *= 2;
	if (wait > AGAIN_MOST_MS)
		wait = AGAIN_MOST_MS;
	if (d->deaths == 0)
		wait = 0;
	timer_set(&d->generation->master->timers, &d->timer, io_now() + wait);
}

static void start_or_wait(struct domain *d)
{
	if (start(d) == 0)
		return;
	log_line("cannot start %s: %s", domain_program(d->kind), strerror(errno));
	if (d->pid) {
		/* It runs, but cannot be listened to. */
		kill(d->pid, SIGKILL);
		return;
	}
	d->deaths++;
	if (d->generation->served)
		try_again(d);
	else
		master_generation_failed(d->generation->master, d->generation);
}

/* Without a certificate there is nothing to keep. */
static bool is_wanted(const struct generation *g, enum domain_kind kind)
{
	return kind != DOMAIN_KEEPER || g->certificate >= 0;
}

void generation_start(struct generation *g)
{
	for (int kind = 0; kind < DOMAINS && !g->ending; kind++)
		if (is_wanted(g, (enum domain_kind)kind))
			start_or_wait(&g->domains[kind]);
}

bool generation_is_ready(const struct generation *g)
{
	for (int kind = 0; kind < DOMAINS; kind++)
		if (is_wanted(g, (enum domain_kind)kind) &&
			g->domains[kind].state != DOMAIN_READY)
			return false;
	return true;
}

static void on_timer(void *owner)
{
	struct domain *d = owner;
	if (d->state == DOMAIN_DOWN) {
		start_or_wait(d);
		return;
	}
	log_line("%s[%ld] did not get ready", domain_program(d->kind), (long)d->pid);
	kill(d->pid, SIGKILL);
}

static void became_ready(struct domain *d)
{
	if (d->state != DOMAIN_STARTING)
		return;
	d->state = DOMAIN_READY;
	timer_stop(&d->generation->master->timers, &d->timer);
	if (d->generation->served)
		errand_run(d);
	else if (generation_is_ready(d->generation))
		master_generation_ready(d->generation->master, d->generation);
}

static void hang_up(struct domain *d)
{
	poller_forget(d->generation->master->poller, &d->watch);
	io_close(&d->control);
}

/* Takes up to `most` reports. */
static void hear(struct domain *d, int most)
{
	unsigned char storage[MESSAGE_MAX + 1];
	struct report report;
	int more = 1;
	while (most-- > 0 && d->control >= 0 &&
		(more = domain_hear(d, &report, storage, sizeof(storage))) > 0) {
		if (report.kind == REPORT_READY)
			became_ready(d);
		else if (report.kind == REPORT_OFFER && d->kind == DOMAIN_AUTH)
			d->generation->mechanisms = report.mechanisms;
		else if (report.connection && d->kind != DOMAIN_KEEPER)
			attempt_report(d, &report);
	}
	if (more < 0)
		hang_up(d);
}

static void on_control(void *owner, short events)
{
	struct domain *d = owner;
	if (events & (POLLIN | POLLHUP))
		hear(d, REPORTS_AT_ONCE);
	if (events & POLLOUT && d->control >= 0)
		errand_run(d);
}

void generation_end(struct generation *g)
{
	g->ending = true;
	for (int kind = 0; kind < DOMAINS; kind++) {
		struct domain *d = &g->domains[kind];
		timer_stop(&g->master->timers, &d->timer);
		hang_up(d);
	}
	/* So that the session parent sees the end when auth is gone. */
	io_close(&g->auth_end);
	io_close(&g->session_end);
}

bool generation_is_empty(const struct generation *g)
{
	for (int kind = 0; kind < DOMAINS; kind++)
		if (g->domains[kind].pid)
			return false;
	return true;
}

static void log_death(const struct domain *d, int status)
{
	const char *program = domain_program(d->kind);
	if (WIFSIGNALED(status))
		log_line("%s[%ld] was ended by signal %d", program, (long)d->pid,
			WTERMSIG(status));
	else
		log_line("%s[%ld] ended with code %d", program, (long)d->pid,
			WEXITSTATUS(status));
}

/* Told to end, and ended as told? */
static bool is_expected(const struct generation *g, int status)
{
	return (g->ending || g->master->stopping) &&
	       (status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM));
}

void generation_reaped(struct generation *g, enum domain_kind kind, int status)
{
	struct domain *d = &g->domains[kind];
	/* What it could still say. */
	if (d->control >= 0)
		hear(d, INT32_MAX);
	hang_up(d);
	timer_stop(&g->master->timers, &d->timer);
	if (!is_expected(g, status))
		log_death(d, status);
	bool at_birth = d->state != DOMAIN_READY || io_now() - d->started < BIRTH_MS;
	d->deaths = at_birth ? d->deaths + 1 : 0;
	d->state = DOMAIN_DOWN;
	d->pid = 0;
	if (g->ending)
		return;
	if (!g->served) {
		master_generation_failed(g->master, g);
		return;
	}
	attempt_domain_died(d);
	if (!g->master->stopping)
		try_again(d);
}

void generation_signal(const struct generation *g, int number)
{
	for (int kind = 0; kind < DOMAINS; kind++)
		if (g->domains[kind].pid)
			kill(g->domains[kind].pid, number);
}

void generation_free(struct generation *g)
{
	generation_end(g);
	io_close(&g->certificate);
	io_close(&g->keeper_certificate);
	io_close(&g->key);
	io_close(&g->locks);
	io_close(&g->states);
	free(g);
}
