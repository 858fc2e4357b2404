/*
 * maildir_commits: what is removed, and what may not be read or removed.
 */
#include "unit/dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(maildir_commits, .init = dir_begin, .fini = dir_end, .timeout = 60);

Test(maildir_commits, unreadable_message_hides_no_other)
{
	if (geteuid() == 0) {
		cr_assert_eq(chmod(dir_top, 0755) + chmod(dir_path, 0755), 0);
		cr_assert_eq(
			chmod(dir_at("new"), 0755) + chmod(dir_at("cur"), 0755), 0);
	}
	PUT("cur/1.a", "a\n");
	PUT("cur/2.b", "bb\n");
	cr_assert_eq(chmod(dir_at("cur/1.a"), 0644) + chmod(dir_at("cur/2.b"), 0), 0);
	if (geteuid() == 0)
		cr_assert_eq(seteuid(12345), 0);
	struct maildrop *drop = dir_open();
	cr_assert_eq(maildrop_count(drop), 2);
	cr_assert_str_eq(dir_body(drop, 0), "a\n");
	cr_assert_null(dir_body(drop, 1));
	cr_assert_eq(errno, EACCES);
	if (getuid() == 0)
		cr_assert_eq(seteuid(0), 0);
	maildrop_close(drop);
}

Test(maildir_commits, commit_removes_the_marked_and_no_other)
{
	PUT("new/1.a", "a\n");
	PUT("cur/2.b:2,", "b\n");
	PUT("cur/3.c:2,", "c\n");
	PUT("cur/4.d:2,", "d\n");
	PUT("cur/5.e:2,", "e\n");
	struct maildrop *drop = dir_open();
	for (size_t i = 0; i < 4; i++)
		maildrop_mark(drop, i, true);
	maildrop_mark(drop, 1, false);
	cr_assert(!maildrop_marked(drop, 1));
	PUT("new/6.f", "f\n"); /* delivered meanwhile */
	cr_assert_eq(rename(dir_at("cur/3.c:2,"), dir_at("cur/3.c:2,S")), 0);
	cr_assert_eq(unlink(dir_at("cur/4.d:2,")), 0);
	dir_commit(drop, 3);
	maildrop_close(drop);
	cr_assert(!dir_exists("new/1.a") && !dir_exists("cur/3.c:2,S"));
	cr_assert(dir_exists("cur/2.b:2,") && dir_exists("cur/5.e:2,") &&
		  dir_exists("new/6.f"));
}

Test(maildir_commits, close_without_commit_removes_nothing)
{
	PUT("new/1.a", "a\n");
	struct maildrop *drop = dir_open();
	maildrop_mark(drop, 0, true);
	maildrop_close(drop);
	cr_assert(dir_exists("new/1.a"));
}

Test(maildir_commits, commit_that_fails_says_which)
{
	struct maildrop_done done;
	struct maildrop_fault fault = { "" };
	PUT("new/1.a", "a\n");
	PUT("cur/2.b", "b\n");
	if (geteuid() == 0) {
		cr_assert_eq(chmod(dir_top, 0755) + chmod(dir_path, 0755), 0);
		cr_assert_eq(
			chmod(dir_at("new"), 0755) + chmod(dir_at("cur"), 0777), 0);
		cr_assert_eq(
			chmod(dir_at("new/1.a"), 0644) + chmod(dir_at("cur/2.b"), 0644),
			0);
		cr_assert_eq(seteuid(12345), 0);
	} else {
		cr_assert_eq(chmod(dir_at("new"), 0500), 0);
	}
	struct maildrop *drop = dir_open();
	maildrop_mark(drop, 0, true);
	maildrop_mark(drop, 1, true);
	cr_assert_eq(maildrop_commit(drop, &done, &fault), -1);
	cr_assert_eq(errno, EACCES);
	cr_assert_eq(done.removed, 1);
	cr_assert_eq(done.failed, 1);
	cr_assert(strstr(fault.text, "new/1.a"), "%s", fault.text);
	if (getuid() == 0)
		cr_assert_eq(seteuid(0), 0);
	maildrop_close(drop);
	cr_assert(dir_exists("new/1.a") && !dir_exists("cur/2.b"));
}
