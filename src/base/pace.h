/*
 * pace: whether to look out for a peer's next words before sleeping until they come. A
 * process that sleeps is woken by the kernel in 5 to 50 us, more on a virtual machine
 * whose processor was halted; a client of the same host that waits for one reply at a
 * time answers sooner than that.
 *
 *   pace_begin(&pace);
 *   do
 *           n = recv(fd, p, size, pace.brisk ? MSG_DONTWAIT : 0);
 *   while (nothing came && pace_look_on(&pace));
 *   pace_end(&pace);
 *
 * Looks out only when the last PACE_SURE waits were over within PACE_US each, and no
 * longer than that: a peer that falls silent, or is further away, costs one such time.
 * Other processes that want the processor get it in between.
 */
#ifndef POSTERN_BASE_PACE_H
#define POSTERN_BASE_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACE_US = 100, PACE_SURE = 4, PACE_LAVISH = 256 << 10 };

/* All zero: nothing is known of the peer. */
struct pace {
	bool brisk;	/* look, and do not sleep */
	unsigned quick; /* so many waits, the last ones, were short */
	int64_t began;	/* microseconds of the monotonic clock */
};

/* A wait begins. */
void pace_begin(struct pace *pace);

/* Nothing came. True: look again, brisk or not as pace->brisk says. False: pace->brisk
 * was not set, so the look was a sleep. */
bool pace_look_on(struct pace *pace);

/* The wait is over: something came, or never will. */
void pace_end(struct pace *pace);

/*
 * So many octets more were moved; *moved counts them, from 0. Once in PACE_LAVISH of
 * them the processor is yielded: a long transfer is in no hurry, and who wants to log
 * in meanwhile is; the kernel would let it wait for up to a tick, 4 ms, at each of a
 * login's changes of process.
 */
void pace_lavish(size_t *moved, size_t octets);

#endif
