/*
 * errand: what the master wants of a warm parent for one row: work (facts and
 * descriptors) or KILL. The master never waits on a warm parent: an order that
 * it cannot take now stays on the domain's list until its channel has room, or until
 * the domain runs again. The channel takes a few only: a flood of strangers waits on
 * the list, where those who are known do not wait behind it.
 */
#ifndef POSTERN_MASTER_ERRAND_H
#define POSTERN_MASTER_ERRAND_H

#include "master/domain.h"
#include "master/row.h"

/* Hands the row to its gate or auth, now or later. */
void errand_work(struct row *row, enum domain_kind kind);

/* Has the process of this row ended, now or later; takes back work that
 * was not handed over. */
void errand_kill(struct row *row, enum domain_kind kind);

/* Takes back work that was not handed over yet. */
void errand_cancel(struct row *row, enum domain_kind kind);

/* The domain died, and whom it was to kill is not its any more. */
void errand_forget_kill(struct row *row, enum domain_kind kind);

/* Hands over what is on the list, as far as the domain takes it. */
void errand_run(struct domain *domain);

/* Is the row on any list? It must not be freed then. */
bool errand_pending(const struct row *row);

#endif
