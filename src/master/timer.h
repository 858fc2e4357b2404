/*
 * timer: moments to come, in a binary heap. A struct timer is embedded in what
 * it belongs to; setting, moving and stopping one costs a walk of the heap's
 * height, however many thousand there are.
 */
#ifndef POSTERN_MASTER_TIMER_H
#define POSTERN_MASTER_TIMER_H

#include "base/poison.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
	int64_t at;   /* io_now() scale */
	size_t index; /* place in the heap + 1; 0: not set */
	void (*fire)(void *owner);
	void *owner;
};

/* All zero is an empty heap. */
struct timers {
	struct timer **heap;
	size_t n, size;
};

/* Room for n timers in all. 0, or -1 with errno. */
int timers_reserve(struct timers *timers, size_t n);

/*
 * fire(owner) will be called at `at`, or as soon as possible after it. Moves
 * the timer when it is set already. Needs room for every timer there is:
 * timers_reserve() when they are made.
 */
void timer_set(struct timers *timers, struct timer *timer, int64_t at);

/* Does nothing when it is not set. */
void timer_stop(struct timers *timers, struct timer *timer);

static inline bool timer_is_set(const struct timer *timer)
{
	return timer->index != 0;
}

/* When the next one is due, or IO_FOREVER. */
int64_t timers_next(const struct timers *timers);

/* Fires what is due at `now`. A timer set from within for `now` or earlier
 * waits for the next call, so that this one ends. */
void timers_run(struct timers *timers, int64_t now);

void timers_free(struct timers *timers);

#endif
