/*
 * mbox_ids: unique-ids stay, and differ.
 */
#include "maildrop/mbox.h"
#include "unit/box.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

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
