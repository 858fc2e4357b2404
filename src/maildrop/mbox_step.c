/*
 * mbox_step: one step of a commit: what it moves, its record, the moving; and from step
 * to step until the mbox is cut. See mbox_rewrite.c for why they can be done again.
 *
 * Runs as the mailbox owner, under the locks. Fails with -1 and errno.
 */
#include "maildrop/mbox_step.h"

#include "base/io.h"
#include "maildrop/mbox.h"
#include "maildrop/mbox_id.h"
#include "maildrop/mbox_lock.h"

#include <errno.h>
#include <unistd.h>

uint64_t step_first(const struct mbox_shift *shift)
{
	return shift->removed[0].from;
}

uint64_t step_mark_size(const struct mbox_shift *shift)
{
	uint64_t removed = shift->end - shift_size(shift);
	return removed < JOURNAL_MARK ? removed : JOURNAL_MARK;
}

int step_sum_before(int fd, uint64_t low, uint64_t end, uint64_t *sum)
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

int step_tail_sum(int fd, const struct mbox_shift *shift, uint64_t *sum)
{
	uint64_t low = shift_size(shift) + step_mark_size(shift);
	return step_sum_before(fd, low, shift->end, sum);
}

/* --- what a step does --- */

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

void step_plan(const struct mbox_shift *shift, const struct mbox_tuning *tuning,
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
static int write_log(struct mbox_steps *w, const struct mbox_shift *shift,
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

int step_record(
	struct mbox_steps *w, enum journal_step step, uint64_t from, uint64_t end)
{
	struct mbox_shift shift = w->journal->shift;
	struct journal_record record = { .number = w->journal->last.number + 1,
		.step = step,
		.from = from,
		.to = from,
		.end = end };

	shift.end = end;
	if (step == JOURNAL_MOVE)
		step_plan(&shift, w->tuning, &record);
	if (record.logged && write_log(w, &shift, &record) < 0)
		return -1;
	if (step_tail_sum(w->fd, &shift, &record.tail_sum) < 0)
		return -1;
	return journal_write(w->journal, &record);
}

static int put_octets(struct mbox_steps *w, const struct journal_record *record)
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
static int move(struct mbox_steps *w)
{
	const struct mbox_shift *shift = &w->journal->shift;
	uint64_t size = shift_size(shift);

	if (put_octets(w, &w->journal->last) < 0)
		return -1;
	if (w->journal->last.to == size &&
		io_pwrite_all(w->fd, w->journal->mark, step_mark_size(shift),
			(off_t)size) < 0)
		return -1;
	return fdatasync(w->fd);
}

/* --- from step to step --- */

static int size_of(int fd, uint64_t *size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	*size = (uint64_t)st.st_size;
	return 0;
}

static int next_step(struct mbox_steps *w)
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
		return step_record(w, JOURNAL_MOVE, last.to, shift.end);
	return step_record(w, JOURNAL_CUT, size, shift.end);
}

static int cut(struct mbox_steps *w)
{
	uint64_t size = shift_size(&w->journal->shift);
	return ftruncate(w->fd, (off_t)size) < 0 ? -1 : fsync(w->fd);
}

/* From the newest record, whose step is not done or not known to be done. */
static int run(struct mbox_steps *w)
{
	for (;;) {
		uint64_t size;
		if (w->journal->last.step == JOURNAL_MOVE && move(w) < 0)
			return -1;
		if (w->journal->last.step == JOURNAL_CUT && w->tuning->lock)
			mbox_lock_settle(w->tuning->lock);
		if (size_of(w->fd, &size) < 0)
			return -1;
		if (w->journal->last.step == JOURNAL_CUT &&
			size == w->journal->last.end)
			return cut(w);
		if (next_step(w) < 0)
			return -1;
	}
}

int step_run_all(struct mbox_steps *w)
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
