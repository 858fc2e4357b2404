/*
 * listing_order: the snapshot's order. A radix sort by time (most mailboxes have
 * few messages per second), then the messages of each second by name. Every name is
 * the owner's: the keys only save comparisons, they never replace one.
 */
#include "maildrop/listing.h"

#include "base/pages.h"

enum { DIGITS_FIT = 19 /* in 64 bits, whichever they are */ };

static size_t parse_time(struct span base, uint64_t *time)
{
	size_t i = 0;
	uint64_t t = 0;
	for (; i < base.n && base.p[i] >= '0' && base.p[i] <= '9'; i++) {
		unsigned digit = (unsigned)(base.p[i] - '0');
		if (i < DIGITS_FIT)
			t = t * 10 + digit;
		else
			t = t > (UINT64_MAX - digit) / 10 ? UINT64_MAX : t * 10 + digit;
	}
	*time = t;
	return i;
}

struct listing_key listing_key_of(struct span base, uint64_t inode)
{
	struct listing_key key = { .base = base, .inode = inode };
	struct span rest = span_tail(base, parse_time(base, &key.time));
	for (size_t i = 0; i < sizeof(key.head); i++)
		key.head = key.head << 8 | (i < rest.n ? rest.p[i] : 0);
	return key;
}

struct listing_key listing_key(
	const struct listing *listing, const struct maildrop_message *message)
{
	return listing_key_of(listing_base(listing, message), message->id[0]);
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_spans(struct span a, struct span b)
{
	int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
	return c ? c : compare_numbers(a.n, b.n);
}

int listing_compare_bases(const struct listing_key *a, const struct listing_key *b)
{
	if (a->time != b->time)
		return compare_numbers(a->time, b->time);
	if (a->head != b->head)
		return compare_numbers(a->head, b->head);
	return compare_spans(a->base, b->base);
}

int listing_compare(const struct listing_key *a, const struct listing_key *b)
{
	int c = listing_compare_bases(a, b);
	return c ? c : compare_numbers(a->inode, b->inode);
}

/* A message on its way to its place. */
struct move {
	struct listing_key key;
	uint32_t from;
};

static int compare_moves(const void *x, const void *y)
{
	const struct move *a = x, *b = y;
	int c = listing_compare(&a->key, &b->key);
	return c ? c : compare_numbers(a->from, b->from);
}

/* Time and number in the array: all that a radix sort needs to carry. */
struct timed {
	uint64_t time;
	uint32_t from;
};

/* One stable pass by one octet of the time. */
static void radix_pass(
	const struct timed *from, struct timed *to, size_t n, unsigned shift)
{
	size_t starts[257] = { 0 };
	for (size_t i = 0; i < n; i++)
		starts[(from[i].time >> shift & 0xFF) + 1]++;
	for (size_t i = 0; i < 256; i++)
		starts[i + 1] += starts[i];
	for (size_t i = 0; i < n; i++)
		to[starts[from[i].time >> shift & 0xFF]++] = from[i];
}

/* Sorts by time, in passes over the octets in which the times differ. Returns where
 * the result is: in a or in b. */
static struct timed *radix_sort(struct timed *a, struct timed *b, size_t n)
{
	uint64_t differ = 0;
	for (size_t i = 1; i < n; i++)
		differ |= a[i].time ^ a[0].time;
	for (unsigned shift = 0; shift < 64; shift += 8) {
		if (!(differ >> shift & 0xFF))
			continue;
		radix_pass(a, b, n, shift);
		struct timed *swap = a;
		a = b;
		b = swap;
	}
	return a;
}

/* Sorts the moves of each second by name. */
static void sort_seconds(struct move *moves, size_t n)
{
	size_t start = 0;
	for (size_t i = 1; i <= n; i++) {
		if (i < n && moves[i].key.time == moves[start].key.time)
			continue;
		if (i - start > 1)
			qsort(moves + start, i - start, sizeof(*moves), compare_moves);
		start = i;
	}
}

/* Moves the messages into order; of several files with one base name the first stays.
 * Returns how many there are. */
static size_t arrange(struct maildrop_message *to, const struct maildrop_message *from,
	const struct move *moves, size_t n)
{
	size_t count = 0;
	for (size_t i = 0; i < n; i++)
		if (i > 0 &&
			listing_compare_bases(&moves[i - 1].key, &moves[i].key) == 0)
			to[count - 1].at |= LISTING_TWIN;
		else
			to[count++] = from[moves[i].from];
	return count;
}

static void order(const struct listing *listing, const struct maildrop *drop,
	struct move *moves, struct timed *a, struct timed *b)
{
	size_t n = drop->count;
	for (size_t i = 0; i < n; i++) {
		parse_time(listing_base(listing, &drop->messages[i]), &a[i].time);
		a[i].from = (uint32_t)i;
	}
	const struct timed *sorted = radix_sort(a, b, n);
	for (size_t i = 0; i < n; i++) {
		uint32_t from = sorted[i].from;
		moves[i] = (struct move){ listing_key(listing, &drop->messages[from]),
			from };
	}
	sort_seconds(moves, n);
}

int listing_sort(struct listing *listing, struct maildrop *drop)
{
	size_t n = drop->count;
	if (n == 0)
		return 0;
	struct move *moves = pages_alloc(n * sizeof(*moves));
	struct timed *timed = pages_alloc(2 * n * sizeof(*timed));
	struct maildrop_message *sorted = pages_alloc(n * sizeof(*sorted));
	if (moves && timed && sorted) {
		order(listing, drop, moves, timed, timed + n);
		drop->count = arrange(sorted, drop->messages, moves, n);
		listing->complete = listing->complete && drop->count == n;
		free(drop->messages);
		drop->messages = sorted;
		drop->room = n;
		sorted = NULL;
		n = 0;
	}
	free(moves);
	free(timed);
	free(sorted);
	return n ? -1 : 0;
}
