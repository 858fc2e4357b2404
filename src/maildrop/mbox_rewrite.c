/*
 * mbox_rewrite: a commit in steps, each of which can be done again. What stays
 * moves to the front; a step moves as many octets as fit before the place that they
 * come from, so that doing it again finds them there. Where that is too little (a small
 * message removed near the front), the step's octets go to the journal first.
 *
 *   the step's record (and log) is written to the journal; flush
 *   the octets are written to their place in the mbox; flush
 *   ... next step; with the last one the mark is written behind them
 *   a record that says so; flush
 *   the mbox is cut; flush; the journal is removed
 *
 * Recovery does the newest recorded step again and goes on. Until the cut no octet at
 * or behind the old end is touched, so mail that an agent appended after a crash
 * stands there and is moved like all that stays. Whether the cut was done is not
 * told by the size (mail may have been appended since) but by the mark, random
 * octets that only an uncut mbox has at that place.
 *
 * Rejected: to write what stays to a new file and rename it (the owner can't make
 * files in /var/mail, and an agent that waits for the lock would deliver into the
 * old inode); to log everything (twice the octets).
 *
 * Here is how a commit begins; its steps are in mbox_step.c, what the next open does
 * after a crash in mbox_recover.c. Runs as the mailbox owner. Fails with -1 and errno.
 */
#include "maildrop/mbox_rewrite.h"

#include "maildrop/mbox.h"
#include "maildrop/mbox_step.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LOG_LEAST = 4096,  /* octets of a log that is not worth being smaller */
	STEPS_MOST = 4096, /* of a commit on a full disk; each is flushed twice */
};

/* How much log the steps will need: its room, and one log or two. */
static unsigned plan_logs(const struct mbox_shift *shift,
	const struct mbox_tuning *tuning, uint64_t *room, unsigned *steps)
{
	struct journal_record step = { .to = step_first(shift) };
	uint64_t size = shift_size(shift);
	unsigned n = 0;

	*room = 0;
	*steps = 0;
	do {
		step.from = step.to;
		step_plan(shift, tuning, &step);
		n += step.logged;
		if (step.logged && step.to - step.from > *room)
			*room = step.to - step.from;
		++*steps;
	} while (step.to < size);
	/* Mail that is appended between a crash and the recovery may need it. */
	uint64_t least = tuning->log_max < LOG_LEAST ? tuning->log_max : LOG_LEAST;
	if (*room < least)
		*room = least;
	return n < 2 ? n : 2;
}

/*
 * Makes the journal. Where there is no room for its logs, with smaller ones: less is
 * logged at once, and octets are moved without from a smaller distance on. In more
 * steps; whoever deletes on a full disk does it to make room.
 */
static int make_journal(struct journal *journal, const struct journal_place *place,
	struct mbox_tuning *tuning)
{
	for (bool first = true;; first = false) {
		unsigned steps, logs = plan_logs(&journal->shift, tuning,
					&journal->log_room, &steps);
		if (!first && steps > STEPS_MOST) {
			errno = ENOSPC;
			return -1;
		}
		if (journal_create(journal, place, logs) == 0)
			return 0;
		if ((errno != ENOSPC && errno != EDQUOT) ||
			tuning->log_max / 2 < LOG_LEAST)
			return -1;
		tuning->log_max /= 2;
		if (tuning->gap_min > tuning->log_max)
			tuning->gap_min = tuning->log_max;
	}
}

static int begin(struct mbox_steps *w, const struct journal_place *place,
	struct mbox_tuning *tuning)
{
	struct journal *journal = w->journal;

	if (step_sum_before(w->fd, 0, step_first(&journal->shift), &journal->head_sum) <
		0)
		return -1;
	if (make_journal(journal, place, tuning) < 0)
		return -1;
	w->block = malloc(MBOX_BLOCK);
	int result = w->block ? step_record(w, JOURNAL_MOVE,
					step_first(&journal->shift), journal->shift.end)
			      : -1;
	int error = errno;
	free(w->block);
	if (result < 0)
		(void)journal_remove(place); /* the mbox is as it was */
	errno = error;
	return result;
}

/* All that is removed is at the end: one call does it, wholly or not at all. */
static bool is_tail(const struct mbox_shift *shift)
{
	return shift->n == 1 &&
	       shift->removed[0].from + shift->removed[0].length == shift->end;
}

static int copy_shift(struct journal *journal, const struct mbox_shift *shift)
{
	journal->shift = *shift;
	journal->shift.removed = malloc(shift->n * sizeof(*shift->removed));
	if (!journal->shift.removed)
		return -1;
	memcpy(journal->shift.removed, shift->removed,
		shift->n * sizeof(*shift->removed));
	return 0;
}

int mbox_rewrite(int fd, const struct mbox_shift *shift,
	const struct journal_place *place, const struct mbox_tuning *tuning)
{
	struct journal journal = { .fd = -1 };
	struct mbox_tuning fitted = *tuning;
	struct mbox_steps w = { .fd = fd, .journal = &journal, .tuning = &fitted };
	struct stat st;

	if (is_tail(shift))
		return ftruncate(fd, (off_t)step_first(shift)) < 0 ? -1 : fsync(fd);
	if (place->dir < 0) {
		errno = ENOTSUP;
		return -1;
	}
	if (fstat(fd, &st) < 0)
		return -1;
	journal.inode = st.st_ino;
	int result = copy_shift(&journal, shift);
	if (result == 0)
		result = begin(&w, place, &fitted);
	if (result == 0)
		result = step_run_all(&w);
	if (result == 0)
		result = journal_remove(place);
	journal_close(&journal);
	return result;
}
