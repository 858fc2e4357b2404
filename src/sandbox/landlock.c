/*
 * landlock: rulesets. See landlock.h. A right that the kernel does not handle
 * yet stays with the file's permissions; seccomp closes what can be closed
 * there (there is no truncate(2) and no ioctl(2) in any filter).
 */
#include "sandbox/landlock.h"

#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule	    445
#define SYS_landlock_restrict_self  446
#endif

/* The kernel's, so that old headers will do. */
struct ruleset {
	uint64_t fs;	 /* handled, therefore forbidden, accesses */
	uint64_t net;	 /* from version 4 */
	uint64_t scoped; /* from version 6 */
};

struct beneath {
	uint64_t access;
	int32_t parent;
} __attribute__((packed));

enum { RULE_PATH_BENEATH = 1, RULESET_VERSION = 1 };

enum {
	FS_EXECUTE = 1 << 0,
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_REMOVE_DIR = 1 << 4,
	FS_REMOVE_FILE = 1 << 5,
	FS_MAKE_DIR = 1 << 7,
	FS_MAKE_REG = 1 << 8,
	FS_FIRST = (1 << 13) - 1, /* all of version 1 */
	FS_REFER = 1 << 13,	  /* version 2: rename and link between directories */
	FS_TRUNCATE = 1 << 14,	  /* version 3 */
	FS_IOCTL_DEV = 1 << 15,	  /* version 5 */
	NET_TCP = 1 << 0 | 1 << 1,
	SCOPE_ALL = 1 << 0 | 1 << 1,
};

static const uint64_t grants[] = {
	[LANDLOCK_TREE] = FS_WRITE_FILE | FS_READ_FILE | FS_READ_DIR | FS_REMOVE_DIR |
			  FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_REFER |
			  FS_TRUNCATE,
	[LANDLOCK_FILE] = FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE,
	[LANDLOCK_FLAT] = FS_WRITE_FILE | FS_READ_FILE | FS_REMOVE_FILE | FS_MAKE_REG |
			  FS_TRUNCATE,
};

int landlock_version(void)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, RULESET_VERSION);
	return version < 0 ? 0 : (int)version;
}

static uint64_t handled(int version)
{
	uint64_t fs = FS_FIRST;
	if (version >= 2)
		fs |= FS_REFER;
	if (version >= 3)
		fs |= FS_TRUNCATE;
	if (version >= 5)
		fs |= FS_IOCTL_DEV;
	return fs;
}

int landlock_ruleset(void)
{
	int version = landlock_version();
	struct ruleset all = {
		.fs = handled(version), .net = NET_TCP, .scoped = SCOPE_ALL
	};
	size_t size = sizeof(all);
	if (version < 6)
		size = offsetof(struct ruleset, scoped);
	if (version < 4)
		size = offsetof(struct ruleset, net);
	return (int)syscall(SYS_landlock_create_ruleset, &all, size, 0);
}

int landlock_allow(int ruleset, int fd, enum landlock_grant grant)
{
	struct beneath rule = { .access = grants[grant] & handled(landlock_version()),
		.parent = fd };
	return (int)syscall(
		SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
}

int landlock_enforce(int ruleset)
{
	return (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
}
