/*
 * maildir_cache: what the size cache (cache.h) knows of a Maildir. Part of the Maildir
 * driver.
 *
 * The text of the cache is the names, each with its NUL, in the order of the
 * records; of a record's `at` only the directory and LISTING_YOUNG count. The key:
 *
 *   [0..3]  new: device, inode, mtime, ctime (nanoseconds)
 *   [4..7]  cur: the same
 *   [8]     1 when the names are all that the two directories held
 *   [9]     the clock when new was read, nanoseconds
 *   [10]    the clock when cur was
 *
 * A directory's names are taken from the cache, and it is not read, when: it is what
 * the key says; [8]; the file system is a local one that keeps directory times; it
 * had been at rest for 2.5 seconds when it was read (a change within the
 * granularity of the times would be invisible); and that was less than an hour ago
 * (so that nothing that breaks these rules hides mail for long). A directory's ctime
 * can't be set, so a backup or a restore does not pass for "unchanged".
 *
 * Of a directory that is read the cache gives sizes to those files whose base name and
 * inode it knows. Whether such a file was changed in place (size, and mtime against the
 * time of measuring), is looked at when it is opened; and before it is listed, until it
 * has not been written for 36 hours (LISTING_YOUNG): some programs deliver in place.
 */
#ifndef POSTERN_MAILDROP_MAILDIR_CACHE_H
#define POSTERN_MAILDROP_MAILDIR_CACHE_H

#include "maildrop/listing.h"

/* What is known of an earlier snapshot: its messages, in order. Their names are
 * listing's. */
struct maildir_known {
	struct maildrop_message *messages;
	size_t count;
	unsigned dirs; /* LISTING_SET: these need not be read */
};

/*
 * Loads the cache; listing has fresh stamps. Then *known, which maildir_known_free()
 * releases, and listing's names are what there is (maybe nothing), and drop, which has
 * no message, stays without.
 */
void maildir_cache_load(
	struct listing *listing, struct maildrop *drop, struct maildir_known *known);

/*
 * Puts the messages of known->dirs between those that were read of the other
 * directories, which are in order, gives these their sizes, and makes one of those that
 * share a base name. When no directory was read, drop gets the known messages as they
 * are. Returns 0, or -1 with errno; in *hits how many were known.
 */
int maildir_known_merge(struct maildir_known *known, struct listing *listing,
	struct maildrop *drop, size_t *hits);

void maildir_known_free(struct maildir_known *known);

/* Writes the cache. 0, or -1 with errno, of which nobody needs to hear. */
int maildir_cache_store(const struct listing *listing, const struct maildrop *drop);

#endif
