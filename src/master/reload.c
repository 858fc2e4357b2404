/*
 * reload: from one generation to the next: on SIGHUP, on the administrator's order, and
 * once a day.
 *
 * Part of the master. A configuration that is broken, a certificate that cannot be
 * used, a program that does not start: each costs log lines, and everything stays.
 */
#include "master/reload.h"

#include "base/io.h"
#include "base/log.h"
#include "master/admit.h"
#include "master/notify.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/* Crashes of children, after which their parents' layout must not be guessed at
 * further: of auth, which is root, one. */
static const unsigned few[DOMAINS] = {
	[DOMAIN_GATE] = 4,
	[DOMAIN_AUTH] = 1,
	[DOMAIN_SESSION] = 4,
	[DOMAIN_KEEPER] = 4,
};

enum {
	RENEW_FIRST_MS = 1000,	/* between two renewals; twice as long after each, */
	RENEW_MOST_MS = 15000,	/* up to this, */
	RENEW_CALM_MS = 600000, /* until there has been none for so long */
	GENERATIONS_MOST = 16,	/* whose sessions live on, at a time */
	BRAKE = 16, /* crashes of gates before strangers wait for the new ones */
	REFRESH_MS = 24 * 3600 * 1000,
	ROW_DESCRIPTORS = 4,
	OTHER_DESCRIPTORS = 256,
	FEWEST = 8, /* connections, however few descriptors there are */
};

/* How many may be open, raised as far as it goes. */
static rlim_t raise_descriptors(rlim_t need)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return need;
	if (limit.rlim_cur >= need)
		return limit.rlim_cur;
	const rlim_t most = limit.rlim_max, before = limit.rlim_cur;
	limit.rlim_cur = need;
	if (most < need)
		limit.rlim_max = need;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return need;
	/* Even root may not raise the hard limit without CAP_SYS_RESOURCE. */
	limit.rlim_cur = limit.rlim_max = most;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? most : before;
}

void reload_most(struct master *m, uint32_t connections)
{
	rlim_t need = (rlim_t)connections * ROW_DESCRIPTORS + OTHER_DESCRIPTORS;
	rlim_t may = raise_descriptors(need);
	m->most = connections;
	if (may >= need)
		return;
	m->most = FEWEST;
	if (may > OTHER_DESCRIPTORS + FEWEST * ROW_DESCRIPTORS)
		m->most = (uint32_t)(may - OTHER_DESCRIPTORS) / ROW_DESCRIPTORS;
	log_line("%llu descriptors may be open; %lu connections need %llu: there will "
		 "be "
		 "%lu at most",
		(unsigned long long)may, (unsigned long)connections,
		(unsigned long long)need, (unsigned long)m->most);
}

int reload_begin(struct master *m, const struct config *config, bool check)
{
	struct generation *g = generation_new(m, config, check);
	if (!g)
		return -1;
	g->next = m->generations;
	m->generations = g;
	if (m->incoming)
		master_generation_failed(m, m->incoming);
	m->incoming = g;
	generation_start(g);
	return 0;
}

static void not_reloaded(struct master *m)
{
	log_line("not reloaded: everything stays as it was");
	control_reloaded(m, false);
}

/* A generation without rows that gets no more of them ends. */
void master_generation_idle(struct master *m, struct generation *g)
{
	if (g->served && g != m->current && g->rows == 0 && !g->ending)
		generation_end(g);
}

void master_generation_failed(struct master *m, struct generation *g)
{
	if (g != m->incoming)
		return;
	m->incoming = NULL;
	generation_end(g);
	generation_signal(g, SIGTERM);
	if (m->current)
		not_reloaded(m);
	else
		m->failed = true;
}

static int move_listeners(struct master *m, const struct config *config)
{
	struct listeners *wanted = malloc(sizeof(*wanted));
	if (!wanted)
		return -1;
	admit_watch(m, false);
	int result = listeners_open(wanted, config, &m->listeners);
	if (result == 0) {
		listeners_close(&m->listeners);
		m->listeners = *wanted;
		listeners_log(&m->listeners);
	}
	free(wanted);
	if (!timer_is_set(&m->pause))
		admit_watch(m, true);
	return result;
}

