/*
 * launch: starts one warm parent of a generation, with the set-up that its
 * configuration means.
 */
#ifndef POSTERN_MASTER_LAUNCH_H
#define POSTERN_MASTER_LAUNCH_H

#include "master/domain.h"

#include <stdint.h>

/* Starts it; its timer fires when it is not READY in ready_ms milliseconds. 0, or -1
 * with errno; it may run all the same (domain->pid), and cannot be listened to then. */
int launch(struct domain *domain, int64_t ready_ms);

#endif
