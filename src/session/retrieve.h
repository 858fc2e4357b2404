/*
 * retrieve: a message to the client (RETR and TOP).
 */
#ifndef POSTERN_SESSION_RETRIEVE_H
#define POSTERN_SESSION_RETRIEVE_H

#include "session/session.h"

enum { RETRIEVE_BLOCK = REPLY_BLOCK }; /* octets read at once */

/* Opens message i, with a block to read into and its size put right: 0, or -1 with
 * *fault. */
int retrieve_open(struct session *session, size_t i, struct maildrop_body *body,
	struct maildrop_fault *fault);

enum event retrieve_message(struct session *session, size_t i);
enum event retrieve_top(struct session *session, size_t i, uint64_t lines);

#endif
