/*
 * journal_record: how far a commit has come: two records in turn, each with a sum; of
 * one that was torn the one before it counts. Runs as the mailbox owner; what is read
 * is hostile: it must be what a commit of this journal can have written. Fails with -1
 * and errno.
 */
#include "maildrop/journal_file.h"

#include "base/io.h"
#include "maildrop/mbox_id.h"

#include <errno.h>
#include <unistd.h>

enum {
	RECORD_WORDS = 8,
	READ_ONCE = 64 * 1024, /* octets of the log that are summed at once */
};

struct record {
	uint64_t words[RECORD_WORDS];
	unsigned char sum[JOURNAL_SUM];
};

static off_t record_at(uint64_t number)
{
	return number % 2 ? 2 * JOURNAL_BLOCK : JOURNAL_BLOCK;
}

int journal_write(struct journal *journal, const struct journal_record *record)
{
	struct record r = { .words = { record->number, record->step, record->from,
				    record->to, record->logged, record->log_sum,
				    record->end, record->tail_sum } };

	journal_to_disk(r.words, RECORD_WORDS);
	journal_sum(journal, span_of(r.words, sizeof(r.words)), r.sum);
	if (io_pwrite_all(journal->fd, &r, sizeof(r), record_at(record->number)) < 0 ||
		fdatasync(journal->fd) < 0)
		return -1;
	journal->last = *record;
	journal->shift.end = record->end;
	return 0;
}

/* Is the record one that a commit of this journal can have written? */
static bool is_sound(const struct journal *journal, const struct journal_record *r)
{
	struct mbox_shift shift = journal->shift;

	if (r->end < shift.end || r->end > INT64_MAX)
		return false;
	shift.end = r->end;
	if (r->from > r->to || r->from < shift.removed[0].from ||
		r->to > shift_size(&shift))
		return false;
	return !r->logged || r->to - r->from <= journal->log_room;
}

/* 1; 0: its log is torn; -1. */
static int check_log(struct journal *journal, const struct journal_record *r)
{
	static const size_t most = READ_ONCE;
	unsigned char *block = malloc(most);
	struct mbox_sum sum;
	int result = 1;

	if (!block)
		return -1;
	mbox_sum_begin(&sum);
	for (uint64_t at = 0, n = r->to - r->from; result == 1 && at < n;) {
		size_t part = n - at < most ? (size_t)(n - at) : most;
		if (journal_log_read(journal, r->number, at, block, part) < 0)
			result = errno == EIO ? 0 : -1;
		mbox_sum_add(&sum, span_of(block, part));
		at += part;
	}
	free(block);
	if (result < 1)
		return result;
	return mbox_sum_finish(&sum) == r->log_sum;
}

/* 1: a whole one that counts; 0; -1. */
static int read_record(struct journal *journal, int slot, struct journal_record *out)
{
	struct record r;
	unsigned char sum[JOURNAL_SUM];
	ssize_t n =
		io_pread_full(journal->fd, &r, sizeof(r), record_at((uint64_t)slot));

	if (n < (ssize_t)sizeof(r))
		return n < 0 ? -1 : 0;
	journal_sum(journal, span_of(r.words, sizeof(r.words)), sum);
	if (memcmp(sum, r.sum, JOURNAL_SUM) != 0)
		return 0;
	journal_from_disk(r.words, RECORD_WORDS);
	if (r.words[1] != JOURNAL_MOVE && r.words[1] != JOURNAL_CUT)
		return 0;
	*out = (struct journal_record){ .number = r.words[0],
		.step = (enum journal_step)r.words[1],
		.from = r.words[2],
		.to = r.words[3],
		.logged = r.words[4] != 0,
		.log_sum = r.words[5],
		.end = r.words[6],
		.tail_sum = r.words[7] };
	if (out->number % 2 != (uint64_t)slot || !is_sound(journal, out))
		return 0;
	return out->logged ? check_log(journal, out) : 1;
}

int journal_has_second(struct journal *journal)
{
	static const struct record nothing;
	struct record r = nothing;

	if (io_pread_full(journal->fd, &r, sizeof(r), record_at(2)) < 0)
		return -1;
	return memcmp(&r, &nothing, sizeof(r)) != 0;
}

int journal_read_records(struct journal *journal)
{
	struct journal_record r[2];
	int have[2];

	for (int slot = 0; slot < 2; slot++) {
		have[slot] = read_record(journal, slot, &r[slot]);
		if (have[slot] < 0)
			return -1;
	}
	if (!have[0] && !have[1])
		return 0;
	bool second = have[1] && (!have[0] || r[1].number > r[0].number);
	journal->last = r[second];
	journal->shift.end = journal->last.end;
	return 1;
}
