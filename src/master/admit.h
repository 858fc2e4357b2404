/*
 * admit: accepting connections, within the limits.
 */
#ifndef POSTERN_MASTER_ADMIT_H
#define POSTERN_MASTER_ADMIT_H

#include "master/master.h"

/* Begins or ends watching the listeners. */
void admit_watch(struct master *m, bool wanted);

/* The end of a pause: owner is the master. */
void admit_on_pause(void *owner);

#endif
