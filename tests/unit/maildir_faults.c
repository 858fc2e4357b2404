/*
 * maildir_faults: a Maildir on a disk that fails, under a clock that is set forward,
 * and beside a program that renames all the time. The linker wraps the calls.
 */
#include "maildrop/maildir.h"
#include "maildrop/undo.h"
#include "unit/dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/quota.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* What fails: opening files of this name; keeping a message, so many times. */
static struct {
	const char *name;
	int open_error, keep_error, keep_times;
	int64_t later; /* seconds */
} fault;

int64_t __real_maildir_clock(void);
int64_t __wrap_maildir_clock(void)
{
	return __real_maildir_clock() + fault.later * 1000000000;
}

int __real_openat(int dir, const char *name, int flags, ...);
int __wrap_openat(int dir, const char *name, int flags, mode_t mode)
{
	if (fault.name && strcmp(name, fault.name) == 0) {
		errno = fault.open_error;
		return -1;
	}
	return __real_openat(dir, name, flags, mode);
}

int __real_renameat(int from, const char *old, int to, const char *new);
int __wrap_renameat(int from, const char *old, int to, const char *new)
{
	if (fault.keep_times && fault.keep_times--) {
		errno = fault.keep_error;
		return -1;
	}
	return __real_renameat(from, old, to, new);
}

/* The user's quota, in blocks of 1 KB and files: used, soft, hard. */
static struct dqblk quota;

long __wrap_syscall(
	long number, int dir, unsigned command, unsigned id, struct dqblk *to)
{
	(void)dir;
	cr_assert_eq(number, 443);
	if (command != ((unsigned)Q_GETQUOTA << SUBCMDSHIFT | USRQUOTA) ||
		id != geteuid() || !quota.dqb_valid) {
		errno = ESRCH;
		return -1;
	}
	*to = quota;
	return 0;
}

TestSuite(maildir_faults, .init = dir_begin, .fini = dir_end, .timeout = 120);

/* A broken inode hides no other message, and is named. */
Test(maildir_faults, a_broken_message)
{
	static const int errors[] = { EUCLEAN, ESTALE, EBADMSG, EIO, EOVERFLOW,
		ETXTBSY };
	PUT("cur/1.a", "a\n");
	PUT("cur/2.b,W=9", "123456\n");
	PUT("cur/3.c", "c\n");
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		fault.name = "2.b,W=9";
		fault.open_error = errors[i];
		struct maildrop *drop = dir_open();
		cr_assert_eq(maildrop_count(drop), 3);
		cr_assert_str_eq(dir_body(drop, 0), "a\n");
		cr_assert_null(dir_body(drop, 1));
		cr_assert_str_eq(dir_body(drop, 2), "c\n");
		cr_assert(maildrop_remark(drop) &&
			  strstr(maildrop_remark(drop), "cur/2.b,W=9"));
		maildrop_close(drop);
		fault.name = NULL;
	}
	struct maildrop *drop = dir_open();
	cr_assert_null(maildrop_remark(drop));
	cr_assert_str_eq(dir_body(drop, 1), "123456\n");
	maildrop_close(drop);
}

static struct maildrop *open_marked(uint32_t undo_seconds)
{
	struct maildrop *drop;
	struct maildrop_fault why = { "" };
	struct maildrop_place place = { .kind = MAILDROP_MAILDIR,
		.path = dir_path,
		.state = -1,
		.undo_seconds = undo_seconds };
	cr_assert_eq(maildrop_open(&drop, &place, &why), 0, "%s", why.text);
	for (size_t i = 0; i < maildrop_count(drop); i++)
		maildrop_mark(drop, i, true);
	return drop;
}

static int count_one(void *self, const struct undo_entry *entry)
{
	(void)entry;
	++*(size_t *)self;
	return 0;
}

static size_t count_kept(void)
{
	size_t n = 0;
	int undo = undo_open(dir_path, false);
	cr_assert_eq(undo_each(undo, count_one, &n), 0);
	close(undo);
	return n;
}

/* What passes is tried again; what does not is removed, counted and said. */
Test(maildir_faults, what_cannot_be_kept)
{
	static const struct {
		int error, times;
		size_t unkept;
	} cases[] = { { EINTR, 3, 0 }, { EBUSY, 1, 0 }, { EIO, 1, 1 }, { EDQUOT, 2, 2 },
		{ EMFILE, 1, 1 }, { EINTR, 1000, 2 } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct maildrop_done done;
		struct maildrop_fault why;
		PUT("new/1.a", "a\n");
		PUT("cur/2.b:2,", "b\n");
		struct maildrop *drop = open_marked(3600);
		fault.keep_error = cases[i].error;
		fault.keep_times = cases[i].times;
		cr_assert_eq(maildrop_commit(drop, &done, &why), 0, "%s", why.text);
		fault.keep_times = 0;
		cr_assert_eq(done.removed, 2);
		cr_assert_eq(done.unkept, cases[i].unkept, "%zu: %zu", i, done.unkept);
		cr_assert_eq(!done.unkept, !why.text[0]);
		maildrop_close(drop);
		cr_assert(!dir_exists("new/1.a") && !dir_exists("cur/2.b:2,"));
	}
}

