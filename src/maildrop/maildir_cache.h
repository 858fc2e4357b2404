/*
 * maildir_cache: what the size cache (cache.h) knows of a Maildir. Part of the Maildir
 * driver.
 *
 * The text of the cache is the names, each with its NUL, in the order of the
 * records; of a record's `at` only the directory counts. The key:
 *
 *   [0..3]  new: device, inode, mtime, ctime (nanoseconds)
 *   [4..7]  cur: the same
 *   [8]     1 when the names are all that the two directories held
 *   [9]     the clock when they were read, nanoseconds
 *
 * The names are taken from the cache, and no directory is read, when: both
 * directories are what the key says; [8]; the file system is a local one that
 * keeps directory times; both directories had been at rest for 2.5 seconds when
 * they were read (a change within the granularity of the times would be
 * invisible); and that was less than an hour ago (so that nothing that breaks
 * these rules hides mail for long). A directory's ctime can't be set, so a backup
 * or a restore does not pass for "unchanged".
 *
 * Otherwise the directories are read, and the cache gives sizes to those files
 * whose base name and inode it knows. Whether such a file was changed in place,
 * is looked at when it is opened (size, and mtime against the time of measuring).
 */
#ifndef POSTERN_MAILDROP_MAILDIR_CACHE_H
#define POSTERN_MAILDROP_MAILDIR_CACHE_H

#include "maildrop/listing.h"

/* What was known of an earlier snapshot: names and messages, in order. */
struct maildir_known {
	struct maildrop_message *messages;
	size_t count;
	char *names;
};

/*
 * Loads the cache. Returns true when it is the present state: drop->messages and
 * listing are then filled. Else drop has no message, and *known, which
 * maildir_known_free() releases, has what there is (maybe nothing).
 */
bool maildir_cache_load(
	struct listing *listing, struct maildrop *drop, struct maildir_known *known);

/* Gives the messages that were known before their sizes. Both in order. Returns how
 * many were. */
size_t maildir_known_apply(const struct maildir_known *known,
	const struct listing *listing, struct maildrop *drop);

void maildir_known_free(struct maildir_known *known);

/* Writes the cache. 0, or -1 with errno, of which nobody needs to hear. */
int maildir_cache_store(const struct listing *listing, const struct maildrop *drop);

#endif
