/*
 * maildrop_walk: what a session does with a maildrop, every promise of
 * include/postern/maildrop.h checked on the way.
 */
#ifndef POSTERN_FUZZ_MAILDROP_WALK_H
#define POSTERN_FUZZ_MAILDROP_WALK_H

#include "postern/maildrop.h"

/*
 * Opens, asks everything, reads every message, deletes those whose bit of marks is set
 * (by number modulo 8), opens again and finds the others. A maildrop that cannot be
 * opened is as good.
 */
void walk_maildrop(
	enum maildrop_kind kind, const char *path, int state, unsigned marks);

/* As above, where the owner has forged what stands in the state directory: then
 * only what a session may not do counts: end, or answer out of form. */
void walk_forged(enum maildrop_kind kind, const char *path, int state);

#endif
