/*
 * tape: see tape.h.
 */
#include "fault/tape.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EVENTS_MAX = 100000 };

/* What is recorded. A program whose point is to stand between the tested one and the
 * system needs something that both sides know. */
static struct {
	bool on;
	ino_t mbox;
	struct tape_event events[EVENTS_MAX];
	size_t n;
	uint64_t room;
} tape = { .room = UINT64_MAX };

static void record(enum tape_kind kind, enum tape_file file, uint64_t at, uint64_t n,
	const void *data)
{
	if (!tape.on || file == OTHER)
		return;
	if (tape.n == EVENTS_MAX)
		abort();
	struct tape_event *e = &tape.events[tape.n++];
	*e = (struct tape_event){ kind, file, at, n, NULL };
	if (data) {
		e->data = malloc(n);
		if (!e->data)
			abort();
		memcpy(e->data, data, n);
	}
}

/* Dotlock and cache are no part of what must survive. */
static enum tape_file file_of(int fd)
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
	if ((uint64_t)n > tape.room)
		return ENOSPC;
	record(ALLOCATE, file_of(fd), (uint64_t)at, (uint64_t)n, NULL);
	return __real_posix_fallocate(fd, at, n);
}

static void record_flush(int fd)
{
	enum tape_file file = file_of(fd);
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

static void keep(size_t events)
{
	for (; tape.n > events; tape.n--)
		free(tape.events[tape.n - 1].data);
}

void tape_start(struct fault *f)
{
	struct stat st;
	if (stat(f->path, &st) < 0)
		fault_fail(f, "stat");
	keep(0);
	tape.mbox = st.st_ino;
	tape.on = true;
}

void tape_resume(size_t events)
{
	keep(events);
	tape.on = true;
}

void tape_room(uint64_t octets)
{
	tape.room = octets;
}

void tape_stop(void)
{
	tape.on = false;
}

size_t tape_length(void)
{
	return tape.n;
}

const struct tape_event *tape_at(size_t i)
{
	return &tape.events[i];
}
