/*
 * mbox_lock: fcntl(2), flock(2), then PATH.lock (dotlock.c): between them what every
 * program takes one of: Debian's agents fcntl and dotlock, c-client (alpine) flock and
 * dotlock. Runs as the mailbox owner, who may not be able to make a dotlock: then a
 * program that knows nothing else is seen when it is there first, and not kept away.
 *
 * On network file systems Linux makes flock(2) a record lock: our own would stand in
 * our way.
 *
 * Fails with -1 and errno, holding nothing.
 */
#include "maildrop/mbox_lock.h"

#include "base/io.h"
#include "maildrop/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>

enum { WAIT_MS = 50, SETTLE_MS = 5000 };

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

static int whole_lock(const struct mbox_lock *lock, int operation)
{
	int result;
	if (!lock->flocked)
		return 0;
	do
		result = flock(lock->fd, operation | LOCK_NB);
	while (result < 0 && errno == EINTR);
	return result;
}

static void hold_signals(struct mbox_lock *lock)
{
	sigset_t ends;
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGHUP);
	sigaddset(&ends, SIGQUIT);
	sigprocmask(SIG_BLOCK, &ends, &lock->signals);
}

static int try_all(struct mbox_lock *lock, bool write)
{
	hold_signals(lock);
	if (record_lock(lock->fd, write ? F_WRLCK : F_RDLCK) == 0 &&
		whole_lock(lock, write ? LOCK_EX : LOCK_SH) == 0 &&
		dotlock_take(&lock->dot) == 0)
		return 0;
	mbox_unlock(lock); /* what was had of it */
	return -1;
}

int mbox_lock(
	struct mbox_lock *lock, int fd, const char *path, bool write, int64_t deadline)
{
	bool local = volume_is_local(fd);

	*lock = (struct mbox_lock){ .fd = fd };
#ifdef __linux__
	lock->flocked = local; /* elsewhere both are one */
#endif
	dotlock_name(&lock->dot, path, local);
	while (try_all(lock, write) < 0) {
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

void mbox_lock_settle(const struct mbox_lock *lock)
{
	int64_t deadline = io_now() + SETTLE_MS;

	while (dotlock_is_foreign(&lock->dot) && io_now() < deadline)
		poll(NULL, 0, WAIT_MS);
}

void mbox_unlock(struct mbox_lock *lock)
{
	int error = errno;
	dotlock_drop(&lock->dot);
	(void)whole_lock(lock, LOCK_UN);
	(void)record_lock(lock->fd, F_UNLCK);
	sigprocmask(SIG_SETMASK, &lock->signals, NULL);
	errno = error;
}
