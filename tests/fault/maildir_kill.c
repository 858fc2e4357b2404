/*
 * maildir_kill: kills the committing process at every system call it makes (before
 * and behind each one), then opens the Maildir again: what was not deleted is there,
 * octet for octet, under the same unique-id; what was deleted is still there, or kept
 * for undo, or (without undo) gone; never in two places, never half. The same for
 * giving back (undelete), freeing (purge) and delivering.
 */
#include "fault/kill.h"
#include "maildrop/deliver.h"
#include "maildrop/undo.h"
#include "postern/maildrop.h"

#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef POSTERN_SANITIZERS
enum { STRIDE = 7 }; /* their processes take long to be born and to die */
#else
enum { STRIDE = 1 };
#endif

enum { MESSAGES = 7, LONG_ONE = 3, TEXT_MAX = 400, NAME_MAX_ = 255 };

struct one {
	char name[NAME_MAX_ + 1], text[TEXT_MAX], uid[MAILDROP_UID_MAX + 1];
	uint64_t wire;
	size_t n;
	bool fresh, marked;
	unsigned here, kept; /* where it was found */
};

struct kase {
	const char *name, *marks; /* 'x' is deleted */
	uint32_t undo_seconds;
	bool renamed; /* another agent moves a deleted message meanwhile */
	bool cached;  /* there is a size cache */
};

static const struct kase cases[] = {
	{ "the first", "x------", 0, false, false },
	{ "every second", "x-x-x-x", 0, false, true },
	{ "all", "xxxxxxx", 0, false, true },
	{ "renamed meanwhile", "x-x-x-x", 0, true, true },
	{ "the first, kept", "x------", 3600, false, false },
	{ "every second, kept", "x-xxx-x", 3600, false, true },
	{ "all, kept", "xxxxxxx", 3600, false, true },
	{ "renamed meanwhile, kept", "x-x-x-x", 3600, true, true },
};

struct world {
	const struct kase *kase;
	char dir[64], path[96];
	int root, part[3], state; /* new, cur, postern-undo (-1: none yet) */
	struct maildrop *drop;
	struct one all[MESSAGES + 1]; /* the last one: delivered by the test */
	size_t n;
	const char *when;
	size_t was_here, was_away; /* deleted messages, over all rounds */
};

static const char *const parts[] = { "new", "cur", UNDO_DIR, "tmp" };

static _Noreturn __attribute__((format(printf, 2, 3))) void fail(
	const struct world *w, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fprintf(stderr, "FAIL %s, %s: ", w->kase ? w->kase->name : "setup",
		w->when ? w->when : "");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, " (%s); see %s\n", strerror(errno), w->dir);
	va_end(arguments);
	exit(1);
}

static void need(bool good, const struct world *w, const char *what)
{
	if (!good)
		fail(w, "%s", what);
}

/* --- the Maildir --------------------------------------------------------------------
 */

static void make_messages(struct world *w)
{
	for (size_t i = 0; i < MESSAGES; i++) {
		struct one *one = &w->all[i];
		one->fresh = i % 3 == 0;
		int at = snprintf(
			one->name, sizeof(one->name), "170000000%zu.M1P%zu.host", i, i);
		if (i == LONG_ONE) /* its name, with a time in front, is too long */
			for (; at < 250; at++)
				one->name[at] = 'n';
		snprintf(one->name + at, sizeof(one->name) - (size_t)at, "%s",
			one->fresh ? "" : ":2,S");
		one->n = (size_t)snprintf(one->text, sizeof(one->text),
			"Subject: %zu\n\n%0*zu\r\nand a bare \r\n", i,
			(int)(i * 17 + 1), i);
	}
}

static void begin(struct world *w)
{
	*w = (struct world){ .state = -1 };
	snprintf(w->dir, sizeof(w->dir), "%s/postern-fault-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	need(mkdtemp(w->dir), w, "mkdtemp");
	snprintf(w->path, sizeof(w->path), "%s/joe", w->dir);
	need(mkdir(w->path, 0700) == 0, w, "mkdir");
	w->root = open(w->path, O_RDONLY | O_DIRECTORY);
	for (size_t i = 0; i < 4; i++) {
		need(mkdirat(w->root, parts[i], 0700) == 0, w, "mkdir");
		if (i < 3)
			w->part[i] = openat(w->root, parts[i], O_RDONLY | O_DIRECTORY);
	}
	need(mkdirat(w->root, "../state", 0700) == 0, w, "mkdir");
	w->state = openat(w->root, "../state", O_RDONLY | O_DIRECTORY);
	need(w->state >= 0, w, "open");
	make_messages(w);
}

static void end(struct world *w)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", w->dir);
	need(system(command) == 0, w, "rm");
}

static void empty(const struct world *w, int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY);
	DIR *stream = fdopendir(fd);
	const struct dirent *file;
	need(stream, w, "opendir");
	while ((file = readdir(stream)))
		if (strcmp(file->d_name, ".") != 0 && strcmp(file->d_name, "..") != 0)
			need(unlinkat(dir, file->d_name, 0) == 0, w, "unlink");
	closedir(stream);
}

