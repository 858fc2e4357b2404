/*
 * session_replies: what a session said to a client, held against what the client had
 * sent and against what became of the mail.
 */
#ifndef POSTERN_FUZZ_SESSION_REPLIES_H
#define POSTERN_FUZZ_SESSION_REPLIES_H

#include "session_world.h"

#include "session/session.h"

/*
 * Aborts unless
 *   - what was received is whole replies, one for each command line that was sent, in
 *     order, multi-line where RFC 1939 and 2449 say so, no line longer than 512 octets
 *     but in messages; the last one may be cut when the session ended itself or the
 *     client did;
 *   - RETR n has sent message n and no other;
 *   - every message that another program did not remove is there, but those that were
 *     deleted by DELE, when QUIT was answered; and these are gone when that was +OK.
 * cut: the client took nothing after some time.
 */
void replies_check(const struct world *world, struct span sent, struct span received,
	enum event event, bool cut);

#endif
