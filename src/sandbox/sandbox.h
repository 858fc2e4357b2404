/*
 * sandbox: one verb per domain. Each takes the calling process's last rights
 * away, for good: no new privileges, no capabilities, Landlock, seccomp with
 * kill, in that order, as far as the system has them. One file per operating system:
 * linux.c, none.c.
 */
#ifndef POSTERN_SANDBOX_H
#define POSTERN_SANDBOX_H

#include "postern/maildrop.h"

/* Walls that a system may lack; a set of them is an unsigned. */
enum sandbox_wall {
	WALL_SECCOMP = 1,
	WALL_LANDLOCK = 2,
	WALL_NO_NEW_PRIVS = 4,
};

/* Which walls this system cannot give, for the one start-up line. */
unsigned sandbox_missing(void);

/* "seccomp", "Landlock", ... for one wall. */
const char *sandbox_wall_name(enum sandbox_wall wall);

/*
 * Each returns 0, or -1 with errno when a wall that the system has could not be
 * raised: the caller must end. A wall that the system lacks is no error.
 */

/* The gate's warm parent: fork, channels, TLS set-up done. No file. */
int sandbox_gate_parent(void);

/* One connection's gate: its three descriptors, memory, time. No file, no fork,
 * no descriptor passing. On top of sandbox_gate_parent(). */
int sandbox_gate(void);

/* The auth parent and its children: PAM modules may do much, so: non-dumpable,
 * no core files, no new privileges. */
int sandbox_auth(void);

/*
 * One session, after it became the owner: the maildrop (its directory beneath
 * path, or the mbox file and its directory for the dotlock) and the state
 * directory (a descriptor); no network, no fork, no exec. A maildrop that does not
 * exist gives access to the state directory alone.
 */
int sandbox_session(enum maildrop_kind kind, const char *path, int state);

#endif
