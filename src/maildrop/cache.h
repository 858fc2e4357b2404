/*
 * cache: what an earlier session measured, so that opening a maildrop that has not
 * changed reads no message. One file, CACHE_NAME, in the maildrop's state directory;
 * the mailbox owner can write it, so it is hostile input and only a hint: what it
 * says is used within bounds, every size is checked again when the message is
 * opened, and a file that is not exactly as described here counts as missing.
 *
 * Format (the numbers in the order and size that this machine has them: a file
 * from another one, or from another version, has a wrong magic and is missing):
 *
 *   struct cache_header
 *   count    struct maildrop_message, in the snapshot's order (marked is void)
 *   text_n   octets of the driver's own
 *
 * and nothing behind. header.sum is cache_sum() over everything else in the
 * header, the records and the text. It finds accidents, not malice.
 *
 * The file is written beside (CACHE_NEW) and renamed; when that fails (a full
 * disk, a read-only one) the next open is slow and nothing else happens.
 *
 * What makes a cache valid is the driver's to decide, by its key:
 *   Maildir  see maildir_cache.c
 *   mbox     see mbox.c
 */
#ifndef POSTERN_MAILDROP_CACHE_H
#define POSTERN_MAILDROP_CACHE_H

#include "maildrop/driver.h"

#define CACHE_NAME "sizes"
#define CACHE_NEW  "sizes.new"

enum {
	CACHE_KEY = 20,			    /* numbers in a key */
	CACHE_FILE_MAX = 256 * 1024 * 1024, /* octets; what is larger isn't cached */
};

struct cache_header {
	uint64_t magic; /* with the version */
	uint64_t sum;
	uint64_t kind; /* enum maildrop_kind */
	uint64_t count;
	uint64_t text_n;
	uint64_t key[CACHE_KEY];
};

struct cache {
	uint64_t key[CACHE_KEY]; /* the driver's; what it does not need is 0 */
	char *text;		 /* malloc'd by cache_load(), the caller's to free */
	size_t text_n;
};

/*
 * Reads the cache of drop->state into drop->messages (which must be empty; all
 * unmarked) and *cache. Returns true, or false when there is none that is whole:
 * then drop has no message and *cache is empty.
 */
bool cache_load(struct maildrop *drop, struct cache *cache);

/*
 * Writes drop->messages and *cache. Messages that are marked are written like the
 * others. Returns 0, or -1 with errno: nothing to tell anybody.
 */
int cache_store(const struct maildrop *drop, const struct cache *cache);

/* Removes the cache, when what it says is known to be wrong. */
void cache_forget(const struct maildrop *drop);

#endif
