/*
 * journal: the file as a whole: where it is, made, opened, removed, its logs. See
 * journal.h for its form, journal_header.c and journal_record.c for what stands in it,
 * mbox_rewrite.c for its use.
 *
 * Runs as the mailbox owner, in a directory that the owner can write: what is read is
 * hostile. It is a regular file of ours with one name, or it is not looked at; sums
 * find what a crash tore, not what an owner forged. A forged journal can only move
 * octets within the mbox of the same owner.
 *
 * Fails with -1 and errno.
 */
#include "maildrop/journal_file.h"

#include "base/io.h"
#include "maildrop/mbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

void journal_place(struct journal_place *place, int state, const char *path)
{
	char parent[MAILDROP_PATH_MAX + 1];
	const char *slash = strrchr(path, '/');

	*place = (struct journal_place){ .dir = state, .name = JOURNAL_NAME };
	if (state >= 0 || !slash)
		return;
	int n = snprintf(
		place->name, sizeof(place->name), ".%s.postern-journal", slash + 1);
	snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path) + 1, path);
	if (n < (int)sizeof(place->name))
		place->dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	place->owned = true;
}

void journal_place_close(struct journal_place *place)
{
	if (place->owned)
		io_close(&place->dir);
}

int journal_remove(const struct journal_place *place)
{
	return unlinkat(place->dir, place->name, 0) < 0 && errno != ENOENT ? -1 : 0;
}

int journal_set_aside(const struct journal_place *place)
{
	char kept[JOURNAL_NAME_MAX + 8];

	snprintf(kept, sizeof(kept), "%s.kept", place->name);
	return renameat(place->dir, place->name, place->dir, kept);
}

void journal_close(struct journal *journal)
{
	int error = errno;

	io_close(&journal->fd);
	free(journal->shift.removed);
	journal->shift.removed = NULL;
	errno = error;
}

int journal_log(
	struct journal *journal, uint64_t number, uint64_t at, const void *p, size_t n)
{
	return io_pwrite_all(
		journal->fd, p, n, (off_t)(journal_log_at(journal, number) + at));
}

int journal_log_read(
	struct journal *journal, uint64_t number, uint64_t at, void *p, size_t n)
{
	ssize_t got = io_pread_full(
		journal->fd, p, n, (off_t)(journal_log_at(journal, number) + at));

	if (got >= 0 && (size_t)got < n)
		errno = EIO;
	return got == (ssize_t)n ? 0 : -1;
}

/* What no mail begins with: a NUL, then what nobody can guess. */
static int draw_mark(struct journal *journal)
{
	ssize_t n = getrandom(journal->mark, JOURNAL_MARK, 0);

	if (n != JOURNAL_MARK)
		return -1;
	journal->mark[0] = '\0';
	return 0;
}

/* Space for the logs now, so that it cannot be missing half-way. */
static int fill_new(struct journal *journal, int dir, unsigned logs)
{
	if (draw_mark(journal) < 0 || journal_write_header(journal) < 0)
		return -1;
	if (logs) {
		int error =
			posix_fallocate(journal->fd, (off_t)journal_log_at(journal, 1),
				(off_t)(logs * journal->log_room));
		if (error) {
			errno = error;
			return -1;
		}
	}
	/* Where directories cannot be flushed there is nothing better to do. */
	return fsync(dir) == 0 || errno == EINVAL ? 0 : -1;
}

int journal_create(
	struct journal *journal, const struct journal_place *place, unsigned logs)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

	if (journal_remove(place) < 0)
		return -1;
	journal->fd = openat(place->dir, place->name, flags, 0600);
	if (journal->fd < 0)
		return -1;
	if (fill_new(journal, place->dir, logs) == 0)
		return 0;
	int error = errno;
	io_close(&journal->fd);
	(void)journal_remove(place); /* without a record it means nothing */
	errno = error;
	return -1;
}

/* 1: it may be read; 0: it is none of ours; -1. */
static int check_file(int fd, uint64_t *size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	*size = (uint64_t)st.st_size;
	return S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_uid == geteuid();
}

/* Of our file: an enum journal_found, or -1. */
static int read_file(struct journal *journal, uint64_t size)
{
	uint64_t sum;
	int result = journal_read_header(journal, &sum);

	if (result == 1)
		result = journal_read_ranges(journal, size, sum);
	if (result == 1)
		result = journal_read_records(journal);
	if (result == 0)
		result = journal_has_second(journal);
	else if (result == 1)
		return JOURNAL_FOUND;
	return result == 1 ? JOURNAL_DAMAGED : result;
}

static int read_all(struct journal *journal)
{
	uint64_t size;
	int result = check_file(journal->fd, &size);

	return result == 1 ? read_file(journal, size) : result;
}

int journal_open(struct journal *journal, const struct journal_place *place)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

	*journal = (struct journal){ .fd = -1 };
	if (place->dir < 0)
		return JOURNAL_NONE;
	journal->fd = openat(place->dir, place->name, flags);
	if (journal->fd < 0 && errno == ENOENT)
		return JOURNAL_NONE;
	if (journal->fd < 0 && errno != ELOOP && errno != EISDIR && errno != ENXIO)
		return -1;
	int result = journal->fd < 0 ? JOURNAL_NONE : read_all(journal);
	if (result == JOURNAL_FOUND)
		return result;
	journal_close(journal);
	if (result == JOURNAL_NONE)
		(void)journal_remove(place);
	return result;
}
