/*
 * dotlock: see dotlock.h. Runs as the mailbox owner, who may not be able to write the
 * directory (Debian's /var/mail is root:mail 2775): then none is made, but another
 * program's is respected, as far as it can be seen before ours is needed.
 *
 * It is written under another name and gets its own by link(2), which is atomic, on
 * NFS, too; so a process that is killed never leaves one that does not say whose it
 * is. It holds our process id, as liblockfile writes it, and a second line that
 * names us.
 *
 * It is stale when it is older than five minutes, or when it is one of ours of this
 * host: the caller holds the record lock, which whoever made it would hold. What
 * is removed has a lock's content: a mailbox may have such a name in spite of
 * maildrop_name_is_taken(), another program's. The owner can forge all of that and only
 * harm his own mail.
 *
 * Fails with -1 and errno, with nothing made.
 */
#include "maildrop/dotlock.h"

#include "base/buf.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

enum {
	STALE_SECONDS = 300,
	TEXT_MAX = 128, /* of ours */
	LOCK_MAX = 512, /* of anybody's: a process, a host, a date */
};

static const char mark[] = "\npostern-session ";

void dotlock_name(struct dotlock *lock, const char *mbox, bool local)
{
	*lock = (struct dotlock){ .local = local };
	snprintf(lock->path, sizeof(lock->path), "%.*s.lock", MAILDROP_PATH_MAX, mbox);
	snprintf(lock->fresh, sizeof(lock->fresh), "%s.new", lock->path);
}

/* --- what stands there --- */

/* What ours says behind the process id. */
static void put_mark(struct buf *text)
{
	char host[65] = "";
	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';
	buf_puts(text, mark);
	buf_puts(text, host);
	buf_puts(text, "\n");
}

static bool is_ours(struct span found)
{
	char storage[TEXT_MAX];
	struct buf text;
	buf_fixed(&text, storage, sizeof(storage));
	put_mark(&text);
	found = span_tail(found, span_find(found, '\n'));
	return buf_ok(&text) && span_eq(found, buf_span(&text));
}

/* Nothing, or a process, a host: short text, and no mail. */
static bool is_a_locks(struct span found)
{
	for (size_t i = 0; i < found.n; i++)
		if (found.p[i] < 0x20 && found.p[i] != '\n' && found.p[i] != '\t')
			return false;
	return found.n < LOCK_MAX && !span_is(span_head(found, 5), "From ");
}

/* At most size octets of it; -1 when it cannot be read. */
static ssize_t read_lock(const char *path, void *to, size_t size)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = io_pread_full(fd, to, size, 0);
	io_close(&fd);
	return n;
}

/* A time that lies in the future is nobody's: then counts when it was set. */
bool dotlock_is_old(const struct stat *st, time_t now, bool known)
{
	if (st->st_mtime - STALE_SECONDS <= now)
		return st->st_mtime + STALE_SECONDS < now;
	if (st->st_ctime - STALE_SECONDS <= now)
		return st->st_ctime + STALE_SECONDS < now;
	return known; /* the clock was set back since; else it is not our clock */
}

enum standing {
	GONE,
	NONE,	 /* nothing that is a lock */
	FOREIGN, /* to be waited for */
	STALE,	 /* to be removed */
	DEAD,	 /* stale, but not known to be a lock by what it says */
};

static enum standing look(const char *path, time_t now, bool known, struct stat *st)
{
	char found[LOCK_MAX];

	if (lstat(path, st) < 0)
		return GONE;
	if (!S_ISREG(st->st_mode) || st->st_size >= LOCK_MAX)
		return NONE;
	bool old = dotlock_is_old(st, now, known);
	ssize_t n = read_lock(path, found, sizeof(found));
	if (n < 0)
		return old ? DEAD : FOREIGN;
	struct span text = span_of(found, (size_t)n);
	if (!is_a_locks(text))
		return NONE;
	return old || is_ours(text) ? STALE : FOREIGN;
}

bool dotlock_is_foreign(const struct dotlock *lock)
{
	struct stat st;
	return !lock->made && look(lock->path, time(NULL), lock->local, &st) == FOREIGN;
}

