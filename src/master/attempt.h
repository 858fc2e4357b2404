/*
 * attempt: the life of a row, from the moment the gate has it: a claim, its
 * turn, auth's decision, the penalty, the session's answer, the baton. The
 * master watches readability and hang-ups and reads exit codes; what is on the
 * channel it never reads.
 */
#ifndef POSTERN_MASTER_ATTEMPT_H
#define POSTERN_MASTER_ATTEMPT_H

#include "master/domain.h"
#include "master/row.h"

/*
 * A new row with its client, greeted where that is the server's turn: a stranger, who
 * costs a descriptor and no process. The gate is born when the peer first speaks, or
 * now, when it cannot be watched for that.
 */
void attempt_begin(struct row *row);

/* The gate's parent took it: the verdict channel exists and is watched from now on. */
void attempt_gate_has(struct row *row);

/* Auth's parent took it. */
void attempt_auth_has(struct row *row);

/* A warm parent says that a process of a connection began or ended, or whom auth
 * accepted. */
void attempt_report(struct domain *domain, const struct report *report);

/* A warm parent ended by itself. Its sessions and gates live on; what cannot be
 * known of them any more is told by hang-ups and deadlines. */
void attempt_domain_died(struct domain *domain);

/* A child of a warm parent that died has ended; it was ours since. */
void attempt_orphan_ended(struct master *master, pid_t pid, int status);

/* Gives turns to waiting claims while there is room; once per turn of the loop. */
void attempt_turns(struct master *master);

/* Ends the connection now: every process of it, in whatever state. */
void attempt_end(struct row *row);

/* After anything that happened to a row: a turn that it no longer needs is given back,
 * a row that nobody serves any more is freed, and who is left has a deadline. */
void attempt_settle(struct row *row);

#endif
