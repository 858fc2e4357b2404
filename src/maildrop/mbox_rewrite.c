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
 * Runs as the mailbox owner. Distrusts the journal as journal.c does, and checks
 * that it belongs to the file: inode, the octets before the first removed one, the
 * octets at the end. Fails with -1 and errno.
 */
#include "maildrop/mbox_rewrite.h"

#include "base/io.h"
#include "maildrop/mbox.h"
#include "maildrop/mbox_id.h"

#include <errno.h>
#include <unistd.h>

struct rewrite {
	int fd;
	struct journal *journal;
	const struct mbox_tuning *tuning;
	unsigned char *block; /* of MBOX_BLOCK octets */
};

static uint64_t first_of(const struct mbox_shift *shift)
{
	return shift->removed[0].from;
}

/* Octets of the mark: it must fit into what is cut off. */
static uint64_t mark_size(const struct mbox_shift *shift)
{
	uint64_t removed = shift->end - shift_size(shift);
	return removed < JOURNAL_MARK ? removed : JOURNAL_MARK;
}

static int size_of(int fd, uint64_t *size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	*size = (uint64_t)st.st_size;
	return 0;
}

/* Hash of the last octets before end, none of them before low. */
static int sum_before(int fd, uint64_t low, uint64_t end, uint64_t *sum)
{
	unsigned char data[MBOX_TAIL_SEEN];
	uint64_t left = end - low;
	size_t want = left < sizeof(data) ? (size_t)left : sizeof(data);
	ssize_t n = io_pread_full(fd, data, want, (off_t)(end - want));

	if (n < 0)
		return -1;
	*sum = mbox_sum_of(span_of(data, (size_t)n));
	return 0;
}

/* Of the octets at the end that no step touches before the cut. */
static int tail_sum(int fd, const struct mbox_shift *shift, uint64_t *sum)
{
	uint64_t low = shift_size(shift) + mark_size(shift);
	return sum_before(fd, low, shift->end, sum);
}

/* --- what a step does ------------------------------------------------------------ */

/* How far a step that is logged goes: until the gap is large enough for the others. */
static uint64_t logged_until(
	const struct mbox_shift *shift, struct mbox_cursor cursor, uint64_t enough)
{
	for (size_t i = cursor.next; i < shift->n; i++) {
		uint64_t to = shift->removed[i].from - cursor.gap;
		cursor.gap += shift->removed[i].length;
		if (cursor.gap >= enough)
			return to;
	}
	return UINT64_MAX;
}

static void plan(const struct mbox_shift *shift, const struct mbox_tuning *tuning,
	struct journal_record *record)
{
	struct mbox_cursor cursor = shift_at(shift, record->from);
	uint64_t size = shift_size(shift), to, until;

	record->logged = cursor.gap < tuning->gap_min + JOURNAL_MARK;
	if (record->logged) {
		to = record->from + tuning->log_max;
		until = logged_until(shift, cursor, tuning->gap_min + JOURNAL_MARK);
		if (until < to)
			to = until;
	} else {
		/* The mark, too, must not meet the step's sources. */
		to = record->from + cursor.gap - JOURNAL_MARK;
	}
	record->to = to < size ? to : size;
	if (record->from == record->to)
		record->logged = false;
}

/* Octets [from, to) of what stays into the log. 0, or -1. */
static int write_log(struct rewrite *w, const struct mbox_shift *shift,
	struct journal_record *record)
{
	struct mbox_cursor cursor = shift_at(shift, record->from);
	struct mbox_sum sum;

	mbox_sum_begin(&sum);
	while (cursor.to < record->to) {
		uint64_t at = cursor.to - record->from, left = record->to - cursor.to;
		size_t n = left < MBOX_BLOCK ? (size_t)left : MBOX_BLOCK;
		if (shift_read(w->fd, shift, &cursor, w->block, n) < 0 ||
			journal_log(w->journal, record->number, at, w->block, n) < 0)
			return -1;
		mbox_sum_add(&sum, span_of(w->block, n));
	}
	record->log_sum = mbox_sum_finish(&sum);
	return 0;
}

