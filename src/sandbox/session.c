/*
 * session: the walls around those who have become a mailbox owner, and around
 * the root process that they come from.
 *
 * Which files a session may reach is found out as the owner, before the first
 * octet of the maildrop is read; the path came from auth. Links on the way are
 * followed with the owner's rights, once, here: the rule is on what was found,
 * and what the path names later is bound by it.
 *
 * An mbox is a rule on one file, so that virtual users who share a Unix user
 * and a directory stay apart. The dotlock beside it needs a rule on the
 * directory, which would let a session remove the neighbours: only where there
 * are none.
 */
#include "sandbox/sandbox.h"

#include "sandbox/landlock.h"
#include "sandbox/steps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "filters.h"

static const rlim_t session_data = (rlim_t)2 << 30; /* 16 million messages */

/* Faults that maildrop_open() meets again and words: no rule, no error. */
static bool is_of_the_path(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case EACCES:
	case EPERM:
	case ELOOP:
	case ENAMETOOLONG:
		return true;
	default:
		return false;
	}
}

static int allow_path(int ruleset, const char *path, enum landlock_grant grant)
{
	struct stat st;
	int directory = grant == LANDLOCK_FILE ? 0 : O_DIRECTORY;
	int fd = open(path, O_PATH | O_CLOEXEC | directory);
	if (fd < 0)
		return is_of_the_path(errno) ? 0 : -1;
	int result = fstat(fd, &st);
	/* Rights of a file would be rights in the whole tree of a directory. */
	if (result == 0 && (grant != LANDLOCK_FILE || !S_ISDIR(st.st_mode)))
		result = landlock_allow(ruleset, fd, grant);
	close(fd);
	return result;
}

/* The mbox itself, its dotlock, or what becomes one ("joe.lock", "joe.lock.new", not
 * "joey" and not "joe.locker")? No maildrop has such a name: maildrop_name_is_taken().
 */
static bool is_of_mbox(const char *name, const char *mbox)
{
	const char *lock = ".lock";
	size_t n = strlen(mbox), end = n + strlen(lock);
	if (strncmp(name, mbox, n) != 0 || name[n] == '\0')
		return strcmp(name, mbox) == 0;
	return strncmp(name + n, lock, strlen(lock)) == 0 &&
	       (name[end] == '\0' || name[end] == '.');
}

/* Does nothing but that lie there? */
static bool is_alone(DIR *directory, const char *mbox)
{
	const struct dirent *entry;
	errno = 0;
	while ((entry = readdir(directory)))
		if (!is_of_mbox(entry->d_name, mbox) &&
			strcmp(entry->d_name, ".") != 0 &&
			strcmp(entry->d_name, "..") != 0)
			return false;
	return errno == 0;
}

/* The directory of an mbox, for the dotlock, when that harms nobody. */
static int allow_dotlock(int ruleset, const char *path)
{
	char parent[MAILDROP_PATH_MAX + 1];
	const char *mbox = strrchr(path, '/');
	struct stat st;
	if (!mbox || mbox == path || mbox[1] == '\0')
		return 0;
	snprintf(parent, sizeof(parent), "%.*s", (int)(mbox - path), path);
	DIR *directory = opendir(parent);
	if (!directory)
		return is_of_the_path(errno) ? 0 : -1;
	int result = fstat(dirfd(directory), &st);
	if (result == 0 && st.st_uid == geteuid() && is_alone(directory, mbox + 1))
		result = landlock_allow(ruleset, dirfd(directory), LANDLOCK_FLAT);
	closedir(directory);
	return result;
}

static int allow_maildrop(int ruleset, enum maildrop_kind kind, const char *path)
{
	if (kind == MAILDROP_MAILDIR)
		return allow_path(ruleset, path, LANDLOCK_TREE);
	if (allow_path(ruleset, path, LANDLOCK_FILE) < 0)
		return -1;
	return allow_dotlock(ruleset, path);
}

/* Landlock for this maildrop and its state directory. */
static int only_maildrop(enum maildrop_kind kind, const char *path, int state)
{
	if (landlock_version() == 0)
		return 0;
	int ruleset = landlock_ruleset();
	if (ruleset < 0)
		return -1;
	int result = allow_maildrop(ruleset, kind, path);
	if (result == 0 && state >= 0)
		result = landlock_allow(ruleset, state, LANDLOCK_TREE);
	if (result == 0)
		result = landlock_enforce(ruleset);
	close(ruleset);
	return result;
}

int sandbox_session_parent(void)
{
	const uint32_t work = 1U << CAP_CHOWN | 1U << CAP_DAC_OVERRIDE |
			      1U << CAP_DAC_READ_SEARCH | 1U << CAP_FOWNER |
			      1U << CAP_KILL | 1U << CAP_SETGID | 1U << CAP_SETUID;
	if (step_begin() < 0 || sandbox_before_drop() < 0 ||
		step_capabilities(work) < 0 || step_descriptors(PARENT_DESCRIPTORS) < 0)
		return -1;
	return STEP_FILTER(session_parent);
}

int sandbox_session(enum maildrop_kind kind, const char *path, int state)
{
	if (step_begin() < 0 || step_capabilities(0) < 0 ||
		only_maildrop(kind, path, state) < 0 ||
		step_limits(SANDBOX_SESSION_DESCRIPTORS, session_data) < 0)
		return -1;
	return STEP_FILTER(session);
}
