/*
 * row: one connection, as the master sees it. It exists from accept(2) until
 * every process that serves the connection has ended; its descriptors are given
 * up earlier, when the verdict channel hangs up.
 */
#ifndef POSTERN_MASTER_ROW_H
#define POSTERN_MASTER_ROW_H

#include "master/domain.h"
#include "master/poller.h"
#include "master/source.h"
#include "master/timer.h"
#include "postern/facts.h"

struct master;
struct generation;
struct crowd_list;

/*
 * Who acts in each state, and what the master watches of the verdict channel:
 *
 *   STRANGER nobody has spoken on the client's side; there is no gate yet. The client
 *            itself is watched, and not read
 *   WAITING  the client and its gate; a claim would make the channel readable
 *   QUEUED   a claim is there and waits for its turn; only the hang-up
 *   BUSY     auth decides; only the hang-up
 *   TARPIT   refused; the gate is told when the penalty is over; only the hang-up
 *   OPENING  auth said yes, the session opens the maildrop; only the hang-up
 *   PARTED   the channel hung up: the baton was passed, or the gate ended. The master
 *            holds no descriptor any more and only counts who is left.
 *
 * Each row has a deadline at any time (row_has_deadline()): `login` from STRANGER to
 * QUEUED, `step` from BUSY on. Whoever is a part of it when it comes is ended, in
 * PARTED again and again. A session that has begun is the one part without: it ends its
 * own idle time, and its gate, which relays, ends with it.
 *
 * A turn of auth's is held (`turn`) exactly as long as auth is a part, or is to become
 * one.
 */
enum row_state {
	ROW_FREE,
	ROW_STRANGER,
	ROW_WAITING,
	ROW_QUEUED,
	ROW_BUSY,
	ROW_TARPIT,
	ROW_OPENING,
	ROW_PARTED,
	ROW_STATES,
};

/* Processes that serve a connection; a set of them is an unsigned. */
enum row_part {
	PART_GATE = 1,
	PART_AUTH = 2,
	PART_SESSION = 4,
};

struct row {
	enum row_state state;
	struct master *master;
	struct generation *generation; /* whose processes serve it; NULL: none yet */
	struct facts facts;
	struct source *source;
	int64_t since;	/* io_now() of accept(2) */
	unsigned parts; /* alive, as far as reports tell */
	bool unwanted;	/* ended by us: whoever still begins is ended as well */
	/* of the attempt that goes on: */
	bool turn;	    /* one of auth's turns is its: it is in flight */
	bool session_ended; /* told before auth's end was */
	bool doubt;	    /* OPENING, because auth was killed: a session may come */
	int session_status;
	uint64_t credential; /* of auth's report of a refusal; or 0 */
	uint64_t begun;	 /* the same, of an exchange that was begun; 0: none is open */
	int64_t asked;	 /* when auth got its claim */
	bool killed;	 /* it took too long */
	uint32_t claims; /* since accept(2) */
	char *account;	 /* accepted by auth; or NULL */
	int32_t gate_pid, session_pid; /* 0: it has not begun, as far as reports tell */
	unsigned questions; /* KILLs that the session's parent has not answered */
	unsigned orphans;   /* parts whose warm parent died: our own children now */

	int client, verdict, wire; /* inner ends; -1 when given up */
	int keeper;		   /* inner end, until it turns readable; or -1 */
	struct watch watch;	   /* on the client of a stranger, then on verdict */
	struct watch sign;	   /* on keeper */
	struct timer step;	   /* of the state */
	struct timer login;	   /* from accept(2) to a good login */

	/* Orders that a warm parent could not take yet: a list per domain. */
	struct {
		struct row *before, *next;
		uint8_t class; /* of the list that it stands on */
		bool listed, work, kill;
	} errand[DOMAINS];

	struct crowd_list
		*crowd; /* that it stands in, until it has logged in; or NULL */
	struct row *crowd_before, *crowd_after;
	struct row *queue_before, *queue_after; /* QUEUED, of the same source */
	uint8_t class; /* in flight: of the ring that it was taken from */
	struct row *hash_next, *free_next;
};

struct rows {
	struct row **buckets;
	size_t buckets_n; /* a power of two */
	size_t n;
	struct row *free, *freed;
	struct row_slab *slabs;
	uint64_t last; /* the number given last */
	size_t made;
};

int rows_init(struct rows *rows);

void rows_free(struct rows *rows);

/* How many timers may be set at once, as far as rows are concerned, and some more. */
size_t rows_timers(const struct rows *rows);

/* A row in state STRANGER with a number of its own and no descriptors; NULL with
 * errno when there is no memory. */
struct row *row_new(struct rows *rows, struct timers *timers);

/* The connection of that number, or NULL. */
struct row *row_find(const struct rows *rows, uint64_t connection);

/* Changes the state; a change that the table in row.c does not know is a bug. */
void row_enter(struct row *row, enum row_state state);

/* A session has begun, and nobody wants it to end. */
bool row_is_session(const struct row *row);

/* The rule of deadlines, see above. */
bool row_has_deadline(const struct row *row);

/* Closes the row's descriptors; the watch must be forgotten. */
void row_close(struct row *row);

/* The row's number is forgotten; its memory is used again after rows_recycle(). */
void row_free(struct rows *rows, struct row *row);

/* When no event of the past wait can mention a freed row any more. */
void rows_recycle(struct rows *rows);

/* Calls each(context, row) for every row; each may free that row. */
void rows_each(
	struct rows *rows, void (*each)(void *context, struct row *row), void *context);

const char *row_state_name(enum row_state state);

#endif
