/*
 * undo: deleted Maildir messages, kept for a while. See undo.h.
 *
 * Runs as the mailbox owner. Distrusts the directory and what is in it: its owner can
 * put anything there. Nothing is opened but directories; no link is followed.
 */
#include "maildrop/undo.h"
#include "maildrop/quota.h"

#include "base/io.h"
#include "base/num.h"
#include "postern/maildrop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

enum {
	UNDO_TIGHT_PARTS = 20, /* 5 % */
	UNDO_SECONDS = 60,
	UNDO_TRIES = 5,
	UNDO_NAP_NS = 10 * 1000 * 1000,
};

bool undo_parse(const char *file, struct undo_entry *entry)
{
	struct span rest = span_str(file);
	struct span time = span_cut(&rest, '.');
	struct span where = span_cut(&rest, '.');
	uint64_t deleted;
	if (num_parse(time, INT64_MAX, &deleted) < 0 || where.n != 1 ||
		(where.p[0] != 'n' && where.p[0] != 'c') ||
		(rest.n == 0 && where.p[1] == '.') || (rest.n && rest.p[0] == '.'))
		return false;
	*entry = (struct undo_entry){ .file = file,
		.deleted = (int64_t)deleted,
		.fresh = where.p[0] == 'n',
		.name = rest.n ? (const char *)rest.p : "" };
	return true;
}

static const int directory_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

