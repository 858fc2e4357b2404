/*
 * ahead: the message that the client will ask for next, opened and begun to be read
 * while it takes the one before.
 */
#ifndef POSTERN_SESSION_AHEAD_H
#define POSTERN_SESSION_AHEAD_H

#include "postern/maildrop.h"

#include <stdbool.h>
#include <sys/types.h>

struct session;

struct ahead {
	struct maildrop_body body;
	size_t i; /* whose body that is, if open */
	bool open;
	ssize_t held;  /* of its octets, in the session's block */
	size_t behind; /* the message behind the one that was sent last */
	bool wanted;   /* that one is likely to be asked for */
};

/* Message i has been sent. One that was asked for behind the one before it makes the
 * next one likely. */
void ahead_sent(struct session *session, size_t i);

/* Before a wait for the client: opens what it is likely to ask for, and reads the first
 * block. What cannot be opened is met again, and told, when it is asked for. */
void ahead_read(struct session *session);

/* Gives message i away, with *held octets in the session's block: true; or closes
 * whatever was opened, and the block is free. */
bool ahead_take(
	struct session *session, size_t i, struct maildrop_body *body, ssize_t *held);

void ahead_drop(struct session *session);

#endif
