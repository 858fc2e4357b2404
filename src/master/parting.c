/*
 * parting: how a row ends. Its descriptors are given up as soon as its channel is gone;
 * the row stays until each process of it has ended, and who does not by itself is ended
 * (the rule of deadlines in row.h).
 *
 * Trusts: that a warm parent that runs answers KILL (report.h), so whoever is a part of
 * a row without being there is found out.
 */
#include "master/attempt.h"
#include "master/attempt_row.h"

#include "base/io.h"
#include "base/log.h"
#include "master/child.h"
#include "master/errand.h"
#include "master/generation.h"
#include "master/master.h"

enum {
	PARTED_MS = 10000, /* a gate that ends, a session that begins */
	RELAY_MS =
		65000, /* what a relay may take after its session (src/gate/relay.c) */
};

static const enum row_part part_of[DOMAINS] = {
	[DOMAIN_GATE] = PART_GATE,
	[DOMAIN_AUTH] = PART_AUTH,
	[DOMAIN_SESSION] = PART_SESSION,
};

static void release(struct row *row)
{
	struct master *m = row->master;
	struct generation *generation = row->generation;
	timer_stop(&m->timers, &row->step);
	timer_stop(&m->timers, &row->login);
	source_leave(&m->sources, row->source, io_now());
	row_free(&m->rows, row);
	if (!generation)
		return;
	generation->rows--;
	master_generation_idle(m, generation);
}

void attempt_settle(struct row *row)
{
	if (row->turn && !(row->parts & PART_AUTH) && !row->errand[DOMAIN_AUTH].work) {
		row->turn = false;
		queue_done(&row->master->queue, row);
	}
	if (row->state != ROW_PARTED)
		return;
	if (!row->parts && !errand_pending(row))
		release(row);
	else if (row_is_session(row) && !(row->parts & PART_AUTH))
		timer_stop(&row->master->timers, &row->step);
	else if (!timer_is_set(&row->step))
		attempt_step_in(row, row->session_ended ? RELAY_MS : PARTED_MS);
}

/* A session that never began may be one that the parent took with it, or one that the
 * next parent finds: it is not waited for when there is none. */
static void kill_part(struct row *row, enum domain_kind kind)
{
	if (row->orphans & part_of[kind])
		child_kill(kind == DOMAIN_GATE ? row->gate_pid : row->session_pid);
	else if (row->generation->domains[kind].state == DOMAIN_READY)
		errand_kill(row, kind);
	else if (kind == DOMAIN_SESSION && !row->session_pid &&
		 row->state == ROW_PARTED)
		row->parts &= ~(unsigned)PART_SESSION;
}

void attempt_kill_late(struct row *row, enum domain_kind kind)
{
	if (!row->killed)
		log_line("connection=%llu: %s takes too long", attempt_number(row),
			domain_program(kind));
	row->killed = true;
	kill_part(row, kind);
}

/* Who is wanted no more; all of them, when the row is. */
static unsigned unwanted_parts(const struct row *row)
{
	return row_is_session(row) ? row->parts & PART_AUTH : row->parts;
}

void attempt_chase(struct row *row)
{
	unsigned parts = unwanted_parts(row);
	attempt_step_in(row, KILL_MS);
	for (int kind = 0; kind < DOMAINS; kind++)
		if (parts & part_of[kind])
			attempt_kill_late(row, (enum domain_kind)kind);
	attempt_settle(row);
}

void attempt_part(struct row *row)
{
	struct master *m = row->master;
	outcome_unfinished(row);
	poller_forget(m->poller, &row->watch);
	poller_forget(m->poller, &row->sign);
	timer_stop(&m->timers, &row->login);
	crowd_leave(row);
	if (row->state == ROW_QUEUED)
		queue_remove(&m->queue, row);
	for (int kind = 0; kind < DOMAINS; kind++)
		errand_cancel(row, (enum domain_kind)kind);
	/* Auth keeps its deadline. */
	if (!(row->parts & PART_AUTH))
		timer_stop(&m->timers, &row->step);
	row_close(row);
	row_enter(row, ROW_PARTED);
	attempt_settle(row);
}

void attempt_end(struct row *row)
{
	row->unwanted = true;
	for (int kind = 0; kind < DOMAINS; kind++)
		if (row->parts & part_of[kind])
			kill_part(row, (enum domain_kind)kind);
	if (row->state != ROW_PARTED)
		attempt_part(row);
	if (row->state == ROW_PARTED)
		attempt_step_in(row, KILL_MS);
}
