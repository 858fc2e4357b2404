/*
 * worker: one of the processes that sign. All of them wait on the one control
 * channel; each takes whole connections from it, one after the other.
 */
#ifndef POSTERN_KEEPER_WORKER_H
#define POSTERN_KEEPER_WORKER_H

#include "keeper/key.h"

/* In a fresh child: raises its walls, signs until the control channel ends. */
_Noreturn void worker_run(const struct key *key);

#endif
