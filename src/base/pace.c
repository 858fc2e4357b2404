/*
 * pace: see pace.h. Fails: never.
 */
#include "base/pace.h"

#include "base/poison.h"

#include <sched.h>
#include <time.h>

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void pace_begin(struct pace *pace)
{
	pace->began = now();
	pace->brisk = pace->quick >= PACE_SURE;
}

bool pace_look_on(struct pace *pace)
{
	if (!pace->brisk)
		return false;
	pace->brisk = now() - pace->began < PACE_US;
	if (pace->brisk)
		sched_yield();
	return true;
}

void pace_end(struct pace *pace)
{
	if (now() - pace->began >= PACE_US)
		pace->quick = 0;
	else if (pace->quick < PACE_SURE)
		pace->quick++;
}

void pace_lavish(size_t *moved, size_t octets)
{
	*moved += octets;
	if (*moved < PACE_LAVISH)
		return;
	*moved = 0;
	sched_yield();
}
