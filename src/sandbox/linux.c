/*
 * sandbox on Linux: the steps, and the verbs that need no more. The other verbs have
 * files of their own (gate.c, session.c), so that a program links what its
 * domain needs. Runs in every domain, as whoever the domain is; trusts its
 * own program only and takes the rest away: resource limits, new privileges,
 * capabilities, files (Landlock), system calls (seccomp; the programs come
 * from mkfilter). What the kernel lacks is left out, sandbox_missing() says so;
 * anything else that fails is the caller's end.
 *
 * No limit on file sizes: descriptor 2 may be a log file, and a maildrop may be
 * of any size. RLIMIT_DATA, not RLIMIT_AS: mapped libraries and mail do not
 * count.
 */
#include "sandbox/sandbox.h"

#include "sandbox/landlock.h"
#include "sandbox/self.h"
#include "sandbox/steps.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	CAPABILITIES = 64, /* more than there are */
	FILTER_MAX = 512,  /* instructions */
};

static int limit(unsigned what, rlim_t most)
{
	struct rlimit r;
	if (getrlimit(what, &r) < 0)
		return -1;
	if (r.rlim_max > most)
		r.rlim_max = most;
	if (r.rlim_cur > r.rlim_max)
		r.rlim_cur = r.rlim_max;
	return setrlimit(what, &r);
}

#ifdef POSTERN_SANITIZERS
/* ASan opens and maps what it likes; LSan would attach to a process that may
 * not be attached to. Files and privileges are kept from them all the same. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return prctl(PR_GET_DUMPABLE) == 0;
}

int step_limits(rlim_t descriptors, rlim_t data)
{
	(void)descriptors;
	(void)data;
	return 0;
}

int step_descriptors(rlim_t most)
{
	(void)most;
	return 0;
}

int step_filter(const struct sock_filter *program, size_t n)
{
	(void)program;
	(void)n;
	return 0;
}
#else
/* A process at the end of the line: what it holds, and no process of its own. */
int step_limits(rlim_t descriptors, rlim_t data)
{
	return limit(RLIMIT_NOFILE, descriptors) < 0 || limit(RLIMIT_NPROC, 0) < 0 ||
			       limit(RLIMIT_DATA, data) < 0
		       ? -1
		       : 0;
}

int step_descriptors(rlim_t most)
{
	return limit(RLIMIT_NOFILE, most);
}

int step_filter(const struct sock_filter *program, size_t n)
{
	struct sock_filter mine[FILTER_MAX];
	struct sock_fprog load = { .len = (unsigned short)n, .filter = mine };
	if (n > FILTER_MAX) {
		errno = E2BIG;
		return -1;
	}
	memcpy(mine, program, n * sizeof(*program));
	for (size_t i = 0; i < n; i++)
		if (mine[i].k == FILTER_SELF)
			mine[i].k = (uint32_t)getpid();
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &load) == 0)
		return 0;
	/* ENOSYS, EINVAL: built without it; or without KILL_PROCESS (4.14). */
	return sandbox_missing() & WALL_SECCOMP ? 0 : -1;
}
#endif

static bool has_seccomp(void)
{
#ifdef POSTERN_SANITIZERS
	return false;
#else
	uint32_t action = SECCOMP_RET_KILL_PROCESS;
	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0)
		return true;
	/* What somebody forbids, the system has. */
	return errno == EPERM || errno == EACCES;
#endif
}

unsigned sandbox_missing(void)
{
	unsigned missing = 0;
	if (!has_seccomp())
		missing |= WALL_SECCOMP;
	if (landlock_version() == 0)
		missing |= WALL_LANDLOCK;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) < 0)
		missing |= WALL_NO_NEW_PRIVS;
	return missing;
}

unsigned sandbox_forbidden(void)
{
	unsigned forbidden = 0;
#ifndef POSTERN_SANITIZERS
	uint32_t action = SECCOMP_RET_KILL_PROCESS;
	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0 &&
		has_seccomp())
		forbidden |= WALL_SECCOMP;
#endif
	errno = 0;
	if (landlock_version() == 0 && (errno == EPERM || errno == EACCES))
		forbidden |= WALL_LANDLOCK;
	return forbidden;
}

/* Keeps of the capabilities only those in the set keep (bits 1 << CAP_x). */
int step_capabilities(uint32_t keep)
{
	struct __user_cap_header_struct head = { .version =
							 _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct now[_LINUX_CAPABILITY_U32S_3];
	if (syscall(SYS_capget, &head, now) < 0)
		return -1;
	now[0].permitted &= keep;
	now[1].permitted = 0;
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		now[i].effective = now[i].permitted;
		now[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, now) < 0)
		return -1;
	/* A kernel without ambient capabilities (before 4.3) says EINVAL. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return errno == EINVAL ? 0 : -1;
	return 0;
}

/* What a later exec may give: no more than keep. */
int step_bounding(uint32_t keep)
{
	for (unsigned long cap = 0; cap < CAPABILITIES; cap++) {
		if (cap < 32 && keep & 1U << cap)
			continue;
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return errno == EPERM ? 0 : -1; /* not root: nothing to drop */
	}
	return 0;
}

int sandbox_before_drop(void)
{
	return step_bounding(0);
}

/* What every domain gives up first. */
int step_begin(void)
{
	if (limit(RLIMIT_CORE, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return errno == EINVAL ? 0 : -1; /* before Linux 3.5 */
	return 0;
}

int step_no_files(void)
{
	if (landlock_version() == 0)
		return 0;
	int ruleset = landlock_ruleset();
	if (ruleset < 0)
		return -1;
	int result = landlock_enforce(ruleset);
	close(ruleset);
	return result;
}
