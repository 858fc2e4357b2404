/*
 * mbox_kill: kills the committing process at every system call it makes (before
 * and behind each one), then opens the mbox again: it is the one before the commit
 * or the one after it, octet for octet, with the mail that was appended in
 * between. In some of the rounds the recovery is killed, too.
 *
 * POSTERN_LONG=1: at random calls of a commit of 100 MB, besides.
 */
#include "fault/fault.h"
#include "fault/kill.h"

#include <stdio.h>
#include <stdlib.h>

#ifdef POSTERN_SANITIZERS
enum { STRIDE = 7 }; /* their processes take long to be born and to die */
#else
enum { STRIDE = 1 };
#endif

static struct maildrop *opened;

static void commit(void *f)
{
	fault_commit(f, opened);
}

static void recover(void *f)
{
	fault_recover(f, false);
}

/* One kill at stop n (0: none). False when the commit was over before. */
static bool one_round(struct fault *f, long n, bool recovery_too)
{
	char when[64];
	fault_reset(f);
	fault_open(f, &opened);
	long stops = kill_at(commit, f, n);
	maildrop_close(opened);
	fault_deliver(f);
	if (recovery_too)
		kill_at(recover, f, 1 + rand() % 60);
	fault_recover(f, n % 2);
	snprintf(when, sizeof(when), "killed at stop %ld", n);
	fault_check(f, when);
	return stops == n;
}

static void every_stop(struct fault *f, const struct fault_case *what, bool append)
{
	long n = 1;
	fault_take(f, what, append);
	for (; one_round(f, n, false); n += STRIDE)
		;
	for (long k = 1; k < n; k += STRIDE + rand() % 5)
		one_round(f, k, true);
	/* Else the harness hits nothing. */
	if (!f->seen_before || !f->seen_after || n < 10)
		fault_fail(f, "%ld stops, before %zu, after %zu", n, f->seen_before,
			f->seen_after);
	printf("%s%s: killed at stops up to %ld, before %zu times, after %zu times\n",
		what->name, append ? ", mail appended" : "", n - 1, f->seen_before,
		f->seen_after);
	fault_drop(f);
}

static void random_stops(struct fault *f, const struct fault_case *what, int rounds)
{
	fault_take(f, what, true);
	fault_reset(f);
	fault_open(f, &opened);
	long stops = kill_at(commit, f, 0);
	maildrop_close(opened);
	for (int i = 0; i < rounds; i++)
		one_round(f, 1 + rand() % stops, i % 4 == 0);
	printf("%s: %d of %ld stops, before %zu times, after %zu times\n", what->name,
		rounds, stops, f->seen_before, f->seen_after);
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
			random_stops(&f, &fault_large[i], 100);
	fault_end(&f);
	return 0;
}
