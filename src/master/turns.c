/*
 * turns: see turns.h. A counter for each lane, and a place in each circle; who waits
 * there is kept by whom it concerns (queue.c, errand.c).
 */
#include "master/turns.h"

enum { STEPS = 4 };

static const enum source_class order[STEPS] = {
	SOURCE_GOOD,
	SOURCE_NEW,
	SOURCE_GOOD,
	SOURCE_FAILED,
};

void turns_come(struct turns *turns, enum source_class class, unsigned lane)
{
	turns->waiting[class][lane]++;
	turns->of_class[class]++;
}

void turns_go(struct turns *turns, enum source_class class, unsigned lane)
{
	turns->waiting[class][lane]--;
	turns->of_class[class]--;
}

static bool next_lane(const struct turns *turns, struct turn *turn)
{
	uint32_t full = turn->class == SOURCE_GOOD ? 0 : turns->full;
	for (unsigned i = 0; i < SOURCE_LANES; i++) {
		turn->lane = (turns->lane[turn->class] + i) % SOURCE_LANES;
		if (turns->waiting[turn->class][turn->lane] &&
			!(full & 1U << turn->lane))
			return true;
	}
	return false;
}

bool turns_next(const struct turns *turns, unsigned may, struct turn *turn)
{
	for (unsigned i = 0; i < STEPS; i++) {
		turn->step = (turns->step + i) % STEPS;
		turn->class = order[turn->step];
		if (turns->of_class[turn->class] && may & 1U << turn->class &&
			next_lane(turns, turn))
			return true;
	}
	return false;
}

void turns_pass(struct turns *turns, const struct turn *turn)
{
	turns->step = turn->step + 1;
	turns->lane[turn->class] = turn->lane + 1;
}
