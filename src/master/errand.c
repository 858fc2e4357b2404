/*
 * errand: see errand.h. The gate gets the client and the outer ends, made here
 * at the moment they are given away; auth gets the inner ends, the keeper its own.
 */
#include "master/errand.h"

#include "base/io.h"
#include "base/log.h"
#include "ipc/fdpass.h"
#include "master/attempt.h"
#include "master/generation.h"
#include "master/master.h"
#include "postern/keeper.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGE_SMALL = 512 };

/* Full for now, as opposed to broken. ETOOMANYREFS: too many descriptors are under
 * way to processes that have not taken them yet. */
static bool is_full(int error)
{
	return error == EAGAIN || error == ENOBUFS || error == ETOOMANYREFS;
}

static int send_facts(const struct row *row, int control, const int *fds, size_t n)
{
	unsigned char storage[MESSAGE_SMALL];
	struct buf message;
	buf_fixed(&message, storage, sizeof(storage));
	facts_encode(&message, &row->facts);
	return fdpass_send(control, buf_span(&message), fds, n, MSG_DONTWAIT);
}

static void close_pair(int pair[2])
{
	io_close(&pair[0]);
	io_close(&pair[1]);
}

/* The inner ends are 0 of each pair, the outer ones 1. */
struct pairs {
	int verdict[2], wire[2], keeper[2];
};

static int make_pairs(struct pairs *p, bool keeper)
{
	*p = (struct pairs){ { -1, -1 }, { -1, -1 }, { -1, -1 } };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p->verdict) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			p->wire) < 0)
		return -1;
	return keeper ? socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p->keeper)
		      : 0;
}

static int give_to_gate(struct row *row, int control)
{
	struct pairs p;
	bool keeper = row->generation->certificate >= 0;
	if (make_pairs(&p, keeper) == 0) {
		int outer[] = { row->client, p.verdict[1], p.wire[1], p.keeper[1] };
		size_t n = keeper ? FACTS_DESCRIPTORS_TLS : FACTS_DESCRIPTORS;
		if (send_facts(row, control, outer, n) == 0) {
			close(p.verdict[1]);
			close(p.wire[1]);
			io_close(&p.keeper[1]);
			row->verdict = p.verdict[0];
			row->wire = p.wire[0];
			row->keeper = p.keeper[0];
			return 0;
		}
	}
	int error = errno;
	close_pair(p.verdict);
	close_pair(p.wire);
	close_pair(p.keeper);
	errno = error;
	return -1;
}

static int give_to_auth(const struct row *row, int control)
{
	int inner[] = { row->client, row->verdict, row->wire };
	return send_facts(row, control, inner, FACTS_DESCRIPTORS);
}

static int give_to_keeper(struct row *row, int control)
{
	unsigned char storage[MESSAGE_SMALL];
	struct buf message;
	buf_fixed(&message, storage, sizeof(storage));
	keeper_channel_encode(&message, row->facts.connection);
	if (fdpass_send(control, buf_span(&message), &row->keeper, 1, MSG_DONTWAIT) < 0)
		return -1;
	io_close(&row->keeper);
	return 0;
}

static int send_kill(struct row *row, enum domain_kind kind, int control)
{
	unsigned char storage[MESSAGE_SMALL];
	struct buf message;
	buf_fixed(&message, storage, sizeof(storage));
	kill_encode(&message, row->facts.connection);
	if (fdpass_send(control, buf_span(&message), NULL, 0, MSG_DONTWAIT) < 0)
		return -1;
	row->questions += kind == DOMAIN_SESSION;
	return 0;
}

static int hand_over(struct row *row, struct domain *d)
{
	int result;
	if (d->kind == DOMAIN_GATE)
		result = give_to_gate(row, d->control);
	else if (d->kind == DOMAIN_KEEPER)
		result = give_to_keeper(row, d->control);
	else
		result = give_to_auth(row, d->control);
	if (result < 0)
		return -1;
	row->errand[d->kind].work = false;
	if (d->kind == DOMAIN_GATE)
		attempt_gate_has(row);
	else if (d->kind == DOMAIN_AUTH)
		attempt_auth_has(row);
	return 0;
}

/* What kept us is no matter of this row? */
static void note_failure(const struct row *row, const struct domain *d)
{
	int error = errno;
	if (error == EMFILE || error == ENFILE)
		master_no_descriptors(row->master);
	else if (!is_full(error) && error != EPIPE && error != ECONNRESET)
		log_line("connection=%llu: %s cannot be reached: %s",
			(unsigned long long)row->facts.connection,
			domain_program(d->kind), strerror(error));
	errno = error;
}

