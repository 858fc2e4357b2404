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

/* RFC 2195: name SP digest; a name may have spaces. 0, or -1. */
int sasl_cram(struct span message, struct span *name, struct span *digest);

/* A name that was written as saslname (RFC 5802 section 5.1), decoded. */
struct sasl_name {
	unsigned char octets[LOGIN_NAME_MAX];
	size_t n;
};

static inline struct span sasl_name_span(const struct sasl_name *name)
{
	return span_of(name->octets, name->n);
}

/*
 * RFC 5802 section 7, client-first-message, as far as a claim needs it: the name, and
 * the type of channel binding (empty: none). Auth reads it exactly. 0, or -1.
 */
int sasl_scram_first(struct span message, struct sasl_name *name, struct span *binding);

/* RFC 7628 section 3.1: the name (empty: none was given) and the token. 0, or -1. */
int sasl_oauthbearer(struct span message, struct sasl_name *name, struct span *token);

/* "user=" name ^A "auth=Bearer " token ^A ^A. 0, or -1. */
int sasl_xoauth2(struct span message, struct sasl_name *name, struct span *token);

#endif
