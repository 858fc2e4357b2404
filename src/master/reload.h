/*
 * reload: new generations beside the old one.
 */
#ifndef POSTERN_MASTER_RELOAD_H
#define POSTERN_MASTER_RELOAD_H

#include "master/master.h"

/* Starts a generation; what becomes of it is told by master_generation_ready() or
 * master_generation_failed(). 0, or -1 after log lines. */
int reload_begin(struct master *m, const struct config *config, bool check);

/* Room for the descriptors of so many connections, as far as the system gives it. */
void reload_most(struct master *m, uint32_t connections);

/* Programs with a fresh address layout, soon: some have crashed. */
void reload_on_renew(void *owner);

/* Once a day: owner is the master. */
void reload_on_refresh(void *owner);

#endif
