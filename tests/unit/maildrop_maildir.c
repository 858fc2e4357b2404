/*
 * maildir: what is a message, what is refused, sizes and unique-ids.
 */
#include "unit/dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

TestSuite(maildir, .init = dir_begin, .fini = dir_end, .timeout = 60);

Test(maildir, order_sizes_and_unique_ids)
{
	PUT("cur/200.b.host:2,S", "b\n");
	PUT("new/1000.c.host", "c\r\nd");
	PUT("cur/200.a.host:2,RS", "");
	PUT("cur/30.z.host", "z\n\n");
	PUT("new/nodigits", "n\n");
	struct maildrop *drop = dir_open();
	static const struct {
		const char *uid;
		uint64_t size;
		const char *body;
	} expected[] = {
		{ "nodigits", 3, "n\n" },
		{ "30.z.host", 5, "z\n\n" },
		{ "200.a.host", 0, "" },
		{ "200.b.host", 3, "b\n" },
		{ "1000.c.host", 6, "c\r\nd" },
	};
	cr_assert_eq(maildrop_count(drop), 5);
	for (size_t i = 0; i < 5; i++) {
		cr_expect_str_eq(dir_uid(drop, i), expected[i].uid);
		cr_expect_eq(maildrop_size(drop, i), expected[i].size);
		cr_expect_str_eq(dir_body(drop, i), expected[i].body);
	}
	maildrop_close(drop);
}

Test(maildir, missing_is_empty)
{
	struct stat st;
	snprintf(dir_path, sizeof(dir_path), "%s/nothing/here", dir_top);
	struct maildrop *drop = dir_open();
	cr_assert_eq(maildrop_count(drop), 0);
	dir_commit(drop, 0);
	maildrop_close(drop);
	cr_assert_eq(stat(dir_path, &st), -1, "nothing is created");
}

Test(maildir, missing_parts_are_empty)
{
	cr_assert_eq(rmdir(dir_at("new")), 0);
	PUT("cur/1.a:2,", "x\n");
	struct maildrop *drop = dir_open();
	cr_assert_eq(maildrop_count(drop), 1);
	maildrop_mark(drop, 0, true);
	dir_commit(drop, 1);
	maildrop_close(drop);
	cr_assert_eq(rmdir(dir_at("cur")), 0);
	drop = dir_open();
	cr_assert_eq(maildrop_count(drop), 0);
	maildrop_close(drop);
}

static void cannot_open(int error, const char *names)
{
	struct maildrop *drop;
	struct maildrop_fault fault = { "" };
	struct maildrop_place place = {
		.kind = MAILDROP_MAILDIR, .path = dir_path, .state = -1
	};
	cr_assert_eq(maildrop_open(&drop, &place, &fault), -1);
	cr_assert_eq(errno, error, "%s", fault.text);
	cr_assert_null(drop);
	cr_assert(strstr(fault.text, names), "%s", fault.text);
	cr_assert(strstr(fault.text, strerror(error)), "%s", fault.text);
}

Test(maildir, unreadable_names_the_path)
{
	if (geteuid() == 0)
		cr_assert_eq(chown(dir_path, 12345, 12345) + seteuid(12346), 0);
	else
		cr_assert_eq(chmod(dir_path, 0), 0);
	cannot_open(EACCES, dir_path);
	if (getuid() == 0)
		cr_assert_eq(seteuid(0), 0);
}

Test(maildir, file_is_no_maildir)
{
	PUT("file", "x");
	snprintf(dir_path, sizeof(dir_path), "%s/Maildir/file", dir_top);
	cannot_open(ENOTDIR, dir_path);
}

Test(maildir, linked_parts_are_refused)
{
	cr_assert_eq(rmdir(dir_at("cur")), 0);
	cr_assert_eq(symlink("/etc", dir_at("cur")), 0);
	struct maildrop *drop;
	struct maildrop_fault fault = { "" };
	struct maildrop_place place = {
		.kind = MAILDROP_MAILDIR, .path = dir_path, .state = -1
	};
	cr_assert_eq(maildrop_open(&drop, &place, &fault), -1);
	cr_assert(errno == ELOOP || errno == ENOTDIR);
	cr_assert(strstr(fault.text, dir_at("cur")), "%s", fault.text);
}

Test(maildir, only_regular_files_are_messages)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	PUT("cur/1.a:2,", "a\n");
	PUT("cur/.hidden", "h\n");
	PUT("secret", "s\n");
	cr_assert_eq(symlink("../secret", dir_at("cur/2.b")), 0);
	cr_assert_eq(symlink("nowhere", dir_at("new/3.c")), 0);
	cr_assert_eq(mkfifo(dir_at("new/4.d"), 0600), 0);
	cr_assert_eq(mkdir(dir_at("new/5.e"), 0700), 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s",
		dir_at("new/6.f"));
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(bind(s, (struct sockaddr *)&address, sizeof(address)), 0);
	if (geteuid() == 0)
		(void)!mknod(dir_at("new/7.g"), S_IFCHR | 0600, 0x103);
	struct maildrop *drop = dir_open();
	cr_assert_eq(maildrop_count(drop), 1);
	cr_assert_str_eq(dir_uid(drop, 0), "1.a");
	maildrop_close(drop);
}