/* Writes the record of the next step, for a file of end octets. */
static int record_step(
	struct rewrite *w, enum journal_step step, uint64_t from, uint64_t end)
{
	struct mbox_shift shift = w->journal->shift;
	struct journal_record record = { .number = w->journal->last.number + 1,
		.step = step,
		.from = from,
		.to = from,
		.end = end };

	shift.end = end;
	if (step == JOURNAL_MOVE)
		plan(&shift, w->tuning, &record);
	if (record.logged && write_log(w, &shift, &record) < 0)
		return -1;
	if (tail_sum(w->fd, &shift, &record.tail_sum) < 0)
		return -1;
	return journal_write(w->journal, &record);
}

static int put_octets(struct rewrite *w, const struct journal_record *record)
{
	struct journal *journal = w->journal;
	struct mbox_cursor cursor = shift_at(&journal->shift, record->from);

	for (uint64_t at = record->from; at < record->to;) {
		uint64_t left = record->to - at;
		size_t n = left < MBOX_BLOCK ? (size_t)left : MBOX_BLOCK;
		int result = record->logged ? journal_log_read(journal, record->number,
						      at - record->from, w->block, n)
					    : shift_read(w->fd, &journal->shift,
						      &cursor, w->block, n);
		if (result < 0 || io_pwrite_all(w->fd, w->block, n, (off_t)at) < 0)
			return -1;
		at += n;
	}
	return 0;
}

/* Does the recorded step, for the first time or again. */
static int move(struct rewrite *w)
{
	const struct mbox_shift *shift = &w->journal->shift;
	uint64_t size = shift_size(shift);

	if (put_octets(w, &w->journal->last) < 0)
		return -1;
	if (w->journal->last.to == size && io_pwrite_all(w->fd, w->journal->mark,
						   mark_size(shift), (off_t)size) < 0)
		return -1;
	return fdatasync(w->fd);
}

/* --- from step to step ---------------------------------------------------------------
 */

static int next_step(struct rewrite *w)
{
	const struct journal_record last = w->journal->last;
	struct mbox_shift shift = w->journal->shift;

	if (size_of(w->fd, &shift.end) < 0)
		return -1;
	if (shift.end < last.end) {
		errno = ESTALE;
		return -1;
	}
	uint64_t size = shift_size(&shift);
	if (last.to < size)
		return record_step(w, JOURNAL_MOVE, last.to, shift.end);
	return record_step(w, JOURNAL_CUT, size, shift.end);
}

static int cut(struct rewrite *w)
{
	uint64_t size = shift_size(&w->journal->shift);
	return ftruncate(w->fd, (off_t)size) < 0 ? -1 : fsync(w->fd);
}

/* From the newest record, whose step is not done or not known to be done. */
static int run(struct rewrite *w)
{
	for (;;) {
		uint64_t size;
		if (w->journal->last.step == JOURNAL_MOVE && move(w) < 0)
			return -1;
		if (size_of(w->fd, &size) < 0)
			return -1;
		if (w->journal->last.step == JOURNAL_CUT &&
			size == w->journal->last.end)
			return cut(w);
		if (next_step(w) < 0)
			return -1;
	}
}

static int run_with_block(struct rewrite *w)
{
	w->block = malloc(MBOX_BLOCK);
	if (!w->block)
		return -1;
	int result = run(w);
	int error = errno;
	free(w->block);
	errno = error;
	return result;
}

/* --- commit
 * ------------------------------------------------------------------------------ */

/* How much log the steps will need: its room, and one log or two. */
static unsigned plan_logs(const struct mbox_shift *shift,
	const struct mbox_tuning *tuning, uint64_t *room)
{
	struct journal_record step = { .to = first_of(shift) };
	uint64_t size = shift_size(shift);
	unsigned n = 0;

	*room = 0;
	do {
		step.from = step.to;
		plan(shift, tuning, &step);
		n += step.logged;
		if (step.logged && step.to - step.from > *room)
			*room = step.to - step.from;
	} while (step.to < size);
	/* Mail that is appended between a crash and the recovery may need it. */
	uint64_t least = tuning->log_max < 4096 ? tuning->log_max : 4096;
	if (*room < least)
		*room = least;
	return n < 2 ? n : 2;
}

