/*
 * attempt: one claim, received, decided, handed on. An auth child's whole life.
 */
#ifndef POSTERN_AUTH_ATTEMPT_H
#define POSTERN_AUTH_ATTEMPT_H

#include "auth/decide.h"

/*
 * Takes the one LOGIN from FD_AUTH_VERDICT and decides it. Exits:
 *   EXIT_DONE       the identity went to the session parent
 *   EXIT_REFUSED    the client is not who it says
 *   EXIT_MALFORMED  no gate of ours sent that
 *   EXIT_MORE       a challenge went to the gate
 *   EXIT_TEMPORARY  our fault
 */
_Noreturn void attempt_run(struct auth *auth);

#endif