/* 0: nothing is left to do for this row here. -1 with errno: try again later. */
static int serve(struct row *row, struct domain *d)
{
	if (d->state != DOMAIN_READY || d->control < 0) {
		errno = EPIPE;
		return -1;
	}
	if ((row->errand[d->kind].work && hand_over(row, d) < 0) ||
		(row->errand[d->kind].kill &&
			send_kill(row, d->kind, d->control) < 0)) {
		note_failure(row, d);
		return -1;
	}
	row->errand[d->kind].kill = false;
	return 0;
}

static struct domain *domain_of(const struct row *row, enum domain_kind kind)
{
	return &row->generation->domains[kind];
}

/* Woken when the channel has room; not when it is descriptors that we lack: then
 * the master tries again after a pause. */
static void wait_for_room(struct domain *d, bool room)
{
	if (d->control >= 0)
		(void)poller_watch(d->generation->master->poller, &d->watch, d->control,
			room ? POLLIN | POLLOUT : POLLIN);
}

static void enlist(struct row *row, struct domain *d)
{
	if (row->errand[d->kind].listed)
		return;
	enum source_class class = source_class(row->source, io_now());
	struct errand_list *list = &d->errands[class][row->source->lane];
	turns_come(&d->turns, class, row->source->lane);
	row->errand[d->kind].listed = true;
	row->errand[d->kind].class = (uint8_t) class;
	row->errand[d->kind].before = list->last;
	row->errand[d->kind].next = NULL;
	*(list->last ? &list->last->errand[d->kind].next : &list->first) = row;
	list->last = row;
}

static void delist(struct row *row, struct domain *d)
{
	enum source_class class = row->errand[d->kind].class;
	struct errand_list *list = &d->errands[class][row->source->lane];
	struct row *before = row->errand[d->kind].before;
	struct row *next = row->errand[d->kind].next;
	*(before ? &before->errand[d->kind].next : &list->first) = next;
	*(next ? &next->errand[d->kind].before : &list->last) = before;
	row->errand[d->kind].listed = false;
	turns_go(&d->turns, class, row->source->lane);
}

/* False: nobody waits. */
static bool choose(const struct domain *d, struct turn *turn)
{
	return turns_next(&d->turns, ~0U, turn);
}

static void serve_or_enlist(struct row *row, enum domain_kind kind)
{
	struct domain *d = domain_of(row, kind);
	struct turn turn;
	/* Not past the ones that wait. */
	if (choose(d, &turn)) {
		enlist(row, d);
	} else if (serve(row, d) < 0) {
		bool room = is_full(errno);
		enlist(row, d);
		wait_for_room(d, room);
	}
}

void errand_work(struct row *row, enum domain_kind kind)
{
	row->errand[kind].work = true;
	serve_or_enlist(row, kind);
}

/* A row with nothing to do must not wait for a domain that may be down for long. */
static void forget_idle(struct row *row, enum domain_kind kind)
{
	if (row->errand[kind].listed && !row->errand[kind].work &&
		!row->errand[kind].kill)
		delist(row, domain_of(row, kind));
}

void errand_cancel(struct row *row, enum domain_kind kind)
{
	row->errand[kind].work = false;
	forget_idle(row, kind);
}

void errand_forget_kill(struct row *row, enum domain_kind kind)
{
	row->errand[kind].kill = false;
	forget_idle(row, kind);
}

void errand_kill(struct row *row, enum domain_kind kind)
{
	if (row->errand[kind].work) {
		errand_cancel(row, kind);
		return;
	}
	/* A warm parent that does not run knows no process of this row. */
	if (domain_of(row, kind)->state != DOMAIN_READY)
		return;
	row->errand[kind].kill = true;
	serve_or_enlist(row, kind);
}

void errand_run(struct domain *d)
{
	struct turn turn;
	while (choose(d, &turn)) {
		struct row *row = d->errands[turn.class][turn.lane].first;
		if (serve(row, d) < 0) {
			wait_for_room(d, is_full(errno));
			return;
		}
		delist(row, d);
		turns_pass(&d->turns, &turn);
		attempt_settle(row);
	}
	wait_for_room(d, false);
}

bool errand_pending(const struct row *row)
{
	for (int kind = 0; kind < DOMAINS; kind++)
		if (row->errand[kind].listed)
			return true;
	return false;
}
