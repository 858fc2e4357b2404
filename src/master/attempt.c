/*
 * attempt: see attempt.h; the states are told in row.h, and what the end of a process
 * means in outcome.c.
 *
 * Distrusts: everything that a gate child may
 * do: claims in any number (attempts are counted here again), silence
 * (deadlines), a verdict channel that is not read (a verdict that does not fit ends
 * the connection).
 */
#include "master/attempt.h"
#include "master/attempt_row.h"

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "ipc/fdpass.h"
#include "master/errand.h"
#include "master/generation.h"
#include "master/master.h"
#include "pop3/greeting.h"
#include "postern/verdict.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum {
	LOGIN_GRACE_MS = 5000,	/* the gate's own deadline comes first */
	AUTH_MS = 90000,	/* PAM may take its time */
	CLAIMS_PER_ATTEMPT = 8, /* SASL has steps */
};

static void on_stranger(void *owner, short events);
static void on_verdict(void *owner, short events);
static void on_step(void *owner);
static void on_login(void *owner);
static void on_sign(void *owner, short events);

unsigned long long attempt_number(const struct row *row)
{
	return (unsigned long long)row->facts.connection;
}

void attempt_step_in(struct row *row, int64_t ms)
{
	timer_set(&row->master->timers, &row->step, io_now() + ms);
}

static void watch(struct row *row, short events)
{
	if (poller_watch(row->master->poller, &row->watch, row->verdict, events) < 0) {
		log_line("connection=%llu: cannot be watched", attempt_number(row));
		attempt_end(row);
	}
}

/* As the configuration of now has it: a reload may have come since accept(2). */
static void refresh_facts(struct row *row, struct generation *generation)
{
	row->facts.plaintext = master_plaintext(
		&generation->config, &row->facts.peer, &row->facts.local);
	row->facts.tls = generation->certificate >= 0;
	row->facts.mechanisms = generation->mechanisms;
}

static void greet(struct row *row)
{
	char storage[GREETING_MAX];
	struct buf text;
	buf_fixed(&text, storage, sizeof(storage));
	greeting_put(&text, &row->facts);
	/* A fresh socket takes a line, or it is broken. */
	row->facts.greeted = true;
	(void)!send(row->client, buf_span(&text).p, buf_len(&text),
		MSG_DONTWAIT | MSG_NOSIGNAL);
}

void attempt_begin(struct row *row)
{
	struct master *m = row->master;
	row->watch.ready = on_stranger;
	row->step.fire = on_step;
	row->login.fire = on_login;
	row->sign.ready = on_sign;
	row->watch.owner = row->sign.owner = row->step.owner = row->login.owner = row;
	timer_set(&m->timers, &row->login,
		row->since + (int64_t)m->current->config.login_seconds * 1000 +
			LOGIN_GRACE_MS);
	refresh_facts(row, m->current);
	if (row->facts.listener == LISTENER_POP3)
		greet(row);
	if (poller_watch(m->poller, &row->watch, row->client, POLLIN) < 0)
		attempt_end(row);
}

/* The peer has spoken: who it is no longer is a stranger's question. */
static void bear_gate(struct row *row)
{
	struct master *m = row->master;
	poller_forget(m->poller, &row->watch);
	row->watch.ready = on_verdict;
	row->generation = m->current;
	row->generation->rows++;
	refresh_facts(row, m->current);
	row_enter(row, ROW_WAITING);
	errand_work(row, DOMAIN_GATE);
}

/* From when on it may have a gate. */
static int64_t birth(const struct row *row, int64_t now)
{
	int64_t all =
		source_is_good(row->source, now) ? now : master_birth(row->master, now);
	return row->source->bear_at > all ? row->source->bear_at : all;
}

static void on_stranger(void *owner, short events)
{
	struct row *row = owner;
	int64_t now = io_now();
	int waiting = 0;
	/* Readable and nothing there: the peer left without a word. */
	if (events & POLLHUP || ioctl(row->client, FIONREAD, &waiting) < 0 || !waiting)
		attempt_end(row);
	else if (birth(row, now) <= now)
		bear_gate(row);
	else if (poller_watch(row->master->poller, &row->watch, row->client, 0) == 0)
		attempt_step_in(row, birth(row, now) - now);
	else
		attempt_end(row);
}

