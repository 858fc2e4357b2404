/*
 * blake2b: RFC 7693 in the order of its section 3. Pure computation.
 */
#include "base/blake2b.h"

static const uint64_t iv[8] = {
	0x6A09E667F3BCC908,
	0xBB67AE8584CAA73B,
	0x3C6EF372FE94F82B,
	0xA54FF53A5F1D36F1,
	0x510E527FADE682D1,
	0x9B05688C2B3E6C1F,
	0x1F83D9ABFB41BD6B,
	0x5BE0CD19137E2179,
};

/* Message schedule, RFC 7693 section 2.7; rounds 10 and 11 repeat 0 and 1. */
static const unsigned char sigma[12][16] = {
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	{ 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3 },
	{ 11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4 },
	{ 7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8 },
	{ 9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13 },
	{ 2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9 },
	{ 12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11 },
	{ 13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10 },
	{ 6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5 },
	{ 10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0 },
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	{ 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3 },
};

static uint64_t rotate(uint64_t x, unsigned n)
{
	return x >> n | x << (64 - n);
}

static uint64_t little_endian(const unsigned char *p)
{
	uint64_t x = 0;
	for (int i = 7; i >= 0; i--)
		x = x << 8 | p[i];
	return x;
}

static inline void mix(
	uint64_t v[16], int a, int b, int c, int d, uint64_t x, uint64_t y)
{
	v[a] += v[b] + x;
	v[d] = rotate(v[d] ^ v[a], 32);
	v[c] += v[d];
	v[b] = rotate(v[b] ^ v[c], 24);
	v[a] += v[b] + y;
	v[d] = rotate(v[d] ^ v[a], 16);
	v[c] += v[d];
	v[b] = rotate(v[b] ^ v[c], 63);
}

static void compress(struct blake2b *b, const unsigned char *block, bool last)
{
	uint64_t v[16], m[16];
	memcpy(v, b->h, sizeof(b->h));
	memcpy(v + 8, iv, sizeof(iv));
	v[12] ^= b->count[0];
	v[13] ^= b->count[1];
	if (last)
		v[14] = ~v[14];
	for (int i = 0; i < 16; i++)
		m[i] = little_endian(block + 8 * i);
	for (int round = 0; round < 12; round++) {
		const unsigned char *s = sigma[round];
		mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
		mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
		mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
		mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
		mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
		mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
		mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
		mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
	}
	for (int i = 0; i < 8; i++)
		b->h[i] ^= v[i] ^ v[i + 8];
}

static void count(struct blake2b *b, size_t n)
{
	b->count[0] += n;
	b->count[1] += b->count[0] < n;
}

void blake2b_init(struct blake2b *b, size_t size)
{
	*b = (struct blake2b){ .size = size };
	memcpy(b->h, iv, sizeof(b->h));
	b->h[0] ^= 0x01010000 ^ size;
}

void blake2b_update(struct blake2b *b, struct span s)
{
	while (s.n) {
		/* A full block waits: it may be the last one. */
		if (b->filled == BLAKE2B_BLOCK) {
			count(b, BLAKE2B_BLOCK);
			compress(b, b->block, false);
			b->filled = 0;
		}
		while (b->filled == 0 && s.n > BLAKE2B_BLOCK) {
			count(b, BLAKE2B_BLOCK);
			compress(b, s.p, false);
			s = span_tail(s, BLAKE2B_BLOCK);
		}
		struct span part = span_head(s, BLAKE2B_BLOCK - b->filled);
		memcpy(b->block + b->filled, part.p, part.n);
		b->filled += part.n;
		s = span_tail(s, part.n);
	}
}

void blake2b_final(struct blake2b *b, unsigned char *hash)
{
	count(b, b->filled);
	memset(b->block + b->filled, 0, BLAKE2B_BLOCK - b->filled);
	compress(b, b->block, true);
	for (size_t i = 0; i < b->size; i++)
		hash[i] = (unsigned char)(b->h[i / 8] >> 8 * (i % 8));
}

void hex_of(const unsigned char *p, size_t n, char *hex)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < n; i++) {
		hex[2 * i] = digits[p[i] >> 4];
		hex[2 * i + 1] = digits[p[i] & 15];
	}
	hex[2 * n] = '\0';
}

void blake2b_hex(struct span s, size_t size, char *hex)
{
	struct blake2b b;
	unsigned char hash[BLAKE2B_MAX] = { 0 };
	blake2b_init(&b, size);
	blake2b_update(&b, s);
	blake2b_final(&b, hash);
	hex_of(hash, size, hex);
}
