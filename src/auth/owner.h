/*
 * owner: the Unix user that a session becomes, from the host's user database.
 */
#ifndef POSTERN_AUTH_OWNER_H
#define POSTERN_AUTH_OWNER_H

#include "auth/source.h"

enum {
	OWNER_UID_NOBODY = 65534,
	OWNER_HOME_MAX = 1023,
};

struct owner {
	char name[LOGIN_NAME_MAX + 1]; /* as the database spells it */
	uint32_t uid, gid;
	char home[OWNER_HOME_MAX + 1];
};

/* 1 and *owner when the host has this user, 0 when not, -1 with errno. */
int owner_find(const char *name, struct owner *owner);

/* May a session run as this user: not root, not one of the system's own, whose numbers
 * lie below first? */
bool owner_is_person(const struct owner *owner, uint32_t first);

/*
 * uid, gid and supplementary groups into the identity. Groups beyond
 * DROP_GROUPS_MAX are left out and a log line says so. 0, or -1 with errno.
 */
int owner_become(const struct owner *owner, struct identity *identity);

#endif
