/*
 * update: the UPDATE state.
 */
#ifndef POSTERN_SESSION_UPDATE_H
#define POSTERN_SESSION_UPDATE_H

#include "session/session.h"

/* Removes the marked messages and says what came of it: EVENT_QUIT; or, when a
 * signal had come before, or what was said did not reach the client, does nothing:
 * EVENT_TAKEOVER, EVENT_STOP, EVENT_DISCONNECT, EVENT_IDLE. */
enum event update_run(struct session *session);

#endif
