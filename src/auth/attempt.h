/*
 * attempt: one claim, received, decided, handed on. What an auth child is for.
 */
#ifndef POSTERN_AUTH_ATTEMPT_H
#define POSTERN_AUTH_ATTEMPT_H

#include "auth/decide.h"

/*
 * Takes the one LOGIN from FD_AUTH_VERDICT and decides it. Returns, and keeps
 * nothing of it; or exits, where others' code has been at work or something is
 * wrong. Either way with one of:
 *
 *   EXIT_DONE       the identity went to the session parent
 *   EXIT_REFUSED    the client is not who it says
 *   EXIT_MALFORMED  no gate of ours sent that
 *   EXIT_MORE       a challenge went to the gate
 *   EXIT_TEMPORARY  our fault
 */
int attempt_run(struct auth *auth);

#endif
