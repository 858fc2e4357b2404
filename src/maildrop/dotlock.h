/*
 * dotlock: PATH.lock, the file by which delivery agents and mail programs keep each
 * other away from an mbox.
 */
#ifndef POSTERN_MAILDROP_DOTLOCK_H
#define POSTERN_MAILDROP_DOTLOCK_H

#include "postern/maildrop.h"

#include <sys/stat.h>

struct dotlock {
	bool made; /* it is ours and stands */
	dev_t dev; /* of ours */
	ino_t ino;
	bool local; /* the file system's clock is this machine's */
	char path[MAILDROP_PATH_MAX + 8];
	char fresh[MAILDROP_PATH_MAX + 16]; /* before it has its name */
};

/* Nothing is made yet. mbox: the path of the mbox. */
void dotlock_name(struct dotlock *lock, const char *mbox, bool local);

/*
 * Makes it, once. Returns 0; or -1 with errno: EAGAIN: another program's stands there.
 * Where none can be made (the directory's permissions, the walls, a full disk) the
 * result is 0 as well, with made false, unless another program's stands there.
 * The caller holds the record lock of the mbox.
 */
int dotlock_take(struct dotlock *lock);

/* Does another program's stand there, one that is not stale? */
bool dotlock_is_foreign(const struct dotlock *lock);

/* Removes it if it is still ours. errno is unharmed. */
void dotlock_drop(struct dotlock *lock);

/* Is a lock with these times older than a living program leaves one? now: by the clock
 * of its file system, if that is known. */
bool dotlock_is_old(const struct stat *st, time_t now, bool known);

#endif
