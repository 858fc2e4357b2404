/*
 * lock: one session per maildrop (RFC 1939 section 4).
 *
 * Runs as root, in the session child, before it becomes the mailbox owner. Trusts
 * the locks directory (root's own) and the kernel: who holds the record lock,
 * when the file was last written. Distrusts what the file says: the session
 * that writes it may have been taken over by its peer; the text is parsed
 * within bounds and shown to people, never acted upon. Fails with -1 and errno.
 *
 * The files stay: removing a lock file while another process waits for it is
 * the classic way to have two holders. They are small and live in /run.
 */
#include "maildrop/lock.h"

#include "base/buf.h"
#include "base/io.h"
#include "base/num.h"
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
	LOCK_RECORD_MAX = 128, /* "v1 PID SINCE CLIENT\n" */
	LOCK_WAIT = 5000,      /* milliseconds for a holder to end */
	LOCK_LINGER = 1000,    /* and for one that has not been told to */
};

static int open_file(int locks, enum maildrop_kind kind, const char *path)
{
	char key[MAILDROP_KEY_DIGITS + 1];
	maildrop_key(kind, path, key);
	int fd = openat(locks, key,
		O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		0600);
	struct stat st;
	if (fd < 0 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)))
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

static uint64_t seconds_since(uint64_t then)
{
	time_t now = time(NULL);
	return now > 0 && (uint64_t)now > then ? (uint64_t)now - then : 0;
}

static void copy_printable(char *text, size_t size, struct span s)
{
	size_t n = 0;
	for (; n < s.n && n + 1 < size; n++)
		text[n] = (char)(s.p[n] > 0x20 && s.p[n] < 0x7F ? s.p[n] : '?');
	text[n] = '\0';
}

static void read_holder(int fd, struct lock_holder *holder)
{
	char record[LOCK_RECORD_MAX];
	struct stat st;
	uint64_t since;
	*holder = (struct lock_holder){ 0 };
	if (fstat(fd, &st) == 0 && st.st_mtime > 0)
		holder->idle_seconds = seconds_since((uint64_t)st.st_mtime);
	ssize_t n = io_pread_full(fd, record, sizeof(record), 0);
	struct span rest = span_of(record, n > 0 ? (size_t)n : 0);
	struct span line = span_cut(&rest, '\n');
	if (span_is(span_cut(&line, ' '), "v1")) {
		span_cut(&line, ' ');
		if (num_parse(span_cut(&line, ' '), UINT64_MAX, &since) == 0)
			holder->held_seconds = seconds_since(since);
		copy_printable(holder->client, sizeof(holder->client), line);
	}
	if (holder->held_seconds < holder->idle_seconds)
		holder->held_seconds = holder->idle_seconds;
}

static int write_record(int fd, const char *client)
{
	char storage[LOCK_RECORD_MAX], word[48];
	struct buf record;
	copy_printable(word, sizeof(word), span_str(client));
	buf_fixed(&record, storage, sizeof(storage));
	buf_printf(&record, "v1 %ld %lld %s\n", (long)getpid(), (long long)time(NULL),
		word);
	struct span s = buf_span(&record);
	if (io_pwrite_all(fd, s.p, s.n, 0) == 0 && ftruncate(fd, (off_t)s.n) == 0)
		return 0;
	/* The text is for people; the time is not. */
	return futimens(fd, NULL);
}

#ifdef SYS_pidfd_open
/*
 * Waits until the holder has ended; makes it, if told to. The process is held by a
 * descriptor that was made while it had the lock, so that no other process
 * which got its number later is ever signalled.
 */
static int await_holder(int fd, bool end_it)
{
	pid_t pid = holder_pid(fd);
	if (pid == 0)
		return try_lock(fd);
	int process = (int)syscall(SYS_pidfd_open, pid, 0);
	if (process < 0)
		return try_lock(fd);
	int64_t deadline = io_now() + (end_it ? LOCK_WAIT : LOCK_LINGER);
	if (holder_pid(fd) == pid && (!end_it || syscall(SYS_pidfd_send_signal, process,
							 SIGTERM, NULL, 0) == 0))
		io_wait(process, POLLIN, deadline);
	close(process);
	return try_lock(fd);
}
#else
static int await_holder(int fd, bool end_it)
{
	(void)end_it;
	return try_lock(fd); /* there is no safe way to name a process */
}
#endif

int lock_take(int locks, enum maildrop_kind kind, const char *path, const char *client,
	uint32_t takeover_seconds, struct lock_holder *holder)
{
	*holder = (struct lock_holder){ 0 };
	int fd = open_file(locks, kind, path);
	if (fd < 0)
		return -1;
	int got = try_lock(fd);
	if (got < 0 && errno == EWOULDBLOCK) {
		read_holder(fd, holder);
		bool end_it = holder->idle_seconds >= takeover_seconds;
		got = await_holder(fd, end_it);
		holder->taken_over = got == 0 && end_it;
	}
	if (got == 0 && write_record(fd, client) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

void lock_touch(int lock)
{
	/*
	 * Written, not futimens(): the session is no longer the file's owner.
	 * When it fails, the session looks idle a little early.
	 */
	ssize_t n = pwrite(lock, "v", 1, 0);
	(void)n;
}
