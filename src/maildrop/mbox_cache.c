/*
 * mbox_cache: the size cache of an mbox (cache.h says what it is and how far it is
 * trusted). Its text are the snapshot's "From " lines (struct mbox_line). Its key:
 *
 *   0 device, 1 inode, 2 octets, 3 mtime and 4 ctime in nanoseconds
 *   5 hash of the last octets (mbox_tail_sum())
 *   6 form of the unique-ids (enum mbox_form; 0: of the former one)
 *   7 how many messages are believed (struct mbox)
 *
 * All equal: nothing is read but the last octets. (After a power cut a file may have
 * the size and times of what was written to it, and not the octets.) More octets than
 * then: when the last octets of then and the beginning of every message still stand
 * where they were, mail was appended; only the last message and what is behind it are
 * read. The last one again, because what follows decides where it ends. Anything else:
 * the cache is of no use. (Not some of the messages: a program that notes one as read
 * and its neighbour as new moves one line.)
 *
 * A program that changes octets behind those beginnings without moving any, and lets
 * the file grow, goes unnoticed here: so the messages are believed only, see struct
 * mbox.
 *
 * Runs as the mailbox owner, who can write the cache: it is used within the bounds of
 * the file, in the order of the file, or not at all.
 */
#include "maildrop/mbox_cache.h"

#include "maildrop/cache.h"
#include "maildrop/mbox.h"

#include <errno.h>

enum {
	KEY_DEVICE,
	KEY_INODE,
	KEY_SIZE,
	KEY_MTIME,
	KEY_CTIME,
	KEY_TAIL,
	KEY_FORM,
	KEY_BELIEVED
};

static uint64_t nanoseconds(struct timespec t)
{
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void make_key(const struct mbox *box, uint64_t key[CACHE_KEY])
{
	key[KEY_DEVICE] = box->seen.st_dev;
	key[KEY_INODE] = box->seen.st_ino;
	key[KEY_SIZE] = box->end;
	key[KEY_MTIME] = nanoseconds(box->seen.st_mtim);
	key[KEY_CTIME] = nanoseconds(box->seen.st_ctim);
	key[KEY_TAIL] = box->tail;
	key[KEY_FORM] = MBOX_FORM_WIRE;
	key[KEY_BELIEVED] = box->believed;
}

/* Do the records say what a scan of end octets could have said? */
static bool is_sound(
	const struct maildrop *drop, const struct mbox_line *lines, uint64_t end)
{
	for (size_t i = drop->count; i-- > 0;) {
		const struct maildrop_message *m = &drop->messages[i];
		if (m->at > end || m->stored > end - m->at || lines[i].from >= m->at)
			return false;
		end = lines[i].from;
	}
	return true;
}

/* Was something appended to the file of which the cache tells, and nothing else? */
static bool has_grown(struct maildrop *drop, const uint64_t key[CACHE_KEY])
{
	struct mbox *box = drop->own;
	uint64_t tail;

	return key[KEY_SIZE] < box->end &&
	       mbox_tail_sum(box->fd, key[KEY_SIZE], &tail) == 0 &&
	       tail == key[KEY_TAIL] &&
	       mbox_check_heads(drop, 0, drop->count, key[KEY_SIZE]) == 1;
}

static void forget(struct maildrop *drop)
{
	struct mbox *box = drop->own;

	free(box->lines);
	box->lines = NULL;
	box->room = 0;
	box->believed = 0;
	drop->count = 0;
}

/* Where the scan goes on, with the lines in place; 0: from the start. */
static uint64_t use(struct maildrop *drop, const struct cache *cache)
{
	struct mbox *box = drop->own;
	uint64_t key[CACHE_KEY] = { 0 }, tail;

	box->former = cache->key[KEY_FORM] == 0;
	if (box->former || cache->key[KEY_DEVICE] != box->seen.st_dev ||
		cache->key[KEY_INODE] != box->seen.st_ino ||
		!is_sound(drop, box->lines, cache->key[KEY_SIZE]))
		return 0;
	box->tail = cache->key[KEY_TAIL];
	box->believed = cache->key[KEY_BELIEVED] < drop->count
				? (size_t)cache->key[KEY_BELIEVED]
				: drop->count;
	make_key(box, key);
	if (memcmp(key, cache->key, sizeof(key)) == 0)
		return mbox_tail_sum(box->fd, box->end, &tail) == 0 && tail == box->tail
			       ? box->end
			       : 0;
	if (drop->count == 0 || !has_grown(drop, cache->key))
		return 0;
	box->believed = --drop->count;
	return box->lines[drop->count].from;
}

uint64_t mbox_cache_load(struct maildrop *drop)
{
	struct mbox *box = drop->own;
	struct cache cache;

	if (!cache_load(drop, &cache))
		return 0;
	if (cache.text_n != drop->count * sizeof(*box->lines)) {
		free(cache.text);
		drop->count = 0;
		return 0;
	}
	box->lines = (void *)cache.text;
	box->room = drop->count;
	uint64_t from = use(drop, &cache);
	if (from == 0)
		forget(drop);
	return from;
}

void mbox_cache_store(const struct maildrop *drop)
{
	struct mbox *box = drop->own;
	struct cache cache = { .text = (void *)box->lines,
		.text_n = drop->count * sizeof(*box->lines) };

	make_key(box, cache.key);
	(void)cache_store(drop, &cache); /* else the next open takes longer */
}

/* Takes the marked messages out of the snapshot, and moves the others. */
static uint64_t close_ranks(struct maildrop *drop)
{
	struct mbox *box = drop->own;
	uint64_t gone = 0;
	size_t n = 0, believed = box->touched ? drop->count : box->believed;

	box->believed = 0;
	for (size_t i = 0; i < drop->count; i++) {
		uint64_t from = box->lines[i].from;
		uint64_t next = i + 1 < drop->count ? box->lines[i + 1].from : box->end;
		if (drop->messages[i].marked) {
			gone += next - from;
			continue;
		}
		if (i < believed)
			box->believed = n + 1;
		drop->messages[n] = drop->messages[i];
		drop->messages[n].at -= gone;
		box->lines[n] = box->lines[i];
		box->lines[n++].from -= gone;
	}
	drop->count = n;
	return gone;
}

void mbox_cache_committed(struct maildrop *drop)
{
	struct mbox *box = drop->own;

	box->end -= close_ranks(drop);
	if (fstat(box->fd, &box->seen) < 0 ||
		mbox_tail_sum(box->fd, box->end, &box->tail) < 0)
		return;
	if (drop->count == 0)
		mbox_known_forget(drop);
	mbox_cache_store(drop);
}
