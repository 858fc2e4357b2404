/*
 * saslprep: names and passwords in the one form that SASL compares (RFC 4013): what
 * one keyboard composes and another writes in two code points is the same text.
 */
#ifndef POSTERN_ACCOUNTS_SASLPREP_H
#define POSTERN_ACCOUNTS_SASLPREP_H

#include "base/span.h"
#include "postern/login.h"

/* Room for what grows when it is normalised. */
enum { SASLPREP_MAX = 4 * LOGIN_PASSWORD_MAX };

/*
 * *prepared is raw itself when it is ASCII, else its prepared form in text. 0; or -1
 * with errno EINVAL, *prepared raw: not UTF-8, a character that RFC 4013 prohibits,
 * nothing left of it, no room. Code points that Unicode 3.2 did not know stay as they
 * are, and the direction of writing is nobody's business here: both would
 * otherwise refuse names and passwords that people have.
 */
int saslprep(struct span raw, char text[SASLPREP_MAX], struct span *prepared);

/* Does preparing it leave copies in this process's memory? */
bool saslprep_soils(struct span raw);

#endif
