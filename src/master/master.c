/*
 * master: the loop, admission of connections, reloads and the end.
 *
 * Runs as: root, for its whole life: it binds low ports, starts the gate as another
 * user, auth and session as root. Nobody talks to it: it reads no octet that
 * a network peer wrote, only reports of its warm parents and signals.
 * Trusts: its configuration, its warm parents' reports. Distrusts: everything behind a
 * gate child.
 * Fails: at start with one log line and code 1; later never: what breaks is
 * closed, logged and started again.
 */
#include "master/master.h"

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "master/attempt.h"
#include "master/errand.h"
#include "master/logger.h"
#include "master/notify.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	ACCEPTS_AT_ONCE = 32,
	PAUSE_MS = 1000,
	NOTICE_MS = 10000,
	STOP_MS = 10000,
	REFRESH_MS = 24 * 3600 * 1000,
	ROW_DESCRIPTORS = 3,
	OTHER_DESCRIPTORS = 128,
};

static void on_signals(void *owner, short events);
static void on_connection(void *owner, short events);
static void on_pause(void *owner);
static void on_refresh(void *owner);
static void on_notice(void *owner)
{
	(void)owner;
}

int master_init(struct master *m, const char *config_path, int signals)
{
	*m = (struct master){ .config_path = config_path,
		.root = geteuid() == 0,
		.log_pipe = -1,
		.signals = { .fd = -1, .ready = on_signals, .owner = m },
		.pause = { .fire = on_pause, .owner = m },
		.refresh = { .fire = on_refresh, .owner = m },
		.notice = { .fire = on_notice, .owner = m } };
	queue_init(&m->queue, &m->timers);
	m->poller = poller_new();
	if (!m->poller || rows_init(&m->rows) < 0 || sources_init(&m->sources) < 0 ||
		timers_reserve(&m->timers, 64) < 0 ||
		poller_watch(m->poller, &m->signals, signals, POLLIN) < 0) {
		log_line("start: %s", strerror(errno));
		return -1;
	}
	return 0;
}

void master_free(struct master *m)
{
	while (m->generations) {
		struct generation *next = m->generations->next;
		generation_free(m->generations);
		m->generations = next;
	}
	listeners_close(&m->listeners);
	sources_free(&m->sources);
	poller_free(m->poller);
	timers_free(&m->timers);
}

/* --- admission ------------------------------------------------------------------- */

static void accept_or_not(struct master *m, bool wanted)
{
	for (size_t i = 0; i < m->listeners.n; i++) {
		struct listener *l = &m->listeners.of[i];
		l->owner = m;
		l->watch.owner = l;
		l->watch.ready = on_connection;
		if (!wanted)
			poller_forget(m->poller, &l->watch);
		else if (poller_watch(m->poller, &l->watch, l->fd, POLLIN) < 0)
			log_line("listeners: %s", strerror(errno));
	}
}

static void pause_accepting(struct master *m, const char *why)
{
	if (timer_is_set(&m->pause))
		return;
	if (!timer_is_set(&m->notice)) {
		log_line("nothing is accepted for a while: %s", why);
		timer_set(&m->timers, &m->notice, io_now() + NOTICE_MS);
	}
	accept_or_not(m, false);
	timer_set(&m->timers, &m->pause, io_now() + PAUSE_MS);
}

static void on_pause(void *owner)
{
	struct master *m = owner;
	if (m->stopping)
		return;
	accept_or_not(m, true);
	for (struct generation *g = m->generations; g; g = g->next)
		for (int kind = 0; kind < DOMAINS; kind++)
			errand_run(&g->domains[kind]);
}

void master_no_descriptors(struct master *m)
{
	pause_accepting(m, "no descriptors are left");
}

