/*
 * outcome: what the end of a process means for its row: auth's decision, the penalty,
 * the session's answer. The states are told in row.h.
 *
 * Trusts: exit codes and reports of the warm parents (root's, and the gate parent's
 * about its own children). Nothing else is known of what was decided.
 */
#include "master/attempt.h"
#include "master/attempt_row.h"

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "master/child.h"
#include "master/errand.h"
#include "master/generation.h"
#include "master/master.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum {
	OPENING_MS = 300000, /* a huge maildrop on a slow disk, seen first */
	BEGIN_MS = 30000,    /* until there is a process that does */
	DOUBT_MS = 1000,     /* does a session come of what a killed auth did? */
};

/* By a signal that neither we nor an administrator sends. */
static bool crashed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL &&
	       WTERMSIG(status) != SIGTERM;
}

/* Whoever guesses at a layout of addresses needs crashes: each is dear. */
static void note_crash(struct row *row, enum domain_kind kind, int status)
{
	if (!crashed(status) || row->master->stopping)
		return;
	source_crashed(row->source, io_now());
	master_crashed(row->master, row->generation, kind);
}

static bool exited(int status, int code)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

static void log_end(const struct row *row, enum domain_kind kind, int status)
{
	if (row->master->stopping)
		return;
	if (WIFSIGNALED(status))
		log_line("connection=%llu: %s was ended by signal %d",
			attempt_number(row), domain_program(kind), WTERMSIG(status));
	else
		log_line("connection=%llu: %s ended with code %d", attempt_number(row),
			domain_program(kind), WEXITSTATUS(status));
}

/* The session ended without the baton: it has said why, or could not. */
static void session_said_no(struct row *row, int status)
{
	bool in_use = exited(status, EXIT_IN_USE);
	row->master->stats.in_use += in_use;
	if (in_use || exited(status, EXIT_DONE) || exited(status, EXIT_REFUSED)) {
		attempt_wait(row);
		return;
	}
	log_end(row, DOMAIN_SESSION, status);
	attempt_answer(row, VERDICT_TEMP);
}

/*
 * A refusal is told a whole number of penalties after auth was asked: how long auth
 * took (a hash, a module of PAM, or both) says nothing about the name.
 */
static int64_t rest_of(int64_t delay, int64_t taken)
{
	return delay > 0 ? delay - taken % delay : 0;
}

/* Left behind for another, or by a client that went: an attempt like any other, so that
 * to ask is not cheaper than to guess. */
void outcome_unfinished(struct row *row)
{
	if (row->begun)
		(void)source_refused(row->source, row->begun, io_now());
	row->begun = 0;
}

static void refused(struct row *row)
{
	row->begun = 0;
	int64_t delay = source_refused(row->source, row->credential, io_now());
	row->master->stats.refused++;
	if (row->state == ROW_BUSY) {
		row_enter(row, ROW_TARPIT);
		attempt_step_in(row, rest_of(delay, io_now() - row->asked));
	}
}

static void accepted(struct row *row)
{
	row->begun = 0;
	source_accepted(row->source, io_now());
	row->master->stats.logins++;
	crowd_leave(row);
	/* It may not have begun yet; then it has a deadline to begin. */
	if (!row->session_ended)
		row->parts |= PART_SESSION;
	row->doubt = false;
	if (row->unwanted && !row->session_ended)
		errand_kill(row, DOMAIN_SESSION);
	if (row->state != ROW_BUSY)
		return;
	row_enter(row, ROW_OPENING);
	attempt_step_in(row, row->session_pid ? OPENING_MS : BEGIN_MS);
	if (row->session_ended)
		session_said_no(row, row->session_status);
}

/*
 * Auth may have ended before it took the claim. It must not be taken for the next one,
 * so it goes, unread: no octet of it is copied (the length alone comes back).
 */
static void discard_claim(struct row *row)
{
	for (int most = 4; most > 0; most--)
		if (recv(row->verdict, NULL, 0, MSG_DONTWAIT | MSG_TRUNC) <= 0)
			return;
}

/* The claim is over, and the gate may try again. */
static void call_off(struct row *row)
{
	row->doubt = false;
	discard_claim(row);
	attempt_answer(row, VERDICT_TEMP);
}

/* Of each attempt the log tells how it ended, and auth is not there to say it: we do,
 * without what the client claimed, which we never read. See postern-log(7). */
