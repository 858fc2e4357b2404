/*
 * fdtab: the table of open descriptors. Called right after exec (to assert) and
 * right after fork (to lay a child's table). See fdtab.h.
 */
#include "base/fdtab.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int fdtab_close_from(int first)
{
#ifdef HAVE_CLOSE_RANGE
	if (close_range((unsigned)first, ~0U, 0) == 0)
		return 0;
	if (errno != ENOSYS)
		return -1;
#endif
	long most = sysconf(_SC_OPEN_MAX);
	for (int fd = first; fd < (most > 0 ? most : 65536); fd++)
		close(fd);
	return 0;
}

/* A program that a child starts, or a library for it, must not inherit them. */
static int close_on_exec(int fd)
{
	int flags = fcntl(fd, F_GETFD);
	return flags < 0 ? -1 : fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
}

static int place(int base, const int *fds, int n)
{
	int high[FDTAB_MAX];
	if (n < 0 || n > FDTAB_MAX) {
		errno = EINVAL;
		return -1;
	}
	/* First out of the way of every target number, then into place. */
	for (int i = 0; i < n; i++) {
		high[i] = fcntl(fds[i], F_DUPFD, base + n);
		if (high[i] < 0)
			return -1;
	}
	for (int i = 0; i < n; i++)
		if (dup2(high[i], base + i) < 0)
			return -1;
	return fdtab_close_from(base + n);
}

int fdtab_place(int base, const int *fds, int n)
{
	if (place(base, fds, n) < 0)
		return -1;
	for (int i = 0; i < n; i++)
		if (close_on_exec(base + i) < 0)
			return -1;
	return 0;
}

int fdtab_place_for_exec(int base, const int *fds, int n)
{
	return place(base, fds, n);
}

int fdtab_exactly(int last)
{
	for (int fd = 0; fd <= last; fd++)
		if (fcntl(fd, F_GETFD) < 0 ||
			(fd > STDERR_FILENO && close_on_exec(fd) < 0))
			return -1;
	return fdtab_close_from(last + 1);
}
