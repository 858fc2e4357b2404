/*
 * truepath: one path for a maildrop to which several lead (/var/spool/mail is a link to
 * /var/mail), so that it has one lock and one journal.
 */
#ifndef POSTERN_MAILDROP_TRUEPATH_H
#define POSTERN_MAILDROP_TRUEPATH_H

#include "postern/maildrop.h"

/*
 * The absolute path, with the links to its directory followed, into to: as far as root
 * alone has laid them. Where anybody else can write a directory on the way, the path is
 * left as it is: its owner's link would name the lock and the journal of somebody else.
 */
void truepath_of(const char *path, char to[MAILDROP_PATH_MAX + 1]);

#endif
