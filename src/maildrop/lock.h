/*
 * lock: one session per maildrop (RFC 1939 section 4: exclusive access). A FIFO
 * in the locks directory (root's own, not the mailbox owner's), named by a
 * hash of the maildrop's kind and path, with a record lock (fcntl) on it that
 * dies with its holder and whose holder the kernel names (F_GETLK). Its
 * mtime is when the session last heard a command: the session touches
 * it through its descriptor, at most once a second; its atime is when the lock was
 * taken. A FIFO, since the holder keeps a descriptor that it can write to: in a file
 * it could store as much as root's file system holds. A session that its peer has
 * taken over can set no mtime other than now.
 */
#ifndef POSTERN_MAILDROP_LOCK_H
#define POSTERN_MAILDROP_LOCK_H

#include "postern/maildrop.h"

struct lock_holder {
	uint64_t held_seconds; /* how long the other session has run */
	uint64_t idle_seconds; /* since its last command */
	bool taken_over;       /* it was idle for too long and was made to end */
};

/*
 * Takes the lock of the maildrop in the directory locks. Called in the process
 * that shall hold it (a record lock is not inherited), before the privileges
 * are dropped: it follows no link and creates nothing elsewhere.
 *
 * A holder that has been idle for takeover_seconds gets SIGTERM, and the lock is
 * waited for, a few seconds at most: a session that is in the UPDATE state ends
 * that first, any other ends at once and deletes nothing. One that touches the lock
 * although it was told to end, or that has not ended five minutes later, is no session
 * of ours any more and gets SIGKILL. The holder is the process that the kernel names,
 * held by a pidfd.
 *
 * Any other holder is waited for a second: a client whose line has dropped is often
 * back before its old session has noticed.
 *
 * Returns the descriptor that holds the lock until it is closed (close no
 * other descriptor of that FIFO: record locks die with any); or -1 with errno:
 * EWOULDBLOCK when another session has it and keeps it: *holder says for how long.
 */
int lock_take(int locks, enum maildrop_kind kind, const char *path,
	uint32_t takeover_seconds, struct lock_holder *holder);

/* "I am alive": sets the lock's mtime. Works after the privileges are dropped. */
void lock_touch(int lock);

#endif
