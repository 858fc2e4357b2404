/*
 * sqlite: inside of the source of that name.
 */
#ifndef POSTERN_AUTH_SQLITE_H
#define POSTERN_AUTH_SQLITE_H

#include "auth/source.h"

/* The claim's password or digest against source->record: ACCEPTED, REFUSED or FAULT
 * (logged), and nothing of the identity. */
enum source_result sqlite_verify(struct source *source, struct claim *claim);

#endif
