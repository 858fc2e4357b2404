/*
 * maildir: a real directory under /tmp, with what owners and other agents do to it.
 */
#include "postern/maildrop.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char top[40], path[128];

static const char *at(const char *format, ...)
{
	static char names[4][1024];
	static int turn;
	char *name = names[turn++ % 4], tail[512];
	va_list args;
	va_start(args, format);
	vsnprintf(tail, sizeof(tail), format, args);
	va_end(args);
	snprintf(name, sizeof(names[0]), "%s/%s", path, tail);
	return name;
}

static void put(const char *name, const char *text, size_t n)
{
	int fd = open(at("%s", name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	cr_assert(fd >= 0, "%s: %s", name, strerror(errno));
	cr_assert_eq(write(fd, text, n), (ssize_t)n);
	close(fd);
}

#define PUT(name, text) put(name, text, sizeof(text) - 1)

static void setup(void)
{
	snprintf(top, sizeof(top), "/tmp/postern-maildir.XXXXXX");
	cr_assert(mkdtemp(top));
	snprintf(path, sizeof(path), "%s/Maildir", top);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_eq(mkdir(at("new"), 0700), 0);
	cr_assert_eq(mkdir(at("cur"), 0700), 0);
	cr_assert_eq(mkdir(at("tmp"), 0700), 0);
}

static void teardown(void)
{
	char command[128];
	snprintf(command, sizeof(command), "chmod -R u+rwx %s; rm -rf %s", top, top);
	cr_assert_eq(system(command), 0);
}

TestSuite(maildir, .init = setup, .fini = teardown, .timeout = 60);

static struct maildrop *open_drop(void)
{
	struct maildrop *drop;
	struct maildrop_fault fault = { "" };
	struct maildrop_place place = {
		.kind = MAILDROP_MAILDIR, .path = path, .state = -1
	};
	cr_assert_eq(maildrop_open(&drop, &place, &fault), 0, "%s", fault.text);
	return drop;
}

static const char *uid_of(struct maildrop *drop, size_t i)
{
	static char uids[8][MAILDROP_UID_MAX + 1];
	static int turn;
	char *uid = uids[turn++ % 8];
	cr_assert_eq(maildrop_uid(drop, i, uid), 0);
	return uid;
}

/* What is stored as message i, or NULL. */
static const char *body_of(struct maildrop *drop, size_t i)
{
	static char text[4096];
	struct maildrop_body body;
	struct maildrop_fault fault = { "" };
	size_t n = 0;
	ssize_t got;
	if (maildrop_body_open(drop, i, &body, &fault) < 0) {
		cr_assert(fault.text[0]);
		return NULL;
	}
	while ((got = maildrop_body_read(&body, text + n, 7)) > 0)
		n += (size_t)got;
	cr_assert_eq(got, 0);
	text[n] = '\0';
	maildrop_body_close(&body);
	return text;
}

static bool exists(const char *name)
{
	struct stat st;
	return lstat(at("%s", name), &st) == 0;
}

static void commit(struct maildrop *drop, size_t removed)
{
	struct maildrop_done done;
	struct maildrop_fault fault = { "" };
	cr_assert_eq(maildrop_commit(drop, &done, &fault), 0, "%s", fault.text);
	cr_assert_eq(done.removed, removed);
	cr_assert_eq(done.failed, 0);
}

Test(maildir, order_sizes_and_unique_ids)
{
	PUT("cur/200.b.host:2,S", "b\n");
	PUT("new/1000.c.host", "c\r\nd");
	PUT("cur/200.a.host:2,RS", "");
	PUT("cur/30.z.host", "z\n\n");
	PUT("new/nodigits", "n\n");
	struct maildrop *drop = open_drop();
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
		cr_expect_str_eq(uid_of(drop, i), expected[i].uid);
		cr_expect_eq(maildrop_size(drop, i), expected[i].size);
		cr_expect_str_eq(body_of(drop, i), expected[i].body);
	}
	maildrop_close(drop);
}

Test(maildir, missing_is_empty)
{
	struct stat st;
	snprintf(path, sizeof(path), "%s/nothing/here", top);
	struct maildrop *drop = open_drop();
	cr_assert_eq(maildrop_count(drop), 0);
	commit(drop, 0);
	maildrop_close(drop);
	cr_assert_eq(stat(path, &st), -1, "nothing is created");
}

Test(maildir, missing_parts_are_empty)
{
	cr_assert_eq(rmdir(at("new")), 0);
	PUT("cur/1.a:2,", "x\n");
	struct maildrop *drop = open_drop();
	cr_assert_eq(maildrop_count(drop), 1);
	maildrop_mark(drop, 0, true);
	commit(drop, 1);
	maildrop_close(drop);
	cr_assert_eq(rmdir(at("cur")), 0);
	drop = open_drop();
	cr_assert_eq(maildrop_count(drop), 0);
	maildrop_close(drop);
}

static void cannot_open(int error, const char *names)
{
	struct maildrop *drop;
	struct maildrop_fault fault = { "" };
	struct maildrop_place place = {
		.kind = MAILDROP_MAILDIR, .path = path, .state = -1
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
		cr_assert_eq(chown(path, 12345, 12345) + seteuid(12346), 0);
	else
		cr_assert_eq(chmod(path, 0), 0);
	cannot_open(EACCES, path);
	if (getuid() == 0)
		cr_assert_eq(seteuid(0), 0);
}

Test(maildir, file_is_no_maildir)
{
	PUT("file", "x");
	snprintf(path, sizeof(path), "%s/Maildir/file", top);
	cannot_open(ENOTDIR, path);
}

Test(maildir, linked_parts_are_refused)
{
	cr_assert_eq(rmdir(at("cur")), 0);
	cr_assert_eq(symlink("/etc", at("cur")), 0);
	struct maildrop *drop;
	struct maildrop_fault fault = { "" };
	struct maildrop_place place = {
		.kind = MAILDROP_MAILDIR, .path = path, .state = -1
	};
	cr_assert_eq(maildrop_open(&drop, &place, &fault), -1);
	cr_assert(errno == ELOOP || errno == ENOTDIR);
	cr_assert(strstr(fault.text, at("cur")), "%s", fault.text);
}

Test(maildir, only_regular_files_are_messages)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	PUT("cur/1.a:2,", "a\n");
	PUT("cur/.hidden", "h\n");
	PUT("secret", "s\n");
	cr_assert_eq(symlink("../secret", at("cur/2.b")), 0);
	cr_assert_eq(symlink("nowhere", at("new/3.c")), 0);
	cr_assert_eq(mkfifo(at("new/4.d"), 0600), 0);
	cr_assert_eq(mkdir(at("new/5.e"), 0700), 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", at("new/6.f"));
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(bind(s, (struct sockaddr *)&address, sizeof(address)), 0);
	if (geteuid() == 0)
		(void)!mknod(at("new/7.g"), S_IFCHR | 0600, 0x103);
	struct maildrop *drop = open_drop();
	cr_assert_eq(maildrop_count(drop), 1);
	cr_assert_str_eq(uid_of(drop, 0), "1.a");
	maildrop_close(drop);
}

/* What a message turns into after the snapshot is never followed or waited for. */
Test(maildir, message_that_becomes_something_else)
{
	PUT("cur/1.a", "a\n");
	PUT("cur/2.b", "b\n");
	PUT("cur/3.c", "c\n");
	PUT("secret", "s\n");
	struct maildrop *drop = open_drop();
	cr_assert_eq(
		unlink(at("cur/1.a")) + unlink(at("cur/2.b")) + unlink(at("cur/3.c")),
		0);
	cr_assert_eq(symlink("../secret", at("cur/1.a")), 0);
	cr_assert_eq(mkfifo(at("cur/2.b"), 0600), 0);
	cr_assert_eq(mkdir(at("cur/3.c"), 0700), 0);
	for (size_t i = 0; i < 3; i++)
		cr_expect_null(body_of(drop, i));
	maildrop_mark(drop, 0, true);
	commit(drop, 1);
	cr_assert(exists("secret"));
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
	put(at("cur/%s", longer) + strlen(path) + 1, "d\n", 2);
	longer[70] = '\0';
	put(at("new/%s", longer) + strlen(path) + 1, "e\n", 2);
	struct maildrop *drop = open_drop();
	cr_assert_eq(maildrop_count(drop), 5);
	size_t hashes = 0;
	for (size_t i = 0; i < 5; i++) {
		const char *uid = uid_of(drop, i);
		size_t n = strlen(uid);
		cr_expect(n >= 1 && n <= 70);
		for (size_t k = 0; k < n; k++)
			cr_expect(uid[k] >= 0x21 && uid[k] <= 0x7E);
		hashes += uid[0] == '.';
		for (size_t k = 0; k < i; k++)
			cr_expect_str_neq(uid_of(drop, k), uid);
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
	PUT("new/3.c", "another c\n");
	struct maildrop *drop = open_drop();
	cr_assert_eq(maildrop_count(drop), 4);
	cr_assert_str_neq(uid_of(drop, 2), uid_of(drop, 3));
	cr_assert_str_neq(uid_of(drop, 2), "3.c");
	cr_assert_str_neq(uid_of(drop, 3), "3.c");
	for (size_t i = 0; i < 3; i++)
		snprintf(before[i], sizeof(before[i]), "%s", uid_of(drop, i));
	maildrop_close(drop);
	cr_assert_eq(rename(at("new/1.a"), at("cur/1.a:2,RS")), 0);
	cr_assert_eq(rename(at("cur/2.with space:2,"), at("cur/2.with space:2,F")), 0);
	cr_assert_eq(rename(at("cur/3.c:2,S"), at("cur/3.c:2,ST")), 0);
	PUT("new/0.z", "z\n");
	drop = open_drop();
	cr_assert_eq(maildrop_count(drop), 5);
	for (size_t i = 0; i < 3; i++)
		cr_expect_str_eq(uid_of(drop, i + 1), before[i]);
	maildrop_close(drop);
}

Test(maildir, renamed_message_is_found_again)
{
	PUT("new/1.a", "a\n");
	PUT("cur/2.b:2,", "b\n");
	PUT("cur/3.c:2,", "c\n");
	struct maildrop *drop = open_drop();
	cr_assert_eq(rename(at("new/1.a"), at("cur/1.a:2,S")), 0);
	cr_assert_eq(rename(at("cur/2.b:2,"), at("cur/2.b:2,FS")), 0);
	cr_assert_eq(unlink(at("cur/3.c:2,")), 0);
	PUT("new/4.d", "d\n");
	cr_assert_eq(maildrop_count(drop), 3);
	cr_assert_str_eq(body_of(drop, 0), "a\n");
	cr_assert_str_eq(body_of(drop, 1), "b\n");
	cr_assert_null(body_of(drop, 2));
	cr_assert_eq(errno, ENOENT);
	cr_assert_eq(rename(at("cur/1.a:2,S"), at("cur/1.a:2,RS")), 0);
	cr_assert_str_eq(body_of(drop, 0), "a\n");
	cr_assert_str_eq(uid_of(drop, 0), "1.a");
	maildrop_close(drop);
}

Test(maildir, one_file_under_two_names_is_one_message)
{
	PUT("new/1.a", "a\n");
	cr_assert_eq(link(at("new/1.a"), at("cur/1.a:2,S")), 0);
	struct maildrop *drop = open_drop();
	cr_assert_eq(maildrop_count(drop), 1);
	cr_assert_str_eq(uid_of(drop, 0), "1.a");
	cr_assert_eq(unlink(at("new/1.a")), 0);
	cr_assert_str_eq(body_of(drop, 0), "a\n");
	maildrop_close(drop);
}

/* A size that is not true any more is corrected, not served. */
Test(maildir, changed_message_is_measured_anew)
{
	PUT("cur/1.a:2,", "a\n");
	PUT("cur/2.b:2,", "b\n\n");
	struct maildrop *drop = open_drop();
	cr_assert_eq(maildrop_size(drop, 0), 3);
	PUT("cur/1.a:2,", "longer\nthan\nbefore\n");
	PUT("cur/2.b:2,", "bbb");
	struct timespec t[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	cr_assert_eq(utimensat(AT_FDCWD, at("cur/2.b:2,"), t, 0), 0);
	cr_assert_str_eq(body_of(drop, 0), "longer\nthan\nbefore\n");
	cr_assert_eq(maildrop_size(drop, 0), 22);
	cr_assert_str_eq(body_of(drop, 1), "bbb");
	cr_assert_eq(maildrop_size(drop, 1), 5);
	maildrop_close(drop);
}

Test(maildir, body_cut_short_is_an_error)
{
	char block[16];
	struct maildrop_body body;
	struct maildrop_fault fault;
	PUT("cur/1.a", "0123456789\n");
	struct maildrop *drop = open_drop();
	cr_assert_eq(maildrop_body_open(drop, 0, &body, &fault), 0);
	cr_assert_eq(maildrop_body_read(&body, block, 4), 4);
	cr_assert_eq(truncate(at("cur/1.a"), 5), 0);
	cr_assert_eq(maildrop_body_read(&body, block, 16), 1);
	cr_assert_eq(maildrop_body_read(&body, block, 16), -1);
	cr_assert_eq(errno, EIO);
	maildrop_body_close(&body);
	maildrop_close(drop);
}

Test(maildir, unreadable_message_hides_no_other)
{
	if (geteuid() == 0) {
		cr_assert_eq(chmod(top, 0755) + chmod(path, 0755), 0);
		cr_assert_eq(chmod(at("new"), 0755) + chmod(at("cur"), 0755), 0);
	}
	PUT("cur/1.a", "a\n");
	PUT("cur/2.b", "bb\n");
	cr_assert_eq(chmod(at("cur/1.a"), 0644) + chmod(at("cur/2.b"), 0), 0);
	if (geteuid() == 0)
		cr_assert_eq(seteuid(12345), 0);
	struct maildrop *drop = open_drop();
	cr_assert_eq(maildrop_count(drop), 2);
	cr_assert_str_eq(body_of(drop, 0), "a\n");
	cr_assert_null(body_of(drop, 1));
	cr_assert_eq(errno, EACCES);
	if (getuid() == 0)
		cr_assert_eq(seteuid(0), 0);
	maildrop_close(drop);
}

Test(maildir, commit_removes_the_marked_and_no_other)
{
	PUT("new/1.a", "a\n");
	PUT("cur/2.b:2,", "b\n");
	PUT("cur/3.c:2,", "c\n");
	PUT("cur/4.d:2,", "d\n");
	PUT("cur/5.e:2,", "e\n");
	struct maildrop *drop = open_drop();
	for (size_t i = 0; i < 4; i++)
		maildrop_mark(drop, i, true);
	maildrop_mark(drop, 1, false);
	cr_assert(!maildrop_marked(drop, 1));
	PUT("new/6.f", "f\n"); /* delivered meanwhile */
	cr_assert_eq(rename(at("cur/3.c:2,"), at("cur/3.c:2,S")), 0);
	cr_assert_eq(unlink(at("cur/4.d:2,")), 0);
	commit(drop, 3);
	maildrop_close(drop);
	cr_assert(!exists("new/1.a") && !exists("cur/3.c:2,S"));
	cr_assert(exists("cur/2.b:2,") && exists("cur/5.e:2,") && exists("new/6.f"));
}

Test(maildir, close_without_commit_removes_nothing)
{
	PUT("new/1.a", "a\n");
	struct maildrop *drop = open_drop();
	maildrop_mark(drop, 0, true);
	maildrop_close(drop);
	cr_assert(exists("new/1.a"));
}

Test(maildir, commit_that_fails_says_which)
{
	struct maildrop_done done;
	struct maildrop_fault fault = { "" };
	PUT("new/1.a", "a\n");
	PUT("cur/2.b", "b\n");
	if (geteuid() == 0) {
		cr_assert_eq(chmod(top, 0755) + chmod(path, 0755), 0);
		cr_assert_eq(chmod(at("new"), 0755) + chmod(at("cur"), 0777), 0);
		cr_assert_eq(
			chmod(at("new/1.a"), 0644) + chmod(at("cur/2.b"), 0644), 0);
		cr_assert_eq(seteuid(12345), 0);
	} else {
		cr_assert_eq(chmod(at("new"), 0500), 0);
	}
	struct maildrop *drop = open_drop();
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
	cr_assert(exists("new/1.a") && !exists("cur/2.b"));
}

/* Over 4 GB; sparse, so that it costs no disk, and little time. */
Test(maildir, message_over_4_gb, .timeout = 900)
{
	struct maildrop_body body;
	struct maildrop_fault fault;
	char block[8];
	PUT("cur/1.a", "a\n");
	cr_assert_eq(truncate(at("cur/1.a"), 4294967296 + 10), 0);
	struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	cr_assert_eq(utimensat(AT_FDCWD, at("cur/1.a"), old, 0), 0);
	struct maildrop *drop = open_drop();
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
