/*
 * mbox: the driver of mbox files. Runs in the session, as the mailbox owner, who
 * owns the file, can change it at any time and is not believed about anything.
 *
 * Open reads the file once (mbox_scan.c) under the locks that other mail programs
 * take (mbox_lock.c) and lets go of them: delivery goes on during the session.
 * What is appended is no part of the snapshot. Any other change is found out by
 * mbox_check.c: ESTALE, and nothing is served or deleted. Commit: mbox_commit.c.
 *
 * A link, a directory, a device or a FIFO is no mbox; neither is a file that does
 * not begin with a "From " line. A missing file is an empty maildrop.
 */
#include "maildrop/mbox.h"

#include "base/io.h"
#include "base/pages.h"
#include "maildrop/mbox_cache.h"
#include "maildrop/mbox_id.h"
#include "maildrop/mbox_lock.h"
#include "maildrop/mbox_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { OPEN_TRIES = 3 };

static int refuse(
	struct maildrop *drop, struct maildrop_fault *fault, int error, const char *why)
{
	snprintf(fault->text, sizeof(fault->text), "mbox %.400s: %s", drop->path, why);
	errno = error;
	return -1;
}

/* Looked at before it is opened: to open a device can be an act. */
static int check_kind(
	struct maildrop *drop, struct maildrop_fault *fault, const struct stat *st)
{
	if (S_ISREG(st->st_mode))
		return 0;
	if (S_ISLNK(st->st_mode))
		return refuse(drop, fault, ELOOP, "a symbolic link, not followed");
	if (S_ISDIR(st->st_mode))
		return refuse(drop, fault, EISDIR, "a directory, not an mbox file");
	return refuse(drop, fault, EINVAL, "not a regular file");
}

