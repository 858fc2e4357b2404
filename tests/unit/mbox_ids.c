/*
 * mbox_ids: unique-ids stay, and differ.
 */
#include "maildrop/cache.h"
#include "maildrop/mbox.h"
#include "maildrop/mbox_scan.h"
#include "unit/box.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(mbox_ids, .init = box_begin, .fini = box_end, .timeout = 120);

Test(mbox_ids, id_does_not_change)
{
	static const char *const same[] = {
		DATED "A: 1\nB: 2\n\nbody\n\n",
		DATED "A: 1\nB: 2\n\nbody\n",
		"From other@example.org Fri Jan  2 00:00:00 1970\nA: 1\nB: "
		"2\n\nbody\n\n",
		DATED "Status: RO\nA: 1\nX-Status: A\nB: 2\nX-UID: 7\n\nbody\n\n",
		DATED "A: 1\nX-IMAPbase: 123 456\n keywords\n more\nB: 2\n\nbody\n\n",
		DATED
		"x-imap: 1\nA: 1\nB: 2\nX-KEYWORDS: a\n\tb\nX-UIDL: q\n\nbody\n\n",
		DATED "A: 1\nB: 2\nContent-Length: 5\nLines: 1\n"
		      "X-Mozilla-Status: 1\nX-Mozilla-Status2: 2\n\nbody\n\n",
		DATED "A: 1\nX-Evolution: 0000-0000\nB: 2\nX-Mozilla-Keys: \n"
		      "X-Account-Key: account1\nX-Label: later\n\nbody\n\n",
		/* the same on the wire */
		DATED "A: 1\nB: 2\n\nbody",
		DATED "A: 1\r\nB: 2\r\n\r\nbody\r\n\r\n",
		DATED "A: 1\nB: 2\r\n\nbody\r\n\n",
		DATED "A: 1\nStatus: R\r\nB: 2\n\r\nbody",
	};
	static const char *const others[] = {
		DATED "A: 1\nB: 3\n\nbody\n\n",
		DATED "A: 1\nB: 2\n\nbody.\n\n",
		DATED "A: 1\nB: 2\n continued\n\nbody\n\n",
		DATED "A: 1\nB: 2\nStatus\n\nbody\n\n",
		DATED "A: 1\nB: 2\n\nStatus: R\nbody\n\n",
		DATED "A: 1\nB: 2\nbody\n\n",
		DATED "B: 2\nA: 1\n\nbody\n\n",
		DATED "A: 1\nB: 2\n\nbody\n\n\n",
		DATED "A: 1\nB: 2\n\nbody\r\r\n\n",
		DATED "A: 1\nB: 2\n\nbody\r",
		DATED "A: 1\nB: 2\n\nbo\rdy\n\n",
		DATED "A: 1\r\r\nB: 2\n\nbody\n\n",
	};
	char first[MAILDROP_UID_MAX + 1], uid[MAILDROP_UID_MAX + 1];
	box_put(same[0]);
	box_uid(0, first);
	cr_expect_eq(strlen(first), 32);
	for (size_t i = 1; i < sizeof(same) / sizeof(same[0]); i++) {
		box_put(same[i]);
		box_uid(0, uid);
		cr_expect_str_eq(uid, first, "same %zu", i);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		box_put(others[i]);
		box_uid(0, uid);
		cr_expect_str_neq(uid, first, "other %zu", i);
	}
}

/* Written down once: an id never changes, whatever the program that makes it. */
Test(mbox_ids, id_is_for_ever)
{
	char uid[MAILDROP_UID_MAX + 1];
	box_put(DATED
		"Subject: for ever\nStatus: R\n\nbody of more than 32 octets, of two "
		"stripes\n\n");
	box_uid(0, uid);
	cr_expect_str_eq(uid, "384b3170cdf4c03bbbcd2d6bcf971d97");
}

Test(mbox_ids, twins_differ)
{
	char uids[4][MAILDROP_UID_MAX + 1];
	box_put(DATED "A: 1\n\nx\n\n" DATED "B: 1\n\nx\n\n" DATED "A: 1\n\nx\n\n" DATED
		      "A: 1\nStatus: R\n\nx\n\n");
	for (size_t i = 0; i < 4; i++)
		box_uid(i, uids[i]);
	for (size_t i = 0; i < 4; i++)
		for (size_t k = 0; k < i; k++)
			cr_expect_str_neq(uids[i], uids[k], "%zu and %zu", i, k);
	char again[MAILDROP_UID_MAX + 1];
	box_append(DATED "A: 1\n\nx\n\n");
	for (size_t i = 0; i < 4; i++) {
		box_uid(i, again);
		cr_expect_str_eq(again, uids[i]);
	}
}

