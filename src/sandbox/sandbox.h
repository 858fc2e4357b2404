/*
 * sandbox: one verb per domain. Each takes the calling process's last rights
 * away, for good: limits, no new privileges, no capabilities, Landlock, seccomp
 * with kill, in that order, as far as the system has them. linux.c (with gate.c,
 * session.c, landlock.c) and none.c implement it.
 */
#ifndef POSTERN_SANDBOX_H
#define POSTERN_SANDBOX_H

#include "postern/maildrop.h"

#include <stdbool.h>

/* Walls that a system may lack; a set of them is an unsigned. */
enum sandbox_wall {
	WALL_SECCOMP = 1,
	WALL_LANDLOCK = 2,
	WALL_NO_NEW_PRIVS = 4,
};

/* Which walls this system cannot give, for the one start-up line. A build with
 * sanitizers has no seccomp: they need more system calls than we would allow. */
unsigned sandbox_missing(void);

/* Which walls the system has, but this process may not raise: a unit of systemd, or a
 * container, refuses the call. To serve without them would be a mistake's silence. */
unsigned sandbox_forbidden(void);

/* "seccomp", "Landlock", ... for one wall. */
const char *sandbox_wall_name(enum sandbox_wall wall);

/*
 * Each returns 0, or -1 with errno when a wall that the system has could not be
 * raised: the caller must end. A wall that the system lacks is no error.
 */

/* As root, before a drop to another user and exec: no program that runs later
 * can be given a capability (the bounding set is emptied). Not root: nothing. */
int sandbox_before_drop(void);

/* The gate's warm parent: fork, channels, TLS set-up done. No file. */
int sandbox_gate_parent(void);

/* One connection's gate: its three descriptors, memory, time. No file, no fork,
 * no descriptor passing (sendmsg, recvmsg kill: write, send, recv). On top of
 * sandbox_gate_parent(). kernel_tls: it may give its connection to the kernel's TLS. */
int sandbox_gate(bool kernel_tls);

/* The keeper, which has read its key: starts its workers and waits for them. */
int sandbox_keeper_parent(void);

/* One of them: memory, and channels that it is given. No file, no fork. On top of
 * sandbox_keeper_parent(). */
int sandbox_keeper(void);

/* The logger, which has opened the log: no file, no process, no socket but syslog(3)'s.
 */
int sandbox_logger(void);

/* The master, before it starts anybody: all that comes from it has at least these
 * walls. No capability and no system call that changes the kernel or looks into
 * other processes. */
int sandbox_master(void);

/* The auth parent and its children; PAM modules may do much. On top of
 * sandbox_master(): no mounting and no namespaces, unless may_mount. */
int sandbox_auth(bool may_mount);

/* The session's warm parent, root: what its children need to become an owner;
 * no network, no exec. Capabilities: those of that work alone. */
int sandbox_session_parent(void);

/*
 * One session, after it became the owner: the maildrop (the tree beneath path;
 * or the mbox file, and files beside it for the dotlock when nothing else lies
 * in its directory and that is the owner's) and the state directory (a
 * descriptor, or -1); no network, no fork, no exec, no descriptor passing. A maildrop
 * that does not exist, or that the owner cannot reach, gives access to the state
 * directory alone. At most SANDBOX_SESSION_DESCRIPTORS are open at a time.
 */
int sandbox_session(enum maildrop_kind kind, const char *path, int state);

enum { SANDBOX_SESSION_DESCRIPTORS = 24 };

#endif
