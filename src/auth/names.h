/*
 * names: which account a login name means that is no account as it was given: what the
 * statement `names` of postern.conf(5) allows. For auth and for delivery alike.
 */
#ifndef POSTERN_AUTH_NAMES_H
#define POSTERN_AUTH_NAMES_H

#include "base/span.h"
#include "postern/login.h"
#include "postern/setup.h"

enum { NAMES_LAST = 2 };

/*
 * The i-th (1 to NAMES_LAST) other name that `given` may stand for: first a system
 * user's, without the domain that is stripped, in lower case where case is folded; then
 * one at the default domain. *local says which. False: there is none such.
 */
bool names_other(const struct names_setup *names, const char *given, int i, bool *local,
	char other[LOGIN_NAME_MAX + 1]);

#endif
