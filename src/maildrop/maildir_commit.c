/*
 * maildir_commit: removes the marked messages, or puts them where undo (undo.h) finds
 * them. Nothing else is touched: an interruption at any point leaves each marked
 * message where it was, or gone; others are as they were.
 *
 * Runs as the mailbox owner, behind a QUIT. Messages that other agents rename
 * meanwhile are found again; what somebody else removed counts as removed.
 */
#include "maildrop/maildir.h"
#include "maildrop/undo.h"

#include "base/io.h"

#include <errno.h>
#include <unistd.h>

enum { MAILDIR_FREE_MOST = 10000 /* kept messages that one session frees */ };

int maildir_fail(struct maildrop *drop, const struct maildrop_message *message,
	const char *what, struct maildrop_fault *fault)
{
	struct maildir *maildir = drop->own;
	char path[MAILDROP_PATH_MAX + LISTING_NAME_MAX + 8];
	snprintf(path, sizeof(path), "%s/%s/%s", drop->path,
		listing_dir(message) == LISTING_NEW ? "new" : "cur",
		listing_name(&maildir->listing, message));
	return maildrop_fail(fault, what, path);
}

/* Where deleted messages are kept; -1: nowhere, then or on this file system. */
static int open_undo(const struct maildrop *drop)
{
	if (drop->undo_seconds == 0)
		return -1;
	int undo = undo_open(drop->path, true);
	if (undo >= 0 && undo_is_tight(undo))
		io_close(&undo);
	if (undo >= 0)
		undo_note(drop->state, drop->path);
	return undo;
}

/*
 * 1 when it is gone, 0 when nothing has its name, -1 with errno. What can't be kept
 * is removed: whoever deletes mail, perhaps because the disk is full, means it.
 */
static int remove_message(
	const struct maildir *maildir, const struct maildrop_message *message)
{
	int which = listing_dir(message), dir = maildir->listing.dirs[which];
	const char *name = listing_name(&maildir->listing, message);
	if (dir < 0)
		return 0;
	if (maildir->undo >= 0 &&
		undo_keep(maildir->undo, dir, name, which == LISTING_NEW,
			maildir->now / 1000000000) == 0)
		return 1;
	if (unlinkat(dir, name, 0) == 0)
		return 1;
	return errno == ENOENT ? 0 : -1;
}

/* One round over the marked messages. */
struct round {
	size_t missing, failed;
	int error; /* errno of the first that failed */
};

/* A removed message loses its mark. */
static struct round remove_marked(
	struct maildrop *drop, struct maildrop_done *done, struct maildrop_fault *fault)
{
	struct round round = { 0 };
	for (size_t i = 0; i < drop->count; i++) {
		struct maildrop_message *message = &drop->messages[i];
		if (!message->marked)
			continue;
		int removed = remove_message(drop->own, message);
		if (removed > 0) {
			maildrop_mark(drop, i, false);
			message->stored = MAILDIR_GONE;
			done->removed++;
		} else if (removed == 0) {
			round.missing++;
		} else if (round.failed++ == 0) {
			round.error = errno;
			maildir_fail(drop, message, "remove", fault);
		}
	}
	return round;
}

/* The removals survive a crash from here on. */
static int sync_dirs(struct maildrop *drop, struct maildrop_fault *fault)
{
	struct maildir *maildir = drop->own;
	/* The place that messages go to first, so that they are never in neither. */
	const int dirs[] = { maildir->undo, maildir->listing.dirs[LISTING_NEW],
		maildir->listing.dirs[LISTING_CUR] };
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (dirs[i] >= 0 && fsync(dirs[i]) < 0 && errno != EINVAL)
			return maildrop_fail(fault, "sync", drop->path);
	return 0;
}

int maildir_commit(
	struct maildrop *drop, struct maildrop_done *done, struct maildrop_fault *fault)
{
	struct maildir *maildir = drop->own;
	maildir->listing.complete = false;
	maildir->dirty = true;
	maildir->now = maildir_clock();
	maildir->undo = open_undo(drop);
	struct round round = remove_marked(drop, done, fault);
	if (round.missing) {
		if (listing_refresh(&maildir->listing, drop) < 0) {
			done->failed = round.failed + round.missing;
			return maildrop_fail(fault, "read directory", drop->path);
		}
		round = remove_marked(drop, done, fault);
		/* What is in neither directory now was removed by somebody else. */
		done->removed += round.missing;
	}
	done->failed = round.failed;
	if (sync_dirs(drop, fault) < 0)
		return -1;
	errno = round.error;
	return round.failed ? -1 : 0;
}

/* The client is gone: now there is time for what a timer may never come to do. */
void maildir_free_expired(const struct maildrop *drop)
{
	const struct maildir *maildir = drop->own;
	struct undo_purged purged;
	undo_purge(maildir->undo, maildir->now / 1000000000 - drop->undo_seconds,
		MAILDIR_FREE_MOST, &purged);
}
