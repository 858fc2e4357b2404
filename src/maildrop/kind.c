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

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), e = strlen(end);
	return n >= e && strcmp(name + n - e, end) == 0;
}

bool maildrop_name_is_taken(enum maildrop_kind kind, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	return kind == MAILDROP_MBOX &&
	       (ends_with(name, ".lock") || strstr(name, ".lock.") ||
		       strstr(name, ".postern-journal"));
}

const char *maildrop_kind_name(enum maildrop_kind kind)
{
	size_t i = (size_t)kind;
	return i > 0 && i < NAMES ? names[i] : "unknown";
}
