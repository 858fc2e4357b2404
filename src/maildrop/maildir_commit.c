/*
 * maildir_commit: removes the marked messages, or puts them where undo (undo.h) finds
 * them. Nothing else is touched: an interruption at any point leaves each marked
 * message where it was, or gone; others are as they were.
 *
 * Runs as the mailbox owner, behind a QUIT. Messages that other agents rename
 * meanwhile are found again; what somebody else removed counts as removed. What cannot
 * be kept is removed all the same, counted, and the first of them told.
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

/* One commit. */
struct work {
	struct maildrop *drop;
	struct maildrop_done *done;
	struct maildrop_fault *fault; /* of the first that failed; else of the first
					 that is not kept */
	size_t missing;		      /* under no name that is known, in this round */
	int error;		      /* errno of the first that failed, or 0 */
	bool asked, keeps;	      /* removed messages shall be kept, and can be */
};

/* Are deleted messages kept? Not without room: a mailbox that is too full for mail must
 * not stay so because its owner deletes it. */
static void open_undo(struct work *w)
{
	const struct maildrop *drop = w->drop;
	struct maildir *maildir = drop->own;
	w->asked = drop->undo_seconds > 0;
	if (!w->asked)
		return;
	maildir->undo = undo_open(drop->path, true);
	if (maildir->undo < 0) {
		maildrop_fail(w->fault, "keep deleted messages of", drop->path);
		return;
	}
	w->keeps = !undo_is_tight(maildir->undo);
	if (w->keeps)
		undo_note(drop->state, drop->path);
	else
		snprintf(w->fault->text, sizeof(w->fault->text),
			"the disk or the quota is nearly full: no deleted message of "
			"%.300s is kept for undo",
			drop->path);
}

/* Where those of new or cur are kept, or -1. */
static int place_of(struct work *w, int which)
{
	struct maildir *maildir = w->drop->own;
	if (!w->keeps || maildir->kept[which] >= 0)
		return maildir->kept[which];
	maildir->kept[which] = undo_place(
		maildir->undo, maildir->now / 1000000000, which == LISTING_NEW);
	if (maildir->kept[which] < 0) {
		maildrop_fail(w->fault, "keep deleted messages of", w->drop->path);
		w->keeps = false;
	}
	return maildir->kept[which];
}

/* Removed, but not kept: the first of them is told. */
static void count_unkept(struct work *w, int error, int dir, const char *name)
{
	char path[MAILDROP_PATH_MAX + LISTING_NAME_MAX + 8];
	w->done->unkept++;
	if (w->fault->text[0])
		return;
	snprintf(path, sizeof(path), "%s/%s/%s", w->drop->path,
		dir == LISTING_NEW ? "new" : "cur", name);
	errno = error;
	maildrop_fail(w->fault, "keep", path);
}

/*
 * 1 when it is gone, 0 when nothing has its name, -1 with errno. What can't be kept
 * is removed: whoever deletes mail, perhaps because the disk is full, means it.
 */
static int remove_name(void *self, int which, const char *name)
{
	struct work *w = self;
	const struct maildir *maildir = w->drop->own;
	int dir = maildir->listing.dirs[which];
	if (dir < 0)
		return 0;
	int place = place_of(w, which);
	if (place >= 0 && undo_keep(place, dir, name) == 0)
		return 1;
	int error = errno;
	if (unlinkat(dir, name, 0) < 0)
		return errno == ENOENT ? 0 : -1;
	if (w->asked)
		count_unkept(w, error, which, name);
	return 1;
}

static void fail(struct work *w, size_t i)
{
	if (!w->error) {
		w->error = errno;
		maildir_fail(w->drop, &w->drop->messages[i], "remove", w->fault);
	}
	w->done->failed++;
	maildrop_mark(w->drop, i, false);
}

/* One round over the marked messages: what is left marked was not found. */
static size_t remove_marked(struct work *w)
{
	const struct maildir *maildir = w->drop->own;
	size_t removed = 0;
	w->missing = 0;
	for (size_t i = 0; i < w->drop->count; i++) {
		struct maildrop_message *message = &w->drop->messages[i];
		if (!message->marked)
			continue;
		int gone = remove_name(w, listing_dir(message),
			listing_name(&maildir->listing, message));
		if (gone < 0) {
			fail(w, i);
		} else if (gone == 0) {
			w->missing++;
		} else {
			maildrop_mark(w->drop, i, false);
			message->stored = MAILDIR_GONE;
			removed++;
		}
	}
	w->done->removed += removed;
	return removed;
}

/* What could not be found, though nobody has shown that it is gone. */
static void fail_missing(struct work *w, int error)
{
	for (size_t i = 0; i < w->drop->count; i++) {
		errno = error;
		if (w->drop->messages[i].marked)
			fail(w, i);
	}
}

/*
 * Follows those that other programs rename meanwhile. Gone is what was in neither
 * directory while both stood still; of a directory that never does, nothing can be
 * said.
 */
static void remove_all(struct work *w)
{
	struct maildir *maildir = w->drop->own;
	const int64_t deadline = io_now() + MAILDIR_FOLLOW_MS;
	int still = 0;
	for (bool again = false;; again = true) {
		size_t removed = remove_marked(w);
		if (w->missing == 0)
			return;
		if (still && removed == 0) {
			w->done->removed += w->missing;
			return;
		}
		if (still < 0 || (again && io_now() >= deadline)) {
			fail_missing(w, still < 0 ? errno : EAGAIN);
			return;
		}
		if (again && removed == 0)
			listing_nap(&maildir->listing);
		still = listing_refresh(&maildir->listing, w->drop);
	}
}

/* The removals survive a crash from here on. */
static int sync_dirs(struct maildrop *drop, struct maildrop_fault *fault)
{
	const struct maildir *maildir = drop->own;
	/* The place that messages go to first, so that they are never in neither. */
	const int dirs[] = { maildir->kept[LISTING_NEW], maildir->kept[LISTING_CUR],
		maildir->undo, maildir->listing.dirs[LISTING_NEW],
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
	struct work w = { .drop = drop, .done = done, .fault = fault };
	fault->text[0] = '\0';
	maildir->listing.complete = false;
	maildir->dirty = true;
	maildir->now = maildir_clock();
	open_undo(&w);
	size_t failed = maildir_remove_twins(drop, remove_name, &w, fault);
	if (failed)
		w.error = errno;
	done->failed += failed;
	remove_all(&w);
	if (sync_dirs(drop, fault) < 0)
		return -1;
	errno = w.error;
	return done->failed ? -1 : 0;
}

/* The client is gone: now there is time for what a timer may never come to do. */
void maildir_free_expired(const struct maildrop *drop)
{
	const struct maildir *maildir = drop->own;
	int64_t now = maildir->now / 1000000000;
	struct undo_purged purged;
	undo_purge(maildir->undo, now - drop->undo_seconds, MAILDIR_FREE_MOST, &purged);
	if (undo_is_tight(maildir->undo))
		undo_purge(maildir->undo, now, MAILDIR_FREE_MOST, &purged);
}
