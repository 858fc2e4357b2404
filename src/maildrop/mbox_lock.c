/*
 * mbox_lock: fcntl(2), then PATH.lock. Runs as the mailbox owner, who may not be
 * able to write the directory (Debian's /var/mail is root:mail 2775): then the
 * record lock stands alone, and an agent that knows only dotlocks is not kept away.
 *
 * The dotlock is written under another name and gets its own by link(2), which is
 * atomic, on NFS, too; so a process that is killed never leaves one that does not say
 * whose it is. It holds our process id, as liblockfile writes it, and a second
 * line that names us. A dotlock is removed as stale when it is older than
 * five minutes, or when it is a session's of this host: the caller holds the
 * one-session lock of the maildrop, so that session is dead. The owner can
 * forge all of that and only harm his own mail.
 *
 * Fails with -1 and errno, holding nothing.
 */
#include "maildrop/mbox_lock.h"

#include "base/buf.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { STALE_SECONDS = 300, WAIT_MS = 50, TEXT_MAX = 128 };

static const char mark[] = "\npostern-session ";

static int record_lock(int fd, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };
	int result;
	do
		result = fcntl(fd, F_SETLK, &lock);
	while (result < 0 && errno == EINTR);
	if (result < 0 && errno == EACCES)
		errno = EAGAIN;
	return result;
}

/* What the dotlock of a session on this host says behind the process id. */
static void put_mark(struct buf *text)
{
	char host[65] = "";
	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';
	buf_puts(text, mark);
	buf_puts(text, host);
	buf_puts(text, "\n");
}

static bool is_a_sessions(int fd)
{
	char storage[TEXT_MAX], found[TEXT_MAX];
	struct buf text;
	ssize_t n = io_pread_full(fd, found, sizeof(found), 0);
	if (n <= 0)
		return false;
	struct span s = span_of(found, (size_t)n);
	s = span_tail(s, span_find(s, '\n'));
	buf_fixed(&text, storage, sizeof(storage));
	put_mark(&text);
	return buf_ok(&text) && span_eq(s, buf_span(&text));
}

static bool is_stale(const char *path, const struct stat *st)
{
	if (st->st_mtime + STALE_SECONDS < time(NULL))
		return true;
	if (!S_ISREG(st->st_mode))
		return false;
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool stale = is_a_sessions(fd);
	io_close(&fd);
	return stale;
}

/* Removes the dotlock that stands there if it is stale: true when it is gone. */
static bool clear_stale(const char *path)
{
	struct stat first, now;
	if (lstat(path, &first) < 0)
		return errno == ENOENT;
	if (!is_stale(path, &first))
		return false;
	/* The record lock is ours, so nobody who takes both is here with us. */
	if (lstat(path, &now) < 0 || now.st_ino != first.st_ino ||
		now.st_mtime != first.st_mtime)
		return false;
	return unlink(path) == 0;
}

static bool is_impossible(int error)
{
	return error == EACCES || error == EPERM || error == EROFS || error == ENOSPC ||
	       error == EDQUOT || error == ENAMETOOLONG || error == EOPNOTSUPP;
}

/* Writes the dotlock under its first name, which only the holder of the record
 * lock uses. 0, or -1. */
static int write_fresh(struct mbox_lock *lock)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	char storage[TEXT_MAX];
	struct buf text;
	struct stat st;

	if (unlink(lock->fresh) < 0 && errno != ENOENT)
		return -1;
	int fd = open(lock->fresh, flags, 0600);
	if (fd < 0)
		return -1;
	buf_fixed(&text, storage, sizeof(storage));
	buf_put_decimal(&text, (uint64_t)getpid());
	put_mark(&text);
	int result = fstat(fd, &st);
	if (result == 0)
		result = io_pwrite_all(fd, buf_span(&text).p, buf_len(&text), 0);
	if (close(fd) < 0)
		result = -1;
	lock->dev = st.st_dev;
	lock->ino = st.st_ino;
	return result;
}

/* Gives it its name, if nobody else's stands there. 0, or -1: EAGAIN. */
static int link_fresh(struct mbox_lock *lock)
{
	struct stat st;
	int result = link(lock->fresh, lock->dotlock);

	if (result < 0 && errno == EEXIST && clear_stale(lock->dotlock))
		result = link(lock->fresh, lock->dotlock);
	if (result < 0 && errno == EEXIST)
		errno = EAGAIN;
	/* NFS may lose the answer of a link that was made. */
	int error = errno;
	if (result < 0 && stat(lock->fresh, &st) == 0 && st.st_nlink == 2)
		result = 0;
	errno = error;
	lock->dotted = result == 0;
	return result;
}

/* 0: made, or done without; -1: EAGAIN, or another error. */
static int dot_lock(struct mbox_lock *lock)
{
	int result = write_fresh(lock);

	if (result == 0)
		result = link_fresh(lock);
	int error = errno;
	(void)unlink(lock->fresh); /* else the next one does */
	errno = error;
	return result < 0 && is_impossible(errno) ? 0 : result;
}

static int try_both(struct mbox_lock *lock, short type)
{
	if (record_lock(lock->fd, type) < 0)
		return -1;
	if (dot_lock(lock) == 0)
		return 0;
	mbox_unlock(lock);
	return -1;
}

int mbox_lock(
	struct mbox_lock *lock, int fd, const char *path, bool write, int64_t deadline)
{
	*lock = (struct mbox_lock){ .fd = fd };
	snprintf(lock->dotlock, sizeof(lock->dotlock), "%.*s.lock", MAILDROP_PATH_MAX,
		path);
	snprintf(lock->fresh, sizeof(lock->fresh), "%s.new", lock->dotlock);
	while (try_both(lock, write ? F_WRLCK : F_RDLCK) < 0) {
		if (errno != EAGAIN)
			return -1;
		if (io_now() >= deadline) {
			errno = EAGAIN;
			return -1;
		}
		poll(NULL, 0, WAIT_MS);
	}
	return 0;
}

void mbox_unlock(struct mbox_lock *lock)
{
	int error = errno;
	struct stat st;
	if (lock->dotted && lstat(lock->dotlock, &st) == 0 && st.st_dev == lock->dev &&
		st.st_ino == lock->ino)
		(void)unlink(lock->dotlock); /* else it will be stale, soon */
	lock->dotted = false;
	(void)record_lock(lock->fd, F_UNLCK);
	errno = error;
}
