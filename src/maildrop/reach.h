/*
 * reach: may a maildrop that does not exist be taken for an empty one?
 */
#ifndef POSTERN_MAILDROP_REACH_H
#define POSTERN_MAILDROP_REACH_H

#include "maildrop/driver.h"

/*
 * A maildrop that nobody has delivered into yet does not exist. Neither does one whose
 * path is misspelt or whose file system is not mounted, and a client that is shown an
 * empty mailbox forgets what it knew. So the directory that the maildrop would lie in
 * must exist, or be one that its owner, which is the calling process, could make, as
 * postern deliver does: the lowest directory on the way that exists is theirs to write.
 * 0: so it is, or the maildrop exists, or opening it will tell what is wrong; -1 with
 * ENOENT and *fault.
 */
int maildrop_reach(const char *path, struct maildrop_fault *fault);

#endif
