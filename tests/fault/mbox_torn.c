/*
 * mbox_torn: the machine stops during a commit. Every write, cut, flush, and what
 * is done to names is recorded while a commit runs; then, for each moment, disks are
 * made that a stop at that moment may leave: what was flushed is there, and of what
 * was not, any sectors and any calls. The mbox is opened on each of them: it is the
 * one before the commit or the one after it, with the mail that was appended
 * in between. Recoveries are stopped the same way.
 *
 * The calls are caught by the linker (--wrap). POSTERN_LONG=1: 100 MB, besides.
 */
#include "fault/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, EVENTS_MAX = 100000 };

enum kind { WRITE, CUT, ALLOCATE, FLUSH, MAKE, REMOVE, FLUSH_NAMES };
enum file { MBOX, JOURNAL, FILES, /* the directory: */ NAMES = FILES, OTHER };

struct event {
	enum kind kind;
	enum file file;
	uint64_t at, n;
	unsigned char *data;
};

/* What is recorded. A program whose point is to stand between the tested one and the
 * system needs something that both sides know. */
static struct {
	bool on;
	ino_t mbox;
	struct event events[EVENTS_MAX];
	size_t n;
} tape;

static void record(
	enum kind kind, enum file file, uint64_t at, uint64_t n, const void *data)
{
	if (!tape.on || file == OTHER)
		return;
	if (tape.n == EVENTS_MAX)
		abort();
	struct event *e = &tape.events[tape.n++];
	*e = (struct event){ kind, file, at, n, NULL };
	if (data) {
		e->data = malloc(n);
		if (!e->data)
			abort();
		memcpy(e->data, data, n);
	}
}

/* Dotlock and cache are no part of what must survive. */
static enum file file_of(int fd)
{
	static const char journal[] = "/mbox-journal";
	char link[64], path[256];
	struct stat st;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path));
	if (n < 0 || fstat(fd, &st) < 0)
		abort();
	if (S_ISDIR(st.st_mode))
		return NAMES;
	if (st.st_ino == tape.mbox)
		return MBOX;
	size_t tail = sizeof(journal) - 1;
	bool is = (size_t)n > tail && memcmp(path + n - tail, journal, tail) == 0;
	return is ? JOURNAL : OTHER;
}

static bool is_journal(const char *name)
{
	return strcmp(name, "mbox-journal") == 0;
}

ssize_t __real_pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at)
{
	record(WRITE, file_of(fd), (uint64_t)at, n, p);
	return __real_pwrite(fd, p, n, at);
}

int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size)
{
	record(CUT, file_of(fd), (uint64_t)size, 0, NULL);
	return __real_ftruncate(fd, size);
}

int __real_posix_fallocate(int fd, off_t at, off_t n);
int __wrap_posix_fallocate(int fd, off_t at, off_t n);
int __wrap_posix_fallocate(int fd, off_t at, off_t n)
{
	record(ALLOCATE, file_of(fd), (uint64_t)at, (uint64_t)n, NULL);
	return __real_posix_fallocate(fd, at, n);
}

static void record_flush(int fd)
{
	enum file file = file_of(fd);
	record(file == NAMES ? FLUSH_NAMES : FLUSH, file, 0, 0, NULL);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	record_flush(fd);
	return __real_fsync(fd);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	record_flush(fd);
	return __real_fdatasync(fd);
}

int __real_openat(int dir, const char *name, int flags, ...);
int __wrap_openat(int dir, const char *name, int flags, ...);
int __wrap_openat(int dir, const char *name, int flags, ...)
{
	int fd = __real_openat(dir, name, flags, 0600);
	if (fd >= 0 && (flags & O_CREAT) && is_journal(name))
		record(MAKE, JOURNAL, 0, 0, NULL);
	return fd;
}

int __real_unlinkat(int dir, const char *name, int flags);
int __wrap_unlinkat(int dir, const char *name, int flags);
int __wrap_unlinkat(int dir, const char *name, int flags)
{
	int result = __real_unlinkat(dir, name, flags);
	if (result == 0 && is_journal(name))
		record(REMOVE, JOURNAL, 0, 0, NULL);
	return result;
}

