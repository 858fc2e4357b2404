/*
 * witness: what the keeper testifies to auth, by way of a gate that neither believes:
 * that it made this signature over these octets for this connection. The master draws
 * the key and gives it to the two.
 */
#ifndef POSTERN_WITNESS_H
#define POSTERN_WITNESS_H

#include "base/span.h"

#include <stdint.h>

enum { WITNESS_KEY = 32, WITNESS = 32 }; /* octets */

void witness_make(const unsigned char key[WITNESS_KEY], uint64_t connection,
	struct span octets, struct span signature, unsigned char witness[WITNESS]);

/* Takes as long whatever differs. */
bool witness_is(
	const unsigned char expected[WITNESS], const unsigned char witness[WITNESS]);

#endif
