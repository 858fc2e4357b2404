/*
 * walls_files: what an attacker may try with files: others' and its own.
 * Which of it works, is refused or kills stands in the table of walls.c.
 */
#include "walls.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int in(const char *base, const char *name, int flags)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", base, name);
	return open(path, flags | O_CLOEXEC, 0600);
}

int try_open_outside(void)
{
	return open(place.outside, O_RDONLY);
}

int try_open_passwd(void)
{
	return open("/etc/passwd", O_RDONLY);
}

int try_list_root(void)
{
	return open("/", O_RDONLY | O_DIRECTORY);
}

int try_open_mem(void)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%ld/mem", (long)place.other);
	return open(path, O_RDWR);
}

int try_own_maps(void)
{
	return open("/proc/self/maps", O_RDONLY);
}

int try_maildir(void)
{
	char from[256], to[256], line[8];
	snprintf(from, sizeof(from), "%s/new/2", place.maildir);
	snprintf(to, sizeof(to), "%s/cur/2:2,S", place.maildir);
	int fd = in(place.maildir, "new/1", O_RDWR);
	if (fd < 0 || read(fd, line, sizeof(line)) < 1)
		return -1;
	close(fd);
	fd = in(place.maildir, "new/2", O_WRONLY | O_CREAT | O_EXCL);
	if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) < 0 || close(fd) < 0)
		return -1;
	DIR *directory = opendir(place.maildir);
	if (!directory || !readdir(directory) || closedir(directory) < 0)
		return -1;
	return rename(from, to) < 0 ? -1 : unlink(to);
}

int try_mbox(void)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char line[8];
	int fd = open(place.mbox, O_RDWR);
	if (fd < 0 || fcntl(fd, F_SETLK, &whole) < 0)
		return -1;
	if (read(fd, line, 4) != 4 || pwrite(fd, "From", 4, 0) != 4)
		return -1;
	return ftruncate(fd, 5) < 0 || fsync(fd) < 0 ? -1 : close(fd);
}

int try_state(void)
{
	int fd = openat(place.state_fd, "cache.new",
		O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || close(fd) < 0)
		return -1;
	if (renameat(place.state_fd, "cache.new", place.state_fd, "cache") < 0)
		return -1;
	return unlinkat(place.state_fd, "cache", 0);
}

/* From the maildrop to the state directory and back, as undo does. */
int try_undo(void)
{
	char from[256];
	snprintf(from, sizeof(from), "%s/new/1", place.maildir);
	if (mkdirat(place.state_fd, "undo", 0700) < 0)
		return -1;
	if (renameat(AT_FDCWD, from, place.state_fd, "undo/1") < 0 ||
		renameat(place.state_fd, "undo/1", AT_FDCWD, from) < 0)
		return -1;
	return unlinkat(place.state_fd, "undo", AT_REMOVEDIR);
}

int try_neighbour_read(void)
{
	return in(place.mboxes, "neighbour", O_RDONLY);
}

int try_neighbour_unlink(void)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/neighbour", place.mboxes);
	return unlink(path);
}

int try_neighbour_list(void)
{
	return open(place.mboxes, O_RDONLY | O_DIRECTORY);
}

static int dotlock(const char *mbox)
{
	char path[256], lock[256];
	snprintf(path, sizeof(path), "%s.lock.1", mbox);
	snprintf(lock, sizeof(lock), "%s.lock", mbox);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || write(fd, "1", 1) != 1 || close(fd) < 0)
		return -1;
	if (link(path, lock) < 0 || unlink(path) < 0)
		return -1;
	return unlink(lock);
}

int try_dotlock(void)
{
	return dotlock(place.alone);
}

int try_dotlock_crowded(void)
{
	return dotlock(place.mbox);
}

int try_symlink(void)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/new/link", place.maildir);
	return symlink("/etc/shadow", path);
}

int try_fifo(void)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/new/fifo", place.maildir);
	return mkfifo(path, 0600);
}

int try_link_in(void)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/new/stolen", place.maildir);
	return link(place.outside, path);
}

int try_unlink_outside(void)
{
	return unlink(place.outside);
}

int try_truncate(void)
{
	return truncate(place.outside, 0);
}

int try_chmod(void)
{
	return chmod(place.outside, 0777);
}

int try_times(void)
{
	return utimensat(AT_FDCWD, place.outside, NULL, 0);
}

int try_own_times(void)
{
	int fd = in(place.maildir, "new/1", O_RDWR);
	return fd < 0 ? -1 : futimens(fd, NULL);
}

int try_quiet_write(void)
{
	return write(2, "", 0) == 0 ? 0 : -1;
}
