/*
 * transaction: the commands of the TRANSACTION state (RFC 1939 section 5).
 */
#ifndef POSTERN_SESSION_TRANSACTION_H
#define POSTERN_SESSION_TRANSACTION_H

#include "session/session.h"

/* Runs one line and appends its reply. */
enum event transaction_run(struct session *session, struct span line);

#endif
