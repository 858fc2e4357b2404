/*
 * greeting: the first line of a connection, RFC 1939 section 4. On a plain port the
 * master writes it, long before there is a gate; behind TLS the gate does.
 */
#ifndef POSTERN_POP3_GREETING_H
#define POSTERN_POP3_GREETING_H

#include "postern/facts.h"

enum { GREETING_MAX = 32 + FACTS_CHALLENGE_MAX };

/* RFC 1939 section 7: is the challenge in it, so that APOP can be answered? */
bool greeting_has_challenge(const struct facts *facts);

/* The line with CRLF. */
void greeting_put(struct buf *out, const struct facts *facts);

#endif
