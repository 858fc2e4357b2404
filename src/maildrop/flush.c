/*
 * flush: see flush.h. Runs as root for a directory of root's, else as the mailbox
 * owner.
 */
#include "maildrop/flush.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

/* Not "the disk failed", but "this is not done here". */
static bool is_refused(int error)
{
	return error == EINVAL || error == EBADF || error == ENOSYS ||
	       error == EOPNOTSUPP || error == EROFS || error == EACCES ||
	       error == EPERM;
}

/* syncfs(2) wants a descriptor that was opened; the root's will not do for another
 * file system. */
static int flush_all(int dir)
{
#ifdef __linux__
	if (syncfs(dir) == 0 || is_refused(errno))
		return 0;
	return -1;
#else
	(void)dir;
	sync();
	return 0;
#endif
}

int flush_directory(int dir)
{
	int opened = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (opened < 0 && !is_refused(errno))
		return -1;
	int result = fsync(opened < 0 ? dir : opened);
	if (result < 0 && is_refused(errno))
		result = flush_all(opened < 0 ? dir : opened);
	int error = errno;
	io_close(&opened);
	errno = error;
	return result;
}