static void log_refused(const struct row *row)
{
	char source[NETADDR_TEXT_MAX];
	netaddr_text(&row->facts.peer, source);
	log_line("v1 refused connection=%llu account=\"\" mechanism=- source=%s "
		 "listener=%s tls=\"\" reason=temporary",
		attempt_number(row), source,
		row->facts.listener == LISTENER_POP3S ? "pop3s" : "pop3");
}

/* The log and the gate are told so, and the gate may try again. */
static void undecided(struct row *row)
{
	log_refused(row);
	call_off(row);
}

/*
 * The answer to KILL comes when the session's parent has taken all that auth gave it
 * before (report.h). Without this question a session that is late would answer the
 * gate's next claim, which may be another account's.
 */
void outcome_ask(struct row *row)
{
	row->killed = true;
	errand_kill(row, DOMAIN_SESSION);
	attempt_step_in(row, KILL_MS);
}

void outcome_not_asked(struct row *row)
{
	log_line("connection=%llu: %s does not run", attempt_number(row),
		domain_program(DOMAIN_AUTH));
	errand_cancel(row, DOMAIN_AUTH);
	row->master->stats.failed++;
	attempt_settle(row);
	undecided(row);
}

/*
 * Auth was killed and cannot say how far it came. If it had handed the identity on,
 * the session speaks to the gate by now, and the gate's next message is the baton,
 * which is not to be discarded: so a moment passes before the claim is called
 * undecided.
 */
static void wonder(struct row *row)
{
	row->doubt = true;
	row->parts |= PART_SESSION;
	row_enter(row, ROW_OPENING);
	attempt_step_in(row, DOUBT_MS);
}

static void auth_failed(struct row *row, int status)
{
	log_end(row, DOMAIN_AUTH, status);
	row->master->stats.failed++;
	note_crash(row, DOMAIN_AUTH, status);
	row->begun = 0; /* that it is not finished is our fault */
	if (exited(status, EXIT_MALFORMED))
		(void)source_refused(row->source, 0, io_now());
	bool session = row->parts & PART_SESSION || row->session_ended;
	if (row->state != ROW_BUSY) {
		if (WIFSIGNALED(status) && !session) {
			log_refused(row); /* and nobody is left to hear of it */
			row->parts |= PART_SESSION; /* until it is known */
			attempt_step_in(row, DOUBT_MS);
		}
		return;
	}
	if (session)
		accepted(row);
	else if (WIFSIGNALED(status))
		wonder(row);
	else
		call_off(row); /* it has said why */
}

void outcome_auth(struct row *row, int status)
{
	if (!(row->parts & PART_AUTH))
		return;
	row->parts &= ~(unsigned)PART_AUTH;
	if (exited(status, EXIT_DONE)) {
		accepted(row);
	} else if (exited(status, EXIT_REFUSED)) {
		refused(row);
	} else if (exited(status, EXIT_MORE)) {
		if (row->state == ROW_BUSY)
			attempt_wait(row);
	} else {
		auth_failed(row, status);
	}
}

static void session_started(struct row *row, int32_t pid)
{
	row->parts |= PART_SESSION;
	row->session_pid = pid;
	row->doubt = false;
	if (row->unwanted)
		errand_kill(row, DOMAIN_SESSION);
	else if (row->state == ROW_OPENING)
		attempt_step_in(row, OPENING_MS);
}

static void session_ended(struct row *row, int status)
{
	row->parts &= ~(unsigned)PART_SESSION;
	row->session_pid = 0;
	note_crash(row, DOMAIN_SESSION, status);
	row->session_ended = true;
	row->session_status = status;
	row->doubt = false;
	if (row->state == ROW_OPENING)
		session_said_no(row, status);
}

static void gate_ended(struct row *row, int status)
{
	row->parts &= ~(unsigned)PART_GATE;
	row->gate_pid = 0;
	note_crash(row, DOMAIN_GATE, status);
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		log_end(row, DOMAIN_GATE, status);
	if (row->state != ROW_PARTED)
		attempt_part(row);
}

static void process_ended(struct row *row, enum domain_kind kind, int status)
{
	static void (*const ended[DOMAINS])(struct row * row, int status) = {
		[DOMAIN_GATE] = gate_ended,
		[DOMAIN_AUTH] = outcome_auth,
		[DOMAIN_SESSION] = session_ended,
	};
	ended[kind](row, status);
}

