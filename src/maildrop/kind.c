/*
 * kind: the names of the kinds of maildrop. Apart from the drivers, so that programs
 * which only name a maildrop (auth, the postern command) link no driver.
 */
#include "postern/maildrop.h"

static const char *const names[] = {
	[MAILDROP_MAILDIR] = "maildir",
	[MAILDROP_MBOX] = "mbox",
};

enum { NAMES = sizeof(names) / sizeof(names[0]) };

enum maildrop_kind maildrop_kind_of(struct span name)
{
	for (size_t i = 1; i < NAMES; i++)
		if (span_is(name, names[i]))
			return (enum maildrop_kind)i;
	return 0;
}

const char *maildrop_kind_name(enum maildrop_kind kind)
{
	size_t i = (size_t)kind;
	return i > 0 && i < NAMES ? names[i] : "unknown";
}
