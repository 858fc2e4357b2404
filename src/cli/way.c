/*
 * way: see way.h. Runs as root. Trusts directories that root alone can write. For each
 * part of the path, from the first on, links are followed by realpath(3); then
 * the way that they make is walked without following any, and each step is looked
 * at through its descriptor: what was changed in between is either root's work or found
 * out.
 */
#include "cli/way.h"

#include "base/span.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_roots(int dir, mode_t others)
{
	struct stat st;
	return fstat(dir, &st) == 0 && st.st_uid == 0 && !(st.st_mode & others);
}

/* The next step; the one before is closed. */
static int step(int dir, const char *name)
{
	int next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int error = errno;
	close(dir);
	errno = error;
	return next;
}

static int stop(int dir)
{
	if (dir >= 0)
		close(dir);
	errno = EPERM;
	return -1;
}

static int walk(char *path)
{
	char *rest = path, *name;
	int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (dir >= 0 && (name = strtok_r(rest, "/", &rest))) {
		if (!is_roots(dir, S_IWGRP | S_IWOTH))
			return stop(dir);
		dir = step(dir, name);
	}
	return dir < 0 || is_roots(dir, S_IWOTH) ? dir : stop(dir);
}

static int open_real(const char *path)
{
	char *real = realpath(path, NULL);
	if (!real)
		return -1;
	int dir = walk(real);
	int error = errno;
	free(real);
	errno = error;
	return dir;
}

/* Each directory on the way before the last: a link in it is then root's own, too. */
int way_of_root(const char *path)
{
	char *part = strdup(path);
	int dir = part ? 0 : -1;
	for (char *end = part; dir >= 0 && (end = strchr(end + 1, '/'));) {
		*end = '\0';
		dir = open_real(part);
		if (dir >= 0)
			close(dir);
		*end = '/';
	}
	int error = errno;
	free(part);
	errno = error;
	return dir < 0 ? -1 : open_real(path);
}
