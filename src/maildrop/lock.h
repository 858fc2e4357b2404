/*
 * lock: one session per maildrop (RFC 1939 section 4: exclusive access). A file
 * in the locks directory (root's own, not the mailbox owner's), named by a
 * hash of the maildrop's kind and path, with a record lock (fcntl) on it that
 * dies with its holder and whose holder the kernel names (F_GETLK). What the file
 * says (since when, which process, for which client) is for people. The
 * file's mtime is when the session last heard a command: the session touches
 * it through its descriptor, at most once a second. A session that its peer has
 * taken over can write nonsense into the file, but no mtime other than now.
 */
#ifndef POSTERN_MAILDROP_LOCK_H
#define POSTERN_MAILDROP_LOCK_H

#include "postern/maildrop.h"

struct lock_holder {
	uint64_t held_seconds; /* how long the other session has run */
	uint64_t idle_seconds; /* since its last command */
	bool taken_over;       /* it was idle for too long and was made to end */
	char client[64];       /* its client, printable */
};

/*
 * Takes the lock of the maildrop in the directory locks. Called in the process
 * that shall hold it (a record lock is not inherited), before the privileges
 * are dropped: it follows no link and creates nothing elsewhere. client is one
 * word for people ("192.0.2.1").
 *
 * A holder that has been idle for takeover_seconds gets SIGTERM, and the lock is
 * waited for, a few seconds at most: a session that is in the UPDATE state ends
 * that first, any other ends at once and deletes nothing. The holder is the
 * process that the kernel names, held by a pidfd, never what the file says.
 *
 * Any other holder is waited for a second: a client whose line has dropped is often
 * back before its old session has noticed.
 *
 * Returns the descriptor that holds the lock until it is closed (close no
 * other descriptor of that file: record locks die with any); or -1 with errno:
 * EWOULDBLOCK when another session has it and keeps it: *holder says who.
 */
int lock_take(int locks, enum maildrop_kind kind, const char *path, const char *client,
	uint32_t takeover_seconds, struct lock_holder *holder);

/* "I am alive": sets the lock's mtime. Works after the privileges are dropped. */
void lock_touch(int lock);

#endif
