/*
 * mbox_kill: kills the committing process at every system call it makes (before
 * and behind each one), then opens the mbox again: it is the one before the commit
 * or the one after it, octet for octet, with the mail that was appended in
 * between. In some of the rounds the recovery is killed, too.
 *
 * POSTERN_LONG=1: at random calls and random instants of a commit of 100 MB, besides.
 */
#include "fault/fault.h"
#include "fault/kill.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

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

/* How long or how many stops a commit lasts, and how many kills were within it. */
struct span_of_commit {
	uint64_t nanoseconds;
	long stops;
	size_t within;
};

static void measure(struct fault *f, struct span_of_commit *commits)
{
	fault_reset(f);
	fault_open(f, &opened);
	commits->stops = kill_at(commit, f, 0);
	maildrop_close(opened);
	fault_reset(f);
	fault_open(f, &opened);
	commits->nanoseconds = kill_after(commit, f, UINT64_MAX);
	maildrop_close(opened);
}

/* At a random instant of the commit and its recovery, or at a random system call. */
static void random_round(struct fault *f, struct span_of_commit *commits, bool instant,
	bool recovery_too)
{
	char when[64];
	double where = (double)rand() / RAND_MAX;
	uint64_t after = (uint64_t)(where * (double)commits->nanoseconds);
	long stop = 1 + (long)(where * (double)(commits->stops - 1));
	fault_reset(f);
	fault_open(f, &opened);
	if (instant)
		kill_after(commit, f, after);
	else
		kill_at(commit, f, stop);
	maildrop_close(opened);
	commits->within += access(f->journal, F_OK) == 0;
	fault_deliver(f);
	if (recovery_too)
		kill_after(recover, f, after / 2);
	fault_recover(f, true);
	snprintf(when, sizeof(when), "killed at %s %llu",
		instant ? "nanosecond" : "stop",
		instant ? (unsigned long long)after : (unsigned long long)stop);
	fault_check(f, when);
}

static void random_kills(struct fault *f, const struct fault_case *what, int rounds)
{
	struct span_of_commit commits = { 0 };
	fault_take(f, what, true);
	measure(f, &commits);
	for (int i = 0; i < rounds; i++)
		random_round(f, &commits, i % 2, i % 8 < 2);
	if (commits.within < (size_t)rounds / 4)
		fault_fail(f, "only %zu of %d kills hit the rewrite", commits.within,
			rounds);
	printf("%s: %d kills over %ld stops and %.0f ms, %zu within the rewrite: "
	       "before "
	       "%zu times, after %zu times, never anything else\n",
		what->name, rounds, commits.stops, (double)commits.nanoseconds / 1e6,
		commits.within, f->seen_before, f->seen_after);
	fault_drop(f);
}

/* POSTERN_SEED gives the same places again. */
static void random_kills_all(struct fault *f)
{
	const char *given = getenv("POSTERN_SEED");
	unsigned seed =
		given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
	printf("POSTERN_SEED=%u\n", seed);
	srand(seed);
	for (size_t i = 0; i < fault_large_n; i++)
		random_kills(f, &fault_large[i], 200);
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
		random_kills_all(&f);
	fault_end(&f);
	return 0;
}
