/*
 * mbox_commits: what is removed is gone, what stays is as it was.
 */
#include "maildrop/mbox.h"
#include "unit/box.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(mbox_commits, .init = box_begin, .fini = box_end, .timeout = 120);

static const struct {
	const char *before, *marks, *appended, *after;
} commits[] = {
	{ A B C D, "----", "", A B C D },
	{ A B C D, "x---", "", B C D },
	{ A B C D, "-x--", "", A C D },
	{ A B C D, "--x-", "", A B D },
	{ A B C D, "---x", "", A B C },
	{ A B C D, "x-x-", "", B D },
	{ A B C D, "-x-x", "", A C },
	{ A B C D, "-xx-", "", A D },
	{ A B C D, "xxxx", "", "" },
	{ A B C, "x-x", NEW, B NEW },
	{ A B C, "xxx", NEW NEW, NEW NEW },
	{ A B C, "---", NEW, A B C NEW },
	{ "\n\n" A B, "xx", "", "\n\n" },
	{ A D, "-x", "\n" NEW, A "\n" NEW },
};

Test(mbox_commits, commits)
{
	for (size_t i = 0; i < sizeof(commits) / sizeof(commits[0]); i++) {
		struct maildrop_done done;
		struct maildrop_fault fault = { "" };
		struct stat before, after;
		box_put(commits[i].before);
		cr_assert_eq(chmod(box_path, 0640), 0);
		cr_assert_eq(stat(box_path, &before), 0);
		struct maildrop *drop = box_open();
		box_mark(drop, commits[i].marks);
		box_append(commits[i].appended);
		cr_expect_eq(maildrop_commit(drop, &done, &fault), 0, "%zu: %s", i,
			fault.text);
		cr_expect_eq(done.failed, 0);
		maildrop_close(drop);
		cr_assert_eq(stat(box_path, &after), 0);
		cr_expect_eq(before.st_ino, after.st_ino);
		cr_expect_eq(before.st_mode, after.st_mode);
		box_expect(commits[i].after);
		cr_expect_eq(access(box_dotlock, F_OK), -1);
	}
}

/* Ids of the messages that stay, and their octets, are what they were. */
Test(mbox_commits, random_commits)
{
	srand(2);
	for (int round = 0; round < 300; round++) {
		char *want = calloc(1, 64 * 1200), marks[64] = "";
		size_t n = 1 + (size_t)rand() % 40, stays = 0;
		box_put("");
		for (size_t i = 0; i < n; i++) {
			char text[1200];
			snprintf(text, sizeof(text), DATED "I: %zu\n\n%0*d\n\n", i,
				1 + rand() % 1000, 0);
			box_append(text);
			marks[i] = rand() % 2 ? 'x' : '-';
			if (marks[i] == '-')
				snprintf(want + strlen(want), sizeof(text), "%s", text);
			stays += marks[i] == '-';
		}
		struct maildrop *drop = box_open();
		struct maildrop_done done;
		struct maildrop_fault fault = { "" };
		box_mark(drop, marks);
		cr_assert_eq(maildrop_commit(drop, &done, &fault), 0, "%s", fault.text);
		cr_assert_eq(done.removed, n - stays);
		maildrop_close(drop);
		box_expect(want);
		free(want);
	}
}
