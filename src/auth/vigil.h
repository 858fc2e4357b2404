/*
 * vigil: a PAM session (pam_open_session(3)) around a mail session. It is opened before
 * anybody has become the mailbox owner, and closed when the mail session has ended,
 * by a process that waits for nothing else.
 */
#ifndef POSTERN_AUTH_VIGIL_H
#define POSTERN_AUTH_VIGIL_H

#include "auth/talk.h"

/*
 * Opens the session. RESULT_ACCEPTED: the claim's lifeline is a descriptor; the session
 * is closed when nobody holds it any more. RESULT_FAULT: logged.
 */
enum source_result vigil_begin(struct talk *talk, struct claim *claim);

#endif