Test(maildir, strange_names_get_a_hash)
{
	char longer[100];
	memset(longer, 'x', sizeof(longer));
	longer[71] = '\0';
	PUT("cur/1.with space:2,S", "a\n");
	PUT("cur/2.\xc3\xa4", "b\n");
	PUT("cur/:2,S", "c\n");
	dir_put(dir_at("cur/%s", longer) + strlen(dir_path) + 1, "d\n", 2);
	longer[70] = '\0';
	dir_put(dir_at("new/%s", longer) + strlen(dir_path) + 1, "e\n", 2);
	struct maildrop *drop = dir_open();
	cr_assert_eq(maildrop_count(drop), 5);
	size_t hashes = 0;
	for (size_t i = 0; i < 5; i++) {
		const char *uid = dir_uid(drop, i);
		size_t n = strlen(uid);
		cr_expect(n >= 1 && n <= 70);
		for (size_t k = 0; k < n; k++)
			cr_expect(uid[k] >= 0x21 && uid[k] <= 0x7E);
		hashes += uid[0] == '.';
		for (size_t k = 0; k < i; k++)
			cr_expect_str_neq(dir_uid(drop, k), uid);
	}
	cr_assert_eq(hashes, 4);
	maildrop_close(drop);
}

/* The same before and after flags change, files move, and other mail comes. */
Test(maildir, unique_ids_are_stable)
{
	char before[3][MAILDROP_UID_MAX + 1];
	PUT("new/1.a", "a\n");
	PUT("cur/2.with space:2,", "b\n");
	PUT("cur/3.c:2,S", "c\n");
	struct maildrop *drop = dir_open();
	cr_assert_eq(maildrop_count(drop), 3);
	for (size_t i = 0; i < 3; i++)
		snprintf(before[i], sizeof(before[i]), "%s", dir_uid(drop, i));
	maildrop_close(drop);
	cr_assert_eq(rename(dir_at("new/1.a"), dir_at("cur/1.a:2,RS")), 0);
	cr_assert_eq(
		rename(dir_at("cur/2.with space:2,"), dir_at("cur/2.with space:2,F")),
		0);
	cr_assert_eq(rename(dir_at("cur/3.c:2,S"), dir_at("cur/3.c:2,ST")), 0);
	PUT("new/0.z", "z\n");
	PUT("new/3.c", "c\n"); /* a backup was copied over */
	drop = dir_open();
	cr_assert_eq(maildrop_count(drop), 4);
	for (size_t i = 0; i < 3; i++)
		cr_expect_str_eq(dir_uid(drop, i + 1), before[i]);
	maildrop_close(drop);
}

/* Over 4 GB; sparse, so that it costs no disk, and little time. */
Test(maildir, message_over_4_gb, .timeout = 900)
{
	struct maildrop_body body;
	struct maildrop_fault fault;
	char block[8];
	PUT("cur/1.a", "a\n");
	cr_assert_eq(truncate(dir_at("cur/1.a"), 4294967296 + 10), 0);
	struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	cr_assert_eq(utimensat(AT_FDCWD, dir_at("cur/1.a"), old, 0), 0);
	struct maildrop *drop = dir_open();
	cr_assert_eq(maildrop_size(drop, 0), 4294967296 + 10 + 1 + 2);
	cr_assert_eq(maildrop_body_open(drop, 0, &body, &fault), 0);
	cr_assert_eq(body.end, 4294967296 + 10);
	body.offset = body.end - 3;
	cr_assert_eq(maildrop_body_read(&body, block, 8), 3);
	cr_assert_eq(maildrop_body_read(&body, block, 8), 0);
	maildrop_body_close(&body);
	maildrop_close(drop);
}

Test(maildir, kinds)
{
	cr_assert_eq(maildrop_kind_of(span_str("maildir")), MAILDROP_MAILDIR);
	cr_assert_eq(maildrop_kind_of(span_str("mbox")), MAILDROP_MBOX);
	cr_assert_eq(maildrop_kind_of(span_str("Maildir")), 0);
	cr_assert_eq(maildrop_kind_of(span_str("")), 0);
	cr_assert_str_eq(maildrop_kind_name(MAILDROP_MBOX), "mbox");
}

Test(maildir, place_must_be_absolute)
{
	static char longer[MAILDROP_PATH_MAX + 2];
	struct maildrop *drop;
	struct maildrop_fault fault;
	struct maildrop_place place = {
		.kind = MAILDROP_MAILDIR, .path = "Maildir", .state = -1
	};
	cr_assert_eq(maildrop_open(&drop, &place, &fault), -1);
	cr_assert_eq(errno, EINVAL);
	memset(longer, '/', sizeof(longer) - 1);
	place.path = longer;
	cr_assert_eq(maildrop_open(&drop, &place, &fault), -1);
	cr_assert_eq(errno, ENAMETOOLONG);
}