/* Who is near the quota and deletes gets room, what was kept before included. */
Test(maildir_faults, near_the_quota)
{
	static const struct {
		struct dqblk quota;
		bool tight;
	} cases[] = {
		{ { .dqb_curspace = 900 << 10, .dqb_bhardlimit = 1000 }, false },
		{ { .dqb_curspace = 951 << 10, .dqb_bhardlimit = 1000 }, true },
		{ { .dqb_curspace = 960 << 10, .dqb_bsoftlimit = 1000 }, true },
		{ { .dqb_curspace = 1200 << 10,
			  .dqb_bsoftlimit = 1000,
			  .dqb_bhardlimit = 2000 },
			true },
		{ { .dqb_curspace = 10 << 10, .dqb_bhardlimit = 1000 }, false },
		{ { .dqb_curinodes = 99, .dqb_ihardlimit = 100 }, true },
		{ { .dqb_curspace = 1 << 30 }, false },
	};
	PUT("new/0.kept", "k\n");
	struct maildrop *drop = open_marked(3600);
	fault.later = -10;
	dir_commit(drop, 1);
	fault.later = 0;
	maildrop_close(drop);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct maildrop_done done;
		struct maildrop_fault why;
		PUT("new/1.a", "a\n");
		drop = open_marked(3600);
		fault.later = 100 * ((int64_t)i + 1); /* no two in one second */
		quota = cases[i].quota;
		quota.dqb_valid = 1;
		cr_assert_eq(maildrop_commit(drop, &done, &why), 0, "%s", why.text);
		cr_assert_eq(done.unkept, cases[i].tight, "%zu", i);
		cr_assert_eq(strstr(why.text, "quota") != NULL, cases[i].tight);
		maildrop_close(drop);
		quota.dqb_valid = 0;
		fault.later = 0;
		if (cases[i].tight)
			cr_assert_eq(count_kept(), 0, "%zu", i);
	}
}

/* What a delivery left in tmp goes after 36 hours; a link and a directory stay. */
Test(maildir_faults, tmp_is_cleaned)
{
	struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	PUT("tmp/1.half", "ha");
	PUT("tmp/2.now", "no");
	cr_assert_eq(utimensat(AT_FDCWD, dir_at("tmp/1.half"), old, 0), 0);
	cr_assert_eq(symlink("../new", dir_at("tmp/3.link")), 0);
	cr_assert_eq(mkdir(dir_at("tmp/4.dir"), 0700), 0);
	maildrop_close(dir_open());
	cr_assert(dir_exists("tmp/1.half"), "its ctime says that it was touched now");
	fault.later = 35 * 3600;
	maildrop_close(dir_open());
	cr_assert(dir_exists("tmp/1.half") && dir_exists("tmp/2.now"));
	fault.later = 37 * 3600;
	maildrop_close(dir_open());
	fault.later = 0;
	cr_assert(!dir_exists("tmp/1.half") && !dir_exists("tmp/2.now"));
	cr_assert(dir_exists("tmp/4.dir") && dir_exists("tmp/3.link"));
}

enum { BUSY = 100 };

/* Until it is killed. */
static void rename_for_ever(void)
{
	static const char *const flags[] = { "", "S", "FS", "RS", "T" };
	char names[2][64];
	for (unsigned turn = 0;; turn++)
		for (int i = 0; i < BUSY; i++)
			for (int k = 0; k < 2; k++) {
				snprintf(names[k], sizeof(names[k]), "cur/%d.m:2,%s", i,
					flags[(turn + (unsigned)k) % 5]);
				if (k)
					rename(dir_at("%s", names[0]),
						dir_at("%s", names[1]));
			}
}

static size_t left(void)
{
	size_t n = 0;
	static const char *const flags[] = { "", "S", "FS", "RS", "T" };
	for (int i = 0; i < BUSY; i++)
		for (size_t k = 0; k < 5; k++) {
			char name[64];
			snprintf(name, sizeof(name), "cur/%d.m:2,%s", i, flags[k]);
			n += dir_exists(name);
		}
	return n;
}

/* Said to be removed is what is removed, whatever an IMAP server does meanwhile. */
Test(maildir_faults, beside_one_who_renames)
{
	for (int round = 0; round < 10; round++) {
		struct maildrop_done done;
		struct maildrop_fault why;
		for (int i = 0; i < BUSY; i++)
			dir_put(dir_at("cur/%d.m:2,", i) + strlen(dir_path) + 1, "x\n",
				2);
		struct maildrop *drop = open_marked(0);
		size_t count = maildrop_count(drop);
		cr_assert_eq(count, BUSY);
		pid_t pid = fork();
		if (pid == 0)
			rename_for_ever();
		maildrop_commit(drop, &done, &why);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		cr_assert_eq(done.removed + done.failed, BUSY);
		cr_assert_eq(left(), done.failed, "%zu are there, %zu said to be",
			left(), done.failed);
		cr_expect_eq(done.failed, 0, "%s", why.text);
		maildrop_close(drop);
	}
}
