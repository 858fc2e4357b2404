/*
 * loop: what warm.c (the loop) and give.c (work and its ends) share.
 */
#ifndef POSTERN_WARM_LOOP_H
#define POSTERN_WARM_LOOP_H

#include "postern/report.h"
#include "warm/children.h"
#include "warm/warm.h"
#include "warm/workers.h"

struct warm {
	const struct warm_work *work;
	struct children children;
	int control; /* -1 once it was closed from above */
	int intake;  /* may be the same descriptor */
	bool ending; /* SIGTERM came: no more work */
	int64_t next_tick;
	struct workers workers;
};

/* In a child: signals do what they do in any program. */
void loop_default_signals(void);

/* Tells the master. -1 with errno when it cannot hear. */
int loop_report(const struct report *what);

/* The same, while there is a master; without one nothing is left to report to. */
void loop_tell(struct warm *w, const struct report *what);
void loop_lose_control(struct warm *w);

/* Did as many descriptors come as the domain's work has? */
bool loop_is_complete(const struct warm *w, size_t came);

/* Finds a process for the work, and reports it as started, or as ended when there is
 * none. The descriptors are closed here. */
void loop_start(struct warm *w, uint64_t connection, struct span message, int *fds,
	size_t came);

void loop_close(const int *fds, size_t n);

/* Children that have ended. */
void loop_reap(struct warm *w);

/* What workers say; p: their channels as poll(2) left them. Before loop_reap(): one
 * that has said how its work ended, and died since, has ended so. */
void loop_hear_workers(struct warm *w, const struct pollfd *p, size_t n);

#endif
