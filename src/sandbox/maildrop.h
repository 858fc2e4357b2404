/*
 * maildrop: Landlock for one session, from the place of its maildrop.
 */
#ifndef POSTERN_SANDBOX_MAILDROP_H
#define POSTERN_SANDBOX_MAILDROP_H

#include "postern/maildrop.h"

/* As sandbox_session() says, without Landlock nothing. 0, or -1 with errno. */
int sandbox_maildrop(enum maildrop_kind kind, const char *path, int state);

#endif