/* One short reply, as far as the socket takes it; then the end. */
static void turn_away(struct master *m, int client, enum listener_kind kind,
	const struct netaddr *peer, const char *why)
{
	char address[NETADDR_TEXT_MAX], reply[128];
	if (kind == LISTENER_POP3) {
		int n = snprintf(reply, sizeof(reply), "-ERR [SYS/TEMP] %s\r\n", why);
		(void)!send(client, reply, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	close(client);
	if (timer_is_set(&m->notice))
		return;
	netaddr_text(peer, address);
	log_line("turned away source=%s: %s", address, why);
	timer_set(&m->timers, &m->notice, io_now() + NOTICE_MS);
}

bool master_plaintext(const struct config *config, const struct netaddr *peer,
	const struct netaddr *local)
{
	if (config->plaintext == PLAINTEXT_LOOPBACK)
		return netaddr_is_loopback(peer) && netaddr_is_loopback(local);
	return config->plaintext == PLAINTEXT_ALWAYS;
}

static void admit(struct master *m, int client, enum listener_kind kind,
	const struct netaddr *peer, const struct netaddr *local)
{
	const struct config *config = &m->current->config;
	const char *why = NULL;
	struct source *source = source_enter(&m->sources, peer);
	if (m->rows.n >= config->connections)
		why = "too many connections";
	else if (source && source->connections > config->per_source)
		why = "too many connections from your address";
	struct row *row = source && !why ? row_new(&m->rows, &m->timers) : NULL;
	if (!row) {
		if (source)
			source_leave(&m->sources, source, io_now());
		turn_away(m, client, kind, peer, why ? why : "out of memory");
		return;
	}
	row->master = m;
	row->source = source;
	row->client = client;
	row->since = io_now();
	row->facts.listener = kind;
	row->facts.peer = *peer;
	row->facts.local = *local;
	if (challenge_draw(&m->challenges, config->hostname, row->facts.challenge) < 0)
		bug("no random numbers: %s", strerror(errno));
	attempt_begin(row);
}

static void on_connection(void *owner, short events)
{
	struct listener *l = owner;
	struct master *m = l->owner;
	struct netaddr peer, local;
	(void)events;
	for (int i = 0; i < ACCEPTS_AT_ONCE && !timer_is_set(&m->pause); i++) {
		int client = listener_accept(l, &peer, &local);
		if (client >= 0)
			admit(m, client, l->wanted.kind, &peer, &local);
		else if (errno == EAGAIN)
			return;
		else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			 errno == ENOMEM)
			pause_accepting(m, strerror(errno));
	}
}

/* --- generations ------------------------------------------------------------------ */

static void raise_descriptors(uint32_t connections)
{
	struct rlimit limit;
	rlim_t need = (rlim_t)connections * ROW_DESCRIPTORS + OTHER_DESCRIPTORS;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= need)
		return;
	limit.rlim_cur = need;
	if (limit.rlim_max < need && geteuid() == 0)
		limit.rlim_max = need;
	else if (limit.rlim_max < need)
		limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < need)
		log_line("%llu descriptors may be open; %lu connections need %llu",
			(unsigned long long)limit.rlim_cur, (unsigned long)connections,
			(unsigned long long)need);
}

static int begin_generation(struct master *m, const struct config *config, bool check)
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
		log_line("not reloaded: everything stays as it was");
	else
		m->failed = true;
}

static int move_listeners(struct master *m, const struct config *config)
{
	struct listeners *wanted = malloc(sizeof(*wanted));
	if (!wanted)
		return -1;
	accept_or_not(m, false);
	int result = listeners_open(wanted, config, &m->listeners);
	if (result == 0) {
		listeners_close(&m->listeners);
		m->listeners = *wanted;
		listeners_log(&m->listeners);
	}
	free(wanted);
	if (!timer_is_set(&m->pause))
		accept_or_not(m, true);
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
	raise_descriptors(g->config.connections);
	g->served = true;
	m->current = g;
	m->incoming = NULL;
	timer_set(&m->timers, &m->refresh, io_now() + REFRESH_MS);
	if (!old)
		return;
	log_line("reloaded %s", m->config_path);
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

static void reload(struct master *m)
{
	struct config *config = malloc(sizeof(*config));
	struct buf errors;
	buf_init(&errors, 65536);
	log_line("reading %s", m->config_path);
	notify("RELOADING=1");
	int result = config ? config_load(config, m->config_path, &errors) : -1;
	log_lines(&errors);
	buf_free(&errors);
	if (result == 0) {
		keep_places(config, &m->current->config);
		result = begin_generation(m, config, false);
	}
	if (result < 0)
		log_line("not reloaded: everything stays as it was");
	free(config);
	notify("READY=1");
}

static void on_refresh(void *owner)
{
	struct master *m = owner;
	timer_set(&m->timers, &m->refresh, io_now() + REFRESH_MS);
	if (!m->incoming && !m->stopping)
		(void)begin_generation(m, &m->current->config, false);
}

/* --- signals and the end ------------------------------------------------------------
 */

static void stop(struct master *m)
{
	if (m->stopping)
		return;
	if (m->current)
		log_line("stopping; %zu connections", m->rows.n);
	notify("STOPPING=1");
	m->stopping = true;
	m->stop_deadline = io_now() + STOP_MS;
	accept_or_not(m, false);
	listeners_close(&m->listeners);
	for (struct generation *g = m->generations; g; g = g->next)
		generation_signal(g, SIGTERM);
}

static void reaped(struct master *m, pid_t pid, int status)
{
	if (pid == m->logger) {
		m->logger = m->stopping
				    ? 0
				    : logger_start(&m->current->config, m->log_pipe);
		return;
	}
	for (struct generation *g = m->generations; g; g = g->next)
		for (int kind = 0; kind < DOMAINS; kind++)
			if (g->domains[kind].pid == pid) {
				generation_reaped(g, (enum domain_kind)kind, status);
				return;
			}
}

static bool is_auth(const struct master *m, pid_t pid)
{
	for (const struct generation *g = m->generations; g; g = g->next)
		if (g->domains[DOMAIN_AUTH].pid == pid)
			return true;
	return false;
}

static void reap(struct master *m)
{
	siginfo_t info;
	int status;
	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
			info.si_pid == 0)
			return;
		/* Attempts do not outlive their parent: what they decide would be
		 * heard by nobody. Before the parent is reaped its group's number
		 * cannot be another's. */
		if (is_auth(m, info.si_pid))
			kill(-info.si_pid, SIGKILL);
		if (waitpid(info.si_pid, &status, WNOHANG) == info.si_pid)
			reaped(m, info.si_pid, status);
	}
}

