/*
 * update: the UPDATE state.
 */
#ifndef POSTERN_SESSION_UPDATE_H
#define POSTERN_SESSION_UPDATE_H

#include "session/session.h"

/* Removes the marked messages and says what came of it: EVENT_QUIT; or, when a
 * signal had come before, does nothing: EVENT_TAKEOVER, EVENT_STOP. */
enum event update_run(struct session *session);

#endif
