/*
 * drop: becoming another user, for good.
 */
#ifndef POSTERN_BASE_DROP_H
#define POSTERN_BASE_DROP_H

#include "base/poison.h"

#include <stdint.h>
#include <sys/types.h>

enum { DROP_GROUPS_MAX = 64 };

/*
 * Supplementary groups, gid, uid, in that order, then tries to come back and
 * fails if that works. Refuses uid 0 and gid 0 (EPERM). A process that is not root
 * may only "become" itself: then the groups are left alone.
 * Returns 0, or -1 with errno: the caller must end.
 */
int drop_to(uid_t uid, gid_t gid, const gid_t *groups, size_t n);

#endif
