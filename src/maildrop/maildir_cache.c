/*
 * maildir_cache: the size cache of a Maildir. See maildir_cache.h for what makes it
 * valid.
 *
 * Runs as the mailbox owner. Distrusts the cache: names are checked to be names, and
 * to be in order (so that none is there twice); of the rest, a lie costs a look at
 * the message.
 */
#include "maildrop/maildir_cache.h"

#include "base/pages.h"
#include "maildrop/cache.h"

#include <errno.h>

enum {
	KEY_STAMPS = 0,
	KEY_STAMP = 4, /* numbers in each */
	KEY_COMPLETE = 8,
	KEY_READ_AT = 9, /* of each directory */
};

static const int64_t names_valid = 3600 * (int64_t)1000000000;

/* --- reading ------------------------------------------------------------------------
 */

static bool is_name(const char *name, size_t n)
{
	return n > 0 && n <= LISTING_NAME_MAX && name[0] != '.' &&
	       !memchr(name, '/', n);
}

/*
 * Cuts the text into the messages' names, which must be in order. Where there were
 * twins the directories are read again.
 */
static bool adopt_names(struct maildrop *drop, const struct cache *cache)
{
	struct listing_key before = { 0 };
	size_t at = 0;
	for (size_t i = 0; i < drop->count; i++) {
		struct maildrop_message *message = &drop->messages[i];
		const char *name = cache->text + at;
		size_t n = strnlen(name, cache->text_n - at);
		if (at + n >= cache->text_n || !is_name(name, n))
			return false;
		size_t base = listing_base_length(name, n);
		struct listing_key key =
			listing_key_of(span_of(name, base), message->id[0]);
		message->at =
			listing_at(at, base, (int)(message->at & (1 | LISTING_YOUNG)));
		if (i > 0 && listing_compare_bases(&before, &key) >= 0)
			return false;
		before = key;
		at += n + 1;
	}
	return at == cache->text_n;
}

static void put_stamp(uint64_t *key, const struct listing_stamp *stamp)
{
	key[0] = stamp->device;
	key[1] = stamp->inode;
	key[2] = (uint64_t)stamp->mtime;
	key[3] = (uint64_t)stamp->ctime;
}

static void put_stamps(uint64_t *key, const struct listing *listing)
{
	for (int i = 0; i < LISTING_DIRS; i++)
		put_stamp(key + KEY_STAMPS + i * KEY_STAMP, &listing->stamps[i]);
}

/* Is this directory what it was when the names were read? listing has fresh stamps. */
static bool is_present(
	const struct listing *listing, const struct cache *cache, int dir)
{
	uint64_t now[KEY_STAMP];
	int64_t read_at = (int64_t)cache->key[KEY_READ_AT + dir];
	put_stamp(now, &listing->stamps[dir]);
	return cache->key[KEY_COMPLETE] == 1 &&
	       memcmp(now, cache->key + KEY_STAMPS + dir * KEY_STAMP, sizeof(now)) ==
		       0 &&
	       read_at <= listing->read_at[dir] &&
	       read_at >= listing->read_at[dir] - names_valid;
}

/* The directories that need not be read: listing then has the time of their reading. */
static unsigned present_dirs(struct listing *listing, const struct cache *cache)
{
	unsigned dirs = 0;
	for (int i = 0; i < LISTING_DIRS; i++) {
		int64_t now = listing->read_at[i];
		if (!is_present(listing, cache, i))
			continue;
		listing->read_at[i] = (int64_t)cache->key[KEY_READ_AT + i];
		if (listing_settled_dir(listing, i))
			dirs |= LISTING_SET(i);
		else
			listing->read_at[i] = now;
	}
	return dirs;
}

void maildir_cache_load(
	struct listing *listing, struct maildrop *drop, struct maildir_known *known)
{
	struct cache cache;
	*known = (struct maildir_known){ 0 };
	if (!cache_load(drop, &cache))
		return;
	if (!adopt_names(drop, &cache)) {
		free(cache.text);
		drop->count = 0;
		return;
	}
	listing->names = cache.text;
	listing->names_n = listing->names_room = cache.text_n;
	*known = (struct maildir_known){ drop->messages, drop->count,
		present_dirs(listing, &cache) };
	drop->messages = NULL;
	drop->count = drop->room = 0;
}

void maildir_known_free(struct maildir_known *known)
{
	free(known->messages);
	*known = (struct maildir_known){ 0 };
}

/* --- writing ------------------------------------------------------------------------
 */

/* All names in the snapshot's order, each with its NUL; NULL: no memory. */
static char *names_in_order(
	const struct listing *listing, const struct maildrop *drop, size_t *text_n)
{
	size_t n = 0;
	for (size_t i = 0; i < drop->count; i++)
		n += strlen(listing_name(listing, &drop->messages[i])) + 1;
	char *text = pages_alloc(n + 1), *to = text;
	for (size_t i = 0; text && i < drop->count; i++) {
		const char *name = listing_name(listing, &drop->messages[i]);
		size_t length = strlen(name) + 1;
		memcpy(to, name, length);
		to += length;
	}
	*text_n = n;
	return text;
}

int maildir_cache_store(const struct listing *listing, const struct maildrop *drop)
{
	struct cache cache = { 0 };
	cache.text = names_in_order(listing, drop, &cache.text_n);
	if (!cache.text)
		return -1;
	put_stamps(cache.key, listing);
	cache.key[KEY_COMPLETE] = listing->complete;
	for (int i = 0; i < LISTING_DIRS; i++)
		cache.key[KEY_READ_AT + i] = (uint64_t)listing->read_at[i];
	int result = cache_store(drop, &cache);
	int error = errno;
	free(cache.text);
	errno = error;
	return result;
}
