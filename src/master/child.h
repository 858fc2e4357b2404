/*
 * child: a fork of the master, without the master's signal handlers; and the children
 * of warm parents that died, which are the master's from then on.
 */
#ifndef POSTERN_MASTER_CHILD_H
#define POSTERN_MASTER_CHILD_H

#include "base/poison.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * fork(2). In the child every signal has its default action, but for SIGPIPE, and none
 * is blocked. At no moment does a handler of the master run in the child: it would
 * write to the master's own pipe what was meant for the child.
 */
pid_t child_fork(void);

/* Children of a process of ours that dies become ours, where the system can do that.
 * 0, or -1 with errno. */
int child_adopt(void);

/* Is it a child of ours, running or not reaped yet? */
bool child_is_ours(pid_t pid);

/* SIGKILL, if it is. */
void child_kill(pid_t pid);

#endif
