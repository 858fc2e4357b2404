/*
 * poller: waits for many descriptors at once: epoll(7) where there is one,
 * poll(2) elsewhere. A struct watch is embedded in what it belongs to.
 */
#ifndef POSTERN_MASTER_POLLER_H
#define POSTERN_MASTER_POLLER_H

#include "base/poison.h"

#include <poll.h>
#include <stdint.h>

struct watch {
	int fd;	      /* -1: not watched */
	short events; /* POLLIN, POLLOUT; a hang-up is told always */
	/* events: POLLIN, POLLOUT, POLLHUP (also for errors) */
	void (*ready)(void *owner, short events);
	void *owner;
	size_t index; /* of the fallback's table */
};

struct poller;

/* NULL with errno when it cannot be made. */
struct poller *poller_new(void);

/*
 * Begins, changes or (no events at all: only the hang-up) keeps watching fd. A watch
 * that is no longer watched may be freed or used again only after the
 * poller_wait() that is going on has returned. 0, or -1 with errno.
 */
int poller_watch(struct poller *poller, struct watch *watch, int fd, short events);

/* Must come before the descriptor is closed. Does nothing when not watched. */
void poller_forget(struct poller *poller, struct watch *watch);

/* Waits until the deadline at most (io_now() scale) and calls ready() for each
 * descriptor that is. 0, or -1 with errno (EINTR hidden: nothing was ready). */
int poller_wait(struct poller *poller, int64_t deadline);

void poller_free(struct poller *poller);

#endif
