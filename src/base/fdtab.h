/*
 * fdtab: the table of open descriptors, made to be exactly what a domain's
 * contract says (include/postern/fds.h).
 */
#ifndef POSTERN_BASE_FDTAB_H
#define POSTERN_BASE_FDTAB_H

#include "base/poison.h"

enum { FDTAB_MAX = 16 };

/*
 * Moves fds[0..n) to the numbers base, base+1, ... in that order, whatever
 * numbers they have now, with close-on-exec, and closes every descriptor
 * from base+n on. Descriptors below base stay. Returns 0, or -1 with errno.
 */
int fdtab_place(int base, const int *fds, int n);

/* The same without close-on-exec, in a child that is about to become a program. */
int fdtab_place_for_exec(int base, const int *fds, int n);

/*
 * Are 0 to last all open? Makes those behind 2 close-on-exec, closes everything above
 * last. Returns 0, or -1 with errno EBADF when one is missing: somebody started this
 * program by hand.
 */
int fdtab_exactly(int last);

/* Closes every descriptor from first on. Returns 0, or -1 with errno. */
int fdtab_close_from(int first);

#endif
