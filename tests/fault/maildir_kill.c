/*
 * maildir_kill: kills the committing process at every system call it makes (before
 * and behind each one), then opens the Maildir again: what was not deleted is there,
 * octet for octet, under the same unique-id; what was deleted is still there, or kept
 * for undo, or (without undo) gone; never in two places, never half. The same for
 * giving back (undelete), freeing (purge) and delivering.
 */
#include "fault/kill.h"
#include "fault/maildir_world.h"
#include "maildrop/deliver.h"
#include "maildrop/undo.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef POSTERN_SANITIZERS
enum { STRIDE = 7 }; /* their processes take long to be born and to die */
#else
enum { STRIDE = 1 };
#endif

static const struct kase cases[] = {
	{ "the first", "x------", 0, false, false },
	{ "every second", "x-x-x-x", 0, false, true },
	{ "all", "xxxxxxx", 0, false, true },
	{ "renamed meanwhile", "x-x-x-x", 0, true, true },
	{ "the first, kept", "x------", 3600, false, false },
	{ "every second, kept", "x-xxx-x", 3600, false, true },
	{ "all, kept", "xxxxxxx", 3600, false, true },
	{ "renamed meanwhile, kept", "x-x-x-x", 3600, true, true },
};

/* --- what is killed --- */

static void commit(void *self)
{
	struct world *w = self;
	struct maildrop_done done;
	struct maildrop_fault fault;
	world_need(maildrop_commit(w->drop, &done, &fault) == 0, w, fault.text);
	maildrop_close(w->drop);
}

static int restore_one(void *self, const struct undo_entry *entry)
{
	struct world *w = self;
	world_need(undo_restore(w->path, entry) == 0, w, entry->file);
	return 0;
}

static void restore(void *self)
{
	struct world *w = self;
	world_need(undo_each(w->part[2], restore_one, w) == 0, w, "undo_each");
}

static void purge(void *self)
{
	struct world *w = self;
	struct undo_purged purged;
	world_need(undo_purge(w->part[2], INT64_MAX, SIZE_MAX, &purged) == 0, w,
		"undo_purge");
}

static void deliver(void *self)
{
	struct world *w = self;
	const struct one *one = &w->all[MESSAGES];
	struct maildrop_fault fault;
	int in = open("/dev/null", O_RDONLY);
	struct deliver_message message = { .head = span_of(one->text, 9),
		.begun = span_of(one->text + 9, one->n - 9),
		.in = in,
		.sender = "" };
	world_need(deliver_maildir(w->path, &message, &fault) == 0, w, fault.text);
	close(in);
}

static void set_marks(struct world *w)
{
	char uid[MAILDROP_UID_MAX + 1];
	for (size_t i = 0; i < maildrop_count(w->drop); i++)
		for (size_t k = 0; k < MESSAGES; k++)
			if (w->all[k].marked && maildrop_uid(w->drop, i, uid) == 0 &&
				strcmp(uid, w->all[k].uid) == 0)
				maildrop_mark(w->drop, i, true);
}

/* --- the rounds --- */

static bool commit_round(struct world *w, long n)
{
	world_reset(w);
	world_open(w);
	set_marks(w);
	if (w->kase->renamed) {
		char now[NAME_MAX_ + 8];
		snprintf(now, sizeof(now), "%s:2,S", w->all[0].name);
		world_need(renameat(w->part[0], w->all[0].name, w->part[1], now) == 0,
			w, "rename");
	}
	long stops = kill_at(commit, w, n);
	maildrop_close(w->drop);
	world_deliver(w);
	world_check_places(w);
	world_check_opened(w);
	return stops == n;
}

/* A world whose marked messages are kept for undo. */
static void world_committed(struct world *w)
{
	world_reset(w);
	world_open(w);
	set_marks(w);
	commit(w);
}

/* Killed while it gives back: nothing is lost, and a second call does the rest. */
static bool restore_round(struct world *w, long n)
{
	world_committed(w);
	long stops = kill_at(restore, w, n);
	world_look(w);
	for (size_t i = 0; i < w->n; i++)
		if (w->all[i].here + w->all[i].kept == 0)
			world_fail(w, "message %zu is lost", i);
	restore(w);
	world_look(w);
	for (size_t i = 0; i < w->n; i++)
		if (w->all[i].here != 1 || w->all[i].kept != 0)
			world_fail(w, "message %zu is not back", i);
	return stops == n;
}

static bool purge_round(struct world *w, long n)
{
	world_committed(w);
	long stops = kill_at(purge, w, n);
	world_look(w);
	for (size_t i = 0; i < w->n; i++)
		if (w->all[i].here != !w->all[i].marked)
			world_fail(w, "message %zu", i);
	world_check_opened(w);
	return stops == n;
}

static bool deliver_round(struct world *w, long n)
{
	world_reset(w);
	world_deliver(w);
	world_empty(w, w->part[0]); /* its text is known, and it is not there */
	for (size_t i = 0; i < MESSAGES; i++)
		if (w->all[i].fresh)
			world_put(w, &w->all[i]);
	long stops = kill_at(deliver, w, n);
	world_look(w); /* finds the half ones */
	for (size_t i = 0; i < MESSAGES; i++)
		if (w->all[i].here != 1)
			world_fail(w, "message %zu", i);
	if (stops < n)
		world_need(w->all[MESSAGES].here == 1, w, "the delivered message");
	return stops == n;
}

static void every_stop(
	struct world *w, const char *what, bool (*round)(struct world *w, long n))
{
	char when[64];
	long n = 1;
	w->when = when;
	do
		snprintf(when, sizeof(when), "%s killed at stop %ld", what, n);
	while (round(w, n) && (n += STRIDE));
	world_need(n >= 8, w, "too few stops: nothing is hit");
	printf("%s: %s: killed at stops up to %ld\n", w->kase->name, what, n - 1);
}

int main(void)
{
	struct world w;
	setvbuf(stdout, NULL, _IOLBF, 0);
	world_begin(&w);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		w.kase = &cases[i];
		world_reset(&w);
		world_learn_uids(&w);
		w.was_here = w.was_away = 0;
		every_stop(&w, "commit", commit_round);
		world_need(w.was_here && w.was_away, &w, "nothing was hit");
		if (w.kase->undo_seconds) {
			every_stop(&w, "undelete", restore_round);
			every_stop(&w, "purge", purge_round);
		}
	}
	w.kase = &cases[0];
	every_stop(&w, "delivery", deliver_round);
	world_end(&w);
	return 0;
}
