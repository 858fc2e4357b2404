/*
 * state: each maildrop's state directory, where its size cache and an mbox's
 * journal live. It stands in a directory of root's, so that the owner of a
 * maildrop can neither move nor replace it; its content is the owner's.
 */
#ifndef POSTERN_MAILDROP_STATE_H
#define POSTERN_MAILDROP_STATE_H

#include "postern/maildrop.h"

enum { MAILDROP_KEY_DIGITS = 32 };

/* The name that stands for a maildrop wherever a path can't: 32 lower-case hex
 * digits (a hash of kind and path) and a NUL. */
void maildrop_key(
	enum maildrop_kind kind, const char *path, char key[MAILDROP_KEY_DIGITS + 1]);

/* That of the maildrop's true path (truepath.h). */
void maildrop_true_key(
	enum maildrop_kind kind, const char *path, char key[MAILDROP_KEY_DIGITS + 1]);

/*
 * Opens the state directory of a maildrop in the directory states and makes it
 * when there is none: 0700, of the given owner. Follows no link. Called before
 * the privileges are dropped. Returns a descriptor (close-on-exec), or -1 with
 * errno: the maildrop then works without a cache.
 */
int maildrop_state_open(
	int states, enum maildrop_kind kind, const char *path, uid_t uid, gid_t gid);

#endif
