/*
 * maildir_merge: one snapshot of what was read and what is known from the cache. See
 * maildir_cache.h.
 *
 * Runs as the mailbox owner. Both lists are in the snapshot's order, the known one as
 * the cache was checked to be; whatever a lie in it brings into the snapshot is looked
 * at when it is opened.
 */
#include "base/pages.h"
#include "maildrop/maildir_cache.h"

struct merge {
	const struct maildir_known *known;
	const struct listing *listing;
	size_t at, hits; /* in known; of the messages that were put out */
	struct maildrop_message *out;
	size_t n;
	struct listing_key last; /* of what was put out last */
	bool twins;
};

/* Of several with one base name the first is put out. */
static void put_out(struct merge *m, const struct maildrop_message *message,
	const struct listing_key *key)
{
	if (m->n > 0 && listing_compare_bases(&m->last, key) == 0) {
		m->out[m->n - 1].at |= LISTING_TWIN;
		m->twins = true;
		return;
	}
	m->out[m->n++] = *message;
	m->last = *key;
}

static bool is_kept(const struct merge *m, const struct maildrop_message *message)
{
	return m->known->dirs & LISTING_SET(listing_dir(message));
}

/* The known messages up to the one of that key (NULL: all). Returns the one that is the
 * same file, or NULL. */
static const struct maildrop_message *put_known(
	struct merge *m, const struct listing_key *end)
{
	for (; m->at < m->known->count; m->at++) {
		const struct maildrop_message *message = &m->known->messages[m->at];
		struct listing_key key = listing_key(m->listing, message);
		int c = end ? listing_compare(&key, end) : -1;
		if (c == 0)
			m->at++;
		if (c >= 0)
			return c == 0 ? message : NULL;
		if (is_kept(m, message)) {
			m->hits++;
			put_out(m, message, &key);
		}
	}
	return NULL;
}

/* A file that is in both directories, because somebody is moving it, counts once; and
 * what was seen is not the state at any moment. */
static bool put_read(struct merge *m, struct maildrop_message *message)
{
	struct listing_key key = listing_key(m->listing, message);
	const struct maildrop_message *same = put_known(m, &key);
	if (same) {
		message->size = same->size;
		message->stored = same->stored;
		message->id[1] = same->id[1];
		message->at |= same->at & LISTING_YOUNG;
		m->hits++;
	}
	put_out(m, message, &key);
	return !same || !is_kept(m, same);
}

static size_t count_kept(const struct maildir_known *known)
{
	size_t n = 0;
	for (size_t i = 0; i < known->count; i++)
		n += known->dirs >> listing_dir(&known->messages[i]) & 1;
	return n;
}

/* No directory was read: what is known is the snapshot, in order and flagged. */
static void hand_over(struct maildir_known *known, struct maildrop *drop)
{
	free(drop->messages);
	drop->messages = known->messages;
	drop->count = drop->room = known->count;
	known->messages = NULL;
}

int maildir_known_merge(struct maildir_known *known, struct listing *listing,
	struct maildrop *drop, size_t *hits)
{
	struct merge m = { .known = known, .listing = listing };
	if (known->dirs == LISTING_ALL) {
		hand_over(known, drop);
		*hits = known->count;
		return 0;
	}
	size_t room = count_kept(known) + drop->count;
	m.out = pages_alloc(room * sizeof(*m.out) + 1);
	if (!m.out)
		return -1;
	for (size_t i = 0; i < drop->count; i++)
		listing->complete &= put_read(&m, &drop->messages[i]);
	(void)put_known(&m, NULL);
	listing->complete &= !m.twins;
	*hits = m.hits;
	free(drop->messages);
	drop->messages = m.out;
	drop->count = m.n;
	drop->room = room;
	return 0;
}
