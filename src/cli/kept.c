/*
 * kept: see kept.h. Runs as whoever calls the command, in directories that mailbox
 * owners can write: it asks whether there is such a file, of whom and since when, and
 * opens none. Who may not look into a directory is told nothing of it.
 */
#include "cli/kept.h"

#include "cli/text.h"
#include "maildrop/journal.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

static void tell(struct findings *f, const char *path, const struct stat *st)
{
	char since[TEXT_TIME_MAX];
	const struct passwd *owner = getpwuid(st->st_uid);

	text_time(st->st_ctime, since);
	findings_add(f, FINDING_WARNING, path,
		"since %s: an mbox of %s (uid %lu) was changed while a removal was "
		"interrupted; the log of that time names it; look at it, then remove "
		"this file",
		since, owner ? owner->pw_name : "nobody known",
		(unsigned long)st->st_uid);
}

static void look(struct findings *f, const char *states, int dir, const char *key)
{
	char path[PATH_MAX];
	struct stat st;
	int state = openat(dir, key, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (state < 0)
		return;
	if (fstatat(state, JOURNAL_KEPT, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		snprintf(path, sizeof(path), "%s/%.64s/" JOURNAL_KEPT, states, key);
		tell(f, path, &st);
	}
	close(state);
}

void kept_check(struct findings *f, const char *states)
{
	const struct dirent *entry;
	DIR *dir = opendir(states);

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			look(f, states, dirfd(dir), entry->d_name);
	closedir(dir);
}
