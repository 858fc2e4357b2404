/*
 * listing_again: finds messages that other agents have renamed since the snapshot,
 * by one reading of the directories for all of them. Names are the owner's: at
 * worst they make their own session slow.
 */
#include "maildrop/listing.h"

#include <errno.h>

/* An open hash table from base name to message, valid for one refresh. */
struct index {
	struct listing *listing;
	struct maildrop *drop;
	uint32_t *slots; /* message number + 1, or 0 */
	uint64_t mask;
	unsigned char *found; /* by message number */
};

static uint64_t hash_of(struct span s)
{
	uint64_t h = 1469598103934665603u; /* FNV-1a */
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ s.p[i]) * 1099511628211u;
	return h ^ h >> 29;
}

static int index_build(struct index *index)
{
	size_t n = index->drop->count, size = 16;
	while (size < 2 * n)
		size *= 2;
	index->mask = size - 1;
	index->slots = calloc(size, sizeof(*index->slots));
	index->found = calloc(n + 1, 1);
	if (!index->slots || !index->found)
		return -1;
	for (size_t i = 0; i < n; i++) {
		uint64_t at = hash_of(
			listing_base(index->listing, &index->drop->messages[i]));
		while (index->slots[at & index->mask])
			at++;
		index->slots[at & index->mask] = (uint32_t)i + 1;
	}
	return 0;
}

/* The message that this file is: same base name; same inode if there is a choice. */
static struct maildrop_message *index_find(
	struct index *index, struct span base, uint64_t inode)
{
	uint32_t best = 0, slot;
	for (uint64_t at = hash_of(base); (slot = index->slots[at & index->mask]);
		at++) {
		const struct maildrop_message *m = &index->drop->messages[slot - 1];
		if (index->found[slot - 1] ||
			!span_eq(listing_base(index->listing, m), base))
			continue;
		if (m->id[0] == inode) {
			best = slot;
			break;
		}
		if (!(m->at & LISTING_DUPLICATE))
			best = slot;
	}
	if (!best)
		return NULL;
	index->found[best - 1] = 1;
	return &index->drop->messages[best - 1];
}

static int rename_message(
	void *self, int dir, const char *name, size_t n, uint64_t inode)
{
	struct index *index = self;
	size_t base = listing_base_length(name, n), at;
	struct maildrop_message *message =
		index_find(index, span_of(name, base), inode);
	if (!message)
		return 0; /* delivered since the snapshot */
	message->id[0] = inode;
	if (listing_dir(message) == dir &&
		strcmp(listing_name(index->listing, message), name) == 0)
		return 0;
	if (listing_keep_name(index->listing, name, n, &at) < 0)
		return -1;
	message->at = listing_at(at, base, dir) | (message->at & LISTING_DUPLICATE);
	return 0;
}

int listing_refresh(struct listing *listing, struct maildrop *drop)
{
	struct index index = { .listing = listing, .drop = drop };
	if (listing_settled(listing) && listing_same(listing))
		return 0;
	listing->complete = false; /* what was delivered since is left out */
	int result =
		listing_take_stamps(listing) < 0 || index_build(&index) < 0 ? -1 : 0;
	for (int i = 0; result == 0 && i < LISTING_DIRS; i++)
		result = listing_read_dir(listing, i, rename_message, &index);
	int error = errno;
	free(index.slots);
	free(index.found);
	errno = error;
	return result;
}
