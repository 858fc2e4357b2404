/*
 * place: <runtime> with the pid file and the session locks, <state> with the
 * maildrops' state. Runs as root; the paths come from the configuration.
 */
#include "master/place.h"

#include "base/buf.h"
#include "base/io.h"
#include "base/log.h"
#include "postern/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char pid_name[] = "posternd.pid", lock_name[] = "server.lock";

static int make_parents(const char *path)
{
	char part[SETUP_PATH_MAX + 1];
	for (size_t i = 1; path[i]; i++) {
		if (path[i] != '/')
			continue;
		if (span_to_text(span_of(path, i), part, sizeof(part)) < 0) {
			errno = ENAMETOOLONG;
			return -1;
		}
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -1;
	}
	return 0;
}

/* Opens the directory, made with the mode when it is missing. */
static int open_directory(int at, const char *name, mode_t mode)
{
	if (mkdirat(at, name, mode) < 0 && errno != EEXIST && errno != EROFS)
		return -1;
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Ours, and nobody else can write there? */
static bool is_safe(int fd)
{
	struct stat s;
	if (fstat(fd, &s) < 0)
		return false;
	if ((s.st_uid == geteuid() || s.st_uid == 0) && !(s.st_mode & 022))
		return true;
	errno = EPERM;
	return false;
}

static int open_place(const char *path, const char *name)
{
	if (make_parents(path) < 0)
		return -1;
	int fd = open_directory(AT_FDCWD, path, *name ? 0755 : 0700);
	if (fd < 0 || !*name)
		return fd;
	int inner = is_safe(fd) ? open_directory(fd, name, 0700) : -1;
	int error = errno;
	close(fd);
	errno = error;
	return inner;
}

int place_open(const char *path, const char *name)
{
	int fd = open_place(path, name);
	if (fd >= 0 && is_safe(fd))
		return fd;
	log_line("the directory %s%s%s: %s", path, *name ? "/" : "", name,
		errno == EPERM ? "others can write to it" : strerror(errno));
	io_close(&fd);
	return -1;
}

static int lock_file(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	if (fcntl(fd, F_SETLK, &lock) == 0)
		return 0;
	lock.l_pid = 0;
	(void)fcntl(fd, F_GETLK, &lock);
	log_line("posternd runs already: process %ld", (long)lock.l_pid);
	return -1;
}

/* pid 0: empties the file. */
static int write_pid(int locks, pid_t pid)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)pid);
	int directory = openat(locks, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = directory < 0
			 ? -1
			 : openat(directory, pid_name,
				   O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	int result = fd < 0 ? -1 : ftruncate(fd, 0);
	if (result == 0 && pid)
		result = io_pwrite_all(fd, text, (size_t)n, 0);
	if (result < 0)
		log_line("%s: %s", pid_name, strerror(errno));
	io_close(&fd);
	io_close(&directory);
	return result;
}

/* The pid file is for all to read, and who may read a file may hold a lock on it: what
 * is locked lies where nobody else gets. */
int place_lock_pid(const char *path)
{
	int locks = place_open(path, "locks");
	if (locks < 0)
		return -1;
	int fd = openat(
		locks, lock_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		log_line("%s/locks/%s: %s", path, lock_name, strerror(errno));
	int result = fd < 0 ? -1 : lock_file(fd);
	if (result == 0)
		result = write_pid(locks, getpid());
	io_close(&locks);
	if (result < 0)
		io_close(&fd);
	return fd;
}

void place_unlock_pid(int fd, const char *path)
{
	/* Emptied before the next one can write to it. */
	int locks = place_open(path, "locks");
	if (locks >= 0)
		(void)write_pid(locks, 0);
	io_close(&locks);
	close(fd);
}
