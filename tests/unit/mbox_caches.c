/*
 * mbox_caches: with a cache an mbox is what it is without one, whatever the cache says.
 */
#include "maildrop/mbox.h"
#include "maildrop/mbox_cache.h"
#include "unit/box.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(mbox_caches, .init = box_begin, .fini = box_end, .timeout = 120);

static char *cache_path(void)
{
	static char name[192];
	snprintf(name, sizeof(name), "%s/sizes", box_state_path);
	return name;
}

/* What is known of all messages, as text. */
static char *all_of(struct maildrop *drop)
{
	size_t n = 0, room = 200 * (maildrop_count(drop) + 1);
	char *text = calloc(1, room), uid[MAILDROP_UID_MAX + 1];
	const struct mbox *box = drop->own;
	for (size_t i = 0; i < maildrop_count(drop); i++) {
		const struct maildrop_message *m = &drop->messages[i];
		cr_assert_eq(maildrop_uid(drop, i, uid), 0);
		n += (size_t)snprintf(text + n, room - n, "%zu %zu %zu %zu %zx %s\n",
			(size_t)box->lines[i].from, (size_t)m->at, (size_t)m->stored,
			(size_t)m->size, (size_t)box->lines[i].sum, uid);
	}
	return text;
}

/* Opens with the cache as it is and without: both find the same. Returns whether
 * the first one had to read messages. */
static bool expect_same_as_cold(const char *name)
{
	struct maildrop *drop = box_open();
	bool fresh = ((struct mbox *)drop->own)->fresh;
	char *warm = all_of(drop);
	maildrop_close(drop);
	cr_assert(unlink(cache_path()) == 0 || errno == ENOENT);
	drop = box_open();
	char *cold = all_of(drop);
	maildrop_close(drop);
	cr_expect_str_eq(warm, cold, "%s", name);
	free(warm);
	free(cold);
	return fresh;
}

Test(mbox_caches, cache)
{
	box_put(A B C D);
	cr_expect(expect_same_as_cold("none"));
	cr_expect_not(expect_same_as_cold("unchanged"));
	box_append("\n" NEW);
	cr_expect(expect_same_as_cold("grown"));
	box_append("more of the last message\n");
	cr_expect(expect_same_as_cold("the last message has grown"));
	box_put(A B C);
	cr_expect(expect_same_as_cold("cut"));
	box_put(B A C);
	box_touch(1);
	cr_expect(expect_same_as_cold("other messages of the same size"));
	box_put(B A C NEW NEW);
	cr_expect(expect_same_as_cold("grown by two"));
	box_put(A B C NEW NEW NEW);
	cr_expect(expect_same_as_cold("changed and grown"));
	box_put("");
	cr_expect(!expect_same_as_cold("empty"));
	box_append(NEW);
	cr_expect(expect_same_as_cold("grown from nothing"));
}

Test(mbox_caches, moved_in_the_middle)
{
	for (int place = 0; place < BOX_MANY - 1; place += 7) {
		box_put_many(place, false);
		maildrop_close(box_open());
		box_put_many(place, true);
		box_append(NEW);
		cr_expect(expect_same_as_cold("one longer, the next one shorter"));
	}
}

Test(mbox_caches, cache_after_commit)
{
	static const char *const marks[] = { "x---", "--x-", "---x", "xx-x", "xxxx" };
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		for (int grown = 0; grown < 2; grown++) {
			struct maildrop_done done;
			struct maildrop_fault fault = { "" };
			box_put(A B C D);
			struct maildrop *drop = box_open();
			box_mark(drop, marks[i]);
			if (grown)
				box_append("\n" NEW);
			cr_expect_eq(maildrop_commit(drop, &done, &fault), 0);
			maildrop_close(drop);
			bool fresh = expect_same_as_cold(marks[i]);
			cr_expect_eq(fresh, grown, "%s %d", marks[i], grown);
		}
}

/* With a right sum and wrong content: what an owner can forge. */
Test(mbox_caches, forged_cache)
{
	srand(3);
	for (int round = 0; round < 400; round++) {
		box_put(A B C D);
		struct maildrop *drop = box_open();
		struct mbox *box = drop->own;
		uint64_t *numbers[] = { &drop->messages[rand() % 4].at,
			&drop->messages[rand() % 4].stored,
			&box->lines[rand() % 4].from, &box->lines[rand() % 4].sum,
			&box->end };
		uint64_t *number = numbers[rand() % 5];
		static const uint64_t wrong[] = { 0, 1, UINT64_MAX, INT64_MAX, 40,
			100 };
		*number = rand() % 2 ? wrong[rand() % 6]
				     : *number + (uint64_t)(rand() % 9) - 4;
		if (rand() % 4 == 0)
			drop->count = (size_t)rand() % 4;
		mbox_cache_store(drop);
		maildrop_close(drop);
		if (rand() % 2)
			box_append(NEW);
		drop = box_open();
		for (size_t i = 0; i < maildrop_count(drop); i++) {
			struct maildrop_body body;
			struct maildrop_fault fault;
			char p[4096], uid[MAILDROP_UID_MAX + 1];
			cr_assert_leq(drop->messages[i].at + drop->messages[i].stored,
				((struct mbox *)drop->own)->end);
			cr_assert_eq(maildrop_uid(drop, i, uid), 0);
			if (maildrop_body_open(drop, i, &body, &fault) < 0)
				continue;
			while (maildrop_body_read(&body, p, sizeof(p)) > 0)
				;
			maildrop_body_close(&body);
			maildrop_mark(drop, i, rand() % 2);
		}
		struct maildrop_done done;
		struct maildrop_fault fault;
		(void)maildrop_commit(drop, &done, &fault);
		maildrop_close(drop);
	}
}
