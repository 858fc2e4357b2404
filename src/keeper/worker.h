/*
 * worker: one of the processes that sign and open. All of them wait on the one control
 * channel; each takes whole connections from it, one after the other.
 */
#ifndef POSTERN_KEEPER_WORKER_H
#define POSTERN_KEEPER_WORKER_H

#include "keeper/key.h"
#include "keeper/tickets.h"

/* In a fresh child: raises its walls, answers until the control channel ends. */
_Noreturn void worker_run(const struct key *key, const struct tickets *tickets,
	const unsigned char witness_key[WITNESS_KEY]);

#endif
