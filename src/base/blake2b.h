/*
 * blake2b: the BLAKE2b hash of RFC 7693, without a key, for unique-ids and
 * names of locks. Here and not from a library because the session, which
 * needs it, links nothing. No password ever passes through it.
 */
#ifndef POSTERN_BASE_BLAKE2B_H
#define POSTERN_BASE_BLAKE2B_H

#include "base/span.h"

#include <stdint.h>

enum { BLAKE2B_BLOCK = 128, BLAKE2B_MAX = 64 }; /* octets */

struct blake2b {
	uint64_t h[8];
	uint64_t count[2];
	size_t filled, size;
	unsigned char block[BLAKE2B_BLOCK];
};

/* Begins a hash of size octets (1 to BLAKE2B_MAX). */
void blake2b_init(struct blake2b *b, size_t size);
void blake2b_update(struct blake2b *b, struct span s);

/* Writes the hash: size octets. The state is then used up. */
void blake2b_final(struct blake2b *b, unsigned char *hash);

/* size octets of hash over s as 2*size lower-case hex digits and a NUL. */
void blake2b_hex(struct span s, size_t size, char *hex);

/* n octets as 2n lower-case hex digits and a NUL. */
void hex_of(const unsigned char *p, size_t n, char *hex);

#endif
