/*
 * attempt_row: what attempt.c and outcome.c share: the moves of one row from state to
 * state.
 */
#ifndef POSTERN_MASTER_ATTEMPT_ROW_H
#define POSTERN_MASTER_ATTEMPT_ROW_H

#include "master/row.h"
#include "postern/verdict.h"

/* Of its connection, for the log. */
unsigned long long attempt_number(const struct row *row);

/* The state may last so long. */
void attempt_step_in(struct row *row, int64_t ms);

/* Back to the gate, which may claim again. */
void attempt_wait(struct row *row);

/* Tells the gate the master's own verdict, and waits for its next claim. */
void attempt_answer(struct row *row, enum verdict_kind kind);

enum { KILL_MS = 5000 }; /* from KILL to its effect */

/* The channel is gone, or we want it gone: every descriptor is given up. */
void attempt_part(struct row *row);

/* PARTED for too long: who should have ended is made to. */
void attempt_chase(struct row *row);

/* Ends a process of the row and says so, once. */
void attempt_kill_late(struct row *row, enum domain_kind kind);

/* Auth's child has ended, with a status of waitpid(2). */
void outcome_auth(struct row *row, int status);

/* Auth was killed, and no session has come: the session's parent is asked whether one
 * will. */
void outcome_ask(struct row *row);

/* The same when auth could not be given the claim in all the time that it has. */
void outcome_not_asked(struct row *row);

/* What is open of an exchange of several claims will not be finished. */
void outcome_unfinished(struct row *row);

#endif
