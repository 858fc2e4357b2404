/*
 * mbox_journals: forged ones, foreign ones, and no place for one.
 */
#include "base/io.h"
#include "maildrop/journal_file.h"
#include "maildrop/mbox.h"
#include "maildrop/mbox_step.h"
#include "unit/box.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(mbox_journals, .init = box_begin, .fini = box_end, .timeout = 120);

static void journal_path(char name[192])
{
	snprintf(name, 192, "%s/mbox-journal", box_state_path);
}

/* A journal as a commit that was cut off after its first record leaves it. */
static void make_journal(struct journal *journal)
{
	static const struct mbox_range removed = { sizeof(A) - 1, sizeof(B) - 1 };
	struct journal_place place;
	struct stat st;
	cr_assert_eq(stat(box_path, &st), 0);
	journal_place(&place, box_state, box_path);
	*journal = (struct journal){ .fd = -1,
		.inode = st.st_ino,
		.shift = { malloc(sizeof(removed)), 1, (uint64_t)st.st_size },
		.log_room = 4096 };
	journal->shift.removed[0] = removed;
	cr_assert_eq(journal_create(journal, &place, 1), 0);
}

static void put_record(struct journal *journal, struct journal_record record)
{
	cr_assert_eq(journal_write(journal, &record), 0);
	journal_close(journal);
}

/* Forged in one number or another: memory and the other files stay whole, and
 * the open ends. What is left of the mbox is the owner's affair. */
Test(mbox_journals, forged_journals)
{
	static const uint64_t wrong[] = { 0, 1, 2, 17, 60, 107, 108, 200, 4096,
		INT64_MAX, UINT64_MAX };
	srand(4);
	for (int round = 0; round < 600; round++) {
		struct journal journal;
		struct maildrop_fault fault;
		box_put(A B C D);
		make_journal(&journal);
		struct journal_record record = { .number = 1,
			.step = rand() % 2 ? JOURNAL_MOVE : JOURNAL_CUT,
			.from = sizeof(A) - 1,
			.to = sizeof(A C) - 1,
			.logged = rand() % 2,
			.end = journal.shift.end };
		uint64_t *numbers[] = { &record.from, &record.to, &record.end,
			&record.log_sum, &record.number };
		for (int i = rand() % 3; i > 0; i--)
			*numbers[rand() % 5] = wrong[rand() % 11];
		put_record(&journal, record);
		char name[192];
		journal_path(name);
		if (rand() % 4 == 0)
			cr_assert_eq(truncate(name, rand() % 20000), 0);
		(void)box_open_fails(&fault);
		(void)unlink(name);
	}
}

Test(mbox_journals, journals_that_are_none)
{
	char name[192], victim[192];
	journal_path(name);
	snprintf(victim, sizeof(victim), "%s/victim", box_dir);
	int fd = open(victim, O_WRONLY | O_CREAT, 0600);
	cr_assert_eq(write(fd, "whole", 5), 5);
	close(fd);
	for (int kind = 0; kind < 5; kind++) {
		box_put(A B);
		if (kind == 0)
			cr_assert_eq(symlink(victim, name), 0);
		else if (kind == 1)
			cr_assert_eq(link(victim, name), 0);
		else if (kind == 2)
			cr_assert_eq(mkfifo(name, 0600), 0);
		else if (kind == 3)
			cr_assert_eq(mkdir(name, 0700), 0);
		else
			close(open(name, O_WRONLY | O_CREAT, 0600));
		struct maildrop *drop = box_open();
		cr_expect_eq(maildrop_count(drop), 2);
		maildrop_mark(drop, 0, true);
		int error = box_commit_error(drop);
		cr_expect_eq(error, kind == 3 ? EISDIR : 0, "%d: %d", kind, error);
		box_expect(kind == 3 ? A B : B);
		maildrop_close(drop);
		(void)rmdir(name);
		struct stat st;
		cr_expect(
			stat(victim, &st) == 0 && st.st_size == 5 && st.st_nlink == 1);
	}
}

/* The mbox is another one by now: the journal is kept, not applied. */
Test(mbox_journals, journal_of_another_mbox)
{
	struct journal journal;
	char name[208];
	box_put(A B C D);
	make_journal(&journal);
	put_record(&journal, (struct journal_record){ .number = 1,
				     .step = JOURNAL_MOVE,
				     .from = sizeof(A) - 1,
				     .to = sizeof(A) - 1,
				     .end = journal.shift.end });
	box_put(B C D A NEW);
	struct maildrop *drop = box_open();
	cr_expect(maildrop_remark(drop) && strstr(maildrop_remark(drop), "kept"));
	maildrop_close(drop);
	box_expect(B C D A NEW);
	journal_path(name);
	cr_expect_eq(access(name, F_OK), -1);
	snprintf(name + strlen(name), 8, ".kept");
	cr_expect_eq(access(name, F_OK), 0);
}

/* What stands behind the last move, before the cut; B is removed. What another program
 * then made of A is other. Returns the length. */
