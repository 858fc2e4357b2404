/*
 * place: a Maildir and a state directory in a directory of their own, which is the
 * working directory, for the tests of what is kept about a Maildir.
 */
#ifndef POSTERN_TESTS_UNIT_PLACE_H
#define POSTERN_TESTS_UNIT_PLACE_H

#include "postern/maildrop.h"

/* The Maildir; its state directory, open. */
extern char place_path[80];
extern int place_state;

/* Around every test: TestSuite(..., .init = place_begin, .fini = place_end). */
void place_begin(void);
void place_end(void);

/* Makes a message, "new/1.host" or "cur/1.host:2,S". */
void place_put(const char *name, const char *text);

struct maildrop *place_open(uint32_t undo_seconds);

#endif
