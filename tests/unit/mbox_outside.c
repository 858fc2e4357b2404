/*
 * mbox_outside: what other programs do to an mbox meanwhile, and may forbid.
 */
#include "maildrop/mbox.h"
#include "unit/box.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

TestSuite(mbox_outside, .init = box_begin, .fini = box_end, .timeout = 120);

Test(mbox_outside, outside_changes)
{
	const struct {
		const char *text;
		int error;
	} changes[] = {
		{ A B C, 0 }, /* touched, the same octets */
		{ A B C NEW, 0 },
		{ A B, ESTALE },
		{ "", ESTALE },
		{ B A C, ESTALE },
		{ A DATED "Status: RO\nB: 2\n\nsecond, which is longer\n\n" C, ESTALE },
		{ A C, ESTALE },
		{ NEW A B C, ESTALE },
	};
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		box_put(A B C);
		struct maildrop *drop = box_open();
		box_put(changes[i].text);
		box_touch(1 + (int)i);
		cr_expect_eq(box_body_error(drop, 1), changes[i].error, "%zu", i);
		maildrop_mark(drop, 0, true);
		cr_expect_eq(box_commit_error(drop), changes[i].error, "%zu", i);
		if (changes[i].error)
			box_expect(changes[i].text);
		maildrop_close(drop);
	}
}

/* What one message gained its neighbour lost, and mail came: the end stands where it
 * stood. */
Test(mbox_outside, moved_in_the_middle)
{
	box_put_many(100, false);
	struct maildrop *drop = box_open();
	box_put_many(100, true);
	box_append(NEW);
	cr_expect_eq(box_body_error(drop, 99), 0, "where it was");
	cr_expect_eq(box_body_error(drop, 100), ESTALE, "longer than it was");
	cr_expect_eq(box_body_error(drop, 101), ESTALE, "moved");
	cr_expect_eq(box_body_error(drop, 102), 0, "where it was");
	maildrop_mark(drop, 5, true);
	cr_expect_eq(box_commit_error(drop), ESTALE);
	maildrop_close(drop);
}

/* The last message was not all there: what came is its rest, or the next one. */
Test(mbox_outside, last_message_grown)
{
	const struct {
		const char *last, *more;
		int error;
	} cases[] = {
		{ DATED "H: 1\n\nhalf", " of it\n\n", ESTALE },
		{ DATED "H: 1\n\nhalf\n", "of it\n\n", ESTALE },
		{ DATED "H: 1\n\nhalf\n\n", "of it\n\n", ESTALE },
		{ DATED "H: 1\n\nhalf\n\n", "of it\n\n" NEW, ESTALE },
		{ DATED "H: 1\n\nhalf\n\n", "Fro", ESTALE },
		{ DATED "H: 1\n\nhalf\n\n", "\n", ESTALE },
		{ DATED "H: 1\n", "I: 2\n\nbody\n\n", ESTALE },
		{ DATED "H: 1\n\nno line end", NEW, ESTALE },
		{ DATED "H: 1\n\nwhole\n\n", NEW, 0 },
		{ DATED "H: 1\n\nwhole\n", "\n" NEW, 0 },
		{ DATED "H: 1\n\nwhole\r\n", "\r\n" NEW, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char before[256], after[512];
		snprintf(before, sizeof(before), A "%s", cases[i].last);
		snprintf(after, sizeof(after), "%s%s%s", cases[i].error ? A : "",
			cases[i].error ? cases[i].last : "", cases[i].more);
		box_put(before);
		struct maildrop *drop = box_open();
		box_append(cases[i].more);
		box_mark(drop, "xx");
		cr_expect_eq(box_commit_error(drop), cases[i].error, "%zu", i);
		box_expect(after);
		maildrop_close(drop);

		/* It is no matter of the others. */
		box_put(before);
		drop = box_open();
		box_append(cases[i].more);
		box_mark(drop, "x-");
		cr_expect_eq(box_commit_error(drop), 0, "%zu", i);
		snprintf(after, sizeof(after), "%s%s", cases[i].last, cases[i].more);
		box_expect(after);
		maildrop_close(drop);
	}
}

/* What is sent of a message was one message, or the client is not told that it is. */
Test(mbox_outside, changed_while_it_was_read)
{
	const struct {
		const char *text;
		int error;
	} changes[] = {
		{ A B C, 0 },
		{ A B C NEW, 0 },
		{ B C, ESTALE },
		{ A C NEW, ESTALE },
		{ "", ESTALE },
	};
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct maildrop_body body;
		struct maildrop_fault fault = { "" };
		box_put(A B C);
		struct maildrop *drop = box_open();
		cr_assert_eq(maildrop_body_open(drop, 1, &body, &fault), 0);
		cr_expect_eq(maildrop_body_check(drop, 1, &fault), 0);
		box_put(changes[i].text);
		box_touch(1 + (int)i);
		int error = maildrop_body_check(drop, 1, &fault) < 0 ? errno : 0;
		cr_expect_eq(error, changes[i].error, "%zu: %s", i, fault.text);
		maildrop_body_close(&body);
		maildrop_close(drop);
	}
}

