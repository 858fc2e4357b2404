/*
 * fault: see fault.h.
 */
#include "fault/fault.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct fault_case fault_small[] = {
	{ "one in front, all logged at once", 6, 300, "x-----", 8 << 20, 32 << 20 },
	{ "one in front, logged in many steps", 6, 300, "x-----", 8 << 20, 500 },
	{ "one in the middle", 5, 200, "--x--", 8 << 20, 32 << 20 },
	{ "every second, logged first, then moved", 12, 250, "x-x-x-x-x-x-", 500, 300 },
	{ "every second, moved at once", 8, 250, "x-x-x-x-", 1, 300 },
	{ "a large gap", 8, 300, "xxxx----", 100, 100 },
	{ "the end, with one before it", 5, 200, "-x--x", 100, 1000 },
	{ "only the end", 4, 200, "--xx", 100, 1000 },
	{ "all", 4, 200, "xxxx", 100, 1000 },
	{ "the smallest message", 4, 0, "x---", 8 << 20, 32 << 20 },
};
const size_t fault_small_n = sizeof(fault_small) / sizeof(fault_small[0]);

const struct fault_case fault_full[] = {
	{ "a full disk, one in front", 12, 3000, "x-----------", 8 << 20, 32 << 20 },
	{ "a full disk, the first half", 12, 3000, "xxxxxx------", 8 << 20, 32 << 20 },
};
const size_t fault_full_n = sizeof(fault_full) / sizeof(fault_full[0]);

const struct fault_case fault_large[] = {
	{ "100 MB, one small in front", 5000, 20000, "-x", 8 << 20, 32 << 20 },
	{ "100 MB, every second", 5000, 20000, "x-", 1 << 20, 4 << 20 },
};
const size_t fault_large_n = sizeof(fault_large) / sizeof(fault_large[0]);

void fault_fail(const struct fault *f, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	scratch_fail(f->what ? f->what->name : "setup", f->dir, format, arguments);
}

static void need(bool good, const struct fault *f, const char *what)
{
	if (!good)
		fault_fail(f, "%s", what);
}

void fault_begin(struct fault *f)
{
	*f = (struct fault){ .state_fd = -1 };
	scratch_make(f->dir);
	snprintf(f->path, sizeof(f->path), "%s/joe", f->dir);
	snprintf(f->state, sizeof(f->state), "%s/state", f->dir);
	snprintf(f->journal, sizeof(f->journal), "%s/mbox-journal", f->state);
	need(mkdir(f->state, 0700) == 0, f, "mkdir");
	f->state_fd = open(f->state, O_RDONLY | O_DIRECTORY);
	need(f->state_fd >= 0, f, "open");
}

void fault_end(struct fault *f)
{
	close(f->state_fd);
	scratch_remove(f->dir);
}

static void add(struct text *to, const void *p, size_t n)
{
	memcpy(to->p + to->n, p, n);
	to->n += n;
}

/* Message i, of about octets: its lines say whose they are. */
static size_t message(char *p, size_t room, size_t i, size_t octets)
{
	if (octets == 0)
		return (size_t)snprintf(
			p, room, i ? "From Thu Jan  1 00:\n\n" : "From \n\n");
	size_t n = (size_t)snprintf(p, room,
		"From m%zu@example.org Thu Jan  1 00:00:00 1970\nSubject: %zu\n\n", i,
		i);
	for (size_t line = 0; n < octets; line++)
		n += (size_t)snprintf(p + n, room - n, "%zu.%zu %zx\n", i, line,
			line * 2654435761U * i);
	return n + (size_t)snprintf(p + n, room - n, "\n");
}

void fault_take(struct fault *f, const struct fault_case *what, bool append)
{
	static const char new[] = "From new@example.org Fri Jan  2 00:00:00 "
				  "1970\nSubject: new\n\nnew\n\n";
	size_t room = what->octets + 300, marks = strlen(what->marks);
	char *one = malloc(room);

	f->what = what;
	f->before = (struct text){ malloc(what->messages * room), 0 };
	f->after = (struct text){ malloc(what->messages * room), 0 };
	f->append = (struct text){ malloc(sizeof(new)), 0 };
	f->seen_before = f->seen_after = 0;
	need(one && f->before.p && f->after.p && f->append.p, f, "malloc");
	for (size_t i = 0; i < what->messages; i++) {
		/* One in front: a large mbox whose second message is small. */
		bool small = strcmp(what->marks, "-x") == 0 && i == 1;
		size_t n = message(one, room, i, small ? 700 : what->octets);
		bool marked = marks == 2 && what->marks[0] == '-'
				      ? i == 1
				      : what->marks[i % marks] == 'x';
		add(&f->before, one, n);
		if (!marked)
			add(&f->after, one, n);
	}
	if (append)
		add(&f->append, new, sizeof(new) - 1);
	free(one);
}

