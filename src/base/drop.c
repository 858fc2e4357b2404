/*
 * drop: becoming another user, for good. Runs as root, between fork and the
 * first octet that the new owner may influence. After "Setuid Demystified"
 * (Chen, Wagner, Dean, 2002): set all three ids, then check that none of the
 * old ones can be had back.
 */
#include "base/drop.h"

#include <errno.h>
#include <grp.h>
#include <unistd.h>

static int refuse(void)
{
	errno = EPERM;
	return -1;
}

static int stay(uid_t uid, gid_t gid)
{
	return uid == getuid() && gid == getgid() ? 0 : refuse();
}

int drop_to(uid_t uid, gid_t gid, const gid_t *groups, size_t n)
{
	uid_t now_uid, now_effective, now_saved;
	gid_t now_gid, now_egid, now_sgid;

	if (geteuid() != 0)
		return stay(uid, gid);
	if (uid == 0 || gid == 0 || n > DROP_GROUPS_MAX)
		return refuse();
	if (setgroups(n, groups) < 0 || setresgid(gid, gid, gid) < 0 ||
		setresuid(uid, uid, uid) < 0)
		return -1;
	if (getresuid(&now_uid, &now_effective, &now_saved) < 0 ||
		getresgid(&now_gid, &now_egid, &now_sgid) < 0)
		return -1;
	if (now_uid != uid || now_effective != uid || now_saved != uid ||
		now_gid != gid || now_egid != gid || now_sgid != gid)
		return refuse();
	if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0 || setegid(0) == 0)
		return refuse();
	return 0;
}
