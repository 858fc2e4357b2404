/*
 * maildir_outside: what other agents do to messages of a snapshot.
 */
#include "unit/dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(maildir_outside, .init = dir_begin, .fini = dir_end, .timeout = 60);

/* What a message turns into after the snapshot is never followed or waited for. */
Test(maildir_outside, message_that_becomes_something_else)
{
	PUT("cur/1.a", "a\n");
	PUT("cur/2.b", "b\n");
	PUT("cur/3.c", "c\n");
	PUT("secret", "s\n");
	struct maildrop *drop = dir_open();
	cr_assert_eq(unlink(dir_at("cur/1.a")) + unlink(dir_at("cur/2.b")) +
			     unlink(dir_at("cur/3.c")),
		0);
	cr_assert_eq(symlink("../secret", dir_at("cur/1.a")), 0);
	cr_assert_eq(mkfifo(dir_at("cur/2.b"), 0600), 0);
	cr_assert_eq(mkdir(dir_at("cur/3.c"), 0700), 0);
	for (size_t i = 0; i < 3; i++)
		cr_expect_null(dir_body(drop, i));
	maildrop_mark(drop, 0, true);
	dir_commit(drop, 1);
	cr_assert(dir_exists("secret"));
	maildrop_close(drop);
}

Test(maildir_outside, renamed_message_is_found_again)
{
	PUT("new/1.a", "a\n");
	PUT("cur/2.b:2,", "b\n");
	PUT("cur/3.c:2,", "c\n");
	struct maildrop *drop = dir_open();
	cr_assert_eq(rename(dir_at("new/1.a"), dir_at("cur/1.a:2,S")), 0);
	cr_assert_eq(rename(dir_at("cur/2.b:2,"), dir_at("cur/2.b:2,FS")), 0);
	cr_assert_eq(unlink(dir_at("cur/3.c:2,")), 0);
	PUT("new/4.d", "d\n");
	cr_assert_eq(maildrop_count(drop), 3);
	cr_assert_str_eq(dir_body(drop, 0), "a\n");
	cr_assert_str_eq(dir_body(drop, 1), "b\n");
	cr_assert_null(dir_body(drop, 2));
	cr_assert_eq(errno, ENOENT);
	cr_assert_eq(rename(dir_at("cur/1.a:2,S"), dir_at("cur/1.a:2,RS")), 0);
	cr_assert_str_eq(dir_body(drop, 0), "a\n");
	cr_assert_str_eq(dir_uid(drop, 0), "1.a");
	maildrop_close(drop);
}

Test(maildir_outside, one_file_under_two_names_is_one_message)
{
	PUT("new/1.a", "a\n");
	cr_assert_eq(link(dir_at("new/1.a"), dir_at("cur/1.a:2,S")), 0);
	struct maildrop *drop = dir_open();
	cr_assert_eq(maildrop_count(drop), 1);
	cr_assert_str_eq(dir_uid(drop, 0), "1.a");
	cr_assert_eq(unlink(dir_at("new/1.a")), 0);
	cr_assert_str_eq(dir_body(drop, 0), "a\n");
	maildrop_close(drop);
}

/* Two files with one base name are one message: the one that is listed is sent, and
 * both are removed. */
Test(maildir_outside, a_copied_back_message)
{
	PUT("cur/1.a:2,S", "a\n");
	PUT("cur/1.a:2,", "a\n");
	PUT("new/2.b", "b\n");
	cr_assert_eq(link(dir_at("new/2.b"), dir_at("cur/2.b:2,S")), 0);
	PUT("cur/3.c:2,S", "c\n");
	struct maildrop *drop = dir_open();
	cr_assert_eq(maildrop_count(drop), 3);
	cr_assert_str_eq(dir_uid(drop, 0), "1.a");
	cr_assert_str_eq(dir_uid(drop, 1), "2.b");
	maildrop_mark(drop, 0, true);
	maildrop_mark(drop, 1, true);
	dir_commit(drop, 2);
	maildrop_close(drop);
	drop = dir_open();
	cr_assert_eq(maildrop_count(drop), 1);
	cr_assert_str_eq(dir_uid(drop, 0), "3.c");
	maildrop_close(drop);
}

