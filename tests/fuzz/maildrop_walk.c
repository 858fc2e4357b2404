/*
 * maildrop_walk: see maildrop_walk.h.
 */
#include "maildrop_walk.h"

#include "fuzz.h"
#include "maildrop/octets.h"

struct uids {
	size_t n;
	char (*uid)[MAILDROP_UID_MAX + 1];
	uint64_t *content; /* a hash of what is stored; 0: it could not be read */
};

static uint64_t read_message(struct maildrop *drop, size_t i, bool forged)
{
	unsigned char block[1000];
	struct maildrop_body body;
	struct maildrop_fault fault = { "" };
	struct octets octets = { 0 };
	uint64_t hash = 1;
	ssize_t n;

	if (maildrop_body_open(drop, i, &body, &fault) < 0) {
		FUZZ_CHECK(fault.text[0]);
		return 0;
	}
	while ((n = maildrop_body_read(&body, block, sizeof(block))) > 0) {
		octets_add(&octets, span_of(block, (size_t)n));
		for (ssize_t c = 0; c < n; c++)
			hash = (hash ^ block[c]) * 1099511628211U;
	}
	FUZZ_CHECK(n < 0 || forged || octets_total(&octets) == maildrop_size(drop, i));
	maildrop_body_close(&body);
	return n < 0 ? 0 : hash;
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static struct uids take_uids(struct maildrop *drop)
{
	struct uids uids = { .n = maildrop_count(drop) };

	uids.uid = calloc(uids.n + 1, sizeof(*uids.uid));
	uids.content = calloc(uids.n + 1, sizeof(*uids.content));
	FUZZ_CHECK(uids.uid && uids.content);
	for (size_t i = 0; i < uids.n; i++) {
		FUZZ_CHECK(maildrop_uid(drop, i, uids.uid[i]) == 0);
		size_t length = strlen(uids.uid[i]);
		FUZZ_CHECK(length >= 1 && length <= MAILDROP_UID_MAX);
		for (size_t c = 0; c < length; c++)
			FUZZ_CHECK(uids.uid[i][c] > 0x20 && uids.uid[i][c] < 0x7F);
	}
	return uids;
}

static void free_uids(struct uids *uids)
{
	free(uids->uid);
	free(uids->content);
}

static void read_all(struct maildrop *drop, struct uids *uids)
{
	for (size_t i = uids->n; i-- > 0;)
		uids->content[i] = read_message(drop, i, false);
}

static void expect_unique(const struct uids *uids)
{
	char(*sorted)[MAILDROP_UID_MAX + 1] = calloc(uids->n + 1, sizeof(*sorted));

	FUZZ_CHECK(sorted);
	memcpy(sorted, uids->uid, uids->n * sizeof(*sorted));
	qsort(sorted, uids->n, sizeof(*sorted), compare);
	for (size_t i = 1; i < uids->n; i++)
		FUZZ_CHECK(strcmp(sorted[i - 1], sorted[i]) != 0);
	free(sorted);
}

static struct maildrop *open_drop(const struct maildrop_place *place)
{
	struct maildrop *drop = NULL;
	struct maildrop_fault fault = { "" };

	if (maildrop_open(&drop, place, &fault) == 0)
		return drop;
	FUZZ_CHECK(fault.text[0]);
	return NULL;
}

static bool marked(unsigned marks, size_t i)
{
	return marks >> i % 8 & 1;
}

/* Is it the same message? Of several that share a name (Maildir; their unique-ids
 * begin with a dot) or every octet (mbox) the unique-ids may change when one goes. */
static bool same(const struct maildrop_place *place, const struct uids *before,
	size_t i, const struct uids *after, size_t at)
{
	if (before->content[i] != after->content[at])
		return false;
	return place->kind == MAILDROP_MBOX || before->uid[i][0] == '.' ||
	       strcmp(before->uid[i], after->uid[at]) == 0;
}

/* What was not marked is there still, in the same order, octet for octet. */
static void expect_left(
	const struct maildrop_place *place, const struct uids *before, unsigned marks)
{
	struct maildrop *drop = open_drop(place);
	size_t at = 0;

	FUZZ_CHECK(drop);
	struct uids after = take_uids(drop);
	read_all(drop, &after);
	for (size_t i = 0; i < before->n; i++) {
		if (marked(marks, i))
			continue;
		/* In an mbox nothing stands between; names in a Maildir may be twins.
		 */
		while (place->kind == MAILDROP_MAILDIR && at < after.n &&
			!same(place, before, i, &after, at))
			at++;
		FUZZ_CHECK(at < after.n && same(place, before, i, &after, at));
		at++;
	}
	free_uids(&after);
	maildrop_close(drop);
}

void walk_maildrop(enum maildrop_kind kind, const char *path, int state, unsigned marks)
{
	struct maildrop_place place = { .kind = kind, .path = path, .state = state };
	struct maildrop_done done = { 0 };
	struct maildrop_fault fault = { "" };
	struct maildrop *drop = open_drop(&place);

	if (!drop)
		return;
	size_t n = maildrop_count(drop), marks_n = 0;
	struct uids uids = take_uids(drop);
	expect_unique(&uids);
	read_all(drop, &uids);
	for (size_t i = 0; i < n; i++) {
		maildrop_mark(drop, i, marked(marks, i));
		marks_n += marked(marks, i);
	}
	int failed = marks_n ? maildrop_commit(drop, &done, &fault) : 0;
	FUZZ_CHECK(failed == 0 ? done.removed == marks_n : fault.text[0]);
	maildrop_close(drop);
	expect_left(&place, &uids, marks);
	free_uids(&uids);
}

void walk_forged(enum maildrop_kind kind, const char *path, int state)
{
	struct maildrop_place place = { .kind = kind, .path = path, .state = state };
	struct maildrop *drop = open_drop(&place);

	if (!drop)
		return;
	struct uids uids = take_uids(drop);
	free_uids(&uids);
	for (size_t i = 0; i < maildrop_count(drop); i++)
		read_message(drop, i, true);
	maildrop_close(drop);
}