static int begin(struct rewrite *w, const struct journal_place *place)
{
	struct journal *journal = w->journal;
	unsigned logs = plan_logs(&journal->shift, w->tuning, &journal->log_room);

	if (sum_before(w->fd, 0, first_of(&journal->shift), &journal->head_sum) < 0)
		return -1;
	if (journal_create(journal, place, logs) < 0)
		return -1;
	w->block = malloc(MBOX_BLOCK);
	int result = w->block ? record_step(w, JOURNAL_MOVE, first_of(&journal->shift),
					journal->shift.end)
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
	struct rewrite w = { .fd = fd, .journal = &journal, .tuning = tuning };
	struct stat st;

	if (is_tail(shift))
		return ftruncate(fd, (off_t)first_of(shift)) < 0 ? -1 : fsync(fd);
	if (place->dir < 0) {
		errno = ENOTSUP;
		return -1;
	}
	if (fstat(fd, &st) < 0)
		return -1;
	journal.inode = st.st_ino;
	int result = copy_shift(&journal, shift);
	if (result == 0)
		result = begin(&w, place);
	if (result == 0)
		result = run_with_block(&w);
	if (result == 0)
		result = journal_remove(place);
	journal_close(&journal);
	return result;
}

/* --- recovery
 * -------------------------------------------------------------------------------- */

/* Does the mark stand where an mbox that is not cut has it? 1, 0, -1. */
static int has_mark(int fd, const struct journal *journal)
{
	unsigned char found[JOURNAL_MARK];
	size_t n = (size_t)mark_size(&journal->shift);
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

static enum fit fit(int fd, const struct journal *journal)
{
	struct stat st;
	uint64_t head, tail;

	if (fstat(fd, &st) < 0)
		return FIT_ERROR;
	bool uncut = (uint64_t)st.st_size >= journal->last.end;
	if (journal->last.step == JOURNAL_CUT && uncut) {
		int marked = has_mark(fd, journal);
		if (marked < 0)
			return FIT_ERROR;
		uncut = marked;
	}
	if (!uncut)
		return journal->last.step == JOURNAL_CUT ? FIT_DONE : FIT_NOT;
	if (sum_before(fd, 0, first_of(&journal->shift), &head) < 0 ||
		tail_sum(fd, &journal->shift, &tail) < 0)
		return FIT_ERROR;
	return st.st_ino == journal->inode && head == journal->head_sum &&
			       tail == journal->last.tail_sum
		       ? FIT_GO_ON
		       : FIT_NOT;
}

static int finish(struct rewrite *w, const struct journal_place *place)
{
	/* What the logs hold was decided when they were made. */
	const struct mbox_tuning *given = w->tuning;
	struct mbox_tuning tuning = *given;
	int result;

	switch (fit(w->fd, w->journal)) {
	case FIT_NOT:
		return journal_set_aside(place);
	case FIT_GO_ON:
		if (tuning.log_max > w->journal->log_room)
			tuning.log_max = w->journal->log_room;
		w->tuning = &tuning;
		result = run_with_block(w);
		w->tuning = given;
		return result < 0 ? -1 : journal_remove(place);
	case FIT_DONE:
		return journal_remove(place);
	case FIT_ERROR:
		break;
	}
	return -1;
}

int mbox_recover(
	int fd, const struct journal_place *place, const struct mbox_tuning *tuning)
{
	struct journal journal;
	struct rewrite w = { .fd = fd, .journal = &journal, .tuning = tuning };
	int found = journal_open(&journal, place);

	if (found <= 0)
		return found;
	int result = finish(&w, place);
	journal_close(&journal);
	return result;
}
