/*
 * maildir_cache: the size cache of a Maildir. See maildir_cache.h for what makes it
 * valid.
 *
 * Runs as the mailbox owner. Distrusts the cache: names are checked to be names, and
 * to be in order (so that none is there twice); of the rest, a lie costs a look at
 * the message.
 */
#include "maildrop/maildir_cache.h"

#include "maildrop/cache.h"

#include <errno.h>

enum {
	KEY_STAMPS = 0,
	KEY_STAMP = 4, /* numbers in each */
	KEY_COMPLETE = 8,
	KEY_READ_AT = 9,
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
 * Cuts the text into the messages' names, which must be in order. A message that
 * another one has the base name of is flagged, as listing_sort() does.
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
		message->at = listing_at(at, base, (int)(message->at & 1));
		if (i > 0 && listing_compare_bases(&before, &key) >= 0) {
			if (listing_compare(&before, &key) >= 0)
				return false;
			message[-1].at |= LISTING_DUPLICATE;
			message->at |= LISTING_DUPLICATE;
		}
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

/* Are the cache's names those that the directories hold? listing has fresh stamps. */
static bool is_present(struct listing *listing, const struct cache *cache)
{
	uint64_t now[LISTING_DIRS * KEY_STAMP];
	int64_t read_at = (int64_t)cache->key[KEY_READ_AT];
	put_stamps(now, listing);
	if (memcmp(now, cache->key + KEY_STAMPS, sizeof(now)) != 0 ||
		cache->key[KEY_COMPLETE] != 1 || read_at > listing->read_at ||
		read_at < listing->read_at - names_valid)
		return false;
	listing->read_at = read_at;
	return listing_settled(listing);
}

bool maildir_cache_load(
	struct listing *listing, struct maildrop *drop, struct maildir_known *known)
{
	struct cache cache;
	*known = (struct maildir_known){ 0 };
	if (listing_take_stamps(listing) < 0 || !cache_load(drop, &cache))
		return false;
	if (!adopt_names(drop, &cache)) {
		free(cache.text);
		drop->count = 0;
		return false;
	}
	if (is_present(listing, &cache)) {
		listing->names = cache.text;
		listing->names_n = listing->names_room = cache.text_n;
		listing->complete = true;
		return true;
	}
	*known = (struct maildir_known){ drop->messages, drop->count, cache.text };
	drop->messages = NULL;
	drop->count = drop->room = 0;
	return false;
}

void maildir_known_free(struct maildir_known *known)
{
	free(known->messages);
	free(known->names);
	*known = (struct maildir_known){ 0 };
}

static struct listing_key key_of(
	const char *names, const struct maildrop_message *message)
{
	return listing_key_of(
		span_of(names + (message->at >> 16), message->at >> 8 & 0xFF),
		message->id[0]);
}

size_t maildir_known_apply(const struct maildir_known *known,
	const struct listing *listing, struct maildrop *drop)
{
	size_t k = 0, hits = 0;
	for (size_t i = 0; i < drop->count; i++) {
		struct maildrop_message *message = &drop->messages[i];
		struct listing_key key = key_of(listing->names, message);
		int c = 1;
		while (k < known->count) {
			struct listing_key old =
				key_of(known->names, &known->messages[k]);
			c = listing_compare(&old, &key);
			if (c >= 0)
				break;
			k++;
		}
		if (k == known->count)
			break;
		if (c != 0)
			continue;
		message->size = known->messages[k].size;
		message->stored = known->messages[k].stored;
		message->id[1] = known->messages[k].id[1];
		hits++;
	}
	return hits;
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
	char *text = malloc(n + 1), *to = text;
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
	cache.key[KEY_READ_AT] = (uint64_t)listing->read_at;
	int result = cache_store(drop, &cache);
	int error = errno;
	free(cache.text);
	errno = error;
	return result;
}