void fault_drop(struct fault *f)
{
	free(f->before.p);
	free(f->after.p);
	free(f->append.p);
	f->what = NULL;
}

void fault_write(const char *path, struct text text, int flags)
{
	int fd = open(path, O_WRONLY | O_CREAT | flags, 0600);
	if (fd < 0 || io_write_all(fd, span_of(text.p, text.n), IO_FOREVER) < 0 ||
		close(fd) < 0) {
		perror(path);
		exit(1);
	}
}

struct text fault_read(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY);
	if (fd < 0 || fstat(fd, &st) < 0) {
		perror(path);
		exit(1);
	}
	struct text text = { malloc((size_t)st.st_size + 1), (size_t)st.st_size };
	if (!text.p || io_pread_full(fd, text.p, text.n, 0) != (ssize_t)text.n) {
		perror(path);
		exit(1);
	}
	close(fd);
	return text;
}

void fault_reset(struct fault *f)
{
	fault_write(f->path, f->before, O_TRUNC);
	need(unlink(f->journal) == 0 || errno == ENOENT, f, "unlink");
}

void fault_deliver(struct fault *f)
{
	fault_write(f->path, f->append, O_APPEND);
}

void fault_open(struct fault *f, struct maildrop **drop)
{
	struct maildrop_place place = {
		.kind = MAILDROP_MBOX, .path = f->path, .state = f->state_fd
	};
	struct maildrop_fault fault = { "" };
	need(maildrop_open(drop, &place, &fault) == 0, f, fault.text);
	struct mbox *box = (*drop)->own;
	box->tuning = (struct mbox_tuning){ f->what->gap_min, f->what->log_max, NULL };
	const char *marks = f->what->marks;
	for (size_t i = 0; i < maildrop_count(*drop) && i < f->what->messages; i++)
		maildrop_mark(*drop, i,
			strlen(marks) == 2 && marks[0] == '-'
				? i == 1
				: marks[i % strlen(marks)] == 'x');
}

void fault_commit(struct fault *f, struct maildrop *drop)
{
	struct maildrop_done done;
	struct maildrop_fault fault = { "" };
	need(maildrop_commit(drop, &done, &fault) == 0, f, fault.text);
	maildrop_close(drop);
}

void fault_recover(struct fault *f, bool by_driver)
{
	struct maildrop *drop;
	struct maildrop_fault remark;
	if (!by_driver) {
		struct mbox_tuning tuning = { f->what->gap_min, f->what->log_max,
			NULL };
		struct journal_place place;
		journal_place(&place, f->state_fd, f->path);
		int fd = open(f->path, O_RDWR);
		need(fd >= 0, f, "open");
		need(mbox_recover(fd, &place, &tuning, &remark) == 0, f, "recover");
		need(!remark.text[0], f, remark.text);
		close(fd);
	}
	fault_open(f, &drop);
	maildrop_close(drop);
}

static bool is_both(struct text found, struct text first, struct text second)
{
	return found.n == first.n + second.n &&
	       memcmp(found.p, first.p, first.n) == 0 &&
	       memcmp(found.p + first.n, second.p, second.n) == 0;
}

void fault_check(struct fault *f, const char *when)
{
	char dotlock[128];
	struct text found = fault_read(f->path);
	bool before = is_both(found, f->before, f->append);
	bool after = is_both(found, f->after, f->append);

	if (!before && !after)
		fault_fail(f,
			"%s: the mbox is neither the one before nor the one after",
			when);
	f->seen_before += before;
	f->seen_after += after;
	free(found.p);
	need(access(f->journal, F_OK) < 0, f, "the journal was left over");
	snprintf(dotlock, sizeof(dotlock), "%s.lock", f->path);
	need(access(dotlock, F_OK) < 0, f, "the dotlock was left over");
}
