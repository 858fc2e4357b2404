/*
 * dir: see dir.h.
 */
#include "unit/dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

char dir_top[40], dir_path[128];

const char *dir_at(const char *format, ...)
{
	static char names[4][1024];
	static int turn;
	char *name = names[turn++ % 4], tail[512];
	va_list args;
	va_start(args, format);
	vsnprintf(tail, sizeof(tail), format, args);
	va_end(args);
	snprintf(name, sizeof(names[0]), "%s/%s", dir_path, tail);
	return name;
}

void dir_put(const char *name, const char *text, size_t n)
{
	int fd = open(dir_at("%s", name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	cr_assert(fd >= 0, "%s: %s", name, strerror(errno));
	cr_assert_eq(write(fd, text, n), (ssize_t)n);
	close(fd);
}

void dir_begin(void)
{
	snprintf(dir_top, sizeof(dir_top), "/tmp/postern-maildir.XXXXXX");
	cr_assert(mkdtemp(dir_top));
	snprintf(dir_path, sizeof(dir_path), "%s/Maildir", dir_top);
	cr_assert_eq(mkdir(dir_path, 0700), 0);
	cr_assert_eq(mkdir(dir_at("new"), 0700), 0);
	cr_assert_eq(mkdir(dir_at("cur"), 0700), 0);
	cr_assert_eq(mkdir(dir_at("tmp"), 0700), 0);
}

void dir_end(void)
{
	char command[128];
	snprintf(command, sizeof(command), "chmod -R u+rwx %s; rm -rf %s", dir_top,
		dir_top);
	cr_assert_eq(system(command), 0);
}

struct maildrop *dir_open(void)
{
	struct maildrop *drop;
	struct maildrop_fault fault = { "" };
	struct maildrop_place place = {
		.kind = MAILDROP_MAILDIR, .path = dir_path, .state = -1
	};
	cr_assert_eq(maildrop_open(&drop, &place, &fault), 0, "%s", fault.text);
	return drop;
}

const char *dir_uid(struct maildrop *drop, size_t i)
{
	static char uids[8][MAILDROP_UID_MAX + 1];
	static int turn;
	char *uid = uids[turn++ % 8];
	cr_assert_eq(maildrop_uid(drop, i, uid), 0);
	return uid;
}

const char *dir_body(struct maildrop *drop, size_t i)
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

bool dir_exists(const char *name)
{
	struct stat st;
	return lstat(dir_at("%s", name), &st) == 0;
}

void dir_commit(struct maildrop *drop, size_t removed)
{
	struct maildrop_done done;
	struct maildrop_fault fault = { "" };
	cr_assert_eq(maildrop_commit(drop, &done, &fault), 0, "%s", fault.text);
	cr_assert_eq(done.removed, removed);
	cr_assert_eq(done.failed, 0);
}
