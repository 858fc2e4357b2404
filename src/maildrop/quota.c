/*
 * quota: asks the kernel for the owner's own quota (quotactl_fd(2), which needs no path
 * of a device and no right). A quota of a project, as of a directory, shows in
 * statfs(2) already.
 *
 * Runs as the mailbox owner. Linux alone; elsewhere, and where it fails, there is none.
 */
#include "maildrop/quota.h"

#include <stdint.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/quota.h>
#include <sys/syscall.h>

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif

static bool is_near(uint64_t used, uint64_t soft, uint64_t hard, unsigned parts)
{
	uint64_t limit = hard && (!soft || hard < soft) ? hard : soft;
	return limit && (used >= limit || limit - used < limit / parts);
}

static bool is_tight_of(int dir, unsigned type, unsigned id, unsigned parts)
{
	struct dqblk quota = { 0 };
	unsigned get = (unsigned)Q_GETQUOTA << SUBCMDSHIFT | type;
	if (syscall(SYS_quotactl_fd, dir, get, id, &quota) < 0)
		return false;
	return is_near(quota.dqb_curspace, dbtob(quota.dqb_bsoftlimit),
		       dbtob(quota.dqb_bhardlimit), parts) ||
	       is_near(quota.dqb_curinodes, quota.dqb_isoftlimit, quota.dqb_ihardlimit,
		       parts);
}

bool quota_is_tight(int dir, unsigned parts)
{
	return is_tight_of(dir, USRQUOTA, geteuid(), parts) ||
	       is_tight_of(dir, GRPQUOTA, getegid(), parts);
}
#else
bool quota_is_tight(int dir, unsigned parts)
{
	(void)dir, (void)parts;
	return false;
}
#endif
