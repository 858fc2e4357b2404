/*
 * master: the loop, signals and the end.
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
#include "master/admit.h"
#include "master/attempt.h"
#include "master/control.h"
#include "master/logger.h"
#include "master/notify.h"
#include "master/reload.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STOP_MS = 10000 };

static void on_signals(void *owner, short events);
static void on_notice(void *owner)
{
	(void)owner;
}

int master_init(
	struct master *m, const char *config_path, int signals, struct logger *logger)
{
	*m = (struct master){ .config_path = config_path,
		.root = geteuid() == 0,
		.logger = logger,
		.started = io_now(),
		.control = { .fd = -1, .watch = { .fd = -1 } },
		.signals = { .fd = -1, .ready = on_signals, .owner = m },
		.pause = { .fire = admit_on_pause, .owner = m },
		.refresh = { .fire = reload_on_refresh, .owner = m },
		.renew = { .fire = reload_on_renew, .owner = m },
		.notice = { .fire = on_notice, .owner = m } };
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		m->control.clients[i].fd = -1;
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
	control_close(m);
	listeners_close(&m->listeners);
	rows_free(&m->rows);
	sources_free(&m->sources);
	poller_free(m->poller);
	timers_free(&m->timers);
}

/* --- signals and the end ------------------------------------------------------------
 */

void master_stop(struct master *m)
{
	if (m->stopping)
		return;
	if (m->current)
		log_info("stopping; %zu connections", m->rows.n);
	notify("STOPPING=1");
	m->stopping = true;
	m->stop_deadline = io_now() + STOP_MS;
	admit_watch(m, false);
	listeners_close(&m->listeners);
	for (struct generation *g = m->generations; g; g = g->next)
		generation_signal(g, SIGTERM);
}

static void reaped(struct master *m, pid_t pid, int status)
{
	if (pid == m->logger->pid) {
		logger_again(m->logger);
		return;
	}
	for (struct generation *g = m->generations; g; g = g->next)
		for (int kind = 0; kind < DOMAINS; kind++)
			if (g->domains[kind].pid == pid) {
				generation_reaped(g, (enum domain_kind)kind, status);
				return;
			}
	attempt_orphan_ended(m, pid, status);
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
		master_stop(m);
	if (again && m->current && !m->stopping)
		master_reload(m);
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
	master_stop(m);
	while (!all_gone(m) && io_now() < m->stop_deadline)
		turn(m);
	if (!all_gone(m))
		log_line("not everything has ended; what is left finishes by itself");
}

/* Until the first generation is ready: 0; or cannot be: -1. */
static int get_ready(struct master *m, const struct config *config, bool check)
{
	if (reload_begin(m, config, check) < 0)
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
	reload_most(m, config->connections);
	if (control_open(m, config->runtime) < 0 ||
		listeners_open(&m->listeners, config, NULL) < 0)
		return 1;
	if (get_ready(m, config, false) < 0) {
		log_line("cannot start");
		wind_up(m);
		return 1;
	}
	if (!m->stopping) {
		listeners_log(&m->listeners);
		admit_watch(m, true);
		log_info("ready");
		notify("READY=1");
		ready(context);
	}
	while (!m->stopping)
		turn(m);
	wind_up(m);
	log_info("stopped");
	return 0;
}

int master_check(struct master *m, const struct config *config)
{
	int result = get_ready(m, config, true);
	wind_up(m);
	return result < 0 ? 1 : 0;
}
