/*
 * maildir: what the files of the Maildir driver share.
 */
#ifndef POSTERN_MAILDROP_MAILDIR_H
#define POSTERN_MAILDROP_MAILDIR_H

#include "maildrop/listing.h"

/* message.stored of a message that has left the snapshot: renamed out of sight
 * before it was complete, or removed by the commit. */
#define MAILDIR_GONE UINT64_MAX

enum { MAILDIR_FOLLOW_MS = 10000 /* after one who renames all the time */ };

struct maildir {
	struct listing listing;
	unsigned char *block;	/* MAILDIR_BLOCK octets, while sizes are measured */
	int64_t now;		/* when measuring began, nanoseconds of the clock */
	size_t measured;	/* messages */
	uint64_t octets;	/* in them */
	bool dirty;		/* the cache should be written */
	int undo;		/* while and after a commit: where messages are kept */
	int kept[LISTING_DIRS]; /* and those of this commit, by directory; or -1 */
};

/* What is still being written after so long will not be finished: the Maildir page's 36
 * hours, in nanoseconds. */
#define MAILDIR_UNFINISHED (INT64_C(36) * 3600 * 1000000000)

/* The clock, in nanoseconds. */
int64_t maildir_clock(void);

/* "what path/of/the/message: strerror(errno)" into *fault; returns -1. */
int maildir_fail(struct maildrop *drop, const struct maildrop_message *message,
	const char *what, struct maildrop_fault *fault);

/* --- maildir_measure.c --------------------------------------------------------------
 */

/* Opens what the message's name stands for: no link, and without waiting. */
int maildir_open_message(
	const struct maildir *maildir, const struct maildrop_message *message);

/*
 * Measures every message whose size is not known, and leaves out what is none any
 * more. 0; or -1 with errno when the whole maildrop can't be opened.
 */
int maildir_measure_all(struct maildrop *drop);

/* Makes the size of an open message true. 0, or -1 with errno. */
int maildir_verify(struct maildir *maildir, struct maildrop_message *message, int fd);

/* Takes the messages that are MAILDIR_GONE out of the snapshot. */
void maildir_leave_out_gone(struct maildrop *drop);

/* --- maildir_commit.c ---------------------------------------------------------------
 */

/* As maildrop_commit(). */
int maildir_commit(struct maildrop *drop, struct maildrop_done *done,
	struct maildrop_fault *fault);

/* Behind a commit, when the client is gone: frees kept messages whose time is over, and
 * all from before when there is no room. There may be no timer that does. */
void maildir_free_expired(const struct maildrop *drop);

/* --- maildir_twins.c ----------------------------------------------------------------
 */

/*
 * Removes the other files of the marked messages that have some, when they hold the
 * same octets; remove does it. A message whose twin cannot be removed or compared loses
 * its mark, for it cannot be said to be gone. Returns how many those are, with errno
 * and *fault of the first.
 */
typedef int maildir_remove_fn(void *self, int dir, const char *name);
size_t maildir_remove_twins(struct maildrop *drop, maildir_remove_fn *remove,
	void *self, struct maildrop_fault *fault);

/* --- maildir_tmp.c ------------------------------------------------------------------
 */

/* When the client is gone: removes what a delivery left unfinished in tmp, 36 hours
 * ago, as the Maildir page asks. */
void maildir_clean_tmp(const struct maildrop *drop);

#endif
