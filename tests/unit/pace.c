/* pace: who is quick is looked out for, and not for long. Nothing here is timed: waits
 * are made long and short by when they are said to have begun. */
#include "base/pace.h"

#include <criterion/criterion.h>

enum { SECOND = 1000000 };

static void wait_once(struct pace *pace, bool quick)
{
	pace_begin(pace);
	pace->began += quick ? SECOND : -SECOND;
	pace_end(pace);
}

static bool is_brisk(struct pace pace)
{
	pace_begin(&pace);
	return pace.brisk;
}

Test(pace, a_stranger_is_slept_for)
{
	struct pace pace = { 0 };
	pace_begin(&pace);
	cr_expect_not(pace.brisk);
	cr_expect_not(pace_look_on(&pace), "the look was a sleep");
}

Test(pace, brisk_after_some_quick_waits_in_a_row)
{
	struct pace pace = { 0 };
	for (int i = 0; i < 3 * PACE_SURE; i++) {
		cr_expect_eq(is_brisk(pace), i >= PACE_SURE, "%d", i);
		wait_once(&pace, true);
	}
	wait_once(&pace, false);
	for (int i = 0; i < 2 * PACE_SURE; i++) {
		cr_expect_eq(is_brisk(pace), i >= PACE_SURE, "%d, again", i);
		wait_once(&pace, true);
	}
}

Test(pace, sleeps_when_nothing_comes)
{
	struct pace pace = { .quick = PACE_SURE };
	pace_begin(&pace);
	pace.began += SECOND;
	for (int i = 0; i < 5; i++) {
		cr_expect(pace_look_on(&pace));
		cr_expect(pace.brisk);
	}
	pace.began -= 2 * SECOND;
	cr_expect(pace_look_on(&pace), "once more, asleep");
	cr_expect_not(pace.brisk);
	cr_expect_not(pace_look_on(&pace), "that look was a sleep");
	pace_end(&pace);
	cr_expect_not(is_brisk(pace));
}

Test(pace, lavish_now_and_then)
{
	size_t moved = 0, yields = 0, n = 3000, each = PACE_LAVISH / 100;
	for (size_t i = 0; i < n; i++) {
		size_t before = moved;
		pace_lavish(&moved, each);
		yields += moved < before;
	}
	cr_expect_geq(yields, n * each / (PACE_LAVISH + each));
	cr_expect_leq(yields, n * each / PACE_LAVISH);
}
