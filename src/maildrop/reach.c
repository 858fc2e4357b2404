/*
 * reach: see reach.h. Runs as the mailbox owner, in the session before its walls and in
 * no other program. Looks at directories' existence and rights alone.
 */
#include "maildrop/reach.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* Cuts the last name off; false: there is nothing in front of it. */
static bool cut_name(char *path)
{
	size_t n = strlen(path);
	while (n > 1 && path[n - 1] == '/')
		n--;
	while (n > 0 && path[n - 1] != '/')
		n--;
	while (n > 1 && path[n - 1] == '/')
		n--;
	if (n == 0 || path[n] == '\0')
		return false;
	path[n] = '\0';
	return true;
}

static bool is_missing(const char *path)
{
	struct stat st;
	return stat(path, &st) < 0 && errno == ENOENT;
}

int maildrop_reach(const char *path, struct maildrop_fault *fault)
{
	char above[MAILDROP_PATH_MAX + 1], missing[MAILDROP_PATH_MAX + 1];
	if (span_to_text(span_str(path), above, sizeof(above)) < 0 ||
		!is_missing(above) || !cut_name(above) || !is_missing(above))
		return 0;
	do
		memcpy(missing, above, sizeof(missing));
	while (cut_name(above) && is_missing(above));
	if (access(above, W_OK | X_OK) == 0)
		return 0;
	errno = ENOENT;
	return maildrop_fail(fault, "the maildrop's directory", missing);
}