/* What nobody was shown is not removed; what was listed is what is sent, even when
 * other programs rename. */
Test(maildir_outside, another_message_of_that_name)
{
	PUT("cur/1.a:2,", "the first\n");
	PUT("new/1.a", "and another\n");
	struct maildrop *drop = dir_open();
	cr_assert_eq(maildrop_count(drop), 1);
	bool first = maildrop_size(drop, 0) == 11;
	const char *shown = first ? "the first\n" : "and another\n";
	cr_assert_str_eq(dir_body(drop, 0), shown);
	cr_assert_eq(rename(dir_at("cur/1.a:2,"), dir_at("cur/1.a:2,ST")), 0);
	cr_assert_eq(rename(dir_at("new/1.a"), dir_at("cur/1.a:2,")), 0);
	cr_assert_str_eq(dir_body(drop, 0), shown);
	maildrop_mark(drop, 0, true);
	dir_commit(drop, 1);
	maildrop_close(drop);
	cr_assert_eq(dir_exists("cur/1.a:2,ST") + dir_exists("cur/1.a:2,"), 1);
	drop = dir_open();
	cr_assert_eq(maildrop_count(drop), 1);
	cr_assert_str_eq(dir_body(drop, 0), first ? "and another\n" : "the first\n");
	maildrop_close(drop);
}

/* Some programs deliver in place: what has grown is listed as it is. */
Test(maildir_outside, a_message_that_grew_in_place)
{
	PUT("new/1.a", "a\n");
	PUT("new/2.b", "b\n");
	struct maildrop *drop = dir_open();
	cr_assert_eq(maildrop_size(drop, 0), 3);
	maildrop_close(drop);
	int fd = open(dir_at("new/1.a"), O_WRONLY | O_APPEND);
	cr_assert_eq(write(fd, "and more\n", 9), 9);
	close(fd);
	drop = dir_open();
	cr_assert_eq(maildrop_size(drop, 0), 13);
	cr_assert_eq(maildrop_size(drop, 1), 3);
	maildrop_close(drop);
}

/* A size that is not true any more is corrected, not served. */
Test(maildir_outside, changed_message_is_measured_anew)
{
	PUT("cur/1.a:2,", "a\n");
	PUT("cur/2.b:2,", "b\n\n");
	struct maildrop *drop = dir_open();
	cr_assert_eq(maildrop_size(drop, 0), 3);
	PUT("cur/1.a:2,", "longer\nthan\nbefore\n");
	PUT("cur/2.b:2,", "bbb");
	struct timespec t[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	cr_assert_eq(utimensat(AT_FDCWD, dir_at("cur/2.b:2,"), t, 0), 0);
	cr_assert_str_eq(dir_body(drop, 0), "longer\nthan\nbefore\n");
	cr_assert_eq(maildrop_size(drop, 0), 22);
	cr_assert_str_eq(dir_body(drop, 1), "bbb");
	cr_assert_eq(maildrop_size(drop, 1), 5);
	maildrop_close(drop);
}

Test(maildir_outside, body_cut_short_is_an_error)
{
	char block[16];
	struct maildrop_body body;
	struct maildrop_fault fault;
	PUT("cur/1.a", "0123456789\n");
	struct maildrop *drop = dir_open();
	cr_assert_eq(maildrop_body_open(drop, 0, &body, &fault), 0);
	cr_assert_eq(maildrop_body_read(&body, block, 4), 4);
	cr_assert_eq(truncate(dir_at("cur/1.a"), 5), 0);
	cr_assert_eq(maildrop_body_read(&body, block, 16), 1);
	cr_assert_eq(maildrop_body_read(&body, block, 16), -1);
	cr_assert_eq(errno, EIO);
	maildrop_body_close(&body);
	maildrop_close(drop);
}