void master_generation_ready(struct master *m, struct generation *g)
{
	struct generation *old = m->current;
	if (g != m->incoming || g->check)
		return;
	if (old && move_listeners(m, &g->config) < 0) {
		master_generation_failed(m, g);
		return;
	}
	reload_most(m, g->config.connections);
	g->served = true;
	m->current = g;
	m->incoming = NULL;
	timer_set(&m->timers, &m->refresh, io_now() + REFRESH_MS);
	if (!old)
		return;
	log_info("reloaded %s", m->config_path);
	control_reloaded(m, true);
	master_generation_idle(m, old);
}

/* What cannot change while connections of the old configuration live. */
static void keep_places(struct config *config, const struct config *old)
{
	if (strcmp(config->runtime, old->runtime) != 0) {
		log_line("runtime stays %s until the next start", old->runtime);
		memcpy(config->runtime, old->runtime, sizeof(config->runtime));
	}
	if (strcmp(config->state, old->state) != 0) {
		log_line("state stays %s until the next start", old->state);
		memcpy(config->state, old->state, sizeof(config->state));
	}
}

static void log_lines(const struct buf *text)
{
	struct span rest = buf_span(text);
	while (rest.n)
		log_text(span_cut(&rest, '\n'));
}

void master_reload(struct master *m)
{
	struct config *config = malloc(sizeof(*config));
	struct buf errors;
	buf_init(&errors, 65536);
	log_info("reading %s", m->config_path);
	control_restore(m, m->current->config.runtime);
	notify("RELOADING=1");
	int result = config ? config_load(config, m->config_path, &errors) : -1;
	log_lines(&errors);
	buf_free(&errors);
	if (result == 0) {
		keep_places(config, &m->current->config);
		result = reload_begin(m, config, false);
	}
	if (result < 0)
		not_reloaded(m);
	free(config);
	notify("READY=1");
}

void reload_on_refresh(void *owner)
{
	struct master *m = owner;
	timer_set(&m->timers, &m->refresh, io_now() + REFRESH_MS);
	if (!m->incoming && !m->stopping)
		(void)reload_begin(m, &m->current->config, false);
}

void master_crashed(struct master *m, struct generation *g, enum domain_kind kind)
{
	int64_t now = io_now(), wait = 0;
	if (g != m->current || m->stopping || ++g->crashes[kind] < few[kind] ||
		timer_is_set(&m->renew))
		return;
	if (now - m->renewed >= RENEW_CALM_MS)
		m->renew_wait = 0;
	else if (m->renewed + m->renew_wait > now)
		wait = m->renewed + m->renew_wait - now;
	timer_set(&m->timers, &m->renew, now + wait);
}

int64_t master_birth(const struct master *m, int64_t now)
{
	bool coming = m->incoming || timer_is_set(&m->renew);
	return coming && m->current->crashes[DOMAIN_GATE] >= BRAKE
		       ? now + RENEW_FIRST_MS
		       : now;
}

static size_t count_generations(const struct master *m)
{
	size_t n = 0;
	for (const struct generation *g = m->generations; g; g = g->next)
		n++;
	return n;
}

void reload_on_renew(void *owner)
{
	struct master *m = owner;
	if (m->stopping || m->incoming)
		return;
	if (count_generations(m) >= GENERATIONS_MOST) {
		timer_set(&m->timers, &m->renew, io_now() + RENEW_MOST_MS);
		return;
	}
	log_line("processes have crashed: all are started anew");
	m->renewed = io_now();
	m->renew_wait = m->renew_wait ? m->renew_wait * 2 : RENEW_FIRST_MS;
	if (m->renew_wait > RENEW_MOST_MS)
		m->renew_wait = RENEW_MOST_MS;
	(void)reload_begin(m, &m->current->config, false);
}
