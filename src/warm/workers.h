/*
 * workers: children of a warm parent that do one piece of work after the other, where
 * the domain says so (warm.h). Each is somebody's at a time: its pid stands for that
 * connection in the table of children until it has said how the work ended.
 */
#ifndef POSTERN_WARM_WORKERS_H
#define POSTERN_WARM_WORKERS_H

#include "base/span.h"

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	WORKERS_MAX = 64,  /* more work at a time gets forks of its own */
	WORKERS_IDLE = 4,  /* that are kept */
	WORKERS_WORKS = 64 /* pieces of work in one life */
};

struct worker {
	int channel; /* our end */
	pid_t pid;
	bool busy;
	unsigned works; /* that it was given */
};

/* All zero: none. */
struct workers {
	struct worker entries[WORKERS_MAX];
	size_t n;
};

/*
 * Gives the work to an idle worker, or to a new one: run() is called in it with its
 * end of a channel, and does not return. Returns the worker's pid; 0: there are as
 * many as may be, or none can be had, and the work is still the caller's.
 */
pid_t workers_give(struct workers *workers, struct span message, const int *fds,
	size_t n, void (*run)(void *self, int channel), void *self);

/* The busy ones' channels; p has room for WORKERS_MAX. Returns how many. */
size_t workers_poll(const struct workers *workers, struct pollfd *p);

/* What the worker of that channel says: its pid, and the work's exit code in *code. 0:
 * nothing; it may have died, then it is to be reaped. */
pid_t workers_hear(struct workers *workers, int channel, unsigned char *code);

/* It was reaped. */
void workers_remove(struct workers *workers, pid_t pid);

/* Lets go of the idle ones: they end. */
void workers_dismiss(struct workers *workers);

/* Closes our ends, in a child that is none of ours. */
void workers_forget(struct workers *workers);

#endif
