/*
 * io: descriptors, waiting and the clock. Returns errors, never logs them.
 */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

int64_t io_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int remaining(int64_t deadline)
{
	if (deadline == IO_FOREVER)
		return -1;
	int64_t left = deadline - io_now();
	if (left < 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}

int io_wait(int fd, short events, int64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = events };
	for (;;) {
		int n = poll(&p, 1, remaining(deadline));
		if (n > 0)
			return p.revents;
		if (n == 0 && remaining(deadline) == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -1;
	}
}

int io_write_all(int fd, struct span s, int64_t deadline)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);
		if (n >= 0) {
			s = span_tail(s, (size_t)n);
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -1;
		int ready = io_wait(fd, POLLOUT, deadline);
		if (ready < 0)
			return -1;
		if (ready == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
	}
	return 0;
}

ssize_t io_read(int fd, void *p, size_t n)
{
	ssize_t got;
	do
		got = read(fd, p, n);
	while (got < 0 && errno == EINTR);
	return got;
}

ssize_t io_pread_full(int fd, void *p, size_t n, off_t offset)
{
	size_t have = 0;
	while (have < n) {
		ssize_t got =
			pread(fd, (char *)p + have, n - have, offset + (off_t)have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

int io_pwrite_all(int fd, const void *p, size_t n, off_t offset)
{
	size_t done = 0;
	while (done < n) {
		ssize_t put = pwrite(
			fd, (const char *)p + done, n - done, offset + (off_t)done);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		done += (size_t)put;
	}
	return 0;
}

int io_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

void io_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