/* --- disks ------------------------------------------------------------------ */

struct disk {
	struct text file[FILES];
	size_t room[FILES];
	bool there; /* the journal has its name */
};

static void resize(struct disk *d, enum file file, size_t n)
{
	struct text *text = &d->file[file];
	if (n > d->room[file]) {
		d->room[file] = n + n / 2;
		text->p = realloc(text->p, d->room[file]);
		if (!text->p)
			abort();
	}
	if (n > text->n && text->p)
		memset(text->p + text->n, 0, n - text->n);
	text->n = n;
}

static void put(struct disk *d, enum file file, uint64_t at, const void *p, size_t n)
{
	if (at + n > d->file[file].n)
		resize(d, file, at + n);
	if (n)
		memcpy(d->file[file].p + at, p, n);
}

/* How much of what was not flushed is on the disk. */
enum luck { NOTHING, EVERYTHING, SECTORS, CALLS, LUCKS };

static bool lucky(enum luck luck)
{
	return luck == EVERYTHING || (luck != NOTHING && rand() % 2);
}

static void apply_write(struct disk *d, const struct event *e, enum luck luck)
{
	if (luck != SECTORS) {
		if (lucky(luck))
			put(d, e->file, e->at, e->data, e->n);
		return;
	}
	for (uint64_t at = e->at, end = e->at + e->n; at < end;) {
		uint64_t next = at - at % SECTOR + SECTOR;
		if (next > end)
			next = end;
		if (lucky(luck))
			put(d, e->file, at, e->data + (at - e->at), next - at);
		at = next;
	}
}

static void apply(struct disk *d, const struct event *e, enum luck luck)
{
	switch (e->kind) {
	case WRITE:
		apply_write(d, e, luck);
		break;
	case CUT:
		if (lucky(luck))
			resize(d, e->file, e->at);
		break;
	case ALLOCATE:
		if (lucky(luck) && e->at + e->n > d->file[e->file].n)
			resize(d, e->file, e->at + e->n);
		break;
	case MAKE:
		resize(d, JOURNAL, 0);
		if (lucky(luck))
			d->there = true;
		break;
	case REMOVE:
		if (lucky(luck))
			d->there = false;
		break;
	case FLUSH:
	case FLUSH_NAMES:
		break;
	}
}

static bool is_name(enum kind kind)
{
	return kind == MAKE || kind == REMOVE;
}

/* Is event i flushed by one before stop? */
static bool is_safe(size_t i, size_t stop)
{
	const struct event *e = &tape.events[i];
	for (size_t k = i + 1; k < stop; k++) {
		const struct event *later = &tape.events[k];
		if (is_name(e->kind) ? later->kind == FLUSH_NAMES
				     : later->kind == FLUSH && later->file == e->file)
			return true;
	}
	return false;
}

static struct disk copy_of(const struct disk *d)
{
	struct disk copy = { .there = d->there };
	for (int i = 0; i < FILES; i++)
		put(&copy, i, 0, d->file[i].p, d->file[i].n);
	return copy;
}

static void drop_disk(struct disk *d)
{
	for (int i = 0; i < FILES; i++)
		free(d->file[i].p);
}

/* The disk as a stop before event `stop` may leave it. */
static struct disk stopped(const struct disk *start, size_t stop, enum luck luck)
{
	struct disk d = copy_of(start);
	for (size_t i = 0; i < stop; i++)
		apply(&d, &tape.events[i], is_safe(i, stop) ? EVERYTHING : luck);
	return d;
}

static struct disk disk_now(struct fault *f)
{
	struct disk d = { .there = access(f->journal, F_OK) == 0 };
	struct text mbox = fault_read(f->path);
	put(&d, MBOX, 0, mbox.p, mbox.n);
	free(mbox.p);
	if (d.there) {
		struct text journal = fault_read(f->journal);
		put(&d, JOURNAL, 0, journal.p, journal.n);
		free(journal.p);
	}
	return d;
}

