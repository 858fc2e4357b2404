/*
 * warm: the loop of every warm parent. It receives set-up, facts and
 * descriptors from above, gives each connection a child, reaps, reports, and never
 * reads what a peer wrote.
 *
 * Life: warm_begin() (the descriptor table, signals, the set-up message), the
 * program's own slow preparations, warm_ready(), warm_run() (does not return).
 *
 * Ends when its channels are closed from above and its last child is gone
 * (a reload, a refresh: sessions live on), or on SIGTERM, which it passes to
 * its children, as soon as they are gone.
 */
#ifndef POSTERN_WARM_H
#define POSTERN_WARM_H

#include "base/buf.h"
#include "postern/abi.h"

#include <stdbool.h>
#include <stdint.h>

struct warm_work {
	/* Where work comes from: FD_CONTROL, or another channel from above. */
	int intake;
	/* Descriptors that come with each piece of work, and how many more may come
	 * (the child's fds are -1 for those that did not); together at most FDPASS_MAX.
	 */
	size_t descriptors, optional;
	/*
	 * Decodes one message of the intake into self: in the parent, and again in a
	 * worker. Returns the connection's number, or 0 when it is no message of this
	 * program.
	 */
	uint64_t (*decode)(void *self, struct span message);
	/*
	 * In the child, with default signal handling: lays its descriptor table, drops,
	 * serves and ends with an exit code of base/die.h, or returns it: then a
	 * worker may be given more. The parent's channels are still open:
	 * fdtab_place(). Behind the work's descriptors stands a worker's channel, or
	 * -1.
	 */
	int (*child)(void *self, const int *fds);
	/*
	 * The descriptor of a worker's channel to the parent, right behind those of its
	 * work, which are closed when it is done; 0: every piece of work gets a
	 * process of its own. In the parent, after decode(): may this piece go to a
	 * child that did, and will do, others?
	 */
	int worker;
	bool (*may_share)(void *self);
	/* In the parent, about every tick_ms milliseconds; NULL: never. */
	void (*tick)(void *self);
	int tick_ms;
	/* In the parent, when its last child has gone; NULL: nothing is left to do. */
	void (*end)(void *self);
	void *self;
};

/*
 * Names the program for the log, asserts that descriptors 0 to last are open
 * and no other, makes the process non-dumpable, blocks the signals of the loop
 * and receives the set-up message into message (an initialised buf of
 * MESSAGE_MAX + 1 at least). Dies if any of it fails. Dies with EXIT_MALFORMED and
 * a line that says so when it was started by hand.
 */
void warm_begin(const char *program, int last, struct buf *message);

/* Tells the master that work may come. Dies when it cannot. */
void warm_ready(void);

/* A report did not reach the master (errno): ends the process; silently when the
 * master has gone. */
_Noreturn void warm_unheard(void);

_Noreturn void warm_run(const struct warm_work *work);

#endif
