/*
 * listing_again: finds messages that other agents have renamed since the snapshot,
 * by one reading of the directories for all of them. Names are the owner's: at
 * worst they make their own session slow.
 */
#include "maildrop/listing.h"

#include <errno.h>

/* An open hash table from base name to message, valid for one reading. */
struct index {
	struct listing *listing;
	const struct maildrop *drop;
	uint32_t *slots; /* message number + 1, or 0 */
	uint64_t mask;
	listing_match_fn *each;
	void *self;
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
	if (!index->slots)
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

/* A file whose base name no message has was delivered since the snapshot. */
static int match(void *self, int dir, const char *name, size_t n, uint64_t inode)
{
	const struct index *index = self;
	struct span base = span_of(name, listing_base_length(name, n));
	uint32_t slot;
	for (uint64_t at = hash_of(base); (slot = index->slots[at & index->mask]);
		at++) {
		const struct maildrop_message *m = &index->drop->messages[slot - 1];
		if (span_eq(listing_base(index->listing, m), base))
			return index->each(index->self, slot - 1, dir, name, n, inode);
	}
	return 0;
}

int listing_match(struct listing *listing, const struct maildrop *drop,
	listing_match_fn *each, void *self)
{
	struct index index = {
		.listing = listing, .drop = drop, .each = each, .self = self
	};
	int result = index_build(&index);
	for (int i = 0; result == 0 && i < LISTING_DIRS; i++)
		result = listing_read_dir(listing, i, match, &index);
	int error = errno;
	free(index.slots);
	errno = error;
	return result;
}

/* How surely a file was found to be the message. */
enum { FOUND_BASE = 1, FOUND_FILE };

struct refresh {
	struct listing *listing;
	struct maildrop *drop;
	unsigned char *found; /* by message number */
};

/* The same file, or, where that is not there, one of the same base name: which may hold
 * something else, so what was measured is forgotten. Of twins, only the one that was
 * listed. */
static int take_name(
	void *self, size_t i, int dir, const char *name, size_t n, uint64_t inode)
{
	struct refresh *r = self;
	struct maildrop_message *message = &r->drop->messages[i];
	size_t at;
	unsigned char sure = message->id[0] == inode ? FOUND_FILE : FOUND_BASE;
	if (r->found[i] >= sure || (message->at & LISTING_TWIN && sure == FOUND_BASE))
		return 0;
	r->found[i] = sure;
	if (sure == FOUND_BASE)
		message->id[1] = 0;
	if (listing_dir(message) == dir &&
		strcmp(listing_name(r->listing, message), name) == 0)
		return 0;
	if (listing_keep_name(r->listing, name, n, &at) < 0)
		return -1;
	message->at = listing_at(at, listing_base_length(name, n), dir) |
		      (message->at & (LISTING_TWIN | LISTING_YOUNG));
	return 0;
}

int listing_refresh(struct listing *listing, struct maildrop *drop)
{
	if (listing_still(listing))
		return 1;
	listing->complete = false; /* what was delivered since is left out */
	struct refresh refresh = { listing, drop, calloc(drop->count + 1, 1) };
	int result = refresh.found && listing_take_stamps(listing) == 0
			     ? listing_match(listing, drop, take_name, &refresh)
			     : -1;
	int error = errno;
	free(refresh.found);
	errno = error;
	return result < 0 ? -1 : listing_still(listing);
}