static size_t put_uncut(
	const char *other, const struct journal *journal, char text[512])
{
	const char *before = A B C;
	size_t n = (size_t)snprintf(text, 512, "%s" C, other);
	memcpy(text + n, journal->mark, JOURNAL_MARK);
	n += JOURNAL_MARK;
	size_t rest = sizeof(A C) - 1 + JOURNAL_MARK;
	n += (size_t)snprintf(text + n, 512 - n, "%s", before + rest);
	box_put_n(text, n, O_TRUNC);
	return n;
}

/* A commit was cut off in front of the cut, and another program changed the mbox: the
 * mark and the piece of a message behind it go, and the log is told. */
Test(mbox_journals, mark_that_was_moved)
{
	static const struct {
		const char *other, *after;
		bool kept;
	} cases[] = {
		{ A, A C, false },
		{ DATED "A: 1\nStatus: RO\n\nfirst\n\n",
			DATED "A: 1\nStatus: RO\n\nfirst\n\n" C C, true },
		{ "", C C, true },
		{ A NEW NEW, A NEW NEW C C, true },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct journal journal;
		char name[208], text[512];
		box_put(A B C);
		make_journal(&journal);
		uint64_t size = sizeof(A C) - 1;
		struct journal_record record = { .number = 2,
			.step = JOURNAL_CUT,
			.from = size,
			.to = size,
			.end = journal.shift.end };
		struct journal mark = journal;
		put_uncut(A, &mark, text);
		int fd = open(box_path, O_RDONLY);
		cr_assert_eq(
			step_sum_before(fd, 0, sizeof(A) - 1, &journal.head_sum), 0);
		cr_assert_eq(step_tail_sum(fd, &journal.shift, &record.tail_sum), 0);
		close(fd);
		cr_assert_eq(journal_write_header(&journal), 0);
		put_record(&journal, record);
		put_uncut(cases[i].other, &mark, text);
		struct maildrop *drop = box_open();
		cr_expect_eq(maildrop_remark(drop) != NULL, cases[i].kept, "%zu: %s", i,
			maildrop_remark(drop));
		maildrop_close(drop);
		box_expect(cases[i].after);
		journal_path(name);
		cr_expect_eq(access(name, F_OK), -1);
		snprintf(name + strlen(name), 8, ".kept");
		cr_expect_eq(unlink(name) == 0, cases[i].kept, "%zu", i);
	}
}

/* A commit had come to its second step, and nobody can read how far: kept, and told. */
Test(mbox_journals, damaged_journal)
{
	struct journal journal;
	char name[208];
	for (int step = 1; step <= 2; step++) {
		box_put(A B C D);
		make_journal(&journal);
		put_record(&journal, (struct journal_record){ .number = (uint64_t)step,
					     .step = JOURNAL_MOVE,
					     .from = sizeof(A) - 1,
					     .to = sizeof(A) - 1,
					     .end = journal.shift.end });
		journal_path(name);
		int fd = open(name, O_WRONLY);
		cr_assert_eq(pwrite(fd, "?", 1, 100), 1);
		close(fd);
		struct maildrop *drop = box_open();
		cr_expect_eq(maildrop_count(drop), 4);
		cr_expect_eq(maildrop_remark(drop) != NULL, step == 2);
		maildrop_close(drop);
		cr_expect_eq(access(name, F_OK), -1);
		snprintf(name + strlen(name), 8, ".kept");
		cr_expect_eq(unlink(name) == 0, step == 2);
	}
}

/* Without a state directory the journal stands beside the mbox; where neither can
 * be, nothing is deleted that needs one. */
static int delete_without_state(size_t i)
{
	struct maildrop_place place = {
		.kind = MAILDROP_MBOX, .path = box_path, .state = -1
	};
	struct maildrop_fault fault = { "" };
	struct maildrop_done done;
	struct maildrop *drop;
	if (maildrop_open(&drop, &place, &fault) < 0)
		return -1;
	maildrop_mark(drop, i, true);
	int error = maildrop_commit(drop, &done, &fault) == 0 ? 0 : errno;
	maildrop_close(drop);
	return error;
}

static int delete_first(void)
{
	return delete_without_state(0);
}

static int delete_last(void)
{
	return delete_without_state(1);
}

Test(mbox_journals, no_state)
{
	box_put(A B);
	cr_expect_eq(delete_first(), 0);
	box_expect(B);
	box_put(A B);
	cr_assert_eq(chmod(box_path, 0666), 0);
	cr_assert_eq(chmod(box_dir, 0555), 0);
	cr_expect_eq(box_as_nobody(delete_first), EACCES);
	box_expect(A B);
	cr_expect_eq(box_as_nobody(delete_last), 0);
	box_expect(A);
	cr_assert_eq(chmod(box_dir, 0711), 0);
	box_put(A B);
	cr_expect_eq(box_as_nobody(delete_first), ENOTSUP);
	box_expect(A B);
	cr_assert_eq(chmod(box_dir, 0755), 0);
}