static int open_file(const char *path, int flags)
{
	return open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* By its mode; who is refused all the same has a wall around another file, the one that
 * had the name when the session began. The next session gets a wall of its own. */
static bool may_read(const struct stat *st)
{
	return st->st_uid == geteuid() && (st->st_mode & S_IRUSR);
}

/* 0 with box->fd -1 when there is none. */
static int open_mbox(struct maildrop *drop, struct maildrop_fault *fault)
{
	struct mbox *box = drop->own;

	if (lstat(drop->path, &box->seen) < 0)
		return errno == ENOENT ? 0 : maildrop_fail(fault, "open", drop->path);
	if (check_kind(drop, fault, &box->seen) < 0)
		return -1;
	box->fd = open_file(drop->path, O_RDWR);
	box->writable = box->fd >= 0;
	if (box->fd < 0 && (errno == EACCES || errno == EPERM || errno == EROFS))
		box->fd = open_file(drop->path, O_RDONLY);
	if (box->fd < 0 && errno == EACCES && may_read(&box->seen))
		return refuse(drop, fault, EAGAIN,
			"replaced by another file since the session began");
	if (box->fd < 0)
		return errno == ENOENT ? 0 : maildrop_fail(fault, "open", drop->path);
	if (fstat(box->fd, &box->seen) < 0)
		return maildrop_fail(fault, "stat", drop->path);
	return check_kind(drop, fault, &box->seen);
}

static struct mbox_line *add_line(struct mbox *box, size_t i)
{
	if (i == box->room) {
		size_t room = box->room < 32 ? 32 : box->room + box->room / 2;
		struct mbox_line *lines = pages_grow(box->lines,
			i * sizeof(*box->lines), room * sizeof(*box->lines));
		if (!lines)
			return NULL;
		box->lines = lines;
		box->room = room;
	}
	return &box->lines[i];
}

static int add_message(void *self, const struct mbox_found *found)
{
	struct maildrop *drop = self;
	struct mbox *box = drop->own;

	if (found->internal)
		return 0;
	struct mbox_line *line = add_line(box, drop->count);
	struct maildrop_message *message = line ? maildrop_append(drop) : NULL;
	if (!message)
		return -1;
	*line = (struct mbox_line){ .from = found->from, .sum = found->sum };
	message->at = found->at;
	message->stored = found->stored;
	message->size = found->size;
	message->id[0] = found->id[0];
	message->id[1] = found->id[1];
	if (!box->former)
		mbox_known_id(drop, message->id);
	return 0;
}

static int scan(struct maildrop *drop, uint64_t from, struct maildrop_fault *fault)
{
	struct mbox *box = drop->own;
	const struct mbox_extent extent = { box->fd, from, box->end, MBOX_FORM_WIRE };

	(void)posix_fadvise(box->fd, (off_t)from, 0, POSIX_FADV_SEQUENTIAL);
	if (mbox_scan(&extent, add_message, drop) == 0)
		return 0;
	if (errno == EINVAL)
		return refuse(drop, fault, EINVAL,
			"not an mbox: it does not begin with \"From \"");
	return maildrop_fail(fault, "read", drop->path);
}

/* Under the locks. */
static int read_snapshot(struct maildrop *drop, struct maildrop_fault *fault)
{
	struct mbox *box = drop->own;

	if (fstat(box->fd, &box->seen) < 0)
		return maildrop_fail(fault, "stat", drop->path);
	box->end = (uint64_t)box->seen.st_size;
	uint64_t from = mbox_cache_load(drop);
	box->fresh = from < box->end;
	if (box->fresh && scan(drop, from, fault) < 0)
		return -1;
	if (box->former && mbox_known_learn(drop) < 0)
		return maildrop_fail(fault, "keep the unique-ids of", drop->path);
	if (mbox_tail_sum(box->fd, box->end, &box->tail) < 0)
		return maildrop_fail(fault, "read", drop->path);
	return 0;
}

/* A commit that a crash interrupted is finished before anything is read. */
static int recover(struct maildrop *drop, struct maildrop_fault *fault)
{
	struct mbox *box = drop->own;
	struct maildrop_fault remark;
	struct journal journal;

	if (box->writable) {
		int result =
			mbox_recover(box->fd, &box->journal, &box->tuning, &remark);
		if (remark.text[0])
			drop->remark = strdup(remark.text);
		return result == 0 ? 0
				   : maildrop_fail(fault,
					     "finish the interrupted commit of",
					     drop->path);
	}
	if (journal_open(&journal, &box->journal) != JOURNAL_FOUND)
		return 0;
	journal_close(&journal);
	return refuse(drop, fault, EACCES,
		"an interrupted commit cannot be finished: not writable");
}

int mbox_check_name(struct maildrop *drop, struct maildrop_fault *fault)
{
	const struct mbox *box = drop->own;
	struct stat st;

	if (lstat(drop->path, &st) < 0)
		return maildrop_fail(fault, "stat", drop->path);
	if (st.st_ino == box->seen.st_ino && st.st_dev == box->seen.st_dev)
		return 0;
	return refuse(drop, fault, ESTALE, "replaced by another file meanwhile");
}

/* Opens and locks. The file may get a successor while its lock is waited for, by a
 * program that has it: that one is then the mbox. 0, with box->fd -1 when there is
 * none. */
static int open_locked(
	struct maildrop *drop, struct mbox_lock *lock, struct maildrop_fault *fault)
{
	struct mbox *box = drop->own;

	for (int tries = 0; tries < OPEN_TRIES; tries++) {
		if (open_mbox(drop, fault) < 0)
			return -1;
		if (box->fd < 0)
			return 0;
		if (mbox_lock(lock, box->fd, drop->path, box->writable,
			    io_now() + MBOX_LOCK_SECONDS * 1000) < 0)
			return maildrop_fail(fault, "lock", drop->path);
		if (mbox_check_name(drop, fault) == 0)
			return 0;
		mbox_unlock(lock);
		io_close(&box->fd);
	}
	return refuse(drop, fault, EAGAIN, "replaced again and again");
}

static int open_snapshot(struct maildrop *drop, struct maildrop_fault *fault)
{
	struct mbox *box = drop->own;
	struct mbox_lock lock;

	if (open_locked(drop, &lock, fault) < 0)
		return -1;
	if (box->fd < 0)
		return 0;
	box->tuning.lock = &lock;
	int result = recover(drop, fault);
	box->tuning.lock = NULL;
	if (result == 0)
		result = read_snapshot(drop, fault);
	mbox_unlock(&lock);
	if (result == 0 && box->fresh)
		mbox_cache_store(drop);
	return result;
}

static int open_drop(struct maildrop *drop, struct maildrop_fault *fault)
{
	struct mbox *box;

	if (maildrop_name_is_taken(MAILDROP_MBOX, drop->path))
		return refuse(drop, fault, EINVAL,
			"the name of another mbox's lock or journal");
	box = calloc(1, sizeof(*box));
	if (!box)
		return maildrop_fail(fault, "open", drop->path);
	box->fd = -1;
	box->tuning = MBOX_TUNING;
	journal_place(&box->journal, drop->state, drop->path);
	drop->own = box;
	return open_snapshot(drop, fault);
}

static void close_drop(struct maildrop *drop)
{
	struct mbox *box = drop->own;

	if (!box)
		return;
	io_close(&box->fd);
	journal_place_close(&box->journal);
	free(box->lines);
	free(box->twins);
	mbox_known_free(&box->known);
	free(box);
	drop->own = NULL;
}

static int give_uid(struct maildrop *drop, size_t i, char uid[MAILDROP_UID_MAX + 1])
{
	struct mbox *box = drop->own;

	if (!box->twins)
		box->twins = mbox_id_twins(drop->messages, drop->count);
	if (!box->twins)
		return -1;
	mbox_id_text(drop->messages[i].id, box->twins[i], uid);
	return 0;
}

static int body_open(struct maildrop *drop, size_t i, struct maildrop_body *body,
	struct maildrop_fault *fault)
{
	struct mbox *box = drop->own;
	const struct maildrop_message *message = &drop->messages[i];

	if (mbox_verify(drop, i, i + 1, fault) < 0)
		return -1;
	mbox_sent_begin(box);
	*body = (struct maildrop_body){ .fd = box->fd,
		.watch = drop,
		.offset = message->at,
		.end = message->at + message->stored };
	return 0;
}

const struct maildrop_driver maildrop_mbox = {
	.kind = MAILDROP_MBOX,
	.name = "mbox",
	.open = open_drop,
	.close = close_drop,
	.uid = give_uid,
	.body_open = body_open,
	.body_seen = mbox_sent_add,
	.body_check = mbox_verify_sent,
	.commit = mbox_commit,
};
