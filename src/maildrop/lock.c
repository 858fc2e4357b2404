/*
 * lock: one session per maildrop (RFC 1939 section 4).
 *
 * Runs as root, in the session child, before it becomes the mailbox owner. Trusts
 * the locks directory (root's own) and the kernel: who holds the record lock,
 * when the FIFO was last written. Distrusts the holder, which may have been taken over
 * by its peer or by a message: it can say that it was active now, and no more; nothing
 * can be stored in a FIFO that nobody reads but a pipe's 64 KB, so it cannot
 * fill the file system of root's that the locks lie in. Fails with -1 and errno.
 *
 * The FIFOs stay: removing a lock file while another process waits for it is
 * the classic way to have two holders. They are empty and live in /run.
 */
#include "maildrop/lock.h"

#include "base/io.h"
#include "maildrop/state.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	LOCK_WAIT = 5000,	/* milliseconds for a holder to end */
	LOCK_LINGER = 1000,	/* and for one that has not been told to */
	LOCK_KILL_SECONDS = 300 /* idle for so long beyond the takeover: killed */
};

static const char suffix[] = ".lock";

static int make_fifo(int locks, const char *name)
{
	return mkfifoat(locks, name, 0600) == 0 || errno == EEXIST ? 0 : -1;
}

static int open_fifo(int locks, enum maildrop_kind kind, const char *path)
{
	char name[MAILDROP_KEY_DIGITS + sizeof(suffix)];
	struct stat st;
	maildrop_true_key(kind, path, name);
	memcpy(name + MAILDROP_KEY_DIGITS, suffix, sizeof(suffix));
	if (make_fifo(locks, name) < 0)
		return -1;
	int fd = openat(locks, name,
		O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_NOATIME | O_CLOEXEC);
	if (fd < 0 || (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode)))
		return fd;
	close(fd);
	errno = EINVAL;
	return -1;
}

static struct flock whole_file(void)
{
	return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
}

/* 0, or -1 with EWOULDBLOCK when another process has it. */
static int try_lock(int fd)
{
	struct flock lock = whole_file();
	if (fcntl(fd, F_SETLK, &lock) == 0)
		return 0;
	if (errno == EACCES || errno == EAGAIN)
		errno = EWOULDBLOCK;
	return -1;
}

/* The process that has the lock; 0 when there is none that has a number here. */
static pid_t holder_pid(int fd)
{
	struct flock lock = whole_file();
	if (fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid > 0 ? lock.l_pid : 0;
}

static uint64_t seconds_since(time_t then)
{
	time_t now = time(NULL);
	return now > then ? (uint64_t)now - (uint64_t)then : 0;
}

static void read_holder(int fd, struct lock_holder *holder)
{
	struct stat st;
	*holder = (struct lock_holder){ 0 };
	if (fstat(fd, &st) < 0)
		return;
	holder->idle_seconds = seconds_since(st.st_mtime);
	holder->held_seconds = seconds_since(st.st_atime);
	if (holder->held_seconds < holder->idle_seconds)
		holder->held_seconds = holder->idle_seconds;
}

#ifdef SYS_pidfd_open
static int send_signal(int process, int number)
{
	return (int)syscall(SYS_pidfd_send_signal, process, number, NULL, 0);
}

/* Who has been told to end obeys no command any more, and touches nothing. */
static bool was_touched(int fd, time_t since)
{
	struct stat st;
	return fstat(fd, &st) == 0 && st.st_mtime > since + 1;
}

/* SIGTERM, and time for an UPDATE; SIGKILL for one that goes on as if nothing had been
 * said, or that has been deaf for minutes. */
static void end_holder(int fd, int process, uint64_t idle_beyond)
{
	time_t told = time(NULL);
	if (idle_beyond >= LOCK_KILL_SECONDS) {
		if (send_signal(process, SIGKILL) == 0)
			io_wait(process, POLLIN, io_now() + LOCK_WAIT);
		return;
	}
	if (send_signal(process, SIGTERM) < 0 ||
		io_wait(process, POLLIN, io_now() + LOCK_WAIT) > 0)
		return;
	if (was_touched(fd, told) && send_signal(process, SIGKILL) == 0)
		io_wait(process, POLLIN, io_now() + LOCK_WAIT);
}

/*
 * Waits until the holder has ended; makes it, if it has been idle for `most` seconds.
 * The process is held by a descriptor that was made while it had the lock, so that no
 * other process which got its number later is ever signalled.
 */
static int await_holder(int fd, uint64_t idle, uint32_t most)
{
	pid_t pid = holder_pid(fd);
	if (pid == 0)
		return try_lock(fd);
	int process = (int)syscall(SYS_pidfd_open, pid, 0);
	if (process < 0)
		return try_lock(fd);
	if (holder_pid(fd) == pid && idle >= most)
		end_holder(fd, process, idle - most);
	else if (idle < most)
		io_wait(process, POLLIN, io_now() + LOCK_LINGER);
	close(process);
	return try_lock(fd);
}
#else
static int await_holder(int fd, uint64_t idle, uint32_t most)
{
	(void)idle, (void)most;
	return try_lock(fd); /* there is no safe way to name a process */
}
#endif

int lock_take(int locks, enum maildrop_kind kind, const char *path,
	uint32_t takeover_seconds, struct lock_holder *holder)
{
	*holder = (struct lock_holder){ 0 };
	int fd = open_fifo(locks, kind, path);
	if (fd < 0)
		return -1;
	int got = try_lock(fd);
	if (got < 0 && errno == EWOULDBLOCK) {
		read_holder(fd, holder);
		got = await_holder(fd, holder->idle_seconds, takeover_seconds);
		holder->taken_over =
			got == 0 && holder->idle_seconds >= takeover_seconds;
	}
	/* Both times are now: held since, and last heard. */
	if (got == 0 && futimens(fd, NULL) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

void lock_touch(int lock)
{
	/*
	 * Written, not futimens(): the session is no longer the FIFO's owner. And read,
	 * so that the FIFO is empty again. When it fails, the session looks idle a
	 * little early.
	 */
	unsigned char octet = 'v';
	ssize_t n = write(lock, &octet, 1);
	if (n == 1)
		n = read(lock, &octet, 1);
	(void)n;
}
