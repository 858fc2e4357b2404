/*
 * mbox_torn: the machine stops during a commit. Every write, cut, flush, and what
 * is done to names is recorded while a commit runs; then, for each moment, disks are
 * made that a stop at that moment may leave: what was flushed is there, and of what
 * was not, any sectors and any calls. The mbox is opened on each of them: it is the
 * one before the commit or the one after it, with the mail that was appended
 * in between. Recoveries are stopped the same way.
 *
 * POSTERN_LONG=1: 100 MB, besides.
 */
#include "fault/disk.h"

#include <stdio.h>
#include <stdlib.h>

static struct disk tape_commit(struct fault *f)
{
	struct maildrop *drop;
	fault_reset(f);
	struct disk start = disk_now(f);
	fault_open(f, &drop);
	tape_start(f);
	fault_commit(f, drop);
	tape_stop();
	return start;
}

/* Records a recovery and stops it, too. */
static void stop_recovery(struct fault *f)
{
	struct disk start = disk_now(f);
	tape_start(f);
	fault_recover(f, false);
	tape_stop();
	struct disk d = disk_stopped(
		&start, (size_t)rand() % (tape_length() + 1), rand() % LUCKS);
	disk_install(f, &d);
	disk_drop(&d);
	disk_drop(&start);
}

static void one_round(struct fault *f, const struct disk *d, size_t stop, bool again)
{
	char when[64];
	disk_install(f, d);
	fault_deliver(f);
	if (again)
		stop_recovery(f);
	fault_recover(f, stop % 2);
	snprintf(when, sizeof(when), "stopped at event %zu", stop);
	fault_check(f, when);
}

/* Every moment, every kind of luck, some of them many times. */
static void every_stop(struct fault *f, const struct fault_case *what, bool append)
{
	fault_take(f, what, append);
	struct disk start = tape_commit(f);
	size_t n = tape_length();
	for (size_t stop = 0; stop <= n; stop++)
		for (int i = 0; i < 8; i++) {
			struct disk d = disk_stopped(
				&start, stop, i < LUCKS ? i : LUCK_SECTORS);
			one_round(f, &d, stop, false);
			disk_drop(&d);
		}
	for (size_t stop = 0; stop <= n; stop++) {
		/* The tape of the commit is gone when a recovery is recorded. */
		disk_drop(&start);
		start = tape_commit(f);
		struct disk d = disk_stopped(&start, stop, rand() % LUCKS);
		one_round(f, &d, stop, true);
		disk_drop(&d);
	}
	disk_drop(&start);
	if (!f->seen_before || !f->seen_after)
		fault_fail(f, "%zu events, before %zu, after %zu", n, f->seen_before,
			f->seen_after);
	printf("%s%s: %zu events, before %zu times, after %zu times\n", what->name,
		append ? ", mail appended" : "", n, f->seen_before, f->seen_after);
	fault_drop(f);
}

static void random_stops(struct fault *f, const struct fault_case *what, int rounds)
{
	fault_take(f, what, true);
	struct disk start = tape_commit(f);
	size_t n = tape_length();
	for (int i = 0; i < rounds; i++) {
		size_t stop = (size_t)rand() % (n + 1);
		struct disk d = disk_stopped(&start, stop, LUCK_SECTORS);
		one_round(f, &d, stop, false);
		disk_drop(&d);
	}
	disk_drop(&start);
	printf("%s: %d stops at %zu events, before %zu times, after %zu times\n",
		what->name, rounds, n, f->seen_before, f->seen_after);
	fault_drop(f);
}

int main(void)
{
	struct fault f;
	srand(1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	fault_begin(&f);
	for (size_t i = 0; i < fault_small_n; i++) {
		every_stop(&f, &fault_small[i], false);
		every_stop(&f, &fault_small[i], true);
	}
	if (getenv("POSTERN_LONG"))
		for (size_t i = 0; i < fault_large_n; i++)
			random_stops(&f, &fault_large[i], 60);
	fault_end(&f);
	return 0;
}
