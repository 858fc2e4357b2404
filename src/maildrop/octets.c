/*
 * octets: counts wire octets (RFC 1939 section 11). Every octet is one; a LF
 * that no CR precedes is two; a message that ends in neither gets CRLF. A
 * block is compared with itself moved by one, sixteen octets at a time, which
 * is about as fast as memory.
 */
#include "maildrop/octets.h"

enum { LANES = 16, ROUNDS = 255 /* what a lane of eight bits can count */ };

typedef unsigned char lanes __attribute__((vector_size(LANES)));

/* LFs in p[0..n) whose predecessor is no CR; p[-1] must be readable. */
static size_t bare(const unsigned char *p, size_t n)
{
	size_t count = 0;
	for (size_t i = 0; i < n; i++)
		count += p[i] == '\n' && *(p + i - 1) != '\r';
	return count;
}

static size_t bare_lanes(const unsigned char *p, size_t rounds)
{
	lanes sum = { 0 };
	for (size_t i = 0; i < rounds; i++, p += LANES) {
		lanes here, before;
		memcpy(&here, p, LANES);
		memcpy(&before, p - 1, LANES);
		sum -= (lanes)((here == '\n') & (before != '\r'));
	}
	size_t count = 0;
	for (int i = 0; i < LANES; i++)
		count += sum[i];
	return count;
}

static size_t bare_fast(const unsigned char *p, size_t n)
{
	size_t count = 0;
	while (n >= LANES) {
		size_t rounds = n / LANES < ROUNDS ? n / LANES : ROUNDS;
		count += bare_lanes(p, rounds);
		p += rounds * LANES;
		n -= rounds * LANES;
	}
	return count + bare(p, n);
}

void octets_add(struct octets *octets, struct span block)
{
	if (block.n == 0)
		return;
	octets->n += block.n + bare_fast(block.p + 1, block.n - 1);
	octets->n += block.p[0] == '\n' && !octets->cr;
	octets->any = true;
	octets->cr = block.p[block.n - 1] == '\r';
	octets->lf = block.p[block.n - 1] == '\n';
}

uint64_t octets_total(const struct octets *octets)
{
	return octets->any && !octets->lf ? octets->n + 2 : octets->n;
}
