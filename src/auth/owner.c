/*
 * owner: users and groups of the host, by getpwnam_r(3) and getgrouplist(3), so by
 * whatever nsswitch.conf(5) names. Runs as root in auth. Trusts the user
 * database; a name that comes here from the net is only ever compared by it.
 */
#include "auth/owner.h"

#include "base/log.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>

enum { ENTRY_MAX = 64 * 1024 }; /* octets of a passwd entry */

static int copy(const struct passwd *entry, struct owner *owner)
{
	owner->uid = entry->pw_uid;
	owner->gid = entry->pw_gid;
	if (span_to_text(span_str(entry->pw_name), owner->name, sizeof(owner->name)) ==
			0 &&
		span_to_text(
			span_str(entry->pw_dir), owner->home, sizeof(owner->home)) == 0)
		return 1;
	errno = ENAMETOOLONG;
	return -1;
}

int owner_find(const char *name, struct owner *owner)
{
	struct passwd entry, *found = NULL;
	char *room = malloc(ENTRY_MAX);
	if (!room)
		return -1;
	int error = getpwnam_r(name, &entry, room, ENTRY_MAX, &found);
	int result = found ? copy(found, owner) : 0;
	if (!found && error && error != ENOENT && error != ESRCH) {
		errno = error;
		result = -1;
	}
	free(room);
	return result;
}

bool owner_is_person(const struct owner *owner, uint32_t first)
{
	return owner->uid != 0 && owner->uid >= first &&
	       owner->uid != OWNER_UID_NOBODY && owner->uid != UINT32_MAX &&
	       owner->gid != 0;
}

int owner_become(const struct owner *owner, struct identity *identity)
{
	gid_t groups[DROP_GROUPS_MAX];
	int n = DROP_GROUPS_MAX;
	if (getgrouplist(owner->name, owner->gid, groups, &n) < 0) {
		log_line("%s is in %d groups; the session gets the first %d",
			owner->name, n, DROP_GROUPS_MAX);
		n = DROP_GROUPS_MAX;
	}
	identity->uid = owner->uid;
	identity->gid = owner->gid;
	identity->groups_n = 0;
	for (int i = 0; i < n; i++)
		if (groups[i] != 0)
			identity->groups[identity->groups_n++] = groups[i];
	return 0;
}