/* Large bodies: the hash does not depend on where the blocks end. */
Test(mbox_ids, id_of_large_messages)
{
	char first[MAILDROP_UID_MAX + 1], uid[MAILDROP_UID_MAX + 1];
	size_t n = 3 * MBOX_BLOCK + 17;
	char *text = malloc(n + 600);
	for (size_t pad = 0; pad < 70; pad += 3) {
		int at = snprintf(text, 600, DATED "A: 1\n\n%*s\n\n" DATED "B: 2\n\n",
			(int)pad, "");
		for (size_t i = 0; i < n; i++)
			text[(size_t)at + i] = (char)('a' + i % 23);
		box_put_n(text, (size_t)at + n, O_TRUNC);
		box_uid(1, uid);
		if (pad == 0)
			memcpy(first, uid, sizeof(first));
		cr_expect_str_eq(uid, first);
	}
	free(text);
}

/* Whatever the cuts: CR and LF in two blocks, a CR in front of none. */
Test(mbox_ids, id_of_the_wire_form_is_cut_anywhere)
{
	static const char stored[] = "\r\r\na\r\nb\rc\n\r\n\r",
			  sent[] = "\r\na\nb\rc\n\n\r\n";
	uint64_t want[2], got[2];
	struct mbox_id id;
	mbox_id_begin(&id, MBOX_FORM_STORED);
	mbox_id_header(&id, span_str(sent));
	mbox_id_body(&id, span_str(sent));
	mbox_id_end(&id, want);
	for (size_t cut = 0; cut < sizeof(stored); cut++)
		for (size_t more = 0; more < sizeof(stored) - cut; more++) {
			struct span s = span_str(stored);
			const struct span parts[] = { span_head(s, cut),
				span_head(span_tail(s, cut), more),
				span_tail(s, cut + more) };
			mbox_id_begin(&id, MBOX_FORM_WIRE);
			for (int i = 0; i < 3; i++)
				mbox_id_header(&id, parts[i]);
			for (int i = 0; i < 3; i++)
				mbox_id_body(&id, parts[i]);
			mbox_id_end(&id, got);
			cr_expect_arr_eq(got, want, sizeof(got), "%zu %zu", cut, more);
		}
}

struct former {
	char uid[4][MAILDROP_UID_MAX + 1];
	size_t n;
};

static int note_former(void *self, const struct mbox_found *found)
{
	struct former *former = self;
	mbox_id_text(found->id, 0, former->uid[former->n++]);
	return 0;
}

static void expect_former(const struct former *former, const char *when)
{
	char uid[MAILDROP_UID_MAX + 1];
	for (size_t i = 0; i < former->n; i++) {
		box_uid(i, uid);
		cr_expect_str_eq(uid, former->uid[i], "%s: %zu", when, i);
	}
}

#define PLAIN DATED "A: 1\n\nplain\n\n"

/* Ids of before there were forms stay with the messages that clients know by them. */
Test(mbox_ids, former_ids_stay)
{
	static const char text[] = PLAIN DATED
		"B: 2\r\n\r\nCRLF\r\n\r\n" DATED
		"C: 3\nX-Evolution: 1\n\nflagged\n\n" DATED "D: 4\n\nno line end";
	static const char changed[] = PLAIN DATED
		"B: 2\n\nCRLF\n\n" DATED "C: 3\nX-Evolution: 2\n\nflagged\n\n" DATED
		"D: 4\n\nno line end\n\n";
	struct former former = { .n = 0 };
	char name[160], uid[MAILDROP_UID_MAX + 1];
	box_put(text);
	/* A cache without a form, and no more of it is true. */
	struct maildrop *drop = box_open();
	const struct mbox *box = drop->own;
	struct cache cache = { .text = (void *)box->lines,
		.text_n = drop->count * sizeof(*box->lines) };
	const struct mbox_extent extent = {
		.fd = box->fd, .end = sizeof(text) - 1, .form = MBOX_FORM_STORED
	};
	cr_assert_eq(mbox_scan(&extent, note_former, &former), 0);
	cr_assert_eq(cache_store(drop, &cache), 0);
	maildrop_close(drop);
	box_uid(1, uid);
	cr_expect_str_eq(uid, former.uid[1]);
	expect_former(&former, "from the new cache");
	box_append("\n\n" NEW);
	expect_former(&former, "with more mail");
	box_put(changed);
	expect_former(&former, "in another form");
	snprintf(name, sizeof(name), "%s/sizes", box_state_path);
	cr_assert_eq(unlink(name), 0);
	expect_former(&former, "without a cache");
	/* Of new mail the ids are new ones; of no mail there are none. */
	snprintf(name, sizeof(name), "%s/known-ids", box_state_path);
	cr_expect_eq(access(name, F_OK), 0);
	drop = box_open();
	box_mark(drop, "xxxx");
	cr_expect_eq(box_commit_error(drop), 0);
	maildrop_close(drop);
	cr_expect_eq(access(name, F_OK), -1);
	box_put(text);
	box_uid(0, uid);
	cr_expect_str_eq(uid, former.uid[0]);
	box_uid(1, uid);
	cr_expect_str_neq(uid, former.uid[1]);
}