static void put(const struct world *w, const struct one *one)
{
	int fd = openat(
		w->part[!one->fresh], one->name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	need(fd >= 0 && io_pwrite_all(fd, one->text, one->n, 0) == 0 && close(fd) == 0,
		w, "write");
}

static void open_drop(struct world *w)
{
	struct maildrop_fault fault = { "" };
	struct maildrop_place place = { .kind = MAILDROP_MAILDIR,
		.path = w->path,
		.state = w->state,
		.undo_seconds = w->kase->undo_seconds };
	need(maildrop_open(&w->drop, &place, &fault) == 0, w, fault.text);
}

/* The Maildir as it is before a round; the size cache, when there is to be one. */
static void reset(struct world *w)
{
	for (size_t i = 0; i < 3; i++)
		empty(w, w->part[i]);
	empty(w, w->state);
	w->n = MESSAGES;
	for (size_t i = 0; i < w->n; i++) {
		w->all[i].marked = w->kase->marks[i] == 'x';
		put(w, &w->all[i]);
	}
	if (w->kase->cached) {
		open_drop(w);
		maildrop_close(w->drop);
	}
}

/* What an agent delivers after the crash. */
static void deliver_another(struct world *w)
{
	w->n = MESSAGES + 1;
	w->all[MESSAGES] = (struct one){ .name = "1700000009.new.host",
		.text = "Subject: new\n\nnew\n",
		.uid = "1700000009.new.host",
		.n = 18,
		.wire = 21,
		.fresh = true };
	put(w, &w->all[MESSAGES]);
}

/* --- what is where ------------------------------------------------------------------
 */

static bool holds(
	const struct world *w, int dir, const char *name, const struct one *one)
{
	char text[TEXT_MAX + 1];
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW);
	need(fd >= 0, w, name);
	ssize_t n = io_pread_full(fd, text, sizeof(text), 0);
	close(fd);
	return n == (ssize_t)one->n && memcmp(text, one->text, one->n) == 0;
}

static void look(struct world *w, int which)
{
	int fd = openat(w->part[which], ".", O_RDONLY | O_DIRECTORY);
	DIR *stream = fdopendir(fd);
	const struct dirent *file;
	need(stream, w, "opendir");
	while ((file = readdir(stream))) {
		size_t i = 0;
		if (file->d_name[0] == '.')
			continue;
		while (i < w->n && !holds(w, w->part[which], file->d_name, &w->all[i]))
			i++;
		if (i == w->n)
			fail(w, "%s/%s is no message", parts[which], file->d_name);
		if (which == 2)
			w->all[i].kept++;
		else
			w->all[i].here++;
	}
	closedir(stream);
}

static void look_everywhere(struct world *w)
{
	for (size_t i = 0; i < w->n; i++)
		w->all[i].here = w->all[i].kept = 0;
	for (int i = 0; i < 3; i++)
		look(w, i);
}

