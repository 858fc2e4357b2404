/*
 * maildir_world: see maildir_world.h.
 */
#include "fault/maildir_world.h"

#include "base/io.h"
#include "maildrop/undo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *const parts[] = { "new", "cur", UNDO_DIR, "tmp" };

void world_fail(const struct world *w, const char *format, ...)
{
	char what[128];
	va_list arguments;
	va_start(arguments, format);
	snprintf(what, sizeof(what), "%s, %s", w->kase ? w->kase->name : "setup",
		w->when ? w->when : "");
	scratch_fail(what, w->dir, format, arguments);
}

void world_need(bool good, const struct world *w, const char *what)
{
	if (!good)
		world_fail(w, "%s", what);
}

static void make_messages(struct world *w)
{
	for (size_t i = 0; i < MESSAGES; i++) {
		struct one *one = &w->all[i];
		one->fresh = i % 3 == 0;
		int at = snprintf(
			one->name, sizeof(one->name), "170000000%zu.M1P%zu.host", i, i);
		if (i == LONG_ONE) /* with a time in front it would be too long for a
				      name */
			for (; at < 250; at++)
				one->name[at] = 'n';
		snprintf(one->name + at, sizeof(one->name) - (size_t)at, "%s",
			one->fresh ? "" : ":2,S");
		one->n = (size_t)snprintf(one->text, sizeof(one->text),
			"Subject: %zu\n\n%0*zu\r\nand a bare \r\n", i,
			(int)(i * 17 + 1), i);
	}
}

/* The driver waits for a tick of the kernel's clock when a directory has just been
 * changed, as it has here each time; nobody changes it meanwhile. */
int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
	(void)time, (void)left;
	return 0;
}

void world_begin(struct world *w)
{
	*w = (struct world){ .state = -1 };
	scratch_make(w->dir);
	snprintf(w->path, sizeof(w->path), "%s/joe", w->dir);
	world_need(mkdir(w->path, 0700) == 0, w, "mkdir");
	w->root = open(w->path, O_RDONLY | O_DIRECTORY);
	for (size_t i = 0; i < 4; i++) {
		world_need(mkdirat(w->root, parts[i], 0700) == 0, w, "mkdir");
		if (i < 3)
			w->part[i] = openat(w->root, parts[i], O_RDONLY | O_DIRECTORY);
	}
	world_need(mkdirat(w->root, "../state", 0700) == 0, w, "mkdir");
	w->state = openat(w->root, "../state", O_RDONLY | O_DIRECTORY);
	world_need(w->state >= 0, w, "open");
	make_messages(w);
}

void world_end(struct world *w)
{
	scratch_remove(w->dir);
}

void world_empty(const struct world *w, int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY);
	DIR *stream = fdopendir(fd);
	const struct dirent *file;
	world_need(stream, w, "opendir");
	while ((file = readdir(stream))) {
		if (strcmp(file->d_name, ".") == 0 || strcmp(file->d_name, "..") == 0)
			continue;
		int below = openat(dir, file->d_name, O_RDONLY | O_DIRECTORY);
		if (below >= 0) {
			world_empty(w, below);
			close(below);
		}
		world_need(
			unlinkat(dir, file->d_name, below < 0 ? 0 : AT_REMOVEDIR) == 0,
			w, "unlink");
	}
	closedir(stream);
}

void world_put(const struct world *w, const struct one *one)
{
	int fd = openat(
		w->part[!one->fresh], one->name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	world_need(fd >= 0 && io_pwrite_all(fd, one->text, one->n, 0) == 0 &&
			   close(fd) == 0,
		w, "write");
}

void world_open(struct world *w)
{
	struct maildrop_fault fault = { "" };
	struct maildrop_place place = { .kind = MAILDROP_MAILDIR,
		.path = w->path,
		.state = w->state,
		.undo_seconds = w->kase->undo_seconds };
	world_need(maildrop_open(&w->drop, &place, &fault) == 0, w, fault.text);
}

void world_reset(struct world *w)
{
	for (size_t i = 0; i < 3; i++)
		world_empty(w, w->part[i]);
	world_empty(w, w->state);
	w->n = MESSAGES;
	for (size_t i = 0; i < w->n; i++) {
		w->all[i].marked = w->kase->marks[i] == 'x';
		world_put(w, &w->all[i]);
	}
	if (w->kase->cached) {
		world_open(w);
		maildrop_close(w->drop);
	}
}

void world_deliver(struct world *w)
{
	w->n = MESSAGES + 1;
	w->all[MESSAGES] = (struct one){ .name = "1700000009.new.host",
		.text = "Subject: new\n\nnew\n",
		.uid = "1700000009.new.host",
		.n = 18,
		.wire = 21,
		.fresh = true };
	world_put(w, &w->all[MESSAGES]);
}

/* --- what is where --- */

static bool holds(
	const struct world *w, int dir, const char *name, const struct one *one)
{
	char text[TEXT_MAX + 1];
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW);
	world_need(fd >= 0, w, name);
	ssize_t n = io_pread_full(fd, text, sizeof(text), 0);
	close(fd);
	return n == (ssize_t)one->n && memcmp(text, one->text, one->n) == 0;
}

