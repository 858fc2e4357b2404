/*
 * state: each maildrop's state directory. Runs as root (the session child before
 * it drops, the postern command) or, without root, as the one user there is.
 * Trusts the directory of all state directories, which is root's; believes
 * nothing about what stands in one of them.
 */
#include "maildrop/state.h"

#include "base/blake2b.h"
#include "maildrop/truepath.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

void maildrop_key(
	enum maildrop_kind kind, const char *path, char key[MAILDROP_KEY_DIGITS + 1])
{
	struct blake2b b;
	unsigned char hash[MAILDROP_KEY_DIGITS / 2];

	blake2b_init(&b, sizeof(hash));
	blake2b_update(&b, span_str(maildrop_kind_name(kind)));
	blake2b_update(&b, span_str(":"));
	blake2b_update(&b, span_str(path));
	blake2b_final(&b, hash);
	hex_of(hash, sizeof(hash), key);
}

void maildrop_true_key(
	enum maildrop_kind kind, const char *path, char key[MAILDROP_KEY_DIGITS + 1])
{
	char found[MAILDROP_PATH_MAX + 1];

	truepath_of(path, found);
	maildrop_key(kind, found, key);
}

/* What was kept under another path of the same maildrop, when nothing is under this. */
static void adopt(
	int states, enum maildrop_kind kind, const char *path, const char *key)
{
	char former[MAILDROP_KEY_DIGITS + 1];

	maildrop_key(kind, path, former);
	if (strcmp(former, key) != 0 && faccessat(states, key, F_OK, 0) < 0)
		(void)renameat(states, former, states, key);
}

/* A new directory is the creator's; an old one may be that of a former owner. */
static int give_to(int dir, uid_t uid, gid_t gid)
{
	struct stat st;

	if (fstat(dir, &st) < 0)
		return -1;
	if ((st.st_uid != uid || st.st_gid != gid) && fchown(dir, uid, gid) < 0)
		return -1;
	return (st.st_mode & 07777) == 0700 ? 0 : fchmod(dir, 0700);
}

int maildrop_state_open(
	int states, enum maildrop_kind kind, const char *path, uid_t uid, gid_t gid)
{
	char key[MAILDROP_KEY_DIGITS + 1];
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

	maildrop_true_key(kind, path, key);
	adopt(states, kind, path, key);
	int dir = openat(states, key, flags);
	if (dir < 0 && errno == ENOENT) {
		if (mkdirat(states, key, 0700) < 0 && errno != EEXIST)
			return -1;
		/* A journal in it must outlive what it is made against. */
		if (fsync(states) < 0 && errno != EINVAL)
			return -1;
		dir = openat(states, key, flags);
	}
	if (dir < 0 || give_to(dir, uid, gid) == 0)
		return dir;
	int why = errno;
	close(dir);
	errno = why;
	return -1;
}
