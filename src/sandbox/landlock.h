/*
 * landlock: which files a process may reach (Linux, landlock(7)), by system
 * calls and numbers of our own, so that neither a library nor new headers are
 * needed. From the first version on; what a kernel's version lacks is left out.
 */
#ifndef POSTERN_SANDBOX_LANDLOCK_H
#define POSTERN_SANDBOX_LANDLOCK_H

#include <stdint.h>

/* What may be done beneath a rule's file or directory. */
enum landlock_grant {
	LANDLOCK_TREE, /* files and directories: all but special files, links */
	LANDLOCK_FILE, /* one file: read, write, truncate */
	LANDLOCK_FLAT, /* a directory's files: also create, remove; not list */
};

/* The kernel's version of Landlock; 0: it has none. */
int landlock_version(void);

/*
 * A ruleset that forbids everything: files, TCP, signals to and abstract
 * sockets of processes outside of it. A descriptor; -1 with errno, which is
 * ENOSYS when there is no Landlock.
 */
int landlock_ruleset(void);

/* Allows grant beneath what fd (O_PATH will do) is. 0, or -1 with errno. */
int landlock_allow(int ruleset, int fd, enum landlock_grant grant);

/* Puts this process (no_new_privs is set) under the ruleset, for good. */
int landlock_enforce(int ruleset);

#endif
