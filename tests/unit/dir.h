/*
 * dir: a Maildir under /tmp, for the tests of the Maildir driver.
 */
#ifndef POSTERN_TESTS_UNIT_DIR_H
#define POSTERN_TESTS_UNIT_DIR_H

#include "postern/maildrop.h"

#include <stdbool.h>

/* A directory, and the Maildir in it. */
extern char dir_top[40], dir_path[128];

/* Around every test: TestSuite(..., .init = dir_begin, .fini = dir_end). */
void dir_begin(void);
void dir_end(void);

/* A path below the Maildir; four of them live at a time. */
const char *dir_at(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Makes a message. */
void dir_put(const char *name, const char *text, size_t n);
#define PUT(name, text) dir_put(name, text, sizeof(text) - 1)

bool dir_exists(const char *name);

struct maildrop *dir_open(void);

/* Message i: its unique-id; what is stored as it, or NULL. */
const char *dir_uid(struct maildrop *drop, size_t i);
const char *dir_body(struct maildrop *drop, size_t i);

/* Removes the marked messages, which must be so many. */
void dir_commit(struct maildrop *drop, size_t removed);

#endif
