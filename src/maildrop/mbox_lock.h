/*
 * mbox_lock: keeps delivery agents and other mail programs away from an mbox.
 */
#ifndef POSTERN_MAILDROP_MBOX_LOCK_H
#define POSTERN_MAILDROP_MBOX_LOCK_H

#include "postern/maildrop.h"

#include <sys/types.h>

struct mbox_lock {
	int fd; /* of the mbox; borrowed */
	bool dotted;
	dev_t dev; /* of the dotlock that we made */
	ino_t ino;
	char dotlock[MAILDROP_PATH_MAX + 8];
	char fresh[MAILDROP_PATH_MAX + 16]; /* the dotlock before it has its name */
};

/*
 * Locks the mbox that fd (open for writing when write is set) and path name: a
 * record lock first, the dotlock then, as Debian policy 11.6 wants it; both are
 * waited for until deadline (of io_now()), without holding one while waiting for
 * the other. A dotlock that cannot be made because of the directory's
 * permissions, or because the disk is full, is done without.
 * Returns 0, or -1 with errno; EAGAIN: somebody else kept the lock. Nothing is
 * then held.
 */
int mbox_lock(
	struct mbox_lock *lock, int fd, const char *path, bool write, int64_t deadline);

/* Releases both, the dotlock only if it is still ours. errno is unharmed. */
void mbox_unlock(struct mbox_lock *lock);

#endif
