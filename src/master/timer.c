/*
 * timer: a binary heap of pointers, each timer knows its place. Part of the
 * master; trusts its callers, returns ENOMEM, never logs.
 */
#include "master/timer.h"

#include "base/die.h"
#include "base/io.h"

#include <errno.h>

static void put(struct timers *timers, size_t index, struct timer *timer)
{
	timers->heap[index - 1] = timer;
	timer->index = index;
}

static struct timer *at(const struct timers *timers, size_t index)
{
	return timers->heap[index - 1];
}

static void rise(struct timers *timers, struct timer *timer)
{
	size_t index = timer->index;
	while (index > 1 && at(timers, index / 2)->at > timer->at) {
		put(timers, index, at(timers, index / 2));
		index /= 2;
	}
	put(timers, index, timer);
}

static void sink(struct timers *timers, struct timer *timer)
{
	size_t index = timer->index;
	for (size_t child = index * 2; child <= timers->n; child = index * 2) {
		if (child < timers->n &&
			at(timers, child + 1)->at < at(timers, child)->at)
			child++;
		if (at(timers, child)->at >= timer->at)
			break;
		put(timers, index, at(timers, child));
		index = child;
	}
	put(timers, index, timer);
}

int timers_reserve(struct timers *timers, size_t n)
{
	if (n <= timers->size)
		return 0;
	size_t size = timers->size ? timers->size : 64;
	while (size < n)
		size *= 2;
	struct timer **heap = realloc(timers->heap, size * sizeof(struct timer *));
	if (!heap)
		return -1;
	timers->heap = heap;
	timers->size = size;
	return 0;
}

void timer_set(struct timers *timers, struct timer *timer, int64_t when)
{
	int64_t before = timer->at;
	timer->at = when;
	if (!timer->index) {
		if (timers->n == timers->size)
			bug("a timer without room");
		put(timers, ++timers->n, timer);
		rise(timers, timer);
	} else if (when < before) {
		rise(timers, timer);
	} else {
		sink(timers, timer);
	}
}

void timer_stop(struct timers *timers, struct timer *timer)
{
	size_t index = timer->index;
	if (!index)
		return;
	timer->index = 0;
	struct timer *last = at(timers, timers->n--);
	if (last == timer)
		return;
	put(timers, index, last);
	rise(timers, last);
	sink(timers, last);
}

int64_t timers_next(const struct timers *timers)
{
	return timers->n ? at(timers, 1)->at : IO_FOREVER;
}

void timers_run(struct timers *timers, int64_t now)
{
	/* At most as many as there are now: one that sets itself again for a
	 * moment that has passed cannot keep us here. */
	for (size_t most = timers->n; most && timers->n; most--) {
		struct timer *timer = at(timers, 1);
		if (timer->at > now)
			return;
		timer_stop(timers, timer);
		timer->fire(timer->owner);
	}
}

void timers_free(struct timers *timers)
{
	free(timers->heap);
	*timers = (struct timers){ 0 };
}
