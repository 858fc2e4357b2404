/*
 * undo: deleted Maildir messages, kept for a while. See undo.h.
 *
 * Runs as the mailbox owner. Distrusts the directory and what is in it: its owner can
 * put anything there. Nothing is opened but directories; no link is followed.
 */
#include "maildrop/undo.h"

#include "base/blake2b.h"
#include "base/buf.h"
#include "base/io.h"
#include "base/num.h"
#include "postern/maildrop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

enum { UNDO_HASH = 16, UNDO_TIGHT_PARTS = 20 /* 5 % */ };

bool undo_parse(const char *file, struct undo_entry *entry)
{
	struct span rest = span_str(file);
	struct span time = span_cut(&rest, '.');
	struct span where = span_cut(&rest, '.');
	uint64_t deleted;
	if (num_parse(time, INT64_MAX, &deleted) < 0 || where.n != 1 ||
		(where.p[0] != 'n' && where.p[0] != 'c') || rest.n == 0 ||
		rest.p[0] == '.')
		return false;
	*entry = (struct undo_entry){ .file = file,
		.deleted = (int64_t)deleted,
		.fresh = where.p[0] == 'n',
		.name = (const char *)rest.p };
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
	return fstatfs(undo, &fs) == 0 && fs.f_bavail < fs.f_blocks / UNDO_TIGHT_PARTS;
}

int undo_keep(int undo, int dir, const char *name, bool fresh, int64_t now)
{
	char kept[UNDO_NAME_MAX + 1], hash[2 * UNDO_HASH + 1];
	struct buf to;
	buf_fixed(&to, kept, sizeof(kept));
	buf_printf(&to, "%lld.%c.", (long long)now, fresh ? 'n' : 'c');
	if (strlen(name) < buf_room(&to)) {
		buf_puts(&to, name);
	} else {
		blake2b_hex(span_str(name), UNDO_HASH, hash);
		buf_puts(&to, hash);
	}
	buf_putc(&to, '\0');
	return renameat(dir, name, undo, kept);
}

int undo_each(int undo, undo_fn *each, void *self)
{
	struct undo_entry entry;
	const struct dirent *file;
	int result = 0;
	int fd = openat(undo, ".", directory_flags);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream) {
		io_close(&fd);
		return -1;
	}
	for (;;) {
		errno = 0;
		file = readdir(stream);
		if (!file) {
			result = errno ? -1 : 0;
			break;
		}
		if (!undo_parse(file->d_name, &entry))
			continue;
		result = each(self, &entry);
		if (result)
			break;
	}
	int error = errno;
	closedir(stream);
	errno = error;
	return result;
}

/* --- freeing ------------------------------------------------------------------------
 */

struct purge {
	int undo, error;
	int64_t before;
	size_t most;
	struct undo_purged *purged;
};

static int purge_one(void *self, const struct undo_entry *entry)
{
	struct purge *purge = self;
	if (entry->deleted >= purge->before || purge->purged->freed == purge->most)
		purge->purged->left++;
	else if (unlinkat(purge->undo, entry->file, 0) == 0 || errno == ENOENT)
		purge->purged->freed++;
	else
		purge->error = errno;
	return 0;
}

int undo_purge(int undo, int64_t before, size_t most, struct undo_purged *purged)
{
	struct purge purge = {
		.undo = undo, .before = before, .most = most, .purged = purged
	};
	*purged = (struct undo_purged){ 0 };
	if (undo_each(undo, purge_one, &purge) < 0)
		return -1;
	errno = purge.error;
	return purge.error ? -1 : 0;
}

/* --- giving back --------------------------------------------------------------------
 */

/* Was it given back before, by somebody who did not come to the end? */
static bool is_same(int undo, const char *file, int dir, const char *name)
{
	struct stat kept, there;
	return fstatat(undo, file, &kept, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       kept.st_dev == there.st_dev && kept.st_ino == there.st_ino;
}

/* The message has both names for a moment: never none. */
static int move(int undo, const char *file, int dir, const char *name)
{
	if (linkat(undo, file, dir, name, 0) < 0 &&
		(errno != EEXIST || !is_same(undo, file, dir, name)))
		return -1;
	if (fsync(dir) < 0 || (unlinkat(undo, file, 0) < 0 && errno != ENOENT))
		return -1;
	return fsync(undo);
}

int undo_restore(const char *maildir, int undo, const struct undo_entry *entry)
{
	struct stat st;
	if (fstatat(undo, entry->file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	int root = open_root(maildir);
	if (root < 0)
		return -1;
	int dir = openat(root, entry->fresh ? "new" : "cur", directory_flags);
	int result = dir < 0 ? -1 : move(undo, entry->file, dir, entry->name);
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
