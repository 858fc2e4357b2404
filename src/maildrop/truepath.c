/*
 * truepath: see truepath.h. Runs as root, before a session becomes the mailbox owner.
 * Trusts directories that root alone can write, and what is found in them, nothing
 * else.
 */
#include "maildrop/truepath.h"

#include "base/buf.h"

#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 8, WAY_MAX = MAILDROP_PATH_MAX + 1 };

struct way {
	char done[WAY_MAX]; /* without links; "" is the root */
	char rest[WAY_MAX];
	int links;
};

/* Can root alone say what is in it? */
static bool is_roots(const char *path)
{
	struct stat st;
	return lstat(*path ? path : "/", &st) == 0 && S_ISDIR(st.st_mode) &&
	       st.st_uid == 0 && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* a, a slash where it is needed, and b; false when that does not fit. */
static bool join(char to[WAY_MAX], const char *a, const char *between, const char *b)
{
	char joined[WAY_MAX];
	int n = snprintf(joined, sizeof(joined), "%s%s%s", a, between, b);
	if (n < 0 || n >= WAY_MAX)
		return false;
	memcpy(to, joined, (size_t)n + 1);
	return true;
}

/* The link's text takes the place of the name that led to it. */
static bool follow(struct way *way, const char *link)
{
	char target[WAY_MAX];
	ssize_t n = readlink(link, target, sizeof(target) - 1);
	if (n <= 0 || ++way->links > LINKS_MAX)
		return false;
	target[n] = '\0';
	if (target[0] == '/')
		way->done[0] = '\0';
	return join(way->rest, target, "/", way->rest);
}

static void climb(struct way *way)
{
	char *slash = strrchr(way->done, '/');
	if (slash)
		*slash = '\0';
}

/* The first name of what is left; a false one ends it. */
static bool step(struct way *way)
{
	char name[WAY_MAX], next[WAY_MAX];
	struct stat st;
	size_t n = strcspn(way->rest, "/");
	memcpy(name, way->rest, n);
	name[n] = '\0';
	n += way->rest[n] == '/';
	memmove(way->rest, way->rest + n, strlen(way->rest + n) + 1);
	if (name[0] == '\0' || strcmp(name, ".") == 0)
		return true;
	if (!is_roots(way->done))
		return false;
	if (strcmp(name, "..") == 0) {
		climb(way);
		return true;
	}
	if (!join(next, way->done, "/", name) || lstat(next, &st) < 0)
		return false;
	if (S_ISLNK(st.st_mode))
		return follow(way, next);
	return join(way->done, next, "", "");
}

void truepath_of(const char *path, char to[MAILDROP_PATH_MAX + 1])
{
	struct way way = { .links = 0 };
	const char *last = strrchr(path, '/');
	bool good = last && (size_t)(last - path) < WAY_MAX;
	if (good)
		memcpy(way.rest, path, (size_t)(last - path));
	while (good && way.rest[0])
		good = step(&way);
	if (!good || !join(to, way.done, "", last))
		snprintf(to, WAY_MAX, "%s", path);
}
