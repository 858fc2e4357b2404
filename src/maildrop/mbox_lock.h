/*
 * mbox_lock: keeps delivery agents and other mail programs away from an mbox.
 */
#ifndef POSTERN_MAILDROP_MBOX_LOCK_H
#define POSTERN_MAILDROP_MBOX_LOCK_H

#include "maildrop/dotlock.h"

#include <signal.h>

struct mbox_lock {
	int fd;		  /* of the mbox; borrowed */
	bool flocked;	  /* flock(2), too */
	sigset_t signals; /* as they were blocked before */
	struct dotlock dot;
};

/*
 * Locks the mbox that fd (open for writing when write is set) and path name: a
 * record lock, flock(2) where that is another lock, and the dotlock. All are had, or
 * none: nothing is held while one is waited for, so that whatever order others take
 * theirs in, nobody waits for ever. Waits until deadline (of io_now()).
 * Where a dotlock cannot be made (the directory's permissions, a full disk), another
 * program's is waited for, and none is made.
 * Returns 0, or -1 with errno; EAGAIN: somebody else kept a lock. Nothing is
 * then held. While they are held the signals that end a process wait (SIGKILL does
 * not): it would leave half a message, and a lock.
 */
int mbox_lock(
	struct mbox_lock *lock, int fd, const char *path, bool write, int64_t deadline);

/*
 * To be called before octets are cut off, and the size asked for afterwards: where
 * no dotlock of ours stands, an agent that knows only those may have begun to deliver.
 * Waits until it is done, five seconds at most: it may also be one that waits for our
 * other locks.
 */
void mbox_lock_settle(const struct mbox_lock *lock);

/* Releases all, the dotlock only if it is still ours. errno is unharmed. */
void mbox_unlock(struct mbox_lock *lock);

#endif