static void started(struct row *row, enum domain_kind kind, int32_t pid)
{
	if (kind == DOMAIN_SESSION)
		session_started(row, pid);
	else if (kind == DOMAIN_GATE)
		row->gate_pid = pid;
}

/*
 * We asked for the end of a process. Where there is none, it is not waited for any
 * more: if this was the answer to the last question, and the question this attempt's.
 * An earlier one says nothing of a session that may come since.
 */
static void obeyed(struct row *row, enum domain_kind kind, int32_t pid)
{
	if (kind == DOMAIN_SESSION && row->questions)
		row->questions--;
	bool last = kind != DOMAIN_SESSION ||
		    (!row->questions && !row->errand[DOMAIN_SESSION].kill);
	if (pid || !last || (!row->killed && !row->unwanted))
		return;
	if (row->state == ROW_PARTED && kind == DOMAIN_AUTH)
		outcome_auth(row, SIGKILL);
	if (row->state == ROW_PARTED && kind == DOMAIN_GATE)
		row->parts &= ~(unsigned)PART_GATE;
	if (kind != DOMAIN_SESSION || row->session_pid)
		return;
	row->parts &= ~(unsigned)PART_SESSION;
	if (row->state == ROW_OPENING)
		undecided(row);
}

static void note_account(struct row *row, struct span account)
{
	char text[LOGIN_NAME_MAX + 1];
	if (span_to_text(account, text, sizeof(text)) < 0)
		return;
	free(row->account);
	row->account = strdup(text);
}

void attempt_report(struct domain *d, const struct report *report)
{
	struct master *m = d->generation->master;
	struct row *row = row_find(&m->rows, report->connection);
	if (!row || row->generation != d->generation)
		return;
	if (report->kind == REPORT_STARTED) {
		started(row, d->kind, report->pid);
	} else if (report->kind == REPORT_ACCEPTED && d->kind == DOMAIN_AUTH) {
		note_account(row, report->account);
	} else if (report->kind == REPORT_REFUSED && d->kind == DOMAIN_AUTH) {
		row->credential = report->credential;
	} else if (report->kind == REPORT_BEGUN && d->kind == DOMAIN_AUTH) {
		outcome_unfinished(row);
		row->begun = report->credential;
	} else if (report->kind == REPORT_ENDED) {
		process_ended(row, d->kind, report->status);
	} else if (report->kind == REPORT_OBEYED) {
		obeyed(row, d->kind, report->pid);
	}
	attempt_settle(row);
}

/* Its parent is gone. A child that lives is ours now (child_adopts()); a session that
 * has not begun may still come, by the new parent's hand. */
static void lose_part(struct row *row, enum row_part part, int32_t pid)
{
	if (!(row->parts & part) || (part == PART_SESSION && !pid))
		return;
	if (pid && child_is_ours(pid))
		row->orphans |= part;
	else
		row->parts &= ~(unsigned)part;
}

static void lose_session(struct row *row)
{
	row->questions = 0;
	lose_part(row, PART_SESSION, row->session_pid);
}

static void lose(void *context, struct row *row)
{
	const struct domain *d = context;
	if (row->generation != d->generation)
		return;
	errand_forget_kill(row, d->kind);
	if (d->kind == DOMAIN_AUTH)
		outcome_auth(row, SIGKILL);
	else if (d->kind == DOMAIN_GATE)
		lose_part(row, PART_GATE, row->gate_pid);
	else if (d->kind == DOMAIN_SESSION)
		lose_session(row);
	attempt_settle(row);
}

void attempt_domain_died(struct domain *d)
{
	rows_each(&d->generation->master->rows, lose, d);
}

struct end {
	pid_t pid;
	int status;
};

static void end_orphan(void *context, struct row *row)
{
	const struct end *end = context;
	if (row->parts & PART_GATE && row->gate_pid == end->pid)
		gate_ended(row, end->status);
	else if (row->parts & PART_SESSION && row->session_pid == end->pid)
		session_ended(row, end->status);
	else
		return;
	attempt_settle(row);
}

void attempt_orphan_ended(struct master *m, pid_t pid, int status)
{
	rows_each(&m->rows, end_orphan, &(struct end){ .pid = pid, .status = status });
}
