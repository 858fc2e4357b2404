/*
 * generation: what the configuration names, opened, and the life of the warm parents:
 * READY before a deadline, starting again, slower and slower when one dies at birth.
 */
#include "master/generation.h"

#include "base/die.h"
#include "base/io.h"
#include "base/ktls.h"
#include "base/log.h"
#include "master/attempt.h"
#include "master/errand.h"
#include "master/launch.h"
#include "master/master.h"
#include "master/place.h"
#include "postern/abi.h"
#include "postern/login.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	READY_MS = 30000,     /* from exec to READY */
	BIRTH_MS = 5000,      /* who ends sooner died at birth */
	AGAIN_FIRST_MS = 250, /* the first wait after such a death */
	AGAIN_MOST_MS = 60000,
	REPORTS_AT_ONCE = 64,
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

static void try_kernel_tls(struct generation *g)
{
	g->kernel_tls = g->config.kernel_tls ? ktls_probe() : 0;
	if (g->config.kernel_tls && !g->kernel_tls)
		log_line("kernel-tls: the kernel has no TLS for us (%s): gates relay",
			strerror(errno));
}

static bool open_all(struct generation *g)
{
	bool good = find_users(g);
	try_kernel_tls(g);
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
	if (!g || timers_reserve(&master->timers, timers) < 0 ||
		getrandom(g->witness_key, sizeof(g->witness_key), 0) !=
			(ssize_t)sizeof(g->witness_key)) {
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
	if (launch(d, READY_MS) == 0)
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

/* EXTERNAL asks every client for a certificate: only where the administrator said so.
 */
static uint32_t offered(const struct generation *g, uint32_t verified)
{
	const uint32_t external = 1U << LOGIN_EXTERNAL;
	bool wanted = g->config.client_certificates || g->config.mechanisms & external;
	return wanted ? verified : verified & ~external;
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
			d->generation->mechanisms =
				offered(d->generation, report.mechanisms);
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
	/* In a trial a program that ends has said why. */
	if (!is_expected(g, status) && !(g->check && WIFEXITED(status)))
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