void attempt_gate_has(struct row *row)
{
	row->parts |= PART_GATE;
	/* Without it a handshake would fail, and no more. */
	if (row->keeper >= 0 &&
		poller_watch(row->master->poller, &row->sign, row->keeper, POLLIN) < 0)
		io_close(&row->keeper);
	watch(row, POLLIN);
}

/* Back to the gate, which may claim again. */
void attempt_wait(struct row *row)
{
	timer_stop(&row->master->timers, &row->step);
	row_enter(row, ROW_WAITING);
	watch(row, POLLIN);
}

void attempt_answer(struct row *row, enum verdict_kind kind)
{
	unsigned char storage[64];
	struct buf message;
	buf_fixed(&message, storage, sizeof(storage));
	verdict_encode(&message, &(struct verdict){ .kind = kind });
	if (fdpass_send(row->verdict, buf_span(&message), NULL, 0, MSG_DONTWAIT) < 0)
		attempt_end(row);
	else
		attempt_wait(row);
}

void attempt_auth_has(struct row *row)
{
	row->parts |= PART_AUTH;
}

static void claim(struct row *row)
{
	/* The gate counts attempts and ends the connection by itself; a gate that does
	 * not is no gate of ours any more. */
	if (row->claims++ >= CLAIMS_PER_ATTEMPT * row->generation->config.attempts) {
		log_line("connection=%llu: more claims than attempts allow",
			attempt_number(row));
		attempt_end(row);
		return;
	}
	row_enter(row, ROW_QUEUED);
	queue_append(&row->master->queue, row);
	watch(row, 0);
}

static void on_verdict(void *owner, short events)
{
	struct row *row = owner;
	if (events & POLLHUP)
		attempt_part(row);
	else if (row->state == ROW_WAITING)
		claim(row);
}

/* A handshake: the keeper reads what the gate wants signed. Once for a connection. */
static void on_sign(void *owner, short events)
{
	struct row *row = owner;
	poller_forget(row->master->poller, &row->sign);
	if (events & POLLHUP)
		io_close(&row->keeper);
	else
		errand_work(row, DOMAIN_KEEPER);
}

void attempt_turns(struct master *m)
{
	struct row *row;
	m->queue.most = m->current->config.logins;
	while ((row = queue_take(&m->queue))) {
		row_enter(row, ROW_BUSY);
		row->asked = io_now();
		row->facts.unproven = !source_is_good(row->source, row->asked);
		row->killed = row->session_ended = row->doubt = false;
		row->credential = 0;
		row->session_pid = 0;
		row->turn = true;
		attempt_step_in(row, AUTH_MS);
		errand_work(row, DOMAIN_AUTH);
	}
}

/* Auth, or the session that it called, decides for too long. */
static void late(struct row *row)
{
	unsigned running = row->parts & (PART_AUTH | PART_SESSION);
	if (running && !row->killed) {
		attempt_kill_late(
			row, row->state == ROW_BUSY ? DOMAIN_AUTH : DOMAIN_SESSION);
		attempt_step_in(row, KILL_MS);
	} else {
		attempt_end(row);
	}
}

/* The state has lasted too long. */
static void on_step(void *owner)
{
	struct row *row = owner;
	if (row->state == ROW_STRANGER)
		on_stranger(row, 0);
	else if (row->state == ROW_PARTED)
		attempt_chase(row);
	else if (row->state == ROW_TARPIT)
		attempt_answer(row, VERDICT_FAIL);
	else if (row->doubt && !row->killed)
		outcome_ask(row);
	else if (row->errand[DOMAIN_AUTH].work)
		outcome_not_asked(row);
	else
		late(row);
}

static void on_login(void *owner)
{
	struct row *row = owner;
	/* Not the client's fault: a decision is being made. */
	if (row->state == ROW_BUSY || row->state == ROW_OPENING) {
		timer_set(&row->master->timers, &row->login, io_now() + LOGIN_GRACE_MS);
		return;
	}
	attempt_end(row);
}