static void on_signals(void *owner, short events)
{
	struct master *m = owner;
	unsigned char numbers[64];
	(void)events;
	ssize_t n = io_read(m->signals.fd, numbers, sizeof(numbers));
	bool child = false, end = false, again = false;
	for (ssize_t i = 0; i < n; i++) {
		child = child || numbers[i] == SIGCHLD;
		end = end || numbers[i] == SIGTERM || numbers[i] == SIGINT;
		again = again || numbers[i] == SIGHUP;
	}
	if (child)
		reap(m);
	if (end)
		stop(m);
	if (again && m->current && !m->stopping)
		reload(m);
}

static bool all_gone(const struct master *m)
{
	for (const struct generation *g = m->generations; g; g = g->next)
		if (!generation_is_empty(g))
			return false;
	return true;
}

static void free_ended(struct master *m)
{
	struct generation **at = &m->generations;
	while (*at) {
		struct generation *g = *at;
		if (g->ending && g->rows == 0 && generation_is_empty(g)) {
			*at = g->next;
			generation_free(g);
		} else {
			at = &g->next;
		}
	}
}

static void turn(struct master *m)
{
	int64_t deadline = timers_next(&m->timers);
	if (m->stopping && m->stop_deadline < deadline)
		deadline = m->stop_deadline;
	if (poller_wait(m->poller, deadline) < 0)
		die(EXIT_TEMPORARY, "waiting");
	timers_run(&m->timers, io_now());
	if (m->current)
		attempt_turns(m);
	rows_recycle(&m->rows);
	free_ended(m);
}

/* Ends what was started, within bounds. */
static void wind_up(struct master *m)
{
	stop(m);
	while (!all_gone(m) && io_now() < m->stop_deadline)
		turn(m);
	if (!all_gone(m))
		log_line("not everything has ended; what is left finishes by itself");
}

/* Until the first generation is ready: 0; or cannot be: -1. */
static int get_ready(struct master *m, const struct config *config, bool check)
{
	if (begin_generation(m, config, check) < 0)
		return -1;
	while (!m->failed && !m->stopping && !m->current &&
		!(check && generation_is_ready(m->incoming)))
		turn(m);
	return m->failed ? -1 : 0;
}

static void log_walls(const struct master *m)
{
	char text[128] = "";
	struct buf line;
	unsigned missing = sandbox_missing();
	buf_fixed(&line, text, sizeof(text) - 1);
	for (unsigned wall = WALL_SECCOMP; wall <= WALL_NO_NEW_PRIVS; wall <<= 1)
		if (missing & wall)
			buf_printf(&line, " %s",
				sandbox_wall_name((enum sandbox_wall)wall));
	if (missing)
		log_line("this system lacks walls between the processes:%s", text);
	if (!m->root)
		log_line("started without root: every process keeps the user %ld; "
			 "PAM accounts and owners are refused",
			(long)geteuid());
}

int master_serve(struct master *m, const struct config *config,
	void (*ready)(void *context), void *context)
{
	log_walls(m);
	raise_descriptors(config->connections);
	if (listeners_open(&m->listeners, config, NULL) < 0)
		return 1;
	if (get_ready(m, config, false) < 0) {
		log_line("cannot start");
		wind_up(m);
		return 1;
	}
	if (!m->stopping) {
		listeners_log(&m->listeners);
		accept_or_not(m, true);
		log_line("ready");
		notify("READY=1");
		ready(context);
	}
	while (!m->stopping)
		turn(m);
	wind_up(m);
	log_line("stopped");
	return 0;
}

int master_check(struct master *m, const struct config *config)
{
	int result = get_ready(m, config, true);
	wind_up(m);
	return result < 0 ? 1 : 0;
}