/* Of a lock that was stale: 0 when it is gone. */
static int clear(const char *path, const struct stat *first)
{
	struct stat now;
	/* The record lock is ours, so nobody who takes both is here with us. */
	if (lstat(path, &now) < 0 || now.st_ino != first->st_ino ||
		now.st_mtime != first->st_mtime || now.st_size != first->st_size) {
		errno = EAGAIN;
		return -1;
	}
	return unlink(path) == 0 || errno == ENOENT ? 0 : -1;
}

/* --- ours --- */

/* What a killed process left under the first name, if that is what it is. */
static int clear_fresh(const struct dotlock *lock)
{
	char found[LOCK_MAX];
	ssize_t n = read_lock(lock->fresh, found, sizeof(found));
	if (n < 0 && errno == ENOENT)
		return 0;
	if (n < 0 || !is_a_locks(span_of(found, (size_t)n))) {
		errno = EPERM;
		return -1;
	}
	return unlink(lock->fresh);
}

static int put_text(int fd)
{
	char storage[TEXT_MAX];
	struct buf text;
	buf_fixed(&text, storage, sizeof(storage));
	buf_put_decimal(&text, (uint64_t)getpid());
	put_mark(&text);
	return io_pwrite_all(fd, buf_span(&text).p, buf_len(&text), 0);
}

/* Under its first name, which only the holder of the record lock uses. 0, or -1; st
 * tells the file system's time. */
static int write_fresh(struct dotlock *lock, struct stat *st)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

	if (clear_fresh(lock) < 0)
		return -1;
	int fd = open(lock->fresh, flags, 0600);
	if (fd < 0)
		return -1;
	int result = put_text(fd);
	if (result == 0)
		result = fstat(fd, st);
	int error = errno;
	if (close(fd) < 0 && result == 0) {
		error = errno;
		result = -1;
	}
	if (result < 0)
		(void)unlink(lock->fresh);
	errno = error;
	return result;
}

/* NFS may lose the answer of a link that was made. */
static bool is_linked(const struct dotlock *lock)
{
	struct stat st;
	return stat(lock->fresh, &st) == 0 && st.st_nlink == 2;
}

/* The name is not free. 0 when it is now; or -1: EAGAIN, it may be soon; or EPERM: not
 * as long as nobody helps. */
static int make_way(const struct dotlock *lock, time_t now)
{
	struct stat st;

	switch (look(lock->path, now, true, &st)) {
	case STALE:
		return clear(lock->path, &st);
	case NONE:
	case DEAD:
		errno = EPERM;
		return -1;
	default:
		errno = EAGAIN;
		return -1;
	}
}

/* Gives it its name, if nobody else's stands there. 0, or -1. */
static int link_fresh(const struct dotlock *lock, time_t now)
{
	int result = link(lock->fresh, lock->path);

	if (result < 0 && errno == EEXIST && make_way(lock, now) == 0)
		result = link(lock->fresh, lock->path);
	if (result < 0 && errno == EEXIST)
		errno = EAGAIN;
	int error = errno;
	if (result < 0 && is_linked(lock))
		result = 0;
	errno = error;
	return result;
}

static bool is_impossible(int error)
{
	return error == EACCES || error == EPERM || error == EROFS || error == ENOSPC ||
	       error == EDQUOT || error == ENAMETOOLONG || error == EOPNOTSUPP ||
	       error == EFBIG;
}

static int make(struct dotlock *lock)
{
	struct stat st = { 0 };

	if (write_fresh(lock, &st) < 0)
		return -1;
	lock->dev = st.st_dev;
	lock->ino = st.st_ino;
	int result = link_fresh(lock, st.st_mtime);
	int error = errno;
	(void)unlink(lock->fresh); /* else the next one does */
	errno = error;
	lock->made = result == 0;
	return result;
}

int dotlock_take(struct dotlock *lock)
{
	if (make(lock) == 0)
		return 0;
	if (!is_impossible(errno))
		return -1;
	if (!dotlock_is_foreign(lock))
		return 0;
	errno = EAGAIN;
	return -1;
}

void dotlock_drop(struct dotlock *lock)
{
	int error = errno;
	struct stat st;
	if (lock->made && lstat(lock->path, &st) == 0 && st.st_dev == lock->dev &&
		st.st_ino == lock->ino)
		(void)unlink(lock->path); /* else it will be stale, soon */
	lock->made = false;
	errno = error;
}
