/*
 * witness: a keyed hash (the key fills the first block of BLAKE2b, which RFC 7693
 * section 2.9 does as well) of number, octets and signature, each behind its length.
 */
#include "postern/witness.h"

#include "base/blake2b.h"

static void add(struct blake2b *hash, struct span s)
{
	uint64_t n = s.n;
	unsigned char length[8];
	for (int i = 0; i < 8; i++)
		length[i] = (unsigned char)(n >> 8 * i);
	blake2b_update(hash, span_of(length, sizeof(length)));
	blake2b_update(hash, s);
}

void witness_make(const unsigned char key[WITNESS_KEY], uint64_t connection,
	struct span octets, struct span signature, unsigned char witness[WITNESS])
{
	unsigned char first[BLAKE2B_BLOCK] = { 0 };
	struct blake2b hash;
	memcpy(first, key, WITNESS_KEY);
	blake2b_init(&hash, WITNESS);
	blake2b_update(&hash, span_of(first, sizeof(first)));
	for (int i = 0; i < 8; i++)
		first[i] = (unsigned char)(connection >> 8 * i);
	add(&hash, span_of(first, 8));
	add(&hash, octets);
	add(&hash, signature);
	blake2b_final(&hash, witness);
	explicit_bzero(first, sizeof(first));
	explicit_bzero(&hash, sizeof(hash));
}

bool witness_is(
	const unsigned char expected[WITNESS], const unsigned char witness[WITNESS])
{
	unsigned char differs = 0;
	for (size_t i = 0; i < WITNESS; i++)
		differs |= expected[i] ^ witness[i];
	return differs == 0;
}
