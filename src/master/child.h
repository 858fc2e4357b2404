/*
 * child: a fork of the master, without the master's signal handlers.
 */
#ifndef POSTERN_MASTER_CHILD_H
#define POSTERN_MASTER_CHILD_H

#include "base/poison.h"

#include <sys/types.h>

/*
 * fork(2). In the child every signal has its default action, but for SIGPIPE, and none
 * is blocked. At no moment does a handler of the master run in the child: it would
 * write to the master's own pipe what was meant for the child.
 */
pid_t child_fork(void);

#endif
