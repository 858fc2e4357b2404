/*
 * maildir_tmp: clears away what deliveries left unfinished (the Maildir page: a file in
 * tmp that has not been accessed in 36 hours should be deleted).
 *
 * Runs as the mailbox owner, behind the client. Distrusts the directory: no link is
 * followed, only regular files are removed. What a delivery is writing has been changed
 * lately, and its ctime, which nobody can set, tells so. Fails by leaving things there.
 */
#include "maildrop/maildir.h"

#include "base/io.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TMP_MOST = 10000 /* files that one session looks at */ };

static int64_t nanoseconds(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool is_left(const struct stat *st, int64_t now)
{
	int64_t before = now - MAILDIR_UNFINISHED;
	return S_ISREG(st->st_mode) && nanoseconds(st->st_atim) < before &&
	       nanoseconds(st->st_mtim) < before && nanoseconds(st->st_ctim) < before;
}

static void clean(DIR *tmp, int64_t now)
{
	const struct dirent *entry;
	struct stat st;
	for (int i = 0; i < TMP_MOST && (entry = readdir(tmp)); i++)
		if (entry->d_name[0] != '.' &&
			fstatat(dirfd(tmp), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) ==
				0 &&
			is_left(&st, now))
			(void)unlinkat(dirfd(tmp), entry->d_name, 0);
}

void maildir_clean_tmp(const struct maildrop *drop)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	int root = open(drop->path, flags);
	int fd = root < 0 ? -1 : openat(root, "tmp", flags | O_NOFOLLOW);
	DIR *tmp = fd < 0 ? NULL : fdopendir(fd);
	if (tmp) {
		clean(tmp, maildir_clock());
		closedir(tmp);
	} else {
		io_close(&fd);
	}
	io_close(&root);
}