/* The same inode: the journal knows it. */
static void install(struct fault *f, const struct disk *d)
{
	fault_write(f->path, d->file[MBOX], O_TRUNC);
	if (unlink(f->journal) < 0 && errno != ENOENT)
		fault_fail(f, "unlink");
	if (d->there)
		fault_write(f->journal, d->file[JOURNAL], O_TRUNC);
}

/* --- rounds ------------------------------------------------------------------- */

static void start_tape(struct fault *f)
{
	struct stat st;
	if (stat(f->path, &st) < 0)
		fault_fail(f, "stat");
	for (size_t i = 0; i < tape.n; i++)
		free(tape.events[i].data);
	tape.n = 0;
	tape.mbox = st.st_ino;
	tape.on = true;
}

static struct disk tape_commit(struct fault *f)
{
	struct maildrop *drop;
	fault_reset(f);
	struct disk start = disk_now(f);
	fault_open(f, &drop);
	start_tape(f);
	fault_commit(f, drop);
	tape.on = false;
	return start;
}

/* Records a recovery and stops it, too. */
static void stop_recovery(struct fault *f)
{
	struct disk start = disk_now(f);
	start_tape(f);
	fault_recover(f, false);
	tape.on = false;
	struct disk d = stopped(&start, (size_t)rand() % (tape.n + 1), rand() % LUCKS);
	install(f, &d);
	drop_disk(&d);
	drop_disk(&start);
}

static void one_round(struct fault *f, const struct disk *d, size_t stop, bool again)
{
	char when[64];
	install(f, d);
	fault_deliver(f);
	if (again)
		stop_recovery(f);
	fault_recover(f, stop % 2);
	snprintf(when, sizeof(when), "stopped at event %zu", stop);
	fault_check(f, when);
}

/* Every moment, every kind of luck, some of them many times. */
static void every_stop(struct fault *f, const struct fault_case *what, bool append)
{
	fault_take(f, what, append);
	struct disk start = tape_commit(f);
	size_t n = tape.n;
	for (size_t stop = 0; stop <= n; stop++)
		for (int i = 0; i < 8; i++) {
			struct disk d = stopped(&start, stop, i < LUCKS ? i : SECTORS);
			one_round(f, &d, stop, false);
			drop_disk(&d);
		}
	for (size_t stop = 0; stop <= n; stop++) {
		/* The tape of the commit is gone when a recovery is recorded. */
		drop_disk(&start);
		start = tape_commit(f);
		struct disk d = stopped(&start, stop, rand() % LUCKS);
		one_round(f, &d, stop, true);
		drop_disk(&d);
	}
	drop_disk(&start);
	if (!f->seen_before || !f->seen_after)
		fault_fail(f, "%zu events, before %zu, after %zu", n, f->seen_before,
			f->seen_after);
	printf("%s%s: %zu events, before %zu times, after %zu times\n", what->name,
		append ? ", mail appended" : "", n, f->seen_before, f->seen_after);
	fault_drop(f);
}

static void random_stops(struct fault *f, const struct fault_case *what, int rounds)
{
	fault_take(f, what, true);
	struct disk start = tape_commit(f);
	size_t n = tape.n;
	for (int i = 0; i < rounds; i++) {
		size_t stop = (size_t)rand() % (n + 1);
		struct disk d = stopped(&start, stop, SECTORS);
		one_round(f, &d, stop, false);
		drop_disk(&d);
	}
	drop_disk(&start);
	printf("%s: %d stops at %zu events, before %zu times, after %zu times\n",
		what->name, rounds, n, f->seen_before, f->seen_after);
	fault_drop(f);
}

int main(void)
{
	struct fault f;
	srand(1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	fault_begin(&f);
	for (size_t i = 0; i < fault_small_n; i++) {
		every_stop(&f, &fault_small[i], false);
		every_stop(&f, &fault_small[i], true);
	}
	if (getenv("POSTERN_LONG"))
		for (size_t i = 0; i < fault_large_n; i++)
			random_stops(&f, &fault_large[i], 60);
	fault_end(&f);
	return 0;
}
