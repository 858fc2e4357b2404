/*
 * mbox_commit: which octets a commit removes, and whether it may. The snapshot is
 * compared with the file once more, under the locks: what was appended stays, any
 * other change ends the commit before it began. How the octets are removed and what
 * a crash leaves: mbox_rewrite.c.
 *
 * Runs as the mailbox owner. Fails with -1, errno and a text.
 */
#include "maildrop/mbox.h"

#include "base/io.h"
#include "maildrop/mbox_cache.h"
#include "maildrop/mbox_lock.h"

#include <errno.h>

enum { SEAM = 64 }; /* octets that are looked at where something was appended */

/* Where message i ends with everything that belongs to it. */
static uint64_t end_of(const struct maildrop *drop, size_t i)
{
	const struct mbox *box = drop->own;
	return i + 1 < drop->count ? box->lines[i + 1].from : box->end;
}

static int make_shift(struct maildrop *drop, uint64_t size, struct mbox_shift *shift)
{
	const struct mbox *box = drop->own;
	*shift = (struct mbox_shift){ .end = size };
	shift->removed = calloc(drop->marked, sizeof(*shift->removed));
	if (!shift->removed)
		return -1;
	for (size_t i = 0; i < drop->count; i++) {
		uint64_t from = box->lines[i].from, length = end_of(drop, i) - from;
		if (!drop->messages[i].marked)
			continue;
		struct mbox_range *last =
			shift->n ? &shift->removed[shift->n - 1] : NULL;
		if (last && last->from + last->length == from)
			last->length += length;
		else
			shift->removed[shift->n++] =
				(struct mbox_range){ .from = from, .length = length };
	}
	return 0;
}

static int rewrite(struct maildrop *drop, struct maildrop_fault *fault)
{
	struct mbox *box = drop->own;
	struct mbox_shift shift;
	struct stat st;

	mbox_lock_settle(box->tuning.lock);
	if (fstat(box->fd, &st) < 0)
		return maildrop_fail(fault, "stat", drop->path);
	if (make_shift(drop, (uint64_t)st.st_size, &shift) < 0)
		return maildrop_fail(fault, "rewrite", drop->path);
	int result = mbox_rewrite(box->fd, &shift, &box->journal, &box->tuning);
	free(shift.removed);
	if (result < 0 && errno == ENOTSUP) {
		snprintf(fault->text, sizeof(fault->text),
			"rewrite %.400s: no directory for a journal", drop->path);
		return -1;
	}
	return result < 0 ? maildrop_fail(fault, "rewrite", drop->path) : 0;
}

/* Does a message begin behind the first octet, the snapshot's last one, and maybe empty
 * lines? */
static bool begins_message(struct span seam)
{
	if (seam.n == 0 || seam.p[0] != '\n')
		return false;
	while (seam.n && (seam.p[0] == '\n' || seam.p[0] == '\r'))
		seam = span_tail(seam, 1);
	return span_is(span_head(seam, 5), "From ");
}

/*
 * An agent that takes no lock of ours may have written half of the last message when
 * the snapshot was taken, and the rest since. To remove the one half would leave the
 * other, as a part of the message before or as a file that is no mbox.
 */
static int check_last(struct maildrop *drop, struct maildrop_fault *fault)
{
	const struct mbox *box = drop->own;
	unsigned char seam[SEAM];

	if (!drop->messages[drop->count - 1].marked)
		return 0;
	ssize_t n = io_pread_full(box->fd, seam, sizeof(seam), (off_t)box->end - 1);
	if (n < 0)
		return maildrop_fail(fault, "read", drop->path);
	if (n == 1 || begins_message(span_of(seam, (size_t)n)))
		return 0; /* nothing came, or mail */
	snprintf(fault->text, sizeof(fault->text),
		"mbox %.400s: its last message has grown during the session",
		drop->path);
	errno = ESTALE;
	return -1;
}

static int commit_locked(struct maildrop *drop, struct maildrop_fault *fault)
{
	if (mbox_check_name(drop, fault) < 0 ||
		mbox_verify(drop, 0, drop->count, fault) < 0 ||
		check_last(drop, fault) < 0 || mbox_verify_marked(drop, fault) < 0)
		return -1;
	if (rewrite(drop, fault) < 0)
		return -1;
	mbox_cache_committed(drop);
	return 0;
}

int mbox_commit(
	struct maildrop *drop, struct maildrop_done *done, struct maildrop_fault *fault)
{
	struct mbox *box = drop->own;
	struct mbox_lock lock;
	size_t marked = drop->marked;

	done->failed = marked;
	if (!box->writable) {
		errno = EACCES;
		return maildrop_fail(fault, "write", drop->path);
	}
	if (mbox_lock(&lock, box->fd, drop->path, true,
		    io_now() + MBOX_LOCK_SECONDS * 1000) < 0)
		return maildrop_fail(fault, "lock", drop->path);
	box->tuning.lock = &lock;
	int result = commit_locked(drop, fault);
	box->tuning.lock = NULL;
	mbox_unlock(&lock);
	if (result == 0)
		*done = (struct maildrop_done){ .removed = marked };
	return result;
}
