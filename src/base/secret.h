/*
 * secret: a short secret (password, digest, SASL response) in storage of its
 * own that is wiped when it has been used. Its length is not secret.
 */
#ifndef POSTERN_BASE_SECRET_H
#define POSTERN_BASE_SECRET_H

#include "base/span.h"

enum { SECRET_MAX = 1024 }; /* octets */

struct secret {
	unsigned char data[SECRET_MAX];
	size_t n;
};

/* Copies s. Returns 0, or -1 (the secret is then empty) when it is too long. */
int secret_set(struct secret *secret, struct span s);

/* Overwrites the storage; the secret is then empty. */
void secret_wipe(struct secret *secret);

static inline struct span secret_span(const struct secret *secret)
{
	return span_of(secret->data, secret->n);
}

/* Same octets? Takes a time that depends on the lengths only. */
bool secret_eq(struct span a, struct span b);

#endif