/* Mails of one second, one sender and one length: every "From " line, the end and, of
 * the long ones, the beginnings are the same, whichever stands where. */
static void put_alike(const char *order, size_t header)
{
	static char text[8 * 6000];
	size_t n = 0;
	for (; *order; order++)
		n += (size_t)snprintf(text + n, 3000, DATED "X: %*d\n\nmail %c\n\n",
			(int)header, 0, *order);
	n += (size_t)snprintf(text + n, 100, DATED "E: 1\n\n");
	for (int i = 0; i < 100; i++)
		n += (size_t)snprintf(text + n, 100, "%060d\n", i);
	text[n++] = '\n';
	box_put_n(text, n, O_TRUNC);
}

Test(mbox_outside, alike_but_another)
{
	static const size_t headers[] = { 10, 2000 };
	for (size_t h = 0; h < 2; h++) {
		put_alike("abcd", headers[h]);
		struct maildrop *drop = box_open();
		cr_expect_eq(box_send_error(drop, 1), 0);
		put_alike("acbd", headers[h]);
		box_append(NEW);
		box_touch(10);
		cr_expect_eq(box_send_error(drop, 0), 0, "%zu", h);
		cr_expect_eq(box_send_error(drop, 1), ESTALE, "%zu", h);
		cr_expect_eq(box_send_error(drop, 2), ESTALE, "%zu", h);
		cr_expect_eq(box_send_error(drop, 3), 0, "%zu", h);
		maildrop_mark(drop, 1, true);
		cr_expect_eq(box_commit_error(drop), ESTALE, "%zu", h);
		maildrop_close(drop);
	}
}

/* The cache was made before: where an id is another message's, nothing is sent or
 * removed under it, and the next session has the right ones. */
Test(mbox_outside, alike_but_another_before_the_login)
{
	char right[MAILDROP_UID_MAX + 1], uid[MAILDROP_UID_MAX + 1];
	for (int removal = 0; removal < 2; removal++) {
		put_alike("acbd", 2000);
		box_uid(1, right);
		put_alike("abcd", 2000);
		struct maildrop *drop = box_open();
		maildrop_close(drop);
		put_alike("acbd", 2000);
		box_append(NEW);
		box_touch(10);
		drop = box_open();
		cr_expect_eq(box_send_error(drop, 0), 0);
		if (removal) {
			box_mark(drop, "x--");
			maildrop_mark(drop, 2, true);
			cr_expect_eq(box_commit_error(drop), ESTALE);
		} else {
			cr_expect_eq(box_send_error(drop, 1), ESTALE);
		}
		maildrop_close(drop);
		box_uid(1, uid);
		cr_expect_str_eq(uid, right);
	}
}

/* And a doubt that no session has settled is handed on. */
Test(mbox_outside, doubt_is_handed_on)
{
	put_alike("abcd", 2000);
	struct maildrop *drop = box_open();
	maildrop_close(drop);
	put_alike("acbd", 2000);
	box_append(NEW);
	box_touch(10);
	drop = box_open();
	maildrop_mark(drop, 5, true);
	cr_expect_eq(box_commit_error(drop), 0, "none of those in doubt: %d", errno);
	maildrop_close(drop);
	drop = box_open();
	cr_expect_eq(box_send_error(drop, 3), 0);
	cr_expect_eq(box_send_error(drop, 2), ESTALE);
	maildrop_close(drop);
}

/* What is sent is compared, not what stands there afterwards. */
Test(mbox_outside, changed_and_changed_back)
{
	struct maildrop_body body;
	struct maildrop_fault fault;
	char block[1000];
	for (int changed = 0; changed < 2; changed++) {
		put_alike("abcd", 2000);
		struct maildrop *drop = box_open();
		cr_assert_eq(maildrop_body_open(drop, 1, &body, &fault), 0);
		cr_assert_eq(maildrop_body_read(&body, block, 1000), 1000);
		put_alike(changed ? "acbd" : "abcd", 2000);
		box_touch(10);
		while (maildrop_body_read(&body, block, sizeof(block)) > 0)
			;
		put_alike("abcd", 2000);
		box_touch(20);
		int error = maildrop_body_check(drop, 1, &fault) < 0 ? errno : 0;
		cr_expect_eq(error, changed ? ESTALE : 0);
		maildrop_body_close(&body);
		maildrop_close(drop);
	}
}

