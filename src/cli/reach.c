/*
 * reach: see reach.h. Looks at what a template has in front of its first '%', the part
 * that is the same for all accounts: as the owner, in a child that has become it,
 * since no mode bits tell what access lists and security modules say.
 */
#include "cli/reach.h"

#include "base/drop.h"
#include "postern/maildrop.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* "/var/mail/%u" to "/var/mail"; empty for "%h/Maildir". */
static void fixed_part(const char *template, char directory[PATH_MAX])
{
	size_t n = strcspn(template, "%");
	while (n > 0 && template[n - 1] != '/')
		n--;
	while (n > 1 && template[n - 1] == '/')
		n--;
	snprintf(directory, PATH_MAX, "%.*s", (int)n, template);
}

/* The length of the path of the next directory behind the first n octets. */
static size_t next_directory(const char *path, size_t n)
{
	n += strspn(path + n, "/");
	return n + strcspn(path + n, "/");
}

/* The first directory on the way that this process may not enter, in path; true when
 * there is none. errno says why. */
static bool enter_all(char *path)
{
	size_t end = strlen(path);
	for (size_t n = next_directory(path, 0);; n = next_directory(path, n)) {
		char kept = path[n];
		path[n] = '\0';
		if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
			return false;
		path[n] = kept;
		if (n >= end)
			return true;
	}
}

/* What a child, become the owner, found out; it travels as its exit code. */
enum reach { REACH_GOOD, REACH_CLOSED, REACH_READ_ONLY, REACH_UNKNOWN };

static enum reach ask_as(const struct passwd *owner, char *directory)
{
	if (geteuid() == 0 &&
		drop_to(owner->pw_uid, owner->pw_gid, &owner->pw_gid, 1) < 0)
		return REACH_UNKNOWN;
	if (!enter_all(directory))
		return REACH_CLOSED;
	return faccessat(AT_FDCWD, directory, W_OK, AT_EACCESS) < 0 ? REACH_READ_ONLY
								    : REACH_GOOD;
}

static enum reach ask(const struct passwd *owner, char *directory)
{
	int status;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		_exit((int)ask_as(owner, directory));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return REACH_UNKNOWN;
	return (enum reach)WEXITSTATUS(status);
}

static void check_as(struct findings *f, const struct passwd *owner, char *directory)
{
	const char *name = owner->pw_name;
	switch (ask(owner, directory)) {
	case REACH_GOOD:
		findings_add(
			f, FINDING_OK, directory, "%s can make maildrops there", name);
		break;
	case REACH_CLOSED:
		findings_add(f, FINDING_PROBLEM, directory,
			"%s, who owns the mail, cannot get there: each directory on "
			"the way "
			"must let it pass (chmod o+x)",
			name);
		break;
	case REACH_READ_ONLY:
		findings_add(f, FINDING_WARNING, directory,
			"%s cannot write there: maildrops must be made by others",
			name);
		break;
	default:
		findings_add(
			f, FINDING_WARNING, directory, "cannot be tried as %s", name);
		break;
	}
}

void reach_check(struct findings *f, const struct source_setup *source)
{
	char directory[PATH_MAX];
	struct stat st;
	fixed_part(source->template, directory);
	if (directory[0] == '\0')
		return;
	int error = stat(directory, &st) < 0 ? errno
		    : S_ISDIR(st.st_mode)    ? 0
					     : ENOTDIR;
	if (error) {
		findings_add(f, FINDING_PROBLEM, directory, "where mail is to be: %s",
			strerror(error));
		return;
	}
	const struct passwd *owner = geteuid()		? getpwuid(geteuid())
				     : source->owner[0] ? getpwnam(source->owner)
							: NULL;
	if (owner)
		check_as(f, owner, directory);
	else
		findings_add(f, FINDING_OK, directory, "is where mail is");
}
