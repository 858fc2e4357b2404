/*
 * admit: who may come in, and who has come too many times.
 *
 * Part of the master. The peer's address is the kernel's word; nothing that the peer
 * sent is looked at. Fails: no descriptors, no memory: nothing is accepted for
 * a moment, one log line, no spinning.
 */
#include "master/admit.h"

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "master/attempt.h"
#include "master/errand.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPTS_AT_ONCE = 32, PAUSE_MS = 1000, NOTICE_MS = 10000 };

static void on_connection(void *owner, short events);

void admit_watch(struct master *m, bool wanted)
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
	admit_watch(m, false);
	timer_set(&m->timers, &m->pause, io_now() + PAUSE_MS);
}

void admit_on_pause(void *owner)
{
	struct master *m = owner;
	if (m->stopping)
		return;
	admit_watch(m, true);
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
	m->stats.turned_away++;
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

static uint32_t quarter(const struct master *m)
{
	return m->most / 4 ? m->most / 4 : 1;
}

/* What one network may have (source.h): whoever has one address has many. */
static uint32_t share_of_network(const struct master *m)
{
	uint32_t per_source = m->current->config.per_source;
	return quarter(m) > per_source ? quarter(m) : per_source;
}

/*
 * A quarter of the house is kept for sources with good logins. Where there is no room,
 * the oldest stranger makes some; only who is known himself may take a place from who
 * is. A gate that is told to end still counts, so there may be a few rows too many for
 * a moment.
 */
static bool make_room(struct master *m, bool known)
{
	bool full = m->rows.n >= m->most;
	if (!full && (known || m->crowd.strangers.n < m->most - quarter(m)))
		return true;
	struct row *oldest = crowd_oldest(&m->crowd.strangers);
	if (!oldest && known)
		oldest = crowd_oldest(&m->crowd.known);
	if (!oldest || m->rows.n >= m->most + quarter(m))
		return false;
	m->stats.turned_away++;
	attempt_end(oldest);
	return true;
}

/* NULL, or why it cannot come in. */
static const char *reason_against(struct master *m, const struct source *source)
{
	if (source->connections > m->current->config.per_source)
		return "too many connections from your address";
	if (source->wide && source->wide->connections > share_of_network(m))
		return "too many connections from your network";
	if (!make_room(m, source_is_good(source, io_now())))
		return "too many connections";
	return NULL;
}

static void admit(struct master *m, int client, enum listener_kind kind,
	const struct netaddr *peer, const struct netaddr *local)
{
	struct source *source = source_enter(&m->sources, peer);
	const char *why = source ? reason_against(m, source) : "out of memory";
	struct row *row = why ? NULL : row_new(&m->rows, &m->timers);
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
	if (challenge_draw(&m->challenges, m->current->config.hostname,
		    row->facts.challenge) < 0)
		bug("no random numbers: %s", strerror(errno));
	m->stats.accepted_connections++;
	crowd_join(&m->crowd, row, source_is_good(source, row->since));
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