/* Notes in place, in the header and in the first octets of it, are no change. */
Test(mbox_outside, flags_in_place)
{
	static const char notes[] = "Status: NN";
	put_alike("abcd", 2000);
	size_t n;
	char *text = box_get(&n);
	memcpy(text, DATED, sizeof(DATED) - 1);
	memcpy(text + sizeof(DATED) - 1, notes, sizeof(notes) - 1);
	text[sizeof(DATED) + sizeof(notes) - 2] = '\n';
	box_put_n(text, n, O_TRUNC);
	struct maildrop *drop = box_open();
	memcpy(text + sizeof(DATED) - 1, "Status: RO", sizeof(notes) - 1);
	box_put_n(text, n, O_TRUNC);
	box_append(NEW);
	box_touch(10);
	cr_expect_eq(box_send_error(drop, 0), 0);
	maildrop_close(drop);
	drop = box_open();
	cr_expect_eq(((struct mbox *)drop->own)->believed, 4, "the cache was used");
	cr_expect_eq(box_send_error(drop, 0), 0);
	maildrop_mark(drop, 0, true);
	cr_expect_eq(box_commit_error(drop), 0);
	maildrop_close(drop);
	free(text);
}

static bool is_opened_by(pid_t pid, const char *path)
{
	char name[64], found[256];
	for (int fd = 3; fd < 64; fd++) {
		snprintf(name, sizeof(name), "/proc/%d/fd/%d", (int)pid, fd);
		ssize_t n = readlink(name, found, sizeof(found));
		if (n == (ssize_t)strlen(path) && memcmp(found, path, (size_t)n) == 0)
			return true;
	}
	return false;
}

/* A program that has the lock puts a new file in the place of the one that we have
 * opened and wait for. */
Test(mbox_outside, replaced_before_it_was_locked)
{
	char other[160], c;
	int ready[2];
	snprintf(other, sizeof(other), "%s.new", box_path);
	box_put(B NEW);
	cr_assert_eq(rename(box_path, other), 0);
	box_put(A B C);
	cr_assert_eq(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		int fd = open(box_path, O_RDWR);
		if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0 ||
			write(ready[1], "x", 1) != 1)
			_exit(1);
		while (!is_opened_by(getppid(), box_path))
			;
		_exit(rename(other, box_path) < 0);
	}
	cr_assert_eq(read(ready[0], &c, 1), 1);
	struct maildrop *drop = box_open();
	cr_assert_eq(maildrop_count(drop), 2);
	box_mark(drop, "x-");
	cr_expect_eq(box_commit_error(drop), 0);
	box_expect(NEW);
	maildrop_close(drop);
	int status;
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
}

Test(mbox_outside, replaced)
{
	char other[160];
	box_put(A B C);
	struct maildrop *drop = box_open();
	maildrop_mark(drop, 1, true);
	snprintf(other, sizeof(other), "%s.old", box_path);
	cr_assert_eq(rename(box_path, other), 0);
	box_put(A B C);
	cr_expect_eq(box_body_error(drop, 1), 0, "the snapshot can still be read");
	cr_expect_eq(box_commit_error(drop), ESTALE);
	box_expect(A B C);
	maildrop_close(drop);
}

static int read_only(void)
{
	struct maildrop_place place = {
		.kind = MAILDROP_MBOX, .path = box_path, .state = -1
	};
	struct maildrop_fault fault = { "" };
	struct maildrop_body body;
	struct maildrop_done done;
	struct maildrop *drop;
	if (maildrop_open(&drop, &place, &fault) < 0 || maildrop_count(drop) != 2)
		return 1;
	if (maildrop_body_open(drop, 1, &body, &fault) < 0)
		return 2;
	maildrop_mark(drop, 0, true);
	if (maildrop_commit(drop, &done, &fault) == 0 || errno != EACCES)
		return 3;
	maildrop_close(drop);
	return done.failed == 1 ? 0 : 4;
}

static int unreadable(void)
{
	struct maildrop_fault fault;
	return box_open_fails(&fault) == EACCES && strstr(fault.text, box_path) &&
			       strstr(fault.text, strerror(EACCES))
		       ? 0
		       : 1;
}

Test(mbox_outside, permissions)
{
	box_put(A B);
	cr_assert_eq(chmod(box_dir, 0755), 0);
	cr_assert_eq(chmod(box_path, 0444), 0);
	cr_expect_eq(box_as_nobody(read_only), 0);
	cr_assert_eq(chmod(box_path, 0), 0);
	cr_expect_eq(box_as_nobody(unreadable), 0);
}
