/*
 * mbox_recover: goes on with a commit that a crash cut off, or finds that it was done,
 * or that the journal is not this file's. See mbox_rewrite.c.
 *
 * Runs as the mailbox owner, under the locks. Distrusts the journal as journal.c does,
 * and checks that it belongs to the file: inode, the octets before the first removed
 * one, the octets at the end. Fails with -1 and errno.
 */
#include "maildrop/mbox_remains.h"

#include "base/io.h"

#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

/* Does the mark stand where an mbox that is not cut has it? 1, 0, -1. */
static int has_mark(int fd, const struct journal *journal)
{
	unsigned char found[JOURNAL_MARK];
	size_t n = (size_t)step_mark_size(&journal->shift);
	ssize_t got = io_pread_full(fd, found, n, (off_t)shift_size(&journal->shift));

	if (got < 0)
		return -1;
	return (size_t)got == n && memcmp(found, journal->mark, n) == 0;
}

enum fit {
	FIT_ERROR = -1,
	FIT_NOT,  /* not the file that the journal was made for */
	FIT_DONE, /* it is cut already */
	FIT_GO_ON,
};

/* Whose mark is not where an uncut mbox has it: it was cut, or another program has
 * moved the mark with the rest. */
static enum fit fit_unmarked(int fd, const struct journal *journal)
{
	uint64_t mark;

	if (remains_find(fd, journal, &mark) < 0)
		return FIT_ERROR;
	return mark == REMAINS_NONE ? FIT_DONE : FIT_NOT;
}

static enum fit fit(int fd, const struct journal *journal)
{
	struct stat st;
	uint64_t head, tail;
	int uncut;

	if (fstat(fd, &st) < 0)
		return FIT_ERROR;
	uncut = (uint64_t)st.st_size >= journal->last.end;
	if (uncut && journal->last.step == JOURNAL_CUT)
		uncut = has_mark(fd, journal);
	if (uncut < 0)
		return FIT_ERROR;
	if (!uncut)
		return journal->last.step == JOURNAL_CUT ? fit_unmarked(fd, journal)
							 : FIT_NOT;
	if (step_sum_before(fd, 0, step_first(&journal->shift), &head) < 0 ||
		step_tail_sum(fd, &journal->shift, &tail) < 0)
		return FIT_ERROR;
	return st.st_ino == journal->inode && head == journal->head_sum &&
			       tail == journal->last.tail_sum
		       ? FIT_GO_ON
		       : FIT_NOT;
}

/* Another program has changed the mbox before this one came. Its octets are let be, but
 * for the mark. */
static int let_be(struct mbox_steps *w, const struct journal_place *place,
	struct maildrop_fault *remark)
{
	uint64_t octets;

	if (journal_set_aside(place) < 0 ||
		remains_remove(w->fd, w->journal, place, w->tuning, &octets) < 0)
		return -1;
	snprintf(remark->text, sizeof(remark->text),
		"another program changed the mbox while a removal was interrupted: its "
		"journal is kept as %.100s.kept; %" PRIu64
		" octets of remains were taken out; messages may be there twice, or "
		"back, or in pieces",
		place->name, octets);
	return 0;
}

static int finish(struct mbox_steps *w, const struct journal_place *place,
	struct maildrop_fault *remark)
{
	/* What the logs hold was decided when they were made. */
	const struct mbox_tuning *given = w->tuning;
	struct mbox_tuning tuning = *given;
	int result;

	switch (fit(w->fd, w->journal)) {
	case FIT_NOT:
		return let_be(w, place, remark);
	case FIT_GO_ON:
		if (tuning.log_max > w->journal->log_room)
			tuning.log_max = w->journal->log_room;
		if (tuning.gap_min > w->journal->log_room)
			tuning.gap_min = w->journal->log_room;
		w->tuning = &tuning;
		result = step_run_all(w);
		w->tuning = given;
		return result < 0 ? -1 : journal_remove(place);
	case FIT_DONE:
		return journal_remove(place);
	case FIT_ERROR:
		break;
	}
	return -1;
}

/*
 * A process that was killed may have left record and octets in memory alone. What the
 * recovery acts on is on the disk first: a record before octets move because of it; the
 * mbox before the journal, which says how to make it whole, loses its name.
 */
static int settle(int fd, const struct journal *journal)
{
	return fdatasync(journal->fd) < 0 ? -1 : fsync(fd);
}

static int keep_damaged(
	const struct journal_place *place, struct maildrop_fault *remark)
{
	snprintf(remark->text, sizeof(remark->text),
		"the journal of an interrupted removal is damaged: kept as "
		"%.100s.kept; "
		"the mbox may hold pieces of messages",
		place->name);
	return journal_set_aside(place);
}

int mbox_recover(int fd, const struct journal_place *place,
	const struct mbox_tuning *tuning, struct maildrop_fault *remark)
{
	struct journal journal;
	struct mbox_steps w = { .fd = fd, .journal = &journal, .tuning = tuning };

	remark->text[0] = '\0';
	int found = journal_open(&journal, place);
	if (found == JOURNAL_DAMAGED)
		return keep_damaged(place, remark);
	if (found != JOURNAL_FOUND)
		return found;
	int result = settle(fd, &journal);
	if (result == 0)
		result = finish(&w, place, remark);
	journal_close(&journal);
	return result;
}
