/*
 * sasl: the messages of SASL mechanisms, taken apart. Pure functions on octets
 * that a stranger sent; the spans they return borrow from the message.
 */
#ifndef POSTERN_GATE_SASL_H
#define POSTERN_GATE_SASL_H

#include "base/span.h"
#include "postern/login.h"

/*
 * RFC 4616: [authzid] NUL authcid NUL passwd. Returns 0; or -1 when the message
 * has another form, an empty or over-long part, or an authzid that is not the
 * authcid (nobody here may act for another).
 */
int sasl_plain(struct span message, struct span *name, struct span *password);

/* May this be the name or the password of a claim? Not empty, no NUL, not longer
 * than the claim's maximum. */
bool sasl_name_fits(struct span name);
bool sasl_password_fits(struct span password);

/* 32 lower-case hex digits? */
bool sasl_digest_fits(struct span digest);

#endif