static int open_root(const char *maildir)
{
	return open(maildir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void close_quietly(int fd)
{
	int error = errno;
	close(fd);
	errno = error;
}

int undo_open(const char *maildir, bool create)
{
	int root = open_root(maildir);
	if (root < 0)
		return -1;
	int undo = openat(root, UNDO_DIR, directory_flags);
	if (undo < 0 && errno == ENOENT && create &&
		(mkdirat(root, UNDO_DIR, 0700) == 0 || errno == EEXIST))
		undo = openat(root, UNDO_DIR, directory_flags);
	close_quietly(root);
	return undo;
}

bool undo_is_tight(int undo)
{
	struct statfs fs;
	return (fstatfs(undo, &fs) == 0 &&
		       fs.f_bavail < fs.f_blocks / UNDO_TIGHT_PARTS) ||
	       quota_is_tight(undo, UNDO_TIGHT_PARTS);
}

/* Each commit has its own, so that no name is taken; the second after it will do. */
int undo_place(int undo, int64_t now, bool fresh)
{
	char name[32];
	int made = -1;
	for (int i = 0; made < 0 && i < UNDO_SECONDS; i++) {
		snprintf(name, sizeof(name), "%lld.%c", (long long)now + i,
			fresh ? 'n' : 'c');
		made = mkdirat(undo, name, 0700);
		if (made < 0 && errno != EEXIST)
			return -1;
	}
	return made < 0 ? -1 : openat(undo, name, directory_flags);
}

/* May it be otherwise in a moment? */
static bool passes(int error)
{
	return error == EINTR || error == EAGAIN || error == EBUSY || error == ENOMEM ||
	       error == ENFILE;
}

int undo_keep(int place, int dir, const char *name)
{
	const struct timespec nap = { .tv_nsec = UNDO_NAP_NS };
	int result = renameat(dir, name, place, name);
	for (int tries = 0; result < 0 && passes(errno) && tries < UNDO_TRIES;
		tries++) {
		nanosleep(&nap, NULL);
		result = renameat(dir, name, place, name);
	}
	return result;
}

/* Calls each for what has a name in the stream's directory that undo_parse() takes. */
static int each_name(DIR *stream, undo_fn *each, void *self)
{
	struct undo_entry entry;
	for (;;) {
		errno = 0;
		const struct dirent *file = readdir(stream);
		if (!file)
			return errno ? -1 : 0;
		if (!undo_parse(file->d_name, &entry))
			continue;
		entry.dir = dirfd(stream);
		int result = each(self, &entry);
		if (result)
			return result;
	}
}

/* A description of its own, so that the position is not shared. */
static DIR *open_stream(int dir, const char *name)
{
	int fd = openat(dir, name, directory_flags);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream && fd >= 0)
		close_quietly(fd);
	return stream;
}

static int close_stream(DIR *stream, int result)
{
	int error = errno;
	closedir(stream);
	errno = error;
	return result;
}

struct each {
	undo_fn *each;
	void *self;
};

/* The messages of one commit. */
static int each_of_place(const struct each *e, const struct undo_entry *place)
{
	struct undo_entry entry = *place;
	DIR *stream = open_stream(place->dir, place->file);
	if (!stream) /* a planted link or file, or it is gone */
		return errno == ELOOP || errno == ENOTDIR || errno == ENOENT ? 0 : -1;
	int result = 0;
	entry.dir = dirfd(stream);
	while (result == 0) {
		errno = 0;
		const struct dirent *file = readdir(stream);
		if (!file) {
			result = errno ? -1 : 0;
			break;
		}
		entry.file = entry.name = file->d_name;
		if (file->d_name[0] != '.')
			result = e->each(e->self, &entry);
	}
	return close_stream(stream, result);
}

static int meet(void *self, const struct undo_entry *entry)
{
	const struct each *e = self;
	return entry->name[0] ? e->each(e->self, entry) : each_of_place(e, entry);
}

static int each_entry(int undo, undo_fn *each, void *self)
{
	DIR *stream = open_stream(undo, ".");
	return stream ? close_stream(stream, each_name(stream, each, self)) : -1;
}

int undo_each(int undo, undo_fn *each, void *self)
{
	return each_entry(undo, meet, &(struct each){ each, self });
}

/* --- freeing ------------------------------------------------------------------------
 */

struct purge {
	int error;
	int64_t before;
	size_t most;
	struct undo_purged *purged;
};

static int purge_one(void *self, const struct undo_entry *entry)
{
	struct purge *purge = self;
	if (entry->deleted >= purge->before || purge->purged->freed == purge->most)
		purge->purged->left++;
	else if (unlinkat(entry->dir, entry->file, 0) == 0 || errno == ENOENT)
		purge->purged->freed++;
	else
		purge->error = errno;
	return 0;
}

/* Of a commit whose time is over, the directory: when nothing is in it. */
static int purge_place(void *self, const struct undo_entry *entry)
{
	const struct purge *purge = self;
	if (!entry->name[0] && entry->deleted < purge->before)
		(void)unlinkat(entry->dir, entry->file, AT_REMOVEDIR);
	return 0;
}

int undo_purge(int undo, int64_t before, size_t most, struct undo_purged *purged)
{
	struct purge purge = { .before = before, .most = most, .purged = purged };
	*purged = (struct undo_purged){ 0 };
	if (undo_each(undo, purge_one, &purge) < 0 ||
		each_entry(undo, purge_place, &purge) < 0)
		return -1;
	errno = purge.error;
	return purge.error ? -1 : 0;
}

/* --- giving back --------------------------------------------------------------------
 */

/* Was it given back before, by somebody who did not come to the end? */
static bool is_same(const struct undo_entry *entry, int dir)
{
	struct stat kept, there;
	return fstatat(entry->dir, entry->file, &kept, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(dir, entry->name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       kept.st_dev == there.st_dev && kept.st_ino == there.st_ino;
}

/* The message has both names for a moment: never none. */
static int move(const struct undo_entry *entry, int dir)
{
	if (linkat(entry->dir, entry->file, dir, entry->name, 0) < 0 &&
		(errno != EEXIST || !is_same(entry, dir)))
		return -1;
	if (fsync(dir) < 0 ||
		(unlinkat(entry->dir, entry->file, 0) < 0 && errno != ENOENT))
		return -1;
	return fsync(entry->dir);
}

int undo_restore(const char *maildir, const struct undo_entry *entry)
{
	struct stat st;
	if (fstatat(entry->dir, entry->file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	int root = open_root(maildir);
	if (root < 0)
		return -1;
	int dir = openat(root, entry->fresh ? "new" : "cur", directory_flags);
	int result = dir < 0 ? -1 : move(entry, dir);
	if (dir >= 0)
		close_quietly(dir);
	close_quietly(root);
	return result;
}

/* --- the note -----------------------------------------------------------------------
 */

void undo_note(int state, const char *maildir)
{
	if (state < 0)
		return;
	int fd = openat(state, UNDO_NOTE,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return; /* it is there already, or the owner must do without purge */
	int written = io_pwrite_all(fd, maildir, strlen(maildir), 0);
	if (close(fd) < 0 || written < 0)
		unlinkat(state, UNDO_NOTE, 0);
}

int undo_read_note(int state, char *path, size_t size)
{
	struct stat st;
	int fd = openat(state, UNDO_NOTE,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = io_pread_full(fd, path, size, 0);
	close(fd);
	if (n <= 0 || (size_t)n >= size || path[0] != '/' ||
		memchr(path, '\0', (size_t)n))
		return -1;
	path[n] = '\0';
	return 0;
}