static void check_places(struct world *w)
{
	look_everywhere(w);
	for (size_t i = 0; i < w->n; i++) {
		const struct one *one = &w->all[i];
		unsigned places = one->here + one->kept;
		bool good = !one->marked	    ? one->here == 1 && one->kept == 0
			    : w->kase->undo_seconds ? places == 1
						    : places <= 1 && one->kept == 0;
		if (!good)
			fail(w, "message %zu: %u times there, %u times kept", i,
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
		fail(w, "unique-id %s is missing", one->uid);
	need(maildrop_body_open(w->drop, i, &body, &fault) == 0, w, fault.text);
	ssize_t n = maildrop_body_read(&body, text, sizeof(text));
	maildrop_body_close(&body);
	if (n != (ssize_t)one->n || memcmp(text, one->text, one->n) != 0 ||
		maildrop_size(w->drop, i) != one->wire)
		fail(w, "unique-id %s is not as it was", one->uid);
}

/* Opens it again, as the next login does. */
static void check_opened(struct world *w)
{
	size_t here = 0;
	open_drop(w);
	for (size_t i = 0; i < w->n; i++)
		if (w->all[i].here) {
			check_message(w, &w->all[i]);
			here++;
		}
	if (here != maildrop_count(w->drop))
		fail(w, "%zu messages instead of %zu", maildrop_count(w->drop), here);
	maildrop_close(w->drop);
}

static void learn_uids(struct world *w)
{
	open_drop(w);
	need(maildrop_count(w->drop) == MESSAGES, w, "count");
	for (size_t i = 0; i < MESSAGES; i++) {
		need(maildrop_uid(w->drop, i, w->all[i].uid) == 0, w, "uid");
		w->all[i].wire = maildrop_size(w->drop, i);
	}
	maildrop_close(w->drop);
}

/* --- what is killed -----------------------------------------------------------------
 */

static void commit(void *self)
{
	struct world *w = self;
	struct maildrop_done done;
	struct maildrop_fault fault;
	need(maildrop_commit(w->drop, &done, &fault) == 0, w, fault.text);
	maildrop_close(w->drop);
}

static int restore_one(void *self, const struct undo_entry *entry)
{
	struct world *w = self;
	/* Of the one whose name was too long only a hash is kept. */
	need(undo_restore(w->path, w->part[2], entry) == 0, w, entry->file);
	return 0;
}

static void restore(void *self)
{
	struct world *w = self;
	need(undo_each(w->part[2], restore_one, w) == 0, w, "undo_each");
}

static void purge(void *self)
{
	struct world *w = self;
	struct undo_purged purged;
	need(undo_purge(w->part[2], INT64_MAX, SIZE_MAX, &purged) == 0, w,
		"undo_purge");
}

static void deliver(void *self)
{
	struct world *w = self;
	const struct one *one = &w->all[MESSAGES];
	struct maildrop_fault fault;
	int in = open("/dev/null", O_RDONLY);
	struct deliver_message message = { .head = span_of(one->text, 9),
		.begun = span_of(one->text + 9, one->n - 9),
		.in = in,
		.sender = "" };
	need(deliver_maildir(w->path, &message, &fault) == 0, w, fault.text);
	close(in);
}

static void set_marks(struct world *w)
{
	char uid[MAILDROP_UID_MAX + 1];
	for (size_t i = 0; i < maildrop_count(w->drop); i++)
		for (size_t k = 0; k < MESSAGES; k++)
			if (w->all[k].marked && maildrop_uid(w->drop, i, uid) == 0 &&
				strcmp(uid, w->all[k].uid) == 0)
				maildrop_mark(w->drop, i, true);
}

/* --- the rounds ---------------------------------------------------------------------
 */

static bool commit_round(struct world *w, long n)
{
	reset(w);
	open_drop(w);
	set_marks(w);
	if (w->kase->renamed) {
		char now[NAME_MAX_ + 8];
		snprintf(now, sizeof(now), "%s:2,S", w->all[0].name);
		need(renameat(w->part[0], w->all[0].name, w->part[1], now) == 0, w,
			"rename");
	}
	long stops = kill_at(commit, w, n);
	maildrop_close(w->drop);
	deliver_another(w);
	check_places(w);
	check_opened(w);
	return stops == n;
}

/* Killed while it gives back: nothing is lost, and a second call does the rest. */
static bool restore_round(struct world *w, long n)
{
	reset(w);
	open_drop(w);
	set_marks(w);
	commit(w);
	long stops = kill_at(restore, w, n);
	look_everywhere(w);
	for (size_t i = 0; i < w->n; i++)
		if (w->all[i].here + w->all[i].kept == 0)
			fail(w, "message %zu is lost", i);
	restore(w);
	look_everywhere(w);
	for (size_t i = 0; i < w->n; i++)
		if (w->all[i].here != 1 || w->all[i].kept != 0)
			fail(w, "message %zu is not back", i);
	return stops == n;
}

static bool purge_round(struct world *w, long n)
{
	reset(w);
	open_drop(w);
	set_marks(w);
	commit(w);
	long stops = kill_at(purge, w, n);
	look_everywhere(w);
	for (size_t i = 0; i < w->n; i++)
		if (w->all[i].here != !w->all[i].marked)
			fail(w, "message %zu", i);
	check_opened(w);
	return stops == n;
}

static bool deliver_round(struct world *w, long n)
{
	reset(w);
	deliver_another(w);
	empty(w, w->part[0]); /* its text is known, and it is not there */
	for (size_t i = 0; i < MESSAGES; i++)
		if (w->all[i].fresh)
			put(w, &w->all[i]);
	long stops = kill_at(deliver, w, n);
	look_everywhere(w); /* finds the half ones */
	for (size_t i = 0; i < MESSAGES; i++)
		if (w->all[i].here != 1)
			fail(w, "message %zu", i);
	if (stops < n)
		need(w->all[MESSAGES].here == 1, w, "the delivered message");
	return stops == n;
}

static void every_stop(
	struct world *w, const char *what, bool (*round)(struct world *w, long n))
{
	char when[64];
	long n = 1;
	w->when = when;
	do
		snprintf(when, sizeof(when), "%s killed at stop %ld", what, n);
	while (round(w, n) && (n += STRIDE));
	need(n >= 8, w, "too few stops: nothing is hit");
	printf("%s: %s: killed at stops up to %ld\n", w->kase->name, what, n - 1);
}

int main(void)
{
	struct world w;
	setvbuf(stdout, NULL, _IOLBF, 0);
	begin(&w);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		w.kase = &cases[i];
		reset(&w);
		learn_uids(&w);
		w.was_here = w.was_away = 0;
		every_stop(&w, "commit", commit_round);
		need(w.was_here && w.was_away, &w, "nothing was hit");
		if (w.kase->undo_seconds) {
			every_stop(&w, "undelete", restore_round);
			every_stop(&w, "purge", purge_round);
		}
	}
	w.kase = &cases[0];
	every_stop(&w, "delivery", deliver_round);
	end(&w);
	return 0;
}
