/*
 * base64: decoder and encoder. The decoder reads what a stranger sent; it
 * returns -1, and never reads or writes past what it was given. No table lookup
 * depends on where in memory a secret lies.
 */
#include "gate/base64.h"

enum { BASE64_NONE = 64 };

/* The six bits of a character, or BASE64_NONE. */
static unsigned value_of(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26u;
	if (c >= '0' && c <= '9')
		return c - '0' + 52u;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : BASE64_NONE;
}

/* Three octets or, in the last group, fewer: how many, or -1. */
static int decode_group(const unsigned char *text, bool last, unsigned char *out)
{
	int octets = 3;
	if (last && text[3] == '=')
		octets = text[2] == '=' ? 1 : 2;
	uint32_t bits = 0;
	for (int i = 0; i <= octets; i++) {
		unsigned value = value_of(text[i]);
		if (value == BASE64_NONE)
			return -1;
		bits |= value << (18 - 6 * i);
	}
	if (bits & (0xFFFFFFu >> 8 * octets))
		return -1;
	for (int i = 0; i < octets; i++)
		out[i] = (unsigned char)(bits >> (16 - 8 * i));
	return octets;
}

ssize_t base64_decode(struct span text, unsigned char *out, size_t size)
{
	size_t n = 0;
	if (text.n % 4)
		return -1;
	for (size_t i = 0; i < text.n; i += 4) {
		unsigned char group[3];
		int octets = decode_group(text.p + i, i + 4 == text.n, group);
		if (octets < 0 || size - n < (size_t)octets)
			return -1;
		memcpy(out + n, group, (size_t)octets);
		n += (size_t)octets;
	}
	return (ssize_t)n;
}

static unsigned char digit_of(uint32_t value)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	return (unsigned char)digits[value & 63];
}

void base64_encode(struct buf *out, struct span octets)
{
	while (octets.n) {
		struct span group = span_head(octets, 3);
		uint32_t bits = 0;
		for (size_t i = 0; i < group.n; i++)
			bits |= (uint32_t)group.p[i] << (16 - 8 * i);
		for (size_t i = 0; i < 4; i++)
			buf_putc(out,
				i <= group.n ? digit_of(bits >> (18 - 6 * i)) : '=');
		octets = span_tail(octets, 3);
	}
}
