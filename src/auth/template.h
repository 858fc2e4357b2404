/*
 * template: where an account's maildrop is. The administrator writes the
 * template ("maildir:/var/lib/postern/mail/%d/%n"), the network brings the name:
 * whatever the name, the path stays in the tree that the template draws.
 */
#ifndef POSTERN_AUTH_TEMPLATE_H
#define POSTERN_AUTH_TEMPLATE_H

#include "base/span.h"
#include "postern/maildrop.h"

/*
 * %u the account's whole name, %n what stands before its last '@' (or all of it),
 * %d what stands behind it, %h the home directory, %% a '%'.
 *
 * Writes the absolute path of the account's maildrop. A value of the name may
 * not be empty, begin with '.', or hold a '/' or a control character. home is the
 * user database's word; NULL when the account has none.
 * Returns 0; or -1 with errno: EINVAL, the template itself is wrong or asks for
 * a home directory that there is none of; EPERM, the name may not stand in a path;
 * ENAMETOOLONG.
 */
int template_expand(const char *template, struct span account, const char *home,
	char path[MAILDROP_PATH_MAX + 1]);

#endif