static void meet(struct world *w, int which, int dir, const char *name)
{
	size_t i = 0;
	while (i < w->n && !holds(w, dir, name, &w->all[i]))
		i++;
	if (i == w->n)
		world_fail(w, "%s/%s is no message", parts[which], name);
	if (which == 2)
		w->all[i].kept++;
	else
		w->all[i].here++;
}

/* What is kept stands in a directory for each commit. */
static void look(struct world *w, int which, int dir)
{
	DIR *stream = fdopendir(dir);
	const struct dirent *file;
	world_need(stream, w, "opendir");
	while ((file = readdir(stream))) {
		if (file->d_name[0] == '.')
			continue;
		int below = openat(dirfd(stream), file->d_name, O_RDONLY | O_DIRECTORY);
		if (below >= 0)
			look(w, which, below);
		else
			meet(w, which, dirfd(stream), file->d_name);
	}
	closedir(stream);
}

void world_look(struct world *w)
{
	for (size_t i = 0; i < w->n; i++)
		w->all[i].here = w->all[i].kept = 0;
	for (int i = 0; i < 3; i++)
		look(w, i, openat(w->part[i], ".", O_RDONLY | O_DIRECTORY));
}

void world_check_places(struct world *w)
{
	world_look(w);
	for (size_t i = 0; i < w->n; i++) {
		const struct one *one = &w->all[i];
		unsigned places = one->here + one->kept;
		bool good = !one->marked	    ? one->here == 1 && one->kept == 0
			    : w->kase->undo_seconds ? places == 1
						    : places <= 1 && one->kept == 0;
		if (!good)
			world_fail(w, "message %zu: %u times there, %u times kept", i,
				one->here, one->kept);
		w->was_here += one->marked && one->here;
		w->was_away += one->marked && !one->here;
	}
}

/* The message of the snapshot that has the unique-id. */
static void check_message(struct world *w, const struct one *one)
{
	char uid[MAILDROP_UID_MAX + 1], text[TEXT_MAX + 1];
	struct maildrop_body body;
	struct maildrop_fault fault;
	size_t i = 0, count = maildrop_count(w->drop);
	for (; i < count; i++)
		if (maildrop_uid(w->drop, i, uid) == 0 && strcmp(uid, one->uid) == 0)
			break;
	if (i == count)
		world_fail(w, "unique-id %s is missing", one->uid);
	world_need(maildrop_body_open(w->drop, i, &body, &fault) == 0, w, fault.text);
	ssize_t n = maildrop_body_read(&body, text, sizeof(text));
	maildrop_body_close(&body);
	if (n != (ssize_t)one->n || memcmp(text, one->text, one->n) != 0 ||
		maildrop_size(w->drop, i) != one->wire)
		world_fail(w, "unique-id %s is not as it was", one->uid);
}

void world_check_opened(struct world *w)
{
	size_t here = 0;
	world_open(w);
	for (size_t i = 0; i < w->n; i++)
		if (w->all[i].here) {
			check_message(w, &w->all[i]);
			here++;
		}
	if (here != maildrop_count(w->drop))
		world_fail(w, "%zu messages instead of %zu", maildrop_count(w->drop),
			here);
	maildrop_close(w->drop);
}

void world_learn_uids(struct world *w)
{
	world_open(w);
	world_need(maildrop_count(w->drop) == MESSAGES, w, "count");
	for (size_t i = 0; i < MESSAGES; i++) {
		world_need(maildrop_uid(w->drop, i, w->all[i].uid) == 0, w, "uid");
		w->all[i].wire = maildrop_size(w->drop, i);
	}
	maildrop_close(w->drop);
}
