/*
 * mbox_check: is the file still what the snapshot says? Another program may move its
 * messages and leave every "From " line where one stood: mails of one second, one
 * sender and one length have equal lines. So the places are compared with more than the
 * line, and whoever sends or removes a message of a file that was changed compares its
 * unique-id.
 *
 * Looked at is, from the cheapest on: the file's size and times; its end as it was; the
 * first octets of the messages that are asked for (of one whose notes were changed in
 * place, the whole); the octets that are sent or removed.
 *
 * Runs as the mailbox owner. Distrusts the file and the cache. Fails with -1, errno and
 * a text.
 */
#include "maildrop/mbox.h"

#include "base/io.h"
#include "maildrop/cache.h"
#include "maildrop/mbox_known.h"
#include "maildrop/mbox_scan.h"

#include <errno.h>

enum { STEADY_TRIES = 5 };

static int changed(struct maildrop *drop, struct maildrop_fault *fault)
{
	snprintf(fault->text, sizeof(fault->text),
		"mbox %.400s: changed by another program during the session",
		drop->path);
	errno = ESTALE;
	return -1;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool untouched(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && same_time(a->st_mtim, b->st_mtim) &&
	       same_time(a->st_ctim, b->st_ctim);
}

/* --- one message --------------------------------------------------------------------
 */

/* What a scan of one message's octets must find, and whether it did. */
struct wanted {
	struct maildrop *drop;
	const struct maildrop_message *message;
	size_t found;
	bool same;
};

static int compare(void *self, const struct mbox_found *found)
{
	struct wanted *wanted = self;
	uint64_t id[2] = { found->id[0], found->id[1] };

	mbox_known_id(wanted->drop, id);
	wanted->same = wanted->found++ == 0 && found->at == wanted->message->at &&
		       found->stored == wanted->message->stored &&
		       id[0] == wanted->message->id[0] &&
		       id[1] == wanted->message->id[1];
	return 0;
}

int mbox_check_message(struct maildrop *drop, size_t i, uint64_t end)
{
	const struct mbox *box = drop->own;
	struct wanted wanted = { .drop = drop, .message = &drop->messages[i] };
	const struct mbox_extent extent = { .fd = box->fd,
		.start = box->lines[i].from,
		.end = i + 1 < drop->count ? box->lines[i + 1].from : end,
		.form = MBOX_FORM_WIRE };

	if (mbox_scan(&extent, compare, &wanted) == 0)
		return wanted.same;
	return errno == EINVAL || errno == EAGAIN ? 0 : -1;
}

/* 1: its beginning still stands there; 0: not; -1 with errno. */
static int check_head(struct maildrop *drop, size_t i)
{
	const struct mbox *box = drop->own;
	const struct maildrop_message *message = &drop->messages[i];
	unsigned char data[MBOX_HEAD_SEEN];
	uint64_t n = message->at + message->stored - box->lines[i].from;
	size_t want = n < sizeof(data) ? (size_t)n : sizeof(data);
	ssize_t got = io_pread_full(box->fd, data, want, (off_t)box->lines[i].from);

	if (got < 0)
		return -1;
	return (size_t)got == want &&
	       mbox_sum_of(span_of(data, want)) == box->lines[i].sum;
}

int mbox_check_heads(struct maildrop *drop, size_t first, size_t last, uint64_t end)
{
	for (size_t i = last; i-- > first;) {
		int same = check_head(drop, i);
		if (same == 0) /* maybe no more than a flag in its header */
			same = mbox_check_message(drop, i, end);
		if (same <= 0)
			return same;
	}
	return 1;
}

/* --- several ------------------------------------------------------------------------
 */

int mbox_tail_sum(int fd, uint64_t end, uint64_t *sum)
{
	unsigned char data[MBOX_TAIL_SEEN];
	size_t want = end < sizeof(data) ? (size_t)end : sizeof(data);
	ssize_t n = io_pread_full(fd, data, want, (off_t)(end - want));

	if (n < 0)
		return -1;
	if ((size_t)n < want) {
		errno = EAGAIN;
		return -1;
	}
	*sum = mbox_sum_of(span_of(data, want));
	return 0;
}

static int check_places(
	struct maildrop *drop, const struct stat *now, size_t first, size_t last)
{
	const struct mbox *box = drop->own;
	uint64_t tail;

	if ((uint64_t)now->st_size < box->end)
		return 0;
	if (mbox_tail_sum(box->fd, box->end, &tail) < 0)
		return errno == EAGAIN ? 0 : -1;
	if (tail != box->tail)
		return 0;
	if (last > drop->count)
		last = drop->count;
	return mbox_check_heads(drop, first, last, box->end);
}

int mbox_verify(
	struct maildrop *drop, size_t first, size_t last, struct maildrop_fault *fault)
{
	struct mbox *box = drop->own;
	struct stat now;

	if (fstat(box->fd, &now) < 0)
		return maildrop_fail(fault, "stat", drop->path);
	if (untouched(&now, &box->seen))
		return 0;
	box->touched = true;
	int same = check_places(drop, &now, first, last);
	if (same < 0)
		return maildrop_fail(fault, "read", drop->path);
	return same ? 0 : changed(drop, fault);
}

static bool is_doubtful(const struct mbox *box, size_t i)
{
	return box->touched || i < box->believed;
}

int mbox_verify_marked(struct maildrop *drop, struct maildrop_fault *fault)
{
	const struct mbox *box = drop->own;

	for (size_t i = 0; i < drop->count; i++) {
		if (!drop->messages[i].marked || !is_doubtful(box, i))
			continue;
		int same = mbox_check_message(drop, i, box->end);
		if (same < 0)
			return maildrop_fail(fault, "read", drop->path);
		if (!same) {
			cache_forget(drop);
			return changed(drop, fault);
		}
	}
	return 0;
}

/* --- what is sent -------------------------------------------------------------------
 */

void mbox_sent_begin(struct mbox *box)
{
	box->sent = (struct mbox_sent){ 0 };
}

/* While the file is untouched, what is read of it is the snapshot's. */
void mbox_sent_add(struct maildrop *drop, uint64_t at, struct span octets)
{
	struct mbox *box = drop->own;
	struct mbox_sent *sent = &box->sent;
	struct stat now;

	if (!sent->summed) {
		if (fstat(box->fd, &now) == 0 && untouched(&now, &box->seen))
			return;
		sent->summed = true;
		sent->from = sent->to = at;
		mbox_sum_begin(&sent->sum);
	}
	mbox_sum_add(&sent->sum, octets);
	sent->to += octets.n;
}

/* Are the octets that were sent those that stand in the file? 1, 0, -1. */
static int check_sent(struct mbox *box)
{
	struct mbox_sent *sent = &box->sent;
	struct mbox_sum sum;
	uint64_t at = sent->from;

	if (!sent->summed)
		return 1;
	unsigned char *block = malloc(MBOX_BLOCK);
	if (!block)
		return -1;
	mbox_sum_begin(&sum);
	while (at < sent->to) {
		uint64_t left = sent->to - at;
		size_t want = left < MBOX_BLOCK ? (size_t)left : MBOX_BLOCK;
		ssize_t n = io_pread_full(box->fd, block, want, (off_t)at);
		if (n <= 0)
			break;
		mbox_sum_add(&sum, span_of(block, (size_t)n));
		at += (uint64_t)n;
	}
	free(block);
	struct mbox_sum copy = sent->sum;
	return at == sent->to && mbox_sum_finish(&sum) == mbox_sum_finish(&copy);
}

/* Is the message, as it stands there now, the snapshot's, and was it sent so? Both are
 * read while nobody writes. 1, 0, -1. */
static int check_body(struct maildrop *drop, size_t i, const struct stat *now)
{
	struct mbox *box = drop->own;
	struct stat before = *now, after;

	for (int tries = 0; tries < STEADY_TRIES; tries++) {
		int same = mbox_check_message(drop, i, box->end);
		if (same > 0)
			same = check_sent(box);
		if (same <= 0)
			return same;
		if (fstat(box->fd, &after) < 0)
			return -1;
		if (untouched(&before, &after))
			return 1;
		before = after;
	}
	return 0;
}

int mbox_verify_sent(struct maildrop *drop, size_t i, struct maildrop_fault *fault)
{
	struct mbox *box = drop->own;
	struct stat now;

	if (mbox_verify(drop, i, i + 1, fault) < 0)
		return -1;
	if (!is_doubtful(box, i) || (i >= box->believed && !box->sent.summed))
		return 0;
	if (fstat(box->fd, &now) < 0)
		return maildrop_fail(fault, "stat", drop->path);
	int same = check_body(drop, i, &now);
	if (same < 0)
		return maildrop_fail(fault, "read", drop->path);
	if (same)
		return 0;
	cache_forget(drop); /* the next open reads all */
	return changed(drop, fault);
}
