/*
 * name: the form of an account's name. A name becomes part of paths (%u, %n and
 * %d of a maildrop template), of log lines and of a database key; whatever
 * passes here is harmless in all three.
 */
#ifndef POSTERN_ACCOUNTS_NAME_H
#define POSTERN_ACCOUNTS_NAME_H

#include "base/span.h"

enum { ACCOUNT_NAME_MAX = 255 }; /* octets, as LOGIN_NAME_MAX */

/*
 * Writes the normal form of raw into name: prepared (saslprep.h), the part behind '@'
 * (the domain) in lower case (ASCII). Returns 0; or -1, name empty and
 * errno EINVAL, unless raw is
 *   1 to ACCOUNT_NAME_MAX octets of valid UTF-8 (RFC 3629)
 *   without control characters (C0, DEL, C1), '/' or blanks at either end,
 *   with at most one '@', and neither part around it empty or beginning with '.',
 * and is so when it is prepared, too.
 * So no name or part of one is "", ".", ".." or a hidden file, or leaves its
 * directory.
 *
 * Two names that differ in the case of ASCII letters only are the same account:
 * the store compares them so and answers with the name as it was created.
 */
int account_name(struct span raw, char name[ACCOUNT_NAME_MAX + 1]);

/* Is raw, in any form, that name in normal form? */
bool account_name_is(struct span raw, const char *name);

/* The part before '@' (all of it when there is none) and the part behind it
 * (empty when there is none) of a name in normal form: %n and %d. */
struct span account_local(const char *name);
struct span account_domain(const char *name);

/* Valid UTF-8 without overlong forms and surrogates? */
bool utf8_valid(struct span s);

#endif
